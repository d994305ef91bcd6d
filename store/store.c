/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and closing the store: the folder, the lock that keeps a second process out, the LMDB environment and the
 * version of what lies in it.
 *
 * LMDB runs with its safe flags only: a commit returns after fdatasync of the data and a synced write of the meta page,
 * and a kill at any moment leaves the last commit. Address space is reserved once, far beyond the quota, because
 * growing the map would need every reader out; the quota is counted by us.
 */
#include "store/store_internal.h"

#include "lib/failpoint.h"
#include "lib/folder.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_SIZE  (sizeof(void *) >= 8 ? (uint64_t)64 << 30 : (uint64_t)1 << 30)
#define MAP_SLACK ((uint64_t)64 << 20) /* beside the quota: free pages that a reader still holds */

int store_lmdb_error(struct error *err, int rc, const char *what)
{
    switch (rc) {
    case ENOSPC:
    case EDQUOT:
    case MDB_MAP_FULL:
        return error_set(err, ERROR_NO_SPACE, "database space exceeded: %s: %s", what, mdb_strerror(rc));
    case MDB_READERS_FULL:
        return error_set(err, ERROR_UNAVAILABLE, "%s: too many readers at once", what);
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
        return error_set(err, ERROR_CORRUPT, "%s: %s", what, mdb_strerror(rc));
    default:
        return error_set(err, ERROR_IO, "%s: %s", what, mdb_strerror(rc));
    }
}

static int make_folder(const char *path, struct error *err)
{
    return mkdir(path, 0700) < 0 && errno != EEXIST ? error_set_errno(err, errno, "making the folder %s", path) : 0;
}

/* The kernel drops the lock with the process, so nothing is left behind by a kill. */
static int lock_folder(struct store *store, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/knarr.lock", store->path);
    char owner[32] = "";
    ssize_t len;

    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return error_set_errno(err, errno, "opening %s", path);
    if (flock(store->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return error_set_errno(err, errno, "locking %s", path);
        len = pread(store->lock_fd, owner, sizeof(owner) - 1, 0);
        return error_set(err, ERROR_UNAVAILABLE, "the store in %s is in use by process %s: stop that one first",
                         store->path, len > 0 ? owner : "(unknown)");
    }
    len = snprintf(owner, sizeof(owner), "%ld", (long)getpid());
    /* In this order, so that a full disk need not give the file its block again. */
    if (pwrite(store->lock_fd, owner, (size_t)len, 0) != len || ftruncate(store->lock_fd, len) < 0)
        return error_set_errno(err, errno, "writing %s", path);
    return 0;
}

static int env_open_sized(struct store *store, uint64_t map_size)
{
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, STORE_TABLES);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(env, STORE_READERS);
    if (rc == 0)
        rc = mdb_env_set_mapsize(env, map_size);
    if (rc == 0)
        rc = mdb_env_open(env, store->path, MDB_NOTLS, 0600);
    if (rc)
        mdb_env_close(env);
    else
        store->db.env = env;
    return rc;
}

/* Takes less address space where a limit (RLIMIT_AS) or a tool that stands in for the kernel (valgrind, EINVAL) does
 * not give so much, down to what the quota needs. */
static int env_open(struct store *store, struct error *err)
{
    uint64_t least = store->quota * 2 + MAP_SLACK;
    uint64_t size = MAP_SIZE > least ? MAP_SIZE : least;
    char *lock CLEANUP_FREE = mem_printf("%s/lock.mdb", store->path);
    int rc = store_fill_lock(lock);

    if (rc == 0)
        rc = env_open_sized(store, size);
    while ((rc == ENOMEM || rc == EINVAL) && size / 2 >= least) {
        size /= 2;
        rc = env_open_sized(store, size);
    }
    return rc ? store_lmdb_error(err, rc, "opening LMDB") : 0;
}

/* When the write of its last page (one of the first two, in turn) fails, LMDB puts back what was there before and does
 * not sync it: the disk may have the newer one all the same, and the pages that it leads to would be used again. So
 * what is read here is written again, and is what the disk has from now on. */
static int env_settle(struct store *store, struct error *err)
{
    char *pages CLEANUP_FREE = NULL;
    MDB_stat stat;
    size_t size;
    ssize_t n;
    int fd = -1;
    int rc = mdb_env_stat(store->db.env, &stat);

    if (rc == 0)
        rc = mdb_env_get_fd(store->db.env, &fd);
    if (rc)
        return store_lmdb_error(err, rc, "opening LMDB");
    size = 2 * (size_t)stat.ms_psize;
    pages = mem_alloc(size);
    n = pread(fd, pages, size, 0);
    if (n < 0)
        return store_lmdb_error(err, errno, "reading LMDB's first pages");
    if ((size_t)n < size)
        return error_set(err, ERROR_CORRUPT, "data.mdb in %s has lost its beginning", store->path);
    errno = EIO; /* when it is cut short */
    if (pwrite(fd, pages, size, 0) != (ssize_t)size || fdatasync(fd) < 0)
        return store_lmdb_error(err, errno, "making LMDB's first pages durable");
    return 0;
}

/* Reads what the new environment holds; the transaction is the caller's to end. */
static int env_load(struct store *store, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->db.env, NULL, 0, &txn);

    if (rc)
        return store_lmdb_error(err, rc, "starting to write");
    if (store_index_open(store, txn, err) < 0 || store_state_read(store, txn, &store->state, err) < 0) {
        mdb_txn_abort(txn);
        return -err->code;
    }
    rc = mdb_txn_commit(txn);
    return rc ? store_lmdb_error(err, rc, "making the tables") : 0;
}

static int env_start(struct store *store, struct error *err)
{
    if (env_open(store, err) < 0 || env_settle(store, err) < 0 || env_load(store, err) < 0) {
        if (store->db.env)
            mdb_env_close(STEAL(store->db.env));
        return -err->code;
    }
    return 0;
}

int store_reopen(struct store *store, struct error *err)
{
    int rc;

    store_readers_drain(&store->readers);
    if (store->db.env)
        mdb_env_close(STEAL(store->db.env));
    rc = env_start(store, err);
    /* A commit that failed at its end may be there: what it forgot is gone for the readers of LMDB too. */
    if (rc == 0)
        store_note_compacted(store);
    store_readers_resume(&store->readers);
    return rc;
}

static struct store *store_new(const struct store_options *options)
{
    struct store *store = mem_zalloc(sizeof(*store));
    pthread_condattr_t monotonic;

    store->path = mem_strdup(options->path);
    store->log_path = mem_printf("%s/log", options->path);
    store->segment_bytes = options->segment_bytes ? options->segment_bytes : STORE_SEGMENT_BYTES;
    store->table_count = options->checkpoint_count ? options->checkpoint_count : STORE_TABLE_COUNT;
    store->table_max = options->table_max ? options->table_max : STORE_TABLE_MAX;
    store->window_ns = options->window_ns ? options->window_ns : STORE_WINDOW_NS;
    store->clock = options->clock ? options->clock : clock_system();
    store->quota = options->quota ? options->quota : STORE_QUOTA_DEFAULT;
    store->history = options->history ? options->history : STORE_HISTORY_BYTES;
    store->manual = options->manual;
    store->lock_fd = -1;
    store->stats.quota = store->quota;
    list_init(&store->watches);
    list_init(&store->queue);
    list_init(&store->compactions);
    list_init(&store->holds);
    (void)pthread_mutex_init(&store->root_lock, NULL);
    (void)pthread_mutex_init(&store->publishing, NULL);
    (void)pthread_mutex_init(&store->applying, NULL);
    (void)pthread_mutex_init(&store->spare_lock, NULL);
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_cond_init(&store->keep_done, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&store->wake, &monotonic);
    (void)pthread_cond_init(&store->keep_wake, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    store_readers_init(&store->readers);
    return store;
}

static void store_free(struct store *store)
{
    store_trim_free(store->trim);
    store_root_unref(store->root);
    store_segment_unref(store->spare);
    if (store->db.env) {
        store_readers_drain(&store->readers);
        mdb_env_close(store->db.env);
    }
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd);
    store_readers_free(&store->readers);
    (void)pthread_cond_destroy(&store->keep_wake);
    (void)pthread_cond_destroy(&store->keep_done);
    (void)pthread_cond_destroy(&store->wake);
    (void)pthread_mutex_destroy(&store->lock);
    (void)pthread_mutex_destroy(&store->spare_lock);
    (void)pthread_mutex_destroy(&store->applying);
    (void)pthread_mutex_destroy(&store->publishing);
    (void)pthread_mutex_destroy(&store->root_lock);
    buf_free(&store->pending.bytes);
    free(store->log_path);
    free(store->path);
    free(store);
}

/* What an earlier process named and could not sync any more is built on from here: its names first. */
static int store_start(struct store *store, struct error *err)
{
    if (make_folder(store->path, err) < 0 || lock_folder(store, err) < 0 || store_make(store, err) < 0 ||
        env_start(store, err) < 0 || make_folder(store->log_path, err) < 0 || folder_sync(store->path, err) < 0 ||
        folder_sync(store->log_path, err) < 0 || store_replay(store, err) < 0)
        return -err->code;
    /* A full disk is no reason not to open. */
    (void)store_space_refill(store);
    FAILPOINT(opened);
    return store->manual ? 0 : store_writer_begin(store, err);
}

int store_open(const struct store_options *options, struct store **ret_store, struct error *err)
{
    struct store *store = store_new(options);
    ERROR_LOCAL(failure);

    if (store_start(store, &failure) < 0) {
        store_free(store);
        return error_pass(err, &failure, "opening the store");
    }
    *ret_store = store;
    return 0;
}

int store_start_writer(struct store *store, struct error *err)
{
    if (!store->manual)
        return 0;
    store->manual = false;
    return store_writer_begin(store, err);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    store_writer_close(store);
    store_free(store);
}

uint64_t store_revision(struct store *store)
{
    return atomic_load(&store->revision);
}

uint64_t store_compacted_of(struct store *store, enum store_class class)
{
    const struct store_state state = {.compacted = atomic_load(&store->compacted),
                                      .window = atomic_load(&store->window)};

    return store_state_oldest(&state, class);
}

uint64_t store_compacted(struct store *store)
{
    return store_compacted_of(store, STORE_HISTORY_FULL);
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    struct store_root *root = store_root_take(store);

    (void)pthread_mutex_lock(&store->lock);
    *ret_stats = store->stats;
    (void)pthread_mutex_unlock(&store->lock);
    ret_stats->log_bytes = store_root_log_bytes(root);
    store_root_unref(root);
}
