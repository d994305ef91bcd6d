/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: allocation that cannot fail, and ownership that can be read off a declaration.
 *
 * Out of memory aborts the process in one place (mem_die). That is safe because every input is bounded before it is
 * read, so that no client can cause it. Locals that own something are declared CLEANUP_FREE (or a module's own cleanup
 * macro) and handed on with STEAL, so that every early return is right without goto.
 */
#ifndef KNARR_LIB_MEM_H
#define KNARR_LIB_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#define CLEANUP(fn)           __attribute__((cleanup(fn)))
#define CLEANUP_FREE          CLEANUP(mem_cleanup_free)
#define PRINTF_LIKE(fmt, arg) __attribute__((format(printf, fmt, arg)))

/* Hands an owned pointer on: gives its value and leaves NULL behind, so that the cleanup does nothing. */
#define STEAL(p)                                                                                                       \
    ({                                                                                                                 \
        __typeof__(p) *steal_from_ = &(p);                                                                             \
        __typeof__(p) steal_value_ = *steal_from_;                                                                     \
        *steal_from_ = NULL;                                                                                           \
        steal_value_;                                                                                                  \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The struct that embeds `member` at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* All of these return memory that the caller frees with free(); none returns NULL. */
void *mem_alloc(size_t size);
void *mem_zalloc(size_t size);
void *mem_calloc(size_t count, size_t size);
/* Once, before threads start: large blocks (whole objects, lists) go back to the system when they are freed, instead of
 * staying with every thread that ever had one. */
void mem_settle(void);
/* Gives what is free back to the system; takes about 0.1 s for each GiB, during which others may wait for memory. */
void mem_give_back(void);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t len);
void *mem_dup(const void *data, size_t len);
char *mem_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);
char *mem_vprintf(const char *fmt, va_list args) PRINTF_LIKE(1, 0);

/* Grows *array (of items of `size` bytes) so that it holds at least `want` items; *cap is its capacity in items. */
void *mem_grow(void *array, size_t *cap, size_t want, size_t size);

/* Says what could not be had and aborts. */
_Noreturn void mem_die(size_t size);

static inline void mem_cleanup_free(void *p)
{
    free(*(void **)p);
}

#endif
