/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When LMDB fails. The linker hands its calls to the wrappers below first, which fail them as told: with a full disk,
 * with an I/O error, and with the two ways a commit can end in doubt (LMDB then refuses everything until it is opened
 * anew).
 */
#include <errno.h>
#include <lmdb.h>

#include "tests/unit/store/fixture.h"

static struct {
    int commit_rc;       /* what the next commit answers instead of working; 0 = let it work */
    bool commit_anyway;  /* although it is on the disk in truth */
    bool commit_sickens; /* and LMDB refuses to write from then on */
    int open_rc;         /* what the next opening answers */
    MDB_env *sick;
} fault;

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn);
int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
void __real_mdb_env_close(MDB_env *env);
void __wrap_mdb_env_close(MDB_env *env);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int rc = fault.commit_rc;

    fault.commit_rc = 0;
    if (rc == 0)
        return __real_mdb_txn_commit(txn);
    if (fault.commit_sickens)
        fault.sick = mdb_txn_env(txn);
    if (fault.commit_anyway)
        assert_int_equal(__real_mdb_txn_commit(txn), 0);
    else
        mdb_txn_abort(txn);
    return rc;
}

int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn)
{
    if (env == fault.sick && !(flags & MDB_RDONLY))
        return MDB_PANIC;
    return __real_mdb_txn_begin(env, parent, flags, ret_txn);
}

int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    int rc = fault.open_rc;

    fault.open_rc = 0;
    return rc ? rc : __real_mdb_env_open(env, path, flags, mode);
}

void __wrap_mdb_env_close(MDB_env *env)
{
    if (env == fault.sick)
        fault.sick = NULL;
    __real_mdb_env_close(env);
}

static int setup(void **state)
{
    memset(&fault, 0, sizeof(fault));
    return fixture_setup(state);
}

static void count_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    for (size_t i = 0; i < count; i++)
        event_write(arg, events[i]);
}

/* A failed commit fails its batch, verdicts and all, shows nothing, and the next batch works. */
static void test_failed_commit_fails_its_batch_only(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT("/a", "1")};
    const struct store_condition absent[] = {{SLICE_LIT("/a"), 0}};
    struct outcome outcomes[3];
    BUF_LOCAL(seen);
    uint64_t revision;
    struct store_watch *watch = store_watch_open(f->store, SLICE_NONE, count_events, &seen, &revision);

    submit(f, absent, 1, write, 1, &outcomes[0]);
    submit(f, absent, 1, write, 1, &outcomes[1]); /* its conflict is with a write that never was */
    submit(f, NULL, 0, NULL, 0, &outcomes[2]);    /* wrong in itself, whatever the disk does */
    fault.commit_rc = EIO;
    step_all(f);
    assert_int_equal(outcomes[0].code, ERROR_IO);
    assert_int_equal(outcomes[1].code, ERROR_IO);
    assert_int_equal(outcomes[2].code, ERROR_INVALID);
    assert_int_equal(seen.len, 0);
    assert_int_equal(store_revision(f->store), 1);
    assert_get(f, "/a", "-");
    assert_int_equal(put_if(f, "/a", "2", 0).revision, 2);
    assert_string_equal(buf_cstr(&seen), "2+/a=2 ");
    store_watch_close(watch);
}

/* Under a full disk each transaction of the batch gets a try of its own. */
static void test_full_disk_is_tried_one_by_one(void **state)
{
    struct fixture *f = *state;
    const struct store_operation first[] = {OP_PUT("/a", "1")}, second[] = {OP_PUT("/b", "1")};
    struct outcome outcomes[2];

    submit(f, NULL, 0, first, 1, &outcomes[0]);
    submit(f, NULL, 0, second, 1, &outcomes[1]);
    fault.commit_rc = ENOSPC;
    step_all(f);
    assert_int_equal(outcomes[0].revision, 2);
    assert_int_equal(outcomes[1].revision, 3);
    fault.commit_rc = ENOSPC;
    assert_int_equal(put(f, "/c", "1").code, ERROR_NO_SPACE);
    assert_int_equal(put(f, "/c", "1").revision, 4);
}

/* In doubt, and not on the disk: the store is opened anew, the write refused, and all goes on. */
static void test_doubtful_commit_that_is_lost(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    fault.commit_rc = EIO;
    fault.commit_sickens = true;
    assert_int_equal(put(f, "/a", "2").code, ERROR_IO);
    assert_null(fault.sick);
    assert_get(f, "/a", "1@2/2");
    assert_int_equal(put(f, "/a", "3").revision, 3);
}

/* In doubt, but there: it is told as the success that it is. */
static void test_doubtful_commit_that_is_there(void **state)
{
    struct fixture *f = *state;
    BUF_LOCAL(seen);
    uint64_t revision;
    struct store_watch *watch = store_watch_open(f->store, SLICE_NONE, count_events, &seen, &revision);

    fault.commit_rc = EIO;
    fault.commit_sickens = fault.commit_anyway = true;
    assert_int_equal(put(f, "/a", "1").revision, 2);
    assert_string_equal(buf_cstr(&seen), "2+/a=1 ");
    assert_get(f, "/a", "1@2/2");
    store_watch_close(watch);
}

/* In doubt, and the store cannot even be opened to look: nothing is readable for a while. Once it opens again and the
 * write turns out to be there, the watch gets its event late but in order. */
static void test_doubtful_commit_found_later(void **state)
{
    struct fixture *f = *state;
    const struct store_operation two[] = {OP_PUT("/a", "1"), OP_PUT("/c", "1")};
    struct outcome outcome;
    BUF_LOCAL(seen);
    uint64_t revision;
    struct store_watch *watch = store_watch_open(f->store, SLICE_NONE, count_events, &seen, &revision);

    fault.commit_rc = fault.open_rc = EIO;
    fault.commit_sickens = fault.commit_anyway = true;
    submit(f, NULL, 0, two, 2, &outcome);
    step_all(f);
    assert_int_equal(outcome.code, ERROR_IO);
    assert_get(f, "/a", "-");
    assert_list(f, "", "", 0, 0, "E:InternalError");
    assert_int_equal(store_revision(f->store), 1);
    assert_int_equal(put(f, "/b", "1").revision, 3);
    assert_string_equal(buf_cstr(&seen), "2+/a=1 2+/c=1 3+/b=1 ");
    assert_list(f, "", "", 0, 0, "/a=1@2 /b=1@3 /c=1@2");
    store_watch_close(watch);
}

static void test_failed_compaction_can_be_repeated(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/a", "2");
    fault.commit_rc = ENOSPC;
    assert_int_equal(compact(f, 2), ERROR_NO_SPACE);
    assert_int_equal(store_compacted(f->store), 1);
    assert_log(f, "", 1, 0, 0, "2+/a=1 3*/a=2<1@2 |3");
    assert_int_equal(compact(f, 2), ERROR_NONE);
    assert_log(f, "", 1, 0, 0, "E:Expired");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_failed_commit_fails_its_batch_only, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_is_tried_one_by_one, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_doubtful_commit_that_is_lost, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_doubtful_commit_that_is_there, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_doubtful_commit_found_later, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failed_compaction_can_be_repeated, setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
