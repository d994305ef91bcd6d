/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may select whom. A cluster has thousands of selectors and tens of thousands of pods, and every change of a pod
 * asks who selects it: so the marks of each stand in one array, and only those whose marks fit are looked at.
 *
 *     all        of a kind that is selected: every object by its labels
 *     unowned    by namespace, of any kind: objects without a controller, by their labels
 *     selectors  of a kind that selects: every object by the labels that it wants
 */
#include "controllers/runner_internal.h"

static size_t marked_set_add(struct marked_set *set, uint64_t marks, const struct view *v)
{
    set->items = mem_grow(set->items, &set->cap, set->count + 1, sizeof(*set->items));
    set->items[set->count] = (struct marked){marks, v};
    return set->count++;
}

/* The last one takes the place, and is returned; NULL when that was it. */
static struct view *marked_set_take(struct marked_set *set, size_t at)
{
    set->items[at] = set->items[--set->count];
    return at < set->count ? (struct view *)set->items[at].view : NULL;
}

static void marked_set_free(void *arg)
{
    struct marked_set *set = arg;

    free(set->items);
    free(set);
}

/* ---- what is kept ---- */

static void unowned_add(struct slot *slot, struct view *v, uint64_t marks)
{
    struct marked_set *set = map_get(&slot->unowned, view_text(v, VIEW_NAMESPACE));

    if (!set) {
        set = mem_zalloc(sizeof(*set));
        (void)map_put(&slot->unowned, view_text(v, VIEW_NAMESPACE), set);
    }
    v->place_unowned = (uint32_t)marked_set_add(set, marks, v);
}

static void unowned_take(struct slot *slot, const struct view *v)
{
    struct slice ns = view_text(v, VIEW_NAMESPACE);
    struct marked_set *set = map_get(&slot->unowned, ns);
    struct view *moved = marked_set_take(set, v->place_unowned);

    if (moved)
        moved->place_unowned = v->place_unowned;
    if (!set->count)
        marked_set_free(map_remove(&slot->unowned, ns));
}

/* It may have owners that do not control it. */
static bool is_unowned(const struct view *v)
{
    struct view_owner owner;

    return !view_controller(v, &owner);
}

void selection_index(struct slot *slot, struct view *v)
{
    uint64_t marks = view_marks(v);

    if (is_unowned(v))
        unowned_add(slot, v, marks);
    if (slot->kind->selected)
        v->place_among_all = (uint32_t)marked_set_add(&slot->all, marks, v);
    if (slot->kind->selector.field)
        (void)marked_set_add(&slot->selectors, view_wanted_marks(v), v);
}

void selection_unindex(struct slot *slot, const struct view *v)
{
    size_t at = 0;

    if (is_unowned(v))
        unowned_take(slot, v);
    if (slot->kind->selected) {
        struct view *moved = marked_set_take(&slot->all, v->place_among_all);

        if (moved)
            moved->place_among_all = v->place_among_all;
    }
    if (slot->kind->selector.field) {
        while (slot->selectors.items[at].view != v)
            at++;
        (void)marked_set_take(&slot->selectors, at);
    }
}

void selection_free(struct slot *slot)
{
    map_clear(&slot->unowned, marked_set_free);
    free(slot->all.items);
    free(slot->selectors.items);
}

/* ---- what is asked ---- */

void run_each_selecting(struct run *run, const struct view_kind *kind, const struct view *before,
                        const struct view *now, void (*fn)(void *arg, const struct view *v), void *arg)
{
    const struct slot *slot = controllers_slot(run->controllers, kind);
    uint64_t was = before ? view_marks(before) : 0;
    uint64_t is = now ? view_marks(now) : 0;

    for (size_t i = 0; slot && i < slot->selectors.count; i++) {
        const struct marked *selector = &slot->selectors.items[i];

        /* Every selector wants its namespace's marks, so 0 has none. */
        if ((selector->marks & was) == selector->marks || (selector->marks & is) == selector->marks)
            fn(arg, selector->view);
    }
}

void run_each_selected(struct run *run, const struct view_kind *kind, const struct view *selector,
                       void (*fn)(void *arg, const struct view *v), void *arg)
{
    const struct slot *slot = controllers_slot(run->controllers, kind);
    uint64_t wanted = view_wanted_marks(selector);

    for (size_t i = 0; slot && i < slot->all.count; i++)
        if ((slot->all.items[i].marks & wanted) == wanted)
            fn(arg, slot->all.items[i].view);
}

static bool is_owned_by(const struct view *v, struct slice uid)
{
    struct scan_cursor at = scan_open(view_raw(v, VIEW_OWNERS));
    struct view_owner owner;

    while (view_next_owner(&at, &owner))
        if (slice_equal(owner.uid, uid))
            return true;
    return false;
}

void run_add_unowned(struct run *run, const struct view_kind *kind, const struct view *selector,
                     struct view_array *array)
{
    const struct slot *slot = controllers_slot(run->controllers, kind);
    const struct marked_set *set = slot ? map_get(&slot->unowned, view_text(selector, VIEW_NAMESPACE)) : NULL;
    uint64_t wanted = view_wanted_marks(selector);

    for (size_t i = 0; set && i < set->count; i++)
        if ((set->items[i].marks & wanted) == wanted && !is_owned_by(set->items[i].view, view_text(selector, VIEW_UID)))
            view_array_add(array, (struct view_list){&set->items[i].view, 1});
}
