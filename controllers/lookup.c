/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lookups: by key from the informer, by owner from an index beside it.
 *
 * Index: an object stands in the set of each of its owners. Its place in the first of these sets is kept in the view,
 * so that leaving a large set is cheap; objects with several owners are rare and look for themselves in the others.
 * Who has no controller waits for a selector: selection.c.
 */
#include "controllers/runner_internal.h"

static struct slot_set *slot_set(struct slot *slot, struct slice key)
{
    struct slot_set *set = map_get(&slot->owners, key);

    if (!set) {
        set = mem_zalloc(sizeof(*set));
        (void)map_put(&slot->owners, key, set);
    }
    return set;
}

static size_t slot_set_add(struct slot *slot, struct slice key, const struct view *v)
{
    struct slot_set *set = slot_set(slot, key);

    set->items = mem_grow(set->items, &set->cap, set->count + 1, sizeof(*set->items));
    set->items[set->count] = v;
    return set->count++;
}

/* Whether it is in that set that an object's place is kept. */
static bool slot_set_is_first(struct slice key, const struct view *v)
{
    struct scan_cursor at = scan_open(view_raw(v, VIEW_OWNERS));
    struct view_owner owner;

    return view_next_owner(&at, &owner) && slice_equal(owner.uid, key);
}

/* `first`: the object's place is that in this set. */
static void slot_set_take(struct slot *slot, struct slice key, const struct view *v, bool first)
{
    struct slot_set *set = map_get(&slot->owners, key);
    size_t at = first ? v->place : 0;
    struct view *last;

    if (!set)
        return;
    while (at < set->count && set->items[at] != v)
        at++;
    if (at >= set->count)
        return;
    last = (struct view *)set->items[--set->count];
    set->items[at] = last;
    if (slot_set_is_first(key, last))
        last->place = (uint32_t)at;
    if (!set->count) {
        free(set->items);
        free(map_remove(&slot->owners, key));
    }
}

/* Calls fn for the key of each set the object belongs to. */
static void slot_each_set(struct slot *slot, const struct view *v,
                          void (*fn)(struct slot *slot, struct slice key, const struct view *v, bool first))
{
    struct scan_cursor at = scan_open(view_raw(v, VIEW_OWNERS));
    struct view_owner owner;
    bool first = true;

    while (view_next_owner(&at, &owner)) {
        fn(slot, owner.uid, v, first);
        first = false;
    }
}

static void slot_index_one(struct slot *slot, struct slice key, const struct view *v, bool first)
{
    size_t place = slot_set_add(slot, key, v);

    if (first)
        ((struct view *)v)->place = (uint32_t)place;
}

void slot_index(struct slot *slot, struct view *v)
{
    slot_each_set(slot, v, slot_index_one);
}

void slot_unindex(struct slot *slot, const struct view *v)
{
    slot_each_set(slot, v, slot_set_take);
}

static void slot_set_free(void *arg)
{
    struct slot_set *set = arg;

    free(set->items);
    free(set);
}

void slot_index_free(struct slot *slot)
{
    map_clear(&slot->owners, slot_set_free);
}

struct slot *controllers_slot(struct controllers *c, const struct view_kind *kind)
{
    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i]->kind == kind)
            return c->slots[i];
    return NULL;
}

const struct view *run_get_key(struct run *run, const struct view_kind *kind, struct slice key)
{
    struct slot *slot = controllers_slot(run->controllers, kind);

    return slot && slot->informer ? informer_get(slot->informer, key) : NULL;
}

const struct view *run_get(struct run *run, const struct view_kind *kind, struct slice ns, struct slice name)
{
    BUF_LOCAL(key);

    if (ns.len) {
        buf_append_slice(&key, ns);
        buf_append_byte(&key, '/');
    }
    buf_append_slice(&key, name);
    return run_get_key(run, kind, buf_slice(&key));
}

struct run_visit {
    void (*fn)(void *arg, const struct view *v);
    void *arg;
};

static void run_visit_item(void *arg, struct slice key, const void *item)
{
    const struct run_visit *visit = arg;

    (void)key;
    visit->fn(visit->arg, item);
}

void run_each(struct run *run, const struct view_kind *kind, void (*fn)(void *arg, const struct view *v), void *arg)
{
    struct slot *slot = controllers_slot(run->controllers, kind);
    struct run_visit visit = {fn, arg};

    if (slot && slot->informer)
        informer_each(slot->informer, run_visit_item, &visit);
}

struct view_list run_owned(struct run *run, const struct view_kind *kind, struct slice uid)
{
    struct slot *slot = controllers_slot(run->controllers, kind);
    const struct slot_set *set = slot ? map_get(&slot->owners, uid) : NULL;

    return set ? (struct view_list){set->items, set->count} : (struct view_list){NULL, 0};
}

void view_array_add(struct view_array *array, struct view_list more)
{
    array->items = mem_grow(array->items, &array->cap, array->count + more.count + 1, sizeof(*array->items));
    if (more.count)
        memcpy(array->items + array->count, more.items, more.count * sizeof(*array->items));
    array->count += more.count;
}

void **run_state(struct run *run)
{
    return &run->state;
}

struct clock *run_clock(struct run *run)
{
    return loop_clock(run->controllers->options.loop);
}

int64_t run_now(struct run *run)
{
    return clock_wall_ns(run_clock(run));
}

const struct controllers_options *run_options(struct run *run)
{
    return &run->controllers->options;
}

const struct view_kind *run_kind(struct run *run, size_t index)
{
    return index < run->controllers->slot_count ? run->controllers->slots[index]->kind : NULL;
}

bool run_kind_is_namespaced(struct run *run, const struct view_kind *kind)
{
    struct slot *slot = controllers_slot(run->controllers, kind);

    return slot && slot->schema->namespaced;
}

/* Of a custom kind one version is watched; references may name any. */
static bool slot_is(const struct slot *slot, struct slice api_version, struct slice kind)
{
    struct slice group;
    struct slice version;

    if (!slice_is(kind, slot->kind->kind))
        return false;
    if (!slot->custom)
        return slice_is(api_version, slot->kind->api_version);
    schema_split_api_version(api_version, &group, &version);
    return slice_is(group, slot->schema->group);
}

const struct view_kind *run_find_kind(struct run *run, struct slice api_version, struct slice kind)
{
    struct controllers *c = run->controllers;

    for (size_t i = 0; i < c->slot_count; i++)
        if (c->slots[i]->informer && slot_is(c->slots[i], api_version, kind))
            return c->slots[i]->kind;
    return NULL;
}
