/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations. kubectl looks for the path of a kind (explain), for the fieldValidation and dryRun parameters of its
 * PATCH (whether the server validates), and for the patch types that PATCH takes (how apply computes its patch).
 */
#include "api/emit.h"
#include "api/openapi_internal.h"

enum body { BODY_NONE, BODY_OBJECT, BODY_PATCH, BODY_OPTIONS };
enum answer { ANSWER_OBJECT, ANSWER_LIST, ANSWER_STATUS };

struct parameter {
    const char *name;
    const char *type;
    const char *description;
};

static const struct parameter list_parameters[] = {
    {"allowWatchBookmarks", "boolean", "Send bookmarks in a watch."},
    {"continue", "string", "Where the last page ended."},
    {"fieldSelector", "string", "Only objects whose fields match."},
    {"labelSelector", "string", "Only objects whose labels match."},
    {"limit", "integer", "The most objects to answer with."},
    {"resourceVersion", "string", "How fresh the answer must be, or where a watch starts."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with the objects that are there."},
    {"timeoutSeconds", "integer", "End a watch after this time."},
    {"watch", "boolean", "Stream changes instead of a list."},
    {NULL, NULL, NULL},
};
static const struct parameter write_parameters[] = {
    {"dryRun", "string", "All: do everything but store."},
    {"fieldManager", "string", "Who makes the change."},
    {"fieldValidation", "string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."},
    {NULL, NULL, NULL},
};
static const struct parameter patch_parameters[] = {
    {"dryRun", "string", "All: do everything but store."},
    {"fieldManager", "string", "Who makes the change."},
    {"fieldValidation", "string", "What to do about unknown and duplicate fields: Ignore, Warn or Strict."},
    {"force", "boolean", "Apply: take over fields that others manage."},
    {NULL, NULL, NULL},
};
static const struct parameter delete_parameters[] = {
    {"dryRun", "string", "All: do everything but store."},
    {"gracePeriodSeconds", "integer", "How long the object may take to end; 0 is at once."},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."},
    {NULL, NULL, NULL},
};
static const struct parameter no_parameters[] = {{NULL, NULL, NULL}};

/* One row for each verb: where it stands and what it exchanges. */
struct operation {
    const char *method;
    const char *action; /* x-kubernetes-action */
    const char *id;     /* begins the operationId */
    const struct parameter *parameters;
    enum body body;
    enum answer answer;
    uint8_t verb;
    bool on_name; /* at .../{name}, not at the collection */
};

static const struct operation operations[] = {
    {"get", "list", "list", list_parameters, BODY_NONE, ANSWER_LIST, SCHEMA_VERB_LIST, false},
    {"post", "post", "create", write_parameters, BODY_OBJECT, ANSWER_OBJECT, SCHEMA_VERB_CREATE, false},
    {"delete", "deletecollection", "deleteCollection", list_parameters, BODY_OPTIONS, ANSWER_STATUS,
     SCHEMA_VERB_DELETECOLLECTION, false},
    {"get", "get", "read", no_parameters, BODY_NONE, ANSWER_OBJECT, SCHEMA_VERB_GET, true},
    {"put", "put", "replace", write_parameters, BODY_OBJECT, ANSWER_OBJECT, SCHEMA_VERB_UPDATE, true},
    {"delete", "delete", "delete", delete_parameters, BODY_OPTIONS, ANSWER_STATUS, SCHEMA_VERB_DELETE, true},
    {"patch", "patch", "patch", patch_parameters, BODY_PATCH, ANSWER_OBJECT, SCHEMA_VERB_PATCH, true},
};

/* What one path is about. */
struct path {
    const struct schema_kind *owner;      /* whose path it is */
    const struct schema_kind *kind;       /* what it exchanges; NULL = text */
    const struct schema_subresource *sub; /* NULL = the resource itself */
    bool in_namespace;
    bool on_name;
};

bool openapi_is_builtin(const struct schema_kind *kind)
{
    return schema_find_kind(slice_str(kind->group), slice_str(kind->version), slice_str(kind->kind)) == kind;
}

static const struct schema_kind *kind_of_sub(const struct openapi_doc *doc, const struct schema_kind *owner,
                                             const struct schema_subresource *sub)
{
    const char *group = sub->group ? sub->group : owner->group;
    const char *version = sub->group ? sub->version : owner->version;
    const char *name = sub->kind ? sub->kind : owner->kind;
    for (size_t k = 0; k < doc->list.count; k++) {
        const struct schema_kind *kind = doc->list.kinds[k];
        if (!strcmp(kind->kind, name) && !strcmp(kind->group, group) && !strcmp(kind->version, version))
            return kind;
    }
    return schema_find_kind(slice_str(group), slice_str(version), slice_str(name));
}

static const struct schema_kind *meta_kind(const char *name)
{
    return schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), slice_str(name));
}

void openapi_collect_kind(struct openapi_doc *doc, const struct schema_kind *kind)
{
    static const char *const always[] = {"Status", "DeleteOptions"};
    openapi_collect(doc, kind->type);
    for (size_t i = 0; i < kind->subresource_count; i++) {
        const struct schema_kind *other = kind_of_sub(doc, kind, &kind->subresources[i]);
        if (other)
            openapi_collect(doc, other->type);
    }
    for (size_t i = 0; i < ARRAY_SIZE(always); i++) {
        const struct schema_kind *other = meta_kind(always[i]);
        if (other)
            openapi_collect(doc, other->type);
    }
}

static void write_parameter(struct openapi_doc *doc, const struct parameter *p, const char *in)
{
    struct buf *out = doc->out;
    emit_open(out, '{');
    emit_member(out, "name", p->name);
    emit_member(out, "in", in);
    emit_member(out, "description", p->description);
    if (!strcmp(in, "path"))
        emit_raw(out, "required", "true");
    if (!doc->v2)
        emit_open_key(out, "schema", '{');
    emit_member(out, "type", p->type);
    emit_raw(out, "uniqueItems", "true");
    if (!doc->v2)
        emit_close(out, '}');
    emit_close(out, '}');
}

/* A kind's schema; a custom resource's without a name is any object. */
static void write_kind_ref(struct openapi_doc *doc, const struct schema_kind *kind, const char *suffix)
{
    if (kind && kind->type->openapi_name && kind->type->openapi_name[0])
        openapi_write_ref(doc, kind->type->openapi_name, suffix);
    else
        buf_append_str(doc->out, kind ? "{\"type\":\"object\"}" : "{\"type\":\"string\"}");
}

static void write_body_schema(struct openapi_doc *doc, const struct path *path, enum body body)
{
    if (body == BODY_PATCH)
        openapi_write_ref(doc, OPENAPI_PATCH, "");
    else
        write_kind_ref(doc, body == BODY_OPTIONS ? meta_kind("DeleteOptions") : path->kind, "");
}

/* The media types of patches; custom resources have no strategic ones. */
static size_t patch_types(const struct schema_kind *kind, const char *ret_types[4])
{
    size_t count = 0;
    ret_types[count++] = "application/apply-patch+yaml";
    ret_types[count++] = "application/json-patch+json";
    ret_types[count++] = "application/merge-patch+json";
    if (openapi_is_builtin(kind))
        ret_types[count++] = "application/strategic-merge-patch+json";
    return count;
}

static void write_request_body(struct openapi_doc *doc, const struct path *path, enum body body)
{
    const char *types[4] = {"*/*"};
    size_t count = body == BODY_PATCH ? patch_types(path->owner, types) : 1;
    emit_open_key(doc->out, "requestBody", '{');
    emit_open_key(doc->out, "content", '{');
    for (size_t i = 0; i < count; i++) {
        emit_open_key(doc->out, types[i], '{');
        emit_key(doc->out, "schema");
        write_body_schema(doc, path, body);
        emit_close(doc->out, '}');
    }
    emit_close(doc->out, '}');
    if (body != BODY_OPTIONS)
        emit_raw(doc->out, "required", "true");
    emit_close(doc->out, '}');
}

/* Version 2 has the body among the parameters, and the media types at the operation. */
static void write_body_parameter(struct openapi_doc *doc, const struct path *path, enum body body)
{
    emit_open(doc->out, '{');
    emit_member(doc->out, "name", "body");
    emit_member(doc->out, "in", "body");
    if (body != BODY_OPTIONS)
        emit_raw(doc->out, "required", "true");
    emit_key(doc->out, "schema");
    write_body_schema(doc, path, body);
    emit_close(doc->out, '}');
}

static void write_media_types(struct openapi_doc *doc, const struct path *path, enum body body)
{
    const char *types[5] = {"*/*"};
    size_t count = body == BODY_PATCH ? patch_types(path->owner, types) : 1;
    types[count] = NULL;
    emit_texts(doc->out, "consumes", types);
    emit_raw(doc->out, "produces", "[\"application/json\"]");
}

static void write_answer(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    struct buf *out = doc->out;
    const struct schema_kind *kind = op->answer == ANSWER_STATUS && !path->sub ? meta_kind("Status") : path->kind;
    emit_open_key(out, "responses", '{');
    emit_open_key(out, op->verb == SCHEMA_VERB_CREATE ? "201" : "200", '{');
    emit_member(out, "description", op->verb == SCHEMA_VERB_CREATE ? "Created" : "OK");
    if (!doc->v2) {
        emit_open_key(out, "content", '{');
        emit_open_key(out, kind ? "application/json" : "text/plain", '{');
    }
    emit_key(out, "schema");
    write_kind_ref(doc, kind, op->answer == ANSWER_LIST ? "List" : "");
    buf_append_str(out, doc->v2 ? "}" : "}}}");
    emit_close(out, '}');
}

/* "readRbacAuthorizationV1NamespacedRoleStatus" */
static void write_operation_id(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    struct buf *out = doc->out;
    const struct schema_kind *owner = path->owner;
    struct slice rest = slice_str(owner->group[0] ? owner->group : "core"), part;
    if (slice_ends(rest, SLICE_LIT(".k8s.io")))
        rest.len -= strlen(".k8s.io");
    emit_key(out, "operationId");
    buf_printf(out, "\"%s", op->id);
    while (slice_split(&rest, '.', &part))
        if (part.len)
            buf_printf(out, "%c%.*s", part.data[0] & ~0x20, (int)part.len - 1, part.data + 1);
    buf_printf(out, "%c%s%s%s", owner->version[0] & ~0x20, owner->version + 1, path->in_namespace ? "Namespaced" : "",
               owner->kind);
    if (path->sub)
        buf_printf(out, "%c%s", path->sub->name[0] & ~0x20, path->sub->name + 1);
    if (op->verb == SCHEMA_VERB_LIST && owner->namespaced && !path->in_namespace)
        buf_append_str(out, "ForAllNamespaces");
    buf_append_byte(out, '"');
}

static void write_operation(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    struct buf *out = doc->out;
    /* A subresource that exchanges text (logs, exec) takes none of the options of objects. */
    enum body body = path->kind ? op->body : BODY_NONE;
    emit_open_key(out, op->method, '{');
    write_operation_id(doc, path, op);
    if (doc->v2)
        write_media_types(doc, path, body);
    emit_open_key(out, "parameters", '[');
    if (doc->v2 && body != BODY_NONE)
        write_body_parameter(doc, path, body);
    for (const struct parameter *p = op->parameters; path->kind && p->name; p++)
        write_parameter(doc, p, "query");
    emit_close(out, ']');
    if (!doc->v2 && body != BODY_NONE)
        write_request_body(doc, path, body);
    write_answer(doc, path, op);
    emit_member(out, "x-kubernetes-action", op->action);
    emit_key(out, "x-kubernetes-group-version-kind");
    openapi_write_gvk(out, path->kind ? path->kind : path->owner, "");
    emit_close(out, '}');
}

static void write_path_key(struct openapi_doc *doc, const struct path *path)
{
    struct buf *out = doc->out;
    const struct schema_kind *owner = path->owner;
    emit_separator(out);
    buf_printf(out, "\"/%s%s/%s%s/%s%s%s%s\":{", owner->group[0] ? "apis/" : "api", owner->group, owner->version,
               path->in_namespace ? "/namespaces/{namespace}" : "", owner->plural, path->on_name ? "/{name}" : "",
               path->sub ? "/" : "", path->sub ? path->sub->name : "");
}

/* One path with those of its verbs that belong there; nothing when there are none. */
static void write_path(struct openapi_doc *doc, const struct path *path, uint8_t verbs)
{
    static const struct parameter name = {"name", "string", "The object's name."};
    static const struct parameter namespace = {"namespace", "string", "The object's namespace."};
    bool any = false;
    for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
        const struct operation *op = &operations[i];
        if (!(verbs & op->verb) || (!path->sub && op->on_name != path->on_name))
            continue;
        if (!any)
            write_path_key(doc, path);
        any = true;
        write_operation(doc, path, op);
    }
    if (!any)
        return;
    emit_open_key(doc->out, "parameters", '[');
    if (path->on_name)
        write_parameter(doc, &name, "path");
    if (path->in_namespace)
        write_parameter(doc, &namespace, "path");
    buf_append_str(doc->out, "]}");
}

void openapi_write_paths(struct openapi_doc *doc, const struct schema_kind *kind)
{
    struct path path = {.owner = kind, .kind = kind};
    if (kind->namespaced)
        write_path(doc, &path, kind->verbs & SCHEMA_VERB_LIST);
    path.in_namespace = kind->namespaced;
    write_path(doc, &path, kind->verbs);
    path.on_name = true;
    write_path(doc, &path, kind->verbs);
    for (size_t i = 0; i < kind->subresource_count; i++) {
        path.sub = &kind->subresources[i];
        /* Discovery says that a log is a Pod; what is sent is text. */
        path.kind = strcmp(path.sub->name, "log") != 0 ? kind_of_sub(doc, kind, path.sub) : NULL;
        write_path(doc, &path, path.sub->verbs);
    }
}
