/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/map.h"

#include <pthread.h>

#include "lib/random.h"

/* Open addressing with linear probing and backward-shift deletion: no tombstones, so it does not decay. */

static uint64_t map_seed;
static pthread_once_t map_seed_once = PTHREAD_ONCE_INIT;

static void map_draw_seed(void)
{
    random_bytes(&map_seed, sizeof(map_seed));
}

static uint64_t map_mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93ULL;
    h ^= h >> 32;
    return h;
}

uint64_t map_hash(struct slice key)
{
    uint64_t h;
    size_t i = 0;

    (void)pthread_once(&map_seed_once, map_draw_seed);
    h = map_seed ^ (key.len * 0x9e3779b97f4a7c15ULL);
    for (; i + 8 <= key.len; i += 8) {
        uint64_t word;

        memcpy(&word, key.data + i, 8);
        h = map_mix(h ^ word) + map_seed;
    }
    if (i < key.len) {
        uint64_t word = 0;

        memcpy(&word, key.data + i, key.len - i);
        h = map_mix(h ^ word);
    }
    return map_mix(h);
}

static struct map_entry *map_slot(const struct map *m, struct slice key, uint64_t hash)
{
    size_t at = hash & (m->cap - 1);

    for (;; at = (at + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[at];

        if (!e->key || (e->hash == hash && slice_equal(slice_make(e->key, e->key_len), key)))
            return e;
    }
}

void *map_get(const struct map *m, struct slice key)
{
    struct map_entry *e;

    if (!m->count)
        return NULL;
    e = map_slot(m, key, map_hash(key));
    return e->key ? e->value : NULL;
}

static void map_resize(struct map *m, size_t cap)
{
    struct map_entry *old = m->entries;
    size_t old_cap = m->cap;

    m->entries = mem_calloc(cap, sizeof(*m->entries));
    m->cap = cap;
    for (size_t i = 0; i < old_cap; i++)
        if (old[i].key)
            *map_slot(m, slice_make(old[i].key, old[i].key_len), old[i].hash) = old[i];
    free(old);
}

void *map_put(struct map *m, struct slice key, void *value)
{
    uint64_t hash = map_hash(key);
    struct map_entry *e;
    void *before;

    if ((m->count + 1) * 4 > m->cap * 3)
        map_resize(m, m->cap ? m->cap * 2 : 16);
    e = map_slot(m, key, hash);
    before = e->key ? e->value : NULL;
    if (!e->key) {
        e->key = mem_strndup(key.data, key.len);
        e->key_len = key.len;
        e->hash = hash;
        m->count++;
    }
    e->value = value;
    return before;
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_entry *e;
    void *value;
    size_t hole;

    if (!m->count)
        return NULL;
    e = map_slot(m, key, map_hash(key));
    if (!e->key)
        return NULL;
    value = e->value;
    free(e->key);
    hole = (size_t)(e - m->entries);
    for (size_t at = (hole + 1) & (m->cap - 1); m->entries[at].key; at = (at + 1) & (m->cap - 1)) {
        size_t home = m->entries[at].hash & (m->cap - 1);

        /* Move an entry back unless its home lies after the hole (cyclically). */
        if (((at - home) & (m->cap - 1)) >= ((at - hole) & (m->cap - 1))) {
            m->entries[hole] = m->entries[at];
            hole = at;
        }
    }
    memset(&m->entries[hole], 0, sizeof(m->entries[hole]));
    m->count--;
    return value;
}

void map_clear(struct map *m, void (*free_value)(void *))
{
    for (size_t i = 0; i < m->cap; i++) {
        if (!m->entries[i].key)
            continue;
        free(m->entries[i].key);
        if (free_value)
            free_value(m->entries[i].value);
    }
    free(m->entries);
    memset(m, 0, sizeof(*m));
}

struct map_entry *map_next(const struct map *m, const struct map_entry *at)
{
    for (size_t i = at ? (size_t)(at - m->entries) + 1 : 0; i < m->cap; i++)
        if (m->entries[i].key)
            return &m->entries[i];
    return NULL;
}
