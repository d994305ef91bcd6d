/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Types as OpenAPI schemas. `kubectl explain`, `apply` and `edit` read them: every type that is referred to must be
 * there, with the merge keys of its lists, or kubectl warns on each apply.
 *
 * A type with an openapi_name is a schema of its own and is referred to; one without (a custom resource's) is written
 * in place.
 */
#include "api/emit.h"
#include "api/openapi_internal.h"

/* The bases that are schemas of their own. */
struct known {
    const char *name;
    const char *v3;
    const char *v2;
};

#define KNOWN_JSON (SCHEMA_OBJECT + 1) /* SCHEMA_ANY with the flag SCHEMA_JSON */

static const struct known known_bases[] = {
    [SCHEMA_QUANTITY] = {"io.k8s.apimachinery.pkg.api.resource.Quantity",
                         "{\"description\":\"An exact number with a suffix: 100m, 1.5Gi, 2k.\",\"oneOf\":[{\"type\":"
                         "\"string\"},{\"type\":\"number\"}]}",
                         "{\"description\":\"An exact number with a suffix: 100m, 1.5Gi, 2k.\",\"type\":\"string\"}"},
    [SCHEMA_INT_OR_STRING] = {"io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                              "{\"description\":\"A number, or a text such as a percentage or a name.\",\"format\":"
                              "\"int-or-string\",\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}",
                              "{\"description\":\"A number, or a text such as a percentage or a name.\",\"type\":"
                              "\"string\",\"format\":\"int-or-string\"}"},
    [SCHEMA_TIME] = {OPENAPI_META "Time",
                     "{\"description\":\"A point in time, RFC 3339.\",\"type\":\"string\",\"format\":\"date-time\"}",
                     NULL},
    [SCHEMA_MICRO_TIME] = {OPENAPI_META "MicroTime",
                           "{\"description\":\"A point in time with microseconds, RFC 3339.\",\"type\":\"string\","
                           "\"format\":\"date-time\"}",
                           NULL},
    [SCHEMA_ANY] = {OPENAPI_RAW_EXTENSION, "{\"description\":\"An object of any kind.\",\"type\":\"object\"}", NULL},
    [SCHEMA_FIELDS_V1] = {OPENAPI_META "FieldsV1",
                          "{\"description\":\"A set of fields, as managedFields writes it.\",\"type\":\"object\"}",
                          NULL},
    [KNOWN_JSON] = {"io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON",
                    "{\"description\":\"Any value of JSON.\"}", NULL},
};

/* The bases that are written in place. */
static const char *const plain_bases[] = {
    [SCHEMA_STRING] = "\"type\":\"string\"",
    [SCHEMA_BOOL] = "\"type\":\"boolean\"",
    [SCHEMA_INT32] = "\"type\":\"integer\",\"format\":\"int32\"",
    [SCHEMA_INT64] = "\"type\":\"integer\",\"format\":\"int64\"",
    [SCHEMA_DOUBLE] = "\"type\":\"number\",\"format\":\"double\"",
    [SCHEMA_BYTES] = "\"type\":\"string\",\"format\":\"byte\"",
    [SCHEMA_STRINGS] = "\"type\":\"array\",\"items\":{\"type\":\"string\"}",
    [SCHEMA_OBJECT] = NULL,
};

static size_t known_index(const struct schema_field *field)
{
    return field->flags & SCHEMA_JSON ? KNOWN_JSON : field->base;
}

static const struct known *known_of(const struct schema_field *field)
{
    size_t i = known_index(field);
    return i < ARRAY_SIZE(known_bases) && known_bases[i].name ? &known_bases[i] : NULL;
}

static bool has_name(const struct schema_type *type)
{
    return type->openapi_name && type->openapi_name[0];
}

/* What an inline field brings stands among its parent's: its type is no schema of its own. */
static void collect_fields(struct openapi_doc *doc, const struct schema_type *type)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        doc->bases |= 1u << known_index(field);
        if (field->flags & SCHEMA_INLINE)
            collect_fields(doc, field->type);
        else if (field->type)
            openapi_collect(doc, field->type);
    }
}

void openapi_collect(struct openapi_doc *doc, const struct schema_type *type)
{
    if (has_name(type)) {
        struct slice name = slice_str(type->openapi_name);
        if (map_get(&doc->seen, name))
            return;
        map_put(&doc->seen, name, (void *)(uintptr_t)type);
        doc->types = mem_grow(doc->types, &doc->type_cap, doc->type_count + 1, sizeof(void *));
        doc->types[doc->type_count++] = type;
    }
    collect_fields(doc, type);
}

void openapi_write_ref(struct openapi_doc *doc, const char *name, const char *suffix)
{
    emit_open(doc->out, '{');
    emit_key(doc->out, "$ref");
    buf_printf(doc->out, "\"#/%s/%s%s\"", doc->v2 ? "definitions" : "components/schemas", name, suffix);
    emit_close(doc->out, '}');
}

/* Members that refer to a schema: version 3 allows no siblings of $ref and wraps it. */
static void write_ref_members(struct openapi_doc *doc, const char *name)
{
    if (doc->v2) {
        emit_key(doc->out, "$ref");
        buf_printf(doc->out, "\"#/definitions/%s\"", name);
        return;
    }
    emit_open_key(doc->out, "allOf", '[');
    openapi_write_ref(doc, name, "");
    emit_close(doc->out, ']');
}

static void write_type_members(struct openapi_doc *doc, const struct schema_type *type);

/* The members of the schema of one element. */
static void write_element_members(struct openapi_doc *doc, const struct schema_field *field)
{
    const struct known *known = known_of(field);
    if (known) {
        write_ref_members(doc, known->name);
    } else if (!field->type) {
        const char *plain = field->base < ARRAY_SIZE(plain_bases) ? plain_bases[field->base] : NULL;
        if (plain) {
            emit_separator(doc->out);
            buf_append_str(doc->out, plain);
        }
    } else if (has_name(field->type)) {
        write_ref_members(doc, field->type->openapi_name);
        if (!doc->v2 && !field->default_json && !(field->flags & SCHEMA_POINTER) && field->base == SCHEMA_OBJECT)
            emit_raw(doc->out, "default", "{}");
    } else {
        write_type_members(doc, field->type);
    }
}

/* Formats that OpenAPI and JSON schema know; others are names of our own rules. */
static bool is_public_format(const char *format)
{
    static const char *const formats[] = {"byte",  "cidr",  "date",     "date-time", "double", "duration",
                                          "email", "float", "hostname", "int32",     "int64",  "ipv4",
                                          "ipv6",  "mac",   "password", "uri",       "uuid"};
    for (size_t i = 0; format && i < ARRAY_SIZE(formats); i++)
        if (!strcmp(format, formats[i]))
            return true;
    return false;
}

static void write_limits(struct buf *out, const struct schema_field *field)
{
    if (field->enum_values)
        emit_texts(out, "enum", field->enum_values);
    if (field->base == SCHEMA_STRING && is_public_format(field->format))
        emit_member(out, "format", field->format);
    if (field->has_minimum) {
        emit_key(out, "minimum");
        buf_printf(out, "%lld", (long long)field->minimum);
    }
    if (field->has_maximum) {
        emit_key(out, "maximum");
        buf_printf(out, "%lld", (long long)field->maximum);
    }
}

static const char *patch_strategy(uint32_t flags)
{
    if (flags & SCHEMA_PATCH_REPLACE)
        return "replace";
    if (flags & SCHEMA_PATCH_RETAIN)
        return flags & SCHEMA_PATCH_MERGE ? "merge,retainKeys" : "retainKeys";
    return flags & SCHEMA_PATCH_MERGE ? "merge" : "";
}

/* How apply and strategic merge treat the field; what its type says of itself is said there. */
static void write_extensions(struct buf *out, const struct schema_field *field)
{
    bool told = field->type && field->type->atomic && field->shape == SCHEMA_ONE;
    if (field->flags & SCHEMA_LIST_MAP) {
        emit_texts(out, "x-kubernetes-list-map-keys", field->map_keys);
        emit_member(out, "x-kubernetes-list-type", "map");
    } else if (field->flags & SCHEMA_LIST_SET) {
        emit_member(out, "x-kubernetes-list-type", "set");
    } else if (field->flags & SCHEMA_GRANULAR) {
        emit_member(out, "x-kubernetes-map-type", "granular");
    } else if ((field->flags & SCHEMA_ATOMIC) && !told) {
        bool list = field->shape == SCHEMA_LIST || field->base == SCHEMA_STRINGS || field->base == SCHEMA_BYTES;
        emit_member(out, list ? "x-kubernetes-list-type" : "x-kubernetes-map-type", "atomic");
    }
    if (field->flags & SCHEMA_PATCH_MERGE)
        emit_member_some(out, "x-kubernetes-patch-merge-key", field->merge_key);
    emit_member_some(out, "x-kubernetes-patch-strategy", patch_strategy(field->flags));
}

static void write_field(struct openapi_doc *doc, const struct schema_field *field)
{
    struct buf *out = doc->out;
    emit_open_key(out, field->name, '{');
    emit_member_some(out, "description", field->description);
    if (field->shape == SCHEMA_ONE) {
        write_element_members(doc, field);
        write_limits(out, field);
    } else {
        bool list = field->shape == SCHEMA_LIST;
        emit_member(out, "type", list ? "array" : "object");
        emit_open_key(out, list ? "items" : "additionalProperties", '{');
        write_element_members(doc, field);
        write_limits(out, field);
        emit_close(out, '}');
    }
    if (field->default_json)
        emit_raw(out, "default", field->default_json);
    write_extensions(out, field);
    emit_close(out, '}');
}

/* Members of an INLINE field stand among those of its parent. */
static void write_properties(struct openapi_doc *doc, const struct schema_type *type)
{
    for (size_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].flags & SCHEMA_INLINE)
            write_properties(doc, type->fields[i].type);
        else
            write_field(doc, &type->fields[i]);
    }
}

static size_t write_required(struct openapi_doc *doc, const struct schema_type *type, size_t count)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        if (field->flags & SCHEMA_INLINE) {
            count = write_required(doc, field->type, count);
        } else if (field->flags & (SCHEMA_REQUIRED | SCHEMA_EXPECTED)) {
            if (!count++)
                emit_open_key(doc->out, "required", '[');
            emit_text(doc->out, field->name);
        }
    }
    return count;
}

static void write_type_members(struct openapi_doc *doc, const struct schema_type *type)
{
    struct buf *out = doc->out;
    if (type->openapi) {
        emit_separator(out);
        buf_append(out, type->openapi + 1, strlen(type->openapi) - 2);
        return;
    }
    emit_member_some(out, "description", type->description);
    emit_member(out, "type", "object");
    if (type->field_count) {
        emit_open_key(out, "properties", '{');
        write_properties(doc, type);
        emit_close(out, '}');
    }
    if (write_required(doc, type, 0))
        emit_close(out, ']');
    if (type->atomic)
        emit_member(out, "x-kubernetes-map-type", "atomic");
    if (type->preserve_unknown)
        emit_raw(out, "x-kubernetes-preserve-unknown-fields", "true");
}

void openapi_write_gvk(struct buf *out, const struct schema_kind *kind, const char *suffix)
{
    emit_open(out, '{');
    emit_member(out, "group", kind->group);
    emit_key(out, "kind");
    buf_printf(out, "\"%s%s\"", kind->kind, suffix);
    emit_member(out, "version", kind->version);
    emit_close(out, '}');
}

/* Which kinds a type is the whole of. */
static void write_type_kinds(struct openapi_doc *doc, const struct schema_type *type)
{
    size_t count = 0;
    for (size_t k = 0; k < doc->list.count; k++) {
        if (doc->list.kinds[k]->type != type)
            continue;
        if (!count++)
            emit_open_key(doc->out, "x-kubernetes-group-version-kind", '[');
        openapi_write_gvk(doc->out, doc->list.kinds[k], "");
    }
    if (count)
        emit_close(doc->out, ']');
}

/* "name":{"description":...,"type":"string"} */
static void write_text_property(struct buf *out, const char *name, const char *description)
{
    emit_open_key(out, name, '{');
    emit_member(out, "description", description);
    emit_member(out, "type", "string");
    emit_close(out, '}');
}

/* "PodList": no type of the tables, all lists are alike. */
static void write_list_properties(struct openapi_doc *doc, const struct schema_kind *kind)
{
    struct buf *out = doc->out;
    write_text_property(out, "apiVersion", "The version of the group that the list is written in.");
    emit_open_key(out, "items", '{');
    emit_member(out, "description", "The objects.");
    emit_member(out, "type", "array");
    emit_open_key(out, "items", '{');
    write_ref_members(doc, kind->type->openapi_name);
    if (!doc->v2)
        emit_raw(out, "default", "{}");
    emit_close(out, '}');
    emit_close(out, '}');
    write_text_property(out, "kind", "The kind of list this is.");
    emit_open_key(out, "metadata", '{');
    emit_member(out, "description", "What every list has.");
    write_ref_members(doc, OPENAPI_META "ListMeta");
    if (!doc->v2)
        emit_raw(out, "default", "{}");
    emit_close(out, '}');
}

static void write_list(struct openapi_doc *doc, const struct schema_kind *kind)
{
    struct buf *out = doc->out;
    if (!has_name(kind->type) || !(kind->verbs & SCHEMA_VERB_LIST))
        return;
    emit_key(out, kind->type->openapi_name);
    out->len -= 2; /* the name goes on */
    buf_printf(out, "List\":{\"description\":\"A list of %s.\",\"type\":\"object\"", kind->plural);
    emit_open_key(out, "properties", '{');
    write_list_properties(doc, kind);
    buf_append_str(out, "},\"required\":[\"items\"],\"x-kubernetes-group-version-kind\":[");
    openapi_write_gvk(out, kind, "List");
    buf_append_str(out, "]}");
}

static int compare_types(const void *a, const void *b)
{
    const struct schema_type *const *x = a, *const *y = b;
    return strcmp((*x)->openapi_name, (*y)->openapi_name);
}

/* The kind that a definition made, of which the type is the whole; NULL = there is none. */
static const struct schema_kind *custom_of(const struct openapi_doc *doc, const struct schema_type *type)
{
    for (size_t k = doc->describer && type->custom ? doc->list.count : 0; k; k--)
        if (doc->list.kinds[k - 1]->type == type)
            return doc->list.kinds[k - 1];
    return NULL;
}

static void write_custom(struct openapi_doc *doc, const struct schema_kind *kind)
{
    const struct openapi_describer *d = doc->describer;
    const struct schema_kind *whole = NULL;
    size_t before = doc->out->len;
    if (!doc->v2 || doc->custom_schemas < OPENAPI_V2_SCHEMAS_MAX)
        whole = d->describe(d->arg, kind, doc->v2);
    if (whole)
        write_type_members(doc, whole->type);
    else
        buf_append_str(doc->out, "\"description\":\"Any object: there are more kinds than this document can tell of.\","
                                 "\"type\":\"object\",\"x-kubernetes-preserve-unknown-fields\":true");
    if (whole && whole != kind)
        d->described(d->arg, whole);
    doc->custom_schemas += doc->out->len - before;
}

static void write_schema(struct openapi_doc *doc, const struct schema_type *type)
{
    const struct schema_kind *custom = custom_of(doc, type);
    emit_open_key(doc->out, type->openapi_name, '{');
    if (custom)
        write_custom(doc, custom);
    else
        write_type_members(doc, type);
    write_type_kinds(doc, type);
    emit_close(doc->out, '}');
}

static void write_watch_event(struct openapi_doc *doc)
{
    struct buf *out = doc->out;
    emit_open_key(out, OPENAPI_WATCH_EVENT, '{');
    emit_member(out, "description", "One change, as a watch tells it.");
    emit_member(out, "type", "object");
    emit_raw(out, "required", "[\"type\",\"object\"]");
    emit_open_key(out, "properties", '{');
    emit_open_key(out, "object", '{');
    emit_member(out, "description", "The object as it is now, or was last; or a Status.");
    write_ref_members(doc, OPENAPI_RAW_EXTENSION);
    emit_close(out, '}');
    write_text_property(out, "type", "ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.");
    emit_close(out, '}');
    emit_close(out, '}');
}

void openapi_write_schemas(struct openapi_doc *doc, struct kind_list kinds)
{
    struct buf *out = doc->out;
    doc->bases |= 1u << SCHEMA_ANY; /* WatchEvent has one */
    if (doc->type_count)
        qsort(doc->types, doc->type_count, sizeof(void *), compare_types);
    for (size_t i = 0; i < doc->type_count; i++)
        write_schema(doc, doc->types[i]);
    for (size_t k = 0; k < kinds.count; k++)
        write_list(doc, kinds.kinds[k]);
    for (size_t b = 0; b < ARRAY_SIZE(known_bases); b++)
        if ((doc->bases & 1u << b) && known_bases[b].name)
            emit_raw(out, known_bases[b].name, doc->v2 && known_bases[b].v2 ? known_bases[b].v2 : known_bases[b].v3);
    write_watch_event(doc);
    emit_raw(
        out, OPENAPI_PATCH,
        "{\"description\":\"A change to an object, in the form that the Content-Type says.\",\"type\":\"object\"}");
}
