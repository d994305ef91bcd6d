/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations. kubectl looks for the path of a kind (explain), for the fieldValidation and dryRun parameters of its
 * PATCH (whether the server validates), and for the patch types that PATCH takes (how apply computes its patch).
 */
#include "api/emit.h"
#include "api/openapi_internal.h"

enum body { BODY_NONE, BODY_OBJECT, BODY_PATCH, BODY_OPTIONS };
enum answer { ANSWER_OBJECT, ANSWER_LIST, ANSWER_STATUS, ANSWER_EVENTS };

/* One row for each verb: where it stands and what it exchanges. */
struct operation {
    const char *method;
    const char *action; /* x-kubernetes-action */
    const char *id;     /* begins the operationId */
    enum body body;
    enum answer answer;
    uint8_t verb;
    bool on_name; /* at .../{name}, not at the collection */
};

static const struct operation operations[] = {
    {"get", "list", "list", BODY_NONE, ANSWER_LIST, SCHEMA_VERB_LIST, false},
    {"post", "post", "create", BODY_OBJECT, ANSWER_OBJECT, SCHEMA_VERB_CREATE, false},
    {"delete", "deletecollection", "delete", BODY_OPTIONS, ANSWER_STATUS, SCHEMA_VERB_DELETECOLLECTION, false},
    {"get", "get", "read", BODY_NONE, ANSWER_OBJECT, SCHEMA_VERB_GET, true},
    {"put", "put", "replace", BODY_OBJECT, ANSWER_OBJECT, SCHEMA_VERB_UPDATE, true},
    {"delete", "delete", "delete", BODY_OPTIONS, ANSWER_STATUS, SCHEMA_VERB_DELETE, true},
    {"patch", "patch", "patch", BODY_PATCH, ANSWER_OBJECT, SCHEMA_VERB_PATCH, true},
    {"get", "watchlist", "watch", BODY_NONE, ANSWER_EVENTS, SCHEMA_VERB_WATCH, false},
    {"get", "watch", "watch", BODY_NONE, ANSWER_EVENTS, SCHEMA_VERB_WATCH, true},
};

/* The codes of success; the first one of every operation, the others of these verbs. */
static const struct code {
    const char *code;
    const char *description;
    uint8_t verbs;
} codes[] = {
    {"200", "OK", SCHEMA_VERBS_ALL},
    {"201", "Created", SCHEMA_VERB_CREATE | SCHEMA_VERB_UPDATE | SCHEMA_VERB_PATCH},
    {"202", "Accepted", SCHEMA_VERB_CREATE | SCHEMA_VERB_DELETE},
};

/* What one path is about. */
struct path {
    const struct schema_kind *owner;      /* whose path it is */
    const struct schema_kind *kind;       /* what it exchanges; NULL = text */
    const struct schema_subresource *sub; /* NULL = the resource itself */
    bool in_namespace;
    bool on_name;
    bool watch; /* the old path of a watch, which says so; else a watch is a list with a parameter */
    bool rest;  /* a path of what is reached goes on behind it */
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

static void write_parameter(struct openapi_doc *doc, const struct openapi_parameter *p, const char *in)
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

static const struct schema_kind *answered_kind(const struct path *path, const struct operation *op)
{
    bool status = op->answer == ANSWER_STATUS && !path->sub;
    if (op->verb == SCHEMA_VERB_DELETE && path->owner->returned)
        status = false;
    return status ? meta_kind("Status") : path->kind;
}

static void write_answer(struct openapi_doc *doc, const struct path *path, const struct operation *op,
                         const struct code *code)
{
    struct buf *out = doc->out;
    const struct schema_kind *kind = answered_kind(path, op);
    emit_open_key(out, code->code, '{');
    emit_member(out, "description", code->description);
    if (!doc->v2) {
        emit_open_key(out, "content", '{');
        emit_open_key(out, kind ? "application/json" : "text/plain", '{');
    }
    emit_key(out, "schema");
    if (op->answer == ANSWER_EVENTS)
        openapi_write_ref(doc, OPENAPI_WATCH_EVENT, "");
    else
        write_kind_ref(doc, kind, op->answer == ANSWER_LIST ? "List" : "");
    buf_append_str(out, doc->v2 ? "}" : "}}}");
}

static void write_answers(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    emit_open_key(doc->out, "responses", '{');
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (!i || (path->kind && codes[i].verbs & op->verb))
            write_answer(doc, path, op, &codes[i]);
    emit_raw(doc->out, "401", "{\"description\":\"Unauthorized\"}");
    emit_close(doc->out, '}');
}

static void write_capital(struct buf *out, const char *text)
{
    buf_printf(out, "%c%s", text[0] & ~0x20, text + 1);
}

/* The options of a subresource that is neither objects nor their log: exec, proxy ...; NULL = it is. */
static const char *connection_options(const struct path *path)
{
    return path->sub && !path->kind ? path->sub->kind : NULL;
}

/* "RbacAuthorization" of rbac.authorization.k8s.io, "Core". */
static void write_group_name(struct buf *out, const struct schema_kind *owner)
{
    struct slice rest = slice_str(owner->group[0] ? owner->group : "core"), part;
    if (slice_ends(rest, SLICE_LIT(".k8s.io")))
        rest.len -= strlen(".k8s.io");
    while (slice_split(&rest, '.', &part))
        if (part.len)
            buf_printf(out, "%c%.*s", part.data[0] & ~0x20, (int)part.len - 1, part.data + 1);
}

/* "readRbacAuthorizationV1NamespacedRoleStatus": client generators make names of functions from it. */
static void write_operation_id(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    struct buf *out = doc->out;
    const struct schema_kind *owner = path->owner;
    emit_key(out, "operationId");
    buf_printf(out, "\"%s", connection_options(path) ? "connect" : op->id);
    write_group_name(out, owner);
    write_capital(out, owner->version);
    if (connection_options(path))
        write_capital(out, op->method);
    if (op->verb == SCHEMA_VERB_DELETECOLLECTION)
        buf_append_str(out, "Collection");
    buf_printf(out, "%s%s", path->in_namespace ? "Namespaced" : "", owner->kind);
    if (path->sub)
        write_capital(out, path->sub->name);
    if (path->rest)
        buf_append_str(out, "WithPath");
    if (path->watch && !path->on_name)
        buf_append_str(out, "List");
    if (op->verb & (SCHEMA_VERB_LIST | SCHEMA_VERB_WATCH) && !path->on_name && owner->namespaced && !path->in_namespace)
        buf_append_str(out, "ForAllNamespaces");
    buf_append_byte(out, '"');
}

/* "rbacAuthorization_v1": client generators make classes from it. */
static void write_tag(struct buf *out, const struct schema_kind *owner)
{
    size_t start;
    emit_open_key(out, "tags", '[');
    buf_append_byte(out, '"');
    start = out->len;
    write_group_name(out, owner);
    out->data[start] |= 0x20;
    buf_printf(out, "_%s\"]", owner->version);
}

static void write_operation_kind(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    struct schema_kind options = {.group = "", .version = "v1"};
    const char *connection = connection_options(path);
    emit_member(doc->out, "x-kubernetes-action", connection ? "connect" : op->action);
    emit_key(doc->out, "x-kubernetes-group-version-kind");
    if (connection)
        options.kind = connection;
    openapi_write_gvk(doc->out, connection ? &options : path->kind ? path->kind : path->owner, "");
}

static void write_operation(struct openapi_doc *doc, const struct path *path, const struct operation *op)
{
    struct buf *out = doc->out;
    /* A subresource that exchanges text (logs, exec) takes none of the options of objects. */
    enum body body = path->kind ? op->body : BODY_NONE;
    const struct openapi_parameter *parameters = path->kind ? openapi_parameters_of_verb(op->verb)
                                                            : openapi_parameters_of_stream(path->sub->name);
    emit_open_key(out, op->method, '{');
    write_tag(out, path->owner);
    write_operation_id(doc, path, op);
    if (doc->v2)
        write_media_types(doc, path, body);
    emit_open_key(out, "parameters", '[');
    if (doc->v2 && body != BODY_NONE)
        write_body_parameter(doc, path, body);
    for (; parameters->name; parameters++)
        write_parameter(doc, parameters, "query");
    emit_close(out, ']');
    if (!doc->v2 && body != BODY_NONE)
        write_request_body(doc, path, body);
    write_answers(doc, path, op);
    write_operation_kind(doc, path, op);
    emit_close(out, '}');
}

static void write_path_key(struct openapi_doc *doc, const struct path *path)
{
    struct buf *out = doc->out;
    const struct schema_kind *owner = path->owner;
    emit_separator(out);
    buf_printf(out, "\"/%s%s/%s%s%s/%s%s%s%s%s\":{", owner->group[0] ? "apis/" : "api", owner->group, owner->version,
               path->watch ? "/watch" : "", path->in_namespace ? "/namespaces/{namespace}" : "", owner->plural,
               path->on_name ? "/{name}" : "", path->sub ? "/" : "", path->sub ? path->sub->name : "",
               path->rest ? "/{path}" : "");
}

/* What is behind a proxy that takes any method is asked by these, too, which are no verbs of objects. */
static const struct operation proxy_operations[] = {
    {"head", "get", "read", BODY_NONE, ANSWER_OBJECT, SCHEMA_VERB_GET, true},
    {"options", "get", "read", BODY_NONE, ANSWER_OBJECT, SCHEMA_VERB_GET, true},
};

static bool is_proxy(const struct path *path)
{
    return path->sub && !strcmp(path->sub->name, "proxy");
}

/* One path with those of its verbs that belong there; nothing when there are none. */
static void write_path(struct openapi_doc *doc, const struct path *path, uint8_t verbs)
{
    static const struct openapi_parameter name = {"name", "string", "The object's name."};
    static const struct openapi_parameter namespace = {"namespace", "string", "The object's namespace."};
    static const struct openapi_parameter rest = {"path", "string", "The path to ask for."};
    static const struct openapi_parameter pretty = {"pretty", "string", "Whether to write for people: true or false."};
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
    for (size_t i = 0; is_proxy(path) && (verbs & SCHEMA_VERB_CREATE) && i < ARRAY_SIZE(proxy_operations); i++)
        write_operation(doc, path, &proxy_operations[i]);
    emit_open_key(doc->out, "parameters", '[');
    if (path->on_name)
        write_parameter(doc, &name, "path");
    if (path->in_namespace)
        write_parameter(doc, &namespace, "path");
    if (path->rest)
        write_parameter(doc, &rest, "path");
    if (!connection_options(path))
        write_parameter(doc, &pretty, "query");
    buf_append_str(doc->out, "]}");
}

/* Of all objects, of a namespace's, of one. */
static void write_resource(struct openapi_doc *doc, struct path path, uint8_t verbs)
{
    if (path.owner->namespaced)
        write_path(doc, &path, verbs & (SCHEMA_VERB_LIST | SCHEMA_VERB_WATCH));
    path.in_namespace = path.owner->namespaced;
    write_path(doc, &path, verbs);
    path.on_name = true;
    write_path(doc, &path, verbs);
}

void openapi_write_paths(struct openapi_doc *doc, const struct schema_kind *kind)
{
    struct path path = {.owner = kind, .kind = kind, .in_namespace = kind->namespaced, .on_name = true};
    write_resource(doc, (struct path){.owner = kind, .kind = kind}, kind->verbs & (uint8_t)~SCHEMA_VERB_WATCH);
    if (!kind->custom) /* nor does upstream tell of them */
        write_resource(doc, (struct path){.owner = kind, .kind = kind, .watch = true}, kind->verbs & SCHEMA_VERB_WATCH);
    for (size_t i = 0; i < kind->subresource_count; i++) {
        path.sub = &kind->subresources[i];
        /* Discovery says that a log is a Pod; what is sent is text. */
        path.kind = strcmp(path.sub->name, "log") != 0 ? kind_of_sub(doc, kind, path.sub) : NULL;
        write_path(doc, &path, path.sub->verbs);
        path.rest = is_proxy(&path);
        if (path.rest)
            write_path(doc, &path, path.sub->verbs);
        path.rest = false;
    }
}
