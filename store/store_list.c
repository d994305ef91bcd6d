/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading keys: one, or a range at the newest or at an exact revision.
 *
 * A range at revision X is a walk over two sorted runs at once: `current`, of which the versions not newer than X
 * count, and `history`, of which every key that changed after X counts with the version its first such change replaced.
 * The cost follows the keys looked at, not the number of changes: within a key the walk seeks.
 */
#include "store/store_internal.h"

struct walk {
    const struct store_reading *reading;
    struct slice prefix;
    uint64_t at;   /* UINT64_MAX = newest: history is not looked at */
    bool counting; /* values are not looked at */
    MDB_cursor *current;
    MDB_cursor *history;
    MDB_val key; /* under `current`; mv_size 0 = at its end */
    MDB_val value;
    struct slice past_key; /* under `history`; len 0 = at its end */
    uint64_t past_revision;
    MDB_val past_value;
};

static void walk_end(struct walk *walk)
{
    store_cursor_cleanup(&walk->current);
    store_cursor_cleanup(&walk->history);
}

static int walk_error(int rc, struct error *err)
{
    return store_lmdb_error(err, rc, "reading");
}

static int walk_current(struct walk *walk, MDB_cursor_op op, struct error *err)
{
    int rc = mdb_cursor_get(walk->current, &walk->key, walk->counting ? NULL : &walk->value, op);

    if (rc && rc != MDB_NOTFOUND)
        return walk_error(rc, err);
    if (rc || !slice_starts(store_slice(walk->key), walk->prefix))
        walk->key.mv_size = 0;
    return 0;
}

/* From `from` on, the first key with a change after walk->at, standing on the first such change. */
static int walk_history(struct walk *walk, const struct store_place *from, struct error *err)
{
    struct store_place place = *from;

    for (;;) {
        MDB_val key = store_place_val(&place);
        int rc = mdb_cursor_get(walk->history, &key, &walk->past_value, key.mv_size ? MDB_SET_RANGE : MDB_FIRST);

        walk->past_key.len = 0;
        if (rc == MDB_NOTFOUND)
            return 0;
        if (rc)
            return walk_error(rc, err);
        if (!store_history_place_read(store_slice(key), &walk->past_key, &walk->past_revision))
            return error_set(err, ERROR_CORRUPT, "the history holds a damaged key");
        if (!slice_starts(walk->past_key, walk->prefix)) {
            walk->past_key.len = 0;
            return 0;
        }
        if (walk->past_revision > walk->at)
            return 0;
        place = store_history_place(walk->past_key, walk->at + 1);
    }
}

/* Behind all that a key's entries can be, before any longer or later key: see store_internal.h on NUL. */
static int walk_history_next(struct walk *walk, struct error *err)
{
    struct store_place place = {.len = walk->past_key.len + 1};

    memcpy(place.bytes, walk->past_key.data, walk->past_key.len);
    place.bytes[walk->past_key.len] = 1;
    return walk_history(walk, &place, err);
}

static int walk_begin(struct walk *walk, const struct store_range *range, struct error *err)
{
    struct slice start = slice_compare(range->after, range->prefix) > 0 ? range->after : range->prefix;
    struct store_place place = {.len = start.len > STORE_KEY_MAX + 1 ? STORE_KEY_MAX + 1 : start.len};
    int rc;

    /* No key is longer than STORE_KEY_MAX, so a start cut there still comes before every key behind the whole. */
    if (place.len)
        memcpy(place.bytes, start.data, place.len);
    walk->key = store_place_val(&place);
    rc = mdb_cursor_open(walk->reading->txn, walk->reading->store->db.current, &walk->current);
    if (rc == 0 && walk->at != UINT64_MAX)
        rc = mdb_cursor_open(walk->reading->txn, walk->reading->store->db.history, &walk->history);
    if (rc)
        return walk_error(rc, err);
    rc = walk_current(walk, place.len ? MDB_SET_RANGE : MDB_FIRST, err);
    while (rc == 0 && walk->key.mv_size && range->after.len && slice_compare(store_slice(walk->key), range->after) <= 0)
        rc = walk_current(walk, MDB_NEXT, err);
    if (rc < 0 || !walk->history)
        return rc;
    rc = walk_history(walk, &place, err);
    while (rc == 0 && walk->past_key.len && range->after.len && slice_compare(walk->past_key, range->after) <= 0)
        rc = walk_history_next(walk, err);
    return rc;
}

static int read_current(struct slice key, struct slice bytes, struct store_item *ret_item, struct error *err)
{
    struct store_record record;

    if (store_record_read(bytes, key, &record, err) < 0)
        return error_wrap(err, "reading %.*s", SLICE_ARGS(key));
    *ret_item = (struct store_item){key, record.meta, record.value, record.create_revision, record.revision};
    return 0;
}

/* The version under `history`. Returns 1, or 0 when the key did not exist at that revision. */
static int walk_past_item(struct walk *walk, struct store_item *ret_item, struct error *err)
{
    struct slice key = walk->past_key;
    enum store_event_kind kind;
    struct store_record record;
    uint32_t index;

    if (!store_history_value_read(store_slice(walk->past_value), &index, &kind))
        return error_set(err, ERROR_CORRUPT, "the history of %.*s is damaged", SLICE_ARGS(key));
    if (kind == STORE_EVENT_CREATE)
        return 0;
    if (!ret_item)
        return 1;
    if (store_log_get(walk->reading, walk->past_revision, index, &record, err) < 0)
        return -err->code;
    *ret_item = (struct store_item){key, record.meta, record.value, record.create_revision, record.revision};
    return 1;
}

/* The next version; ret_item may be NULL for counting. Returns 1, 0 at the end, or a negative error. */
static int walk_next(struct walk *walk, struct store_item *ret_item, struct error *err)
{
    while (walk->key.mv_size || walk->past_key.len) {
        struct slice key = store_slice(walk->key);
        int order = !walk->past_key.len ? -1 : !key.len ? 1 : slice_compare(key, walk->past_key);
        int found = 0;

        if (order < 0) {
            found = !ret_item || read_current(key, store_slice(walk->value), ret_item, err) == 0 ? 1 : -err->code;
            if (found > 0 && ret_item && ret_item->mod_revision > walk->at)
                found = error_set(err, ERROR_CORRUPT, "the history of %.*s has a hole", SLICE_ARGS(key));
        } else {
            found = walk_past_item(walk, ret_item, err);
        }
        if (found >= 0 && order >= 0 && walk_history_next(walk, err) < 0)
            return -err->code;
        if (found >= 0 && order <= 0 && walk_current(walk, MDB_NEXT, err) < 0)
            return -err->code;
        if (found)
            return found;
    }
    return 0;
}

static int list_walk(struct walk *walk, const struct store_range *range, store_visit_item *visit, void *arg,
                     struct store_range_result *result, struct error *err)
{
    struct store_item item = {0};
    size_t count = 0;
    int rc = walk_begin(walk, range, err);

    while (rc == 0 && (!range->limit || count < range->limit)) {
        rc = walk_next(walk, &item, err);
        if (rc <= 0)
            return rc;
        rc = visit(arg, &item);
        count++;
    }
    walk->counting = true;
    while (rc == 0) {
        int found = walk_next(walk, NULL, err);

        if (found <= 0)
            return found;
        result->more = true;
        if (range->skip_count)
            return 0;
        result->remaining++;
    }
    return rc;
}

int store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
               struct store_range_result *ret_result, struct error *err)
{
    STORE_READING_LOCAL(reading);
    struct store_range_result result = {0};
    ERROR_LOCAL(failure);
    struct walk walk CLEANUP(walk_end) = {.reading = &reading, .prefix = range->prefix, .at = UINT64_MAX};
    int rc;

    if (store_reading_begin(store, &reading, &failure) < 0)
        return error_pass(err, &failure, NULL);
    result.revision = range->at_revision ? range->at_revision : reading.state.revision;
    if (result.revision > reading.state.revision)
        return error_set(err, ERROR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                         (unsigned long long)result.revision, (unsigned long long)reading.state.revision);
    if (result.revision < reading.state.compacted)
        return error_set(err, ERROR_EXPIRED, "The resourceVersion for the provided list is too old.");
    if (result.revision < reading.state.revision)
        walk.at = result.revision;
    rc = list_walk(&walk, range, visit, arg, &result, &failure);
    if (rc && error_is_set(&failure))
        return error_pass(err, &failure, "listing %.*s", SLICE_ARGS(range->prefix));
    if (rc == 0 && ret_result)
        *ret_result = result;
    return rc;
}

int store_get(struct store *store, struct slice key, store_visit_item *visit, void *arg, uint64_t *ret_revision,
              struct error *err)
{
    STORE_READING_LOCAL(reading);
    ERROR_LOCAL(failure);
    struct store_item item;
    MDB_val place = store_val(key), value;
    int rc;

    if (store_reading_begin(store, &reading, &failure) < 0)
        return error_pass(err, &failure, NULL);
    if (ret_revision)
        *ret_revision = reading.state.revision;
    rc = key.len && key.len <= STORE_KEY_MAX ? mdb_get(reading.txn, store->db.current, &place, &value) : MDB_NOTFOUND;
    if (rc == MDB_NOTFOUND)
        return error_set(err, ERROR_NOT_FOUND, "%.*s is not there", SLICE_ARGS(key));
    if (rc)
        return store_lmdb_error(err, rc, "reading a key");
    if (read_current(key, store_slice(value), &item, &failure) < 0)
        return error_pass(err, &failure, NULL);
    return visit(arg, &item);
}
