/* SPDX-License-Identifier: Apache-2.0 */
#include "api/value_alloc.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define KEEPS false
#endif
#endif
#ifndef KEEPS
#define KEEPS true
#endif

/* malloc's own sizes: what it gives has STEP * n + EXTRA bytes. */
#define STEP    16u
#define EXTRA   8u
#define CLASSES 17 /* up to 264 bytes */

struct block {
    struct block *next;
};

struct keep {
    struct block *free[CLASSES]; /* blocks of at least STEP * index + EXTRA bytes */
    size_t bytes;
    bool known; /* its end has been asked for */
};

static _Thread_local struct keep keep;
static pthread_key_t at_end;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void keep_end(void *arg)
{
    struct keep *k = arg;

    for (size_t i = 0; i < CLASSES; i++) {
        while (k->free[i]) {
            struct block *b = k->free[i];

            k->free[i] = b->next;
            free(b);
        }
    }
    k->bytes = VALUE_KEEP_MAX; /* what comes after is not kept */
}

static void keep_make_key(void)
{
    (void)pthread_key_create(&at_end, keep_end);
}

static bool keep_begin(void)
{
    (void)pthread_once(&once, keep_make_key);
    keep.known = pthread_setspecific(at_end, &keep) == 0;
    return keep.known;
}

void *value_alloc(size_t size)
{
    size_t class = size > STEP + EXTRA ? (size + STEP - 1 - EXTRA) / STEP : 1;
    struct block *b;

    if (!KEEPS || class >= CLASSES)
        return malloc(size);
    b = keep.free[class];
    if (!b)
        return malloc(class * STEP + EXTRA);
    keep.free[class] = b->next;
    keep.bytes -= class * STEP;
    return b;
}

void value_release(void *p)
{
    size_t usable = KEEPS && p ? malloc_usable_size(p) : 0;
    size_t class = usable > EXTRA ? (usable - EXTRA) / STEP : 0;
    struct block *b = p;

    if (!class || class >= CLASSES || keep.bytes + class * STEP > VALUE_KEEP_MAX || (!keep.known && !keep_begin())) {
        free(p);
        return;
    }
    b->next = keep.free[class];
    keep.free[class] = b;
    keep.bytes += class * STEP;
}

size_t value_kept(void)
{
    return keep.bytes;
}
