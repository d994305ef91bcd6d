/* SPDX-License-Identifier: Apache-2.0 */
/* A keeper that LMDB keeps from its work: who writes is told of what is durable all the same, and only the next batch
 * waits when memory holds too much. LMDB's commit goes through this file. */
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "tests/unit/store/fixture.h"

#define COUNT 8  /* versions after which a table is due */
#define MOST  32 /* that it may hold */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held by the test: no commit of LMDB ends */

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    (void)pthread_mutex_lock(&gate);
    (void)pthread_mutex_unlock(&gate);
    return __real_mdb_txn_commit(txn);
}

static void told(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    atomic_fetch_add((atomic_int *)arg, err ? 1000 : 1);
}

/* Waits for up to so long until so many were told; whether they were. */
static bool wait_told(atomic_int *count, int until, int ms)
{
    const struct timespec step = {.tv_nsec = 1000000};

    for (int i = 0; i < ms && atomic_load(count) < until; i++)
        (void)nanosleep(&step, NULL);
    return atomic_load(count) >= until;
}

static void put_next(struct fixture *f, int number, atomic_int *count)
{
    char key[16];
    struct store_operation operation = {STORE_PUT, SLICE_NONE, SLICE_LIT("m"), SLICE_LIT("v")};

    (void)snprintf(key, sizeof(key), "/n/%03d", number);
    operation.key = slice_str(key);
    store_commit(f->store, &(struct store_transaction){.operations = &operation, .operation_count = 1}, told, count);
}

static void test_the_durable_are_told_at_once(void **state)
{
    struct fixture *f = *state;
    atomic_int count = 0;
    int written = 0;
    bool all_told = true;
    uint64_t durable;

    f->checkpoint_count = COUNT;
    f->table_max = MOST;
    fixture_reopen(f);
    (void)pthread_mutex_lock(&gate);
    /* One by one: the first table is frozen and waits for LMDB, the second fills up to the last that is let in. */
    while (all_told && written < 100) {
        put_next(f, written, &count);
        all_told = wait_told(&count, ++written, 500);
    }
    durable = store_revision(f->store);
    (void)pthread_mutex_unlock(&gate);
    /* The last was not begun, and all before it were told. */
    assert_int_equal(durable, 1 + written - 1);
    assert_in_range(written, MOST + 2, MOST + COUNT + 2);
    assert_true(wait_told(&count, written, 20000));
    assert_int_equal(atomic_load(&count), written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {store_test_threaded(test_the_durable_are_told_at_once)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
