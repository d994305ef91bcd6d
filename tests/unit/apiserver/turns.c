/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/turns.h"

#include <pthread.h>

#include "tests/unit/test.h"

#define WORKERS 4
#define TURNS   500

struct worker {
    struct turns *turns;
    struct loop *loop;
    struct turn turn;
    const char *name;
    long *counter; /* no lock but the turn's */
    int left;
};

static void worker_step(void *arg);

static void worker_has_turn(void *arg)
{
    struct worker *w = arg;

    assert_true(w->turn.held);
    ++*w->counter;
    turns_give(w->turns, &w->turn);
    if (--w->left)
        loop_post(w->loop, worker_step, w);
    else
        loop_stop(w->loop);
}

static void worker_step(void *arg)
{
    struct worker *w = arg;

    w->turn = (struct turn){.loop = w->loop, .go = worker_has_turn, .arg = w};
    if (turns_take(w->turns, w->name, &w->turn))
        worker_has_turn(w);
}

static void *worker_run(void *arg)
{
    struct worker *w = arg;

    loop_post(w->loop, worker_step, w);
    loop_run(w->loop);
    return NULL;
}

static void test_one_at_a_time(void **state)
{
    struct turns *turns = turns_new();
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    long counters[2] = {0};

    (void)state;
    for (size_t i = 0; i < WORKERS; i++)
        workers[i] = (struct worker){.turns = turns,
                                     .loop = loop_new(clock_system()),
                                     .name = i % 2 ? "odd" : "even",
                                     .counter = &counters[i % 2],
                                     .left = TURNS};
    for (size_t i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker_run, &workers[i]), 0);
    for (size_t i = 0; i < WORKERS; i++)
        (void)pthread_join(threads[i], NULL);
    for (size_t i = 0; i < WORKERS; i++)
        loop_free(workers[i].loop);
    assert_int_equal(counters[0], WORKERS / 2 * TURNS);
    assert_int_equal(counters[1], WORKERS / 2 * TURNS);
    turns_free(turns);
}

static struct turn *order[3];
static size_t came;

static void note(void *arg)
{
    order[came++] = arg;
}

static void test_in_order(void **state)
{
    struct turns *turns = turns_new();
    struct loop *loop = loop_new(clock_system());
    struct turn t[3];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
        t[i] = (struct turn){.loop = loop, .go = note, .arg = &t[i]};
        assert_int_equal(turns_take(turns, "a", &t[i]), i == 0);
    }
    for (size_t i = 1; i < ARRAY_SIZE(t); i++) {
        turns_give(turns, &t[i - 1]);
        while (came < i)
            loop_turn(loop, true);
        assert_ptr_equal(order[i - 1], &t[i]);
        assert_true(t[i].held);
    }
    turns_give(turns, &t[2]);
    assert_true(turns_take(turns, "a", &t[0])); /* the line is gone, and begins anew */
    turns_give(turns, &t[0]);
    loop_free(loop);
    turns_free(turns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time),
        cmocka_unit_test(test_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
