/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dissolving what nobody may ask for any more: the last version that a segment has of each key goes to `base` (or
 * leaves it, when that is a deletion), and an index entry that led here goes away.
 *
 *     none --the oldest segment may go--> gathering its keys --steps--> `trimmed` moves, it leaves
 *       \--one may be cleaned--> gathering those of classes window and none --steps--> it is replaced (store_clean.c)
 *
 * A step is STORE_BASE_STEP keys in one transaction, or fewer that have STORE_BASE_BYTES. A crash in between leaves
 * `base` ahead of `trimmed` for some keys, never behind: nobody may ask for what was there before, and doing it again
 * does the same.
 */
#include "store/store_internal.h"

#include "lib/failpoint.h"

struct store_trim {
    struct store_segment *segment;
    bool clean;                /* only what cleaning takes */
    struct store_table *table; /* its keys and their versions */
    const struct store_node *node;
    size_t bytes; /* of the records that go */
    size_t step;  /* bytes that went to `base` in the present step */
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

/* ---- beginning ---- */

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
        if (t->clean && !store_clean_takes(&record))
            continue;
        t->bytes += store_record_padded(store_record_size(&record));
        store_table_add(t->table, record.key,
                        &(struct store_entry){.kind = record.kind,
                                              .revision = record.revision,
                                              .index = record.index,
                                              .place = {t->segment->id, at}});
    }
    t->seen = frame->last_revision;
    return rc;
}

/* NULL when the segment is damaged. */
static struct store_trim *trim_new(struct store_segment *segment, bool clean, struct error *err)
{
    const struct store_mark head = {segment->first_revision, STORE_SEGMENT_HEAD, 0};
    struct store_trim *t = mem_zalloc(sizeof(*t));

    t->segment = store_segment_ref(segment);
    t->clean = clean;
    t->table = store_table_new();
    t->err = err;
    t->seen = segment->first_revision - 1;
    if (store_segment_walk(segment, &head, gather_frame, t) == 0 && t->seen != atomic_load(&segment->last_revision))
        (void)error_set(err, ERROR_CORRUPT, "the log is damaged behind revision %llu (%s); it is kept",
                        (unsigned long long)t->seen, segment->path);
    if (error_is_set(err)) {
        store_trim_free(t);
        return NULL;
    }
    t->node = store_table_seek(t->table, SLICE_NONE);
    return t;
}

/* The oldest segment, when all of it may go: a reference, or NULL. */
static struct store_segment *trim_next(struct store *store)
{
    struct store_root *root = store_root_take(store);
    struct store_segment *oldest = root->segments[0];
    uint64_t last = atomic_load(&oldest->last_revision);
    bool due = root->segment_count > 1 && last <= store->state.compacted && last <= store->state.revision;
    struct store_segment *found = due ? store_segment_ref(oldest) : NULL;

    store_root_unref(root);
    return found;
}

/* Nobody asks for what was before its end any more, whether it is then worth to be written again or not: so one that is
 * looked at is not looked at again after a restart. */
static struct store_trim *clean_begin(struct store *store, struct store_segment *segment, struct error *err)
{
    struct store_trim *t;

    if (store_forget(store, STORE_HISTORY_WINDOW, atomic_load(&segment->last_revision), err) < 0)
        return NULL;
    t = trim_new(segment, true, err);
    segment->settled = !t || !store_clean_pays(segment, t->bytes);
    if (t && segment->settled) {
        store_trim_free(t);
        t = NULL;
    }
    return t;
}

/* 1 when something was found, 0, or a negative error. */
static int trim_begin(struct store *store, bool may_clean, struct error *err)
{
    struct store_segment *segment = trim_next(store);
    bool clean = !segment && may_clean;

    if (clean)
        segment = store_clean_next(store);
    if (!segment)
        return 0;
    if (store_space_settle(store, err) < 0) {
        store_segment_unref(segment);
        return -err->code;
    }
    store->trim = clean ? clean_begin(store, segment, err) : trim_new(segment, false, err);
    store_segment_unref(segment);
    return error_is_set(err) ? -err->code : 1;
}

/* ---- steps ---- */

/* A key without an entry, or with a later record in the base, had its newest version here dissolved before: by an
 * interrupted run, or because a later change was of a class that is kept less long. */
static bool trim_came_late(struct store *store, MDB_txn *txn, struct slice key, uint64_t revision, int found)
{
    struct store_record known;

    return !found || (store_base_get(store, txn, key, &known, NULL) > 0 && known.revision > revision);
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
    if (trim_came_late(store, txn, key, last->revision, found))
        return 0;
    if (indexed.revision == last->revision)
        rc = store_index_delete(store, txn, key);
    if (rc == 0)
        rc = last->kind == STORE_EVENT_DELETE ? store_base_delete(store, txn, key)
                                              : store_base_put(store, txn, &record);
    t->step += store_record_size(&record);
    return rc ? store_lmdb_error(err, rc, "dissolving the log") : 0;
}

static int trim_fill(struct store *store, MDB_txn *txn, struct store_trim *t, struct store_state *state,
                     struct error *err)
{
    int rc = store_state_read(store, txn, state, err);

    t->step = 0;
    for (int i = 0; rc == 0 && t->node && i < STORE_BASE_STEP && t->step < STORE_BASE_BYTES; i++) {
        rc = trim_key(store, txn, t, err);
        t->node = store_node_next(t->node);
    }
    if (rc < 0 || t->node || t->clean)
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
    FAILPOINT(trim_written);
    rc = mdb_txn_commit(txn);
    if (rc)
        return store_lmdb_error(err, rc, "dissolving the log");
    FAILPOINT(trim_durable);
    store->state = state;
    return 0;
}

int store_trim_step(struct store *store, bool clean, struct error *err)
{
    struct store_trim *t = store->trim;
    int rc;

    if (!t)
        return trim_begin(store, clean, err);
    rc = trim_commit(store, t, err);
    if (rc == 0 && t->node)
        return 1;
    if (rc == 0 && t->clean)
        rc = store_clean_segment(store, t->segment, err);
    else if (rc == 0)
        store_root_drop_segment(store);
    FAILPOINT(segment_dropped);
    store->space_after_ns = 0; /* where there was no room, there may be some now */
    /* After a failure, from its start again. */
    store->trim = NULL;
    store_trim_free(t);
    return rc < 0 ? rc : 1;
}
