/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cleaning a segment: once all of it is older than the window, what it says of keys of the classes window and none is
 * dissolved, so that Leases and Events do not use up the history of what matters.
 *
 *     whole --older than the window--> `window` moves to its end --keys to `base` (store_trim.c)--> file replaced,
 * cleaned
 *                                                              \-- there is little to gain --> stays as it is
 *
 * One segment at a time, the oldest first, so one that ends before `window` was looked at. The file is replaced by a
 * rename, when LMDB has what is taken out of it: a crash leaves the one or the other, and either is right. Readers who
 * hold the old one go on with it. Records keep every byte, but not their places: see record_at in store_root.c.
 */
#include "store/store_internal.h"

#define CLEAN_FRAME_BYTES 4096 /* what a reader of one record has to look through */
#define CLEAN_LEAST       8    /* the part of a segment that is worth writing the rest again */

/* ---- which ---- */

static int64_t last_time_ns(struct store_segment *s)
{
    int64_t time_ns = 0;

    /* A damaged one is due, and then found to be damaged. */
    if (!s->last_time_ns && store_segment_time(s, atomic_load(&s->last_revision), &time_ns, NULL) == 0)
        s->last_time_ns = time_ns;
    return s->last_time_ns;
}

static bool segment_is_due(struct store *store, struct store_segment *s)
{
    uint64_t last = atomic_load(&s->last_revision);

    return last <= store->state.revision && last <= store_hold_bound(store) &&
           last_time_ns(s) <= clock_wall_ns(store->clock) - store->window_ns;
}

struct store_segment *store_clean_next(struct store *store)
{
    struct store_root *root = store_root_take(store);
    struct store_segment *found = NULL;

    /* It takes a second file for a while, which a full disk has no room for. */
    for (size_t i = 0; i + 1 < root->segment_count && !found && !store_space_is_full(store); i++) {
        struct store_segment *s = root->segments[i];
        uint64_t last = atomic_load(&s->last_revision);

        if (s->cleaned || s->settled || last < s->first_revision || last < store->state.window)
            continue;
        if (!segment_is_due(store, s))
            break;
        found = store_segment_ref(s);
    }
    store_root_unref(root);
    return found;
}

bool store_clean_takes(const struct store_record *record)
{
    return record->class != STORE_HISTORY_FULL;
}

bool store_clean_pays(const struct store_segment *segment, size_t bytes)
{
    return bytes >= segment->size / CLEAN_LEAST;
}

/* ---- the file ---- */

struct clean {
    const struct store_segment *segment;
    struct buf frames;
    size_t frame; /* where the present one begins */
    uint32_t count;
    uint32_t before;
    uint64_t first;  /* revision of the present frame */
    uint64_t newest; /* of the last record */
    struct error *err;
};

static void frame_begin(struct clean *c)
{
    c->frame = c->frames.len;
    memset(buf_reserve(&c->frames, STORE_FRAME_SIZE), 0, STORE_FRAME_SIZE);
    c->frames.len += STORE_FRAME_SIZE;
    c->count = 0;
}

static void frame_end(struct clean *c, uint64_t last)
{
    struct store_frame frame = {.length = (uint32_t)(c->frames.len - c->frame - STORE_FRAME_SIZE),
                                .segment = c->segment->id,
                                .count = c->count,
                                .first_revision = c->first,
                                .last_revision = last,
                                .before = c->before};

    store_frame_write(c->frames.data + c->frame, &frame);
    c->before = frame.crc;
    c->first = last + 1;
}

static int clean_frame(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    struct clean *c = arg;
    uint64_t last = atomic_load(&c->segment->last_revision);
    struct store_record record;
    int rc;

    for (;;) {
        const char *start = records.data;

        rc = store_records_next(&records, &record, c->err);
        if (rc <= 0)
            return rc;
        if (store_clean_takes(&record) && record.revision != last)
            continue;
        /* A transaction is not cut. */
        if (c->frames.len - c->frame >= CLEAN_FRAME_BYTES && record.revision != c->newest) {
            frame_end(c, record.revision - 1);
            frame_begin(c);
        }
        buf_append_slice(&c->frames, slice_make(start, (size_t)(records.data - start)));
        c->count++;
        c->newest = record.revision;
    }
}

int store_clean_segment(struct store *store, struct store_segment *segment, struct error *err)
{
    const struct store_mark head = {segment->first_revision, STORE_SEGMENT_HEAD, 0};
    struct clean clean = {.segment = segment, .first = segment->first_revision, .err = err};
    struct store_segment *fresh = NULL;
    int rc;

    frame_begin(&clean);
    rc = store_segment_walk(segment, &head, clean_frame, &clean);
    /* A damaged frame looks like the end, and what is behind it would be gone with the file. */
    if (rc == 0 && clean.newest != atomic_load(&segment->last_revision))
        rc = error_set(err, ERROR_CORRUPT, "the log is damaged behind revision %llu (%s); it is kept",
                       (unsigned long long)clean.newest, segment->path);
    if (rc == 0) {
        frame_end(&clean, atomic_load(&segment->last_revision));
        rc = store_segment_replace(segment, store->log_path, buf_slice(&clean.frames), &fresh, err);
    }
    buf_free(&clean.frames);
    if (rc < 0)
        return rc;
    store_root_swap_segment(store, fresh);
    (void)pthread_mutex_lock(&store->lock);
    store->stats.cleaned++;
    (void)pthread_mutex_unlock(&store->lock);
    return 0;
}
