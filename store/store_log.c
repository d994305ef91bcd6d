/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The past, read as events.
 *
 * A log record carries what its change replaced. The new bytes of a change are therefore those that the key's next
 * change replaced, found through `history`, or the current ones. All of it is read in one read transaction.
 */
#include "store/store_internal.h"

int store_log_get(const struct store_reading *reading, uint64_t revision, uint32_t index,
                  struct store_record *ret_record, struct error *err)
{
    struct store_place place = store_log_place(revision, index);
    MDB_val key = store_place_val(&place), value;
    int rc = mdb_get(reading->txn, reading->store->db.log, &key, &value);

    if (rc == MDB_NOTFOUND)
        return error_set(err, ERROR_CORRUPT, "the log has lost revision %llu", (unsigned long long)revision);
    if (rc)
        return store_lmdb_error(err, rc, "reading the log");
    if (store_record_read(store_slice(value), slice_make(place.bytes, place.len), ret_record, err) < 0)
        return error_wrap(err, "revision %llu of the log", (unsigned long long)revision);
    return 0;
}

struct log_walk {
    const struct store_reading *reading;
    MDB_cursor *log;
    MDB_cursor *history;
};

static void log_walk_end(struct log_walk *walk)
{
    store_cursor_cleanup(&walk->log);
    store_cursor_cleanup(&walk->history);
}

/* The newest version of a key, as the new bytes of its last change. */
static int current_after(struct log_walk *walk, struct slice key, uint64_t revision, struct store_record *ret_record,
                         struct error *err)
{
    MDB_val place = store_val(key), value;
    int rc = mdb_get(walk->reading->txn, walk->reading->store->db.current, &place, &value);

    if (rc && rc != MDB_NOTFOUND)
        return store_lmdb_error(err, rc, "reading the log");
    if (rc == 0 && store_record_read(store_slice(value), key, ret_record, err) < 0)
        return error_wrap(err, "reading %.*s", SLICE_ARGS(key));
    if (rc || ret_record->revision != revision)
        return error_set(err, ERROR_CORRUPT, "revision %llu of %.*s is lost", (unsigned long long)revision,
                         SLICE_ARGS(key));
    return 0;
}

/* What the change of `key` at `revision` made of it. */
static int version_after(struct log_walk *walk, struct slice key, uint64_t revision, struct store_record *ret_record,
                         struct error *err)
{
    struct store_place place = store_history_place(key, revision + 1);
    MDB_val next = store_place_val(&place), value;
    enum store_event_kind kind;
    struct slice next_key;
    uint64_t next_revision;
    uint32_t index;
    int rc = mdb_cursor_get(walk->history, &next, &value, MDB_SET_RANGE);

    if (rc && rc != MDB_NOTFOUND)
        return store_lmdb_error(err, rc, "reading the log");
    if (rc || !store_history_place_read(store_slice(next), &next_key, &next_revision) || !slice_equal(next_key, key))
        return current_after(walk, key, revision, ret_record, err);
    if (!store_history_value_read(store_slice(value), &index, &kind))
        return error_set(err, ERROR_CORRUPT, "the history of %.*s is damaged", SLICE_ARGS(key));
    if (store_log_get(walk->reading, next_revision, index, ret_record, err) < 0)
        return -err->code;
    if (ret_record->revision != revision)
        return error_set(err, ERROR_CORRUPT, "revision %llu of %.*s is lost", (unsigned long long)revision,
                         SLICE_ARGS(key));
    return 0;
}

static int log_event(struct log_walk *walk, const struct store_record *undo, uint64_t revision,
                     struct store_event *ret_event, struct error *err)
{
    struct store_record after = *undo; /* of a deletion, `now` is what was last */

    if (undo->kind != STORE_EVENT_DELETE && version_after(walk, undo->key, revision, &after, err) < 0)
        return -err->code;
    *ret_event = (struct store_event){
        .kind = undo->kind,
        .revision = revision,
        .create_revision = undo->create_revision,
        .prev_revision = undo->revision,
        .key = undo->key,
        .meta = after.meta,
        .value = after.value,
        .prev_meta = undo->meta,
        .prev_value = undo->value,
    };
    return 0;
}

static int log_walk_begin(struct log_walk *walk, struct error *err)
{
    MDB_txn *txn = walk->reading->txn;
    int rc = mdb_cursor_open(txn, walk->reading->store->db.log, &walk->log);

    if (rc == 0)
        rc = mdb_cursor_open(txn, walk->reading->store->db.history, &walk->history);
    return rc ? store_lmdb_error(err, rc, "reading the log") : 0;
}

/* *until comes as the last revision wanted and goes as the last one that was looked at whole. */
static int log_visit(struct log_walk *walk, struct slice prefix, uint64_t after, uint64_t *until, size_t limit,
                     store_visit_event *visit, void *arg, struct error *err)
{
    struct store_place start = store_log_place(after + 1, 0);
    MDB_val key = store_place_val(&start), value;
    uint64_t revision, last = 0;
    size_t count = 0;
    uint32_t index;
    int rc = mdb_cursor_get(walk->log, &key, &value, MDB_SET_RANGE);

    for (; rc == 0; rc = mdb_cursor_get(walk->log, &key, &value, MDB_NEXT)) {
        struct store_record undo;
        struct store_event event;

        if (!store_log_place_read(store_slice(key), &revision, &index))
            return error_set(err, ERROR_CORRUPT, "the log holds a damaged key");
        if (revision > *until)
            return 0;
        if (limit && count >= limit && revision != last) {
            *until = revision - 1;
            return 0;
        }
        if (store_record_read(store_slice(value), store_slice(key), &undo, err) < 0)
            return error_wrap(err, "revision %llu of the log", (unsigned long long)revision);
        if (!slice_starts(undo.key, prefix))
            continue;
        if (log_event(walk, &undo, revision, &event, err) < 0)
            return -err->code;
        rc = visit(arg, &event);
        if (rc)
            return rc;
        last = revision;
        count++;
    }
    return rc == MDB_NOTFOUND ? 0 : store_lmdb_error(err, rc, "reading the log");
}

int store_read_log(struct store *store, struct slice prefix, uint64_t after, uint64_t until, size_t limit,
                   store_visit_event *visit, void *arg, uint64_t *ret_until, struct error *err)
{
    STORE_READING_LOCAL(reading);
    struct log_walk walk CLEANUP(log_walk_end) = {.reading = &reading};
    ERROR_LOCAL(failure);
    int rc;

    if (store_reading_begin(store, &reading, &failure) < 0)
        return error_pass(err, &failure, NULL);
    if (after > reading.state.revision)
        return error_set(err, ERROR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                         (unsigned long long)after, (unsigned long long)reading.state.revision);
    if (after < reading.state.compacted)
        return error_set(err, ERROR_EXPIRED, "too old resource version: %llu (%llu)", (unsigned long long)after,
                         (unsigned long long)reading.state.compacted);
    if (!until || until > reading.state.revision)
        until = reading.state.revision;
    rc = log_walk_begin(&walk, &failure);
    if (rc == 0)
        rc = log_visit(&walk, prefix, after, &until, limit, visit, arg, &failure);
    if (rc && error_is_set(&failure))
        return error_pass(err, &failure, "reading the log");
    if (rc == 0 && ret_until)
        *ret_until = until > after ? until : after;
    return rc;
}
