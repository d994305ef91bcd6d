/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keeper: writes full or old tables to LMDB and carries out compactions, in steps small enough that a writer's
 * fdatasync never waits long behind one of LMDB's. The only writer of LMDB.
 *
 *     active --full or old--> frozen --STORE_INDEX_STEP keys a transaction, in key order--> in the index --> dropped
 *
 * A transaction that brings part of a table leaves an index that is ahead of `state.revision`: replaying the log over
 * it says the same again. The last one moves state.revision. After a failure the table stays and is tried again later.
 */
#include "store/store_internal.h"

#include "lib/failpoint.h"
#include "lib/log.h"
#include "lib/thread.h"

#define KEEP_RETRY_NS NS_PER_S

/* A commit whose last step failed leaves LMDB refusing to go on: it is opened anew. */
int store_write_begin(struct store *store, MDB_txn **ret_txn, struct error *err)
{
    int rc = store->db.env ? mdb_txn_begin(store->db.env, NULL, 0, ret_txn) : MDB_PANIC;

    if (rc == MDB_PANIC) {
        if (store_reopen(store, err) < 0)
            return -err->code;
        rc = mdb_txn_begin(store->db.env, NULL, 0, ret_txn);
    }
    return rc ? store_lmdb_error(err, rc, "starting to write") : 0;
}

static void keep_failed(struct store *store)
{
    store->keep_failed = true;
    store->keep_after_ns = clock_monotonic_ns(store->clock) + KEEP_RETRY_NS;
}

/* ---- tables ---- */

static bool table_is_due(struct store *store, const struct store_root *root, bool now)
{
    const struct store_level *level = root->levels[0];
    size_t count = store_table_count(level->table);

    return count && (now || count >= store->table_count ||
                     clock_monotonic_ns(store->clock) - level->since_ns >= STORE_TABLE_AGE_NS);
}

/* From the writer's hands; false when it is not due. */
static bool table_freeze(struct store *store, bool now)
{
    struct store_root *root;
    bool due;

    (void)pthread_mutex_lock(&store->applying);
    root = store_root_take(store);
    due = table_is_due(store, root, now);
    store_root_unref(root);
    if (due) {
        store_root_freeze(store, atomic_load(&store->visible));
        FAILPOINT(table_frozen);
        /* Before the next batch, which may say both of the new table. */
        (void)pthread_mutex_lock(&store->lock);
        store->table_due = store->table_young = false;
        (void)pthread_cond_broadcast(&store->keep_done);
        (void)pthread_mutex_unlock(&store->lock);
    }
    (void)pthread_mutex_unlock(&store->applying);
    return due;
}

/* Puts up to STORE_INDEX_STEP keys from *node on into the transaction. Returns an LMDB code. */
static int index_fill(struct store *store, MDB_txn *txn, const struct store_node **node)
{
    int rc = 0;

    for (int i = 0; rc == 0 && *node && i < STORE_INDEX_STEP; i++) {
        const struct store_version *v = store_node_newest(*node);

        if (v)
            rc = store_index_put(store, txn, store_node_key(*node), &v->entry);
        *node = store_node_next(*node);
    }
    return rc;
}

static int index_step(struct store *store, const struct store_level *level, const struct store_node **node,
                      struct error *err)
{
    struct store_state state;
    MDB_txn *txn = NULL;
    int rc;

    if (store_write_begin(store, &txn, err) < 0)
        return -err->code;
    if (store_state_read(store, txn, &state, err) < 0) {
        mdb_txn_abort(txn);
        return -err->code;
    }
    rc = index_fill(store, txn, node);
    if (rc == 0 && !*node) {
        state.revision = level->last_revision;
        state.keys = level->keys;
        state.bytes = level->bytes;
        rc = store_state_write(store, txn, &state);
    }
    if (rc) {
        mdb_txn_abort(txn);
        return store_lmdb_error(err, rc, "writing the index");
    }
    FAILPOINT(index_written);
    rc = mdb_txn_commit(txn);
    if (rc)
        return store_lmdb_error(err, rc, "making the index durable");
    FAILPOINT(index_durable);
    store->state = state;
    return 0;
}

static int table_write(struct store *store, struct error *err)
{
    struct store_root *root = store_root_take(store);
    const struct store_level *level = root->levels[1];
    const struct store_node *node = store_table_seek(level->table, SLICE_NONE);
    int rc = 0;

    do {
        rc = index_step(store, level, &node, err);
        (void)store_space_keep(store);
    } while (rc == 0 && node);
    /* More than what it takes to dissolve as much of the log as this table has: else the log would grow and grow. */
    if (rc == 0)
        store->compact_steps = 8 + 4 * store_table_count(level->table) / STORE_BASE_STEP;
    store_root_unref(root);
    if (rc == 0)
        store_root_drop_frozen(store);
    return rc;
}

/* ---- holds ---- */

void store_hold_begin(struct store *store, struct store_hold *hold)
{
    (void)pthread_mutex_lock(&store->lock);
    hold->revision = atomic_load(&store->visible);
    list_append(&store->holds, &hold->link);
    (void)pthread_mutex_unlock(&store->lock);
}

void store_hold_end(struct store *store, struct store_hold *hold)
{
    (void)pthread_mutex_lock(&store->lock);
    list_remove(&hold->link);
    (void)pthread_mutex_unlock(&store->lock);
}

/* Up to where the log is longer than `bound`; 0 = nowhere. */
static uint64_t log_excess(struct store *store, uint64_t bound)
{
    struct store_root *root = store_root_take(store);
    uint64_t bytes = store_root_log_bytes(root), revision = 0;

    for (size_t i = 0; i + 1 < root->segment_count && bytes > bound; i++) {
        bytes -= root->segments[i]->size;
        revision = atomic_load(&root->segments[i]->last_revision);
    }
    store_root_unref(root);
    return revision;
}

uint64_t store_hold_bound(struct store *store)
{
    uint64_t oldest = UINT64_MAX, excess;

    (void)pthread_mutex_lock(&store->lock);
    list_for_each (it, &store->holds) {
        const struct store_hold *hold = container_of(it, struct store_hold, link);

        oldest = hold->revision < oldest ? hold->revision : oldest;
    }
    /* On a full disk the history gives way to what is written now, and so does who reads it. */
    if (store->stats.full)
        oldest = UINT64_MAX;
    (void)pthread_mutex_unlock(&store->lock);
    excess = oldest == UINT64_MAX ? 0 : log_excess(store, 2 * store->history);
    return excess > oldest ? excess : oldest;
}

/* ---- compactions ---- */

void store_note_compacted(struct store *store)
{
    atomic_store(&store->compacted, store->state.compacted);
    atomic_store(&store->window, store->state.window);
    (void)pthread_mutex_lock(&store->lock);
    store->stats.compacted = store->state.compacted;
    (void)pthread_mutex_unlock(&store->lock);
}

static int forget_fill(struct store *store, MDB_txn *txn, enum store_class class, uint64_t revision,
                       struct store_state *state, struct error *err)
{
    int rc = store_state_read(store, txn, state, err);

    if (rc < 0)
        return rc;
    *(class == STORE_HISTORY_FULL ? &state->compacted : &state->window) = revision;
    rc = store_state_write(store, txn, state);
    return rc ? store_lmdb_error(err, rc, "compacting") : 0;
}

int store_forget(struct store *store, enum store_class class, uint64_t revision, struct error *err)
{
    bool full = class == STORE_HISTORY_FULL;
    _Atomic uint64_t *shown = full ? &store->compacted : &store->window;
    uint64_t before = full ? store->state.compacted : store->state.window;
    struct store_state state;
    MDB_txn *txn = NULL;
    int rc;

    if (revision <= before)
        return 0;
    if (store_write_begin(store, &txn, err) < 0)
        return -err->code;
    rc = forget_fill(store, txn, class, revision, &state, err);
    if (rc < 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    /* First, so that whoever is told that a revision is gone finds it said here too. */
    atomic_store(shown, revision);
    rc = mdb_txn_commit(txn);
    if (rc) {
        atomic_store(shown, before);
        return store_lmdb_error(err, rc, "compacting");
    }
    FAILPOINT(forget_durable);
    store->state = state;
    store_note_compacted(store);
    return 0;
}

static int compact_note(struct store *store, uint64_t want, struct error *err)
{
    uint64_t bound;

    if (want > atomic_load(&store->visible))
        return error_set(err, ERROR_INVALID, "revision %llu, up to which to compact, is in the future",
                         (unsigned long long)want);
    bound = store_hold_bound(store);
    return store_forget(store, STORE_HISTORY_FULL, want < bound ? want : bound, err);
}

static struct store_compaction *compaction_first(struct store *store)
{
    struct store_compaction *compaction;

    (void)pthread_mutex_lock(&store->lock);
    compaction = list_first(&store->compactions, struct store_compaction, link);
    (void)pthread_mutex_unlock(&store->lock);
    return compaction;
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

/* What may not be asked for any more is forgotten at once, and dissolved in steps; true when there was something. */
static bool compact_step(struct store *store)
{
    struct store_compaction *compaction = compaction_first(store), *next;
    ERROR_LOCAL(failure);
    int rc = 0;

    if (compaction)
        rc = compact_note(store, compaction->revision, &failure);
    else
        rc = compact_note(store, log_excess(store, store_space_history(store)), &failure);
    if (rc == 0)
        rc = store_trim_step(store, !compaction, &failure); /* whoever compacts does not wait for cleaning */
    if (rc < 0 && !compaction) {
        log_warning("store", "%s; trying again later", error_text(&failure));
        keep_failed(store);
    }
    store->keep_failed = store->keep_failed || rc < 0;
    if (rc <= 0 && compaction)
        compaction_finish(store, compaction, rc < 0 ? &failure : NULL);
    /* With it, whoever asked for less. */
    while (rc == 0 && compaction && (next = compaction_first(store)) && next->revision <= store->state.compacted)
        compaction_finish(store, next, NULL);
    return rc > 0 || compaction;
}

void store_compact(struct store *store, uint64_t revision, void (*done)(void *arg, const struct error *err), void *arg)
{
    struct store_compaction *compaction = mem_alloc(sizeof(*compaction));

    *compaction = (struct store_compaction){.revision = revision, .done = done, .arg = arg};
    (void)pthread_mutex_lock(&store->lock);
    list_append(&store->compactions, &compaction->link);
    (void)pthread_cond_signal(&store->keep_wake);
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

/* ---- what is due ---- */

static bool compaction_waits(struct store *store)
{
    return compaction_first(store) != NULL;
}

/* A compaction wants what it is about to dissolve in LMDB first, and no more than that. */
static bool compaction_wants_table(struct store *store)
{
    struct store_compaction *compaction = compaction_first(store);
    uint64_t revision = compaction ? compaction->revision : log_excess(store, store_space_history(store));

    return revision > store->state.revision && revision <= atomic_load(&store->visible);
}

/* After some failures LMDB refuses its readers as well, and every write reads: whatever there is to keep, it is opened
 * anew. False when it stays away for now. */
static bool keep_heal(struct store *store)
{
    MDB_txn *probe = NULL;
    ERROR_LOCAL(failure);

    if (store->db.env && mdb_txn_begin(store->db.env, NULL, MDB_RDONLY, &probe) != MDB_PANIC) {
        mdb_txn_abort(probe);
    } else if (store_reopen(store, &failure) < 0) {
        log_warning("store", "%s; trying again", error_text(&failure));
        store->keep_after_ns = clock_monotonic_ns(store->clock) + KEEP_RETRY_NS;
        return false;
    }
    store->keep_failed = false;
    return true;
}

/* Who writes without pause fills one table after the other: in between compactions go on, but not so long that somebody
 * who writes would have to wait for the next table, unless the log has become far too long. Then what may go from it
 * does, although more is to go than what LMDB has: there might be more again after every table. */
static bool compact_has_turn(struct store *store)
{
    struct store_root *root;
    bool room, long_log;

    if (!store->compact_steps)
        return false;
    root = store_root_take(store);
    room = store_table_count(root->levels[0]->table) < store->table_max / 2;
    long_log = store_root_log_bytes(root) > 2 * store->history;
    store_root_unref(root);
    return compaction_wants_table(store) ? long_log && !compaction_waits(store) : room || long_log;
}

static bool keep_step(struct store *store)
{
    struct store_root *root;
    bool frozen, several;
    ERROR_LOCAL(failure);

    if (compact_has_turn(store)) {
        store->compact_steps--;
        if (compact_step(store))
            return true;
        store->compact_steps = 0;
    }
    root = store_root_take(store);
    frozen = root->levels[1] != NULL;
    several = root->segment_count > 1;
    store_root_unref(root);
    if (frozen || table_freeze(store, several && (compaction_wants_table(store) || store_space_is_full(store)))) {
        if (table_write(store, &failure) == 0)
            return true;
        log_warning("store", "%s; the log keeps it meanwhile, trying again", error_text(&failure));
        keep_failed(store);
        return false;
    }
    return compact_step(store) || store_space_turn(store);
}

int64_t store_keep_due_ns(struct store *store)
{
    struct store_root *root = store_root_take(store);
    const struct store_level *level = root->levels[0];
    size_t count = store_table_count(level->table);
    int64_t due_ns = count >= store->table_count ? 0 : count ? level->since_ns + STORE_TABLE_AGE_NS : INT64_MAX;

    if (root->levels[1] || store->trim || compaction_waits(store))
        due_ns = 0;
    if (due_ns != INT64_MAX && due_ns < store->keep_after_ns)
        due_ns = store->keep_after_ns;
    if (store->space_after_ns && store->space_after_ns < due_ns)
        due_ns = store->space_after_ns;
    store_root_unref(root);
    return due_ns;
}

bool store_keep(struct store *store)
{
    bool busy;

    if (store_space_keep(store))
        return true;
    if (store->keep_after_ns && clock_monotonic_ns(store->clock) < store->keep_after_ns)
        return false;
    store->keep_after_ns = 0;
    if (store->keep_failed && !keep_heal(store))
        return false;
    busy = keep_step(store);
    if (store->keep_failed)
        (void)keep_heal(store);
    return busy;
}

/* Sleeps until there may be something: at once when a table is full or a compaction waits, else as long as the young
 * table may wait. An idle store does not wake up. Under `lock`. */
static void keeper_wait(struct store *store)
{
    bool retries = store->keep_after_ns || store->space_after_ns;
    struct timespec until;
    int64_t now_ns;

    if (store->closing || (store->space_due && !store->space_after_ns) ||
        (!store->keep_after_ns && (store->table_due || !list_empty(&store->compactions))))
        return;
    if (!store->table_young && !retries) {
        (void)pthread_cond_wait(&store->keep_wake, &store->lock);
        return;
    }
    now_ns = clock_monotonic_ns(clock_system()) + (retries ? KEEP_RETRY_NS : STORE_TABLE_AGE_NS);
    until = (struct timespec){.tv_sec = now_ns / NS_PER_S, .tv_nsec = now_ns % NS_PER_S};
    (void)pthread_cond_timedwait(&store->keep_wake, &store->lock, &until);
}

void *store_keeper_main(void *arg)
{
    struct store *store = arg;
    bool closing = false;

    thread_name_self("store-keeper");
    while (!closing) {
        bool busy = store_keep(store);

        (void)pthread_mutex_lock(&store->lock);
        if (!busy)
            keeper_wait(store);
        closing = store->closing;
        (void)pthread_mutex_unlock(&store->lock);
    }
    return NULL;
}
