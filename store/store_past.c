/* SPDX-License-Identifier: Apache-2.0 */
/* The past, read as events: the log itself, from a revision on. */
#include "store/store_internal.h"

struct past {
    const struct store_view *view;
    struct slice prefix;
    uint64_t after;
    uint64_t until; /* comes as the last revision wanted and goes as the last one that was looked at whole */
    size_t limit;
    size_t count;
    size_t bytes;  /* of the frames that were looked at */
    uint64_t last; /* revision of the last event */
    uint64_t seen; /* last revision of the frames that were looked at */
    store_visit_event *visit;
    void *arg;
    struct error *err;
};

enum { PAST_END = 0x7fffffff }; /* what past_frame returns when nothing behind it is wanted */

static int past_event(struct past *p, const struct store_record *record)
{
    struct store_record before = {0};
    bool gone = record->kind == STORE_EVENT_DELETE;
    struct store_event event;

    if (record->kind != STORE_EVENT_CREATE && store_view_before(p->view, record, &before, p->err) < 0)
        return -p->err->code;
    event = (struct store_event){
        .kind = record->kind,
        .revision = record->revision,
        .create_revision = record->create_revision,
        .prev_revision = before.revision,
        .key = record->key,
        .meta = gone ? before.meta : record->meta,
        .value = gone ? before.value : record->value,
        .prev_meta = before.meta,
        .prev_value = before.value,
    };
    p->count++;
    p->last = record->revision;
    return p->visit(p->arg, &event);
}

static int past_frame(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    struct past *p = arg;
    struct store_record record;
    int rc;

    p->seen = frame->last_revision;
    if (frame->last_revision <= p->after)
        return 0;
    if (p->limit && p->bytes >= STORE_READ_BYTES) {
        p->until = frame->first_revision - 1;
        return PAST_END;
    }
    p->bytes += frame->length;
    while ((rc = store_records_next(&records, &record, p->err)) > 0) {
        if (record.revision <= p->after ||
            (record.class != STORE_HISTORY_FULL && record.revision <= p->view->state.window))
            continue;
        if (record.revision > p->until)
            return PAST_END;
        if (p->limit && p->count >= p->limit && record.revision != p->last) {
            p->until = record.revision - 1;
            return PAST_END;
        }
        if (!slice_starts(record.key, p->prefix))
            continue;
        rc = past_event(p, &record);
        if (rc)
            return rc;
    }
    return rc;
}

/* A damaged frame looks like the end of what was written: only the revision tells that something is missing. */
static int past_segment(struct past *p, struct store_segment *segment)
{
    struct store_mark mark = store_segment_mark(segment, p->after + 1);
    uint64_t last = atomic_load(&segment->last_revision);
    int rc;

    p->seen = 0;
    rc = store_segment_walk(segment, &mark, past_frame, p);
    last = last < p->until ? last : p->until;
    if (rc == 0 && last >= segment->first_revision && last > p->after && p->seen < last)
        return error_set(p->err, ERROR_CORRUPT, "the log is damaged behind revision %llu (%s)",
                         (unsigned long long)(p->seen ? p->seen : mark.revision - 1), segment->path);
    return rc;
}

static int past_walk(struct past *p)
{
    const struct store_root *root = p->view->root;
    size_t i = root->segment_count;
    int rc = 0;

    while (i > 1 && root->segments[i - 1]->first_revision > p->after + 1)
        i--;
    for (; rc == 0 && i <= root->segment_count; i++)
        rc = past_segment(p, root->segments[i - 1]);
    return rc == PAST_END ? 0 : rc;
}

int store_read_log(struct store *store, struct slice prefix, enum store_class class, uint64_t after, uint64_t until,
                   size_t limit, store_visit_event *visit, void *arg, uint64_t *ret_until, struct error *err)
{
    STORE_VIEW_LOCAL(view);
    ERROR_LOCAL(failure);
    struct past past = {
        .view = &view, .prefix = prefix, .after = after, .limit = limit, .visit = visit, .arg = arg, .err = &failure};
    uint64_t oldest;
    int rc;

    if (store_view_begin(store, &view, &failure) < 0)
        return error_pass(err, &failure, NULL);
    if (store_view_check_future(&view, after, err) < 0)
        return -(int)ERROR_TIMEOUT;
    oldest = store_state_oldest(&view.state, class);
    if (after < oldest)
        return error_set(err, ERROR_EXPIRED, "too old resource version: %llu (%llu)", (unsigned long long)after,
                         (unsigned long long)oldest);
    past.until = !until || until > view.revision ? view.revision : until;
    rc = past_walk(&past);
    if (rc && error_is_set(&failure))
        return error_pass(err, &failure, "reading the log");
    if (rc == 0 && ret_until)
        *ret_until = past.until > after ? past.until : after;
    return rc;
}
