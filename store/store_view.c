/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view: the visible revision, a root and a read transaction, taken in this order (see store_internal.h for why), and
 * the ways from a key to its version at a revision.
 */
#include "store/store_internal.h"

static int view_try(struct store *store, struct store_view *v, struct error *err)
{
    *v = (struct store_view){.store = store, .revision = atomic_load(&store->visible)};
    v->root = store_root_take(store);
    if (store_readers_begin(store, &v->txn, err) < 0) {
        store_root_unref(v->root);
        v->store = NULL;
        return -err->code;
    }
    return store_state_read(store, v->txn, &v->state, err);
}

/* Was something done between the first step and the last that makes the three not fit together? Compaction: what we
 * wanted to see may be gone. It never passes the visible revision, so the next try is ahead of it. Or a new segment:
 * the index may lead into it, and whoever wants what was before must be able to start there. */
static bool view_was_overtaken(struct store *store, const struct store_view *v)
{
    struct store_root *now = store_root_take(store);
    bool rolled = store_root_last(now)->id != store_root_last(v->root)->id;

    store_root_unref(now);
    return rolled || v->revision < v->state.compacted || v->revision < v->state.window;
}

int store_view_begin(struct store *store, struct store_view *v, struct error *err)
{
    int rc = view_try(store, v, err);

    while (rc == 0 && view_was_overtaken(store, v)) {
        store_view_end(v);
        rc = view_try(store, v, err);
    }
    return rc;
}

int store_view_check_future(const struct store_view *v, uint64_t revision, struct error *err)
{
    if (revision <= v->revision)
        return 0;
    return error_set(err, ERROR_TIMEOUT, "Too large resource version: %llu, current: %llu",
                     (unsigned long long)revision, (unsigned long long)v->revision);
}

void store_view_end(struct store_view *v)
{
    if (!v->store)
        return;
    store_readers_end(v->store, v->txn);
    store_root_unref(v->root);
    v->store = NULL;
}

/* ---- records ---- */

/* In the frame that is being made, which only the writer's view sees. */
static bool pending_record(const struct store_view *v, struct store_place place, struct store_record *ret_record)
{
    const struct store_pending *p = v->pending;
    size_t at;

    if (!p || place.segment != p->place.segment || place.offset < p->place.offset)
        return false;
    at = (size_t)(place.offset - p->place.offset) * STORE_RECORD_ALIGN;
    return at < p->bytes.len && store_record_read(slice_from(buf_slice(&p->bytes), at), ret_record, NULL) == 0;
}

static int log_record(const struct store_view *v, uint64_t revision, unsigned index, struct store_place place,
                      struct store_record *ret_record, struct error *err)
{
    if (pending_record(v, place, ret_record))
        return 1;
    return store_root_record(v->root, revision, index, place, ret_record, err);
}

int store_view_record(const struct store_view *v, struct slice key, const struct store_found *found,
                      struct store_record *ret_record, struct error *err)
{
    int rc;

    if (found->in_base) {
        *ret_record = found->base;
        return 0;
    }
    rc = log_record(v, found->entry.revision, found->entry.index, found->entry.place, ret_record, err);
    /* Dissolved since the entry was read? The view's own transaction would have shown that. */
    if (rc == 0)
        return error_set(err, ERROR_CORRUPT, "the log has lost revision %llu of %.*s",
                         (unsigned long long)found->entry.revision, SLICE_ARGS(key));
    if (rc < 0)
        return error_wrap(err, "reading %.*s", SLICE_ARGS(key));
    if (!slice_equal(ret_record->key, key))
        return error_set(err, ERROR_CORRUPT, "revision %llu is not of %.*s", (unsigned long long)found->entry.revision,
                         SLICE_ARGS(key));
    return 0;
}

int store_view_before(const struct store_view *v, const struct store_record *record, struct store_record *ret_before,
                      struct error *err)
{
    struct slice key = record->key;
    uint64_t revision = record->prev_revision;
    int rc;

    if (!revision)
        return 0;
    rc = log_record(v, revision, record->prev_index, record->prev, ret_before, err);
    if (rc == 0)
        rc = store_base_get(v->store, v->txn, key, ret_before, err);
    if (rc < 0)
        return error_wrap(err, "reading what %.*s was", SLICE_ARGS(key));
    if (rc > 0 && ret_before->revision == revision && slice_equal(ret_before->key, key))
        return 1;
    /* The log reaches back so far: it went with its class. */
    if (revision >= v->root->segments[0]->first_revision && revision <= v->state.window)
        return error_set(err, ERROR_EXPIRED, "revision %llu of %.*s is no longer kept", (unsigned long long)revision,
                         SLICE_ARGS(key));
    return error_set(err, ERROR_CORRUPT, "revision %llu of %.*s is lost", (unsigned long long)revision,
                     SLICE_ARGS(key));
}

int store_view_back(const struct store_view *v, struct store_record *record, uint64_t at, struct error *err)
{
    struct store_record before;
    int rc = 1;

    if (record->class != STORE_HISTORY_FULL && at < v->state.window)
        return error_set(err, ERROR_EXPIRED, "revision %llu of %.*s is no longer kept", (unsigned long long)at,
                         SLICE_ARGS(record->key));
    while (rc > 0 && record->revision > at) {
        /* Made anew behind a deletion that was dissolved: before it, nothing was there. */
        if (record->kind == STORE_EVENT_CREATE &&
            record->prev_revision <= store_state_dissolved(&v->state, record->class))
            return 0;
        rc = store_view_before(v, record, &before, err);
        if (rc == -(int)ERROR_EXPIRED && record->kind == STORE_EVENT_CREATE && record->prev_revision <= at) {
            /* A deletion that went with its class, which was another then. */
            error_clear(err);
            return 0;
        }
        if (rc > 0)
            *record = before;
    }
    return rc > 0 && record->kind == STORE_EVENT_DELETE ? 0 : rc;
}

/* ---- keys ---- */

/* What the log shows is newer than wanted: goes back from there. */
static int find_back(const struct store_view *v, struct slice key, const struct store_entry *entry, uint64_t at,
                     struct store_found *ret_found, struct error *err)
{
    const struct store_found newer = {.entry = *entry};
    int rc = store_view_record(v, key, &newer, &ret_found->base, err);

    if (rc < 0)
        return rc;
    ret_found->in_base = true; /* or wherever: the record itself is at hand */
    return store_view_back(v, &ret_found->base, at, err);
}

int store_view_find(const struct store_view *v, struct slice key, uint64_t at, struct store_found *ret_found,
                    struct error *err)
{
    int rc;

    if (at > v->revision)
        at = v->revision;
    *ret_found = (struct store_found){.in_base = false};
    for (size_t i = 0; i < STORE_LEVELS; i++) {
        const struct store_level *level = v->root->levels[i];
        const struct store_version *version = level ? store_table_find(level->table, key, at) : NULL;

        if (!version)
            continue;
        ret_found->entry = version->entry;
        return version->entry.kind != STORE_EVENT_DELETE;
    }
    rc = store_index_get(v->store, v->txn, key, &ret_found->entry, err);
    if (rc > 0 && ret_found->entry.revision > at)
        return find_back(v, key, &ret_found->entry, at, ret_found, err);
    if (rc)
        return rc > 0 ? ret_found->entry.kind != STORE_EVENT_DELETE : rc;
    rc = store_base_get(v->store, v->txn, key, &ret_found->base, err);
    ret_found->in_base = rc > 0;
    if (rc > 0 && ret_found->base.revision > at)
        return store_view_back(v, &ret_found->base, at, err);
    return rc;
}
