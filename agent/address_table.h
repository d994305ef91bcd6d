/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From an IPv4 address to the things that have it, of which there may be several. 16 bytes a slot, at most three
 * quarters of the slots full: a large cluster has 150,000 endpoints.
 */
#ifndef KNARR_AGENT_ADDRESS_TABLE_H
#define KNARR_AGENT_ADDRESS_TABLE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_TABLE_SAME_MAX 16

struct address_slot {
    struct in_addr address;
    const void *value; /* NULL = free */
};

/* All zero is a valid empty table. */
struct address_table {
    struct address_slot *slots;
    size_t cap; /* power of two */
    size_t count;
};

/* The same pair may be added several times. `value` is borrowed and not NULL. Of one address the first so many are
 * kept, what comes then is left out. */
void address_table_add(struct address_table *t, struct in_addr address, const void *value);
/* Takes out one such pair; none there is no error. */
void address_table_remove(struct address_table *t, struct in_addr address, const void *value);
/* Walks the values of an address: *at starts as 0; NULL at the end. The table must not change meanwhile. */
const void *address_table_next(const struct address_table *t, struct in_addr address, size_t *at);
void address_table_clear(struct address_table *t);

#endif
