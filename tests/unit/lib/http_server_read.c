/* SPDX-License-Identifier: Apache-2.0 */
/* How libuv reads for libh2o: lib/http_server_read.c stands in front of its functions. */
#include "tests/unit/test.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

struct reader {
    uv_loop_t loop;
    uv_pipe_t pipe;
    char room[8];
    size_t got;
    size_t nothings;
    size_t ends;
};

static void reader_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct reader *r = handle->data;

    (void)suggested;
    *buf = uv_buf_init(r->room, sizeof(r->room));
}

static void reader_read(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    struct reader *r = stream->data;

    (void)buf;
    r->got += nread > 0 ? (size_t)nread : 0;
    r->nothings += nread == 0;
    r->ends += nread < 0;
}

/* libh2o would close the connection: a read that fills the buffer is followed by one that finds nothing. */
static void test_a_read_that_finds_nothing_is_not_told(void **state)
{
    struct reader r = {0};
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_loop_init(&r.loop), 0);
    assert_int_equal(uv_pipe_init(&r.loop, &r.pipe, 0), 0);
    r.pipe.data = &r;
    assert_int_equal(uv_pipe_open(&r.pipe, ends[0]), 0);
    assert_int_equal(uv_read_start((uv_stream_t *)&r.pipe, reader_alloc, reader_read), 0);
    assert_int_equal(write(ends[1], "exactly!", 8), 8);
    (void)uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.got, 8);
    assert_int_equal(r.nothings, 0);
    assert_int_equal(write(ends[1], "and more", 8), 8);
    (void)uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.got, 16);
    uv_close((uv_handle_t *)&r.pipe, NULL);
    (void)uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&r.loop), 0);
    (void)close(ends[1]);
}

/* In front of the C library's, for libuv. */
static size_t epoll_calls;
__attribute__((visibility("default"))) int epoll_ctl(int epoll, int op, int fd, struct epoll_event *event)
{
    (void)__atomic_add_fetch(&epoll_calls, 1, __ATOMIC_RELAXED);
    return (int)syscall(SYS_epoll_ctl, epoll, op, fd, event);
}

static void reader_begin_again(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    reader_read(stream, nread, buf);
    (void)uv_read_stop(stream);
    (void)uv_read_start(stream, reader_alloc, reader_begin_again);
}

static void reader_stop(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    reader_read(stream, nread, buf);
    (void)uv_read_start(stream, reader_alloc, reader_stop); /* it reads already */
    (void)uv_read_stop(stream);
}

static void reader_hand_over(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    reader_read(stream, nread, buf);
    (void)uv_read_stop(stream);
    (void)uv_read_start(stream, reader_alloc, reader_stop);
}

static void reader_close(uv_stream_t *stream, ssize_t nread, const uv_buf_t *buf)
{
    reader_read(stream, nread, buf);
    (void)uv_read_stop(stream);
    uv_close((uv_handle_t *)stream, NULL);
}

static void reader_turn(struct reader *r, int end, size_t got)
{
    assert_int_equal(write(end, "8 bytes.", 8), 8);
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_int_equal(r->got, got);
}

/* Who stops and begins again while he reads has never stopped; who only stops, has. */
static void test_reading_on_costs_no_calls(void **state)
{
    struct reader r = {0};
    uv_stream_t *stream = (uv_stream_t *)&r.pipe;
    size_t before;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_loop_init(&r.loop), 0);
    assert_int_equal(uv_pipe_init(&r.loop, &r.pipe, 0), 0);
    r.pipe.data = &r;
    assert_int_equal(uv_pipe_open(&r.pipe, ends[0]), 0);
    assert_int_equal(uv_read_start(stream, reader_alloc, reader_begin_again), 0);
    reader_turn(&r, ends[1], 8);
    before = __atomic_load_n(&epoll_calls, __ATOMIC_RELAXED);
    reader_turn(&r, ends[1], 16);
    reader_turn(&r, ends[1], 24);
    assert_int_equal(__atomic_load_n(&epoll_calls, __ATOMIC_RELAXED), before);
    (void)uv_read_stop(stream);
    reader_turn(&r, ends[1], 24);
    assert_int_equal(uv_read_start(stream, reader_alloc, reader_hand_over), 0);
    reader_turn(&r, ends[1], 40); /* what waited, and then another reader's, which stops: */
    reader_turn(&r, ends[1], 40);
    assert_int_equal(uv_read_start(stream, reader_alloc, reader_close), 0);
    (void)uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(r.got, 48);
    assert_int_equal(uv_loop_close(&r.loop), 0);
    (void)close(ends[1]);
}

/* At the end libuv has stopped by itself: who begins again there is told again. That is how a connection whose peer has
 * left is handed to libh2o, which closes it. */
static void test_the_end_is_told_to_who_reads_on(void **state)
{
    struct reader r = {0};
    uv_stream_t *stream = (uv_stream_t *)&r.pipe;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(uv_loop_init(&r.loop), 0);
    assert_int_equal(uv_pipe_init(&r.loop, &r.pipe, 0), 0);
    r.pipe.data = &r;
    assert_int_equal(uv_pipe_open(&r.pipe, ends[0]), 0);
    assert_int_equal(uv_read_start(stream, reader_alloc, reader_begin_again), 0);
    (void)close(ends[1]);
    for (size_t i = 1; i <= 3; i++) {
        (void)uv_run(&r.loop, UV_RUN_NOWAIT);
        assert_int_equal(r.ends, i);
    }
    uv_close((uv_handle_t *)stream, NULL);
    (void)uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_int_equal(uv_loop_close(&r.loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_read_that_finds_nothing_is_not_told),
        cmocka_unit_test(test_reading_on_costs_no_calls),
        cmocka_unit_test(test_the_end_is_told_to_who_reads_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
