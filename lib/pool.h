/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool: memory and clean-up that live as long as a request. Everything allocated from it goes at once; dispose hooks
 * run first, in reverse order, so that a dying request cancels its own timers and drops its references.
 */
#ifndef KNARR_LIB_POOL_H
#define KNARR_LIB_POOL_H

#include "lib/bytes.h"

struct pool;

struct pool *pool_new(void);
/* Runs the hooks, frees everything. NULL is allowed. */
void pool_free(struct pool *pool);
/* Zeroed, aligned for anything. */
void *pool_alloc(struct pool *pool, size_t size);
char *pool_strdup(struct pool *pool, const char *s);
char *pool_slice_dup(struct pool *pool, struct slice s);
/* All of them, one behind the other. */
char *pool_join(struct pool *pool, const char *const *pieces, size_t count);
char *pool_printf(struct pool *pool, const char *fmt, ...) PRINTF_LIKE(2, 3);
void pool_on_free(struct pool *pool, void (*fn)(void *arg), void *arg);

static inline void pool_cleanup(struct pool **p)
{
    pool_free(*p);
}
#define CLEANUP_POOL CLEANUP(pool_cleanup)

#endif
