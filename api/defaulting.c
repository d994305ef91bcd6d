/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaulting: one pass over a decoded object, parents before children. At each object the rows' `=` come first, then
 * the rule of its type (defaulting_rules.c), which may create children that the pass then reaches. Applying it twice
 * changes nothing.
 */
#include "api/codec_internal.h"

#include <pthread.h>

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

/* ---- what there is to do ---- */

struct fields {
    const struct schema_field **list;
    size_t count;
    size_t cap;
};

/* Of a built-in type, its inline ones among it; of most types there is nothing. */
struct plan {
    struct fields rows;     /* that have a default */
    struct fields children; /* in which there is something to do */
    bool ruled;             /* there is a rule */
    bool any;               /* of the three */
};

/* In the order of schema_types: made once, then read only. */
static struct plan *plans;
static pthread_once_t plans_once = PTHREAD_ONCE_INIT;

static struct plan *plan_of(const struct schema_type *type)
{
    static struct plan none; /* of what users define: structural.h */
    size_t count;
    size_t at = (size_t)(type - schema_types(&count));

    return type->custom || at >= count ? &none : &plans[at];
}

static bool leads_on(const struct schema_field *f)
{
    return f->base == SCHEMA_OBJECT && plan_of(f->type)->any;
}

/* Types lead to each other in circles, so this goes round until nothing is new. */
static bool plans_spread(const struct schema_type *types, size_t count)
{
    bool found = false;

    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; !plans[i].any && k < types[i].field_count; k++)
            found = (plans[i].any = types[i].fields[k].default_json || leads_on(&types[i].fields[k])) || found;
    return found;
}

static void fields_add(struct fields *fields, const struct schema_field *f)
{
    fields->list = mem_grow(fields->list, &fields->cap, fields->count + 1, sizeof(const struct schema_field *));
    fields->list[fields->count++] = f;
}

static void plan_gather(const struct schema_type *type, struct plan *into)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];

        if (f->flags & SCHEMA_INLINE) {
            plan_gather(f->type, into);
            continue;
        }
        if (f->default_json)
            fields_add(&into->rows, f);
        if (leads_on(f))
            fields_add(&into->children, f);
    }
}

static void plans_make(void)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    plans = mem_calloc(count, sizeof(*plans));
    for (size_t i = 0; i < count; i++)
        plans[i].any = plans[i].ruled = default_has_rule(&types[i]);
    while (plans_spread(types, count))
        ;
    for (size_t i = 0; i < count; i++)
        plan_gather(&types[i], &plans[i]);
}

/* ---- the pass ---- */

static void apply_rows(const struct fields *rows, struct value *object)
{
    uint64_t names = rows->count ? value_names(object) : 0;

    for (size_t i = 0; i < rows->count; i++) {
        const struct schema_field *f = rows->list[i];

        if (is_unset(f, value_get_among(object, names, f->name)))
            value_set(object, f->name, default_value(f->default_json));
    }
}

static void default_child(const struct schema_field *f, struct value *v)
{
    struct value_iter it = value_iter_start(f->shape == SCHEMA_MAP && value_is(v, VALUE_OBJECT) ? v : NULL);
    struct slice name;
    struct value *child;

    if (f->shape == SCHEMA_ONE && value_is(v, VALUE_OBJECT))
        default_object(f->type, v);
    for (size_t i = 0; f->shape == SCHEMA_LIST && i < value_count(v); i++)
        default_object(f->type, value_at(v, i));
    while (value_iter_next(&it, &name, &child))
        default_object(f->type, child);
}

static void default_children(const struct fields *children, struct value *object)
{
    struct value_sequence members = value_sequence_start(children->count ? object : NULL);

    for (size_t i = 0; i < children->count; i++) {
        struct value *v = value_sequence_get(&members, children->list[i]->name);

        if (v)
            default_child(children->list[i], v);
    }
}

static void default_object(const struct schema_type *type, struct value *object)
{
    const struct plan *plan = plan_of(type);

    apply_rows(&plan->rows, object);
    if (plan->ruled)
        default_by_rule(type, object);
    default_children(&plan->children, object);
    if (type->structural)
        structural_default(type->structural, object);
}

void default_apply(const struct schema_kind *kind, struct value *object)
{
    (void)pthread_once(&plans_once, plans_make);
    default_object(kind->type, object);
}
