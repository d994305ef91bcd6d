/* SPDX-License-Identifier: Apache-2.0 */
/* Transactions, and what is left after opening again; damage.c: when the disk has changed meanwhile. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/store/fixture.h"

static void test_put_get_delete(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(store_revision(f->store), 1);
    assert_get(f, "/a", "-");
    assert_int_equal(put(f, "/a", "one").revision, 2);
    assert_get(f, "/a", "one@2/2");
    assert_int_equal(put(f, "/a", "two").revision, 3);
    assert_get(f, "/a", "two@3/2");
    assert_int_equal(delete_key(f, "/a").revision, 4);
    assert_get(f, "/a", "-");
    assert_int_equal(put(f, "/a", "three").revision, 5);
    assert_get(f, "/a", "three@5/5");
    assert_int_equal(store_revision(f->store), 5);
}

static int note_meta(void *arg, const struct store_item *item)
{
    *(char **)arg = slice_dup(item->meta);
    return 42;
}

static void test_get_gives_meta_snapshot_and_the_visitors_answer(void **state)
{
    struct fixture *f = *state;
    char *meta CLEANUP_FREE = NULL;
    uint64_t revision = 0;
    ERROR_LOCAL(err);

    put(f, "/a", "x");
    put(f, "/b", "y");
    assert_int_equal(store_get(f->store, SLICE_LIT("/a"), note_meta, &meta, &revision, &err), 42);
    assert_string_equal(meta, "meta");
    assert_int_equal(revision, 3);
    assert_int_equal(store_get(f->store, SLICE_LIT("/c"), note_meta, NULL, &revision, &err), -ERROR_NOT_FOUND);
    assert_int_equal(store_get(f->store, SLICE_NONE, note_meta, NULL, NULL, &err), -ERROR_NOT_FOUND);
}

static void test_conditions(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome;

    assert_int_equal(put_if(f, "/a", "1", 0).revision, 2);
    outcome = put_if(f, "/a", "2", 0);
    assert_int_equal(outcome.code, ERROR_CONFLICT);
    assert_int_equal(outcome.revision, 0);
    assert_int_equal(put_if(f, "/a", "2", 3).code, ERROR_CONFLICT);
    assert_int_equal(put_if(f, "/b", "2", 2).code, ERROR_CONFLICT);
    assert_int_equal(put_if(f, "/b", "2", STORE_ANY_REVISION).code, ERROR_CONFLICT);
    assert_int_equal(put_if(f, "/a", "2", 2).revision, 3);
    assert_int_equal(put_if(f, "/a", "3", STORE_ANY_REVISION).revision, 4);
    assert_int_equal(delete_key(f, "/b").code, ERROR_NOT_FOUND);
    assert_int_equal(store_revision(f->store), 4);
    assert_get(f, "/a", "3@4/2");
}

static void test_which_condition_failed(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT("/c", "1")};
    struct store_condition conditions[] = {{SLICE_LIT("/a"), 2}, {SLICE_LIT("/b"), 0}, {SLICE_LIT("/c"), 9}};
    struct outcome outcome;

    put(f, "/a", "1");
    submit(f, conditions, 3, write, 1, &outcome);
    step_all(f);
    assert_int_equal(outcome.code, ERROR_CONFLICT);
    assert_int_equal(outcome.failed_condition, 2);
    assert_get(f, "/c", "-");
}

static void test_many_operations_are_one_revision_or_none(void **state)
{
    struct fixture *f = *state;
    const struct store_operation good[] = {OP_PUT("/a", "2"), OP_DELETE("/b"), OP_PUT("/c", "3")};
    const struct store_operation bad[] = {OP_PUT("/a", "9"), OP_DELETE("/nothing"), OP_PUT("/d", "9")};
    struct outcome outcome;

    put(f, "/a", "1");
    put(f, "/b", "1");
    submit(f, NULL, 0, good, 3, &outcome);
    step_all(f);
    assert_int_equal(outcome.revision, 4);
    assert_list(f, "", "", 0, 0, "/a=2@4 /c=3@4");
    submit(f, NULL, 0, bad, 3, &outcome);
    step_all(f);
    assert_int_equal(outcome.code, ERROR_NOT_FOUND);
    assert_list(f, "", "", 0, 0, "/a=2@4 /c=3@4");
}

/* In one batch: later ones see earlier ones, and those turned down leave no trace and no gap in the revisions. */
static void test_batch_neighbours(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write_a[] = {OP_PUT("/a", "1")};
    const struct store_operation bad[] = {OP_PUT("/x", "9"), OP_DELETE("/nothing")};
    const struct store_operation again_a[] = {OP_PUT("/a", "2")};
    const struct store_condition absent[] = {{SLICE_LIT("/a"), 0}};
    const struct store_condition at_2[] = {{SLICE_LIT("/a"), 2}};
    struct outcome outcomes[4];
    struct store_stats stats;

    submit(f, absent, 1, write_a, 1, &outcomes[0]);
    submit(f, absent, 1, write_a, 1, &outcomes[1]);
    submit(f, NULL, 0, bad, 2, &outcomes[2]);
    submit(f, at_2, 1, again_a, 1, &outcomes[3]);
    assert_int_equal(outcomes[0].calls, 0);
    assert_true(store_step(f->store));
    assert_false(store_step(f->store));
    assert_int_equal(outcomes[0].revision, 2);
    assert_int_equal(outcomes[1].code, ERROR_CONFLICT);
    assert_int_equal(outcomes[2].code, ERROR_NOT_FOUND);
    assert_int_equal(outcomes[3].revision, 3);
    assert_list(f, "", "", 0, 0, "/a=2@3");
    store_get_stats(f->store, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.transactions, 2);
    assert_int_equal(stats.keys, 1);
    assert_int_equal(stats.revision, 3);
}

static enum error_code submit_code(struct fixture *f, const struct store_operation *operations, size_t count)
{
    struct outcome outcome;

    submit(f, NULL, 0, operations, count, &outcome);
    assert_int_equal(outcome.calls, 0); /* never from inside store_commit */
    step_all(f);
    assert_int_equal(outcome.calls, 1);
    return outcome.code;
}

static void test_bounds(void **state)
{
    struct fixture *f = *state;
    char *big CLEANUP_FREE = mem_zalloc(STORE_VALUE_MAX + 1);
    char key[STORE_KEY_MAX + 1];
    struct store_operation one = {STORE_PUT, SLICE_LIT("/a"), SLICE_NONE, SLICE_NONE};
    struct store_operation many[STORE_OPS_MAX + 1];
    const struct store_operation twice[] = {OP_PUT("/a", "1"), OP_DELETE("/a")};

    memset(key, 'k', sizeof(key));
    assert_int_equal(submit_code(f, NULL, 0), ERROR_INVALID);
    assert_int_equal(submit_code(f, twice, 2), ERROR_INVALID);
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct store_operation){STORE_PUT, slice_make(key, i + 1), SLICE_NONE, SLICE_NONE};
    assert_int_equal(submit_code(f, many, STORE_OPS_MAX + 1), ERROR_INVALID);
    one.value = slice_make(big, STORE_VALUE_MAX + 1);
    assert_int_equal(submit_code(f, &one, 1), ERROR_TOO_LARGE);
    one.value = slice_make(big, STORE_VALUE_MAX);
    one.meta = SLICE_LIT("x");
    assert_int_equal(submit_code(f, &one, 1), ERROR_TOO_LARGE);
    for (size_t i = 0; i < 5; i++)
        many[i].value = slice_make(big, STORE_VALUE_MAX);
    assert_int_equal(submit_code(f, many, 5), ERROR_TOO_LARGE);
    one = (struct store_operation){STORE_PUT, SLICE_NONE, SLICE_NONE, SLICE_NONE};
    assert_int_equal(submit_code(f, &one, 1), ERROR_INVALID);
    one.key = SLICE_LIT("a\0b");
    assert_int_equal(submit_code(f, &one, 1), ERROR_INVALID);
    one.key = slice_make(key, STORE_KEY_MAX + 1);
    assert_int_equal(submit_code(f, &one, 1), ERROR_INVALID);
    assert_int_equal(store_revision(f->store), 1);
    one.key = slice_make(key, STORE_KEY_MAX);
    one.value = slice_make(big, STORE_VALUE_MAX);
    assert_int_equal(submit_code(f, &one, 1), ERROR_NONE);
    assert_int_equal(submit_code(f, many, STORE_OPS_MAX - 1), ERROR_TOO_LARGE);
    many[0].value = many[1].value = many[2].value = SLICE_NONE;
    many[3].value = many[4].value = SLICE_LIT("4");
    assert_int_equal(submit_code(f, many, STORE_OPS_MAX), ERROR_NONE);
}

static void test_full_queue_refuses(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT("/a", "1")};
    struct store_transaction transaction = {NULL, 0, write, 1};
    struct outcome fine = {0}, refused = {0};

    for (int i = 0; i < 16384; i++)
        store_commit(f->store, &transaction, outcome_note, &fine);
    store_commit(f->store, &transaction, outcome_note, &refused);
    assert_int_equal(refused.calls, 0);
    step_all(f);
    assert_int_equal(fine.calls, 16384);
    assert_int_equal(fine.code, ERROR_NONE);
    assert_int_equal(refused.calls, 1);
    assert_int_equal(refused.code, ERROR_TOO_MANY_REQUESTS);
    assert_int_equal(put(f, "/a", "2").revision, 16386);
}

static void test_reopen_keeps_everything(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT("/late", "1")};
    struct outcome outcome;
    struct store_stats before, after;
    struct stat file;
    char *path CLEANUP_FREE = mem_printf("%s/data.mdb", f->path);

    put(f, "/a", "1");
    put(f, "/b", "2");
    put(f, "/a", "3");
    delete_key(f, "/b");
    assert_int_equal(compact(f, 3), ERROR_NONE);
    store_get_stats(f->store, &before);
    fixture_reopen(f);
    store_get_stats(f->store, &after);
    assert_int_equal(after.revision, 5);
    assert_int_equal(after.compacted, 3);
    assert_int_equal(after.keys, 1);
    assert_int_equal(after.bytes_used, before.bytes_used);
    assert_int_equal(store_compacted(f->store), 3);
    assert_list(f, "", "", 0, 0, "/a=3@4");
    assert_list(f, "", "", 3, 0, "/a=1@2 /b=2@3");
    assert_log(f, "", 3, 0, 0, "4*/a=3<1@2 5-/b=2 |5");
    submit(f, NULL, 0, write, 1, &outcome);
    fixture_reopen(f);
    assert_int_equal(outcome.revision, 6); /* closing finishes what is queued */
    assert_get(f, "/late", "1@6/6");
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
}

static void test_open_makes_the_folder_private(void **state)
{
    struct fixture *f = *state;
    char *path CLEANUP_FREE = mem_printf("%s/inner", f->path);
    char *missing CLEANUP_FREE = mem_printf("%s/no/inner", f->path);
    struct store_options options = {.path = path, .manual = true};
    struct store *store = NULL;
    struct stat folder;
    ERROR_LOCAL(err);

    assert_int_equal(store_open(&options, &store, &err), 0);
    assert_int_equal(stat(path, &folder), 0);
    assert_int_equal(folder.st_mode & 0777, 0700);
    store_close(store);
    test_remove_folder(path);
    options.path = missing;
    assert_int_equal(store_open(&options, &store, &err), -ERROR_IO);
    assert_non_null(strstr(error_text(&err), missing));
    store_close(NULL);
}

static void test_second_open_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    struct store *second = NULL;
    char *mine CLEANUP_FREE = mem_printf("in use by process %ld", (long)getpid());
    ERROR_LOCAL(err);

    assert_int_equal(store_open(&options, &second, &err), -ERROR_UNAVAILABLE);
    assert_null(second);
    assert_non_null(strstr(error_text(&err), mine));
    put(f, "/a", "1"); /* and the first goes on */
    assert_get(f, "/a", "1@2/2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_put_get_delete),
        store_test(test_get_gives_meta_snapshot_and_the_visitors_answer),
        store_test(test_conditions),
        store_test(test_which_condition_failed),
        store_test(test_many_operations_are_one_revision_or_none),
        store_test(test_batch_neighbours),
        store_test(test_bounds),
        store_test(test_full_queue_refuses),
        store_test(test_reopen_keeps_everything),
        store_test(test_open_makes_the_folder_private),
        store_test(test_second_open_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
