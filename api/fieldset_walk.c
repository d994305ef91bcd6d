/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field sets of objects: what a configuration sets, and what changes from one object to another. Both walk by the
 * schema (fieldset_place.c), members and items in the order of the set, so that making it takes no searching.
 */
#include "api/fieldset_internal.h"
#include "api/structural_internal.h"

#define OF_SHOWN_MAX 256 /* bytes of a value of the wrong type in the message */

bool fieldset_part_has(enum fieldset_part part, struct slice name)
{
    if (part == FIELDSET_MAIN)
        return !slice_is(name, "status");
    return part == FIELDSET_ALL || slice_is(name, "status") || slice_is(name, "metadata");
}

/* ---- changes ------------------------------------------------------------------------------------------------------
 */

static bool compare_is_void(const struct value *v)
{
    return value_is(v, VALUE_NULL) || ((value_is(v, VALUE_ARRAY) || value_is(v, VALUE_OBJECT)) && !value_count(v));
}

static const struct fieldset *all_of(struct pool *pool, const struct fieldset_place *place, const struct value *v);

static void all_of_members(struct pool *pool, const struct fieldset_place *place, const struct value *v,
                           struct fieldset *set)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *child;

    while (value_iter_next(&it, &name, &child)) {
        struct fieldset_place member;

        if (fieldset_member(place, name, &member))
            set->entries[set->count++] =
                (struct fieldset_entry){fieldset_field_step(name), true, all_of(pool, &member, child)};
    }
}

static void all_of_items(struct pool *pool, const struct fieldset_place *list, const struct value *v,
                         struct fieldset *set)
{
    struct fieldset_place item = fieldset_item(list);

    for (size_t i = 0; value_is(v, VALUE_ARRAY) && i < value_count(v); i++) {
        struct fieldset_entry *e = &set->entries[set->count];

        if (!fieldset_item_step(pool, list, value_at(v, i), &e->step, NULL))
            continue;
        e->member = true;
        e->below = all_of(pool, &item, value_at(v, i));
        set->count++;
    }
}

/* Items that are there several times count as one piece. */
static void all_of_join(struct fieldset *set)
{
    size_t kept = 0;

    for (size_t i = 0; i < set->count; i++) {
        if (kept && fieldset_step_equal(set->entries[kept - 1].step, set->entries[i].step))
            set->entries[kept - 1].below = NULL;
        else
            set->entries[kept++] = set->entries[i];
    }
    set->count = kept;
}

/* All places below one that was not there. */
static const struct fieldset *all_of(struct pool *pool, const struct fieldset_place *place, const struct value *v)
{
    enum fieldset_shape shape = fieldset_shape(place, v);
    struct fieldset *set;

    if (shape == FIELDSET_LEAF || compare_is_void(v) || !value_count(v))
        return NULL;
    set = pool_alloc(pool, sizeof(*set));
    set->cap = value_count(v);
    set->entries = pool_alloc(pool, set->cap * sizeof(*set->entries));
    if (shape == FIELDSET_ITEMS)
        all_of_items(pool, place, v, set);
    else
        all_of_members(pool, place, v, set);
    fieldset_sort(set);
    all_of_join(set);
    return set->count ? set : NULL;
}

static void compare_place(struct pool *pool, const struct fieldset_place *place, struct fieldset_step step,
                          const struct value *from, const struct value *to, struct fieldset_change *up);

static void compare_members(struct pool *pool, const struct fieldset_place *place, enum fieldset_part part,
                            const struct value *from, const struct value *to, struct fieldset_change *up)
{
    size_t from_count;
    size_t to_count;
    struct fieldset_named *a = fieldset_members(pool, from, &from_count);
    struct fieldset_named *b = fieldset_members(pool, to, &to_count);

    for (size_t i = 0, j = 0; i < from_count || j < to_count;) {
        int order = i == from_count ? 1 : j == to_count ? -1 : slice_compare(a[i].step.text, b[j].step.text);
        struct fieldset_step step = order <= 0 ? a[i].step : b[j].step;
        struct fieldset_place member;

        /* What the schema does not know cannot be in an object. */
        if (fieldset_part_has(part, step.text) && fieldset_member(place, step.text, &member))
            compare_place(pool, &member, step, order <= 0 ? a[i].value : NULL, order >= 0 ? b[j].value : NULL, up);
        i += order <= 0;
        j += order >= 0;
    }
}

static bool compare_same(const struct fieldset_named *a, size_t a_count, const struct fieldset_named *b, size_t b_count)
{
    if (a_count != b_count)
        return false;
    for (size_t i = 0; i < a_count; i++)
        if (!value_equal(a[i].value, b[i].value))
            return false;
    return true;
}

/* Items that are there several times count as one piece. */
static void compare_item(struct pool *pool, const struct fieldset_place *item, const struct fieldset_named *a,
                         size_t a_count, const struct fieldset_named *b, size_t b_count, struct fieldset_change *up)
{
    struct fieldset_step step = a_count ? a->step : b->step;

    if (a_count < 2 && b_count < 2) {
        compare_place(pool, item, step, a_count ? a->value : NULL, b_count ? b->value : NULL, up);
    } else if (a_count >= 2 && b_count >= 2) {
        if (!compare_same(a, a_count, b, b_count))
            fieldset_add(pool, &up->touched, step, true, NULL);
    } else if (a_count >= 2) {
        if (b_count)
            compare_place(pool, item, step, NULL, b->value, up);
        fieldset_add(pool, &up->removed, step, true, NULL);
    } else {
        if (a_count)
            compare_place(pool, item, step, a->value, NULL, up);
        fieldset_add(pool, &up->touched, step, true, NULL);
    }
}

static size_t compare_run(const struct fieldset_named *all, size_t count, size_t at)
{
    size_t n = 1;

    while (at + n < count && fieldset_step_equal(all[at].step, all[at + n].step))
        n++;
    return n;
}

static void compare_items(struct pool *pool, const struct fieldset_place *list, const struct value *from,
                          const struct value *to, struct fieldset_change *up)
{
    struct fieldset_place item = fieldset_item(list);
    size_t from_count;
    size_t to_count;
    struct fieldset_named *a = fieldset_items(pool, list, from, &from_count);
    struct fieldset_named *b = fieldset_items(pool, list, to, &to_count);

    for (size_t i = 0, j = 0; i < from_count || j < to_count;) {
        int order = i == from_count ? 1 : j == to_count ? -1 : slice_compare(a[i].step.text, b[j].step.text);
        size_t a_run = order <= 0 ? compare_run(a, from_count, i) : 0;
        size_t b_run = order >= 0 ? compare_run(b, to_count, j) : 0;

        compare_item(pool, &item, &a[i], a_run, &b[j], b_run, up);
        i += a_run;
        j += b_run;
    }
}

static void compare_place(struct pool *pool, const struct fieldset_place *place, struct fieldset_step step,
                          const struct value *from, const struct value *to, struct fieldset_change *up)
{
    enum fieldset_shape shape;
    struct fieldset_change here = {0};
    bool leaf;

    if (!from) {
        fieldset_add(pool, &up->touched, step, true, all_of(pool, place, to));
        return;
    }
    if (to && value_equal(from, to))
        return;
    shape = fieldset_shape(place, !compare_is_void(from) ? from : to);
    leaf = shape == FIELDSET_LEAF || (compare_is_void(from) && compare_is_void(to));
    if (!leaf && shape == FIELDSET_ITEMS)
        compare_items(pool, place, from, to, &here);
    else if (!leaf)
        compare_members(pool, place, FIELDSET_ALL, from, to, &here);
    if ((leaf && to) || here.touched.count)
        fieldset_add(pool, &up->touched, step, leaf && to, fieldset_keep(pool, &here.touched));
    if (!to || here.removed.count)
        fieldset_add(pool, &up->removed, step, !to, fieldset_keep(pool, &here.removed));
}

void fieldset_compare(struct pool *pool, const struct schema_type *type, enum fieldset_part part,
                      const struct value *from, const struct value *to, struct fieldset_change *ret_change)
{
    struct fieldset_place root = fieldset_root(type);

    *ret_change = (struct fieldset_change){0};
    compare_members(pool, &root, part, from, to, ret_change);
}

/* ---- configurations -----------------------------------------------------------------------------------------------
 */

struct of_walk {
    struct pool *pool;
    struct buf path;
    struct error *err;
};

static int of_bad(struct of_walk *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int of_bad(struct of_walk *w, const char *fmt, ...)
{
    BUF_LOCAL(text);
    va_list args;

    buf_append_slice(&text, buf_slice(&w->path));
    buf_append_str(&text, ": ");
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    return error_set(w->err, ERROR_BAD_REQUEST, "%s", buf_cstr(&text));
}

/* As upstream shows what it found instead: numbers by type, texts and the rest by value. */
static int of_wrong_type(struct of_walk *w, const char *expected, const struct value *got)
{
    static const char *const types[] = {
        [VALUE_NULL] = "<nil>",
        [VALUE_BOOL] = "bool",
        [VALUE_INT] = "int64",
        [VALUE_REAL] = "float64",
        [VALUE_STRING] = "string",
        [VALUE_ARRAY] = "[]interface {}",
        [VALUE_OBJECT] = "map[string]interface {}",
    };
    BUF_LOCAL(text);
    int shown;

    if (*expected == 'n')
        return of_bad(w, "expected %s, got %s", expected, types[value_kind(got)]);
    value_write(got, &text);
    shown = (int)(text.len > OF_SHOWN_MAX ? OF_SHOWN_MAX : text.len);
    if (*expected == 's')
        return of_bad(w, "expected %s, got &value.valueUnstructured{Value:%.*s}", expected, shown, text.data);
    return of_bad(w, "expected %s, got &{%.*s}", expected, shown, text.data);
}

/* What JSON must have there; scalars are looked at closer when the object is decoded. */
static int of_check(struct of_walk *w, const struct fieldset_place *place, const struct value *v)
{
    const struct schema_field *f = place->field;
    enum structural_type type = place->structural ? (enum structural_type)place->structural->type : STRUCTURAL_ANY;
    bool string = value_is(v, VALUE_STRING);
    bool number = value_is(v, VALUE_INT) || value_is(v, VALUE_REAL);

    if (type == STRUCTURAL_ARRAY)
        return value_is(v, VALUE_ARRAY) ? 0 : of_wrong_type(w, "list", v);
    if (type == STRUCTURAL_OBJECT)
        return value_is(v, VALUE_OBJECT) ? 0 : of_wrong_type(w, "map", v);
    if (!f)
        return place->type && !value_is(v, VALUE_OBJECT) ? of_wrong_type(w, "map", v) : 0;
    if (!place->element && f->shape == SCHEMA_LIST)
        return value_is(v, VALUE_ARRAY) ? 0 : of_wrong_type(w, "list", v);
    if ((!place->element && f->shape == SCHEMA_MAP) || f->base == SCHEMA_OBJECT)
        return value_is(v, VALUE_OBJECT) ? 0 : of_wrong_type(w, "map", v);
    switch ((enum schema_base)f->base) {
    case SCHEMA_ANY:
    case SCHEMA_EITHER:
    case SCHEMA_FIELDS_V1:
        return 0;
    case SCHEMA_STRINGS:
        return value_is(v, VALUE_ARRAY) ? 0 : of_wrong_type(w, "list", v);
    case SCHEMA_BOOL:
        return value_is(v, VALUE_BOOL) ? 0 : of_wrong_type(w, "boolean", v);
    case SCHEMA_INT32:
    case SCHEMA_INT64:
    case SCHEMA_DOUBLE:
        return number ? 0 : of_wrong_type(w, "numeric (int or float)", v);
    case SCHEMA_QUANTITY:
    case SCHEMA_INT_OR_STRING:
        return number || string ? 0 : of_wrong_type(w, "string", v);
    default:
        return string ? 0 : of_wrong_type(w, "string", v);
    }
}

/* `below` NULL: only to be judged, because it is one piece with what is above. */
static int of_place(struct of_walk *w, const struct fieldset_place *place, const struct value *v,
                    struct fieldset *below, bool *ret_self);

static int of_child(struct of_walk *w, const struct fieldset_place *child, struct fieldset_named named, bool self,
                    struct fieldset *up)
{
    struct fieldset below = {0};
    size_t len = w->path.len;
    bool own;
    int r;

    fieldset_write_step(&w->path, named.step);
    r = of_place(w, child, named.value, up ? &below : NULL, &own);
    w->path.len = len;
    if (r == 0 && up)
        fieldset_add(w->pool, up, named.step, self || own, fieldset_keep(w->pool, &below));
    return r;
}

static int of_members(struct of_walk *w, const struct fieldset_place *place, const struct value *v,
                      struct fieldset *below)
{
    bool keys = fieldset_shape(place, v) == FIELDSET_MAP;
    size_t count;
    struct fieldset_named *all = fieldset_members(w->pool, v, &count);
    int r = 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        struct fieldset_place member;

        if (!fieldset_member(place, all[i].step.text, &member)) {
            fieldset_write_step(&w->path, all[i].step);
            return of_bad(w, "field not declared in schema");
        }
        r = of_child(w, &member, all[i], keys, below);
    }
    return r;
}

static int of_items(struct of_walk *w, const struct fieldset_place *list, const struct value *v, struct fieldset *below)
{
    struct fieldset_place item = fieldset_item(list);
    struct fieldset_named *all;
    size_t count;
    int r = 0;

    for (size_t i = 0; i < value_count(v); i++) {
        struct fieldset_step step;
        const char *problem;

        if (!fieldset_item_step(w->pool, list, value_at(v, i), &step, &problem))
            return of_bad(w, "element %zu: %s", i, problem);
    }
    all = fieldset_items(w->pool, list, v, &count);
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (i && fieldset_step_equal(all[i - 1].step, all[i].step)) {
            BUF_LOCAL(step);

            fieldset_write_step(&step, all[i].step);
            return of_bad(w, "duplicate entries for key %s", buf_cstr(&step));
        }
        r = of_child(w, &item, all[i], true, below);
    }
    return r;
}

/* Elements of a list that is one piece. */
static int of_elements(struct of_walk *w, const struct fieldset_place *list, const struct value *v)
{
    struct fieldset_place item = fieldset_item(list);
    int r = 0;

    for (size_t i = 0; r == 0 && i < value_count(v); i++) {
        const char *number = pool_printf(w->pool, "%zu", i);
        struct fieldset_named named = {{FIELDSET_INDEX, slice_str(number)}, value_at(v, i), i};

        r = of_child(w, &item, named, false, NULL);
    }
    return r;
}

static int of_place(struct of_walk *w, const struct fieldset_place *place, const struct value *v,
                    struct fieldset *below, bool *ret_self)
{
    enum fieldset_shape shape = fieldset_shape(place, v);
    bool described = place->field && place->field->base != SCHEMA_ANY && place->field->base != SCHEMA_FIELDS_V1;
    int r = of_check(w, place, v);

    *ret_self = shape == FIELDSET_LEAF || (value_is(v, VALUE_OBJECT) && !value_count(v));
    if (r < 0)
        return r;
    if (shape == FIELDSET_ITEMS)
        return of_items(w, place, v, below);
    if (shape != FIELDSET_LEAF)
        return of_members(w, place, v, below);
    if (described && value_is(v, VALUE_OBJECT))
        return of_members(w, place, v, NULL);
    if (described && value_is(v, VALUE_ARRAY) && place->field->base != SCHEMA_STRINGS)
        return of_elements(w, place, v);
    return 0;
}

int fieldset_of(struct pool *pool, const struct schema_type *type, const struct value *config,
                const struct fieldset **ret_set, struct error *err)
{
    struct fieldset *set = pool_alloc(pool, sizeof(*set));
    struct of_walk w = {.pool = pool, .err = err};
    struct fieldset_place root = fieldset_root(type);
    bool self;
    int r = of_place(&w, &root, config, set, &self);

    buf_free(&w.path);
    if (r == 0)
        *ret_set = set;
    return r;
}
