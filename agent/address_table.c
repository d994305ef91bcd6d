/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing with linear probing; what is removed is filled by what follows, so that there are no tombstones. */
#include "agent/address_table.h"

#include "lib/map.h"

#define CAP_MIN 16

static size_t home_of(const struct address_table *t, struct in_addr address)
{
    return (size_t)map_hash(slice_make(&address, sizeof(address))) & (t->cap - 1);
}

/* False when the address has as many as it may: else one address with many things would make every walk long. */
static bool place(struct address_table *t, struct in_addr address, const void *value)
{
    size_t i = home_of(t, address);
    size_t same = 0;

    for (; t->slots[i].value; i = (i + 1) & (t->cap - 1))
        if (t->slots[i].address.s_addr == address.s_addr && ++same == ADDRESS_TABLE_SAME_MAX)
            return false;
    t->slots[i] = (struct address_slot){address, value};
    return true;
}

static void resize(struct address_table *t, size_t cap)
{
    struct address_table old = *t;

    t->slots = mem_calloc(cap, sizeof(*t->slots));
    t->cap = cap;
    for (size_t i = 0; i < old.cap; i++)
        if (old.slots[i].value)
            (void)place(t, old.slots[i].address, old.slots[i].value);
    free(old.slots);
}

void address_table_add(struct address_table *t, struct in_addr address, const void *value)
{
    if (!t->cap)
        resize(t, CAP_MIN);
    else if ((t->count + 1) * 4 > t->cap * 3)
        resize(t, t->cap * 2);
    t->count += place(t, address, value);
}

/* Moves back what would not be found any more behind a free slot. */
static void fill_hole(struct address_table *t, size_t hole)
{
    size_t i = hole;

    for (;;) {
        size_t home;

        t->slots[hole].value = NULL;
        do {
            i = (i + 1) & (t->cap - 1);
            if (!t->slots[i].value)
                return;
            home = home_of(t, t->slots[i].address);
        } while (((i - home) & (t->cap - 1)) < ((i - hole) & (t->cap - 1)));
        t->slots[hole] = t->slots[i];
        hole = i;
    }
}

void address_table_remove(struct address_table *t, struct in_addr address, const void *value)
{
    if (!t->cap)
        return;
    for (size_t i = home_of(t, address); t->slots[i].value; i = (i + 1) & (t->cap - 1)) {
        if (t->slots[i].address.s_addr != address.s_addr || t->slots[i].value != value)
            continue;
        fill_hole(t, i);
        t->count--;
        if (t->cap > CAP_MIN && t->count * 8 < t->cap)
            resize(t, t->cap / 2);
        return;
    }
}

const void *address_table_next(const struct address_table *t, struct in_addr address, size_t *at)
{
    if (!t->cap)
        return NULL;
    /* *at counts the slots that were looked at. */
    for (;;) {
        const struct address_slot *slot = &t->slots[(home_of(t, address) + *at) & (t->cap - 1)];

        if (!slot->value)
            return NULL;
        ++*at;
        if (slot->address.s_addr == address.s_addr)
            return slot->value;
    }
}

void address_table_clear(struct address_table *t)
{
    free(t->slots);
    *t = (struct address_table){0};
}
