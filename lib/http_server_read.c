/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libuv tells a reader "nothing now" by nread 0, which it does whenever a read fills the buffer to its last byte and
 * the next one finds nothing. libh2o 2.2.5 takes that for an error and closes the connection: a large upload was lost
 * about once in a hundred. It gives us no place between the two, so the one function of libuv by which it asks to read
 * is defined here, in front of the library's own: readers never hear of nothing.
 *
 * libuv keeps only the function it calls, so for each reader that is seen (libh2o has two, we a few) there is one guard
 * that knows it.
 */
#include "lib/http_server_internal.h"

#include <dlfcn.h>

#define GUARDS 8

static uv_read_cb readers[GUARDS]; /* each is set once, atomically */

static void guard_call(size_t i, uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    if (nread != 0)
        __atomic_load_n(&readers[i], __ATOMIC_ACQUIRE)(stream, nread, buf);
}

#define GUARD(i)                                                                                                       \
    static void guard_##i(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)                                     \
    {                                                                                                                  \
        guard_call(i, stream, nread, buf);                                                                             \
    }
GUARD(0)
GUARD(1)
GUARD(2)
GUARD(3)
GUARD(4)
GUARD(5)
GUARD(6)
GUARD(7)

static uv_read_cb guard_of(uv_read_cb reader)
{
    static const uv_read_cb guards[GUARDS] = {guard_0, guard_1, guard_2, guard_3, guard_4, guard_5, guard_6, guard_7};

    for (size_t i = 0; i < GUARDS; i++) {
        uv_read_cb none = NULL;

        if (__atomic_compare_exchange_n(&readers[i], &none, reader, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE) ||
            none == reader)
            return guards[i];
    }
    return reader; /* more than anybody has; what comes last is not libh2o */
}

void server_guard_reads(void)
{
}

__attribute__((visibility("default"))) int uv_read_start(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb)
{
    typedef int start_function(uv_stream_t * stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb);
    static start_function *next;
    start_function *start = __atomic_load_n(&next, __ATOMIC_ACQUIRE);

    if (!start) {
        void *found = dlsym(RTLD_NEXT, "uv_read_start");

        memcpy(&start, &found, sizeof(start));
        if (!start)
            abort();
        __atomic_store_n(&next, start, __ATOMIC_RELEASE);
    }
    return start(stream, alloc_cb, guard_of(read_cb));
}
