/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/mem.h"

#include <malloc.h>

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MEM_LARGE (256 << 10) /* bytes of a block that goes back to the system when it is freed */

void mem_die(size_t size)
{
    (void)fprintf(stderr, "knarr: out of memory (asked for %zu bytes)\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        mem_die(size);
    return p;
}

void *mem_zalloc(size_t size)
{
    return mem_calloc(1, size);
}

void *mem_calloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);

    if (!p)
        mem_die(count * size);
    return p;
}

void *mem_realloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);

    if (!p)
        mem_die(size);
    return p;
}

char *mem_strdup(const char *s)
{
    return mem_strndup(s, strlen(s));
}

char *mem_strndup(const char *s, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len)
        memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void *mem_dup(const void *data, size_t len)
{
    void *copy = mem_alloc(len);

    if (len)
        memcpy(copy, data, len);
    return copy;
}

char *mem_vprintf(const char *fmt, va_list args)
{
    char *out = NULL;

    if (vasprintf(&out, fmt, args) < 0)
        mem_die(0);
    return out;
}

char *mem_printf(const char *fmt, ...)
{
    va_list args;
    char *out;

    va_start(args, fmt);
    out = mem_vprintf(fmt, args);
    va_end(args);
    return out;
}

void *mem_grow(void *array, size_t *cap, size_t want, size_t size)
{
    size_t next = *cap ? *cap : 8;

    if (want <= *cap)
        return array;
    while (next < want)
        next *= 2;
    if (next > SIZE_MAX / size)
        mem_die(SIZE_MAX);
    *cap = next;
    return mem_realloc(array, next * size);
}

void mem_settle(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, MEM_LARGE); /* said once, it no longer grows by itself */
#endif
}

void mem_give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}
