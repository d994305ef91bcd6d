/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading keys: one, or a range at the newest or at an exact revision.
 *
 * A range is a walk over sorted runs at once: the tables, the index, the base. The smallest key that any of them stands
 * on is next; the first run that has a version of it which is not too new says what it is. A run whose version is too
 * new leads back to the right one through the log.
 */
#include "store/store_internal.h"

enum { RUN_INDEX = STORE_LEVELS, RUN_BASE, RUNS };

struct walk {
    const struct store_view *view;
    struct slice prefix;
    struct slice after;
    uint64_t at;
    const struct store_node *nodes[STORE_LEVELS];
    MDB_cursor *cursors[RUNS]; /* of RUN_INDEX and RUN_BASE */
    MDB_val values[RUNS];
    struct slice keys[RUNS]; /* that each run stands on; data NULL = at its end */
};

static void walk_end(struct walk *w)
{
    for (size_t i = RUN_INDEX; i < RUNS; i++)
        store_cursor_cleanup(&w->cursors[i]);
}

/* Keys behind the prefix end a run. */
static void run_set(struct walk *w, size_t run, struct slice key)
{
    w->keys[run] = key.data && slice_starts(key, w->prefix) ? key : SLICE_NONE;
}

static void run_set_node(struct walk *w, size_t run, const struct store_node *node)
{
    w->nodes[run] = node;
    run_set(w, run, node ? store_node_key(node) : SLICE_NONE);
}

static int run_cursor(struct walk *w, size_t run, MDB_val key, MDB_cursor_op op, struct error *err)
{
    int rc = mdb_cursor_get(w->cursors[run], &key, &w->values[run], op);

    if (rc && rc != MDB_NOTFOUND)
        return store_lmdb_error(err, rc, "reading");
    run_set(w, run, rc ? SLICE_NONE : store_slice(key));
    return 0;
}

static int run_next(struct walk *w, size_t run, struct error *err)
{
    if (run < STORE_LEVELS) {
        run_set_node(w, run, store_node_next(w->nodes[run]));
        return 0;
    }
    return run_cursor(w, run, (MDB_val){0}, MDB_NEXT, err);
}

static int run_begin(struct walk *w, size_t run, struct slice start, struct error *err)
{
    const struct store_level *level = run < STORE_LEVELS ? w->view->root->levels[run] : NULL;
    int rc = 0;

    if (level)
        run_set_node(w, run, store_table_seek(level->table, start));
    if (run == RUN_INDEX || run == RUN_BASE) {
        const struct store_db *db = &w->view->store->db;

        rc = mdb_cursor_open(w->view->txn, run == RUN_INDEX ? db->index : db->base, &w->cursors[run]);
        if (rc)
            return store_lmdb_error(err, rc, "reading");
        rc = run_cursor(w, run, store_val(start), start.len ? MDB_SET_RANGE : MDB_FIRST, err);
    }
    while (rc == 0 && w->keys[run].data && w->after.len && slice_compare(w->keys[run], w->after) <= 0)
        rc = run_next(w, run, err);
    return rc;
}

static int walk_begin(struct walk *w, const struct store_range *range, struct error *err)
{
    struct slice start = slice_compare(range->after, range->prefix) > 0 ? range->after : range->prefix;

    w->prefix = range->prefix;
    w->after = range->after;
    /* No key is longer than STORE_KEY_MAX, so a start cut there still comes before every key behind the whole. */
    if (start.len > STORE_KEY_MAX + 1)
        start.len = STORE_KEY_MAX + 1;
    for (size_t run = 0; run < RUNS; run++)
        if (run_begin(w, run, start, err) < 0)
            return -err->code;
    return 0;
}

/* What was so early is no longer told of keys of that class: they are left out. */
static bool walk_forgot(const struct walk *w, enum store_class class)
{
    return class != STORE_HISTORY_FULL && w->at < w->view->state.window;
}

/* What the table that stands on the key says: 1 with its version or that it is left out, 0 when all it has are too new.
 */
static int table_version(const struct walk *w, size_t run, struct store_found *ret_found)
{
    const struct store_version *v = store_node_newest(w->nodes[run]);
    bool forgot = v && walk_forgot(w, v->entry.class);

    *ret_found = (struct store_found){.entry = {.kind = STORE_EVENT_DELETE}};
    if (forgot)
        return true;
    while (v && v->entry.revision > w->at)
        v = v->older;
    if (v)
        *ret_found = (struct store_found){.entry = v->entry};
    return v != NULL;
}

/* The version of `key` by the first run that knows it. 1, 0 when it did not exist, or a negative error. */
static int walk_version(const struct walk *w, struct slice key, const bool stands[RUNS], struct store_found *ret_found,
                        struct error *err)
{
    for (size_t run = 0; run < STORE_LEVELS; run++)
        if (stands[run] && table_version(w, run, ret_found))
            return ret_found->entry.kind != STORE_EVENT_DELETE;
    if (stands[RUN_INDEX]) {
        *ret_found = (struct store_found){.in_base = false};
        if (store_index_decode(key, store_slice(w->values[RUN_INDEX]), &ret_found->entry, err) < 0)
            return -err->code;
        if (walk_forgot(w, ret_found->entry.class))
            return 0;
        if (ret_found->entry.revision <= w->at)
            return ret_found->entry.kind != STORE_EVENT_DELETE;
        return store_view_find(w->view, key, w->at, ret_found, err);
    }
    if (!stands[RUN_BASE])
        return 0;
    *ret_found = (struct store_found){.in_base = true};
    if (store_base_decode(key, store_slice(w->values[RUN_BASE]), &ret_found->base, err) < 0)
        return -err->code;
    if (walk_forgot(w, ret_found->base.class))
        return 0;
    return ret_found->base.revision <= w->at ? 1 : store_view_back(w->view, &ret_found->base, w->at, err);
}

/* The next key that exists at w->at. 1, 0 at the end, or a negative error. `key` lives until the next call. */
static int walk_next(struct walk *w, struct slice *ret_key, struct store_found *ret_found, struct error *err)
{
    for (;;) {
        bool stands[RUNS] = {false};
        struct slice key = SLICE_NONE;
        int found;

        for (size_t run = 0; run < RUNS; run++)
            if (w->keys[run].data && (!key.data || slice_compare(w->keys[run], key) < 0))
                key = w->keys[run];
        if (!key.data)
            return 0;
        for (size_t run = 0; run < RUNS; run++)
            stands[run] = w->keys[run].data && slice_equal(w->keys[run], key);
        found = walk_version(w, key, stands, ret_found, err);
        for (size_t run = 0; found >= 0 && run < RUNS; run++)
            if (stands[run] && run_next(w, run, err) < 0)
                return -err->code;
        *ret_key = key;
        if (found)
            return found;
    }
}

static int record_visit(const struct store_view *view, struct slice key, const struct store_found *found,
                        store_visit_record *visit, void *arg, struct error *err)
{
    struct store_record record;

    if (store_view_record(view, key, found, &record, err) < 0)
        return -err->code;
    return visit(arg, &record);
}

struct item_visitor {
    store_visit_item *visit;
    void *arg;
};

static int item_visit(void *arg, const struct store_record *r)
{
    const struct item_visitor *visitor = arg;
    const struct store_item item = {r->key, r->meta, r->value, r->create_revision, r->revision};

    return visitor->visit(visitor->arg, &item);
}

static int list_walk(struct walk *w, const struct store_range *range, store_visit_record *visit, void *arg,
                     struct store_range_result *result, struct error *err)
{
    struct store_found found;
    struct slice key;
    size_t count = 0;
    int rc = walk_begin(w, range, err);

    while (rc == 0 && (!range->limit || count < range->limit)) {
        rc = walk_next(w, &key, &found, err);
        if (rc <= 0)
            return rc;
        rc = record_visit(w->view, key, &found, visit, arg, err);
        count++;
    }
    while (rc == 0) {
        int more = walk_next(w, &key, &found, err);

        if (more <= 0)
            return more;
        result->more = true;
        if (range->skip_count)
            return 0;
        result->remaining++;
    }
    return rc;
}

int store_list_records(struct store *store, const struct store_range *range, store_visit_record *visit, void *arg,
                       struct store_range_result *ret_result, struct error *err)
{
    STORE_VIEW_LOCAL(view);
    struct store_range_result result = {0};
    ERROR_LOCAL(failure);
    struct walk walk CLEANUP(walk_end) = {.view = &view};
    int rc;

    if (store_view_begin(store, &view, &failure) < 0)
        return error_pass(err, &failure, NULL);
    result.revision = range->at_revision ? range->at_revision : view.revision;
    if (store_view_check_future(&view, result.revision, err) < 0)
        return -(int)ERROR_TIMEOUT;
    if (result.revision < store_state_oldest(&view.state, range->class))
        return error_set(err, ERROR_EXPIRED, "The resourceVersion for the provided list is too old.");
    walk.at = result.revision;
    rc = list_walk(&walk, range, visit, arg, &result, &failure);
    if (rc && error_is_set(&failure))
        return error_pass(err, &failure, "listing %.*s", SLICE_ARGS(range->prefix));
    if (rc == 0 && ret_result)
        *ret_result = result;
    return rc;
}

int store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
               struct store_range_result *ret_result, struct error *err)
{
    struct item_visitor visitor = {visit, arg};

    return store_list_records(store, range, item_visit, &visitor, ret_result, err);
}

int store_get(struct store *store, struct slice key, store_visit_item *visit, void *arg, uint64_t *ret_revision,
              struct error *err)
{
    STORE_VIEW_LOCAL(view);
    struct item_visitor visitor = {visit, arg};
    struct store_found found;
    ERROR_LOCAL(failure);
    int rc;

    if (store_view_begin(store, &view, &failure) < 0)
        return error_pass(err, &failure, NULL);
    if (ret_revision)
        *ret_revision = view.revision;
    rc = key.len && key.len <= STORE_KEY_MAX ? store_view_find(&view, key, view.revision, &found, &failure) : 0;
    if (rc == 0)
        return error_set(err, ERROR_NOT_FOUND, "%.*s is not there", SLICE_ARGS(key));
    if (rc > 0)
        rc = record_visit(&view, key, &found, item_visit, &visitor, &failure);
    if (rc && error_is_set(&failure))
        return error_pass(err, &failure, NULL);
    return rc;
}
