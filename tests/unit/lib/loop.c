/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/loop.h"

#include <pthread.h>

#include "tests/unit/test.h"

#define ROUNDS 2000

/* Two loops on two threads throw one ball to and fro; what they count is theirs while they hold it. */
struct ball {
    struct loop *loops[2];
    int throws;
};

static void catch_ball(void *arg)
{
    struct ball *ball = arg;

    if (++ball->throws < ROUNDS) {
        loop_post(ball->loops[ball->throws % 2], catch_ball, ball);
        return;
    }
    loop_stop(ball->loops[0]);
    loop_stop(ball->loops[1]);
}

static void *run(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void test_two_loops_pass_messages(void **state)
{
    struct ball ball = {{loop_new(clock_system()), loop_new(clock_system())}, 0};
    pthread_t threads[2];

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run, ball.loops[i]), 0);
    loop_post(ball.loops[0], catch_ball, &ball);
    for (int i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(ball.throws, ROUNDS);
    loop_free(ball.loops[0]);
    loop_free(ball.loops[1]);
}

static void append(void *arg)
{
    buf_append_byte(arg, 'x');
}

static void test_posts_run_later_and_before_the_end(void **state)
{
    struct loop *loop = loop_new(clock_system());
    BUF_LOCAL(ran);

    (void)state;
    loop_post(loop, append, &ran);
    assert_int_equal(ran.len, 0);
    loop_turn(loop, true);
    assert_int_equal(ran.len, 1);
    loop_post(loop, append, &ran);
    loop_free(loop);
    assert_int_equal(ran.len, 2);
}

static struct loop_timer *busy;
static int taken;

static void step(void *arg)
{
    if (++taken < 100)
        loop_timer_start(busy, 0, 0);
}

/* One step a turn: who starts itself again as it fires keeps nobody from his turn. */
static void test_no_time_is_the_next_turn(void **state)
{
    struct loop *loop = loop_new(clock_system());
    struct loop_timer *other = loop_timer_new(loop, append, NULL);
    BUF_LOCAL(ran);

    (void)state;
    busy = loop_timer_new(loop, step, NULL);
    taken = 0;
    loop_timer_start(busy, 0, 0);
    assert_int_equal(taken, 0);
    for (int i = 1; i <= 3; i++) {
        loop_post(loop, append, &ran);
        loop_turn(loop, true);
        assert_int_equal(taken, i);
        assert_int_equal(ran.len, i);
    }
    assert_true(loop_timer_active(busy));
    loop_timer_start(other, 0, 0);
    loop_timer_free(other); /* it never fires */
    loop_timer_start(busy, 3600 * 1000, 0);
    loop_turn(loop, false);
    assert_int_equal(taken, 3);
    loop_timer_free(busy);
    loop_free(loop);
}

static struct loop *timed;
static int fired;

static void fire(void *arg)
{
    (void)arg;
    if (++fired == 3)
        loop_stop(timed);
}

static void test_timers(void **state)
{
    struct loop_timer *repeating, *stopped;

    (void)state;
    timed = loop_new(clock_system());
    repeating = loop_timer_new(timed, fire, NULL);
    stopped = loop_timer_new(timed, fire, NULL);
    loop_timer_start(stopped, 0, 0);
    assert_true(loop_timer_active(stopped));
    loop_timer_stop(stopped);
    assert_false(loop_timer_active(stopped));
    loop_timer_start(repeating, 0, 1);
    loop_run(timed);
    assert_int_equal(fired, 3);
    loop_timer_free(repeating);
    loop_timer_free(stopped);
    loop_timer_free(NULL);
    loop_free(timed);
}

static void work(void *arg)
{
    *(int *)arg = 1;
}

static void done(void *arg)
{
    *(int *)arg += 1;
    loop_stop(timed);
}

static void test_work_is_done_on_the_loop(void **state)
{
    int steps = 0;

    (void)state;
    timed = loop_new(clock_system());
    loop_work(timed, work, done, &steps);
    loop_run(timed);
    assert_int_equal(steps, 2);
    loop_free(timed);
}

static void work_slowly(void *arg)
{
    (void)usleep(50000);
}

static void note_done(void *arg)
{
    *(bool *)arg = true;
}

/* Work that the pool still has when the loop goes: it is waited for, and its `done` runs. */
static void test_freed_while_the_pool_works(void **state)
{
    struct loop *loop = loop_new(clock_system());
    bool done = false;

    loop_work(loop, work_slowly, note_done, &done);
    loop_free(loop);
    assert_true(done);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_loops_pass_messages),  cmocka_unit_test(test_posts_run_later_and_before_the_end),
        cmocka_unit_test(test_no_time_is_the_next_turn), cmocka_unit_test(test_timers),
        cmocka_unit_test(test_work_is_done_on_the_loop), cmocka_unit_test(test_freed_while_the_pool_works),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
