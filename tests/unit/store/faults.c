/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the disk fails. The linker hands the calls below to the wrappers first, which fail the n-th of them as told: the
 * log's writing and syncing, and the commits and openings of LMDB behind it.
 */
#include <dirent.h>
#include <errno.h>
#include <lmdb.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/store/fixture.h"

enum call { PWRITE, FDATASYNC, FSYNC, FALLOCATE, COMMIT, ENV_OPEN, READDIR, CALLS };

static struct {
    int after[CALLS]; /* so many of them work first; 0 = none fails */
    int number[CALLS];
    bool env_gone;       /* LMDB cannot be opened */
    bool commit_sickens; /* LMDB refuses to write after the failed commit */
    bool sync_anyway;    /* what the failed fdatasync was to do is done */
    MDB_env *sick;
    void (*before_read)(struct fixture *f);    /* what happens just before the next view of LMDB; once */
    void (*slow_fallocate)(struct fixture *f); /* what happens while a file's beginning is allocated; atomic */
    struct fixture *fixture;
    ino_t wanted; /* to be synced; 0 = it was */
} fault;

/* The error number that this call is to fail with; 0 = let it work. */
static int fails(enum call call)
{
    if (!fault.after[call] || --fault.after[call])
        return 0;
    return fault.number[call];
}

static void fail_next(enum call call, int number, int nth)
{
    fault.after[call] = nth;
    fault.number[call] = number;
}

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t at);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at);
int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_posix_fallocate64(int fd, off_t at, off_t len);
int __wrap_posix_fallocate64(int fd, off_t at, off_t len);
int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __real_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn);
int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn);
int __real_mdb_txn_renew(MDB_txn *txn);
int __wrap_mdb_txn_renew(MDB_txn *txn);
int __real_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode);
void __real_mdb_env_close(MDB_env *env);
struct dirent *__real_readdir64(DIR *folder);
struct dirent *__wrap_readdir64(DIR *folder);
void __wrap_mdb_env_close(MDB_env *env);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t at)
{
    int number = fails(PWRITE);

    if (!number)
        return __real_pwrite64(fd, data, len, at);
    (void)__real_pwrite64(fd, data, len / 2, at); /* torn */
    errno = number;
    return -1;
}

int __wrap_fdatasync(int fd)
{
    errno = fails(FDATASYNC);
    return errno ? -1 : 0;
}

int __wrap_fsync(int fd)
{
    struct stat file;

    if (fault.wanted && fstat(fd, &file) == 0 && file.st_ino == fault.wanted)
        fault.wanted = 0;
    errno = fails(FSYNC);
    return errno ? -1 : 0;
}

int __wrap_posix_fallocate64(int fd, off_t at, off_t len)
{
    void (*slow)(struct fixture * f) = __atomic_load_n(&fault.slow_fallocate, __ATOMIC_ACQUIRE);
    int number = fails(FALLOCATE);

    if (slow && !at)
        slow(fault.fixture);
    return number ? number : __real_posix_fallocate64(fd, at, len);
}

struct dirent *__wrap_readdir64(DIR *folder)
{
    int number = fails(READDIR);

    if (!number)
        return __real_readdir64(folder);
    errno = number;
    return NULL;
}

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    int number = fails(COMMIT);

    if (!number)
        return __real_mdb_txn_commit(txn);
    if (fault.commit_sickens)
        fault.sick = mdb_txn_env(txn);
    mdb_txn_abort(txn);
    return number;
}

static void before_read(void)
{
    void (*fn)(struct fixture * f) = fault.before_read;

    fault.before_read = NULL;
    if (fn)
        fn(fault.fixture);
}

int __wrap_mdb_txn_renew(MDB_txn *txn)
{
    before_read();
    return __real_mdb_txn_renew(txn);
}

int __wrap_mdb_txn_begin(MDB_env *env, MDB_txn *parent, unsigned flags, MDB_txn **ret_txn)
{
    if (flags & MDB_RDONLY)
        before_read();
    if (env == fault.sick && !(flags & MDB_RDONLY))
        return MDB_PANIC;
    return __real_mdb_txn_begin(env, parent, flags, ret_txn);
}

/* LMDB maps its lock file: on a full disk the process would end in a hole of it. */
int __wrap_mdb_env_open(MDB_env *env, const char *path, unsigned flags, mdb_mode_t mode)
{
    char *lock CLEANUP_FREE = mem_printf(flags & MDB_NOSUBDIR ? "%s-lock" : "%s/lock.mdb", path);
    struct stat file;

    assert_int_equal(flags & (MDB_NOSYNC | MDB_NOMETASYNC | MDB_WRITEMAP | MDB_MAPASYNC | MDB_NOLOCK), 0);
    assert_int_equal(stat(lock, &file), 0);
    assert_in_range(file.st_size, 255 * 64 + 192, 1 << 20); /* a reader has 64 bytes */
    assert_true(file.st_blocks * 512 >= file.st_size);
    int number = fault.env_gone ? EIO : 0;

    return number ? number : __real_mdb_env_open(env, path, flags, mode);
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

static void note_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    for (size_t i = 0; i < count; i++)
        event_write(arg, events[i]);
}

/* Somebody made the store's folder, and the power may still take its name away: not behind an acknowledged write. */
static void test_folder_of_the_store_is_synced(void **state)
{
    struct fixture *f = *state;
    char *parent CLEANUP_FREE = mem_printf("%s/..", f->path);
    struct stat folder;

    store_close(f->store);
    test_remove_folder(f->path);
    assert_int_equal(mkdir(f->path, 0700), 0);
    assert_int_equal(stat(parent, &folder), 0);
    fault.wanted = folder.st_ino;
    fixture_open(f);
    assert_int_equal(fault.wanted, 0);
}

/* A segment that is not found because its folder cannot be read to its end is not missing. */
static void test_folder_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    const struct store_options options = {.path = f->path, .clock = &f->clock.base, .manual = true};

    assert_int_equal(put(f, "/a", "1").revision, 2);
    for (int nth = 1; nth <= 8; nth++) {
        ERROR_LOCAL(err);

        store_close(f->store);
        f->store = NULL;
        fail_next(READDIR, EIO, nth);
        if (store_open(&options, &f->store, &err) < 0) {
            assert_int_equal(err.code, ERROR_IO);
            assert_true(nth < 8);
            fixture_open(f);
        }
        assert_int_equal(store_revision(f->store), 2);
    }
    fault.after[READDIR] = 0;
}

/* A failed append fails its batch, verdicts and all, shows nothing, and the next batch works, in its place. */
static void failed_append(struct fixture *f, enum call call, int number, enum error_code code)
{
    const struct store_operation write[] = {OP_PUT("/a", "1")};
    const struct store_condition absent[] = {{SLICE_LIT("/a"), 0}};
    struct outcome outcomes[3];
    BUF_LOCAL(seen);
    uint64_t revision;
    struct store_watch *watch = store_watch_open(f->store, SLICE_NONE, note_events, &seen, &revision);

    submit(f, absent, 1, write, 1, &outcomes[0]);
    submit(f, absent, 1, write, 1, &outcomes[1]); /* its conflict is with a write that never was */
    submit(f, NULL, 0, NULL, 0, &outcomes[2]);    /* wrong in itself, whatever the disk does */
    fail_next(call, number, 1);
    step_all(f);
    assert_int_equal(outcomes[0].code, code);
    assert_int_equal(outcomes[1].code, code);
    assert_int_equal(outcomes[2].code, ERROR_INVALID);
    assert_int_equal(seen.len, 0);
    assert_int_equal(store_revision(f->store), 1);
    assert_get(f, "/a", "-");
    assert_int_equal(put_if(f, "/a", "2", 0).revision, 2);
    assert_string_equal(buf_cstr(&seen), "2+/a=2 ");
    store_watch_close(watch);
    fixture_reopen(f);
    assert_list(f, "", "", 0, 0, "/a=2@2");
    assert_log(f, "", 1, 0, 0, "2+/a=2 |2");
}

/* A disk that fails for hours takes no memory with every write that it refuses. */
static void test_failing_for_long_takes_no_memory(void **state)
{
    struct fixture *f = *state;
    size_t before = 0;
    struct outcome outcome;

    assert_int_equal(put(f, "/kept", "1").revision, 2);
    assert_int_equal(put(f, "/kept", "2").revision, 3);
    for (int i = 0; i < 160; i++) {
        for (int n = 0; n < 1000; n++) {
            char *key CLEANUP_FREE = mem_printf("/key/that/never/was/%d", 1000 * i + n);
            const struct store_operation write = {STORE_PUT, slice_str(key), SLICE_NONE, SLICE_LIT("1")};

            submit(f, NULL, 0, &write, 1, &outcome);
        }
        fail_next(FDATASYNC, EIO, 1);
        step_all(f);
        assert_int_equal(outcome.code, ERROR_IO);
        if (i == 70)
            before = mallinfo2().uordblks;
    }
    assert_true(mallinfo2().uordblks < before + (8u << 20));
    assert_get(f, "/kept", "2@3/2");
    assert_list(f, "", "", 2, 0, "/kept=1@2");
    assert_int_equal(put(f, "/kept", "3").revision, 4);
    fixture_reopen(f);
    assert_log(f, "", 1, 0, 0, "2+/kept=1 3*/kept=2<1@2 4*/kept=3<2@3 |4");
}

static void test_failed_write(void **state)
{
    failed_append(*state, PWRITE, EIO, ERROR_IO);
}

static void test_failed_sync(void **state)
{
    failed_append(*state, FDATASYNC, EIO, ERROR_IO);
}

static void test_full_disk(void **state)
{
    failed_append(*state, PWRITE, ENOSPC, ERROR_NO_SPACE);
}

/* Those that may use what is set aside are tried again at once; nothing is seen of the others. */
static void test_full_disk_spares_deletions(void **state)
{
    struct fixture *f = *state;
    const struct store_operation write[] = {OP_PUT("/a", "1")}, gone[] = {OP_DELETE("/b")};
    const struct store_condition absent[] = {{SLICE_LIT("/a"), 0}};
    struct outcome outcomes[4];
    BUF_LOCAL(seen);
    uint64_t revision;
    struct store_watch *watch;

    put(f, "/b", "1");
    watch = store_watch_open(f->store, SLICE_NONE, note_events, &seen, &revision);
    submit(f, NULL, 0, write, 1, &outcomes[0]);
    submit(f, absent, 1, write, 1, &outcomes[1]); /* its conflict is with a write that never was */
    submit(f, absent, 1, gone, 1, &outcomes[2]);  /* so was this one's */
    fail_next(PWRITE, ENOSPC, 1);
    step_all(f);
    assert_int_equal(outcomes[0].code, ERROR_NO_SPACE);
    assert_int_equal(outcomes[1].code, ERROR_NO_SPACE);
    assert_int_equal(outcomes[2].revision, 3);
    assert_string_equal(buf_cstr(&seen), "3-/b=1 ");
    store_watch_close(watch);
    fixture_reopen(f);
    assert_log(f, "", 1, 0, 0, "2+/b=1 3-/b=1 |3");
}

static void fill(char value[2000])
{
    memset(value, 'v', 1999);
    value[1999] = '\0';
}

static struct outcome put_numbered(struct fixture *f, int number, const char *value)
{
    char key[16];

    (void)snprintf(key, sizeof(key), "/%04d", number);
    return value ? put(f, key, value) : delete_key(f, key);
}

/* Puts until the log has gone on in segment `id`; how many. */
static int fill_until_segment(struct fixture *f, unsigned id)
{
    char *path CLEANUP_FREE = mem_printf("%s/log/%08x", f->path, id);
    char value[2000];
    int count = 0;

    fill(value);
    while (access(path, F_OK) < 0 && count < 5000)
        assert_int_equal(put_numbered(f, count++, value).code, ERROR_NONE);
    return count;
}

/* The next segment has its name, but its folder could not be synced: nobody notices, and it is made again. */
static void test_folder_of_a_segment_is_not_synced(void **state)
{
    struct fixture *f = *state;
    int count;

    fail_next(FSYNC, EIO, 2); /* the file's own is the first */
    count = fill_until_segment(f, 3);
    clock_fake_advance(&f->clock, 2 * NS_PER_S);
    count += fill_until_segment(f, 4);
    fixture_reopen(f);
    assert_int_equal(store_revision(f->store), count + 1);
    assert_int_equal(put(f, "/more", "1").code, ERROR_NONE);
}

/* The first write to a new segment fails: whatever its head says then, the next ones go there and nowhere else. */
static void test_begun_in_vain(void **state)
{
    static const enum call calls[] = {PWRITE, FDATASYNC};

    for (int i = 0; i < 6; i++) {
        void *own = NULL;
        char value[2000];
        struct fixture *f;
        int count;
        char *text CLEANUP_FREE = NULL;

        fill(value);
        assert_int_equal(setup(&own), 0);
        f = own;
        count = fill_until_segment(f, 3); /* the first write to 2 was the last one */
        store_close(f->store);
        test_remove_folder(f->path);
        fixture_open(f);
        for (int n = 0; n < count - 1; n++)
            (void)put_numbered(f, n, value);
        fail_next(calls[i % 2], EIO, i < 4 ? 1 : 2);
        assert_int_equal(put_numbered(f, count, value).code, i == 5 ? ERROR_NONE : ERROR_IO);
        assert_int_equal(put(f, "/small", "1").code, i == 5 ? ERROR_IO : ERROR_NONE);
        assert_int_equal(put(f, "/small", "2").code, ERROR_NONE);
        if (i & 2)
            assert_int_equal(put_numbered(f, count, value).code, ERROR_NONE);
        fixture_reopen(f);
        text = get_text(f, "/small");
        assert_int_equal(strncmp(text, "2@", 2), 0);
        assert_int_equal(put(f, "/more", "1").code, ERROR_NONE);
        (void)fixture_teardown(&own);
    }
}

/* Killed while a table was written to LMDB in several transactions: what lives is counted as before. */
static void test_sums_after_half_a_checkpoint(void **state)
{
    const struct store_operation again[] = {OP_PUT("/0001", "again")}, gone[] = {OP_DELETE("/0001")};
    struct fixture *f = *state;
    struct outcome outcomes[3];
    struct store_stats before, after;

    store_close(f->store);
    f->checkpoint_count = 100000;
    fixture_open(f);
    for (int i = 0; i < 3000; i++)
        put_numbered(f, i, "value");
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    step_all(f);
    for (int i = 0; i < 3000; i++)
        put_numbered(f, i, i % 3 == 0 ? NULL : i % 3 == 1 ? "longer than before" : "");
    submit(f, NULL, 0, again, 1, &outcomes[0]); /* in one frame */
    submit(f, NULL, 0, gone, 1, &outcomes[1]);
    submit(f, NULL, 0, again, 1, &outcomes[2]);
    store_step(f->store);
    assert_int_equal(outcomes[2].code, ERROR_NONE);
    store_get_stats(f->store, &before);
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    fail_next(COMMIT, EIO, 2);
    step_all(f);
    fixture_reopen(f);
    store_get_stats(f->store, &after);
    assert_int_equal(after.keys, before.keys);
    assert_int_equal(after.bytes_used, before.bytes_used);
    for (int i = 0; i < 3000; i++)
        put_numbered(f, i, NULL);
    store_get_stats(f->store, &after);
    assert_int_equal(after.keys, 0);
    assert_int_equal(after.bytes_used, 0);
}

static void roll_and_checkpoint(struct fixture *f)
{
    char value[2000];

    fill(value);
    for (int i = 0; i < 20; i++)
        put(f, "/b", value);
    put(f, "/a", "2");
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    step_all(f);
}

/* A reader that was held up while the log went on in a new segment and LMDB was told of it. */
static void test_reader_overtaken_by_a_segment(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    test_remove_folder(f->path);
    f->segment_bytes = 12 << 10;
    fixture_open(f);
    put(f, "/a", "1");
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    step_all(f);
    fault.fixture = f;
    fault.before_read = roll_and_checkpoint;
    assert_get(f, "/a", "2@23/2");
    fault.before_read = roll_and_checkpoint;
    assert_list(f, "/a", "", 0, 0, "/a=2@44");
    assert_list(f, "/a", "", 2, 0, "/a=1@2");
}

static void roll_and_clean(struct fixture *f)
{
    char value[2000];

    fill(value);
    (void)write_class(f, STORE_HISTORY_NONE, "/lease", "2");
    for (int i = 0; i < 20; i++)
        (void)write_class(f, STORE_HISTORY_NONE, "/b", value);
    clock_fake_advance(&f->clock, 1000 * NS_PER_S);
    step_all(f);
}

/* A reader that was held up while what it was about to see left the log. */
static void test_reader_overtaken_by_cleaning(void **state)
{
    struct fixture *f = *state;

    store_close(f->store);
    test_remove_folder(f->path);
    f->segment_bytes = 12 << 10;
    fixture_open(f);
    (void)write_class(f, STORE_HISTORY_NONE, "/lease", "1");
    fault.fixture = f;
    fault.before_read = roll_and_clean;
    assert_get(f, "/lease", "2@3/2");
    assert_true(store_compacted_of(f->store, STORE_HISTORY_NONE) > 3);
    fault.before_read = roll_and_clean;
    assert_list(f, "/lease", "", 0, 0, "/lease=2@24");
}

/* LMDB fails behind what was acknowledged: nobody notices, and it is tried again. */
static void test_failed_checkpoint(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/b", "2");
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    fail_next(COMMIT, EIO, 1);
    fault.commit_sickens = true;
    step_all(f);
    assert_list(f, "", "", 0, 0, "/a=1@2 /b=2@3");
    put(f, "/a", "3");
    assert_false(store_step(f->store)); /* not before a second is over */
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    step_all(f);
    assert_null(fault.sick); /* it was opened anew */
    assert_list(f, "", "", 0, 0, "/a=3@4 /b=2@3");
    assert_list(f, "", "", 3, 0, "/a=1@2 /b=2@3");
    fixture_reopen(f);
    assert_list(f, "", "", 0, 0, "/a=3@4 /b=2@3");
}

/* While LMDB cannot even be opened nothing can be read; once it can, all is there. */
static void test_lmdb_is_gone_for_a_while(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    clock_fake_advance(&f->clock, 31 * NS_PER_S);
    fail_next(COMMIT, EIO, 1);
    fault.commit_sickens = true;
    step_all(f);
    clock_fake_advance(&f->clock, 2 * NS_PER_S);
    fault.env_gone = true;
    step_all(f);
    assert_list(f, "", "", 0, 0, "E:InternalError");
    assert_int_equal(put(f, "/b", "1").code, ERROR_IO);
    fault.env_gone = false;
    clock_fake_advance(&f->clock, 2 * NS_PER_S);
    step_all(f);
    assert_list(f, "", "", 0, 0, "/a=1@2");
    assert_int_equal(put(f, "/b", "1").revision, 3);
}

static void test_failed_compaction_can_be_repeated(void **state)
{
    struct fixture *f = *state;

    put(f, "/a", "1");
    put(f, "/a", "2");
    fail_next(COMMIT, ENOSPC, 1);
    assert_int_equal(compact(f, 2), ERROR_NO_SPACE);
    assert_int_equal(store_compacted(f->store), 1);
    assert_log(f, "", 1, 0, 0, "2+/a=1 3*/a=2<1@2 |3");
    assert_int_equal(compact(f, 2), ERROR_NONE);
    assert_log(f, "", 1, 0, 0, "E:Expired");
}

/* ---- while the keeper waits for the disk ---- */

static struct {
    sem_t done;        /* the test's own write */
    sem_t done_beside; /* that of the keeper's thread */
    sem_t over;        /* the keeper's thread goes on */
    pthread_t writer;
    bool asked;
    bool waited;
} beside;

static void note_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    if (!beside.writer)
        beside.writer = pthread_self();
    (void)sem_post(arg);
}

static bool wait_for(sem_t *sem)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    return sem_timedwait(sem, &until) == 0;
}

static void commit_beside(struct fixture *f)
{
    const struct store_operation write[] = {OP_PUT("/beside", "1")};

    if (beside.asked || pthread_equal(pthread_self(), beside.writer))
        return;
    beside.asked = true;
    store_commit(f->store, &(struct store_transaction){NULL, 0, write, 1}, note_done, &beside.done_beside);
    beside.waited = !wait_for(&beside.done_beside);
    (void)sem_post(&beside.over);
}

/* Who writes goes on while the keeper makes the next segment, as long as there is room in the present one. */
static void test_writes_beside_a_new_segment(void **state)
{
    static char text[16384];
    const struct store_operation write[] = {{STORE_PUT, SLICE_LIT("/a"), SLICE_NONE, slice_make(text, sizeof(text))}};
    struct fixture *f = *state;
    struct store_stats begin, now;

    (void)sem_init(&beside.done, 0, 0);
    (void)sem_init(&beside.done_beside, 0, 0);
    (void)sem_init(&beside.over, 0, 0);
    fault.fixture = f;
    store_get_stats(f->store, &begin);
    do {
        store_commit(f->store, &(struct store_transaction){NULL, 0, write, 1}, note_done, &beside.done);
        assert_true(wait_for(&beside.done));
        __atomic_store_n(&fault.slow_fallocate, commit_beside, __ATOMIC_RELEASE); /* the writer is known */
        store_get_stats(f->store, &now);
    } while (now.log_bytes == begin.log_bytes);
    assert_true(wait_for(&beside.over));
    __atomic_store_n(&fault.slow_fallocate, NULL, __ATOMIC_RELEASE);
    assert_false(beside.waited);
}

static int setup_threaded(void **state)
{
    memset(&fault, 0, sizeof(fault));
    return fixture_setup_threaded(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_folder_of_the_store_is_synced, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_folder_cannot_be_read, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failing_for_long_takes_no_memory, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failed_write, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failed_sync, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_full_disk, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_spares_deletions, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_folder_of_a_segment_is_not_synced, setup, fixture_teardown),
        cmocka_unit_test(test_begun_in_vain),
        cmocka_unit_test_setup_teardown(test_sums_after_half_a_checkpoint, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reader_overtaken_by_a_segment, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reader_overtaken_by_cleaning, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failed_checkpoint, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_lmdb_is_gone_for_a_while, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_failed_compaction_can_be_repeated, setup, fixture_teardown),
        cmocka_unit_test_setup_teardown(test_writes_beside_a_new_segment, setup_threaded, fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
