/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A custom resource against its schema. Findings are worded as upstream words them ("spec.size in body must be of type
 * integer"). What an update leaves as it was is not judged again: a schema that became stricter must not make objects
 * unchangeable.
 *
 * A schema of a few megabytes and an object of as many can have any number of comparisons between them, and a pattern
 * any number of steps: they are counted, and an object that takes too many is refused.
 */
#include "api/structural_internal.h"

#include <math.h>

#include "api/validate_internal.h"
#include "lib/map.h"

#define MATCH_FIRST    1000   /* steps of a pattern that nearly all texts need fewer of */
#define MATCH_LIMIT    100000 /* beyond them it does not match */
#define MATCH_HEAP_KIB 4096
#define MATCH_PER_STEP 2  /* of a pattern's steps make one of ours */
#define BYTES_PER_STEP 64 /* of a text that is read */
#define PATTERN_SHOWN  1024
#define STEPS_OF_MATCH 8  /* to begin one */
#define STEPS_OF_CAUSE 30 /* to word what does not hold */

struct judge {
    struct validator *v; /* collects causes */
    bool ratchet;        /* skip what is as it was */
    int64_t *steps;      /* that are left */
};

static void judge(const struct judge *j, const struct structural *s, const struct value *v, const struct value *old,
                  const struct vpath *at);

static const char *const type_names[] = {
    [STRUCTURAL_ANY] = "object",      [STRUCTURAL_OBJECT] = "object",   [STRUCTURAL_ARRAY] = "array",
    [STRUCTURAL_STRING] = "string",   [STRUCTURAL_INTEGER] = "integer", [STRUCTURAL_NUMBER] = "number",
    [STRUCTURAL_BOOLEAN] = "boolean",
};

static const char *json_type(const struct value *v)
{
    static const char *const names[] = {
        [VALUE_NULL] = "null",     [VALUE_BOOL] = "boolean", [VALUE_INT] = "integer",   [VALUE_REAL] = "number",
        [VALUE_STRING] = "string", [VALUE_ARRAY] = "array",  [VALUE_OBJECT] = "object",
    };

    return names[value_kind(v)];
}

/* "spec.size in body should be ..." about the value. */
static void report_body(const struct judge *j, const struct vpath *at, const struct value *bad, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
static void report_body(const struct judge *j, const struct vpath *at, const struct value *bad, const char *fmt, ...)
{
    BUF_LOCAL(why);
    va_list args;

    if (at)
        vpath_write(at, &why);
    buf_append_str(&why, " in body ");
    va_start(args, fmt);
    buf_vprintf(&why, fmt, args);
    va_end(args);
    report_invalid(j->v, at, bad, buf_cstr(&why));
}

static void report_count(const struct judge *j, const struct vpath *at, size_t count, const char *fmt, int64_t bound)
{
    struct value *shown CLEANUP_VALUE = value_new_int((int64_t)count);

    report_body(j, at, shown, fmt, (long long)bound);
}

static void report_composite(const struct judge *j, const struct vpath *at, const char *why)
{
    BUF_LOCAL(place);

    if (j->v->err->cause_count >= VALIDATE_CAUSES_MAX)
        return;
    if (at)
        vpath_write(at, &place);
    error_add_cause(j->v->err, "FieldValueInvalid", "<nil>", "Invalid value: \"\": \"%s\" %s", buf_cstr(&place), why);
}

/* ---- types ---- */

static bool is_number(const struct value *v)
{
    return value_is(v, VALUE_INT) || value_is(v, VALUE_REAL);
}

static bool is_integer(const struct value *v)
{
    return value_is(v, VALUE_INT) || (value_is(v, VALUE_REAL) && floor(value_real(v)) == value_real(v));
}

static bool type_fits(const struct structural *s, const struct value *v)
{
    if (value_is(v, VALUE_NULL))
        return (s->flags & STRUCTURAL_NULLABLE) ||
               (s->type == STRUCTURAL_ANY && !(s->flags & STRUCTURAL_INT_OR_STRING));
    if (s->flags & STRUCTURAL_INT_OR_STRING)
        return is_integer(v) || value_is(v, VALUE_STRING);
    switch ((enum structural_type)s->type) {
    case STRUCTURAL_OBJECT:
        return value_is(v, VALUE_OBJECT);
    case STRUCTURAL_ARRAY:
        return value_is(v, VALUE_ARRAY);
    case STRUCTURAL_STRING:
        return value_is(v, VALUE_STRING);
    case STRUCTURAL_INTEGER:
        return is_integer(v);
    case STRUCTURAL_NUMBER:
        return is_number(v);
    case STRUCTURAL_BOOLEAN:
        return value_is(v, VALUE_BOOL);
    case STRUCTURAL_ANY:
        break;
    }
    return true;
}

static void report_type(const struct judge *j, const struct structural *s, const struct value *v,
                        const struct vpath *at)
{
    const char *wanted = s->flags & STRUCTURAL_INT_OR_STRING ? "integer,string" : type_names[s->type];
    BUF_LOCAL(place);

    if (at)
        vpath_write(at, &place);
    report_type_invalid(j->v, at, json_type(v), buf_cstr(&place), wanted);
}

/* ---- scalars ---- */

static void judge_number(const struct judge *j, const struct structural_rules *r, const struct value *v,
                         const struct vpath *at)
{
    double number = value_real(v);
    BUF_LOCAL(bound);

    if (r->maximum &&
        (r->bounds & STRUCTURAL_BELOW_MAXIMUM ? number >= value_real(r->maximum) : number > value_real(r->maximum))) {
        value_write(r->maximum, &bound);
        report_body(j, at, v, "should be less than %s%s", r->bounds & STRUCTURAL_BELOW_MAXIMUM ? "" : "or equal to ",
                    buf_cstr(&bound));
        buf_reset(&bound);
    }
    if (r->minimum &&
        (r->bounds & STRUCTURAL_ABOVE_MINIMUM ? number <= value_real(r->minimum) : number < value_real(r->minimum))) {
        value_write(r->minimum, &bound);
        report_body(j, at, v, "should be greater than %s%s", r->bounds & STRUCTURAL_ABOVE_MINIMUM ? "" : "or equal to ",
                    buf_cstr(&bound));
        buf_reset(&bound);
    }
    if (r->multiple_of && value_real(r->multiple_of) > 0 &&
        fabs(remainder(number, value_real(r->multiple_of))) > 1e-9 * fabs(number)) {
        value_write(r->multiple_of, &bound);
        report_body(j, at, v, "should be a multiple of %s", buf_cstr(&bound));
    }
}

/* Characters, not bytes. */
static int64_t text_length(struct slice text)
{
    int64_t n = 0;

    for (size_t i = 0; i < text.len; i++)
        n += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    return n;
}

/* How many steps it took is not told, only whether a limit was enough. */
static bool pattern_matches(const struct judge *j, const pcre2_code *regex, struct slice text)
{
    static const uint32_t limits[] = {MATCH_FIRST, MATCH_LIMIT / 10, MATCH_LIMIT};
    pcre2_match_context *context = regex ? pcre2_match_context_create(NULL) : NULL;
    pcre2_match_data *data = context ? pcre2_match_data_create(1, NULL) : NULL;
    int r = PCRE2_ERROR_MATCHLIMIT;

    *j->steps -= STEPS_OF_MATCH;
    if (context)
        (void)pcre2_set_heap_limit(context, MATCH_HEAP_KIB);
    for (size_t i = 0; data && r == PCRE2_ERROR_MATCHLIMIT && i < ARRAY_SIZE(limits) && *j->steps > 0; i++) {
        (void)pcre2_set_match_limit(context, limits[i]);
        r = pcre2_match(regex, (PCRE2_SPTR)(text.len ? text.data : ""), text.len, 0, 0, data, context);
        if (i || r == PCRE2_ERROR_MATCHLIMIT)
            *j->steps -= limits[i] / MATCH_PER_STEP;
    }
    pcre2_match_data_free(data);
    pcre2_match_context_free(context);
    return r >= 0;
}

static void judge_text(const struct judge *j, const struct structural_rules *r, const struct value *v,
                       const struct vpath *at)
{
    struct slice text = value_string(v);
    int64_t length = text_length(text);

    *j->steps -= (int64_t)(text.len / BYTES_PER_STEP);
    if (r->max_length >= 0 && length > r->max_length)
        report_too_long(j->v, at, (size_t)r->max_length);
    if (r->min_length >= 0 && length < r->min_length)
        report_body(j, at, v, "should be at least %lld chars long", (long long)r->min_length);
    if (r->pattern && !pattern_matches(j, r->regex, text))
        report_body(j, at, v, "should match '%.*s'", PATTERN_SHOWN, r->pattern);
    if (r->format && !structural_format_fits(r->format, text))
        report_body(j, at, v, "must be of type %s: \"%.*s\"", r->format, SLICE_ARGS(text));
}

/* ---- lists and members ---- */

/* What tells an item apart: all of it, or its keys. */
static void write_identity(const struct structural *s, const struct value *item, struct buf *out)
{
    buf_reset(out);
    if (!(s->flags & STRUCTURAL_MAP))
        value_write(item, out);
    for (size_t i = 0; (s->flags & STRUCTURAL_MAP) && s->map_keys && s->map_keys[i]; i++) {
        const struct value *key = value_get(item, s->map_keys[i]);

        if (key)
            value_write(key, out);
        buf_append_byte(out, '\n');
    }
}

static void judge_unique(const struct judge *j, const struct structural *s, const struct value *list,
                         const struct vpath *at)
{
    struct map seen = {0};
    BUF_LOCAL(identity);

    for (size_t i = 0; i < value_count(list) && *j->steps > 0; i++) {
        write_identity(s, value_at(list, i), &identity);
        *j->steps -= 1 + (int64_t)(identity.len / BYTES_PER_STEP);
        if (map_put(&seen, buf_slice(&identity), &seen))
            report_duplicate(j->v, VINDEX(at, i), value_at(list, i));
    }
    map_clear(&seen, NULL);
}

static void judge_list(const struct judge *j, const struct structural *s, const struct value *list,
                       const struct value *old, const struct vpath *at)
{
    const struct structural_rules *r = s->rules;
    size_t count = value_count(list);

    if (r && r->max_items >= 0 && (int64_t)count > r->max_items)
        report_too_many(j->v, at, count, (size_t)r->max_items);
    if (r && r->min_items >= 0 && (int64_t)count < r->min_items)
        report_count(j, at, count, "should have at least %lld items", r->min_items);
    if (s->flags & (STRUCTURAL_SET | STRUCTURAL_MAP))
        judge_unique(j, s, list, at);
    for (size_t i = 0; s->each && i < count; i++)
        judge(j, s->each, value_at(list, i), value_at(old, i), VINDEX(at, i));
}

/* A member is a step with a dot whether it is a property or a key. */
#define VMEMBER(parent, text) (&(struct vpath){.up = (parent), .step = VPATH_FIELD, .name = (text)})

/* An object inside another says what it is. */
static void judge_embedded(const struct judge *j, const struct value *object, const struct vpath *at)
{
    static const char *const names[] = {"apiVersion", "kind"};
    const struct value *metadata = value_get(object, "metadata");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!value_string(value_get(object, names[i])).len)
            report_required(j->v, VMEMBER(at, slice_str(names[i])), "must not be empty");
    if (metadata && !value_is(metadata, VALUE_OBJECT) && !value_is(metadata, VALUE_NULL))
        report_invalid(j->v, VMEMBER(at, SLICE_LIT("metadata")), metadata, "must be an object");
}

static void judge_members(const struct judge *j, const struct structural *s, const struct value *object,
                          const struct value *old, const struct vpath *at)
{
    const struct structural_rules *r = s->rules;
    struct value_iter it = value_iter_start(object);
    struct slice name;
    struct value *child;

    if (r && r->max_properties >= 0 && (int64_t)value_count(object) > r->max_properties)
        report_too_many(j->v, at, value_count(object), (size_t)r->max_properties);
    if (r && r->min_properties >= 0 && (int64_t)value_count(object) < r->min_properties)
        report_count(j, at, value_count(object), "should have at least %lld properties", r->min_properties);
    if (s->flags & STRUCTURAL_EMBEDDED)
        judge_embedded(j, object, at);
    while (value_iter_next(&it, &name, &child)) {
        const struct structural *known = structural_find(s, name);

        known = known ? known : s->each;
        if (known)
            judge(j, known, child, value_get_slice(old, name), VMEMBER(at, name));
    }
    for (size_t i = 0; r && r->required && r->required[i] && (*j->steps)-- > 0; i++)
        if (!value_get(object, r->required[i]))
            report_required(j->v, VMEMBER(at, slice_str(r->required[i])), NULL);
}

/* ---- compositions ---- */

/* The causes of one alternative, in an error of their own. */
static size_t try_one(const struct judge *j, const struct structural *s, const struct value *v, const struct vpath *at,
                      struct error *ret_found)
{
    struct validator inner = *j->v;
    struct judge alone = {&inner, false, j->steps};

    inner.err = ret_found;
    judge(&alone, s, v, NULL, at);
    *j->steps -= STEPS_OF_CAUSE * (int64_t)ret_found->cause_count;
    return ret_found->cause_count;
}

static void take_causes(struct error *to, struct error *from)
{
    struct error had = *to;

    *to = *from;
    *from = had; /* goes with its owner */
}

static void add_causes(const struct judge *j, const struct error *from)
{
    for (size_t i = 0; i < from->cause_count && j->v->err->cause_count < VALIDATE_CAUSES_MAX; i++)
        error_add_cause(j->v->err, from->causes[i].reason, from->causes[i].field, "%s", from->causes[i].message);
}

static void judge_alternatives(const struct judge *j, struct structural_list list, bool one, const struct value *v,
                               const struct vpath *at)
{
    ERROR_LOCAL(best);
    size_t valid = 0;

    for (size_t i = 0; i < list.count; i++) {
        ERROR_LOCAL(found);

        if (!try_one(j, list.schemas[i], v, at, &found))
            valid++;
        else if (!best.cause_count || found.cause_count < best.cause_count)
            take_causes(&best, &found);
    }
    if (!list.count || valid == 1 || (valid && !one))
        return;
    if (!one) {
        report_composite(j, at, "must validate at least one schema (anyOf)");
    } else if (!valid) {
        report_composite(j, at, "must validate one and only one schema (oneOf). Found none valid");
    } else {
        char *why CLEANUP_FREE =
            mem_printf("must validate one and only one schema (oneOf). Found %zu valid alternatives", valid);

        report_composite(j, at, why);
        return;
    }
    add_causes(j, &best);
}

static void judge_rules(const struct judge *j, const struct structural_rules *r, const struct value *v,
                        const struct vpath *at)
{
    size_t before = j->v->err->cause_count;
    bool listed = !r->values;

    for (size_t i = 0; !listed && i < value_count(r->values) && (*j->steps)-- > 0; i++)
        listed = value_equal(value_at(r->values, i), v);
    if (!listed)
        report_not_listed(j->v, at, v, r->values);
    if (is_number(v))
        judge_number(j, r, v, at);
    if (value_is(v, VALUE_STRING))
        judge_text(j, r, v, at);
    for (size_t i = 0; i < r->all_of.count; i++)
        judge(&(struct judge){j->v, false, j->steps}, r->all_of.schemas[i], v, NULL, at);
    if (r->all_of.count && j->v->err->cause_count > before && listed)
        report_composite(j, at, "must validate all the schemas (allOf)");
    judge_alternatives(j, r->any_of, false, v, at);
    judge_alternatives(j, r->one_of, true, v, at);
    if (r->none_of) {
        ERROR_LOCAL(found);

        if (!try_one(j, r->none_of, v, at, &found))
            report_composite(j, at, "must not validate the schema (not)");
    }
}

static void judge(const struct judge *j, const struct structural *s, const struct value *v, const struct value *old,
                  const struct vpath *at)
{
    if (--*j->steps <= 0 || j->v->err->cause_count >= VALIDATE_CAUSES_MAX || (j->ratchet && old && value_equal(old, v)))
        return;
    if (!type_fits(s, v)) {
        report_type(j, s, v, at);
        return;
    }
    if (value_is(v, VALUE_NULL))
        return;
    if (s->rules)
        judge_rules(j, s->rules, v, at);
    if (value_is(v, VALUE_ARRAY))
        judge_list(j, s, v, old, at);
    else if (value_is(v, VALUE_OBJECT))
        judge_members(j, s, v, old, at);
}

static void judge_whole(const struct judge *j, const struct structural *s, const struct value *value,
                        const struct value *old, const struct vpath *at)
{
    judge(j, s, value, old, at);
    if (*j->steps <= 0)
        report_forbidden(j->v, at, "takes more comparisons with its schema than are made for one object");
}

void check_structural_value(struct validator *v, const struct structural *s, const struct value *value,
                            const struct vpath *at, int64_t *steps)
{
    judge_whole(&(struct judge){v, false, steps}, s, value, NULL, at);
}

void check_structural(struct validator *v, const struct structural *s)
{
    int64_t steps = STRUCTURAL_STEPS_MAX;

    judge_whole(&(struct judge){v, v->old != NULL, &steps}, s, v->object, v->old, NULL);
}
