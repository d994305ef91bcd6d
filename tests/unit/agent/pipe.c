/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/pipe.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/test.h"

#define TURNS_MAX 1000

struct seen {
    struct buf data;
    bool ended;
    int error;
    unsigned drained;
};

static void on_data(void *arg, struct slice data)
{
    buf_append_slice(&((struct seen *)arg)->data, data);
}

static void on_end(void *arg, int error)
{
    struct seen *s = arg;

    assert_false(s->ended);
    s->ended = true;
    s->error = error;
}

static void on_drained(void *arg)
{
    ((struct seen *)arg)->drained++;
}

static const struct pipe_events events = {on_data, on_end, on_drained};
static struct loop *loop;

#define TURN_UNTIL(condition)                                                                                          \
    for (int turns_ = 0; !(condition); turns_++) {                                                                     \
        assert_true(turns_ < TURNS_MAX);                                                                               \
        loop_turn(loop, true);                                                                                         \
    }

static void test_a_socket_ends_one_half_after_the_other(void **state)
{
    struct seen seen = {0};
    struct pipe *p;
    char got[64];
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    p = pipe_open(loop, ends[0], true, &events, &seen);
    pipe_write(p, SLICE_LIT("there"));
    pipe_finish(p);
    pipe_write(p, SLICE_LIT("nothing after it"));
    loop_turn(loop, false);
    loop_turn(loop, false);
    assert_int_equal(read(ends[1], got, sizeof(got)), 5);
    assert_int_equal(read(ends[1], got, sizeof(got)), 0);
    assert_int_equal(write(ends[1], "and back", 8), 8);
    TURN_UNTIL(seen.data.len == 8);
    assert_false(seen.ended);
    (void)close(ends[1]);
    TURN_UNTIL(seen.ended);
    assert_int_equal(seen.error, 0);
    pipe_free(p);
    buf_free(&seen.data);
}

static void test_a_pipe_is_closed_when_all_is_written(void **state)
{
    const size_t size = 300000; /* more than it holds */
    char *block CLEANUP_FREE = mem_zalloc(size);
    struct seen seen = {0};
    struct pipe *p;
    size_t got = 0;
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    p = pipe_open(loop, ends[1], false, &events, &seen);
    pipe_write(p, slice_make(block, size));
    assert_true(pipe_pending(p) > 0);
    pipe_finish(p);
    for (ssize_t n = 1; n > 0; got += (size_t)n) {
        loop_turn(loop, false);
        n = read(ends[0], block, size);
        assert_true(n >= 0);
    }
    assert_int_equal(got, size);
    pipe_free(p);
    (void)close(ends[0]);
}

static void test_pause_and_drained(void **state)
{
    const size_t size = 3u << 20; /* more than a socket holds */
    char *block CLEANUP_FREE = mem_zalloc(size);
    struct seen seen = {0};
    struct pipe *p;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    p = pipe_open(loop, ends[0], true, &events, &seen);
    pipe_pause(p, true);
    assert_int_equal(write(ends[1], "later", 5), 5);
    pipe_write(p, slice_make(block, size));
    assert_true(pipe_pending(p) > 0);
    for (size_t got = 0; got < size;) {
        ssize_t n = read(ends[1], block, size);

        assert_true(n > 0);
        got += (size_t)n;
        loop_turn(loop, false);
    }
    TURN_UNTIL(seen.drained == 1);
    assert_int_equal(seen.data.len, 0);
    pipe_pause(p, false);
    TURN_UNTIL(seen.data.len == 5);
    pipe_free(p);
    (void)close(ends[1]);
    buf_free(&seen.data);
}

/* Whoever meets an error first has it; it must not get lost when that is a write. */
static void test_an_error_of_a_write_is_told_at_the_end(void **state)
{
    struct seen seen = {0};
    struct pipe *p;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    p = pipe_open(loop, ends[0], false, &events, &seen);
    (void)close(ends[1]);
    pipe_write(p, SLICE_LIT("x"));
    loop_turn(loop, false);
    pipe_pause(p, false); /* begins to read */
    TURN_UNTIL(seen.ended);
    assert_int_equal(seen.error, EPIPE);
    pipe_free(p);
    assert_null(pipe_open(loop, -1, true, &events, &seen));
}

struct writer {
    struct seen seen;
    struct pipe *to;
};

static void write_on(void *arg, struct slice data)
{
    pipe_write(((struct writer *)arg)->to, data);
}

/* Both are known to the loop at once, and what makes us write comes first. */
static void test_an_error_of_a_write_is_told_at_an_end_of_the_same_turn(void **state)
{
    static const struct pipe_events writer_events = {write_on, on_end, NULL};
    struct seen seen = {0};
    struct writer writer = {0};
    struct pipe *from;
    int ends[2];
    int others[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, others), 0);
    from = pipe_open(loop, ends[0], true, &writer_events, &writer);
    writer.to = pipe_open(loop, others[0], true, &events, &seen);
    loop_turn(loop, false);
    assert_int_equal(write(ends[1], "x", 1), 1);
    (void)close(others[1]);
    TURN_UNTIL(seen.ended);
    assert_int_equal(seen.error, EPIPE);
    pipe_free(from);
    pipe_free(writer.to);
    (void)close(ends[1]);
}

static int start(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    loop = loop_new(clock_system());
    return 0;
}

/* conmon writes its last packets and goes. */
static void test_the_last_packets_come_before_the_end(void **state)
{
    static const char *const packets[] = {"one ", "two ", "three"};
    struct seen seen = {0};
    struct pipe *p;
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    for (size_t i = 0; i < ARRAY_SIZE(packets); i++)
        assert_true(write(ends[1], packets[i], strlen(packets[i])) > 0);
    assert_int_equal(close(ends[1]), 0);
    p = pipe_open(loop, ends[0], true, &events, &seen);
    TURN_UNTIL(seen.ended);
    assert_slice_equal(buf_slice(&seen.data), "one two three");
    assert_int_equal(seen.error, 0);
    pipe_free(p);
    buf_free(&seen.data);
}

static int stop(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_socket_ends_one_half_after_the_other),
        cmocka_unit_test(test_a_pipe_is_closed_when_all_is_written),
        cmocka_unit_test(test_pause_and_drained),
        cmocka_unit_test(test_the_last_packets_come_before_the_end),
        cmocka_unit_test(test_an_error_of_a_write_is_told_at_the_end),
        cmocka_unit_test(test_an_error_of_a_write_is_told_at_an_end_of_the_same_turn),
    };

    return cmocka_run_group_tests_name("pipe", tests, start, stop);
}
