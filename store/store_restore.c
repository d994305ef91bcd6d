/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A store out of a backup: every record goes to `base`, as if a log had been dissolved into it, and an empty log begins
 * behind. The folder is not the store's before its caller says so; what breaks off in between is thrown away.
 *
 *     an empty store --records, RESTORE_BATCH bytes a transaction--> the next segment, the state --> opened once to see
 */
#include <unistd.h>

#include "store/store_backup.h"
#include "store/store_backup_format.h"
#include "store/store_internal.h"

#define RESTORE_BATCH ((size_t)8 << 20)

struct restore {
    struct store *store;
    MDB_txn *txn; /* NULL = none under way */
    size_t bytes; /* in it */
};

static int restore_commit(struct restore *r, struct error *err)
{
    int rc = r->txn ? mdb_txn_commit(STEAL(r->txn)) : 0;

    r->bytes = 0;
    return rc ? store_lmdb_error(err, rc, "writing what the backup holds") : 0;
}

/* They come in the order of their keys. */
static int restore_record(void *arg, const struct store_record *record, struct error *err)
{
    struct restore *r = arg;
    MDB_val key = store_val(record->key);
    MDB_val value = {store_record_padded(store_record_size(record)), NULL};
    int rc;

    if (!r->txn && store_write_begin(r->store, &r->txn, err) < 0)
        return -err->code;
    rc = mdb_put(r->txn, r->store->db.base, &key, &value, MDB_RESERVE | MDB_APPEND);
    if (rc)
        return store_lmdb_error(err, rc, "writing what the backup holds");
    store_record_write(value.mv_data, record);
    r->bytes += value.mv_size;
    return r->bytes >= RESTORE_BATCH ? restore_commit(r, err) : 0;
}

/* The log goes on behind `revision`; what the empty store began with is dissolved by the next opening. */
static int restore_finish(struct restore *r, const struct store_backup_info *info, uint64_t revision, struct error *err)
{
    const struct store_state state = {
        .revision = revision, .compacted = revision, .trimmed = revision, .keys = info->keys, .bytes = info->bytes};
    struct store_segment *segment = NULL;
    int rc;

    if (restore_commit(r, err) < 0 || store_space_settle(r->store, err) < 0 ||
        store_space_begin_segment(r->store, 0, revision + 1, &segment, err) < 0)
        return -err->code;
    rc = store_segment_settle(segment, err);
    store_segment_unref(segment);
    if (rc < 0)
        return rc;
    if (store_write_begin(r->store, &r->txn, err) < 0)
        return -err->code;
    rc = store_state_write(r->store, r->txn, &state);
    if (rc)
        return store_lmdb_error(err, rc, "writing the restored state");
    return restore_commit(r, err);
}

static int restore_fill(int fd, const struct store_options *options, struct store_backup_info *ret_info,
                        struct error *err)
{
    struct restore r = {0};
    const struct backup_visits visits = {.record = restore_record, .arg = &r};
    int rc;

    if (store_open(options, &r.store, err) < 0)
        return -err->code;
    rc = backup_read(fd, &visits, ret_info, NULL, NULL, err);
    if (rc == 0)
        rc = restore_finish(&r, ret_info, ret_info->revision + STORE_RESTORE_GAP, err);
    if (r.txn)
        mdb_txn_abort(r.txn);
    store_close(r.store);
    return rc;
}

int store_restore(int fd, const char *folder, struct store_backup_info *ret_info, struct error *err)
{
    const struct store_options options = {.path = folder, .manual = true};
    struct store *store = NULL;
    struct store_stats stats;
    ERROR_LOCAL(failure);

    if (access(folder, F_OK) == 0)
        return error_set(err, ERROR_ALREADY_EXISTS, "%s is there already", folder);
    if (restore_fill(fd, &options, ret_info, &failure) < 0 || store_open(&options, &store, &failure) < 0)
        return error_pass(err, &failure, NULL);
    store_get_stats(store, &stats);
    store_close(store);
    if (stats.keys != ret_info->keys || stats.revision != ret_info->revision + STORE_RESTORE_GAP)
        return error_set(err, ERROR_INTERNAL, "the restored store has %llu keys instead of %llu",
                         (unsigned long long)stats.keys, (unsigned long long)ret_info->keys);
    return 0;
}
