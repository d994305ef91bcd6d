/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema, as it stands in a CustomResourceDefinition, to the form that is walked beside objects. */
#include "api/structural_internal.h"

#include <stdlib.h>

#include "lib/map.h"

#define KNOWN_MAX 512 /* bytes of a small schema */

struct compiling {
    struct pool *pool;
    size_t patterns;  /* bytes of compiled ones so far */
    struct map known; /* small schemas, by what they say: most of an operator's fields say the same as another */
};

static const struct structural *compile(struct compiling *c, const struct value *schema);

static const struct structural keeps_all = {.flags = STRUCTURAL_PRESERVE | STRUCTURAL_NULLABLE};
/* Of the places that say nothing but their type, all of a type are one. */
static const struct structural plain[] = {
    [STRUCTURAL_ANY] = {.type = STRUCTURAL_ANY},         [STRUCTURAL_OBJECT] = {.type = STRUCTURAL_OBJECT},
    [STRUCTURAL_ARRAY] = {.type = STRUCTURAL_ARRAY},     [STRUCTURAL_STRING] = {.type = STRUCTURAL_STRING},
    [STRUCTURAL_INTEGER] = {.type = STRUCTURAL_INTEGER}, [STRUCTURAL_NUMBER] = {.type = STRUCTURAL_NUMBER},
    [STRUCTURAL_BOOLEAN] = {.type = STRUCTURAL_BOOLEAN},
};

static bool is_true(const struct value *schema, const char *name)
{
    return value_bool(value_get(schema, name));
}

static void dispose_value(void *arg)
{
    value_free(arg);
}

/* A copy that lives as long as the pool; NULL of none. */
static const struct value *keep_value(struct pool *pool, const struct value *v)
{
    struct value *copy = v ? value_copy(v) : NULL;

    if (copy)
        pool_on_free(pool, dispose_value, copy);
    return copy;
}

static const char *keep_text(struct pool *pool, const struct value *text)
{
    return value_is(text, VALUE_STRING) ? pool_slice_dup(pool, value_string(text)) : NULL;
}

/* An array of texts, NULL-terminated; NULL when there are none. */
static const char *const *keep_texts(struct pool *pool, const struct value *array)
{
    size_t count = value_is(array, VALUE_ARRAY) ? value_count(array) : 0;
    const char **texts = count ? pool_alloc(pool, (count + 1) * sizeof(*texts)) : NULL;

    for (size_t i = 0; i < count; i++)
        texts[i] = pool_slice_dup(pool, value_string(value_at(array, i)));
    return texts;
}

static int64_t count_of(const struct value *schema, const char *name)
{
    const struct value *v = value_get(schema, name);

    return value_is(v, VALUE_INT) ? value_int(v) : -1;
}

/* ---- patterns ---- */

static pcre2_code *compile_pattern(struct slice pattern, int *ret_code, PCRE2_SIZE *ret_at)
{
    /* The authors of patterns have Go's in mind: texts are UTF-8, and `$` is their end. */
    return pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, PCRE2_UTF | PCRE2_DOLLAR_ENDONLY, ret_code, ret_at,
                         NULL);
}

static void dispose_regex(void *arg)
{
    pcre2_code_free(arg);
}

static size_t regex_bytes(const pcre2_code *regex)
{
    size_t bytes = 0;

    (void)pcre2_pattern_info(regex, PCRE2_INFO_SIZE, &bytes);
    return bytes;
}

const char *structural_check_pattern(struct pool *pool, struct slice pattern, size_t *total)
{
    PCRE2_UCHAR text[256] = "";
    PCRE2_SIZE at;
    int code;
    pcre2_code *regex;

    if (*total > STRUCTURAL_PATTERNS_MAX) /* was told */
        return NULL;
    regex = compile_pattern(pattern, &code, &at);
    if (regex) {
        *total += regex_bytes(regex);
        pcre2_code_free(regex);
        return *total > STRUCTURAL_PATTERNS_MAX ? "all patterns of a schema together take too much memory" : NULL;
    }
    (void)pcre2_get_error_message(code, text, sizeof(text));
    return pool_printf(pool, "must be a valid regular expression, but isn't: %s at offset %zu", (const char *)text, at);
}

/* ---- rules ---- */

static const char *const rule_names[] = {
    "minimum",       "maximum",       "multipleOf", "enum",     "format",   "pattern",
    "required",      "minLength",     "maxLength",  "minItems", "maxItems", "uniqueItems",
    "minProperties", "maxProperties", "allOf",      "anyOf",    "oneOf",    "not",
};

static bool has_rules(const struct value *schema)
{
    for (size_t i = 0; i < ARRAY_SIZE(rule_names); i++)
        if (value_get(schema, rule_names[i]))
            return true;
    return false;
}

static struct structural_list compile_list(struct compiling *c, const struct value *array)
{
    struct structural_list list = {.count = value_is(array, VALUE_ARRAY) ? value_count(array) : 0};
    const struct structural **schemas = list.count ? pool_alloc(c->pool, list.count * sizeof(*schemas)) : NULL;

    for (size_t i = 0; i < list.count; i++)
        schemas[i] = compile(c, value_at(array, i));
    list.schemas = schemas;
    return list;
}

static void compile_text_rules(struct compiling *c, const struct value *schema, struct structural_rules *rules)
{
    PCRE2_SIZE at;
    int code;

    rules->format = keep_text(c->pool, value_get(schema, "format"));
    rules->pattern = keep_text(c->pool, value_get(schema, "pattern"));
    if (!rules->pattern || c->patterns > STRUCTURAL_PATTERNS_MAX)
        return;
    rules->regex = compile_pattern(value_string(value_get(schema, "pattern")), &code, &at);
    if (!rules->regex)
        return;
    c->patterns += regex_bytes(rules->regex);
    pool_on_free(c->pool, dispose_regex, rules->regex);
}

static const struct structural_rules *compile_rules(struct compiling *c, const struct value *schema)
{
    struct pool *pool = c->pool;
    const struct value *none_of = value_get(schema, "not");
    struct structural_rules *rules;

    if (!has_rules(schema))
        return NULL;
    rules = pool_alloc(pool, sizeof(*rules));
    rules->minimum = keep_value(pool, value_get(schema, "minimum"));
    rules->maximum = keep_value(pool, value_get(schema, "maximum"));
    rules->multiple_of = keep_value(pool, value_get(schema, "multipleOf"));
    rules->values = keep_value(pool, value_get(schema, "enum"));
    rules->required = keep_texts(pool, value_get(schema, "required"));
    rules->min_length = count_of(schema, "minLength");
    rules->max_length = count_of(schema, "maxLength");
    rules->min_items = count_of(schema, "minItems");
    rules->max_items = count_of(schema, "maxItems");
    rules->min_properties = count_of(schema, "minProperties");
    rules->max_properties = count_of(schema, "maxProperties");
    rules->bounds = (uint8_t)((is_true(schema, "exclusiveMinimum") ? STRUCTURAL_ABOVE_MINIMUM : 0) |
                              (is_true(schema, "exclusiveMaximum") ? STRUCTURAL_BELOW_MAXIMUM : 0) |
                              (is_true(schema, "uniqueItems") ? STRUCTURAL_UNIQUE : 0));
    compile_text_rules(c, schema, rules);
    rules->all_of = compile_list(c, value_get(schema, "allOf"));
    rules->any_of = compile_list(c, value_get(schema, "anyOf"));
    rules->one_of = compile_list(c, value_get(schema, "oneOf"));
    rules->none_of = none_of ? compile(c, none_of) : NULL;
    return rules;
}

/* ---- places ---- */

static uint8_t type_of(const struct value *schema)
{
    static const char *const types[] = {
        [STRUCTURAL_OBJECT] = "object",   [STRUCTURAL_ARRAY] = "array",   [STRUCTURAL_STRING] = "string",
        [STRUCTURAL_INTEGER] = "integer", [STRUCTURAL_NUMBER] = "number", [STRUCTURAL_BOOLEAN] = "boolean",
    };
    struct slice stated = value_string(value_get(schema, "type"));

    for (size_t i = STRUCTURAL_OBJECT; i < ARRAY_SIZE(types); i++)
        if (slice_is(stated, types[i]))
            return (uint8_t)i;
    return STRUCTURAL_ANY;
}

static uint8_t flags_of(const struct value *schema)
{
    struct slice list = value_string(value_get(schema, "x-kubernetes-list-type"));
    bool atomic = slice_is(value_string(value_get(schema, "x-kubernetes-map-type")), "atomic");
    bool open = is_true(schema, "x-kubernetes-preserve-unknown-fields") || is_true(schema, "additionalProperties");

    return (uint8_t)((is_true(schema, "nullable") ? STRUCTURAL_NULLABLE : 0) | (open ? STRUCTURAL_PRESERVE : 0) |
                     (is_true(schema, "x-kubernetes-embedded-resource") ? STRUCTURAL_EMBEDDED : 0) |
                     (is_true(schema, "x-kubernetes-int-or-string") ? STRUCTURAL_INT_OR_STRING : 0) |
                     (atomic ? STRUCTURAL_ATOMIC : 0) | (slice_is(list, "set") ? STRUCTURAL_SET : 0) |
                     (slice_is(list, "map") ? STRUCTURAL_MAP : 0));
}

static int compare_properties(const void *a, const void *b)
{
    return slice_compare(((const struct structural_property *)a)->name, ((const struct structural_property *)b)->name);
}

static void compile_defaults(struct pool *pool, struct structural *s)
{
    struct structural_default *defaults;
    size_t count = 0;

    for (size_t i = 0; i < s->property_count; i++)
        count += s->properties[i].schema->by_default != NULL;
    defaults = count ? pool_alloc(pool, count * sizeof(*defaults)) : NULL;
    for (size_t i = 0; i < s->property_count; i++) {
        const struct structural_property *p = &s->properties[i];
        BUF_LOCAL(text);

        if (!p->schema->by_default)
            continue;
        value_write(p->schema->by_default, &text);
        defaults[s->default_count++] = (struct structural_default){p, p->name.len + text.len};
    }
    s->defaults = defaults;
}

static void compile_properties(struct compiling *c, const struct value *schema, struct structural *s)
{
    const struct value *described = value_get(schema, "properties");
    size_t count = value_is(described, VALUE_OBJECT) ? value_count(described) : 0;
    struct structural_property *all;
    struct value_iter it = value_iter_start(count ? described : NULL);
    struct slice name;
    struct value *child;

    if (!count)
        return;
    all = pool_alloc(c->pool, count * sizeof(*all));
    while (value_iter_next(&it, &name, &child))
        all[s->property_count++] =
            (struct structural_property){slice_make(pool_slice_dup(c->pool, name), name.len), compile(c, child)};
    qsort(all, count, sizeof(*all), compare_properties);
    s->properties = all;
    compile_defaults(c->pool, s);
}

static bool is_plain(const struct structural *s)
{
    return !s->flags && !s->each && !s->by_default && !s->map_keys && !s->rules && !s->property_count;
}

static const struct structural *compile_anew(struct compiling *c, const struct value *schema)
{
    const struct value *items = value_get(schema, "items");
    const struct value *each = items ? items : value_get(schema, "additionalProperties");
    struct structural made = {.type = type_of(schema)};
    struct structural *s;

    made.flags = flags_of(schema);
    made.each = value_is(each, VALUE_OBJECT) ? compile(c, each) : NULL;
    made.by_default = keep_value(c->pool, value_get(schema, "default"));
    made.map_keys = keep_texts(c->pool, value_get(schema, "x-kubernetes-list-map-keys"));
    made.rules = compile_rules(c, schema);
    compile_properties(c, schema, &made);
    if (is_plain(&made))
        return &plain[made.type];
    s = pool_alloc(c->pool, sizeof(*s));
    *s = made;
    return s;
}

/* What a schema without properties says, but for its own description; false when that is much. */
static bool write_known(const struct value *schema, struct buf *key)
{
    struct value_iter it = value_iter_start(schema);
    struct slice name;
    struct value *member;

    if (value_get(schema, "properties"))
        return false;
    while (key->len <= KNOWN_MAX && value_iter_next(&it, &name, &member)) {
        if (slice_is(name, "description"))
            continue;
        buf_append_slice(key, name);
        buf_append_byte(key, '\0');
        value_write_start(member, key, KNOWN_MAX + 1);
        buf_append_byte(key, '\0');
    }
    return key->len <= KNOWN_MAX;
}

static const struct structural *compile(struct compiling *c, const struct value *schema)
{
    struct structural *made;
    BUF_LOCAL(key);

    if (!value_is(schema, VALUE_OBJECT))
        return &keeps_all;
    if (!write_known(schema, &key))
        return compile_anew(c, schema);
    made = map_get(&c->known, buf_slice(&key));
    if (!made) {
        made = (struct structural *)compile_anew(c, schema);
        (void)map_put(&c->known, buf_slice(&key), made);
    }
    return made;
}

const struct structural *structural_compile(struct pool *pool, const struct value *schema)
{
    struct compiling c = {.pool = pool};
    const struct structural *made = compile(&c, schema);

    map_clear(&c.known, NULL);
    return made;
}

const struct structural *structural_find(const struct structural *s, struct slice name)
{
    size_t low = 0, high = s->property_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(name, s->properties[middle].name);

        if (!order)
            return s->properties[middle].schema;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}
