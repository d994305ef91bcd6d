/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two functions of libuv's by which libh2o asks to read, and to read no more, are defined here, in front of the
 * library's own.
 *
 * libuv tells a reader "nothing now" by nread 0, which it does whenever a read fills the buffer to its last byte and
 * the next one finds nothing. libh2o 2.2.5 takes that for an error and closes the connection: a large upload was lost
 * about once in a hundred. It gives us no place between the two; here readers never hear of nothing.
 *
 * libh2o stops reading at each request, and we read on at once, to see the peer leave. libuv makes two system calls of
 * that pair (epoll_ctl), so a reader that stops is stopped when it returns, unless it has begun again by then.
 *
 * libuv keeps only the function it calls, so for each reader that is seen (libh2o has two, we a few) there is one guard
 * that knows it.
 */
#include "lib/http_server_internal.h"

#include <dlfcn.h>
#include <pthread.h>

#define GUARDS 8

static uv_read_cb readers[GUARDS]; /* each is set once, atomically */

typedef int start_function(uv_stream_t *stream, uv_alloc_cb alloc_cb, uv_read_cb read_cb);
typedef int stop_function(uv_stream_t *stream);

static struct {
    start_function *start;
    stop_function *stop;
} library; /* libuv's own; set once */
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* The stream whose reader runs with what it has read, and whether it has stopped. */
static _Thread_local struct {
    uv_stream_t *stream;
    bool stopped;
} running;

static void library_find(void)
{
    void *start = dlsym(RTLD_NEXT, "uv_read_start");
    void *stop = dlsym(RTLD_NEXT, "uv_read_stop");

    if (!start || !stop)
        abort();
    memcpy(&library.start, &start, sizeof(start));
    memcpy(&library.stop, &stop, sizeof(stop));
}

static void guard_call(size_t i, uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    __typeof__(running) outer = running;

    if (nread == 0)
        return;
    running.stream = nread > 0 ? stream : NULL; /* at an end or an error libuv itself has stopped */
    running.stopped = false;
    __atomic_load_n(&readers[i], __ATOMIC_ACQUIRE)(stream, nread, buf);
    if (running.stopped) /* it is still there, also when it was closed: libuv lets go of it in a later phase */
        (void)library.stop(stream);
    running = outer;
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
    uv_read_cb guard = guard_of(read_cb);

    (void)pthread_once(&library_once, library_find);
    if (running.stopped && running.stream == stream) {
        running.stopped = false;
        if (stream->read_cb == guard && stream->alloc_cb == alloc_cb)
            return 0;
        (void)library.stop(stream);
    }
    return library.start(stream, alloc_cb, guard);
}

__attribute__((visibility("default"))) int uv_read_stop(uv_stream_t *stream)
{
    (void)pthread_once(&library_once, library_find);
    if (running.stream != stream)
        return library.stop(stream);
    running.stopped = true;
    return 0;
}
