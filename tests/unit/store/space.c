/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that becomes full. The linker hands every setting aside of space to the wrapper first, which knows how large
 * the disk is: what the store's files would take beyond it is refused. LMDB itself is not refused anything; that it
 * never takes more than was set aside for it is what the tests look at after every step.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_backup.h"
#include "tests/unit/store/fixture.h"

#define SEGMENT   (64u << 10)
#define DISK      (1u << 20)
#define VALUE_LEN 1500

static struct {
    size_t bytes;
    size_t given; /* of data.mdb, set aside */
    struct fixture *fixture;
} disk;

int __real_posix_fallocate64(int fd, off_t at, off_t len);
int __wrap_posix_fallocate64(int fd, off_t at, off_t len);

static size_t file_bytes(const char *name)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", disk.fixture->path, name);
    struct stat file;

    return stat(path, &file) == 0 ? (size_t)file.st_size : 0;
}

static size_t disk_used(void)
{
    char *path CLEANUP_FREE = mem_printf("%s/log", disk.fixture->path);
    size_t used = file_bytes("data.mdb");
    DIR *folder = opendir(path);
    struct dirent *entry;
    struct stat file;

    while (folder && (entry = readdir(folder)))
        if (fstatat(dirfd(folder), entry->d_name, &file, 0) == 0 && S_ISREG(file.st_mode))
            used += (size_t)file.st_size;
    if (folder)
        (void)closedir(folder);
    return used;
}

int __wrap_posix_fallocate64(int fd, off_t at, off_t len)
{
    char *path CLEANUP_FREE = NULL;
    struct stat file, data;

    if (!disk.fixture)
        return __real_posix_fallocate64(fd, at, len);
    path = mem_printf("%s/data.mdb", disk.fixture->path);
    assert_int_equal(fstat(fd, &file), 0);
    if (at + len > file.st_size && disk_used() + (size_t)(at + len - file.st_size) > disk.bytes)
        return ENOSPC;
    if (stat(path, &data) == 0 && data.st_ino == file.st_ino)
        disk.given = (size_t)(at + len);
    return __real_posix_fallocate64(fd, at, len);
}

static int setup(void **state)
{
    int rc;

    memset(&disk, 0, sizeof(disk));
    disk.bytes = SIZE_MAX;
    rc = fixture_setup(state);
    disk.fixture = *state;
    store_close(disk.fixture->store);
    test_remove_folder(disk.fixture->path);
    disk.fixture->segment_bytes = SEGMENT;
    disk.bytes = DISK;
    fixture_open(disk.fixture);
    return rc;
}

static struct outcome commit_one(struct fixture *f, const struct store_operation *operation, bool reserve)
{
    struct outcome outcome = {0};

    store_commit(f->store,
                 &(struct store_transaction){.operations = operation, .operation_count = 1, .reserve = reserve},
                 outcome_note, &outcome);
    clock_fake_advance(&f->clock, NS_PER_S);
    step_all(f);
    assert_int_equal(outcome.calls, 1);
    assert_true(disk_used() <= disk.bytes);
    assert_true(file_bytes("data.mdb") <= disk.given);
    return outcome;
}

static struct outcome put_numbered(struct fixture *f, int number, enum store_class class)
{
    char key[16], value[VALUE_LEN];
    int len = snprintf(key, sizeof(key), "/%05d", number);

    memset(value, 'a' + number % 26, sizeof(value));
    return commit_one(f,
                      &(struct store_operation){.kind = STORE_PUT,
                                                .key = slice_make(key, (size_t)len),
                                                .value = slice_make(value, sizeof(value)),
                                                .class = class},
                      false);
}

static struct outcome delete_numbered(struct fixture *f, int number)
{
    char key[16];
    int len = snprintf(key, sizeof(key), "/%05d", number);

    return commit_one(f, &(struct store_operation){STORE_DELETE, slice_make(key, (size_t)len)}, false);
}

static bool is_full(struct fixture *f)
{
    struct store_stats stats;

    store_get_stats(f->store, &stats);
    return stats.full;
}

/* Puts from number `first` on until one is refused and no history is left to make room; its number. */
static int fill_disk(struct fixture *f, int first)
{
    struct outcome outcome = {0};
    int number = first;

    while (number < first + 5000 && (outcome.code == ERROR_NONE || !is_full(f))) {
        outcome = put_numbered(f, number, STORE_HISTORY_FULL);
        number += outcome.code == ERROR_NONE;
        assert_true(outcome.code == ERROR_NONE || outcome.code == ERROR_NO_SPACE);
    }
    assert_non_null(strstr(outcome.message, "database space exceeded"));
    return number;
}

static int count_item(void *arg, const struct store_item *item)
{
    int *count = arg;

    assert_true(item->value.len == VALUE_LEN || slice_starts(item->key, SLICE_LIT("/lease")));
    (*count)++;
    return 0;
}

static int count_all(struct fixture *f)
{
    struct store_range_result result;
    int count = 0;

    assert_int_equal(
        store_list(f->store, &(struct store_range){.prefix = SLICE_NONE}, count_item, &count, &result, NULL), 0);
    return count;
}

/* Who would fill it further is turned down; whoever reads, renews or deletes goes on; and then there is room. */
static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    const struct store_operation lease = {
        .kind = STORE_PUT, .key = SLICE_LIT("/lease"), .value = SLICE_LIT("holder"), .class = STORE_HISTORY_NONE};
    const struct store_operation marked = {.kind = STORE_PUT, .key = SLICE_LIT("/lease2"), .value = SLICE_LIT("ends")};
    int count;

    assert_int_equal(commit_one(f, &lease, false).code, ERROR_NONE);
    count = fill_disk(f, 0);
    assert_true(is_full(f));
    assert_true((size_t)count * VALUE_LEN > DISK / 3);
    assert_int_equal(count_all(f), count + 1);
    assert_int_equal(commit_one(f, &lease, false).code, ERROR_NONE);
    assert_int_equal(commit_one(f, &marked, false).code, ERROR_NO_SPACE);
    assert_int_equal(commit_one(f, &marked, true).code, ERROR_NONE);
    assert_int_equal(compact(f, store_revision(f->store)), ERROR_NONE);
    for (int i = 0; i < count; i++)
        assert_int_equal(delete_numbered(f, i).code, ERROR_NONE);
    assert_false(is_full(f));
    assert_int_equal(count_all(f), 2);
    /* As much as before, and once more. */
    for (int round = 0; round < 2; round++) {
        int again = fill_disk(f, 0);

        assert_true(again > count * 8 / 10);
        for (int i = 0; i < again; i++)
            assert_int_equal(delete_numbered(f, i).code, ERROR_NONE);
    }
}

/* In any order, and however often it is opened meanwhile. */
static void test_opened_when_full(void **state)
{
    struct fixture *f = *state;
    int count = fill_disk(f, 0);

    for (int i = 0; i < count; i++) {
        if (i % 40 == 0)
            fixture_reopen(f);
        assert_int_equal(count_all(f), count - i);
        assert_int_equal(delete_numbered(f, i * 7 % count).code, count % 7 ? ERROR_NONE : ERROR_NOT_FOUND);
    }
    assert_int_equal(put_numbered(f, 1, STORE_HISTORY_FULL).code, ERROR_NONE);
}

/* Far more of them than what was set aside: the log behind them is dissolved. */
static void test_renewals_of_a_full_disk(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    int count;

    assert_int_equal(put_numbered(f, 9999, STORE_HISTORY_NONE).code, ERROR_NONE);
    count = fill_disk(f, 0);
    for (int i = 0; i < 20 * (int)SEGMENT / VALUE_LEN; i++) {
        struct outcome outcome = put_numbered(f, 9999, STORE_HISTORY_NONE);

        assert_int_equal(outcome.code, ERROR_NONE);
        assert_true(outcome.revision > last);
        last = outcome.revision;
    }
    assert_int_equal(count_all(f), count + 1);
    fixture_reopen(f);
    assert_int_equal(count_all(f), count + 1);
    assert_int_equal(store_revision(f->store), last);
}

/* Room that somebody else makes is taken for the reserve first, and seen without a restart. */
static void test_room_comes_back(void **state)
{
    struct fixture *f = *state;
    int count = fill_disk(f, 0);
    size_t used;

    disk.bytes += SEGMENT / 2;
    assert_int_equal(put_numbered(f, count, STORE_HISTORY_FULL).code, ERROR_NO_SPACE);
    disk.bytes += 8 * SEGMENT;
    used = disk_used();
    clock_fake_advance(&f->clock, 2 * NS_PER_S);
    step_all(f);
    assert_true(disk_used() > used);
    assert_false(is_full(f));
    assert_int_equal(put_numbered(f, count, STORE_HISTORY_FULL).code, ERROR_NONE);
    assert_int_equal(count_all(f), count + 1);
}

/* The disk becomes full under a batch: what may go on goes on. */
static void test_batch_finds_the_disk_full(void **state)
{
    struct fixture *f = *state;
    char *value CLEANUP_FREE = mem_zalloc(SEGMENT);
    const struct store_operation big[] = {{STORE_PUT, SLICE_LIT("/big"), SLICE_NONE, slice_make(value, SEGMENT)}};
    const struct store_operation gone[] = {OP_DELETE("/00000")};
    const struct store_condition absent[] = {{SLICE_LIT("/00000"), 0}};
    struct outcome outcomes[3];

    assert_int_equal(put_numbered(f, 0, STORE_HISTORY_FULL).code, ERROR_NONE);
    disk.bytes = disk_used();
    submit(f, NULL, 0, big, 1, &outcomes[0]); /* would need a larger segment than the one that is ready */
    submit(f, absent, 1, gone, 1, &outcomes[1]);
    submit(f, NULL, 0, gone, 1, &outcomes[2]);
    step_all(f);
    assert_int_equal(outcomes[0].code, ERROR_NO_SPACE);
    assert_int_equal(outcomes[1].code, ERROR_CONFLICT);
    assert_int_equal(outcomes[2].code, ERROR_NONE);
    disk.bytes = SIZE_MAX;
    submit(f, NULL, 0, big, 1, &outcomes[0]);
    step_all(f);
    assert_int_equal(outcomes[0].code, ERROR_NONE);
    fixture_reopen(f);
    assert_int_equal(store_revision(f->store), 4);
}

static void note_code(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    atomic_store((_Atomic int *)arg, err ? (int)err->code : ERROR_NONE);
}

/* Of a store with threads, whose keeper sleeps. */
static enum error_code put_and_wait(struct fixture *f, struct slice value)
{
    const struct store_operation put = {STORE_PUT, SLICE_LIT("/a"), SLICE_NONE, value};
    _Atomic int code = ERROR_CODE_COUNT;

    store_commit(f->store, &(struct store_transaction){.operations = &put, .operation_count = 1}, note_code, &code);
    while (atomic_load(&code) == ERROR_CODE_COUNT)
        (void)usleep(100);
    return (enum error_code)atomic_load(&code);
}

static void compact_note(void *arg, const struct error *err)
{
    atomic_store((_Atomic bool *)arg, true);
}

/* One that is too large for the disk keeps nobody out who is not, also when there is nothing else to do. */
static void test_too_large_for_the_disk(void **state)
{
    struct fixture *f = *state;
    char *value CLEANUP_FREE = mem_zalloc(SEGMENT);
    enum error_code code = ERROR_NO_SPACE;
    _Atomic bool kept = false;

    disk.bytes = disk_used();
    assert_int_equal(store_start_writer(f->store, NULL), 0);
    store_compact(f->store, 1, compact_note, &kept);
    while (!atomic_load(&kept))
        (void)usleep(100);
    assert_int_equal(put_and_wait(f, slice_make(value, SEGMENT)), ERROR_NO_SPACE);
    for (int i = 0; i < 2000 && code == ERROR_NO_SPACE; i++) {
        code = put_and_wait(f, SLICE_LIT("small"));
        (void)usleep(1000);
    }
    assert_int_equal(code, ERROR_NONE);
}

/* Behind the quota is a little for those who renew or are about to delete; it has an end, too. */
static void test_reserve_behind_the_quota(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;
    int count = 0;

    disk.bytes = SIZE_MAX;
    f->quota = 80 << 10;
    fixture_reopen(f);
    assert_int_equal(put_numbered(f, 0, STORE_HISTORY_NONE).code, ERROR_NONE);
    while (put_numbered(f, ++count, STORE_HISTORY_FULL).code == ERROR_NONE)
        assert_true(count < 200);
    assert_false(is_full(f)); /* of bytes that live, not of the disk */
    assert_int_equal(put_numbered(f, count++, STORE_HISTORY_NONE).code, ERROR_NONE);
    assert_int_equal(put_numbered(f, count++, STORE_HISTORY_FULL).code, ERROR_NO_SPACE);
    assert_int_equal(put_numbered(f, 0, STORE_HISTORY_NONE).code, ERROR_NONE);
    while (put_numbered(f, count++, STORE_HISTORY_NONE).code == ERROR_NONE)
        assert_true(count < 200);
    store_get_stats(f->store, &stats);
    assert_in_range(stats.bytes_used, f->quota, f->quota * 9 / 8);
    assert_int_equal(delete_numbered(f, 1).code, ERROR_NONE);
}

/* A backup that is being taken keeps nobody from writing. */
static void test_a_backup_gives_way(void **state)
{
    struct fixture *f = *state;
    struct store_backup *backup;
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    for (int i = 0; i < 4; i++)
        assert_int_equal(put_numbered(f, i, STORE_HISTORY_FULL).code, ERROR_NONE);
    assert_int_equal(store_backup_begin(f->store, &backup, NULL), 0);
    for (int i = 0; i < 1500; i++)
        (void)put_numbered(f, i % 4, STORE_HISTORY_FULL);
    assert_int_equal(put_numbered(f, 0, STORE_HISTORY_FULL).code, ERROR_NONE);
    assert_int_equal(store_backup_next(backup, &out, &err), -ERROR_EXPIRED);
    store_backup_end(backup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full_disk, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_opened_when_full, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_renewals_of_a_full_disk, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_room_comes_back, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_a_backup_gives_way, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_batch_finds_the_disk_full, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_too_large_for_the_disk, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reserve_behind_the_quota, setup, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
