/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "client/backoff.h"
#include "client/work_queue.h"
#include "lib/metrics.h"

struct world {
    struct loop *loop;
    struct work_queue *q;
    struct buf log; /* keys in the order of work, each with ';' */
    bool finish;    /* work ends at once */
    bool free_queue;
};

static void work(void *arg, struct slice key)
{
    struct world *w = arg;

    buf_append_slice(&w->log, key);
    buf_append_byte(&w->log, ';');
    if (w->finish)
        work_queue_done(w->q, key, false);
    if (w->free_queue) {
        work_queue_free(w->q);
        w->q = NULL;
    }
}

static void world_start(struct world *w, unsigned parallel)
{
    memset(w, 0, sizeof(*w));
    w->loop = loop_new(clock_system());
    w->q = work_queue_new(w->loop,
                          &(struct work_queue_options){
                              .parallel = parallel, .backoff_ms = 1, .backoff_max_ms = 4, .work = work, .arg = w});
}

static void world_end(struct world *w)
{
    work_queue_free(w->q);
    buf_free(&w->log);
    loop_free(w->loop);
}

static void turns(struct world *w)
{
    for (int i = 0; i < 5; i++)
        loop_turn(w->loop, false);
}

static void turns_until(struct world *w, size_t len)
{
    while (w->log.len < len)
        loop_turn(w->loop, true);
}

static void test_key_waits_once_and_never_inside_add(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 1);
    w.finish = true;
    work_queue_add(w.q, SLICE_LIT("a"));
    work_queue_add(w.q, SLICE_LIT("b"));
    work_queue_add(w.q, SLICE_LIT("a"));
    assert_int_equal(w.log.len, 0);
    assert_int_equal(work_queue_length(w.q), 2);
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;b;");
    world_end(&w);
}

static void test_added_while_active_comes_back_once(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 2);
    work_queue_add(w.q, SLICE_LIT("a"));
    turns(&w);
    work_queue_add(w.q, SLICE_LIT("a"));
    work_queue_add(w.q, SLICE_LIT("a"));
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;");
    work_queue_done(w.q, SLICE_LIT("a"), false);
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;a;");
    work_queue_done(w.q, SLICE_LIT("a"), false);
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;a;");
    world_end(&w);
}

static void test_parallel_is_a_bound(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 2);
    work_queue_add(w.q, SLICE_LIT("a"));
    work_queue_add(w.q, SLICE_LIT("b"));
    work_queue_add(w.q, SLICE_LIT("c"));
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;b;");
    work_queue_done(w.q, SLICE_LIT("b"), false);
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;b;c;");
    world_end(&w);
}

static void test_failure_comes_back(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 1);
    work_queue_add(w.q, SLICE_LIT("a"));
    turns(&w);
    work_queue_done(w.q, SLICE_LIT("a"), true);
    assert_int_equal(work_queue_length(w.q), 0);
    turns_until(&w, 4);
    assert_string_equal(buf_cstr(&w.log), "a;a;");
    world_end(&w);
}

static void test_delays_go_by_time(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 1);
    w.finish = true;
    work_queue_add_after(w.q, SLICE_LIT("c"), 9);
    work_queue_add_after(w.q, SLICE_LIT("b"), 6);
    work_queue_add_after(w.q, SLICE_LIT("a"), 3);
    work_queue_add_after(w.q, SLICE_LIT("b"), 500); /* the earlier one counts */
    turns_until(&w, 6);
    assert_string_equal(buf_cstr(&w.log), "a;b;c;");
    world_end(&w);
}

static void test_paused_queue_gathers(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 1);
    w.finish = true;
    work_queue_pause(w.q, true);
    work_queue_add(w.q, SLICE_LIT("a"));
    turns(&w);
    assert_int_equal(w.log.len, 0);
    work_queue_pause(w.q, false);
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;");
    world_end(&w);
}

static void test_free_from_inside_work(void **state)
{
    struct world w;

    (void)state;
    world_start(&w, 3);
    w.free_queue = true;
    work_queue_add(w.q, SLICE_LIT("a"));
    work_queue_add(w.q, SLICE_LIT("b"));
    turns(&w);
    assert_string_equal(buf_cstr(&w.log), "a;");
    world_end(&w);
}

static void test_backoff_doubles_up_to_its_limit(void **state)
{
    (void)state;
    assert_int_equal(backoff_delay(5, 1000000, 0), 0);
    assert_int_equal(backoff_delay(5, 1000000, 1), 5);
    assert_int_equal(backoff_delay(5, 1000000, 4), 40);
    assert_int_equal(backoff_delay(5, 1000000, 4000000000u), 1000000);
    random_set_seed(1);
    for (int i = 0; i < 100; i++) {
        uint64_t delay = backoff_jitter(10);

        assert_in_range(delay, 10, 20);
    }
    random_set_seed(0);
}

static void assert_counted(const char *line)
{
    BUF_LOCAL(out);

    metrics_write(&out);
    if (slice_find_text(buf_slice(&out), slice_str(line)) < 0)
        fail_msg("no '%s' in\n%s", line, buf_cstr(&out));
}

static void test_a_named_queue_is_counted(void **state)
{
    struct world w = {.finish = false};

    (void)state;
    w.loop = loop_new(clock_system());
    w.q =
        work_queue_new(w.loop, &(struct work_queue_options){.name = "test", .backoff_ms = 1, .work = work, .arg = &w});
    work_queue_add(w.q, SLICE_LIT("a"));
    work_queue_add(w.q, SLICE_LIT("a"));
    work_queue_add(w.q, SLICE_LIT("b"));
    assert_counted("\nworkqueue_adds_total{name=\"test\"} 2\n");
    assert_counted("\nworkqueue_depth{name=\"test\"} 2\n");
    turns(&w);
    assert_counted("\nworkqueue_depth{name=\"test\"} 1\n");
    assert_counted("\nworkqueue_queue_duration_seconds_count{name=\"test\"} 1\n");
    work_queue_done(w.q, SLICE_LIT("a"), true);
    assert_counted("\nworkqueue_retries_total{name=\"test\"} 1\n");
    assert_counted("\nworkqueue_work_duration_seconds_count{name=\"test\"} 1\n");
    work_queue_free(STEAL(w.q));
    assert_counted("\nworkqueue_depth{name=\"test\"} 0\n");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_waits_once_and_never_inside_add),
        cmocka_unit_test(test_added_while_active_comes_back_once),
        cmocka_unit_test(test_parallel_is_a_bound),
        cmocka_unit_test(test_failure_comes_back),
        cmocka_unit_test(test_delays_go_by_time),
        cmocka_unit_test(test_paused_queue_gathers),
        cmocka_unit_test(test_free_from_inside_work),
        cmocka_unit_test(test_a_named_queue_is_counted),
        cmocka_unit_test(test_backoff_doubles_up_to_its_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
