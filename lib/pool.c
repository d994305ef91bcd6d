/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/pool.h"

#include <stdalign.h>
#include <stdio.h>

#define POOL_CHUNK 4096

struct pool_chunk {
    struct pool_chunk *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char data[];
};

struct pool_hook {
    struct pool_hook *next;
    void (*fn)(void *arg);
    void *arg;
};

struct pool {
    struct pool_chunk *chunks;
    struct pool_hook *hooks;
};

struct pool *pool_new(void)
{
    return mem_zalloc(sizeof(struct pool));
}

void pool_free(struct pool *pool)
{
    if (!pool)
        return;
    while (pool->hooks) {
        struct pool_hook *hook = pool->hooks;

        pool->hooks = hook->next;
        hook->fn(hook->arg);
    }
    while (pool->chunks) {
        struct pool_chunk *chunk = pool->chunks;

        pool->chunks = chunk->next;
        free(chunk);
    }
    free(pool);
}

void *pool_alloc(struct pool *pool, size_t size)
{
    const size_t align = alignof(max_align_t);
    size_t need = (size + align - 1) / align * align;
    struct pool_chunk *chunk = pool->chunks;
    void *out;

    if (!chunk || chunk->size - chunk->used < need) {
        size_t room = need > POOL_CHUNK ? need : POOL_CHUNK;

        chunk = mem_alloc(sizeof(*chunk) + room);
        chunk->used = 0;
        chunk->size = room;
        chunk->next = pool->chunks;
        pool->chunks = chunk;
    }
    out = chunk->data + chunk->used;
    chunk->used += need;
    memset(out, 0, need);
    return out;
}

char *pool_slice_dup(struct pool *pool, struct slice s)
{
    char *copy = pool_alloc(pool, s.len + 1);

    if (s.len)
        memcpy(copy, s.data, s.len);
    return copy;
}

char *pool_strdup(struct pool *pool, const char *s)
{
    return pool_slice_dup(pool, slice_str(s));
}

char *pool_join(struct pool *pool, const char *const *pieces, size_t count)
{
    size_t len = 0;
    char *joined, *at;

    for (size_t i = 0; i < count; i++)
        len += strlen(pieces[i]);
    at = joined = pool_alloc(pool, len + 1);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, pieces[i]);
    return joined;
}

char *pool_printf(struct pool *pool, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    char *text CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    return pool_strdup(pool, text);
}

void pool_on_free(struct pool *pool, void (*fn)(void *arg), void *arg)
{
    struct pool_hook *hook = pool_alloc(pool, sizeof(*hook));

    hook->fn = fn;
    hook->arg = arg;
    hook->next = pool->hooks;
    pool->hooks = hook;
}
