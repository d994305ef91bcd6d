/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new LMDB file. It comes to its name only when it is whole and durable: LMDB itself writes the first pages once,
 * when the file is empty, and when the sync behind that fails they look well until the machine restarts.
 */
#include "store/store_internal.h"

#include "lib/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_BYTES (20u << 10) /* STORE_READERS fit */

/* LMDB maps its table of readers, and a hole in it would end the process when the disk is full. */
int store_fill_lock(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct stat file;
    int rc = fd < 0 || fstat(fd, &file) < 0
                 ? errno
                 : posix_fallocate(fd, 0, file.st_size > LOCK_BYTES ? file.st_size : (off_t)LOCK_BYTES);

    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static int make_tables(struct store *store, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->db.env, NULL, 0, &txn);

    if (rc)
        return store_lmdb_error(err, rc, "starting to write");
    if (store_index_open(store, txn, err) < 0) {
        mdb_txn_abort(txn);
        return -err->code;
    }
    rc = mdb_txn_commit(txn);
    return rc ? store_lmdb_error(err, rc, "making the tables") : 0;
}

static int make_file(struct store *store, const char *path, const char *lock, struct error *err)
{
    int rc = store_fill_lock(lock);

    if (rc == 0)
        rc = mdb_env_create(&store->db.env);
    if (rc)
        return store_lmdb_error(err, rc, "making LMDB");
    rc = mdb_env_set_maxdbs(store->db.env, STORE_TABLES);
    if (rc == 0)
        rc = mdb_env_open(store->db.env, path, MDB_NOSUBDIR | MDB_NOTLS, 0600);
    if (rc)
        (void)store_lmdb_error(err, rc, "making LMDB");
    else
        (void)make_tables(store, err);
    mdb_env_close(STEAL(store->db.env));
    return error_is_set(err) ? -err->code : 0;
}

int store_make(struct store *store, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/data.mdb", store->path);
    char *fresh CLEANUP_FREE = mem_printf("%s/new.mdb", store->path);
    char *lock CLEANUP_FREE = mem_printf("%s-lock", fresh);
    char *parent CLEANUP_FREE = mem_printf("%s/..", store->path);

    if (access(path, F_OK) == 0)
        return 0;
    if (unlink(fresh) < 0 && errno != ENOENT) /* of an earlier try */
        return error_set_errno(err, errno, "removing %s", fresh);
    (void)unlink(lock);
    /* The folder's own name first: who made it may not have come so far. */
    if (folder_sync(parent, err) < 0 || make_file(store, fresh, lock, err) < 0)
        return -err->code;
    (void)unlink(lock); /* LMDB's own, for a name that is given up */
    return rename(fresh, path) < 0 ? error_set_errno(err, errno, "making %s", path) : 0;
}
