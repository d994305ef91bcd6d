/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the schema says about a place. Lists are told apart by their keys or as sets; where only strategic merge knows
 * how, by its key, as upstream derives it. All other lists are one piece.
 */
#include "api/fieldset_internal.h"

#include <stdlib.h>

#include "lib/encoding.h"

#define PLACE_KEYS_MAX 8

struct fieldset_place fieldset_root(const struct schema_type *type)
{
    return (struct fieldset_place){.type = type};
}

static struct fieldset_place place_of(const struct schema_field *f, bool element)
{
    return (struct fieldset_place){f, f->base == SCHEMA_OBJECT ? f->type : NULL, element};
}

static bool place_is_keyed(const struct schema_field *f)
{
    return (f->flags & SCHEMA_LIST_MAP) || (!(f->flags & (SCHEMA_LIST_SET | SCHEMA_ATOMIC)) && f->merge_key);
}

enum fieldset_shape fieldset_shape(const struct fieldset_place *place, const struct value *v)
{
    const struct schema_field *f = place->field;

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
    if (place->field && !place->element && place->field->shape == SCHEMA_MAP) {
        *ret_member = place_of(place->field, true);
        return true;
    }
    if (!place->type)
        return true;
    if ((f = schema_find_field(place->type, name)) != NULL)
        *ret_member = place_of(f, false);
    return f || place->type->preserve_unknown;
}

struct fieldset_place fieldset_item(const struct fieldset_place *list)
{
    return list->field ? place_of(list->field, true) : *list;
}

/* {"key":value,...} of the item; keys that are missing count with their default, or not at all. */
static bool place_write_keys(const struct fieldset_place *list, const struct value *item, struct buf *out)
{
    const struct schema_field *f = list->field;
    const char *keys[PLACE_KEYS_MAX];
    size_t count = 0;
    char before = '{';

    if (!(f->flags & SCHEMA_LIST_MAP))
        keys[count++] = f->merge_key;
    for (size_t i = 0; (f->flags & SCHEMA_LIST_MAP) && f->map_keys[i] && count < PLACE_KEYS_MAX; i++) {
        size_t at = count++;

        for (; at && strcmp(keys[at - 1], f->map_keys[i]) > 0; at--)
            keys[at] = keys[at - 1];
        keys[at] = f->map_keys[i];
    }
    for (size_t i = 0; i < count; i++) {
        const struct value *v = value_get(item, keys[i]);
        const struct schema_field *key = f->type ? schema_find_field(f->type, slice_str(keys[i])) : NULL;
        const char *by_default = key ? key->default_json : NULL;

        if (value_is(v, VALUE_NULL) && !by_default)
            continue;
        buf_append_byte(out, before);
        json_write_string(out, slice_str(keys[i]));
        buf_append_byte(out, ':');
        if (value_is(v, VALUE_NULL))
            buf_append_str(out, by_default);
        else
            value_write(v, out);
        before = ',';
    }
    buf_append_byte(out, '}');
    return before == ',';
}

static const char *place_no_keys(struct pool *pool, const struct schema_field *f)
{
    BUF_LOCAL(keys);

    if (!(f->flags & SCHEMA_LIST_MAP))
        buf_printf(&keys, "\"%s\"", f->merge_key);
    for (size_t i = 0; (f->flags & SCHEMA_LIST_MAP) && f->map_keys[i]; i++)
        buf_printf(&keys, "%s\"%s\"", i ? " " : "", f->map_keys[i]);
    return pool_printf(pool,
                       "associative list with keys has an element that omits all key fields [%s] (and doesn't have "
                       "default values for any key fields)",
                       buf_cstr(&keys));
}

bool fieldset_item_step(struct pool *pool, const struct fieldset_place *list, const struct value *item,
                        struct fieldset_step *ret_step, const char **ret_problem)
{
    bool keyed = place_is_keyed(list->field);
    const char *problem = NULL;
    BUF_LOCAL(text);

    if (keyed && !value_is(item, VALUE_OBJECT))
        problem = value_is(item, VALUE_NULL) ? "associative list with keys may not have a null element"
                                             : "associative list with keys may not have non-map elements";
    else if (keyed && !place_write_keys(list, item, &text))
        problem = place_no_keys(pool, list->field);
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
    if (count > 1)
        qsort(all, count, sizeof(*all), place_order_items);
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
