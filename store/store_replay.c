/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the log. Only its last frame may be torn, and only in the last segment: the frame was not acknowledged, and
 * the next one is written over it. Any other gap is damage, and is refused with its place instead of being skipped.
 */
#include "store/store_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#define SEGMENTS_MAX 65536

struct found_segments {
    uint32_t *ids;
    size_t count;
    size_t cap;
};

static int compare_ids(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

/* The ids of all segments, in order. The caller frees. */
static int segments_list(const struct store *store, struct found_segments *found, struct error *err)
{
    DIR *folder = opendir(store->log_path);
    struct dirent *entry;
    int number;

    if (!folder)
        return error_set_errno(err, errno, "reading the folder %s", store->log_path);
    while ((errno = 0, entry = readdir(folder)) && found->count < SEGMENTS_MAX) {
        char name[16];
        unsigned id;

        if (sscanf(entry->d_name, "%8x", &id) != 1)
            continue;
        (void)snprintf(name, sizeof(name), "%08x", id);
        if (strcmp(name, entry->d_name) != 0)
            continue;
        found->ids = mem_grow(found->ids, &found->cap, found->count + 1, sizeof(*found->ids));
        found->ids[found->count++] = id;
    }
    number = entry ? EOVERFLOW : errno;
    (void)closedir(folder);
    if (number) /* with those that were found the log might end too early */
        return error_set_errno(err, number, "reading the folder %s", store->log_path);
    if (found->count)
        qsort(found->ids, found->count, sizeof(*found->ids), compare_ids);
    return 0;
}

/* A gap among what is still needed. */
static int segments_check(const struct store *store, const struct found_segments *found, size_t first,
                          struct error *err)
{
    for (size_t i = first + 1; i < found->count; i++)
        if (found->ids[i] != found->ids[i - 1] + 1)
            return error_set(err, ERROR_CORRUPT, "the log in %s has lost segment %08x", store->log_path,
                             found->ids[i - 1] + 1);
    return 0;
}

/* Opens them all; older ones are sealed where the next one begins. */
static int segments_open(struct store *store, const struct found_segments *found, struct store_segment **segments,
                         struct error *err)
{
    for (size_t i = 0; i < found->count; i++) {
        if (store_segment_open(store->log_path, found->ids[i], &segments[i], err) < 0)
            return -err->code;
        /* Prepared ones are behind all others: what was begun and got no frame, and the one that was to follow. */
        if (store_segment_is_prepared(segments[i]) ? i + 2 < found->count
                                                   : i && segments[i]->first_revision < segments[i - 1]->first_revision)
            return error_set(err, ERROR_CORRUPT, "segment %08x of the log in %s begins before the one before it",
                             found->ids[i], store->log_path);
    }
    return 0;
}

struct replay {
    struct store *store;
    struct store_view *view;
    struct error *err;
};

/* What lived before counts as the record itself says it: the index may be ahead, when the store ended in the middle of
 * writing a table. */
static int replay_sums(struct replay *r, const struct store_record *record)
{
    struct store *store = r->store;
    struct store_record before;

    if (record->kind != STORE_EVENT_CREATE) {
        if (store_view_before(r->view, record, &before, r->err) < 0)
            return -r->err->code;
        store->bytes -= store_record_size(&before);
    }
    if (record->kind != STORE_EVENT_DELETE)
        store->bytes += store_record_size(record);
    store->keys += record->kind == STORE_EVENT_CREATE;
    store->keys -= record->kind == STORE_EVENT_DELETE;
    return 0;
}

static int replay_record(struct replay *r, const struct store_record *record, struct store_place place)
{
    const struct store_entry entry = {
        .kind = record->kind,
        .class = record->class,
        .revision = record->revision,
        .create_revision = record->create_revision,
        .index = record->index,
        .length = (uint32_t)store_record_size(record),
        .place = place,
    };

    if (replay_sums(r, record) < 0)
        return -r->err->code;
    store_table_add(r->view->root->levels[0]->table, record->key, &entry);
    return 0;
}

static int replay_frame(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    struct replay *r = arg;
    const char *start = records.data - offset - STORE_FRAME_SIZE;
    /* What the frame itself holds is found as the writer found it. */
    struct store_pending pending = {
        .bytes = {.data = (char *)(uintptr_t)(start + offset), .len = STORE_FRAME_SIZE + records.len},
        .place = {frame->segment, offset / STORE_RECORD_ALIGN}};
    struct store_record record;
    int rc;

    r->view->pending = &pending;
    do {
        uint32_t at = (uint32_t)((size_t)(records.data - start) / STORE_RECORD_ALIGN);

        rc = store_records_next(&records, &record, r->err);
        if (rc > 0 && record.revision > r->store->state.revision &&
            replay_record(r, &record, (struct store_place){frame->segment, at}) < 0)
            rc = -r->err->code;
    } while (rc > 0);
    r->view->pending = NULL;
    return rc;
}

/* Reads the segments that LMDB has not caught up with. */
static int replay_segments(struct store *store, struct store_root *root, struct error *err)
{
    STORE_VIEW_LOCAL(view);
    struct replay replay = {store, &view, err};

    if (store_view_begin(store, &view, err) < 0)
        return -err->code;
    view.revision = UINT64_MAX;
    for (size_t i = 0; i < root->segment_count; i++) {
        struct store_segment *s = root->segments[i];
        bool newest = i + 1 == root->segment_count;
        uint64_t last = newest ? 0 : root->segments[i + 1]->first_revision - 1;

        /* What was taken out of it went to LMDB before. */
        if (s->cleaned && (newest || last > store->state.window))
            return error_set(err, ERROR_CORRUPT,
                             "%s was cleaned up to revision %llu, and data.mdb knows of %llu: they do not belong "
                             "together; restore a backup",
                             s->path, (unsigned long long)last, (unsigned long long)store->state.window);
        if (!newest && last <= store->state.revision) {
            store_segment_seal(s, last);
            continue;
        }
        if (store_segment_scan(s, store->state.revision, newest ? UINT64_MAX : last, replay_frame, &replay, err) < 0)
            return -err->code;
        if (newest && store_segment_rewrite_last(s, err) < 0)
            return -err->code;
        if (!newest && atomic_load(&s->last_revision) != last)
            return error_set(err, ERROR_CORRUPT, "the log is damaged behind revision %llu (%s)",
                             (unsigned long long)atomic_load(&s->last_revision), s->path);
    }
    return 0;
}

static void remove_prepared(struct store_segment *segment)
{
    if (segment)
        segment->unlink = true;
    store_segment_unref(segment);
}

/* The first of those that were prepared is the next one; made anew when its size is not what it should be. One that
 * does not follow on the last that was begun was to follow on another. */
static int adopt_prepared(struct store *store, struct found_segments *found, struct store_segment **segments,
                          struct error *err)
{
    struct store_segment *spare = NULL;
    uint32_t next = 1;
    int rc = 0;

    while (found->count && store_segment_is_prepared(segments[found->count - 1])) {
        remove_prepared(spare);
        found->count--;
        spare = STEAL(segments[found->count]);
    }
    if (found->count)
        next = found->ids[found->count - 1] + 1;
    if (spare && found->count && spare->id != next)
        rc = error_set(err, ERROR_CORRUPT, "the log in %s has lost segment %08x", store->log_path, next);
    else if (spare)
        next = spare->id;
    if (spare && spare->size - store->segment_bytes >= 4096) {
        remove_prepared(spare);
        spare = NULL;
    }
    store_space_adopt(store, spare, next);
    return rc;
}

/* The first root, over what the folder holds; in a new store, over one empty segment. */
static int root_make(struct store *store, struct error *err)
{
    struct found_segments found = {0};
    struct store_segment **segments = NULL;
    size_t skip = 0;
    int rc = segments_list(store, &found, err);

    segments = mem_calloc(found.count + 1, sizeof(struct store_segment *));
    if (rc == 0)
        rc = segments_open(store, &found, segments, err);
    if (rc == 0)
        rc = adopt_prepared(store, &found, segments, err);
    if (rc == 0 && !found.count) {
        if (store->state.revision != STORE_FIRST_REVISION)
            rc = error_set(err, ERROR_CORRUPT, "the log in %s is gone; restore a backup", store->log_path);
        else
            rc = store_space_begin_segment(store, 0, STORE_FIRST_REVISION + 1, &segments[0], err);
        found.count = 1;
    }
    /* Dissolved ones whose files were still in use when the store ended; those between them may be gone. */
    for (; rc == 0 && skip + 1 < found.count && segments[skip + 1]->first_revision - 1 <= store->state.trimmed;
         skip++) {
        segments[skip]->unlink = true;
        store_segment_unref(segments[skip]);
    }
    if (rc == 0)
        rc = segments_check(store, &found, skip, err);
    if (rc == 0 && segments[skip]->first_revision > store->state.trimmed + 1)
        rc = error_set(err, ERROR_CORRUPT, "the log in %s has lost revision %llu", store->log_path,
                       (unsigned long long)store->state.trimmed + 1);
    if (rc == 0)
        store->root = store_root_new(segments + skip, found.count - skip);
    for (size_t i = skip; rc < 0 && i < found.count; i++)
        store_segment_unref(segments[i]);
    free(segments);
    free(found.ids);
    return rc;
}

int store_replay(struct store *store, struct error *err)
{
    const struct store_state *state = &store->state;
    uint64_t least = state->revision > state->compacted ? state->revision : state->compacted;
    struct store_segment *newest;
    uint64_t last;

    store->keys = store->state.keys;
    store->bytes = store->state.bytes;
    /* Compaction may be ahead of what LMDB holds, never of the log: a view has to see no less. */
    atomic_store(&store->visible, least);
    atomic_store(&store->compacted, store->state.compacted);
    atomic_store(&store->window, store->state.window);
    store_segment_remove_rest(store->log_path);
    if (root_make(store, err) < 0 || replay_segments(store, store->root, err) < 0)
        return -err->code;
    newest = store_root_last(store->root);
    last = atomic_load(&newest->last_revision);
    if (last < least)
        return error_set(err, ERROR_CORRUPT,
                         "the log in %s ends at revision %llu, but %llu was durable; restore a backup", store->log_path,
                         (unsigned long long)last, (unsigned long long)least);
    if (store_table_count(store->root->levels[0]->table)) {
        store->root->levels[0]->since_ns = clock_monotonic_ns(store->clock);
        store->table_young = true;
    }
    atomic_store(&store->visible, last);
    atomic_store(&store->revision, last);
    store->stats.revision = last;
    store->stats.compacted = store->state.compacted;
    store->stats.keys = store->keys;
    store->stats.bytes_used = store->bytes;
    return 0;
}
