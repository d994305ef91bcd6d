/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the schema of a custom resource is structural: every place has one type, told once, outside of allOf, anyOf,
 * oneOf and not; what those say are bounds only. And whether what it says can be carried out: patterns, defaults, keys.
 */
#include "api/structural_internal.h"
#include "api/validate_internal.h"

#define MAP_KEYS_MAX 64

struct schema_walk {
    struct validator *v;
    struct pool *pool;
    size_t patterns; /* bytes of compiled ones */
    int64_t steps;   /* that are left for judging defaults */
};

/* `s` is what the schema has been compiled to. */
static void walk_schema(struct schema_walk *w, const struct value *schema, const struct structural *s,
                        const struct vpath *at, bool root);

static bool has(const struct value *schema, const char *name)
{
    return value_get(schema, name) != NULL;
}

static bool is_true(const struct value *schema, const char *name)
{
    return value_bool(value_get(schema, name));
}

static struct slice text_of(const struct value *object, const char *name)
{
    return value_string(value_get(object, name));
}

/* ---- what may never be said ---- */

static void check_forbidden(const struct schema_walk *w, const struct value *schema, const struct vpath *at)
{
    static const struct {
        const char *name;
        const char *why;
    } forbidden[] = {
        {"$ref", "$ref is not supported"},
        {"definitions", "definitions is not supported"},
        {"dependencies", "dependencies is not supported"},
        {"patternProperties", "patternProperties is not supported"},
        {"additionalItems", "additionalItems is not supported"},
        {"id", "id is not supported"},
    };
    const struct value *preserve = value_get(schema, "x-kubernetes-preserve-unknown-fields");

    for (size_t i = 0; i < ARRAY_SIZE(forbidden); i++)
        if (has(schema, forbidden[i].name))
            report_forbidden(w->v, VFIELD(at, forbidden[i].name), forbidden[i].why);
    if (is_true(schema, "uniqueItems"))
        report_forbidden(w->v, VFIELD(at, "uniqueItems"),
                         "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
    if (preserve && !value_bool(preserve))
        report_invalid(w->v, VFIELD(at, "x-kubernetes-preserve-unknown-fields"), preserve, "must be true or undefined");
    if (value_is(value_get(schema, "items"), VALUE_ARRAY))
        report_forbidden(w->v, VFIELD(at, "items"), "items must be a schema object and not an array");
    if (has(schema, "items") && value_is(value_get(schema, "additionalProperties"), VALUE_OBJECT))
        report_forbidden(w->v, VFIELD(at, "additionalProperties"),
                         "additionalProperties and items are mutual exclusive");
    if (value_count(value_get(schema, "properties")) &&
        value_is(value_get(schema, "additionalProperties"), VALUE_OBJECT))
        report_forbidden(w->v, VFIELD(at, "additionalProperties"),
                         "additionalProperties and properties are mutual exclusive");
}

/* ---- types ---- */

/* Lists and maps, and what else has only one type. */
static void check_is_type(const struct schema_walk *w, const struct value *schema, const struct vpath *at,
                          const char *name, const char *wanted, const char *why)
{
    struct slice type = text_of(schema, "type");
    const struct value *said = value_get(schema, name);

    if (!said || (value_is(said, VALUE_BOOL) && !value_bool(said)) || slice_is(type, wanted))
        return;
    if (type.len)
        report_invalid_text(w->v, VFIELD(at, "type"), type, why);
    else
        report_required(w->v, VFIELD(at, "type"), why);
}

static void check_type(const struct schema_walk *w, const struct value *schema, const struct vpath *at, bool root)
{
    static const char *const types[] = {"array", "boolean", "integer", "number", "object", "string", NULL};
    const struct vpath *here = VFIELD(at, "type");
    struct slice type = text_of(schema, "type");
    bool open = has(schema, "$ref") || is_true(schema, "x-kubernetes-preserve-unknown-fields") ||
                is_true(schema, "x-kubernetes-int-or-string") || is_true(schema, "x-kubernetes-embedded-resource");

    if (!type.len && root)
        report_required(w->v, here, "must not be empty at the root");
    else if (!type.len && !open)
        report_required(w->v, here,
                        at->step == VPATH_FIELD && slice_is(at->name, "items")
                            ? "must not be empty for specified array items"
                            : "must not be empty for specified object fields");
    else if (type.len && root && !slice_is(type, "object"))
        report_invalid_text(w->v, here, type, "must be object at the root");
    else if (type.len)
        (void)check_one_of(w->v, here, type, types);
    if (slice_is(type, "array") && !has(schema, "items"))
        report_required(w->v, VFIELD(at, "items"), "must be specified");
    if (root && has(schema, "additionalProperties"))
        report_forbidden(w->v, VFIELD(at, "additionalProperties"), "must not be used at the root");
    if (root && is_true(schema, "nullable"))
        report_forbidden(w->v, VFIELD(at, "nullable"), "nullable cannot be true at the root");
}

/* What is more than a type. */
static void check_extensions(const struct schema_walk *w, const struct value *schema, const struct vpath *at)
{
    static const char *const others[] = {"x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"};

    for (size_t i = 0; i < ARRAY_SIZE(others) && is_true(schema, "x-kubernetes-int-or-string"); i++)
        if (is_true(schema, others[i]))
            report_invalid(w->v, VFIELD(at, others[i]), value_get(schema, others[i]),
                           "must be false if x-kubernetes-int-or-string is true");
    if (!is_true(schema, "x-kubernetes-embedded-resource"))
        return;
    check_is_type(w, schema, at, "x-kubernetes-embedded-resource", "object",
                  "must be object if x-kubernetes-embedded-resource is true");
    if (has(schema, "additionalProperties"))
        report_forbidden(w->v, VFIELD(at, "additionalProperties"),
                         "must not be used if x-kubernetes-embedded-resource is set");
    if (!value_count(value_get(schema, "properties")) && !is_true(schema, "x-kubernetes-preserve-unknown-fields"))
        report_required(w->v, VFIELD(at, "properties"),
                        "must not be empty if x-kubernetes-embedded-resource is true without "
                        "x-kubernetes-preserve-unknown-fields");
}

/* ---- lists and maps ---- */

static bool is_required(const struct value *schema, const struct value *name)
{
    const struct value *required = value_get(schema, "required");

    for (size_t i = 0; i < value_count(required); i++)
        if (value_equal(value_at(required, i), name))
            return true;
    return false;
}

static void check_map_key(const struct schema_walk *w, const struct value *items, const struct value *name,
                          const struct vpath *at)
{
    const struct value *key = value_get_slice(value_get(items, "properties"), value_string(name));
    struct slice type = text_of(key, "type");
    const struct vpath *here = VKEY(VFIELD(VFIELD(at, "items"), "properties"), value_string(name));

    if (slice_is(type, "array") || slice_is(type, "object"))
        report_invalid_text(w->v, VFIELD(here, "type"), type,
                            "must be a scalar type if parent array's x-kubernetes-list-type is map");
    if (!has(key, "default") && !is_required(items, name))
        report_required(w->v, VFIELD(here, "default"),
                        "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required "
                        "property");
    if (is_true(key, "nullable"))
        report_forbidden(w->v, VFIELD(here, "nullable"),
                         "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
}

static void check_map_keys(const struct schema_walk *w, const struct value *schema, const struct vpath *at)
{
    const struct value *keys = value_get(schema, "x-kubernetes-list-map-keys");
    const struct value *items = value_get(schema, "items");
    const struct vpath *here = VFIELD(at, "x-kubernetes-list-map-keys");

    if (!value_count(keys))
        report_required(w->v, here, "must not be empty if x-kubernetes-list-type is map");
    if (value_count(keys) > MAP_KEYS_MAX)
        report_too_many(w->v, here, value_count(keys), MAP_KEYS_MAX);
    if (items && !slice_is(text_of(items, "type"), "object"))
        report_invalid_text(w->v, VFIELD(VFIELD(at, "items"), "type"), text_of(items, "type"),
                            "must be object if parent array's x-kubernetes-list-type is map");
    for (size_t i = 0; i < value_count(keys) && i < MAP_KEYS_MAX; i++) {
        size_t before = 0;

        while (before < i && !value_equal(value_at(keys, before), value_at(keys, i)))
            before++;
        if (before < i)
            report_invalid(w->v, here, keys, "must not contain duplicate entries");
        else if (!value_get_slice(value_get(items, "properties"), value_string(value_at(keys, i))))
            report_invalid(w->v, here, keys, "entries must all be names of item properties");
        else
            check_map_key(w, items, value_at(keys, i), at);
    }
}

static void check_topology(const struct schema_walk *w, const struct value *schema, const struct vpath *at)
{
    static const char *const lists[] = {"atomic", "set", "map", NULL};
    static const char *const maps[] = {"atomic", "granular", NULL};
    const struct value *items = value_get(schema, "items");
    struct slice list = text_of(schema, "x-kubernetes-list-type");
    struct slice map = text_of(schema, "x-kubernetes-map-type");
    struct slice item = text_of(items, "type");

    if (list.len)
        (void)check_one_of(w->v, VFIELD(at, "x-kubernetes-list-type"), list, lists);
    if (map.len)
        (void)check_one_of(w->v, VFIELD(at, "x-kubernetes-map-type"), map, maps);
    check_is_type(w, schema, at, "x-kubernetes-list-type", "array",
                  "must be array if x-kubernetes-list-type is specified");
    check_is_type(w, schema, at, "x-kubernetes-map-type", "object",
                  "must be object if x-kubernetes-map-type is specified");
    if (slice_is(list, "map"))
        check_map_keys(w, schema, at);
    else if (value_count(value_get(schema, "x-kubernetes-list-map-keys")) && list.len)
        report_invalid_text(w->v, VFIELD(at, "x-kubernetes-list-type"), list,
                            "must be map if x-kubernetes-list-map-keys is non-empty");
    else if (value_count(value_get(schema, "x-kubernetes-list-map-keys")))
        report_required(w->v, VFIELD(at, "x-kubernetes-list-type"),
                        "must be map if x-kubernetes-list-map-keys is non-empty");
    if ((slice_is(list, "map") || slice_is(list, "set")) && is_true(items, "nullable"))
        report_forbidden(w->v, VFIELD(VFIELD(at, "items"), "nullable"),
                         slice_is(list, "map") ? "cannot be nullable when x-kubernetes-list-type is map"
                                               : "cannot be nullable when x-kubernetes-list-type is set");
    if (slice_is(list, "set") && slice_is(item, "object") &&
        !slice_is(text_of(items, "x-kubernetes-map-type"), "atomic"))
        report_invalid_text(w->v, VFIELD(VFIELD(at, "items"), "x-kubernetes-map-type"), SLICE_LIT("null"),
                            "must be atomic as item of a list with x-kubernetes-list-type=set");
    if (slice_is(list, "set") && slice_is(item, "array") &&
        !slice_is(text_of(items, "x-kubernetes-list-type"), "atomic"))
        report_invalid_text(w->v, VFIELD(VFIELD(at, "items"), "x-kubernetes-list-type"), SLICE_LIT("null"),
                            "must be atomic as item of a list with x-kubernetes-list-type=set");
}

/* ---- bounds ---- */

static void check_pattern(struct schema_walk *w, const struct value *schema, const struct vpath *at)
{
    const struct value *pattern = value_get(schema, "pattern");
    const char *why = pattern ? structural_check_pattern(w->pool, value_string(pattern), &w->patterns) : NULL;

    if (why)
        report_invalid(w->v, VFIELD(at, "pattern"), pattern, why);
}

/* A default must pass its own schema, and have nothing that pruning takes away. */
static void check_default(struct schema_walk *w, const struct value *schema, const struct structural *s,
                          const struct vpath *at)
{
    const struct value *by_default = value_get(schema, "default");
    struct value *pruned CLEANUP_VALUE = NULL;

    if (!by_default || w->steps <= 0)
        return;
    pruned = value_copy(by_default);
    structural_prune(s, pruned, NULL);
    if (!value_equal(pruned, by_default))
        report_invalid(w->v, VFIELD(at, "default"), by_default, "must not have unknown fields");
    check_structural_value(w->v, s, by_default, VFIELD(at, "default"), &w->steps);
}

/* What stands outside of allOf, anyOf, oneOf and not, and has the types; schema NULL = nothing does, which is told. */
struct outside {
    const struct value *schema;
    const struct vpath *at;
};

/* Below allOf, anyOf, oneOf and not: bounds only, of what has its type outside. */
static void check_junctor(struct schema_walk *w, const struct value *schema, const struct vpath *at,
                          struct outside outside, bool typed);

static void check_junctors(struct schema_walk *w, const struct value *schema, const struct vpath *at,
                           struct outside outside)
{
    static const char *const lists[] = {"allOf", "anyOf", "oneOf"};
    bool typed = is_true(schema, "x-kubernetes-int-or-string");

    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        const struct value *list = value_get(schema, lists[l]);

        for (size_t i = 0; i < value_count(list); i++)
            check_junctor(w, value_at(list, i), VINDEX(VFIELD(at, lists[l]), i), outside, typed);
    }
    if (has(schema, "not"))
        check_junctor(w, value_get(schema, "not"), VFIELD(at, "not"), outside, false);
}

/* One step down in both: whether there is something outside, and what. */
static struct outside outside_of(const struct schema_walk *w, struct outside outside, const struct value *schema,
                                 const struct vpath *outer, const struct vpath *at)
{
    BUF_LOCAL(why);

    if (outside.schema && !schema) {
        buf_append_str(&why, "because it is defined in ");
        vpath_write(at, &why);
        report_required(w->v, outer, buf_cstr(&why));
    }
    return (struct outside){schema, outer};
}

static void check_junctor(struct schema_walk *w, const struct value *schema, const struct vpath *at,
                          struct outside outside, bool typed)
{
    static const char *const names[] = {"additionalProperties",
                                        "default",
                                        "description",
                                        "nullable",
                                        "title",
                                        "type",
                                        "x-kubernetes-preserve-unknown-fields",
                                        "x-kubernetes-embedded-resource",
                                        "x-kubernetes-int-or-string",
                                        "x-kubernetes-list-map-keys",
                                        "x-kubernetes-list-type",
                                        "x-kubernetes-map-type"};
    const struct value *properties = value_get(schema, "properties");
    struct value_iter it = value_iter_start(value_is(properties, VALUE_OBJECT) ? properties : NULL);
    struct slice name;
    struct value *child;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const struct value *said = value_get(schema, names[i]);

        /* anyOf: [{type: integer}, {type: string}] is how int-or-string is told to others. */
        if (typed && !strcmp(names[i], "type"))
            continue;
        if (said && !(value_is(said, VALUE_BOOL) && !value_bool(said)))
            report_forbidden(w->v, VFIELD(at, names[i]), "must be empty to be structural");
    }
    check_pattern(w, schema, at);
    while (value_iter_next(&it, &name, &child)) {
        const struct value *outer = value_get_slice(value_get(outside.schema, "properties"), name);
        const struct vpath *here = VKEY(VFIELD(at, "properties"), name);

        check_junctor(w, child, here, outside_of(w, outside, outer, VKEY(VFIELD(outside.at, "properties"), name), here),
                      false);
    }
    if (value_is(value_get(schema, "items"), VALUE_OBJECT))
        check_junctor(w, value_get(schema, "items"), VFIELD(at, "items"),
                      outside_of(w, outside, value_get(outside.schema, "items"), VFIELD(outside.at, "items"),
                                 VFIELD(at, "items")),
                      false);
    check_junctors(w, schema, at, outside);
}

/* ---- the walk ---- */

/* Of the root's metadata only the name can be bounded. */
static void check_metadata_schema(const struct schema_walk *w, const struct value *schema, const struct vpath *at,
                                  bool root)
{
    const struct value *properties = value_get(schema, "properties");
    struct value_iter it = value_iter_start(schema);
    struct slice name;
    struct value *child;
    bool more = false;

    if (!slice_is(text_of(schema, "type"), "object"))
        report_invalid_text(w->v, VFIELD(at, "type"), text_of(schema, "type"), "must be object");
    while (value_iter_next(&it, &name, &child))
        more = more || (!slice_is(name, "type") && !slice_is(name, "properties") && !slice_is(name, "default"));
    it = value_iter_start(value_is(properties, VALUE_OBJECT) ? properties : NULL);
    while (value_iter_next(&it, &name, &child))
        more = more || (!slice_is(name, "name") && !slice_is(name, "generateName"));
    if (root && more)
        report_forbidden(w->v, at,
                         "must not specify anything other than name and generateName, but metadata is implicitly "
                         "specified");
}

static void walk_members(struct schema_walk *w, const struct value *schema, const struct structural *s,
                         const struct vpath *at, bool root)
{
    const struct value *properties = value_get(schema, "properties");
    struct value_iter it = value_iter_start(value_is(properties, VALUE_OBJECT) ? properties : NULL);
    bool object = root || is_true(schema, "x-kubernetes-embedded-resource");
    struct slice name;
    struct value *child;

    while (value_iter_next(&it, &name, &child)) {
        const struct vpath *here = VKEY(VFIELD(at, "properties"), name);

        if (object && slice_is(name, "metadata"))
            check_metadata_schema(w, child, here, root);
        if (object && (slice_is(name, "kind") || slice_is(name, "apiVersion")) &&
            !slice_is(text_of(child, "type"), "string"))
            report_invalid_text(w->v, VFIELD(here, "type"), text_of(child, "type"), "must be string");
        walk_schema(w, child, structural_find(s, name), here, false);
    }
    if (value_is(value_get(schema, "items"), VALUE_OBJECT))
        walk_schema(w, value_get(schema, "items"), s->each, VFIELD(at, "items"), false);
    else if (value_is(value_get(schema, "additionalProperties"), VALUE_OBJECT))
        walk_schema(w, value_get(schema, "additionalProperties"), s->each, VFIELD(at, "additionalProperties"), false);
}

static void walk_schema(struct schema_walk *w, const struct value *schema, const struct structural *s,
                        const struct vpath *at, bool root)
{
    if (!value_is(schema, VALUE_OBJECT) || !s || w->v->err->cause_count >= VALIDATE_CAUSES_MAX)
        return;
    check_forbidden(w, schema, at);
    check_type(w, schema, at, root);
    check_extensions(w, schema, at);
    check_topology(w, schema, at);
    check_pattern(w, schema, at);
    check_junctors(w, schema, at, (struct outside){schema, at});
    walk_members(w, schema, s, at, root);
    check_default(w, schema, s, at);
}

void check_custom_schema(const struct rule_site *s)
{
    struct pool *pool CLEANUP_POOL = NULL;

    if (!s->value || custom_is_same(s->v))
        return;
    pool = pool_new();
    walk_schema(&(struct schema_walk){s->v, pool, 0, STRUCTURAL_STEPS_MAX}, s->value,
                structural_compile(pool, s->value), s->at, true);
}
