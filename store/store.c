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

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAP_SIZE  (sizeof(void *) >= 8 ? (uint64_t)64 << 30 : (uint64_t)1 << 30)
#define MAP_SLACK ((uint64_t)64 << 20) /* beside the quota: free pages that a reader still holds */

static const char FORMAT_KEY[] = "format";
static const char STATE_KEY[] = "state";

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

static void put_be64(char *to, uint64_t value)
{
    value = htobe64(value);
    memcpy(to, &value, sizeof(value));
}

static uint64_t get_be64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return be64toh(value);
}

int store_state_read(struct store *store, MDB_txn *txn, struct store_state *ret_state, struct error *err)
{
    MDB_val key = store_val(slice_str(STATE_KEY));
    MDB_val value;
    int rc = mdb_get(txn, store->db.meta, &key, &value);

    if (rc)
        return store_lmdb_error(err, rc, "reading the revision");
    if (value.mv_size < 16)
        return error_set(err, ERROR_CORRUPT, "the store in %s has lost its revision", store->path);
    ret_state->revision = get_be64(value.mv_data);
    ret_state->compacted = get_be64((const char *)value.mv_data + 8);
    return 0;
}

int store_state_write(struct store *store, MDB_txn *txn, const struct store_state *state)
{
    char bytes[16];
    MDB_val key = store_val(slice_str(STATE_KEY));
    MDB_val value = {sizeof(bytes), bytes};

    put_be64(bytes, state->revision);
    put_be64(bytes + 8, state->compacted);
    return mdb_put(txn, store->db.meta, &key, &value, 0);
}

uint64_t store_used(struct store *store, MDB_txn *txn)
{
    const MDB_dbi tables[] = {store->db.meta, store->db.current, store->db.log, store->db.history};
    uint64_t bytes = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        MDB_stat stat;

        if (mdb_stat(txn, tables[i], &stat) == 0)
            bytes += (uint64_t)stat.ms_psize * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
    }
    return bytes;
}

/* A new folder's entry, and the files' entries in it, survive a power loss only when their folders are synced. */
static int sync_folder(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int number = errno;

    if (fd >= 0)
        (void)close(fd);
    return rc < 0 ? error_set_errno(err, number, "syncing the folder %s", path) : 0;
}

static int make_folder(const char *path, struct error *err)
{
    char *parent CLEANUP_FREE = mem_printf("%s/..", path);

    if (mkdir(path, 0700) < 0)
        return errno == EEXIST ? 0 : error_set_errno(err, errno, "making the folder %s", path);
    return sync_folder(parent, err);
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
    if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, owner, (size_t)len, 0) != len)
        return error_set_errno(err, errno, "writing %s", path);
    return 0;
}

static int env_open_sized(struct store *store, uint64_t map_size)
{
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);

    if (rc == 0)
        rc = mdb_env_set_maxdbs(env, 8);
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
    int rc = env_open_sized(store, size);

    while ((rc == ENOMEM || rc == EINVAL) && size / 2 >= least) {
        size /= 2;
        rc = env_open_sized(store, size);
    }
    return rc ? store_lmdb_error(err, rc, "opening LMDB") : 0;
}

static int check_format(struct store *store, MDB_txn *txn, struct error *err)
{
    MDB_val key = store_val(slice_str(FORMAT_KEY));
    char fresh[4] = {0, 0, 0, STORE_FORMAT};
    MDB_val value;
    MDB_stat stat;
    uint32_t format;
    int rc = mdb_get(txn, store->db.meta, &key, &value);

    if (rc == MDB_NOTFOUND) {
        rc = mdb_stat(txn, store->db.meta, &stat);
        if (rc == 0 && stat.ms_entries)
            return error_set(err, ERROR_CORRUPT, "%s holds no format number: it is not a store of ours", store->path);
        value = (MDB_val){sizeof(fresh), fresh};
        if (rc == 0)
            rc = mdb_put(txn, store->db.meta, &key, &value, 0);
        if (rc == 0)
            rc = store_state_write(store, txn, &(struct store_state){STORE_FIRST_REVISION, STORE_FIRST_REVISION});
        return rc ? store_lmdb_error(err, rc, "making the tables") : 0;
    }
    if (rc)
        return store_lmdb_error(err, rc, "reading the format");
    if (value.mv_size != sizeof(format))
        return error_set(err, ERROR_CORRUPT, "the format number of the store in %s is damaged", store->path);
    memcpy(&format, value.mv_data, sizeof(format));
    format = be32toh(format);
    if (format > STORE_FORMAT)
        return error_set(
            err, ERROR_CORRUPT,
            "the store in %s has format %u, which a newer version of knarr wrote; this one reads up to %u: "
            "start the newer version, or restore a backup made by this one",
            store->path, format, STORE_FORMAT);
    return 0;
}

static int open_tables(struct store *store, MDB_txn *txn)
{
    const struct {
        const char *name;
        MDB_dbi *dbi;
    } tables[] = {
        {"meta", &store->db.meta},
        {"current", &store->db.current},
        {"log", &store->db.log},
        {"history", &store->db.history},
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(tables) && rc == 0; i++)
        rc = mdb_dbi_open(txn, tables[i].name, MDB_CREATE, tables[i].dbi);
    return rc;
}

/* Reads what the new environment holds; the transaction is the caller's to end. */
static int load(struct store *store, MDB_txn *txn, struct error *err)
{
    struct store_state state = {0};
    MDB_stat stat;
    int rc = open_tables(store, txn);

    if (rc)
        return store_lmdb_error(err, rc, "opening the tables");
    if (check_format(store, txn, err) < 0 || store_state_read(store, txn, &state, err) < 0)
        return -err->code;
    rc = store_trim_left(store, txn, &state);
    if (rc < 0)
        return error_set(err, ERROR_CORRUPT, "the log of the store in %s cannot be read", store->path);
    store->trimming = rc;
    rc = mdb_stat(txn, store->db.current, &stat);
    if (rc)
        return store_lmdb_error(err, rc, "reading the tables");
    store->stats.keys = stat.ms_entries;
    store->stats.bytes_used = store_used(store, txn);
    store->stats.revision = state.revision;
    store->stats.compacted = state.compacted;
    return 0;
}

static int env_load(struct store *store, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc = mdb_txn_begin(store->db.env, NULL, 0, &txn);

    if (rc)
        return store_lmdb_error(err, rc, "starting to write");
    if (load(store, txn, err) < 0) {
        mdb_txn_abort(txn);
        return -err->code;
    }
    rc = mdb_txn_commit(txn);
    return rc ? store_lmdb_error(err, rc, "making the tables") : 0;
}

static int env_start(struct store *store, struct error *err)
{
    if (env_open(store, err) < 0 || env_load(store, err) < 0) {
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
    (void)pthread_mutex_lock(&store->lock);
    rc = env_start(store, err);
    (void)pthread_mutex_unlock(&store->lock);
    store_readers_resume(&store->readers);
    return rc;
}

static struct store *store_new(const struct store_options *options)
{
    struct store *store = mem_zalloc(sizeof(*store));

    store->path = mem_strdup(options->path);
    store->clock = options->clock ? options->clock : clock_system();
    store->quota = options->quota ? options->quota : STORE_QUOTA_DEFAULT;
    store->manual = options->manual;
    store->lock_fd = -1;
    store->stats.quota = store->quota;
    list_init(&store->watches);
    list_init(&store->queue);
    list_init(&store->compactions);
    (void)pthread_mutex_init(&store->publishing, NULL);
    (void)pthread_mutex_init(&store->lock, NULL);
    (void)pthread_cond_init(&store->wake, NULL);
    store_readers_init(&store->readers);
    return store;
}

static void store_free(struct store *store)
{
    if (store->db.env) {
        store_readers_drain(&store->readers);
        mdb_env_close(store->db.env);
    }
    if (store->lock_fd >= 0)
        (void)close(store->lock_fd);
    store_readers_free(&store->readers);
    (void)pthread_cond_destroy(&store->wake);
    (void)pthread_mutex_destroy(&store->lock);
    (void)pthread_mutex_destroy(&store->publishing);
    free(store->path);
    free(store);
}

static int store_start(struct store *store, struct error *err)
{
    if (make_folder(store->path, err) < 0 || lock_folder(store, err) < 0 || env_start(store, err) < 0 ||
        sync_folder(store->path, err) < 0)
        return -err->code;
    atomic_store(&store->revision, store->stats.revision);
    atomic_store(&store->compacted, store->stats.compacted);
    return store->manual ? 0 : store_writer_start(store, err);
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
    return store_writer_start(store, err);
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

uint64_t store_compacted(struct store *store)
{
    return atomic_load(&store->compacted);
}

void store_get_stats(struct store *store, struct store_stats *ret_stats)
{
    (void)pthread_mutex_lock(&store->lock);
    *ret_stats = store->stats;
    (void)pthread_mutex_unlock(&store->lock);
}
