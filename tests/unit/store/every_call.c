/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The n-th call of every function of the disk and of LMDB fails, for every n of a piece of work that opens, writes,
 * reads, goes to LMDB, begins segments, compacts, closes and opens again. Whatever failed failed cleanly: what was
 * acknowledged is there, what was not asked for is not, and the next try works.
 */
#include <dirent.h>
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "store/store.h"
#include "tests/disk/disk.h"
#include "tests/unit/test.h"

#define WRITES 36
#define KEYS   8

/* Those of LMDB that the store calls and that can fail. */
#define LMDB_CALLS(X)                                                                                                  \
    X(env_create, (MDB_env * *env), (env))                                                                             \
    X(env_set_mapsize, (MDB_env * env, size_t size), (env, size))                                                      \
    X(env_set_maxdbs, (MDB_env * env, MDB_dbi count), (env, count))                                                    \
    X(env_set_maxreaders, (MDB_env * env, unsigned count), (env, count))                                               \
    X(env_get_fd, (MDB_env * env, int *fd), (env, fd))                                                                 \
    X(env_info, (MDB_env * env, MDB_envinfo * info), (env, info))                                                      \
    X(env_stat, (MDB_env * env, MDB_stat * stat), (env, stat))                                                         \
    X(env_open, (MDB_env * env, const char *path, unsigned flags, mdb_mode_t mode), (env, path, flags, mode))          \
    X(dbi_open, (MDB_txn * txn, const char *name, unsigned flags, MDB_dbi *dbi), (txn, name, flags, dbi))              \
    X(stat, (MDB_txn * txn, MDB_dbi dbi, MDB_stat * stat), (txn, dbi, stat))                                           \
    X(txn_begin, (MDB_env * env, MDB_txn * parent, unsigned flags, MDB_txn **txn), (env, parent, flags, txn))          \
    X(txn_renew, (MDB_txn * txn), (txn))                                                                               \
    X(txn_commit, (MDB_txn * txn), (txn))                                                                              \
    X(get, (MDB_txn * txn, MDB_dbi dbi, MDB_val * key, MDB_val * value), (txn, dbi, key, value))                       \
    X(put, (MDB_txn * txn, MDB_dbi dbi, MDB_val * key, MDB_val * value, unsigned flags),                               \
      (txn, dbi, key, value, flags))                                                                                   \
    X(del, (MDB_txn * txn, MDB_dbi dbi, MDB_val * key, MDB_val * value), (txn, dbi, key, value))                       \
    X(cursor_open, (MDB_txn * txn, MDB_dbi dbi, MDB_cursor * *cursor), (txn, dbi, cursor))                             \
    X(cursor_get, (MDB_cursor * cursor, MDB_val * key, MDB_val * value, MDB_cursor_op op), (cursor, key, value, op))

/* Those of the system that neither change files nor are LMDB's own, and what they return when they fail. */
#define SYSTEM_CALLS(X)                                                                                                \
    X(mmap64, void *, MAP_FAILED, (void *at, size_t len, int protection, int flags, int fd, off_t offset),             \
      (at, len, protection, flags, fd, offset))                                                                        \
    X(pread64, ssize_t, -1, (int fd, void *to, size_t len, off_t at), (fd, to, len, at))                               \
    X(lseek64, off_t, -1, (int fd, off_t at, int whence), (fd, at, whence))                                            \
    X(opendir, DIR *, NULL, (const char *path), (path))                                                                \
    X(readdir64, struct dirent *, NULL, (DIR * folder), (folder))                                                      \
    X(mkdir, int, -1, (const char *path, mode_t mode), (path, mode))                                                   \
    X(flock, int, -1, (int fd, int operation), (fd, operation))

#define SYSTEM_ENUM(name, type, failed, parameters, arguments) CALL_##name,
#define SYSTEM_NAME(name, type, failed, parameters, arguments) #name,
#define CALL_ENUM(name, parameters, arguments)                 CALL_##name,
#define CALL_NAME(name, parameters, arguments)                 "mdb_" #name,
enum call { LMDB_CALLS(CALL_ENUM) SYSTEM_CALLS(SYSTEM_ENUM) CALL_DISK }; /* then enum disk_call */
#define CALLS (CALL_DISK + DISK_CALLS)
static const char *const call_names[CALLS] = {
    LMDB_CALLS(CALL_NAME) SYSTEM_CALLS(SYSTEM_NAME) "write", "space", "sync", "open", "rename", "unlink"};

static struct {
    unsigned call;
    int nth; /* 0 = it has failed, or none is to */
    int code;
    MDB_env *sick; /* refuses everything until it is closed, as LMDB does when its last page could not be written */
} fault;

static bool fails(unsigned call)
{
    return call == fault.call && fault.nth && --fault.nth == 0;
}

static int disk_fails(enum disk_call call, size_t *len)
{
    if (!fails(CALL_DISK + call))
        return 0;
    *len /= 2;
    return fault.code;
}

/* A transaction that could not be committed is over. */
static void after_failure(unsigned call, MDB_txn *txn)
{
    if (call != CALL_txn_commit)
        return;
    if (fault.code == MDB_PANIC)
        fault.sick = mdb_txn_env(txn);
    mdb_txn_abort(txn);
}

#define AS_TXN(call, first) after_failure(call, (call) == CALL_txn_commit ? (MDB_txn *)(void *)(first) : NULL)
#define FIRST(...)          FIRST_(__VA_ARGS__, 0)
#define FIRST_(first, ...)  first
#define WRAP(name, parameters, arguments)                                                                              \
    int __real_mdb_##name parameters;                                                                                  \
    int __wrap_mdb_##name parameters;                                                                                  \
    int __wrap_mdb_##name parameters                                                                                   \
    {                                                                                                                  \
        if (!fails(CALL_##name) && !is_sick(CALL_##name, (const void *)(FIRST arguments)))                             \
            return __real_mdb_##name arguments;                                                                        \
        AS_TXN(CALL_##name, FIRST arguments);                                                                          \
        return fault.sick ? MDB_PANIC : fault.code;                                                                    \
    }

static bool is_sick(unsigned call, const void *first)
{
    if (!fault.sick)
        return false;
    if (call == CALL_txn_begin)
        return first == fault.sick;
    return call == CALL_txn_renew && mdb_txn_env((MDB_txn *)(uintptr_t)first) == fault.sick;
}

LMDB_CALLS(WRAP)

#define WRAP_SYSTEM(name, type, failed, parameters, arguments)                                                         \
    type __real_##name parameters;                                                                                     \
    type __wrap_##name parameters;                                                                                     \
    type __wrap_##name parameters                                                                                      \
    {                                                                                                                  \
        if (!fails(CALL_##name))                                                                                       \
            return __real_##name arguments;                                                                            \
        errno = fault.code;                                                                                            \
        return failed;                                                                                                 \
    }

SYSTEM_CALLS(WRAP_SYSTEM)

void __real_mdb_env_close(MDB_env *env);
void __wrap_mdb_env_close(MDB_env *env);
void __wrap_mdb_env_close(MDB_env *env)
{
    if (env == fault.sick)
        fault.sick = NULL;
    __real_mdb_env_close(env);
}

/* ---- the work ---- */

struct work {
    char folder[64];
    char *root;
    struct clock_fake clock;
    struct store *store;
    int there[KEYS]; /* number of the last acknowledged write; 0 = none, or deleted */
    int maybe[KEYS]; /* of one that failed with the disk since; 0 = none, -1 = a deletion */
    uint64_t revision;
};

static bool may_fail(const struct error *err)
{
    return !fault.nth && (err->code == ERROR_IO || err->code == ERROR_NO_SPACE || err->code == ERROR_UNAVAILABLE ||
                          err->code == ERROR_INTERNAL);
}

/* Fails once at most. */
static void work_open(struct work *w)
{
    const struct store_options options = {
        .path = w->root, .clock = &w->clock.base, .manual = true, .segment_bytes = 12 << 10, .checkpoint_count = 5};
    int waiting = fault.nth;
    ERROR_LOCAL(err);

    if (store_open(&options, &w->store, &err) == 0)
        return;
    if (!waiting || !may_fail(&err))
        fail_msg("opening: %s", error_text(&err));
    error_clear(&err);
    if (store_open(&options, &w->store, &err) < 0)
        fail_msg("opening again: %s", error_text(&err));
}

struct outcome {
    struct work *work;
    int key;
    int number; /* -1 = a deletion */
};

static void note_outcome(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct outcome *o = arg;
    struct work *w = o->work;

    if (err && err->code == ERROR_NOT_FOUND) {
        assert_int_equal(w->there[o->key], 0);
        return;
    }
    if (err) {
        if (!may_fail(err))
            fail_msg("write %d: %s", o->number, error_text(err));
        w->maybe[o->key] = o->number;
        return;
    }
    assert_int_equal(revision, w->revision + 1);
    w->revision = revision;
    memset(w->maybe, 0, sizeof(w->maybe)); /* in its place */
    w->there[o->key] = o->number > 0 ? o->number : 0;
}

static void work_step(struct work *w)
{
    while (store_step(w->store))
        ;
}

static void work_write(struct work *w, int number)
{
    char *value CLEANUP_FREE = mem_printf("%d %0*d", number, 900, 0);
    char *key CLEANUP_FREE = mem_printf("/%d", number % KEYS);
    bool gone = number % 7 == 6;
    const struct store_operation operation = {
        .kind = gone ? STORE_DELETE : STORE_PUT, .key = slice_str(key), .value = slice_str(value)};
    struct outcome outcome = {w, number % KEYS, gone ? -1 : number};

    store_commit(w->store, &(struct store_transaction){.operations = &operation, .operation_count = 1}, note_outcome,
                 &outcome);
    work_step(w);
}

static int note_number(void *arg, const struct store_item *item)
{
    *(int *)arg = (int)strtol(item->value.data, NULL, 10);
    return 0;
}

static int note_items(void *arg, const struct store_item *item)
{
    int key = item->key.data[1] - '0';

    ((int *)arg)[key] = (int)strtol(item->value.data, NULL, 10);
    return 0;
}

static int note_event(void *arg, const struct store_event *event)
{
    uint64_t *revision = arg;

    assert_int_equal(event->revision, *revision + 1);
    *revision = event->revision;
    return 0;
}

/* Each way of reading fails once at most, and else says what is there. */
static void work_read(struct work *w)
{
    int seen[KEYS] = {0}, one = 0;
    uint64_t revision = store_compacted(w->store);
    ERROR_LOCAL(err);

    if (store_list(w->store, &(struct store_range){0}, note_items, seen, &(struct store_range_result){0}, &err) < 0)
        assert_true(may_fail(&err));
    else
        for (int i = 0; i < KEYS; i++)
            assert_int_equal(seen[i], w->there[i]);
    error_clear(&err);
    if (store_get(w->store, SLICE_LIT("/3"), note_number, &one, NULL, &err) < 0)
        assert_true(may_fail(&err) || (err.code == ERROR_NOT_FOUND && !w->there[3]));
    else
        assert_int_equal(one, w->there[3]);
    error_clear(&err);
    if (store_read_log(w->store, SLICE_NONE, STORE_HISTORY_FULL, revision, 0, 0, note_event, &revision, NULL, &err) < 0)
        assert_true(may_fail(&err));
    else
        assert_int_equal(revision, w->revision);
}

static void note_compaction(void *arg, const struct error *err)
{
    assert_true(!err || err->code == ERROR_CANCELLED || may_fail(err)); /* cancelled: the store closes */
}

/* Opened anew: of what failed, all or nothing is there. */
static void work_settle(struct work *w)
{
    int seen[KEYS] = {0};
    ERROR_LOCAL(err);

    if (store_list(w->store, &(struct store_range){0}, note_items, seen, &(struct store_range_result){0}, &err) < 0) {
        assert_true(may_fail(&err));
        error_clear(&err);
        assert_int_equal(
            store_list(w->store, &(struct store_range){0}, note_items, seen, &(struct store_range_result){0}, &err), 0);
    }
    assert_true(store_revision(w->store) >= w->revision);
    w->revision = store_revision(w->store);
    for (int i = 0; i < KEYS; i++) {
        assert_true(seen[i] == w->there[i] || (w->maybe[i] && seen[i] == (w->maybe[i] > 0 ? w->maybe[i] : 0)));
        w->there[i] = seen[i];
    }
    memset(w->maybe, 0, sizeof(w->maybe));
}

static void work_part(struct work *w, int from, int until)
{
    work_open(w);
    work_settle(w);
    for (int number = from; number < until; number++) {
        work_write(w, number);
        if (number % 9 == 8)
            store_compact(w->store, store_revision(w->store) - 2, note_compaction, NULL);
        clock_fake_advance(&w->clock, 2 * NS_PER_S);
        work_step(w);
        if (number % 6 == 5)
            work_read(w);
    }
    store_close(STEAL(w->store));
}

/* True when the call was made so often. */
static bool work_with_fault(unsigned call, int nth, int code)
{
    struct work w = {.revision = 1};
    struct disk *disk = disk_new();
    bool failed;

    (void)snprintf(w.folder, sizeof(w.folder), "%s/knarr-calls-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(w.folder));
    w.root = mem_printf("%s/store", w.folder);
    clock_fake_init(&w.clock, 1700000000 * NS_PER_S);
    disk_restart(disk, w.root);
    memset(&fault, 0, sizeof(fault));
    fault.call = call;
    fault.nth = nth;
    fault.code = code;
    disk_fault = disk_fails;
    work_part(&w, 1, WRITES / 2);
    work_part(&w, WRITES / 2, WRITES);
    failed = !fault.nth;
    fault.nth = 0;
    work_open(&w);
    work_settle(&w);
    work_write(&w, 1);
    assert_int_equal(w.there[1], 1);
    work_read(&w);
    store_close(w.store);
    disk_fault = NULL;
    disk_unwatch();
    disk_free(disk);
    disk_remove(w.root);
    (void)rmdir(w.folder);
    free(w.root);
    return failed;
}

static void fail_each(unsigned call, const int *codes, size_t count)
{
    for (size_t c = 0; c < count; c++) {
        int nth = 1;

        while (work_with_fault(call, nth, codes[c]))
            nth++;
        if (nth == 1)
            fail_msg("%s is not called", call_names[call]);
    }
}

#define CODES(...) (const int[]){__VA_ARGS__}, ARRAY_SIZE(((const int[]){__VA_ARGS__}))

static void test_lmdb_opening(void **state)
{
    fail_each(CALL_env_create, CODES(ENOMEM));
    fail_each(CALL_env_set_mapsize, CODES(EINVAL));
    fail_each(CALL_env_set_maxdbs, CODES(EINVAL));
    fail_each(CALL_env_set_maxreaders, CODES(EINVAL));
    fail_each(CALL_env_get_fd, CODES(EINVAL));
    fail_each(CALL_env_info, CODES(EINVAL));
    fail_each(CALL_env_stat, CODES(EINVAL));
    fail_each(CALL_stat, CODES(EIO));
    fail_each(CALL_env_open, CODES(EIO, ENOSPC));
    fail_each(CALL_dbi_open, CODES(MDB_MAP_FULL));
}

static void test_lmdb_transactions(void **state)
{
    fail_each(CALL_txn_begin, CODES(EIO, MDB_READERS_FULL, MDB_PANIC));
    fail_each(CALL_txn_renew, CODES(EIO));
    fail_each(CALL_txn_commit, CODES(EIO, ENOSPC, MDB_MAP_FULL, MDB_PANIC));
}

static void test_lmdb_reading(void **state)
{
    fail_each(CALL_get, CODES(EIO));
    fail_each(CALL_cursor_open, CODES(ENOMEM));
    fail_each(CALL_cursor_get, CODES(EIO));
}

static void test_lmdb_writing(void **state)
{
    fail_each(CALL_put, CODES(MDB_MAP_FULL, EIO));
    fail_each(CALL_del, CODES(MDB_MAP_FULL));
}

static void test_disk(void **state)
{
    fail_each(CALL_DISK + DISK_WRITE, CODES(EIO, ENOSPC));
    fail_each(CALL_DISK + DISK_SPACE, CODES(EIO, ENOSPC));
    fail_each(CALL_DISK + DISK_SYNC, CODES(EIO));
    fail_each(CALL_DISK + DISK_OPEN, CODES(EIO, ENOSPC));
    fail_each(CALL_DISK + DISK_RENAME, CODES(EIO));
    fail_each(CALL_DISK + DISK_UNLINK, CODES(EIO));
}

static void test_system(void **state)
{
    fail_each(CALL_mmap64, CODES(ENOMEM));
    fail_each(CALL_pread64, CODES(EIO));
    fail_each(CALL_lseek64, CODES(EIO, EINVAL));
    fail_each(CALL_opendir, CODES(EMFILE));
    fail_each(CALL_readdir64, CODES(EIO));
    fail_each(CALL_mkdir, CODES(ENOSPC));
    fail_each(CALL_flock, CODES(EWOULDBLOCK, EIO));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lmdb_opening), cmocka_unit_test(test_lmdb_transactions),
        cmocka_unit_test(test_lmdb_reading), cmocka_unit_test(test_lmdb_writing),
        cmocka_unit_test(test_disk),         cmocka_unit_test(test_system),
    };

    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
