/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_table.h"

#include "lib/map.h"

#define HEIGHT_MAX  16
#define ARENA_CHUNK (32u << 10)
#define HASHED_FROM 1024 /* keys; an idle store's table stays small */
#define BUCKETS     16384

struct store_node {
    struct slice key;
    uint64_t hash;
    struct store_node *_Atomic chain; /* of its bucket */
    const struct store_version *_Atomic newest;
    struct store_node *_Atomic next[];
};

struct chunk {
    struct chunk *before;
    size_t used;
    size_t size;
    char bytes[];
};

struct store_table {
    struct chunk *arena;
    struct store_node *head; /* without a key, HEIGHT_MAX high */
    _Atomic size_t count;    /* the writer's; the keeper looks at it */
    size_t keys;
    size_t waste;
    struct store_node *_Atomic *_Atomic buckets; /* BUCKETS of them; NULL = few keys */
    uint64_t dice;
};

/* ---- memory ---- */

static void *arena_take(struct store_table *t, size_t size)
{
    struct chunk *c = t->arena;
    void *at;

    size = (size + 7) & ~(size_t)7;
    if (!c || c->used + size > c->size) {
        size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;

        c = mem_alloc(sizeof(*c) + room);
        *c = (struct chunk){.before = t->arena, .size = room};
        t->arena = c;
    }
    at = c->bytes + c->used;
    c->used += size;
    return at;
}

static struct store_node *node_new(struct store_table *t, struct slice key, int height)
{
    size_t links = (size_t)height * sizeof(struct store_node *);
    struct store_node *n = arena_take(t, sizeof(*n) + links + key.len);
    char *copy = (char *)n + sizeof(*n) + links;

    if (key.len)
        memcpy(copy, key.data, key.len);
    n->key = slice_make(copy, key.len);
    n->hash = map_hash(n->key);
    atomic_init(&n->chain, NULL);
    atomic_init(&n->newest, NULL);
    for (int i = 0; i < height; i++)
        atomic_init(&n->next[i], NULL);
    return n;
}

struct store_table *store_table_new(void)
{
    struct store_table *t = mem_zalloc(sizeof(*t));

    t->head = node_new(t, SLICE_NONE, HEIGHT_MAX);
    t->dice = 0x9e3779b97f4a7c15u;
    return t;
}

void store_table_free(struct store_table *t)
{
    if (!t)
        return;
    for (struct chunk *c = t->arena, *before; c; c = before) {
        before = c->before;
        free(c);
    }
    free((void *)atomic_load_explicit(&t->buckets, memory_order_relaxed));
    free(t);
}

size_t store_table_count(const struct store_table *t)
{
    return atomic_load_explicit(&t->count, memory_order_relaxed);
}

/* ---- the list ---- */

static struct store_node *next_of(const struct store_node *n, int level)
{
    return atomic_load_explicit(&n->next[level], memory_order_acquire);
}

/* The last node in front of `key` on each level down to 0; before may be NULL. */
static struct store_node *search(const struct store_table *t, struct slice key, struct store_node **before)
{
    struct store_node *at = t->head;

    for (int level = HEIGHT_MAX - 1; level >= 0; level--) {
        struct store_node *next;

        while ((next = next_of(at, level)) && slice_compare(next->key, key) < 0)
            at = next;
        if (before)
            before[level] = at;
    }
    return next_of(at, 0);
}

/* Each level has a quarter of the one below. No secret depends on it, so a fixed sequence will do, and the same writes
 * make the same table. */
static int height_draw(struct store_table *t)
{
    int height = 1;

    t->dice ^= t->dice << 13;
    t->dice ^= t->dice >> 7;
    t->dice ^= t->dice << 17;
    for (uint64_t bits = t->dice; height < HEIGHT_MAX && (bits & 3) == 0; bits >>= 2)
        height++;
    return height;
}

/* ---- by hash: a look for one key costs one step or two, not a way down the list ---- */

static void bucket_add(struct store_node *_Atomic *buckets, struct store_node *n)
{
    struct store_node *_Atomic *bucket = &buckets[n->hash % BUCKETS];

    atomic_store_explicit(&n->chain, atomic_load_explicit(bucket, memory_order_relaxed), memory_order_relaxed);
    atomic_store_explicit(bucket, n, memory_order_release);
}

/* A node that is in the list already; the buckets are shown to readers when all are in them. */
static void node_hash(struct store_table *t, struct store_node *n)
{
    struct store_node *_Atomic *buckets = atomic_load_explicit(&t->buckets, memory_order_relaxed);

    t->keys++;
    if (buckets) {
        bucket_add(buckets, n);
    } else if (t->keys == HASHED_FROM) {
        buckets = mem_calloc(BUCKETS, sizeof(*buckets));
        for (struct store_node *each = next_of(t->head, 0); each; each = next_of(each, 0))
            bucket_add(buckets, each);
        atomic_store_explicit(&t->buckets, buckets, memory_order_release);
    }
}

static struct store_node *node_find(const struct store_table *t, struct slice key)
{
    struct store_node *_Atomic *buckets = atomic_load_explicit(&t->buckets, memory_order_acquire);
    struct store_node *n;
    uint64_t hash;

    if (!buckets) {
        n = search(t, key, NULL);
        return n && slice_equal(n->key, key) ? n : NULL;
    }
    hash = map_hash(key);
    n = atomic_load_explicit(&buckets[hash % BUCKETS], memory_order_acquire);
    while (n && (n->hash != hash || !slice_equal(n->key, key)))
        n = atomic_load_explicit(&n->chain, memory_order_acquire);
    return n;
}

static struct store_node *node_need(struct store_table *t, struct slice key)
{
    struct store_node *before[HEIGHT_MAX];
    struct store_node *n = node_find(t, key);
    int height;

    if (n)
        return n;
    (void)search(t, key, before);
    height = height_draw(t);
    n = node_new(t, key, height);
    for (int i = 0; i < height; i++)
        atomic_init(&n->next[i], next_of(before[i], i));
    for (int i = 0; i < height; i++)
        atomic_store_explicit(&before[i]->next[i], n, memory_order_release);
    node_hash(t, n);
    return n;
}

void store_table_add(struct store_table *t, struct slice key, const struct store_entry *entry)
{
    struct store_node *n = node_need(t, key);
    struct store_version *v = arena_take(t, sizeof(*v));

    v->older = atomic_load_explicit(&n->newest, memory_order_relaxed);
    v->entry = *entry;
    atomic_store_explicit(&n->newest, v, memory_order_release);
    (void)atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
}

void store_table_revert(struct store_table *t, uint64_t revision)
{
    for (struct store_node *n = next_of(t->head, 0); n; n = next_of(n, 0)) {
        const struct store_version *v = atomic_load_explicit(&n->newest, memory_order_relaxed);

        if (!v || v->entry.revision <= revision)
            continue;
        for (; v && v->entry.revision > revision; v = v->older) {
            (void)atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
            t->waste++;
        }
        atomic_store_explicit(&n->newest, v, memory_order_release);
    }
}

size_t store_table_waste(const struct store_table *t)
{
    return t->waste;
}

struct store_table *store_table_copy(const struct store_table *from)
{
    struct store_table *t = store_table_new();
    const struct store_version **versions CLEANUP_FREE = NULL; /* of one key, newest first */
    size_t cap = 0;

    for (const struct store_node *n = next_of(from->head, 0); n; n = next_of(n, 0)) {
        size_t count = 0;

        for (const struct store_version *v = store_node_newest(n); v; v = v->older) {
            versions = mem_grow(versions, &cap, count + 1, sizeof(const struct store_version *));
            versions[count++] = v;
        }
        while (count)
            store_table_add(t, n->key, &versions[--count]->entry);
    }
    return t;
}

const struct store_version *store_table_find(const struct store_table *t, struct slice key, uint64_t at)
{
    const struct store_node *n = node_find(t, key);
    const struct store_version *v = n ? store_node_newest(n) : NULL;

    while (v && v->entry.revision > at)
        v = v->older;
    return v;
}

const struct store_node *store_table_seek(const struct store_table *t, struct slice from)
{
    return search(t, from, NULL);
}

const struct store_node *store_node_next(const struct store_node *n)
{
    return next_of(n, 0);
}

struct slice store_node_key(const struct store_node *n)
{
    return n->key;
}

const struct store_version *store_node_newest(const struct store_node *n)
{
    return atomic_load_explicit(&n->newest, memory_order_acquire);
}
