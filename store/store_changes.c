/* SPDX-License-Identifier: Apache-2.0 */
/* When a revision was made, and the history of one key: from its version at a revision back over the ones before, which
 * every record names. */
#include "store/store_internal.h"

/* The record of the newest change at or before `at`, a deletion too. 1, 0 when there is none, or a negative error. */
static int newest_change(const struct store_view *view, struct slice key, uint64_t at, struct store_record *ret_record,
                         struct error *err)
{
    struct store_found found;
    int rc = store_view_find(view, key, at, &found, err);

    if (rc < 0)
        return rc;
    if (rc == 0 && !found.in_base && !found.entry.revision)
        return 0;
    if (store_view_record(view, key, &found, ret_record, err) < 0)
        return -err->code;
    return ret_record->revision <= at; /* else it stands for: nothing so early */
}

static int visit_changes(const struct store_view *view, struct store_record *record, uint64_t not_before,
                         store_visit_change *visit, void *arg, struct error *err)
{
    int rc = 1;

    while (rc > 0 && record->revision >= not_before) {
        uint64_t dissolved = store_state_dissolved(&view->state, record->class);
        const struct store_change change = {
            .kind = record->kind,
            .revision = record->revision,
            .time_ns = record->time_ns,
            .user = record->user,
            .verb = record->verb,
            .meta = record->meta,
            .value = record->value,
        };
        struct store_record before;

        rc = visit(arg, &change);
        if (rc)
            return rc;
        /* What was before that was dissolved: only the last of it is known, when it was no deletion. */
        if (record->revision <= dissolved || (record->kind == STORE_EVENT_CREATE && record->prev_revision <= dissolved))
            return 0;
        rc = store_view_before(view, record, &before, err);
        if (rc == -(int)ERROR_EXPIRED) {
            error_clear(err);
            return 0;
        }
        if (rc > 0)
            *record = before;
    }
    return rc < 0 ? rc : 0;
}

int store_read_changes(struct store *store, struct slice key, enum store_class class, uint64_t from,
                       uint64_t not_before, store_visit_change *visit, void *arg, uint64_t *ret_compacted,
                       struct error *err)
{
    STORE_VIEW_LOCAL(view);
    struct store_record record;
    ERROR_LOCAL(failure);
    uint64_t oldest;
    int rc;

    if (store_view_begin(store, &view, &failure) < 0)
        return error_pass(err, &failure, NULL);
    if (store_view_check_future(&view, from, err) < 0)
        return -(int)ERROR_TIMEOUT;
    oldest = store_state_oldest(&view.state, class);
    if (from && from < oldest)
        return error_set(err, ERROR_EXPIRED, "The requested revision is too old; the oldest that is kept is %llu.",
                         (unsigned long long)oldest);
    if (ret_compacted)
        *ret_compacted = oldest;
    rc = key.len && key.len <= STORE_KEY_MAX ? newest_change(&view, key, from ? from : view.revision, &record, &failure)
                                             : 0;
    if (rc > 0)
        rc = visit_changes(&view, &record, not_before, visit, arg, &failure);
    if (rc && error_is_set(&failure))
        return error_pass(err, &failure, NULL);
    return rc;
}

struct timing {
    uint64_t revision;
    int64_t time_ns;
    struct error *err;
};

static int timing_visit(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    struct timing *timing = arg;
    struct store_record record;
    int rc;

    if (frame->last_revision < timing->revision)
        return 0;
    while ((rc = store_records_next(&records, &record, timing->err)) > 0) {
        if (record.revision < timing->revision)
            continue;
        timing->time_ns = record.time_ns;
        return 1;
    }
    return rc;
}

/* The last record of a segment is always there. */
int store_segment_time(struct store_segment *segment, uint64_t revision, int64_t *ret_time_ns, struct error *err)
{
    struct store_mark mark = store_segment_mark(segment, revision);
    struct timing timing = {.revision = revision, .err = err};
    int rc = store_segment_walk(segment, &mark, timing_visit, &timing);

    if (rc < 0)
        return rc;
    if (rc == 0)
        return error_set(err, ERROR_CORRUPT, "the log has lost revision %llu", (unsigned long long)revision);
    *ret_time_ns = timing.time_ns;
    return 0;
}

int store_revision_time(struct store *store, uint64_t revision, int64_t *ret_time_ns, struct error *err)
{
    STORE_VIEW_LOCAL(view);
    ERROR_LOCAL(failure);

    if (store_view_begin(store, &view, &failure) < 0)
        return error_pass(err, &failure, NULL);
    if (store_view_check_future(&view, revision, err) < 0)
        return -(int)ERROR_TIMEOUT;
    if (revision < view.root->segments[0]->first_revision)
        return error_set(err, ERROR_EXPIRED, "revision %llu is no longer kept", (unsigned long long)revision);
    if (store_segment_time(store_root_segment(view.root, revision), revision, ret_time_ns, &failure) < 0)
        return error_pass(err, &failure, NULL);
    return 0;
}

uint64_t store_revision_at(struct store *store, int64_t time_ns)
{
    uint64_t low = store_compacted(store);
    uint64_t high = store_revision(store);

    while (low < high) {
        uint64_t middle = low + (high - low + 1) / 2;
        int64_t made_ns;

        if (store_revision_time(store, middle, &made_ns, NULL) < 0 || made_ns <= time_ns)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}
