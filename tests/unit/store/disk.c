/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a failing disk and a loss of power did together before it was mended; each was found by tests/sim. Every test
 * ends with what may be left on the disk, in many forms: it opens, and what was acknowledged is there.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/disk/disk.h"
#include "tests/unit/test.h"

#define IMAGES 60

static struct {
    char folder[64];
    char *root;
    struct disk *disk;
    size_t applied;
    struct clock_fake clock;
    struct store *store;
    enum disk_call call; /* its nth fails */
    int nth;
    bool done_anyway; /* a write that fails is there whole */
    int power_for;    /* calls until the power goes; 0 = it stays */
    int images;       /* that are looked at */
} t;

static int fault(enum disk_call call, size_t *len)
{
    if (t.power_for && --t.power_for == 0)
        disk_freeze();
    if (disk_frozen()) {
        *len = 0;
        return EIO;
    }
    if (call != t.call || !t.nth || --t.nth)
        return 0;
    *len = t.done_anyway ? *len : 0;
    return EIO;
}

static void fail_next(enum disk_call call, int nth)
{
    t.call = call;
    t.nth = nth;
}

static int setup(void **state)
{
    memset(&t, 0, sizeof(t));
    t.images = IMAGES;
    disk_seed = 77;
    clock_fake_init(&t.clock, 1700000000 * NS_PER_S);
    (void)snprintf(t.folder, sizeof(t.folder), "%s/knarr-disk-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(t.folder));
    t.root = mem_printf("%s/store", t.folder);
    t.disk = disk_new();
    disk_restart(t.disk, t.root);
    disk_fault = fault;
    return 0;
}

static int teardown(void **state)
{
    disk_unwatch();
    disk_fault = NULL;
    store_close(t.store);
    disk_free(t.disk);
    disk_remove(t.root);
    (void)rmdir(t.folder);
    free(t.root);
    return 0;
}

static int open_at(const char *path, struct store **ret_store)
{
    const struct store_options options = {
        .path = path, .clock = &t.clock.base, .manual = true, .segment_bytes = 16 << 10, .checkpoint_count = 10};
    ERROR_LOCAL(err);

    return store_open(&options, ret_store, &err);
}

static void step_all(void)
{
    while (store_step(t.store))
        ;
}

static void note_code(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    *(enum error_code *)arg = err ? err->code : ERROR_NONE;
}

static enum error_code put_sized(const char *key, int size)
{
    char *value CLEANUP_FREE = mem_printf("%0*d", size, 0);
    const struct store_operation put = {.kind = STORE_PUT, .key = slice_str(key), .value = slice_str(value)};
    enum error_code code = ERROR_CODE_COUNT;

    store_commit(t.store, &(struct store_transaction){.operations = &put, .operation_count = 1}, note_code, &code);
    step_all();
    return code;
}

static enum error_code put(const char *key)
{
    return put_sized(key, 1500);
}

static void compact_note(void *arg, const struct error *err)
{
    *(enum error_code *)arg = err ? err->code : ERROR_NONE;
}

static enum error_code compact(uint64_t revision)
{
    static enum error_code code; /* one that failed is tried again, and may tell after we left */

    code = ERROR_CODE_COUNT;
    clock_fake_advance(&t.clock, 2 * NS_PER_S); /* a failure is behind it */
    store_compact(t.store, revision, compact_note, &code);
    step_all();
    return code;
}

static int item_seen(void *arg, const struct store_item *item)
{
    return 0;
}

static bool is_there(struct store *store, const char *key)
{
    return store_get(store, slice_str(key), item_seen, NULL, NULL, NULL) == 0;
}

static int event_seen(void *arg, const struct store_event *event)
{
    (*(size_t *)arg)++;
    return 0;
}

/* Nothing was ever written. */
static void start_anew(void)
{
    store_close(STEAL(t.store));
    disk_remove(t.root);
    disk_free(t.disk);
    t.disk = disk_new();
    t.applied = 0;
    disk_restart(t.disk, t.root);
}

/* The power goes: whatever is left opens, at that revision or up to `more` behind it, has the key, and its log is
 * whole. */
static void check_images(uint64_t revision, uint64_t more, const char *key)
{
    char *image CLEANUP_FREE = mem_printf("%s/image", t.folder);

    disk_unwatch();
    for (; t.applied < disk_steps(); t.applied++)
        disk_apply(t.disk, t.applied);
    for (int i = 0; i < t.images; i++) {
        struct store *store = NULL;
        size_t events = 0;

        disk_image(t.disk, image);
        assert_int_equal(open_at(image, &store), 0);
        assert_in_range(store_revision(store), revision, revision + more);
        assert_true(!key || is_there(store, key));
        assert_int_equal(store_read_log(store, SLICE_NONE, STORE_HISTORY_FULL, store_compacted(store), 0, 0, event_seen,
                                        &events, NULL, NULL),
                         0);
        assert_int_equal(events, store_revision(store) - store_compacted(store));
        store_close(store);
        disk_remove(image);
    }
}

/* The first segment has its name, but the folder could not be synced, and the opening failed. The next one built on it,
 * and the power took the name away. */
static void test_name_of_a_segment(void **state)
{
    int nth = 0, left;

    do {
        start_anew();
        fail_next(DISK_SYNC, ++nth);
        if (open_at(t.root, &t.store) < 0)
            assert_int_equal(open_at(t.root, &t.store), 0);
        left = t.nth;
        t.nth = 0;
        assert_int_equal(put("/a"), ERROR_NONE);
        check_images(2, 0, "/a");
    } while (!left);
    assert_in_range(nth, 6, 60);
}

/* A write whose sync failed is read when the store is opened again: then it counts, and must be on the disk. The kernel
 * does not write it by itself any more. */
static void test_failed_sync_then_restart(void **state)
{
    assert_int_equal(open_at(t.root, &t.store), 0);
    assert_int_equal(put("/a"), ERROR_NONE);
    fail_next(DISK_SYNC, 1);
    assert_int_equal(put("/b"), ERROR_IO);
    store_close(STEAL(t.store));
    assert_int_equal(open_at(t.root, &t.store), 0);
    assert_int_equal(store_revision(t.store), 3);
    assert_true(is_there(t.store, "/b"));
    check_images(3, 0, "/b");
}

/* Of two segments that were dissolved the second one's file is gone and the first one's is not. */
static void test_old_segment_stays_behind(void **state)
{
    assert_int_equal(open_at(t.root, &t.store), 0);
    for (int i = 0; i < 40; i++)
        assert_int_equal(put("/a"), ERROR_NONE);
    fail_next(DISK_UNLINK, 1);
    assert_int_equal(compact(41), ERROR_NONE);
    assert_int_equal(t.nth, 0);
    store_close(STEAL(t.store));
    assert_int_equal(open_at(t.root, &t.store), 0);
    assert_true(is_there(t.store, "/a"));
    check_images(41, 0, "/a");
}

/* A compaction fails in any of its writes, LMDB's last page among them, be it written after all or not: reading and
 * writing go on, and all agree on how far back they go. */
static void failed_compaction(bool done_anyway)
{
    int failures = 0;

    assert_int_equal(open_at(t.root, &t.store), 0);
    t.done_anyway = done_anyway;
    for (int nth = 1; nth <= 12; nth++) {
        uint64_t revision, until;
        size_t events = 0;

        for (int i = 0; i < 40; i++)
            assert_int_equal(put("/a"), ERROR_NONE);
        revision = store_revision(t.store);
        fail_next(DISK_WRITE, nth);
        (void)compact(revision - 1);
        failures += !t.nth;
        t.nth = 0;
        assert_true(is_there(t.store, "/a"));
        assert_int_equal(store_read_log(t.store, SLICE_NONE, STORE_HISTORY_FULL, store_compacted(t.store), 0, 0,
                                        event_seen, &events, &until, NULL),
                         0);
        assert_int_equal(until, revision);
        assert_int_equal(put("/a"), ERROR_NONE);
    }
    assert_in_range(failures, 6, 12);
    check_images(store_revision(t.store), 0, "/a");
}

static void test_failed_compaction(void **state)
{
    failed_compaction(false);
}

static void test_failed_compaction_that_was_done(void **state)
{
    failed_compaction(true);
}

/* A write that is larger than a segment enlarges the next one, and the power goes at any call meanwhile. */
static void test_power_goes_while_a_segment_grows(void **state)
{
    bool gone = true;
    int calls = 0;

    while (gone) {
        start_anew();
        assert_int_equal(open_at(t.root, &t.store), 0);
        assert_int_equal(put("/a"), ERROR_NONE);
        t.power_for = ++calls;
        (void)put_sized("/b", 60000);
        gone = disk_frozen();
        t.power_for = 0;
        check_images(2, 1, "/a");
    }
    assert_in_range(calls, 8, 100);
}

/* The nth write of a compaction fails, but is done; the power goes `calls` calls later, while a table goes to LMDB.
 * False when there are not so many writes or calls. */
static bool power_goes_behind_a_failed_commit(int nth, int calls)
{
    bool failed, gone;

    start_anew();
    assert_int_equal(open_at(t.root, &t.store), 0);
    for (int i = 0; i < 9; i++)
        assert_int_equal(put("/a"), ERROR_NONE);
    fail_next(DISK_WRITE, nth);
    (void)compact(8);
    failed = !t.nth;
    t.nth = 0;
    for (char key[] = "/b"; key[1] < 'k'; key[1]++)
        assert_int_equal(put_sized(key, 10), ERROR_NONE);
    clock_fake_advance(&t.clock, 2 * NS_PER_S);
    t.power_for = calls;
    (void)put_sized("/b", 10);
    gone = disk_frozen();
    t.power_for = 0;
    check_images(19, 1, "/a");
    return failed && gone;
}

/* LMDB's last page was written and said to have failed, and LMDB took it back without a sync: what it wrote next lay
 * over pages that the disk's own version needs. */
static void test_power_goes_behind_a_failed_commit(void **state)
{
    int nth = 0, calls;

    t.done_anyway = true;
    t.images = 5;
    do {
        calls = 1;
        nth++;
        while (power_goes_behind_a_failed_commit(nth, calls))
            calls++;
    } while (calls > 1);
    assert_in_range(nth, 6, 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_name_of_a_segment, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_sync_then_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_old_segment_stays_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_compaction, setup, teardown),
        cmocka_unit_test_setup_teardown(test_failed_compaction_that_was_done, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_goes_while_a_segment_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_power_goes_behind_a_failed_commit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
