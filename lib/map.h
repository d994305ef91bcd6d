/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hash map from bytes to a pointer. Keys are copied; values are the caller's. The hash is seeded per process, so that a
 * client cannot choose colliding names. Not for use by two threads at once.
 */
#ifndef KNARR_LIB_MAP_H
#define KNARR_LIB_MAP_H

#include "lib/bytes.h"

struct map_entry {
    char *key; /* NUL-terminated copy; NULL = free slot */
    size_t key_len;
    uint64_t hash;
    void *value;
};

/* All zero is a valid empty map. */
struct map {
    struct map_entry *entries;
    size_t cap; /* power of two */
    size_t count;
};

void *map_get(const struct map *m, struct slice key);
/* Returns the value that stood there before, or NULL. `value` is never NULL. */
void *map_put(struct map *m, struct slice key, void *value);
/* Returns the value that was removed, or NULL. */
void *map_remove(struct map *m, struct slice key);
/* Frees the keys; each value goes to free_value unless that is NULL. The map is empty afterwards. */
void map_clear(struct map *m, void (*free_value)(void *));
/* The entry after `at` (NULL = the first) in no particular order, or NULL. The map must not change meanwhile. */
struct map_entry *map_next(const struct map *m, const struct map_entry *at);

#define map_for_each(e, m) for (struct map_entry *e = map_next((m), NULL); e; e = map_next((m), e))

/* 64-bit hash of bytes with the process' seed; for tables of one's own. Not stable across runs. */
uint64_t map_hash(struct slice key);

#endif
