/* SPDX-License-Identifier: Apache-2.0 */
#include "api/custom.h"

#include "api/structural.h"
#include "lib/pool.h"

/* The names of members of the root that every object has; the rest is the structural schema's. */
static const uint16_t custom_by_name[] = {0, 1, 2};
static const char *const no_names[] = {NULL};

struct custom_kind {
    unsigned refs; /* atomic */
    struct pool *pool;
    struct schema_kind schema;
    struct schema_type root;
    struct schema_field fields[3]; /* apiVersion, kind, metadata */
    struct schema_scale_paths scale;
    struct schema_subresource subresources[2];
};

const struct value *custom_names(const struct value *definition)
{
    const struct value *accepted = value_path(definition, "status", "acceptedNames", NULL);

    return value_string(value_get(accepted, "plural")).len ? accepted : value_path(definition, "spec", "names", NULL);
}

bool custom_is_established(const struct value *definition)
{
    const struct value *conditions = value_path(definition, "status", "conditions", NULL);

    for (size_t i = 0; i < value_count(conditions); i++)
        if (slice_is(value_string(value_get(value_at(conditions, i), "type")), "Established"))
            return slice_is(value_string(value_get(value_at(conditions, i), "status")), "True");
    return false;
}

const struct value *custom_version(const struct value *definition, struct slice version)
{
    const struct value *versions = value_path(definition, "spec", "versions", NULL);

    for (size_t i = 0; i < value_count(versions); i++)
        if (slice_equal(value_string(value_get(value_at(versions, i), "name")), version))
            return value_at(versions, i);
    return NULL;
}

static const char *custom_text(struct custom_kind *k, const struct value *object, const char *name)
{
    return pool_slice_dup(k->pool, value_string(value_get(object, name)));
}

static const char *const *custom_texts(struct custom_kind *k, const struct value *array)
{
    size_t count = value_is(array, VALUE_ARRAY) ? value_count(array) : 0;
    const char **texts = count ? pool_alloc(k->pool, (count + 1) * sizeof(*texts)) : NULL;

    for (size_t i = 0; i < count; i++)
        texts[i] = pool_slice_dup(k->pool, value_string(value_at(array, i)));
    return texts ? texts : no_names;
}

/* "com.example.v1.Widget" of group example.com. */
static const char *custom_openapi_name(struct custom_kind *k)
{
    const char *end = k->schema.group + strlen(k->schema.group);
    BUF_LOCAL(name);

    while (end > k->schema.group) {
        const char *start = end;

        while (start > k->schema.group && start[-1] != '.')
            start--;
        buf_printf(&name, "%.*s.", (int)(end - start), start);
        end = start > k->schema.group ? start - 1 : start;
    }
    return pool_printf(k->pool, "%s%s.%s", buf_cstr(&name), k->schema.version, k->schema.kind);
}

static void custom_set_root(struct custom_kind *k)
{
    const struct schema_kind *any = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("ConfigMap"));
    static const char *const names[] = {"apiVersion", "kind", "metadata"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        k->fields[i] = *schema_find_field(any->type, slice_str(names[i]));
    k->fields[2].type = structural_metadata_type();
    k->root = (struct schema_type){.name = k->schema.kind,
                                   .openapi_name = custom_openapi_name(k),
                                   .description = "",
                                   .fields = k->fields,
                                   .field_count = ARRAY_SIZE(k->fields),
                                   .by_name = custom_by_name,
                                   .custom = true};
    k->schema.type = &k->root;
}

static void custom_set_names(struct custom_kind *k, const struct value *definition, const struct value *version)
{
    const struct value *names = custom_names(definition);
    const struct value *versions = value_path(definition, "spec", "versions", NULL);
    struct slice scope = value_string(value_path(definition, "spec", "scope", NULL));

    k->schema.group = pool_slice_dup(k->pool, value_string(value_path(definition, "spec", "group", NULL)));
    k->schema.version = custom_text(k, version, "name");
    k->schema.kind = custom_text(k, names, "kind");
    k->schema.plural = custom_text(k, names, "plural");
    k->schema.singular = custom_text(k, names, "singular");
    k->schema.short_names = custom_texts(k, value_get(names, "shortNames"));
    k->schema.categories = custom_texts(k, value_get(names, "categories"));
    k->schema.selectable = no_names;
    for (size_t i = 0; value_count(versions) > 1 && i < value_count(versions); i++)
        if (value_bool(value_get(value_at(versions, i), "storage")))
            k->schema.stored_version = custom_text(k, value_at(versions, i), "name");
    k->schema.namespaced = slice_is(scope, "Namespaced");
    k->schema.custom = true;
    k->schema.generation = true;
    k->schema.verbs = SCHEMA_VERBS_ALL;
    if (value_get(value_get(definition, "metadata"), "deletionTimestamp")) /* its objects go: none may come any more */
        k->schema.verbs &= (uint8_t)~SCHEMA_VERB_CREATE;
}

static void custom_set_subresources(struct custom_kind *k, const struct value *version)
{
    const struct value *subresources = value_get(version, "subresources");
    const struct value *scale = value_get(subresources, "scale");
    const uint8_t verbs = SCHEMA_VERB_GET | SCHEMA_VERB_PATCH | SCHEMA_VERB_UPDATE;

    k->schema.has_status = value_is(value_get(subresources, "status"), VALUE_OBJECT);
    if (k->schema.has_status)
        k->subresources[k->schema.subresource_count++] = (struct schema_subresource){.name = "status", .verbs = verbs};
    if (value_is(scale, VALUE_OBJECT)) {
        k->subresources[k->schema.subresource_count++] = (struct schema_subresource){
            .name = "scale", .group = "autoscaling", .version = "v1", .kind = "Scale", .verbs = verbs};
        k->scale.spec_replicas = custom_text(k, scale, "specReplicasPath");
        k->scale.status_replicas = custom_text(k, scale, "statusReplicasPath");
        if (value_string(value_get(scale, "labelSelectorPath")).len)
            k->scale.selector = custom_text(k, scale, "labelSelectorPath");
        k->schema.scale = &k->scale;
    }
    k->schema.subresources = k->subresources;
}

/* Changes with what the definition says of the version, so that headers of stored objects are made again and watches of
 * what was end; not when it is deleted: its objects are watched until they are gone. */
static uint32_t custom_hash(const struct custom_kind *k, const struct value *definition, const struct value *version)
{
    uint32_t hash = 2166136261u;
    BUF_LOCAL(text);

    buf_append_slice(&text, value_string(value_path(definition, "metadata", "uid", NULL)));
    buf_append_str(&text, k->schema.stored_version ? k->schema.stored_version : "");
    value_write(custom_names(definition), &text);
    value_write(version, &text);
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.data[i]) * 16777619u; /* FNV-1a */
    return hash;
}

struct custom_kind *custom_kind_head(const struct value *definition, const struct value *version)
{
    struct custom_kind *k = mem_zalloc(sizeof(*k));

    k->refs = 1;
    k->pool = pool_new();
    custom_set_names(k, definition, version);
    custom_set_root(k);
    custom_set_subresources(k, version);
    k->schema.hash = custom_hash(k, definition, version);
    return k;
}

/* ---- the rest ---- */

static uint8_t column_type(struct slice stated)
{
    static const char *const types[] = {[SCHEMA_COLUMN_STRING] = "string",
                                        [SCHEMA_COLUMN_INTEGER] = "integer",
                                        [SCHEMA_COLUMN_BOOLEAN] = "boolean",
                                        [SCHEMA_COLUMN_DATE] = "date",
                                        [SCHEMA_COLUMN_NUMBER] = "number"};

    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (slice_is(stated, types[i]))
            return (uint8_t)i;
    return SCHEMA_COLUMN_STRING;
}

static void custom_set_columns(struct custom_kind *k, const struct value *version)
{
    const struct value *wanted = value_get(version, "additionalPrinterColumns");
    size_t count = value_is(wanted, VALUE_ARRAY) ? value_count(wanted) : 0;
    struct schema_column *columns = pool_alloc(k->pool, (count + 2) * sizeof(*columns));

    columns[0] = (struct schema_column){"Name", "{.metadata.name}", NULL, "name", SCHEMA_COLUMN_STRING, 0};
    for (size_t i = 0; i < count; i++) {
        const struct value *c = value_at(wanted, i);
        uint8_t type = column_type(value_string(value_get(c, "type")));
        const char *path = custom_text(k, c, "jsonPath");

        columns[i + 1] = (struct schema_column){
            .name = custom_text(k, c, "name"),
            .cell = pool_printf(k->pool, type == SCHEMA_COLUMN_DATE ? "@age %s|null" : "{%s|null}", path),
            .description =
                value_string(value_get(c, "description")).len
                    ? custom_text(k, c, "description")
                    : pool_printf(k->pool, "Custom resource definition column (in JSONPath format): %s", path),
            .format = custom_text(k, c, "format"),
            .type = type,
            .priority = value_int(value_get(c, "priority")) != 0,
        };
    }
    if (!count)
        columns[1] = (struct schema_column){"Age", "@age", NULL, "", SCHEMA_COLUMN_DATE, 0};
    k->schema.columns = columns;
    k->schema.column_count = count ? count + 1 : 2;
}

static void custom_set_selectable(struct custom_kind *k, const struct value *version)
{
    const struct value *wanted = value_get(version, "selectableFields");
    size_t count = value_is(wanted, VALUE_ARRAY) ? value_count(wanted) : 0;
    const char **paths = count ? pool_alloc(k->pool, (count + 1) * sizeof(*paths)) : NULL;

    for (size_t i = 0; i < count; i++) {
        const char *path = custom_text(k, value_at(wanted, i), "jsonPath");

        paths[i] = path + (*path == '.');
    }
    if (paths)
        k->schema.selectable = paths;
}

static const struct value *schema_of(const struct value *version)
{
    return value_path(version, "schema", "openAPIV3Schema", NULL);
}

/* Objects are read by the schema of the version that they are stored in: what it does not know is not shown, what it
 * has a default for is there. Of a definition that never said anything else, they are stored so. */
static void custom_set_reading(struct custom_kind *k, const struct value *definition, const struct value *version)
{
    const struct value *versions = value_path(definition, "spec", "versions", NULL);
    const struct value *stored = version;
    bool others = value_int(value_path(definition, "metadata", "generation", NULL)) > 1;

    for (size_t i = 0; i < value_count(versions); i++) {
        if (value_bool(value_get(value_at(versions, i), "storage")))
            stored = value_at(versions, i);
        others = others || !value_equal(schema_of(value_at(versions, i)), schema_of(version));
    }
    if (others)
        k->root.read_by = value_equal(schema_of(stored), schema_of(version))
                              ? k->root.structural
                              : structural_compile(k->pool, schema_of(stored));
}

struct custom_kind *custom_kind_whole(const struct value *definition, const struct value *version)
{
    struct custom_kind *k = custom_kind_head(definition, version);

    k->root.structural = structural_compile(k->pool, schema_of(version));
    custom_set_reading(k, definition, version);
    custom_set_columns(k, version);
    custom_set_selectable(k, version);
    return k;
}

struct custom_kind *custom_kind_documented(const struct value *definition, const struct value *version,
                                           enum custom_form form)
{
    struct value *document CLEANUP_VALUE =
        custom_document(value_path(version, "schema", "openAPIV3Schema", NULL), form);
    struct custom_kind *k = custom_kind_head(definition, version);
    BUF_LOCAL(json);

    value_write(document, &json);
    k->root.openapi = pool_slice_dup(k->pool, buf_slice(&json));
    return k;
}

const struct schema_kind *custom_kind_schema(const struct custom_kind *kind)
{
    return &kind->schema;
}

struct custom_kind *custom_kind_of(const struct schema_kind *schema)
{
    return container_of(schema, struct custom_kind, schema);
}

struct custom_kind *custom_kind_ref(struct custom_kind *kind)
{
    (void)__atomic_add_fetch(&kind->refs, 1, __ATOMIC_RELAXED);
    return kind;
}

void custom_kind_unref(struct custom_kind *kind)
{
    if (!kind || __atomic_sub_fetch(&kind->refs, 1, __ATOMIC_ACQ_REL))
        return;
    pool_free(kind->pool);
    free(kind);
}
