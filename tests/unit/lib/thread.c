/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <pthread.h>

#include "lib/loop.h"
#include "lib/thread.h"

static void read_name(void *arg)
{
    assert_int_equal(pthread_getname_np(pthread_self(), arg, THREAD_NAME_MAX + 1), 0);
}

static void *name_and_read(void *arg)
{
    thread_name_self("a-name-of-%d-characters", 23);
    read_name(arg);
    return NULL;
}

static void test_a_long_name_is_cut(void **state)
{
    char own[THREAD_NAME_MAX + 1];
    char before[THREAD_NAME_MAX + 1];
    char after[THREAD_NAME_MAX + 1];
    pthread_t thread;

    read_name(before);
    assert_int_equal(pthread_create(&thread, NULL, name_and_read, own), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    read_name(after);
    assert_string_equal(own, "a-name-of-23-ch");
    assert_string_equal(after, before);
}

struct job {
    struct loop *loop;
    char name[THREAD_NAME_MAX + 1];
};

static void job_work(void *arg)
{
    read_name(((struct job *)arg)->name);
}

static void job_done(void *arg)
{
    loop_stop(((struct job *)arg)->loop);
}

/* Whoever has asked for it first: its threads are not taken for his. */
static void test_threads_of_the_pool_are_named(void **state)
{
    struct job job = {.loop = loop_new(clock_system())};

    loop_work(job.loop, job_work, job_done, &job);
    loop_run(job.loop);
    loop_free(job.loop);
    assert_string_equal(job.name, "pool");
    read_name(job.name);
    assert_string_not_equal(job.name, "pool");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_long_name_is_cut),
        cmocka_unit_test(test_threads_of_the_pool_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
