/* SPDX-License-Identifier: Apache-2.0 */
/* A home out of a backup: all of it or nothing, whatever breaks off when. */
#include "main/home.h"

#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "main/backup_file.h"
#include "tests/unit/store/fixture.h"

/* The process ends, as by a kill, before the n-th call of these; 0 = never. */
static int kill_at;
static ino_t synced; /* the last one */

static void point(void)
{
    if (kill_at && --kill_at == 0)
        _exit(42);
}

int __real_mdb_txn_commit(MDB_txn *txn);
int __wrap_mdb_txn_commit(MDB_txn *txn);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);

int __wrap_mdb_txn_commit(MDB_txn *txn)
{
    point();
    return __real_mdb_txn_commit(txn);
}

int __wrap_fsync(int fd)
{
    struct stat st;

    point();
    assert_int_equal(fstat(fd, &st), 0);
    synced = st.st_ino;
    return 0;
}

int __wrap_rename(const char *from, const char *to)
{
    point();
    return __real_rename(from, to);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    point();
    return __real_mkdir(path, mode);
}

static char *inside(const struct fixture *f, const char *name)
{
    return mem_printf("%s/%s", f->path, name);
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static bool is_there(const char *folder, const char *name)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", folder, name);

    return access(path, F_OK) == 0;
}

/* A home with keys, at PATH/old. */
static void make_keys(const struct fixture *f, struct home_keys *ret_keys)
{
    char *old CLEANUP_FREE = inside(f, "old");
    char *pki CLEANUP_FREE = inside(f, "old/pki");

    assert_int_equal(mkdir(old, 0700), 0);
    assert_int_equal(home_keys_read(old, ret_keys, NULL), -ERROR_NOT_FOUND);
    assert_int_equal(mkdir(pki, 0700), 0);
    write_file(pki, "ca.crt", "certificate");
    write_file(pki, "ca.key", "secret");
    assert_int_equal(home_keys_read(old, ret_keys, NULL), -ERROR_NOT_FOUND);
    write_file(pki, "sa.key", "secret too");
    assert_int_equal(home_keys_read(old, ret_keys, NULL), 0);
}

/* PATH/file, of a store that holds two keys. */
static char *make_backup(struct fixture *f, const struct home_keys *keys)
{
    char *path = inside(f, "file");
    struct store_backup *backup;
    struct store_backup_info info;
    struct backup_file file;
    BUF_LOCAL(bytes);

    put(f, "/a", "1");
    put(f, "/b", "1");
    assert_int_equal(store_backup_begin(f->store, &backup, NULL), 0);
    assert_int_equal(store_backup_next(backup, &bytes, NULL), 0);
    store_backup_end(backup);
    assert_int_equal(backup_file_open(path, &file, NULL), 0);
    assert_int_equal(backup_file_write(&file, buf_slice(&bytes), NULL), 0);
    assert_int_equal(backup_file_finish(&file, keys, &info, NULL), 0);
    backup_file_close(&file);
    assert_int_equal(info.files, keys ? HOME_KEYS : 0);
    return path;
}

static void check_store(const struct fixture *f, const char *home)
{
    char *path CLEANUP_FREE = mem_printf("%s/store", home);
    const struct store_options options = {.path = path, .manual = true};
    struct store_stats stats;
    struct store *store;

    assert_int_equal(store_open(&options, &store, NULL), 0);
    store_get_stats(store, &stats);
    store_close(store);
    assert_int_equal(stats.keys, 2);
    assert_int_equal(stats.revision, 3 + STORE_RESTORE_GAP);
}

static void test_store_and_keys_come_back(void **state)
{
    struct fixture *f = *state;
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};
    struct home_keys again CLEANUP_HOME_KEYS = {.count = 0};
    char *home CLEANUP_FREE = inside(f, "home");
    char *key CLEANUP_FREE = inside(f, "home/pki/ca.key");
    struct store_backup_info info;
    struct stat st;

    make_keys(f, &keys);
    char *file CLEANUP_FREE = make_backup(f, &keys);
    assert_int_equal(home_restore(file, home, &info, NULL), 0);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(synced, st.st_ino); /* the home is in its folder for good */
    assert_int_equal(info.keys, 2);
    check_store(f, home);
    assert_int_equal(home_keys_read(home, &again, NULL), 0);
    assert_true(slice_equal(again.files[1].bytes, SLICE_LIT("secret")));
    assert_int_equal(stat(key, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(is_there(home, "restore.tmp"));
    /* There is a store now. */
    assert_int_equal(home_restore(file, home, &info, NULL), -ERROR_ALREADY_EXISTS);
    check_store(f, home);
}

static void test_a_running_server_is_told(void **state)
{
    struct fixture *f = *state;
    char *file CLEANUP_FREE = make_backup(f, NULL);
    char *home CLEANUP_FREE = inside(f, "home");
    char *path CLEANUP_FREE = inside(f, "home/store");
    const struct store_options options = {.path = path, .manual = true};
    struct store_backup_info info;
    struct store *store;

    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(store_open(&options, &store, NULL), 0);
    assert_int_equal(home_restore(file, home, &info, NULL), -ERROR_UNAVAILABLE);
    store_close(store);
    assert_int_equal(home_restore(file, home, &info, NULL), -ERROR_ALREADY_EXISTS);
}

/* Keys that are there stay when they are the same, or when the backup has none. */
static void test_keys_that_are_there(void **state)
{
    struct fixture *f = *state;
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};
    char *old CLEANUP_FREE = inside(f, "old");
    char *pki CLEANUP_FREE = inside(f, "old/pki");
    struct store_backup_info info;
    ERROR_LOCAL(err);

    make_keys(f, &keys);
    char *file CLEANUP_FREE = make_backup(f, &keys);
    write_file(pki, "sa.key", "secret tox");
    assert_int_equal(home_restore(file, old, &info, &err), -ERROR_ALREADY_EXISTS);
    assert_non_null(strstr(error_text(&err), "sa.key"));
    assert_false(is_there(old, "store"));
    assert_false(is_there(old, "restore.tmp"));
    write_file(pki, "sa.key", "secret too");
    assert_int_equal(home_restore(file, old, &info, NULL), 0);
    check_store(f, old);
}

static void test_a_refused_one_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char *file CLEANUP_FREE = make_backup(f, NULL);
    char *home CLEANUP_FREE = inside(f, "home");
    struct store_backup_info info;
    ERROR_LOCAL(err);

    assert_int_equal(truncate(file, 100), 0);
    assert_int_equal(home_restore(file, home, &info, &err), -ERROR_CORRUPT);
    assert_non_null(strstr(error_text(&err), "at byte 100"));
    assert_int_equal(access(home, F_OK), -1);
    assert_true(home_restore("/nowhere/x", home, &info, NULL) < 0);
}

/* A server that runs as another user can use what root restored. */
static void test_it_belongs_to_whom_the_home_belongs(void **state)
{
    static const char *const names[] = {"home/pki",       "home/pki/ca.key",      "home/store", "home/store/data.mdb",
                                        "home/store/log", "home/store/knarr.lock"};
    struct fixture *f = *state;
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};
    char *home CLEANUP_FREE = inside(f, "home");
    struct store_backup_info info;

    if (geteuid() != 0)
        skip();
    make_keys(f, &keys);
    char *file CLEANUP_FREE = make_backup(f, &keys);
    assert_int_equal(mkdir(home, 0700), 0);
    assert_int_equal(chown(home, 65534, 65533), 0);
    assert_int_equal(home_restore(file, home, &info, NULL), 0);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path CLEANUP_FREE = inside(f, names[i]);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_uid, 65534);
        assert_int_equal(st.st_gid, 65533);
    }
}

/* Killed before each step: then there is no store, or all of it; and doing it again ends well. */
static void test_killed_at_any_step(void **state)
{
    struct fixture *f = *state;
    struct home_keys keys CLEANUP_HOME_KEYS = {.count = 0};
    char *home CLEANUP_FREE = inside(f, "home");
    struct store_backup_info info;
    int steps = 0, status = 1;

    make_keys(f, &keys);
    char *file CLEANUP_FREE = make_backup(f, &keys);
    while (status) {
        pid_t child;

        assert_in_range(++steps, 1, 100);
        child = fork();
        if (child == 0) {
            kill_at = steps;
            _exit(home_restore(file, home, &info, NULL) < 0 ? 1 : 0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 42 || status == 0));
        if (!is_there(home, "store"))
            assert_int_equal(home_restore(file, home, &info, NULL), 0);
        check_store(f, home);
        assert_true(is_there(home, "pki/sa.key"));
        test_remove_folder(home);
    }
    assert_in_range(steps, 10, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        store_test(test_store_and_keys_come_back),
        store_test(test_a_running_server_is_told),
        store_test(test_keys_that_are_there),
        store_test(test_a_refused_one_leaves_nothing),
        store_test(test_it_belongs_to_whom_the_home_belongs),
        store_test(test_killed_at_any_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
