/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is on the disk is not as it was left: damaged, torn, missing, of a newer version. What does no harm is passed
 * over; all else is refused, and nothing is cut off.
 */
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/crc32c.h"
#include "store/store_bytes.h"
#include "store/store_segment.h"
#include "tests/unit/store/fixture.h"

static int must_not_see(void *arg, const struct store_item *item)
{
    fail_msg("what is damaged was shown");
    return 0;
}

/* Changes one entry of a table behind the store's back; value.len 0 removes it. */
static void tamper(struct fixture *f, const char *table, struct slice key, struct slice value)
{
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    MDB_val k = {key.len, (void *)(uintptr_t)key.data}, v = {value.len, (void *)(uintptr_t)value.data};

    store_close(f->store);
    f->store = NULL;
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, f->path, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, table, 0, &dbi), 0);
    assert_int_equal(value.len ? mdb_put(txn, dbi, &k, &v, 0) : mdb_del(txn, dbi, &k, NULL), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
}

static void test_newer_format_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    ERROR_LOCAL(err);

    tamper(f, "meta", SLICE_LIT("format"), SLICE_LIT("\0\0\0\x03"));
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "has format 3, which a newer version of knarr wrote"));
    f->store = NULL;
    tamper(f, "meta", SLICE_LIT("format"), SLICE_LIT("x"));
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    tamper(f, "meta", SLICE_LIT("format"), SLICE_NONE);
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "not a store of ours"));
    f->store = NULL;
}

/* A row of LMDB with the right checksum and a format, or fields, that nobody knows yet. */
static void test_newer_rows_of_lmdb_are_refused(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    char entry[40] = {0}, fields[8 + 8 * 7] = {0};
    ERROR_LOCAL(err);

    entry[4] = 2;
    put_u32(entry, crc32c(crc32c(0, SLICE_LIT("/a")), slice_make(entry + 4, sizeof(entry) - 4)));
    tamper(f, "index", SLICE_LIT("/a"), slice_make(entry, sizeof(entry)));
    assert_int_equal(store_open(&options, &f->store, &err), 0);
    assert_int_equal(store_get(f->store, SLICE_LIT("/a"), must_not_see, NULL, NULL, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "newer version"));
    put_u32(fields, crc32c(0, slice_make(fields + 4, sizeof(fields) - 4)));
    tamper(f, "meta", SLICE_LIT("state"), slice_make(fields, sizeof(fields)));
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "more than this version"));
    f->store = NULL;
}

static void test_garbage_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    char *path CLEANUP_FREE = mem_printf("%s/data.mdb", f->path);
    char garbage[8192];
    int fd;
    ERROR_LOCAL(err);

    store_close(f->store);
    memset(garbage, 'x', sizeof(garbage));
    fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, garbage, sizeof(garbage)), sizeof(garbage));
    (void)close(fd);
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    f->store = NULL;
}

/* Changes one byte of the newest segment of the log: of the first place where `text` stands. */
static void tamper_log(struct fixture *f, const char *text)
{
    char *path CLEANUP_FREE = mem_printf("%s/log/00000001", f->path);
    char bytes[32768];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
    char *at = n > 0 ? memmem(bytes, (size_t)n, text, strlen(text)) : NULL;

    assert_non_null(at);
    assert_int_equal(pwrite(fd, "!", 1, at - bytes), 1);
    (void)close(fd);
}

/* One damaged record is found by every way of reading it; other keys, and their neighbours in a batch, live on. */
static void test_damaged_record_hurts_nobody_else(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write_a[] = {OP_PUT("/a", "9")}, write_b[] = {OP_PUT("/b", "9")};
    struct outcome outcomes[2];
    ERROR_LOCAL(err);

    put(f, "/a", "value of a");
    put(f, "/b", "2");
    tamper_log(f, "value of a");
    assert_int_equal(store_get(f->store, SLICE_LIT("/a"), must_not_see, NULL, NULL, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "/a"));
    assert_list(f, "", "", 0, 0, "E:InternalError");
    assert_log(f, "", 1, 0, 0, "E:InternalError");
    assert_get(f, "/b", "2@3/3");
    submit(f, NULL, 0, write_a, 1, &outcomes[0]);
    submit(f, NULL, 0, write_b, 1, &outcomes[1]);
    step_all(f);
    assert_int_equal(outcomes[0].code, ERROR_CORRUPT);
    assert_int_equal(outcomes[1].code, ERROR_NONE);
    assert_get(f, "/b", "9@4/3");
}

/* Damage in the middle of what was acknowledged is not the torn end of a write: what is behind it must not vanish. */
static void test_damaged_log_is_not_cut_off(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    ERROR_LOCAL(err);

    put(f, "/a", "value of a");
    clock_fake_advance(&f->clock, 31 * NS_PER_S); /* LMDB knows of it */
    step_all(f);
    store_close(f->store);
    f->store = NULL;
    tamper_log(f, "FKNR");
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "ends at revision 1, but 2 was durable"));
    f->store = NULL;
}

/* LMDB does not know of it yet, and what is damaged is the head of a frame, so that nothing says any more how long it
 * was: another one lies somewhere behind it. */
static void test_damaged_head_of_a_frame(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    char value[9001];
    ERROR_LOCAL(err);

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    put(f, "/a", value);
    put(f, "/b", "value of b");
    store_close(f->store);
    f->store = NULL;
    tamper_log(f, "FKNR");
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "damaged behind revision 1"));
    f->store = NULL;
}

/* The same of what LMDB does not know yet: another frame was written behind it, so it was acknowledged. */
static void test_damage_before_the_last_frame(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    ERROR_LOCAL(err);

    put(f, "/a", "value of a");
    put(f, "/b", "value of b");
    store_close(f->store);
    f->store = NULL;
    tamper_log(f, "value of a");
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "damaged behind revision 1"));
    f->store = NULL;
}

/* A whole sector: the end of one frame and the head of the next. */
static void test_damaged_sector(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    char *path CLEANUP_FREE = mem_printf("%s/log/00000001", f->path);
    static const char zeros[512];
    char bytes[16384];
    const char *at;
    ERROR_LOCAL(err);
    int fd;

    put(f, "/a", "value of a");
    for (int i = 0; i < 8; i++)
        put(f, "/b", "value of b");
    store_close(f->store);
    f->store = NULL;
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, bytes, sizeof(bytes), 0), sizeof(bytes));
    at = memmem(bytes, sizeof(bytes), "value of a", 10);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, zeros, sizeof(zeros), at - bytes), sizeof(zeros));
    (void)close(fd);
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "damaged behind revision "));
    f->store = NULL;
}

/* Compaction was ahead of what LMDB knows. Nobody could read anything if the log ended before that. */
static void test_damaged_log_before_what_was_compacted(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    ERROR_LOCAL(err);

    put(f, "/a", "value of a");
    put(f, "/b", "value of b");
    assert_int_equal(compact(f, 3), ERROR_NONE);
    store_close(f->store);
    f->store = NULL;
    tamper_log(f, "value of b");
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "ends at revision 2, but 3 was durable"));
    f->store = NULL;
}

/* The newest segment is gone, and LMDB does not know of it yet; the one that was prepared to follow it is there. */
static void test_newest_segment_is_gone(void **state)
{
    struct fixture *f = *state;
    struct store_options options = {.path = f->path, .manual = true};
    char *path CLEANUP_FREE = mem_printf("%s/log/00000002", f->path);
    struct store_stats before, now;
    char value[9001];
    ERROR_LOCAL(err);

    memset(value, 'x', sizeof(value) - 1);
    value[sizeof(value) - 1] = 0;
    store_get_stats(f->store, &before);
    do {
        put(f, "/a", value);
        store_get_stats(f->store, &now);
    } while (now.log_bytes == before.log_bytes);
    store_close(f->store);
    f->store = NULL;
    assert_int_equal(unlink(path), 0);
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "has lost segment 00000002"));
    f->store = NULL;
}

/* Gives the last frame, or its record, another format, with the right checksum. */
static void raise_format(struct fixture *f, bool record)
{
    char *path CLEANUP_FREE = mem_printf("%s/log/00000001", f->path);
    char bytes[32768];
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n = pread(fd, bytes, sizeof(bytes), 0);
    char *at = n > 0 ? memmem(bytes + STORE_SEGMENT_HEAD, (size_t)n - STORE_SEGMENT_HEAD, "FKNR", 4) : NULL;
    struct store_frame frame;
    uint32_t size = STORE_FRAME_SIZE;

    assert_true(at && store_frame_read(slice_make(at - 4, STORE_FRAME_SIZE), &frame));
    at += record ? STORE_FRAME_SIZE - 4 : -4;
    if (record)
        size = get_u32(at + 4);
    at[8] = 3;
    put_u32(at, crc32c(0, slice_make(at + 4, size - 4)));
    assert_int_equal(pwrite(fd, bytes, (size_t)n, 0), n);
    (void)close(fd);
}

/* Nor is what a newer version wrote. */
static void newer_log_is_not_cut_off(struct fixture *f, bool record)
{
    struct store_options options = {.path = f->path, .manual = true};
    ERROR_LOCAL(err);

    put(f, "/a", "value of a");
    store_close(f->store);
    f->store = NULL;
    raise_format(f, record);
    assert_int_equal(store_open(&options, &f->store, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "newer version"));
    f->store = NULL;
}

static void test_newer_frame_is_not_cut_off(void **state)
{
    newer_log_is_not_cut_off(*state, false);
}

static void test_newer_record_is_not_cut_off(void **state)
{
    newer_log_is_not_cut_off(*state, true);
}

/* The newest frame, when it is torn, was not acknowledged: it goes, and the next one takes its place. */
static void test_torn_end_is_written_over(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "value of a");
    put(f, "/b", "value of b");
    tamper_log(f, "value of b");
    fixture_reopen(f);
    assert_int_equal(store_revision(f->store), 2);
    assert_get(f, "/b", "-");
    put(f, "/c", "3");
    fixture_reopen(f);
    assert_list(f, "", "", 0, 0, "/a=value of a@2 /c=3@3");
    assert_log(f, "", 1, 0, 0, "2+/a=value of a 3+/c=3 |3");
}

/* A write failed, and so did the next one, which was to be written over it, right behind its frame: what the first one
 * left behind is not the second one's, although it fits in number and length. */
static void test_frame_over_the_records_of_another(void **state)
{
    struct fixture *f = *state;
    char *path CLEANUP_FREE = mem_printf("%s/log/00000001", f->path);
    const struct store_operation operations[] = {OP_PUT("/a", "1"), OP_PUT("/b", "1")};
    struct store_frame frame;
    struct outcome outcome;
    char bytes[1024];
    int fd;

    submit(f, NULL, 0, operations, 2, &outcome);
    step_all(f);
    assert_int_equal(outcome.revision, 2);
    store_close(f->store);
    f->store = NULL;
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, sizeof(bytes), STORE_SEGMENT_HEAD), sizeof(bytes));
    assert_true(store_frame_read(slice_make(bytes, STORE_FRAME_SIZE), &frame));
    assert_int_equal(frame.count, 2);
    frame.count = 1;
    frame.length /= 2;
    memset(bytes + STORE_FRAME_SIZE, 'x', frame.length);
    store_frame_write(bytes, &frame);
    assert_int_equal(pwrite(fd, bytes, STORE_FRAME_SIZE, STORE_SEGMENT_HEAD), STORE_FRAME_SIZE);
    (void)close(fd);
    fixture_open(f);
    assert_int_equal(store_revision(f->store), 1);
    assert_list(f, "", "", 0, 0, "");
    put(f, "/c", "1");
    fixture_reopen(f);
    assert_list(f, "", "", 0, 0, "/c=1@2");
}

/* The prepared segment got the first part of a frame at revision 4: its head, or what follows. */
static void begin_second_segment(struct fixture *f, bool head)
{
    char *folder CLEANUP_FREE = mem_printf("%s/log", f->path);
    char *path CLEANUP_FREE = mem_printf("%s/00000002", folder);
    char before[STORE_SEGMENT_HEAD], bytes[STORE_FRAME_SIZE] = {0};
    struct store_frame frame = {.first_revision = 4, .last_revision = 4};
    struct store_segment *segment;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(pread(fd, before, sizeof(before), 0), sizeof(before));
    assert_int_equal(store_segment_open(folder, 2, &segment, NULL), 0);
    assert_true(store_segment_is_prepared(segment));
    store_segment_start(segment, 4);
    assert_int_equal(store_segment_append(segment, bytes, sizeof(bytes), &frame, NULL), 0);
    store_segment_unref(segment);
    memset(bytes, 0, sizeof(bytes));
    if (head)
        assert_int_equal(pwrite(fd, bytes, sizeof(bytes), STORE_SEGMENT_HEAD), sizeof(bytes));
    else
        assert_int_equal(pwrite(fd, before, sizeof(before), 0), sizeof(before));
    (void)close(fd);
}

/* Ended right after a segment was begun: there is nothing in it, and nothing is missing. */
static void test_empty_segment_is_no_damage(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/b", "1");
    store_close(f->store);
    f->store = NULL;
    begin_second_segment(f, true);
    fixture_open(f);
    assert_log(f, "", 1, 0, 0, "2+/a=1 3+/b=1 |3");
    put(f, "/c", "1");
    fixture_reopen(f);
    assert_log(f, "", 2, 0, 0, "3+/b=1 4+/c=1 |4");
}

/* The frame is there, the head that would make it count is not: it never was, nor is it when the segment is begun. */
static void test_frame_of_a_prepared_segment_does_not_count(void **state)
{
    struct fixture *f = *state;
    char *path CLEANUP_FREE = mem_printf("%s/log/00000002", f->path);
    char frame[STORE_FRAME_SIZE];
    FILE *file;

    put(f, "/a", "1");
    put(f, "/b", "1");
    store_close(f->store);
    f->store = NULL;
    begin_second_segment(f, false);
    fixture_open(f);
    assert_log(f, "", 1, 0, 0, "2+/a=1 3+/b=1 |3");
    file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fseek(file, STORE_SEGMENT_HEAD, SEEK_SET), 0);
    assert_int_equal(fread(frame, 1, sizeof(frame), file), sizeof(frame));
    (void)fclose(file);
    for (size_t i = 0; i < sizeof(frame); i++)
        assert_int_equal(frame[i], 0);
    put(f, "/c", "1");
    fixture_reopen(f);
    assert_log(f, "", 2, 0, 0, "3+/b=1 4+/c=1 |4");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_newer_format_is_refused),
        store_test(test_garbage_file_is_refused),
        store_test(test_damaged_record_hurts_nobody_else),
        store_test(test_damaged_log_is_not_cut_off),
        store_test(test_damaged_head_of_a_frame),
        store_test(test_damaged_sector),
        store_test(test_damaged_log_before_what_was_compacted),
        store_test(test_newest_segment_is_gone),
        store_test(test_damage_before_the_last_frame),
        store_test(test_newer_frame_is_not_cut_off),
        store_test(test_newer_record_is_not_cut_off),
        store_test(test_newer_rows_of_lmdb_are_refused),
        store_test(test_torn_end_is_written_over),
        store_test(test_frame_over_the_records_of_another),
        store_test(test_empty_segment_is_no_damage),
        store_test(test_frame_of_a_prepared_segment_does_not_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
