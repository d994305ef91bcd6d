/* SPDX-License-Identifier: Apache-2.0 */
#include "main/home.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/folder.h"

#define WALK_DESCRIPTORS 16

static const char *const home_key_names[HOME_KEYS] = {"ca.crt", "ca.key", "sa.key"};

/* ---- keys ---- */

static int file_read_small(const char *path, struct buf *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 1;

    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "%s is not there", path);
    if (fd < 0)
        return error_set_errno(err, errno, "reading %s", path);
    while (n > 0 && out->len <= STORE_BACKUP_FILE_BYTES_MAX) {
        n = read(fd, buf_reserve(out, 4096), 4096);
        out->len += n > 0 ? (size_t)n : 0;
    }
    (void)close(fd);
    if (n < 0)
        return error_set(err, ERROR_IO, "reading %s failed", path);
    return out->len > STORE_BACKUP_FILE_BYTES_MAX ? error_set(err, ERROR_TOO_LARGE, "%s is too large", path) : 0;
}

int home_keys_read(const char *home, struct home_keys *ret_keys, struct error *err)
{
    struct home_keys keys = {.count = 0};
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < HOME_KEYS; i++) {
        char *path CLEANUP_FREE = mem_printf("%s/pki/%s", home, home_key_names[i]);

        rc = file_read_small(path, &keys.bytes[i], err);
        keys.files[i] = (struct store_backup_file){home_key_names[i], buf_slice(&keys.bytes[i])};
    }
    if (rc < 0) {
        home_keys_clear(&keys);
        return rc;
    }
    keys.count = HOME_KEYS;
    *ret_keys = keys;
    return 0;
}

void home_keys_clear(struct home_keys *keys)
{
    for (size_t i = 0; i < HOME_KEYS; i++)
        buf_free(&keys->bytes[i]);
    keys->count = 0;
}

/* ---- folders ---- */

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return remove(path) < 0 && errno != ENOENT ? -1 : 0;
}

static int folder_remove(const char *path, struct error *err)
{
    if (nftw(path, remove_entry, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS) < 0 && errno != ENOENT)
        return error_set_errno(err, errno, "removing %s", path);
    return 0;
}

/* The home's owner; one command, one thread. */
static struct stat home_owner;

static int own_entry(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    return lchown(path, home_owner.st_uid, home_owner.st_gid);
}

/* The server may run as another user than the one who restores. */
static int folder_own(const char *path, const char *home, struct error *err)
{
    if (geteuid() != 0)
        return 0;
    if (stat(home, &home_owner) < 0 || nftw(path, own_entry, WALK_DESCRIPTORS, FTW_PHYS) < 0)
        return error_set_errno(err, errno, "giving %s to whom %s belongs", path, home);
    return 0;
}

static int folder_make(const char *path, struct error *err)
{
    return mkdir(path, 0700) < 0 ? error_set_errno(err, errno, "making the folder %s", path) : 0;
}

static int file_write(const char *path, struct slice bytes, mode_t mode, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    ssize_t n = fd < 0 ? -1 : write(fd, bytes.data, bytes.len);
    bool ok = n == (ssize_t)bytes.len && fsync(fd) == 0;
    int number = n >= 0 && n < (ssize_t)bytes.len ? ENOSPC : errno;

    if (fd >= 0)
        (void)close(fd);
    return ok ? 0 : error_set_errno(err, number, "writing %s", path);
}

/* ---- restoring ---- */

struct restore {
    const char *home;
    char *work;  /* home/restore.tmp */
    char *pki;   /* home/pki */
    char *store; /* home/store */
    char *names[STORE_BACKUP_FILES_MAX];
    struct buf files[STORE_BACKUP_FILES_MAX];
    size_t count;
    int lock;     /* on the home: one restore at a time; -1 = not taken */
    bool has_pki; /* is in the home already */
    bool made;    /* the home itself */
};

static void restore_clear(struct restore *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->names[i]);
        buf_free(&r->files[i]);
    }
    if (r->lock >= 0)
        (void)close(r->lock);
    free(r->work);
    free(r->pki);
    free(r->store);
}

static int restore_note_file(void *arg, const struct store_backup_file *file, struct error *err)
{
    struct restore *r = arg;

    r->names[r->count] = mem_strdup(file->name);
    buf_append_slice(&r->files[r->count++], file->bytes);
    return 0;
}

/* Says whether a server has it open, because then moving it away is no way out. */
static int restore_refuse_store(const struct restore *r, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/knarr.lock", r->store);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool runs = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;

    if (fd >= 0)
        (void)close(fd);
    if (runs)
        return error_set(err, ERROR_UNAVAILABLE, "a server runs on %s: stop it, and move %s away", r->home, r->store);
    return error_set(err, ERROR_ALREADY_EXISTS, "%s is there already: move it away first", r->store);
}

/* Keys that are there stay; they must be those of the backup. */
static int restore_compare_keys(struct restore *r, struct error *err)
{
    for (size_t i = 0; i < r->count; i++) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", r->pki, r->names[i]);
        BUF_LOCAL(bytes);

        if (file_read_small(path, &bytes, err) < 0)
            return error_wrap(err, "the backup's keys are not those in %s, move it away first", r->pki);
        if (!slice_equal(buf_slice(&bytes), buf_slice(&r->files[i])))
            return error_set(err, ERROR_ALREADY_EXISTS, "%s is another key than the backup's: move %s away first", path,
                             r->pki);
    }
    return 0;
}

static int restore_look(struct restore *r, struct error *err)
{
    if (access(r->store, F_OK) == 0)
        return restore_refuse_store(r, err);
    r->has_pki = access(r->pki, F_OK) == 0;
    return r->has_pki ? restore_compare_keys(r, err) : 0;
}

static int restore_write_keys(const struct restore *r, struct error *err)
{
    char *pki CLEANUP_FREE = mem_printf("%s/pki", r->work);

    if (r->has_pki || !r->count)
        return 0;
    if (folder_make(pki, err) < 0)
        return -err->code;
    for (size_t i = 0; i < r->count; i++) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", pki, r->names[i]);
        bool public = slice_ends(slice_str(path), SLICE_LIT(".crt"));

        if (file_write(path, buf_slice(&r->files[i]), public ? 0644 : 0600, err) < 0)
            return -err->code;
    }
    return folder_sync(pki, err);
}

/* The store is last: with it, the home is one. */
static int restore_move(const struct restore *r, struct error *err)
{
    char *pki CLEANUP_FREE = mem_printf("%s/pki", r->work);
    char *store CLEANUP_FREE = mem_printf("%s/store", r->work);
    char *parent CLEANUP_FREE = mem_printf("%s/..", r->home);

    if (folder_sync(r->work, err) < 0)
        return -err->code;
    if (!r->has_pki && r->count && rename(pki, r->pki) < 0)
        return error_set_errno(err, errno, "moving the keys to %s", r->pki);
    if (rename(store, r->store) < 0)
        return error_set_errno(err, errno, "moving the store to %s", r->store);
    (void)rmdir(r->work);
    return folder_sync(r->home, err) < 0 || (r->made && folder_sync(parent, err) < 0) ? -err->code : 0;
}

static int restore_take_home(struct restore *r, struct error *err)
{
    int number;

    r->made = mkdir(r->home, 0700) == 0;
    if (!r->made && errno != EEXIST)
        return error_set_errno(err, errno, "making the folder %s", r->home);
    r->lock = open(r->home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r->lock >= 0 && flock(r->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    number = errno;
    if (r->lock >= 0)
        (void)close(r->lock);
    r->lock = -1;
    return error_set_errno(err, number, "taking %s for this restore alone", r->home);
}

static int restore_run(struct restore *r, int fd, struct store_backup_info *ret_info, struct error *err)
{
    char *store CLEANUP_FREE = mem_printf("%s/store", r->work);

    /* All of it is read and checked before anything is written. */
    if (store_backup_check(fd, restore_note_file, r, ret_info, err) < 0 || restore_look(r, err) < 0)
        return -err->code;
    if (restore_take_home(r, err) < 0 || folder_remove(r->work, err) < 0 || folder_make(r->work, err) < 0 ||
        restore_write_keys(r, err) < 0)
        return -err->code;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return error_set_errno(err, errno, "reading it again");
    if (store_restore(fd, store, ret_info, err) < 0 || folder_own(r->work, r->home, err) < 0)
        return -err->code;
    return restore_move(r, err);
}

int home_restore(const char *file, const char *home, struct store_backup_info *ret_info, struct error *err)
{
    struct restore r CLEANUP(restore_clear) = {.lock = -1,
                                               .home = home,
                                               .work = mem_printf("%s/restore.tmp", home),
                                               .pki = mem_printf("%s/pki", home),
                                               .store = mem_printf("%s/store", home)};
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ERROR_LOCAL(failure);
    int rc;

    if (fd < 0)
        return error_set_errno(err, errno, "opening %s", file);
    rc = restore_run(&r, fd, ret_info, &failure);
    (void)close(fd);
    if (rc == 0)
        return 0;
    if (r.lock >= 0)
        (void)folder_remove(r.work, NULL);
    if (r.made)
        (void)rmdir(home);
    return error_pass(err, &failure, "%s", file);
}
