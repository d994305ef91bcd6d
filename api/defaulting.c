/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaulting: one pass over a decoded object, parents before children. At each object the rows' `=` come first, then
 * the rule of its type (defaulting_rules.c), which may create children that the pass then reaches. Applying it twice
 * changes nothing.
 */
#include "api/codec_internal.h"

#include "api/structural.h"
#include "api/value_internal.h"

static void default_object(const struct schema_type *type, struct value *object);

/* Absent, or the zero of a field that is no pointer, which Go cannot tell from absent. */
static bool is_unset(const struct schema_field *f, const struct value *v)
{
    struct schema_field omitted = *f;

    omitted.flags &= ~(uint32_t)SCHEMA_EMIT_EMPTY;
    return !v || codec_is_omitted(&omitted, v);
}

/* Most are a word or a text, which needs no reader. */
static struct value *default_value(const char *json)
{
    size_t len = strlen(json);

    if (len >= 2 && json[0] == '"' && !memchr(json, '\\', len))
        return value_new_string(slice_make(json + 1, len - 2));
    return value_parse(slice_make(json, len), NULL);
}

static void apply_rows(const struct schema_type *type, struct value *object)
{
    uint64_t names = value_names(object);

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];

        if (f->flags & SCHEMA_INLINE)
            apply_rows(f->type, object);
        else if (f->default_json && is_unset(f, value_get_among(object, names, f->name)))
            value_set(object, f->name, default_value(f->default_json));
    }
}

static void default_children(const struct schema_type *type, struct value *object)
{
    struct value_sequence members = value_sequence_start(object);

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        struct value *v;

        if (f->base != SCHEMA_OBJECT)
            continue;
        if (f->flags & SCHEMA_INLINE) {
            default_children(f->type, object);
            continue;
        }
        v = value_sequence_get(&members, f->name);
        if (f->shape == SCHEMA_ONE && value_is(v, VALUE_OBJECT))
            default_object(f->type, v);
        for (size_t j = 0; f->shape == SCHEMA_LIST && j < value_count(v); j++)
            default_object(f->type, value_at(v, j));
        if (f->shape == SCHEMA_MAP && value_is(v, VALUE_OBJECT)) {
            struct value_iter it = value_iter_start(v);
            struct slice name;
            struct value *child;

            while (value_iter_next(&it, &name, &child))
                default_object(f->type, child);
        }
    }
}

static void default_object(const struct schema_type *type, struct value *object)
{
    apply_rows(type, object);
    default_by_rule(type, object);
    default_children(type, object);
    if (type->structural)
        structural_default(type->structural, object);
}

void default_apply(const struct schema_kind *kind, struct value *object)
{
    default_object(kind->type, object);
}
