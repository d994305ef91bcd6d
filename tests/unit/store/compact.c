/* SPDX-License-Identifier: Apache-2.0 */
/* Compaction and space: what is forgotten, what the quota stops, and how room comes back. */
#include <sys/stat.h>

#include "tests/unit/store/fixture.h"

static void test_compaction_forgets_only_the_past(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/gone", "1");
    delete_key(f, "/gone");
    put(f, "/a", "2");
    put(f, "/a", "3");
    assert_int_equal(compact(f, 4), ERROR_NONE);
    assert_int_equal(store_compacted(f->store), 4);
    assert_list(f, "", "", 3, 0, "E:Expired");
    assert_list(f, "", "", 4, 0, "/a=1@2");
    assert_list(f, "", "", 5, 0, "/a=2@5");
    assert_list(f, "", "", 0, 0, "/a=3@6");
    assert_log(f, "", 4, 0, 0, "5*/a=2<1@2 6*/a=3<2@5 |6");
    assert_log(f, "", 3, 0, 0, "E:Expired");
    assert_int_equal(compact(f, 6), ERROR_NONE);
    assert_log(f, "", 6, 0, 0, "|6");
    fixture_reopen(f);
    assert_false(store_step(f->store)); /* nothing was left to trim */
    assert_get(f, "/a", "3@6/2");
    put(f, "/a", "4");
    assert_log(f, "", 6, 0, 0, "7*/a=4<3@6 |7");
}

static void test_compaction_of_odd_revisions(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    assert_int_equal(compact(f, 3), ERROR_INVALID);
    assert_int_equal(store_compacted(f->store), 1);
    assert_int_equal(compact(f, 0), ERROR_NONE);
    assert_int_equal(compact(f, 2), ERROR_NONE);
    assert_int_equal(compact(f, 1), ERROR_NONE);
    assert_int_equal(store_compacted(f->store), 2);
    store_compact(f->store, 2, NULL, NULL);
    step_all(f);
}

/* Fills `count` transactions of 100 operations each, over the same 100 keys. */
static void fill(struct fixture *f, int count)
{
    struct store_operation operations[100];
    char keys[100][8];
    struct outcome outcome;

    for (int i = 0; i < 100; i++) {
        keys[i][0] = 'k';
        keys[i][1] = (char)('0' + i / 10);
        keys[i][2] = (char)('0' + i % 10);
        operations[i] = (struct store_operation){STORE_PUT, slice_make(keys[i], 3), SLICE_NONE, SLICE_LIT("value")};
    }
    while (count--) {
        submit(f, NULL, 0, operations, 100, &outcome);
        assert_true(store_step(f->store));
        assert_int_equal(outcome.code, ERROR_NONE);
    }
}

static void note_code(void *arg, const struct error *err)
{
    *(int *)arg = err ? (int)err->code : 0;
}

static int fixture_setup_segments(void **state)
{
    struct fixture *f;
    int rc = fixture_setup(state);

    f = *state;
    store_close(f->store);
    test_remove_folder(f->path);
    f->segment_bytes = 16 << 10;
    fixture_open(f);
    return rc;
}

/* A compaction goes in steps, with writes in between; from its first step on nobody sees below it. */
static void test_compaction_goes_in_steps(void **state)
{
    struct fixture *f = *state;
    struct store_stats before, after;
    int code = -1, steps = 0;

    fill(f, 12);
    store_get_stats(f->store, &before);
    assert_true(before.log_bytes > 8 * (16 << 10));
    store_compact(f->store, 13, note_code, &code);
    while (store_compacted(f->store) != 13) {
        assert_true(store_step(f->store));
        assert_true(steps++ < 20);
    }
    assert_int_equal(code, -1);
    assert_log(f, "", 12, 0, 0, "E:Expired");
    fill(f, 1);
    assert_int_equal(code, -1);
    step_all(f);
    assert_int_equal(code, 0);
    store_get_stats(f->store, &after);
    assert_true(after.log_bytes < before.log_bytes / 2);
    assert_int_equal(after.bytes_used, before.bytes_used);
    assert_list(f, "k00", "", 13, 0, "k00=value@13");
    assert_list(f, "k00", "", 14, 0, "k00=value@14");
}

/* Whoever writes without pause keeps no compaction from its end. */
static void test_compaction_ends_among_writes(void **state)
{
    struct fixture *f = *state;
    int code = -1;

    fill(f, 12);
    store_compact(f->store, 13, note_code, &code);
    for (int i = 0; i < 200 && code == -1; i++) {
        fill(f, 1);
        assert_true(store_step(f->store));
    }
    assert_int_equal(code, 0);
}

/* Closed half-way, the rest is removed after the next opening. */
static void test_compaction_goes_on_after_reopen(void **state)
{
    struct fixture *f = *state;
    struct store_stats before, after;
    int code = -1;

    fill(f, 12);
    store_compact(f->store, 13, note_code, &code);
    while (store_compacted(f->store) != 13)
        assert_true(store_step(f->store));
    assert_int_equal(code, -1);
    fixture_reopen(f);
    assert_int_equal(code, ERROR_CANCELLED);
    assert_int_equal(store_compacted(f->store), 13);
    store_get_stats(f->store, &before);
    step_all(f);
    store_get_stats(f->store, &after);
    assert_true(after.log_bytes < before.log_bytes);
    assert_log(f, "", 13, 0, 0, "|13");
    assert_list(f, "k0", "k08", 13, 0, "k09=value@13");
    assert_false(store_step(f->store));
    fixture_reopen(f);
    assert_list(f, "k0", "k08", 13, 0, "k09=value@13");
    assert_log(f, "", 13, 0, 0, "|13");
}

/* The history has a bound of its own: its oldest part goes by itself, what lives stays, and the disk is given back. */
static void test_history_is_bounded_by_bytes(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;
    uint64_t compacted;

    f->history = 64 << 10;
    f->checkpoint_count = 300;
    fixture_reopen(f);
    put(f, "/old", "1");
    for (int i = 0; i < 30; i++) {
        fill(f, 1);
        step_all(f);
        store_get_stats(f->store, &stats);
        assert_true(stats.log_bytes <= (64 << 10) + 3 * (16 << 10));
    }
    compacted = store_compacted(f->store);
    assert_in_range(compacted, 20, store_revision(f->store) - 2);
    assert_get(f, "/old", "1@2/2");
    assert_list(f, "k00", "", compacted - 1, 0, "E:Expired");
    assert_list(f, "/old", "", compacted, 0, "/old=1@2");
    fixture_reopen(f);
    assert_int_equal(store_compacted(f->store), compacted);
    assert_list(f, "/old", "", compacted, 0, "/old=1@2");
}

/* ... also when more than that is written again while the keeper writes one table. */
static void test_history_goes_among_writes(void **state)
{
    struct fixture *f = *state;

    f->history = 32 << 10;
    f->checkpoint_count = 300;
    fixture_reopen(f);
    for (int i = 0; i < 20; i++) {
        fill(f, 8);
        assert_true(store_step(f->store));
    }
    assert_true(store_compacted(f->store) > 80);
}

static int fixture_setup_small(void **state)
{
    struct fixture *f;
    int rc = fixture_setup(state);

    f = *state;
    f->quota = 1 << 20;
    fixture_reopen(f);
    return rc;
}

static struct outcome put_big(struct fixture *f, int i, size_t size)
{
    char *value CLEANUP_FREE = mem_zalloc(size + 1);
    char key[] = {'/', (char)('a' + i / 26), (char)('a' + i % 26), '\0'};

    memset(value, 'v', size);
    return put(f, key, value);
}

static void test_quota_stops_puts_and_deletions_free(void **state)
{
    struct fixture *f = *state;
    struct outcome outcome = {0};
    struct store_stats stats;
    int count = 0;

    while (outcome.code == ERROR_NONE && count < 600)
        outcome = put_big(f, count++, 6000);
    assert_int_equal(outcome.code, ERROR_NO_SPACE);
    assert_non_null(strstr(outcome.message, "database space exceeded"));
    assert_true(count > 60);
    store_get_stats(f->store, &stats);
    assert_int_equal(stats.quota, 1 << 20);
    assert_true(stats.bytes_used <= stats.quota && stats.bytes_used > stats.quota * 8 / 10);
    for (int i = 0; i < count - 1; i++) {
        char key[] = {'/', (char)('a' + i / 26), (char)('a' + i % 26), '\0'};

        assert_int_equal(delete_key(f, key).code, ERROR_NONE);
    }
    store_get_stats(f->store, &stats);
    assert_int_equal(stats.bytes_used, 0); /* the history has bounds of its own */
    assert_list(f, "", "", 0, 0, "");
    for (int i = 0; i < 60; i++)
        assert_int_equal(put_big(f, i, 6000).code, ERROR_NONE);
}

/* In one batch, what fits is written beside what does not. */
static void test_quota_spares_the_neighbours(void **state)
{
    struct fixture *f = *state;
    size_t size = (2 << 20) + 1;
    char *value CLEANUP_FREE = mem_zalloc(size);
    const struct store_operation big[] = {{STORE_PUT, SLICE_LIT("/big"), SLICE_NONE, slice_make(value, size)}};
    const struct store_operation small[] = {OP_PUT("/small", "1")};
    struct outcome outcomes[2];

    submit(f, NULL, 0, big, 1, &outcomes[0]);
    submit(f, NULL, 0, small, 1, &outcomes[1]);
    assert_true(store_step(f->store));
    assert_int_equal(outcomes[0].code, ERROR_NO_SPACE);
    assert_int_equal(outcomes[1].revision, 2);
}

/* Rewriting and compacting for long must not make the file grow for ever. */
static void test_churn_reuses_space(void **state)
{
    struct fixture *f = *state;
    char *path CLEANUP_FREE = mem_printf("%s/data.mdb", f->path);
    struct store_stats stats;
    struct stat file;

    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 20; i++)
            assert_int_equal(put_big(f, i, 10000).code, ERROR_NONE);
        assert_int_equal(compact(f, store_revision(f->store)), ERROR_NONE);
    }
    assert_int_equal(stat(path, &file), 0);
    /* Three times what lives, and what is set aside. */
    assert_in_range(file.st_size, 1, 3 * 20 * 12288 + (4 << 20));
    store_get_stats(f->store, &stats);
    assert_in_range(stats.log_bytes, 1, 2 << 20);
}

/* Large values are dissolved in steps as small as small ones, because writers share the disk with them. */
static void test_steps_are_bounded_by_bytes(void **state)
{
    struct fixture *f = *state;
    int steps = 0;

    store_close(f->store);
    test_remove_folder(f->path);
    f->segment_bytes = 8 << 20;
    fixture_open(f);
    for (int i = 0; i < 100; i++)
        assert_int_equal(put_big(f, i, 100000).code, ERROR_NONE);
    store_compact(f->store, store_revision(f->store), NULL, NULL);
    while (store_step(f->store))
        steps++;
    assert_in_range(steps, 8, 20); /* a MiB each */
}

static void test_revision_of_a_time(void **state)
{
    struct fixture *f = *state;
    int64_t start = clock_wall_ns(&f->clock.base);
    int64_t made = 0;

    assert_int_equal(store_revision_at(f->store, start), 1);
    for (int i = 0; i < 10; i++) {
        clock_fake_advance(&f->clock, NS_PER_S);
        put(f, "/a", "1"); /* revision 2 + i, 1 + i seconds after the start */
    }
    assert_int_equal(store_revision_at(f->store, start), 1);
    assert_int_equal(store_revision_at(f->store, start + NS_PER_S), 2);
    assert_int_equal(store_revision_at(f->store, start + 5 * NS_PER_S - 1), 5);
    assert_int_equal(store_revision_at(f->store, start + 100 * NS_PER_S), 11);
    assert_int_equal(store_revision_time(f->store, 4, &made, NULL), 0);
    assert_int_equal(made, start + 3 * NS_PER_S);
    assert_int_equal(store_revision_time(f->store, 12, &made, NULL), -(int)ERROR_TIMEOUT);
    fixture_reopen(f);
    assert_int_equal(store_revision_at(f->store, start + 4 * NS_PER_S), 5);
    assert_int_equal(compact(f, 7), ERROR_NONE);
    assert_int_equal(store_revision_at(f->store, start), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_compaction_forgets_only_the_past),
        store_test(test_compaction_of_odd_revisions),
        cmocka_unit_test_setup_teardown(test_compaction_goes_in_steps, fixture_setup_segments, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compaction_ends_among_writes, fixture_setup_segments, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_compaction_goes_on_after_reopen, fixture_setup_segments, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_history_is_bounded_by_bytes, fixture_setup_segments, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_history_goes_among_writes, fixture_setup_segments, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_quota_stops_puts_and_deletions_free, fixture_setup_small,
                                        fixture_teardown),
        cmocka_unit_test_setup_teardown(test_quota_spares_the_neighbours, fixture_setup_small, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_churn_reuses_space, fixture_setup_small, fixture_teardown),
        store_test(test_steps_are_bounded_by_bytes),
        store_test(test_revision_of_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
