/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compaction, on the writer thread. It first stores the new `compacted` (from then on nobody may ask for less), then
 * cuts records off the front of the log, STORE_TRIM_STEP in a transaction, with batches of writes in between.
 *
 * States of the one at the head of `compactions`:
 *
 *     waiting --store `compacted`--> trimming --log has nothing at or below it--> done
 *
 * A crash while trimming leaves records behind that nobody reads; opening the store notices them and trims on, which
 * is why `trimming` is the store's and not the request's.
 */
#include "store/store_internal.h"

#include "lib/log.h"

int store_trim_left(struct store *store, MDB_txn *txn, const struct store_state *state)
{
    CURSOR_LOCAL(cursor);
    MDB_val key, value;
    uint64_t revision;
    uint32_t index;
    int rc = mdb_cursor_open(txn, store->db.log, &cursor);

    if (rc == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : -ERROR_CORRUPT;
    if (!store_log_place_read(store_slice(key), &revision, &index))
        return -ERROR_CORRUPT;
    return revision <= state->compacted;
}

/* Removes one log record with its entry in history. A damaged record no longer tells its key: the entry that stays
 * behind is below `compacted`, where no read looks. Returns an LMDB code. */
static int trim_record(struct store *store, MDB_txn *txn, MDB_cursor *cursor, MDB_val key, MDB_val value,
                       uint64_t revision)
{
    struct store_record record;
    int rc = 0;

    if (store_record_read(store_slice(value), store_slice(key), &record, NULL) == 0) {
        struct store_place place = store_history_place(record.key, revision);
        MDB_val history = store_place_val(&place);

        rc = mdb_del(txn, store->db.history, &history, NULL);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    return mdb_cursor_del(cursor, 0);
}

/* Returns 1 when records remain, 0 when the front is clean, or a negative error. */
static int trim(struct store *store, MDB_txn *txn, uint64_t compacted, struct error *err)
{
    CURSOR_LOCAL(cursor);
    MDB_val key, value;
    uint64_t revision;
    uint32_t index;
    int rc = mdb_cursor_open(txn, store->db.log, &cursor);

    for (int i = 0; rc == 0 && i < STORE_TRIM_STEP; i++) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc)
            break;
        if (!store_log_place_read(store_slice(key), &revision, &index))
            return error_set(err, ERROR_CORRUPT, "the log holds a damaged key");
        if (revision > compacted)
            return 0;
        rc = trim_record(store, txn, cursor, key, value, revision);
    }
    if (rc == MDB_NOTFOUND)
        return 0;
    return rc ? store_lmdb_error(err, rc, "compacting") : 1;
}

static void note_trimmed(struct store *store, uint64_t compacted, uint64_t used)
{
    atomic_store(&store->compacted, compacted);
    (void)pthread_mutex_lock(&store->lock);
    store->stats.compacted = compacted;
    store->stats.bytes_used = used;
    (void)pthread_mutex_unlock(&store->lock);
}

/* Fills an open write transaction with one step towards `want` (0 = what is stored already). Returns as trim. */
static int step_fill(struct store *store, MDB_txn *txn, uint64_t want, struct store_state *ret_state, struct error *err)
{
    int rc = store_state_read(store, txn, ret_state, err);

    if (rc < 0)
        return rc;
    if (want > ret_state->revision)
        return error_set(err, ERROR_INVALID, "revision %llu, up to which to compact, is in the future",
                         (unsigned long long)want);
    if (want > ret_state->compacted) {
        ret_state->compacted = want;
        rc = store_state_write(store, txn, ret_state);
        if (rc)
            return store_lmdb_error(err, rc, "compacting");
    }
    return trim(store, txn, ret_state->compacted, err);
}

static int compact_step(struct store *store, uint64_t want, struct error *err)
{
    struct store_state state;
    MDB_txn *txn = NULL;
    uint64_t used;
    int left, rc;

    if (store_write_begin(store, &txn, err) < 0)
        return -err->code;
    left = step_fill(store, txn, want, &state, err);
    if (left < 0) {
        mdb_txn_abort(txn);
        return left;
    }
    used = store_used(store, txn);
    rc = mdb_txn_commit(txn);
    if (rc)
        return store_lmdb_error(err, rc, "compacting");
    note_trimmed(store, state.compacted, used);
    return left;
}

static void compaction_finish(struct store *store, struct store_compaction *compaction, const struct error *err)
{
    (void)pthread_mutex_lock(&store->lock);
    list_remove(&compaction->link);
    (void)pthread_mutex_unlock(&store->lock);
    if (compaction->done)
        compaction->done(compaction->arg, err);
    free(compaction);
}

bool store_compact_step(struct store *store)
{
    struct store_compaction *compaction;
    ERROR_LOCAL(failure);
    int left;

    (void)pthread_mutex_lock(&store->lock);
    compaction = list_first(&store->compactions, struct store_compaction, link);
    (void)pthread_mutex_unlock(&store->lock);
    if (!compaction && !store->trimming)
        return false;
    left = compact_step(store, compaction ? compaction->revision : 0, &failure);
    store->trimming = left > 0;
    if (left < 0 && !compaction)
        log_warning("store", "%s; what is left is removed by the next compaction", error_text(&failure));
    if (left <= 0 && compaction)
        compaction_finish(store, compaction, left < 0 ? &failure : NULL);
    return true;
}

void store_compact(struct store *store, uint64_t revision, void (*done)(void *arg, const struct error *err), void *arg)
{
    struct store_compaction *compaction = mem_alloc(sizeof(*compaction));

    *compaction = (struct store_compaction){.revision = revision, .done = done, .arg = arg};
    (void)pthread_mutex_lock(&store->lock);
    list_append(&store->compactions, &compaction->link);
    (void)pthread_cond_signal(&store->wake);
    (void)pthread_mutex_unlock(&store->lock);
}

void store_compact_cancel(struct store *store)
{
    struct store_compaction *compaction;
    ERROR_LOCAL(cancelled);

    (void)error_set(&cancelled, ERROR_CANCELLED, "the store is closing");
    while ((compaction = list_first(&store->compactions, struct store_compaction, link)))
        compaction_finish(store, compaction, &cancelled);
}
