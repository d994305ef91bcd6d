/* SPDX-License-Identifier: Apache-2.0 */
/* Backups: what comes out is what was at one revision, whatever happens meanwhile; and no damage passes. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "store/crc32c.h"
#include "store/store_backup.h"
#include "store/store_bytes.h"
#include "tests/unit/store/fixture.h"

struct place {
    char file[64];
    char folder[64];
};

static struct place place_of(const struct fixture *f)
{
    struct place p;

    (void)snprintf(p.file, sizeof(p.file), "%.40s/backup", f->path);
    (void)snprintf(p.folder, sizeof(p.folder), "%.40s/restored", f->path);
    return p;
}

static int file_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    return fd;
}

static void file_write(const char *path, struct slice bytes)
{
    int fd = file_open(path);

    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, bytes.data, bytes.len, 0), bytes.len);
    (void)close(fd);
}

static void backup_rest(struct store_backup *b, struct buf *out)
{
    ERROR_LOCAL(err);
    int rc;

    while ((rc = store_backup_next(b, out, &err)) > 0)
        ;
    if (rc < 0)
        fail_msg("%s", error_text(&err));
    assert_int_equal(store_backup_next(b, out, &err), 0);
    store_backup_end(b);
}

static struct store_backup *backup_begin(struct fixture *f)
{
    struct store_backup *b;

    assert_int_equal(store_backup_begin(f->store, &b, NULL), 0);
    return b;
}

static void backup_to(struct fixture *f, const char *path)
{
    BUF_LOCAL(out);

    backup_rest(backup_begin(f), &out);
    file_write(path, buf_slice(&out));
}

static int check(const char *path, struct store_backup_info *ret_info, struct error *err)
{
    int fd = file_open(path);
    int rc = store_backup_check(fd, NULL, NULL, ret_info, err);

    (void)close(fd);
    return rc;
}

/* Puts the restored store in the place of the fixture's. */
static struct store_backup_info restore(struct fixture *f, const char *path)
{
    const struct place p = place_of(f);
    struct store_backup_info info;
    ERROR_LOCAL(err);
    int fd = file_open(path);

    if (store_restore(fd, p.folder, &info, &err) < 0)
        fail_msg("%s", error_text(&err));
    (void)close(fd);
    store_close(f->store);
    (void)snprintf(f->path, sizeof(f->path), "%s", p.folder);
    fixture_open(f);
    return info;
}

/* The restored store lies within the first one's folder. */
static int teardown(void **state)
{
    struct fixture *f = *state;
    char *inner = strstr(f->path, "/restored");

    store_close(f->store);
    f->store = NULL;
    if (inner)
        *inner = '\0';
    return fixture_teardown(state);
}

#define backup_test(fn) cmocka_unit_test_setup_teardown(fn, fixture_setup, teardown)

static int note_change(void *arg, const struct store_change *change)
{
    buf_printf(arg, "%llu %d %.*s %u %lld %.*s|", (unsigned long long)change->revision, change->kind,
               SLICE_ARGS(change->user), change->verb, (long long)(change->time_ns / NS_PER_S),
               SLICE_ARGS(change->meta));
    return 0;
}

static void test_round_trip(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    const struct store_operation write[] = {
        {STORE_PUT, SLICE_LIT("/lease"), SLICE_LIT("m"), SLICE_LIT("l"), STORE_HISTORY_NONE}};
    const struct store_transaction transaction = {
        .operations = write, .operation_count = 1, .origin = {SLICE_LIT("ann"), 7}};
    struct store_backup_info info;
    struct outcome outcome = {0};
    BUF_LOCAL(changes);

    put(f, "/a", "1");
    put(f, "/b", "1");
    put(f, "/a", "2");
    delete_key(f, "/b");
    put(f, "/empty", "");
    store_commit(f->store, &transaction, outcome_note, &outcome);
    clock_fake_advance(&f->clock, 60 * NS_PER_S);
    step_all(f);
    assert_int_equal(outcome.revision, 7);
    backup_to(f, p.file);
    put(f, "/later", "1");
    assert_int_equal(check(p.file, &info, NULL), 0);
    assert_int_equal(info.revision, 7);
    assert_int_equal(info.keys, 3);
    assert_int_equal(info.time_ns, 1700000060 * NS_PER_S);
    info = restore(f, p.file);
    assert_int_equal(info.keys, 3);
    assert_list(f, "", "", 0, 0, "/a=2@4 /empty=@6 /lease=l@7");
    assert_get(f, "/a", "2@4/2");
    assert_int_equal(
        store_read_changes(f->store, SLICE_LIT("/lease"), STORE_HISTORY_NONE, 0, 0, note_change, &changes, NULL, NULL),
        0);
    assert_string_equal(buf_cstr(&changes), "7 0 ann 7 1700000060 m|");
}

/* Revisions go on above whatever the lost store can have given, and who comes with one of those is told to list anew.
 */
static void test_revisions_go_on(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    const uint64_t begin = 3 + STORE_RESTORE_GAP;
    struct store_stats stats;
    char *text CLEANUP_FREE = NULL;

    put(f, "/a", "1");
    put(f, "/b", "1");
    backup_to(f, p.file);
    put(f, "/a", "lost");
    restore(f, p.file);
    assert_int_equal(store_revision(f->store), begin);
    assert_int_equal(store_compacted(f->store), begin);
    assert_log(f, "", 4, 0, 0, "E:Expired");
    assert_list(f, "", "", 3, 0, "E:Expired");
    assert_int_equal(put_if(f, "/a", "2", 2).revision, begin + 1);
    assert_int_equal(delete_key(f, "/b").revision, begin + 2);
    text = mem_printf("%llu*/a=2<1@2 %llu-/b=1 |%llu", (unsigned long long)begin + 1, (unsigned long long)begin + 2,
                      (unsigned long long)begin + 2);
    assert_log(f, "", begin, 0, 0, text);
    assert_int_equal(compact(f, begin + 2), ERROR_NONE);
    fixture_reopen(f);
    store_get_stats(f->store, &stats);
    assert_int_equal(stats.keys, 1);
    assert_int_equal(stats.revision, begin + 2);
    /* And once more. */
    backup_to(f, p.file);
    assert_int_equal(check(p.file, &(struct store_backup_info){0}, NULL), 0);
}

static void test_empty_store(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);

    backup_to(f, p.file);
    assert_int_equal(restore(f, p.file).keys, 0);
    assert_list(f, "", "", 0, 0, "");
    assert_int_equal(put(f, "/a", "1").revision, STORE_RESTORE_GAP + 2);
    fixture_reopen(f);
    assert_int_equal(store_revision(f->store), STORE_RESTORE_GAP + 2);
}

/* Many pages, with writes, deletions and compactions between them. */
static void test_writes_between_the_pages(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    char *value CLEANUP_FREE = mem_alloc(20000);
    struct store_backup *b;
    struct store_backup_info info;
    BUF_LOCAL(out);
    char key[16];
    int steps = 0, rc;

    memset(value, 'v', 19999);
    value[19999] = '\0';
    for (int i = 0; i < 200; i++) {
        (void)snprintf(key, sizeof(key), "/%03d", i);
        put(f, key, value);
    }
    b = backup_begin(f);
    while ((rc = store_backup_next(b, &out, NULL)) > 0) {
        for (int i = 0; i < 200; i += 3) {
            (void)snprintf(key, sizeof(key), "/%03d", i);
            put(f, key, "after");
            if (i % 2)
                delete_key(f, key);
        }
        (void)snprintf(key, sizeof(key), "/%03da", steps);
        put(f, key, "new");
        assert_int_equal(compact(f, store_revision(f->store)), ERROR_NONE);
        assert_int_equal(store_compacted(f->store), 201);
        steps++;
    }
    assert_int_equal(rc, 0);
    assert_in_range(steps, 3, 5);
    store_backup_end(b);
    assert_int_equal(compact(f, store_revision(f->store)), ERROR_NONE);
    assert_int_equal(store_compacted(f->store), store_revision(f->store));
    file_write(p.file, buf_slice(&out));
    info = restore(f, p.file);
    assert_int_equal(info.revision, 201);
    assert_int_equal(info.keys, 200);
    for (int i = 0; i < 200; i++) {
        char *text CLEANUP_FREE = mem_printf("%s@%d/%d", value, i + 2, i + 2);

        (void)snprintf(key, sizeof(key), "/%03d", i);
        assert_get(f, key, text);
    }
}

/* What is kept for a backup has a bound: then the backup fails, not the store. */
static void test_a_hold_does_not_fill_the_disk(void **state)
{
    struct fixture *f = *state;
    char value[8000];
    struct store_backup *b;
    struct store_stats stats;
    ERROR_LOCAL(err);
    BUF_LOCAL(out);

    memset(value, 'v', sizeof(value) - 1);
    value[sizeof(value) - 1] = '\0';
    f->segment_bytes = 64u << 10;
    f->history = 256u << 10;
    fixture_reopen(f);
    put(f, "/a", "1");
    b = backup_begin(f);
    for (int i = 0; i < 40; i++)
        put(f, "/b", value);
    assert_in_range(store_compacted(f->store), 1, 2);
    for (int i = 0; i < 200; i++)
        put(f, "/b", value);
    clock_fake_advance(&f->clock, 10 * NS_PER_S);
    step_all(f);
    store_get_stats(f->store, &stats);
    assert_in_range(stats.log_bytes, 0, 2 * f->history + 2 * f->segment_bytes);
    assert_int_equal(store_backup_next(b, &out, &err), -ERROR_EXPIRED);
    assert_non_null(strstr(error_text(&err), "--history-mib"));
    store_backup_end(b);
}

/* ---- damage ---- */

static const struct store_backup_file keys[] = {{"ca.key", SLICE_LIT("secret")}, {"sa.key", SLICE_LIT("")}};

/* A small one with all kinds of blocks. */
static void small_backup(struct fixture *f, const char *path, struct buf *out)
{
    char *value CLEANUP_FREE = mem_alloc(300);
    struct store_backup_info info;
    int fd;

    memset(value, 'x', 299);
    value[299] = '\0';
    put(f, "/a", "1");
    put(f, "/b", value);
    backup_to(f, path);
    fd = file_open(path);
    assert_int_equal(store_backup_add_files(fd, keys, 2, &info, NULL), 0);
    assert_int_equal(info.files, 2);
    assert_int_equal(lseek(fd, 0, SEEK_END), info.size);
    out->len = (size_t)pread(fd, buf_reserve(out, 4096), 4096, 0);
    (void)close(fd);
}

static int note_file(void *arg, const struct store_backup_file *file, struct error *err)
{
    buf_printf(arg, "%s=%.*s ", file->name, SLICE_ARGS(file->bytes));
    return 0;
}

static void test_files_go_along(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    const struct store_backup_file bad[] = {{"../x", SLICE_LIT("")}, {"", SLICE_LIT("")}, {".x", SLICE_LIT("")}};
    struct store_backup_info info;
    BUF_LOCAL(bytes);
    BUF_LOCAL(seen);
    int fd;

    small_backup(f, p.file, &bytes);
    fd = file_open(p.file);
    assert_int_equal(store_backup_check(fd, note_file, &seen, &info, NULL), 0);
    assert_string_equal(buf_cstr(&seen), "ca.key=secret sa.key= ");
    assert_int_equal(info.size, bytes.len);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(store_backup_add_files(fd, &bad[i], 1, &info, NULL), -ERROR_INVALID);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(store_backup_check(fd, NULL, NULL, &info, NULL), 0);
    (void)close(fd);
    assert_int_equal(restore(f, p.file).keys, 2);
}

/* Whatever byte is another one: it is noticed, and the place that is told is the block's or the byte's own. */
static void test_every_flipped_byte_is_noticed(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    struct store_backup_info info;
    unsigned long long last = 0;
    BUF_LOCAL(bytes);

    small_backup(f, p.file, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned long long at = 0;
        const char *told;
        ERROR_LOCAL(err);

        bytes.data[i] ^= (char)(1 << i % 8);
        file_write(p.file, buf_slice(&bytes));
        bytes.data[i] ^= (char)(1 << i % 8);
        assert_int_equal(check(p.file, &info, &err), -ERROR_CORRUPT);
        told = strstr(error_text(&err), "at byte ");
        assert_non_null(told);
        assert_int_equal(sscanf(told, "at byte %llu", &at), 1);
        assert_in_range(at, last, i); /* the block in which it lies: places only go up */
        assert_true(i - at < 32 + 600);
        last = at;
    }
    assert_true(last > 64);
}

static void test_every_shorter_file_is_refused(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    struct store_backup_info info;
    BUF_LOCAL(bytes);

    small_backup(f, p.file, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        char *told CLEANUP_FREE = mem_printf("it ends at byte %zu", i);
        ERROR_LOCAL(err);

        file_write(p.file, slice_make(bytes.data, i));
        assert_int_equal(check(p.file, &info, &err), -ERROR_CORRUPT);
        if (i >= 8)
            assert_non_null(strstr(error_text(&err), told));
    }
    buf_append_byte(&bytes, 'x');
    file_write(p.file, buf_slice(&bytes));
    assert_int_equal(check(p.file, &info, NULL), -ERROR_CORRUPT);
}

/* Blocks of another place of the same backup, whole in themselves. */
static void test_blocks_out_of_order_are_refused(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    struct store_backup_info info;
    BUF_LOCAL(bytes);
    BUF_LOCAL(cut);
    size_t first;

    small_backup(f, p.file, &bytes);
    first = 64 + 32 + get_u32(bytes.data + 64 + 16);
    buf_append(&cut, bytes.data, 64);
    buf_append(&cut, bytes.data + first, bytes.len - first);
    file_write(p.file, buf_slice(&cut));
    assert_int_equal(check(p.file, &info, NULL), -ERROR_CORRUPT);
}

static void test_newer_format_is_told_from_damage(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    struct store_backup_info info;
    ERROR_LOCAL(err);
    BUF_LOCAL(bytes);

    small_backup(f, p.file, &bytes);
    put_u32(bytes.data + 8, 2);
    put_u32(bytes.data + 60, crc32c(0, slice_make(bytes.data, 60)));
    file_write(p.file, buf_slice(&bytes));
    assert_int_equal(check(p.file, &info, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "newer version"));
}

/* What cannot be read is told by its name, not left out. */
static void test_a_damaged_store_is_not_backed_up(void **state)
{
    struct fixture *f = *state;
    char *path CLEANUP_FREE = mem_printf("%s/log/00000001", f->path);
    char *bytes CLEANUP_FREE = mem_alloc(32768);
    struct store_backup *b;
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    char *at;
    int fd;

    put(f, "/a", "1");
    put(f, "/b", "value of b");
    fd = file_open(path);
    assert_true(pread(fd, bytes, 32768, 0) > 0);
    at = memmem(bytes, 32768, "value of b", 10);
    assert_non_null(at);
    assert_int_equal(pwrite(fd, "!", 1, at - bytes), 1);
    (void)close(fd);
    b = backup_begin(f);
    assert_int_equal(store_backup_next(b, &out, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "/b"));
    store_backup_end(b);
}

static void test_restore_leaves_what_is_there(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    struct store_backup_info info;
    int fd;

    backup_to(f, p.file);
    fd = file_open(p.file);
    assert_int_equal(store_restore(fd, f->path, &info, NULL), -ERROR_ALREADY_EXISTS);
    (void)close(fd);
    assert_int_equal(put(f, "/a", "1").revision, 2);
}

/* ---- while it is written to ---- */

struct twin_writer {
    struct store *store;
    pthread_t thread;
    _Atomic bool stop;
    _Atomic int under_way;
    int count;
};

static void twin_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    atomic_fetch_sub(&((struct twin_writer *)arg)->under_way, 1);
}

/* Both keys of a pair always change together. */
static void *twin_main(void *arg)
{
    struct twin_writer *w = arg;
    char *value CLEANUP_FREE = mem_alloc(4001);

    while (!atomic_load(&w->stop)) {
        char left[24], right[24];

        (void)snprintf(left, sizeof(left), "/l/%03d", w->count % 300);
        (void)snprintf(right, sizeof(right), "/r/%03d", w->count % 300);
        memset(value, 'a' + w->count % 26, 4000);
        (void)snprintf(value, 16, "%012d", w->count++);
        const struct store_operation both[] = {
            {STORE_PUT, slice_str(left), SLICE_LIT("m"), slice_make(value, 4000)},
            {STORE_PUT, slice_str(right), SLICE_LIT("m"), slice_make(value, 4000)},
        };
        const struct store_transaction t = {.operations = both, .operation_count = 2};

        atomic_fetch_add(&w->under_way, 1);
        store_commit(w->store, &t, twin_done, w);
        while (atomic_load(&w->under_way) > 20)
            (void)usleep(50);
    }
    while (atomic_load(&w->under_way))
        (void)usleep(50);
    return NULL;
}

static int same_twin(void *arg, const struct store_item *item)
{
    return slice_equal(item->value, *(struct slice *)arg) ? 0 : 1;
}

static int check_twin(void *arg, const struct store_item *item)
{
    struct fixture *f = arg;
    struct slice value = item->value;
    BUF_LOCAL(other);

    if (!slice_starts(item->key, SLICE_LIT("/l/")))
        return 0;
    buf_append_slice(&other, item->key);
    other.data[1] = 'r';
    return store_get(f->store, buf_slice(&other), same_twin, &value, NULL, NULL);
}

static void test_a_writer_meanwhile(void **state)
{
    struct fixture *f = *state;
    struct place p = place_of(f);
    const struct store_range all = {.skip_count = true};
    struct twin_writer w = {.store = f->store};

    assert_int_equal(pthread_create(&w.thread, NULL, twin_main, &w), 0);
    while (store_revision(f->store) < 400)
        (void)usleep(100);
    for (int i = 0; i < 5; i++)
        backup_to(f, p.file);
    atomic_store(&w.stop, true);
    (void)pthread_join(w.thread, NULL);
    assert_int_equal(restore(f, p.file).keys, 600);
    assert_int_equal(store_list(f->store, &all, check_twin, f, NULL, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        backup_test(test_round_trip),
        backup_test(test_revisions_go_on),
        backup_test(test_empty_store),
        backup_test(test_writes_between_the_pages),
        backup_test(test_a_hold_does_not_fill_the_disk),
        backup_test(test_files_go_along),
        backup_test(test_every_flipped_byte_is_noticed),
        backup_test(test_every_shorter_file_is_refused),
        backup_test(test_blocks_out_of_order_are_refused),
        backup_test(test_newer_format_is_told_from_damage),
        backup_test(test_a_damaged_store_is_not_backed_up),
        backup_test(test_restore_leaves_what_is_there),
        cmocka_unit_test_setup_teardown(test_a_writer_meanwhile, fixture_setup_threaded, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
