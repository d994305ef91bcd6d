/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schema says about a place. Lists are told apart by their keys or as sets; where only strategic merge knows
 * how, by its key, as upstream derives it. All other lists are one piece.
 */
#include "api/fieldset_internal.h"

#include <stdlib.h>

#include "api/structural_internal.h"
#include "lib/encoding.h"

#define PLACE_KEYS_MAX 8
#define PLACE_FEW      12 /* so many are in order sooner one by one */

struct fieldset_place fieldset_root(const struct schema_type *type)
{
    return (struct fieldset_place){.type = type};
}

static struct fieldset_place place_of(const struct schema_field *f, bool element)
{
    return (struct fieldset_place){f, f->base == SCHEMA_OBJECT ? f->type : NULL, element, NULL};
}

/* ---- custom resources ---- */

static enum fieldset_shape structural_shape(const struct structural *s, const struct value *v)
{
    bool open = !s->property_count && (s->each || (s->flags & STRUCTURAL_PRESERVE));

    if (s->type == STRUCTURAL_ARRAY)
        return s->flags & (STRUCTURAL_SET | STRUCTURAL_MAP) ? FIELDSET_ITEMS : FIELDSET_LEAF;
    if (s->flags & STRUCTURAL_ATOMIC)
        return FIELDSET_LEAF;
    if (s->type == STRUCTURAL_OBJECT || (s->type == STRUCTURAL_ANY && value_is(v, VALUE_OBJECT)))
        return open || s->type == STRUCTURAL_ANY ? FIELDSET_MAP : FIELDSET_STRUCT;
    return FIELDSET_LEAF;
}

static bool structural_member(const struct structural *s, struct slice name, struct fieldset_place *ret_member)
{
    ret_member->structural = structural_find(s, name);
    if (!ret_member->structural) {
        ret_member->structural = s->each;
        ret_member->element = true;
    }
    return ret_member->structural || s->type == STRUCTURAL_ANY ||
           (s->flags & (STRUCTURAL_PRESERVE | STRUCTURAL_EMBEDDED));
}

/* ---- any ---- */

static bool place_is_keyed(const struct schema_field *f)
{
    return (f->flags & SCHEMA_LIST_MAP) || (!(f->flags & (SCHEMA_LIST_SET | SCHEMA_ATOMIC)) && f->merge_key);
}

enum fieldset_shape fieldset_shape(const struct fieldset_place *place, const struct value *v)
{
    const struct schema_field *f = place->field;

    if (place->structural)
        return structural_shape(place->structural, v);
    if (!f)
        return place->type ? FIELDSET_STRUCT : value_is(v, VALUE_OBJECT) ? FIELDSET_MAP : FIELDSET_LEAF;
    if (!place->element && f->shape == SCHEMA_LIST)
        return place_is_keyed(f) || (f->flags & SCHEMA_LIST_SET) ||
                       ((f->flags & SCHEMA_PATCH_MERGE) && !(f->flags & SCHEMA_ATOMIC))
                   ? FIELDSET_ITEMS
                   : FIELDSET_LEAF;
    if (!place->element && f->shape == SCHEMA_MAP)
        return f->flags & SCHEMA_ATOMIC ? FIELDSET_LEAF : FIELDSET_MAP;
    return f->base == SCHEMA_OBJECT && !(f->flags & SCHEMA_ATOMIC) ? FIELDSET_STRUCT : FIELDSET_LEAF;
}

bool fieldset_member(const struct fieldset_place *place, struct slice name, struct fieldset_place *ret_member)
{
    const struct schema_field *f;

    *ret_member = (struct fieldset_place){0};
    if (place->structural)
        return structural_member(place->structural, name, ret_member);
    if (place->field && !place->element && place->field->shape == SCHEMA_MAP) {
        *ret_member = place_of(place->field, true);
        return true;
    }
    if (!place->type)
        return true;
    if ((f = schema_find_field(place->type, name)) != NULL)
        *ret_member = place_of(f, false);
    else if (place->type->structural)
        return structural_member(place->type->structural, name, ret_member);
    return f || place->type->preserve_unknown;
}

struct fieldset_place fieldset_item(const struct fieldset_place *list)
{
    if (list->structural)
        return (struct fieldset_place){.structural = list->structural->each};
    return list->field ? place_of(list->field, true) : *list;
}

/* Adds names where they belong in the order of the alphabet; returns how many there are. */
static size_t place_add_keys(const char *keys[PLACE_KEYS_MAX], const char *const *stated)
{
    size_t count = 0;

    for (size_t i = 0; stated && stated[i] && count < PLACE_KEYS_MAX; i++) {
        size_t at = count++;

        for (; at && strcmp(keys[at - 1], stated[i]) > 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = stated[i];
    }
    return count;
}

/* The names of the keys by which the items of a list are told apart, sorted; 0 = it is a set. */
static size_t place_keys(const struct fieldset_place *list, const char *keys[PLACE_KEYS_MAX])
{
    const struct structural *s = list->structural;
    const struct schema_field *f = list->field;

    if (s)
        return s->flags & STRUCTURAL_MAP ? place_add_keys(keys, s->map_keys) : 0;
    if (!place_is_keyed(f))
        return 0;
    if (f->flags & SCHEMA_LIST_MAP)
        return place_add_keys(keys, f->map_keys);
    keys[0] = f->merge_key;
    return 1;
}

/* What a missing key counts as; false when it has no default. */
static bool place_write_default(const struct fieldset_place *list, const char *name, struct buf *out)
{
    const struct fieldset_place item = fieldset_item(list);
    const struct structural *key = item.structural ? structural_find(item.structural, slice_str(name)) : NULL;
    const struct schema_field *f = item.type ? schema_find_field(item.type, slice_str(name)) : NULL;

    if (key && key->by_default)
        value_write(key->by_default, out);
    else if (f && f->default_json)
        buf_append_str(out, f->default_json);
    else
        return false;
    return true;
}

/* {"key":value,...} of the item; keys that are missing count with their default, or not at all. */
static bool place_write_keys(const struct fieldset_place *list, const char *const *keys, size_t count,
                             const struct value *item, struct buf *out)
{
    char before = '{';

    for (size_t i = 0; i < count; i++) {
        const struct value *v = value_get(item, keys[i]);
        size_t len = out->len;

        buf_append_byte(out, before);
        json_write_string(out, slice_str(keys[i]));
        buf_append_byte(out, ':');
        if (!value_is(v, VALUE_NULL))
            value_write(v, out);
        else if (!place_write_default(list, keys[i], out)) {
            out->len = len;
            continue;
        }
        before = ',';
    }
    buf_append_byte(out, '}');
    return before == ',';
}

static const char *place_no_keys(struct pool *pool, const char *const *keys, size_t count)
{
    BUF_LOCAL(names);

    for (size_t i = 0; i < count; i++)
        buf_printf(&names, "%s\"%s\"", i ? " " : "", keys[i]);
    return pool_printf(pool,
                       "associative list with keys has an element that omits all key fields [%s] (and doesn't have "
                       "default values for any key fields)",
                       buf_cstr(&names));
}

bool fieldset_item_step(struct pool *pool, const struct fieldset_place *list, const struct value *item,
                        struct fieldset_step *ret_step, const char **ret_problem)
{
    const char *keys[PLACE_KEYS_MAX];
    size_t key_count = place_keys(list, keys);
    bool keyed = key_count > 0;
    const char *problem = NULL;
    BUF_LOCAL(text);

    if (keyed && !value_is(item, VALUE_OBJECT))
        problem = value_is(item, VALUE_NULL) ? "associative list with keys may not have a null element"
                                             : "associative list with keys may not have non-map elements";
    else if (keyed && !place_write_keys(list, keys, key_count, item, &text))
        problem = place_no_keys(pool, keys, key_count);
    else if (!keyed && value_is(item, VALUE_OBJECT))
        problem = "associative list without keys has an element that's a map type";
    else if (!keyed && (value_is(item, VALUE_ARRAY) || value_is(item, VALUE_NULL)))
        problem = "associative list without keys has an element that is no value";
    if (ret_problem)
        *ret_problem = problem;
    if (problem)
        return false;
    if (!keyed)
        value_write(item, &text);
    ret_step->kind = keyed ? FIELDSET_KEYS : FIELDSET_VALUE;
    ret_step->text = slice_make(pool_slice_dup(pool, buf_slice(&text)), text.len);
    return true;
}

static int place_order_items(const void *a, const void *b)
{
    const struct fieldset_named *x = a;
    const struct fieldset_named *y = b;
    int order = (int)x->step.kind - (int)y->step.kind;

    if (!order)
        order = slice_compare(x->step.text, y->step.text);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

static void place_sort(struct fieldset_named *all, size_t count)
{
    if (count > PLACE_FEW) {
        qsort(all, count, sizeof(*all), place_order_items);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        const struct fieldset_named one = all[i];
        size_t at = i;

        for (; at && place_order_items(&all[at - 1], &one) > 0; at--)
            all[at] = all[at - 1];
        all[at] = one;
    }
}

struct fieldset_named *fieldset_members(struct pool *pool, const struct value *object, size_t *ret_count)
{
    struct value_iter it = value_iter_start(object);
    struct fieldset_named *all = pool_alloc(pool, (value_count(object) + 1) * sizeof(*all));
    struct slice name;
    struct value *v;
    size_t count = 0;

    while (value_iter_next(&it, &name, &v)) {
        all[count] = (struct fieldset_named){fieldset_field_step(name), v, count};
        count++;
    }
    place_sort(all, count);
    *ret_count = count;
    return all;
}

struct fieldset_named *fieldset_items(struct pool *pool, const struct fieldset_place *list, const struct value *array,
                                      size_t *ret_count)
{
    struct fieldset_named *all = pool_alloc(pool, (value_count(array) + 1) * sizeof(*all));
    size_t count = 0;

    for (size_t i = 0; value_is(array, VALUE_ARRAY) && i < value_count(array); i++) {
        all[count] = (struct fieldset_named){.value = value_at(array, i), .index = i};
        count += fieldset_item_step(pool, list, all[count].value, &all[count].step, NULL);
    }
    place_sort(all, count);
    *ret_count = count;
    return all;
}

size_t fieldset_find_named(const struct fieldset_named *all, size_t count, struct fieldset_step step, size_t *ret_same)
{
    size_t low = 0;
    size_t high = count;

    *ret_same = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = (int)all[middle].step.kind - (int)step.kind;

        if (!order)
            order = slice_compare(all[middle].step.text, step.text);
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + *ret_same < count && fieldset_step_equal(all[low + *ret_same].step, step))
        ++*ret_same;
    return low;
}
