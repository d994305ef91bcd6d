/* SPDX-License-Identifier: Apache-2.0 */
/* The tree, and the algebra of it. Recursion is as deep as the trees that sets are made of (VALUE_DEPTH_MAX). */
#include "api/fieldset_internal.h"

#include <stdlib.h>

#define SET_FEW 12 /* so many are in order sooner one by one */

int fieldset_step_compare(struct fieldset_step a, struct fieldset_step b)
{
    if (a.kind != b.kind)
        return a.kind < b.kind ? -1 : 1;
    return slice_compare(a.text, b.text);
}

/* The index of the step, or where it would stand. */
static size_t set_place(const struct fieldset *set, struct fieldset_step step, bool *ret_found)
{
    size_t low = 0;
    size_t high = set->count;

    *ret_found = false;
    /* Most sets are read or made in order. */
    if (high && fieldset_step_compare(set->entries[high - 1].step, step) < 0)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = fieldset_step_compare(set->entries[middle].step, step);

        if (!order) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct fieldset_entry *fieldset_find(const struct fieldset *set, struct fieldset_step step)
{
    bool found = false;
    size_t at = set ? set_place(set, step, &found) : 0;

    return found ? &set->entries[at] : NULL;
}

/* Makes room for one more. */
static void set_grow(struct pool *pool, struct fieldset *set)
{
    size_t cap = set->cap ? set->cap * 2 : 4;
    struct fieldset_entry *entries = pool_alloc(pool, cap * sizeof(*entries));

    if (set->count)
        memcpy(entries, set->entries, set->count * sizeof(*entries));
    set->entries = entries;
    set->cap = cap;
}

void fieldset_append(struct pool *pool, struct fieldset *set, const struct fieldset_entry *entry)
{
    if (set->count == set->cap)
        set_grow(pool, set);
    set->entries[set->count++] = *entry;
}

const struct fieldset *fieldset_keep(struct pool *pool, const struct fieldset *set)
{
    struct fieldset *kept;

    if (!set->count)
        return NULL;
    kept = pool_alloc(pool, sizeof(*kept));
    *kept = *set;
    return kept;
}

static int set_order(const void *a, const void *b)
{
    return fieldset_step_compare(((const struct fieldset_entry *)a)->step, ((const struct fieldset_entry *)b)->step);
}

void fieldset_sort(struct fieldset *set)
{
    if (set->count > SET_FEW) {
        qsort(set->entries, set->count, sizeof(*set->entries), set_order);
        return;
    }
    for (size_t i = 1; i < set->count; i++) {
        const struct fieldset_entry one = set->entries[i];
        size_t at = i;

        for (; at && set_order(&set->entries[at - 1], &one) > 0; at--)
            set->entries[at] = set->entries[at - 1];
        set->entries[at] = one;
    }
}

void fieldset_add(struct pool *pool, struct fieldset *set, struct fieldset_step step, bool member,
                  const struct fieldset *below)
{
    bool found;
    size_t at;

    if (fieldset_is_empty(below))
        below = NULL;
    if (!member && !below)
        return;
    at = set_place(set, step, &found);
    if (found) {
        struct fieldset_entry *e = &set->entries[at];

        e->member |= member;
        if (below)
            e->below = e->below ? fieldset_union(pool, e->below, below) : below;
        return;
    }
    if (set->count == set->cap)
        set_grow(pool, set);
    memmove(&set->entries[at + 1], &set->entries[at], (set->count - at) * sizeof(*set->entries));
    set->entries[at] = (struct fieldset_entry){step, member, below};
    set->count++;
}

static const struct fieldset set_empty;

const struct fieldset *fieldset_union(struct pool *pool, const struct fieldset *a, const struct fieldset *b)
{
    struct fieldset *out;
    size_t i = 0;
    size_t j = 0;

    if (fieldset_is_empty(a) || fieldset_is_empty(b))
        return !fieldset_is_empty(a) ? a : !fieldset_is_empty(b) ? b : &set_empty;
    out = pool_alloc(pool, sizeof(*out));
    while (i < a->count || j < b->count) {
        int order = i == a->count   ? 1
                    : j == b->count ? -1
                                    : fieldset_step_compare(a->entries[i].step, b->entries[j].step);
        const struct fieldset_entry *e = order <= 0 ? &a->entries[i] : &b->entries[j];

        if (order)
            fieldset_add(pool, out, e->step, e->member, e->below);
        else
            fieldset_add(pool, out, e->step, e->member || b->entries[j].member,
                         fieldset_union(pool, e->below, b->entries[j].below));
        i += order <= 0;
        j += order >= 0;
    }
    return out;
}

const struct fieldset *fieldset_union_all(struct pool *pool, const struct fieldset *const *sets, size_t count)
{
    size_t half = count / 2;

    if (count < 2)
        return count ? sets[0] : &set_empty;
    return fieldset_union(pool, fieldset_union_all(pool, sets, half),
                          fieldset_union_all(pool, sets + half, count - half));
}

const struct fieldset *fieldset_difference(struct pool *pool, const struct fieldset *a, const struct fieldset *b)
{
    struct fieldset *out;

    if (fieldset_is_empty(a) || fieldset_is_empty(b))
        return fieldset_is_empty(a) ? &set_empty : a;
    out = pool_alloc(pool, sizeof(*out));
    for (size_t i = 0; i < a->count; i++) {
        const struct fieldset_entry *e = &a->entries[i];
        const struct fieldset_entry *other = fieldset_find(b, e->step);

        if (!other)
            fieldset_add(pool, out, e->step, e->member, e->below);
        else
            fieldset_add(pool, out, e->step, e->member && !other->member,
                         fieldset_difference(pool, e->below, other->below));
    }
    return out;
}

const struct fieldset *fieldset_intersection(struct pool *pool, const struct fieldset *a, const struct fieldset *b)
{
    struct fieldset *out;

    if (fieldset_is_empty(a) || fieldset_is_empty(b))
        return &set_empty;
    out = pool_alloc(pool, sizeof(*out));
    for (size_t i = 0; i < a->count; i++) {
        const struct fieldset_entry *e = &a->entries[i];
        const struct fieldset_entry *other = fieldset_find(b, e->step);

        if (other)
            fieldset_add(pool, out, e->step, e->member && other->member,
                         fieldset_intersection(pool, e->below, other->below));
    }
    return out;
}

bool fieldset_equal(const struct fieldset *a, const struct fieldset *b)
{
    if (fieldset_is_empty(a) || fieldset_is_empty(b))
        return fieldset_is_empty(a) && fieldset_is_empty(b);
    if (a == b)
        return true;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (fieldset_step_compare(a->entries[i].step, b->entries[i].step) ||
            a->entries[i].member != b->entries[i].member || !fieldset_equal(a->entries[i].below, b->entries[i].below))
            return false;
    return true;
}
