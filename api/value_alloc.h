/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of the trees' nodes. A tree is a few hundred small blocks that come and go together, again and again; each
 * thread keeps the blocks that it freed, by size, and hands them out again. What a block holds is malloc's own, so a
 * block may be freed by any thread, and by free() too.
 *
 * A thread keeps at most VALUE_KEEP_MAX bytes; beyond that, and when it ends, blocks go back to malloc. Under the
 * sanitizers nothing is kept: they are to see every use after the end.
 */
#ifndef KNARR_API_VALUE_ALLOC_H
#define KNARR_API_VALUE_ALLOC_H

#include <stddef.h>

#define VALUE_KEEP_MAX (256u << 10)

/* As malloc: NULL when there is none. */
void *value_alloc(size_t size);
void value_release(void *p);
/* Bytes that this thread keeps. */
size_t value_kept(void);

#endif
