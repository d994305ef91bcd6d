/* SPDX-License-Identifier: Apache-2.0 */
/* Randomness: no byte is given to two, neither of two threads nor of a process and its child. */
#include "tests/unit/test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/random.h"

#define DRAWS 200

static void *draw_many(void *arg)
{
    uint64_t *numbers = arg;

    for (size_t i = 0; i < DRAWS; i++)
        random_bytes(&numbers[i], sizeof(numbers[i]));
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_random_threads(void **state)
{
    static uint64_t numbers[3 * DRAWS];
    pthread_t threads[2];

    (void)state;
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, draw_many, numbers + i * DRAWS), 0);
    draw_many(numbers + 2 * DRAWS);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    qsort(numbers, 3 * DRAWS, sizeof(*numbers), compare);
    for (size_t i = 1; i < 3 * DRAWS; i++)
        assert_true(numbers[i] != numbers[i - 1]);
}

static void test_random_fork(void **state)
{
    uint64_t own[2], childs;
    int ends[2], status;
    pid_t pid;

    (void)state;
    random_bytes(own, sizeof(own[0])); /* so that there is something left to share */
    assert_int_equal(pipe(ends), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        random_bytes(&childs, sizeof(childs));
        _exit(write(ends[1], &childs, sizeof(childs)) != sizeof(childs));
    }
    assert_int_equal(read(ends[0], &childs, sizeof(childs)), sizeof(childs));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    random_bytes(&own[1], sizeof(own[1]));
    assert_true(childs != own[1]);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_random_sizes(void **state)
{
    unsigned char bytes[2000] = {0};
    size_t zeros = 0;

    (void)state;
    for (size_t len = 0; len < 64; len++) { /* small and large, and over the end of what was drawn */
        memset(bytes, 0, sizeof(bytes));
        random_bytes(bytes, len);
        for (size_t i = len; i < sizeof(bytes); i++)
            assert_int_equal(bytes[i], 0);
    }
    random_bytes(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        zeros += !bytes[i];
    assert_true(zeros < 100);
}

static void test_random_seeded(void **state)
{
    uint64_t first, again;

    (void)state;
    random_set_seed(7);
    random_bytes(&first, sizeof(first));
    random_set_seed(7);
    random_bytes(&again, sizeof(again));
    random_set_seed(0);
    assert_true(first == again);
    random_bytes(&again, sizeof(again));
    assert_true(first != again);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_threads),
        cmocka_unit_test(test_random_fork),
        cmocka_unit_test(test_random_sizes),
        cmocka_unit_test(test_random_seeded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
