/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk: every field of the object by its row (required, values, bounds, format, fixed), and the rules that stand
 * in the tables of validate_*.c at their turn, so that the causes come in the order of the fields. A main write judges
 * all but the status, a status write the status alone.
 *
 * `!` in a row is OpenAPI's; where upstream lets the field be empty all the same, or words the finding differently in
 * a rule of its own, validate_index.c says so.
 */
#include "api/codec.h"
#include "api/validate_index.h"
#include "api/value_internal.h"

#include <stdio.h>

static const struct {
    const char *name;
    const char *(*check)(struct slice s);
} formats[] = {
    {"dns1123-label", validate_dns1123_label}, {"dns1123-subdomain", validate_dns1123_subdomain},
    {"dns1035-label", validate_dns1035_label}, {"qualified-name", validate_qualified_name},
    {"label-value", validate_label_value},     {"path-segment", validate_path_segment},
};

static void run_rules(const struct rule *const *rules, size_t count, const struct rule_site *site)
{
    for (size_t i = 0; i < count; i++)
        rules[i]->check(site);
}

static void walk_object(struct validator *v, const struct schema_type *type, const struct value *object,
                        const struct value *old, const struct vpath *at);

static void check_bounds(struct validator *v, const struct schema_field *field, const struct value *value,
                         const struct vpath *at)
{
    char why[64];

    if (field->has_minimum && field->has_maximum) {
        (void)check_range(v, at, value, field->minimum, field->maximum);
    } else if (field->has_minimum && value_int(value) < field->minimum) {
        (void)snprintf(why, sizeof(why), "must be greater than or equal to %lld", (long long)field->minimum);
        report_invalid(v, at, value, why);
    } else if (field->has_maximum && value_int(value) > field->maximum) {
        (void)snprintf(why, sizeof(why), "must be less than or equal to %lld", (long long)field->maximum);
        report_invalid(v, at, value, why);
    }
}

static void walk_one(struct validator *v, const struct schema_field *field, const struct value *value,
                     const struct value *old, const struct vpath *at)
{
    struct slice text = value_string(value);

    if (field->base == SCHEMA_OBJECT && field->type) {
        walk_object(v, field->type, value, old, at);
        return;
    }
    if (value_is(value, VALUE_INT))
        check_bounds(v, field, value, at);
    if (!text.len)
        return; /* an empty text counts as absent */
    if (field->enum_values)
        (void)check_one_of(v, at, text, field->enum_values);
    for (size_t i = 0; field->format && i < ARRAY_SIZE(formats); i++)
        if (validate_same(formats[i].name, field->format))
            (void)check_name(v, at, text, formats[i].check);
}

static bool is_missing(const struct schema_field *field, const struct value *value)
{
    if (field->shape != SCHEMA_ONE)
        return value_count(value) == 0;
    if (value_is(value, VALUE_STRING))
        return value_string(value).len == 0;
    return !value || value_is(value, VALUE_NULL);
}

/* Structs that upstream does not hold by pointer are there even when they are missing: their own fields are asked. */
static bool stands_for_empty(const struct schema_field *field)
{
    return field->base == SCHEMA_OBJECT && field->shape == SCHEMA_ONE && (field->flags & SCHEMA_EMIT_EMPTY) &&
           !(field->flags & SCHEMA_POINTER);
}

static void walk_items(struct validator *v, const struct schema_field *field, const struct value *value,
                       const struct vpath *at)
{
    struct value_iter it = value_iter_start(field->shape == SCHEMA_MAP ? value : NULL);
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member))
        walk_one(v, field, member, NULL, VKEY(at, name));
    for (size_t i = 0; field->shape == SCHEMA_LIST && i < value_count(value); i++)
        walk_one(v, field, value_at(value, i), NULL, VINDEX(at, i));
}

/* An object, and what it was. */
struct pair {
    struct value_sequence now;
    struct value_sequence old;
};

static void walk_field(struct validator *v, const struct schema_type *type, const struct field_rules *own,
                       const struct schema_field *field, struct pair *pair, const struct vpath *up)
{
    struct vpath step;
    const struct vpath *at = v->is_definition ? custom_place(v, type->name, up, field->name, &step)
                                              : VFIELD(up, field->name);
    const struct value *value = value_sequence_get(&pair->now, field->name);
    const struct value *had = value_sequence_get(&pair->old, field->name);
    bool missing = is_missing(field, value);
    struct rule_site site = {v, pair->now.object, pair->old.object, value, at};

    if (!at)
        return;
    if (missing && stands_for_empty(field))
        walk_object(v, field->type, NULL, NULL, at);
    else if (missing && (field->flags & SCHEMA_REQUIRED) && !v->of_status && !(own->look & FIELD_LENIENT))
        report_required(v, at, NULL);
    else if (!missing && field->shape == SCHEMA_ONE)
        walk_one(v, field, value, had, at);
    else if (!missing)
        walk_items(v, field, value, at);
    if ((field->flags & SCHEMA_IMMUTABLE) && had && !value_is(had, VALUE_NULL) && !value_equal(had, value))
        report_invalid(v, at, value, "field is immutable");
    run_rules(validate_field_rules(own), own->count, &site);
}

/* Of the root: metadata is judged apart, and either the status or the rest. */
static bool is_judged(struct validator *v, const struct field_rules *own, const struct schema_field *field,
                      const struct rule_site *site)
{
    bool is_status = v->kind->has_status && validate_same(field->name, "status");

    if (validate_same(field->name, "metadata")) {
        run_rules(validate_field_rules(own), own->count, site);
        return false;
    }
    return !validate_same(field->name, "apiVersion") && !validate_same(field->name, "kind") &&
           is_status == v->of_status;
}

static void walk_object(struct validator *v, const struct schema_type *type, const struct value *object,
                        const struct value *old, const struct vpath *at)
{
    struct pair pair = {value_sequence_start(object), value_sequence_start(old)};
    struct rule_site site = {v, object, old, object, at};
    const struct type_rules *rules = validate_type_rules(type);
    uint64_t names = pair.now.names | pair.old.names;

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];
        const struct field_rules *own = rules->fields ? &rules->fields[i] : &validate_no_rules;

        if (field->flags & SCHEMA_INLINE) {
            if (field->type)
                walk_object(v, field->type, object, old, at);
            continue;
        }
        if (!(own->look & FIELD_ASKED) && !(names >> (own->look & FIELD_BIT) & 1))
            continue;
        if (at || is_judged(v, own, field, &site))
            walk_field(v, type, own, field, &pair, at);
    }
    if (at || !v->of_status)
        run_rules(validate_whole_rules(rules), rules->whole_count, &site);
}

static bool said_before(const struct error *err, size_t index)
{
    const struct error_cause *c = &err->causes[index];

    for (size_t i = 0; i < index; i++)
        if (!strcmp(err->causes[i].field, c->field) && !strcmp(err->causes[i].message, c->message))
            return true;
    return false;
}

/* `Deployment.apps "x" is invalid: [a: b, c: d]`; what was found twice is said once. */
static void write_message(const struct validator *v, struct buf *out)
{
    BUF_LOCAL(list);
    size_t said = 0;

    for (size_t i = 0; i < v->err->cause_count; i++) {
        const struct error_cause *c = &v->err->causes[i];

        if (said_before(v->err, i))
            continue;
        buf_printf(&list, "%s%s: %s", said++ ? ", " : "", c->field, c->message);
    }
    buf_printf(out, "%s%s%s \"%.*s\" is invalid: %s%s%s", v->kind->kind, *v->kind->group ? "." : "", v->kind->group,
               SLICE_ARGS(value_string(value_path(v->object, "metadata", "name", NULL))), said > 1 ? "[" : "",
               buf_cstr(&list), said > 1 ? "]" : "");
}

/* The causes that were found, as one error. */
static int finish(struct validator *v, struct error *err)
{
    BUF_LOCAL(message);

    if (!v->err->cause_count)
        return 0;
    write_message(v, &message);
    v->err->code = ERROR_INVALID;
    v->err->message = buf_steal_str(&message);
    return error_pass(err, v->err, NULL);
}

/* An approval writes conditions, which are status. */
static bool writes_status(const char *subresource)
{
    return !strcmp(subresource, "status") || !strcmp(subresource, "approval");
}

static int judge(const struct schema_kind *kind, const struct value *object, const struct value *old,
                 const char *subresource, struct error *err)
{
    ERROR_LOCAL(found);
    struct validator v = {.kind = kind,
                          .object = object,
                          .old = old,
                          .subresource = subresource ? subresource : "",
                          .err = &found,
                          .is_definition = validate_same(kind->type->name, "CustomResourceDefinition")};

    v.of_status = writes_status(v.subresource);
    if (v.is_definition)
        custom_start(&v);
    if (!kind->virtual_kind && !kind->no_metadata)
        check_metadata(&v);
    walk_object(&v, kind->type, object, old, NULL);
    if (kind->type->structural)
        check_structural(&v, kind->type->structural);
    if (kind->custom)
        check_custom_scale(&v);
    return finish(&v, err);
}

int validate_object(const struct schema_kind *kind, const struct value *object, const struct value *old,
                    const char *subresource, struct error *err)
{
    ERROR_LOCAL(found);
    ERROR_LOCAL(again);
    BUF_LOCAL(text);
    struct value *ordered CLEANUP_VALUE = NULL;
    int r = judge(kind, object, old, subresource, &found);

    /* Members stand as they came, which is nothing to a verdict, but to what is said of it: that is in upstream's
     * order, so what is refused is looked at once more in that. What users define has none. */
    if (r < 0 && !kind->custom) {
        codec_write(kind->type, object, &text);
        ordered = value_parse(buf_slice(&text), NULL);
    }
    if (ordered && judge(kind, ordered, old, subresource, &again) < 0)
        return error_pass(err, &again, NULL);
    return r < 0 ? error_pass(err, &found, NULL) : 0;
}

int validate_version(const struct schema_kind *shown, const struct value *object, struct error *err)
{
    ERROR_LOCAL(found);
    struct validator v = {.kind = shown, .object = object, .subresource = "", .err = &found};
    const struct rule_site site = {&v, object, NULL, object, NULL};
    size_t count;
    const struct rule *const *rules = validate_named_rules(schema_long_name(shown->type), &count);

    for (size_t i = 0; i < count; i++)
        if (!rules[i]->field)
            rules[i]->check(&site);
    return finish(&v, err);
}
