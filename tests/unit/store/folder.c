/* SPDX-License-Identifier: Apache-2.0 */
/* Folders: what was kept is never older than what has been acknowledged. */
#include "tests/unit/store/fixture.h"

#include <stdatomic.h>

#define FOLDER        "/limits/ns/"
#define asked(f, key) store_folder_revision((f)->store, SLICE_LIT(key))

static void test_a_change_is_noted_in_its_folder(void **state)
{
    struct fixture *f = *state;
    uint64_t revision;

    assert_int_equal(asked(f, FOLDER), 0);
    revision = put(f, FOLDER "a", "1").revision;
    assert_int_equal(asked(f, FOLDER), revision);
    assert_int_equal(asked(f, FOLDER "b"), revision); /* of any key in it */
    assert_int_equal(put_if(f, FOLDER "a", "2", 0).code, ERROR_CONFLICT);
    assert_int_equal(asked(f, FOLDER), revision);
    revision = put(f, FOLDER "a", "2").revision;
    assert_int_equal(asked(f, FOLDER), revision);
    revision = delete_key(f, FOLDER "a").revision;
    assert_int_equal(asked(f, FOLDER), revision);
}

static void test_folders_are_apart(void **state)
{
    struct fixture *f = *state;
    size_t moved = 0;

    put(f, FOLDER "a", "1");
    for (size_t i = 0; i < 100; i++) {
        char *key CLEANUP_FREE = mem_printf("/limits/n%zu/a", i);
        uint64_t before = asked(f, FOLDER);

        put(f, key, "1");
        moved += asked(f, FOLDER) != before;
    }
    assert_true(moved < 3); /* two may share a place */
}

static void test_a_note_comes_before_what_it_speaks_of(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT(FOLDER "a", "1"), OP_PUT("/other/b", "1")};
    struct store_transaction t = {.operations = write, .operation_count = 2};
    struct outcome outcome = {0};

    store_commit(f->store, &t, outcome_note, &outcome);
    assert_int_equal(asked(f, FOLDER), 0); /* it only waits */
    step_all(f);
    assert_int_equal(asked(f, FOLDER), outcome.revision);
    assert_int_equal(asked(f, "/other/"), outcome.revision);
    fixture_reopen(f);
    assert_int_equal(asked(f, FOLDER), 0); /* nobody has kept anything of before */
    assert_list(f, FOLDER, "", 0, 0, FOLDER "a=1@2");
}

/* ---- one who keeps what he read, beside one who writes ---- */

#define ROUNDS 800

struct keeper {
    struct store *store;
    _Atomic uint64_t acknowledged; /* revision */
    uint64_t noted;
    uint64_t seen; /* mod_revision of the key when it was read */
    bool kept;
    size_t read;
};

static int keep_item(void *arg, const struct store_item *item)
{
    ((struct keeper *)arg)->seen = item->mod_revision;
    return 0;
}

static void keep_look(struct keeper *k)
{
    struct store_range range = {.prefix = SLICE_LIT(FOLDER), .skip_count = true};
    uint64_t least = atomic_load(&k->acknowledged);
    uint64_t now = store_folder_revision(k->store, range.prefix);
    struct store_range_result result;

    if (!k->kept || now != k->noted) {
        assert_int_equal(store_list(k->store, &range, keep_item, k, &result, NULL), 0);
        k->noted = now;
        k->kept = result.revision >= now;
        k->read++;
    }
    assert_true(k->seen >= least);
}

static void keep_note(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct keeper *k = arg;

    (void)failed_condition;
    if (!err)
        atomic_store(&k->acknowledged, revision);
}

static void ignore(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    (void)arg, (void)revision, (void)failed_condition, (void)err;
}

static void test_what_is_kept_is_never_old(void **state)
{
    struct fixture *f = *state;
    struct keeper k = {.store = f->store};
    const struct store_operation write[] = {OP_PUT(FOLDER "a", "1")};
    const struct store_operation other[] = {OP_PUT("/pods/ns/a", "1")};
    struct store_transaction t = {.operation_count = 1};
    uint64_t before = 0;

    for (size_t i = 0; i < ROUNDS; i++) {
        bool own = i % 8 == 0;

        t.operations = own ? write : other;
        store_commit(f->store, &t, own ? keep_note : ignore, &k);
        while (own && atomic_load(&k.acknowledged) == before)
            keep_look(&k);
        before = atomic_load(&k.acknowledged);
        keep_look(&k);
    }
    assert_true(k.read >= ROUNDS / 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_a_change_is_noted_in_its_folder),
        store_test(test_folders_are_apart),
        store_test(test_a_note_comes_before_what_it_speaks_of),
        store_test_threaded(test_what_is_kept_is_never_old),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
