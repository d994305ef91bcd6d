/* SPDX-License-Identifier: Apache-2.0 */
/* Sandboxes that are made at the same time, as a burst of pods makes them. Needs root, as the agent does. */
#include "agent/sandbox.h"

#include <pthread.h>
#include <stdio.h>

#include "api/value.h"
#include "tests/unit/test.h"

#define THREADS 8
#define ROUNDS  25

static char run_dir[64];

struct maker {
    pthread_t thread;
    int number;
    int made;
};

/* On the host's network, so that no plug-in is needed: an IPC namespace is left to make. */
static void *make(void *arg)
{
    const struct sandbox_config config = {.run_dir = run_dir, .cni_dir = "", .bridge = "none0"};
    struct maker *m = arg;

    for (int i = 0; i < ROUNDS; i++) {
        char *uid CLEANUP_FREE = mem_printf("pod-%d-%d", m->number, i);
        struct sandbox s = {0};
        ERROR_LOCAL(err);

        if (sandbox_create(&config, uid, "host", SANDBOX_HOST_NETWORK, &s, &err) < 0 ||
            sandbox_remove(&config, uid, &err) < 0)
            (void)printf("%s\n", error_text(&err));
        else
            m->made++;
        sandbox_clear(&s);
    }
    return NULL;
}

/* A child that is forked meanwhile holds copies of the others' descriptors: none may wait for such a copy to close. */
static void test_many_at_once(void **state)
{
    struct maker makers[THREADS];

    if (geteuid() != 0)
        skip();
    (void)snprintf(run_dir, sizeof(run_dir), "/tmp/knarr-test-XXXXXX");
    assert_non_null(mkdtemp(run_dir));
    for (int i = 0; i < THREADS; i++) {
        makers[i] = (struct maker){.number = i};
        assert_int_equal(pthread_create(&makers[i].thread, NULL, make, &makers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(makers[i].thread, NULL);
        assert_int_equal(makers[i].made, ROUNDS);
    }
    test_remove_folder(run_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_at_once)};

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
