/* SPDX-License-Identifier: Apache-2.0 */
/* Merging and pruning by the schema. */
#include "api/apply.h"

#include "api/fieldset_internal.h"
#include "api/structural_internal.h"
#include "api/value_internal.h"

/* What no row describes is kept as it was said; a custom resource's schema may allow a null. */
static bool null_says_something(const struct fieldset_place *place)
{
    if (place->structural)
        return place->structural->flags & STRUCTURAL_NULLABLE;
    return !place->field && !place->type;
}

static void drop_nulls(const struct fieldset_place *place, struct value *config)
{
    struct value_iter it = value_iter_start(value_is(config, VALUE_OBJECT) ? config : NULL);
    struct fieldset_place below;
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        bool known = fieldset_member(place, name, &below);

        if (value_is(v, VALUE_NULL) && !(known && null_says_something(&below)))
            value_iter_remove(&it);
        else
            drop_nulls(&below, v);
    }
    below = fieldset_item(place);
    for (size_t i = 0; value_is(config, VALUE_ARRAY) && i < value_count(config); i++)
        drop_nulls(&below, value_at(config, i));
}

void apply_drop_nulls(const struct schema_type *type, struct value *config)
{
    const struct fieldset_place root = fieldset_root(type);

    drop_nulls(&root, config);
}

/* ---- merging ------------------------------------------------------------------------------------------------------
 */

static struct value *merge_place(struct pool *pool, const struct fieldset_place *place, const struct value *live,
                                 const struct value *config);

/* A list of items that are told apart, without any: nobody would own it, so it is not there at all. */
static bool merge_is_nothing(const struct fieldset_place *member, const struct value *config)
{
    return fieldset_shape(member, config) == FIELDSET_ITEMS && value_is(config, VALUE_ARRAY) && !value_count(config);
}

static struct value *merge_members(struct pool *pool, const struct fieldset_place *place, const struct value *live,
                                   const struct value *config)
{
    struct value *out = value_new_object();
    struct value_iter it = value_iter_start(live);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        const struct value *said = value_get_slice(config, name);
        struct fieldset_place member;

        if (said && fieldset_member(place, name, &member) && !merge_is_nothing(&member, said))
            value_set_slice(out, name, merge_place(pool, &member, v, said));
        else
            value_set_slice(out, name, value_copy(v));
    }
    it = value_iter_start(config);
    while (value_iter_next(&it, &name, &v)) {
        struct fieldset_place member;

        if (!value_get_slice(live, name) && fieldset_member(place, name, &member) && !merge_is_nothing(&member, v))
            value_set_slice(out, name, value_copy(v));
    }
    return out;
}

/* Both lists by name, and for each item its place in the order of its own list. */
struct merge_lists {
    struct fieldset_named *live;
    size_t live_count;
    struct fieldset_named *config;
    size_t config_count;
    struct fieldset_named **live_order; /* as they stand; an item without a name is NULL */
    struct fieldset_named **config_order;
};

static struct fieldset_named **merge_order(struct pool *pool, struct fieldset_named *all, size_t count, size_t length)
{
    struct fieldset_named **order = pool_alloc(pool, (length + 1) * sizeof(struct fieldset_named *));

    for (size_t i = 0; i < count; i++)
        order[all[i].index] = &all[i];
    return order;
}

/* The live item that is said again, and is there only once; else NULL. */
static const struct value *merge_partner(const struct merge_lists *l, struct fieldset_step step)
{
    size_t same;
    size_t at = fieldset_find_named(l->live, l->live_count, step, &same);

    return same == 1 ? l->live[at].value : NULL;
}

static bool merge_is_said(const struct merge_lists *l, const struct fieldset_named *live)
{
    size_t same = 0;

    if (live)
        (void)fieldset_find_named(l->config, l->config_count, live->step, &same);
    return same;
}

/* The live index of the next item of the configuration, from `i` on, that the live list has too; else its length. */
static size_t merge_next_shared(const struct merge_lists *l, size_t i, size_t config_length, size_t live_length)
{
    size_t same = 0;
    size_t at = 0;

    for (; i < config_length && !same; i++)
        at = fieldset_find_named(l->live, l->live_count, l->config_order[i]->step, &same);
    return same ? l->live[at].index : live_length;
}

/* Shared and new items stand in the order of the configuration; an item that only the live list has comes as early as
 * it stands there: right after what it followed, and before what is new. */
static struct value *merge_items(struct pool *pool, const struct fieldset_place *list, const struct value *live,
                                 const struct value *config)
{
    struct fieldset_place item = fieldset_item(list);
    struct value *out = value_new_array();
    struct merge_lists l = {0};
    size_t length = value_count(live);
    size_t wanted = 0;
    size_t next = 0; /* of the live list */
    bool stale = true;

    l.live = fieldset_items(pool, list, live, &l.live_count);
    l.config = fieldset_items(pool, list, config, &l.config_count);
    l.live_order = merge_order(pool, l.live, l.live_count, length);
    l.config_order = merge_order(pool, l.config, l.config_count, value_count(config));
    for (size_t i = 0; i < value_count(config); i++) {
        const struct fieldset_named *said = l.config_order[i];

        if (stale)
            wanted = merge_next_shared(&l, i, value_count(config), length);
        for (; next < length && next != wanted; next++)
            if (!merge_is_said(&l, l.live_order[next]))
                value_append(out, value_copy(value_at(live, next)));
        value_append(out, merge_place(pool, &item, merge_partner(&l, said->step), said->value));
        stale = wanted < length && l.live_order[wanted] && fieldset_step_equal(l.live_order[wanted]->step, said->step);
    }
    for (; next < length; next++)
        if (!merge_is_said(&l, l.live_order[next]))
            value_append(out, value_copy(value_at(live, next)));
    return out;
}

static struct value *merge_place(struct pool *pool, const struct fieldset_place *place, const struct value *live,
                                 const struct value *config)
{
    enum fieldset_shape shape = fieldset_shape(place, config);

    if (value_is(config, VALUE_NULL))
        return value_copy(config);
    if (shape == FIELDSET_ITEMS && value_is(live, VALUE_ARRAY))
        return merge_items(pool, place, live, config);
    if (shape != FIELDSET_LEAF && shape != FIELDSET_ITEMS && value_is(live, VALUE_OBJECT))
        return merge_members(pool, place, live, config);
    return value_copy(config);
}

struct value *apply_merge(const struct schema_type *type, const struct value *live, const struct value *config)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct fieldset_place root = fieldset_root(type);

    return merge_place(pool, &root, live, config);
}

/* ---- pruning ------------------------------------------------------------------------------------------------------
 */

/* A place counts as in the set also when the set has something below it and the schema names it: nobody owns the spec
 * itself, but who owns something in it keeps it. */
static bool prune_has(const struct fieldset_entry *e, bool named)
{
    return e && (e->member || (named && e->below));
}

static void prune_place(struct pool *pool, const struct fieldset_place *place, struct value *v,
                        const struct fieldset *last, const struct fieldset *owned);

static void prune_members(struct pool *pool, const struct fieldset_place *place, struct value *object,
                          const struct fieldset *last, const struct fieldset *owned)
{
    struct value_iter it = value_iter_start(object);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        struct fieldset_step step = fieldset_field_step(name);
        const struct fieldset_entry *was = fieldset_find(last, step);
        const struct fieldset_entry *is = fieldset_find(owned, step);
        struct fieldset_place member;

        if (!was || !fieldset_member(place, name, &member))
            continue;
        if (prune_has(was, fieldset_is_named(&member)) && !prune_has(is, fieldset_is_named(&member)))
            value_iter_remove(&it);
        else if (was->below)
            prune_place(pool, &member, v, was->below, is ? is->below : NULL);
    }
}

static void prune_items(struct pool *pool, const struct fieldset_place *list, struct value *array,
                        const struct fieldset *last, const struct fieldset *owned)
{
    struct fieldset_place item = fieldset_item(list);
    size_t kept = 0;

    for (size_t i = 0; i < value_count(array); i++) {
        struct value *v = value_at(array, i);
        struct fieldset_step step;
        bool named = fieldset_item_step(pool, list, v, &step, NULL);
        const struct fieldset_entry *was = named ? fieldset_find(last, step) : NULL;
        const struct fieldset_entry *is = named ? fieldset_find(owned, step) : NULL;

        if (prune_has(was, false) && !prune_has(is, false))
            continue;
        if (was && was->below)
            prune_place(pool, &item, v, was->below, is ? is->below : NULL);
        if (kept < i)
            value_free(value_swap_at(array, kept, value_swap_at(array, i, value_new_null())));
        kept++;
    }
    while (value_count(array) > kept)
        value_remove_at(array, value_count(array) - 1);
}

static void prune_place(struct pool *pool, const struct fieldset_place *place, struct value *v,
                        const struct fieldset *last, const struct fieldset *owned)
{
    enum fieldset_shape shape = fieldset_shape(place, v);

    if (shape == FIELDSET_ITEMS && value_is(v, VALUE_ARRAY))
        prune_items(pool, place, v, last, owned);
    else if (shape != FIELDSET_LEAF && value_is(v, VALUE_OBJECT))
        prune_members(pool, place, v, last, owned);
}

void apply_prune(const struct schema_type *type, struct value *object, const struct fieldset *last,
                 const struct fieldset *owned)
{
    static const char *const kept[] = {"apiVersion", "kind", "metadata"};
    struct pool *pool CLEANUP_POOL = pool_new();
    struct fieldset_place root = fieldset_root(type);
    struct fieldset *all = pool_alloc(pool, sizeof(*all));

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
        fieldset_add(pool, all, fieldset_field_step(slice_str(kept[i])), true, NULL);
    prune_members(pool, &root, object, last, fieldset_union(pool, owned, all));
}
