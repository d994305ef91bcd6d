/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dissolving the oldest segment, once nobody may ask for what was before its end: the last version that it has of each
 * key goes to `base` (or leaves it, when that is a deletion), and an index entry that led here goes away.
 *
 *     none --the oldest may go--> gathering its keys --STORE_BASE_STEP keys a transaction--> `trimmed` moves, it leaves
 *
 * A crash in between leaves `base` ahead of `trimmed` for some keys, never behind: nobody may ask for what was there
 * before, and doing it again does the same.
 */
#include "store/store_internal.h"

struct store_trim {
    struct store_segment *segment;
    struct store_table *table; /* its keys and their versions */
    const struct store_node *node;
    uint64_t seen;
    struct error *err; /* while gathering */
};

void store_trim_free(struct store_trim *t)
{
    if (!t)
        return;
    store_segment_unref(t->segment);
    store_table_free(t->table);
    free(t);
}

static int gather_frame(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    struct store_trim *t = arg;
    const char *start = t->segment->map;
    struct store_record record;
    int rc;

    for (;;) {
        uint32_t at = (uint32_t)((size_t)(records.data - start) / STORE_RECORD_ALIGN);

        rc = store_records_next(&records, &record, t->err);
        if (rc <= 0)
            break;
        store_table_add(t->table, record.key,
                        &(struct store_entry){.kind = record.kind,
                                              .revision = record.revision,
                                              .index = record.index,
                                              .place = {t->segment->id, at}});
    }
    t->seen = frame->last_revision;
    return rc;
}

/* NULL when the oldest segment may not go yet (err untouched) or is damaged. */
static struct store_trim *trim_begin(struct store *store, struct error *err)
{
    struct store_root *root = store_root_take(store);
    struct store_segment *oldest = root->segments[0];
    const struct store_mark head = {oldest->first_revision, STORE_SEGMENT_HEAD, 0};
    uint64_t last = atomic_load(&oldest->last_revision);
    struct store_trim *t = NULL;

    if (root->segment_count > 1 && last <= store->state.compacted && last <= store->state.revision) {
        t = mem_zalloc(sizeof(*t));
        t->segment = store_segment_ref(oldest);
        t->table = store_table_new();
        t->err = err;
        t->seen = oldest->first_revision - 1;
        if (store_segment_walk(oldest, &head, gather_frame, t) == 0 && t->seen != last)
            (void)error_set(err, ERROR_CORRUPT, "the log is damaged behind revision %llu (%s); it is kept",
                            (unsigned long long)t->seen, oldest->path);
        if (error_is_set(err)) {
            store_trim_free(t);
            t = NULL;
        } else {
            t->node = store_table_seek(t->table, SLICE_NONE);
        }
    }
    store_root_unref(root);
    return t;
}

/* The last version that the segment has of one key. */
static int trim_key(struct store *store, MDB_txn *txn, struct store_trim *t, struct error *err)
{
    const struct store_entry *last = &store_node_newest(t->node)->entry;
    size_t at = (size_t)last->place.offset * STORE_RECORD_ALIGN;
    struct slice key = store_node_key(t->node);
    struct store_entry indexed;
    struct store_record record;
    int found = store_index_get(store, txn, key, &indexed, err);
    int rc = 0;

    if (found < 0 || store_record_read(slice_make(t->segment->map + at, t->segment->size - at), &record, err) < 0)
        return -err->code;
    if (found && indexed.revision == last->revision)
        rc = store_index_delete(store, txn, key);
    if (rc == 0)
        rc = last->kind == STORE_EVENT_DELETE ? store_base_delete(store, txn, key)
                                              : store_base_put(store, txn, &record);
    return rc ? store_lmdb_error(err, rc, "dissolving the log") : 0;
}

static int trim_fill(struct store *store, MDB_txn *txn, struct store_trim *t, struct store_state *state,
                     struct error *err)
{
    int rc = store_state_read(store, txn, state, err);

    for (int i = 0; rc == 0 && t->node && i < STORE_BASE_STEP; i++) {
        rc = trim_key(store, txn, t, err);
        t->node = store_node_next(t->node);
    }
    if (rc < 0 || t->node)
        return rc;
    state->trimmed = atomic_load(&t->segment->last_revision);
    rc = store_state_write(store, txn, state);
    return rc ? store_lmdb_error(err, rc, "dissolving the log") : 0;
}

static int trim_commit(struct store *store, struct store_trim *t, struct error *err)
{
    struct store_state state;
    MDB_txn *txn = NULL;
    int rc;

    if (store_write_begin(store, &txn, err) < 0)
        return -err->code;
    rc = trim_fill(store, txn, t, &state, err);
    if (rc < 0) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    if (rc)
        return store_lmdb_error(err, rc, "dissolving the log");
    store->state = state;
    return 0;
}

int store_trim_step(struct store *store, struct error *err)
{
    struct store_trim *t = store->trim;
    bool done;

    if (!t) {
        store->trim = trim_begin(store, err);
        return error_is_set(err) ? -err->code : store->trim != NULL;
    }
    if (trim_commit(store, t, err) < 0) {
        store->trim = NULL; /* from its start again */
        store_trim_free(t);
        return -err->code;
    }
    done = !t->node;
    if (done) {
        store->trim = NULL;
        store_trim_free(t);
        store_root_drop_segment(store);
    }
    return 1;
}
