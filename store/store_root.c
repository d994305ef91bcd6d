/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Roots: which tables and segments there are. A root is made once and replaced whole, so that a reader who has taken
 * one sees the same until it lets go; what left the root meanwhile lives until then.
 */
#include "store/store_internal.h"

/* ---- references ---- */

static struct store_level *level_new(void)
{
    struct store_level *level = mem_zalloc(sizeof(*level));

    level->refs = 1;
    level->table = store_table_new();
    return level;
}

static struct store_level *level_ref(struct store_level *level)
{
    if (level)
        (void)__atomic_add_fetch(&level->refs, 1, __ATOMIC_RELAXED);
    return level;
}

static void level_unref(struct store_level *level)
{
    if (!level || __atomic_sub_fetch(&level->refs, 1, __ATOMIC_ACQ_REL))
        return;
    store_table_free(level->table);
    free(level);
}

struct store_root *store_root_take(struct store *store)
{
    struct store_root *root;

    (void)pthread_mutex_lock(&store->root_lock);
    root = store->root;
    (void)__atomic_add_fetch(&root->refs, 1, __ATOMIC_RELAXED);
    (void)pthread_mutex_unlock(&store->root_lock);
    return root;
}

void store_root_unref(struct store_root *root)
{
    if (!root || __atomic_sub_fetch(&root->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < STORE_LEVELS; i++)
        level_unref(root->levels[i]);
    for (size_t i = 0; i < root->segment_count; i++)
        store_segment_unref(root->segments[i]);
    free(root);
}

/* ---- replacing ---- */

static struct store_root *root_alloc(size_t segments)
{
    struct store_root *root = mem_zalloc(sizeof(*root) + segments * sizeof(root->segments[0]));

    root->refs = 1;
    root->segment_count = segments;
    return root;
}

struct store_root *store_root_new(struct store_segment *const *segments, size_t count)
{
    struct store_root *root = root_alloc(count);

    root->levels[0] = level_new();
    for (size_t i = 0; i < count; i++)
        root->segments[i] = segments[i];
    return root;
}

/* A copy without the first `skip` segments and with room for `extra` more. */
static struct store_root *root_copy(const struct store_root *from, size_t skip, size_t extra)
{
    struct store_root *root = root_alloc(from->segment_count - skip + extra);

    for (size_t i = 0; i < STORE_LEVELS; i++)
        root->levels[i] = level_ref(from->levels[i]);
    for (size_t i = skip; i < from->segment_count; i++)
        root->segments[i - skip] = store_segment_ref(from->segments[i]);
    return root;
}

static void root_replace(struct store *store, struct store_root *fresh)
{
    struct store_root *old = store->root;

    store->root = fresh;
    (void)pthread_mutex_unlock(&store->root_lock);
    store_root_unref(old);
}

struct store_segment *store_root_last(const struct store_root *root)
{
    return root->segments[root->segment_count - 1];
}

uint64_t store_root_log_bytes(const struct store_root *root)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < root->segment_count; i++)
        bytes += root->segments[i]->size;
    return bytes;
}

void store_root_add_segment(struct store *store, struct store_segment *segment)
{
    struct store_root *fresh;

    (void)pthread_mutex_lock(&store->root_lock);
    fresh = root_copy(store->root, 0, 1);
    fresh->segments[fresh->segment_count - 1] = segment;
    root_replace(store, fresh);
}

void store_root_freeze(struct store *store, uint64_t last_revision)
{
    struct store_root *fresh;

    (void)pthread_mutex_lock(&store->root_lock);
    fresh = root_copy(store->root, 0, 0);
    fresh->levels[1] = fresh->levels[0];
    fresh->levels[1]->last_revision = last_revision;
    fresh->levels[1]->keys = store->keys;
    fresh->levels[1]->bytes = store->bytes;
    fresh->levels[0] = level_new();
    root_replace(store, fresh);
}

void store_root_drop_frozen(struct store *store)
{
    struct store_root *fresh;

    (void)pthread_mutex_lock(&store->root_lock);
    fresh = root_copy(store->root, 0, 0);
    level_unref(fresh->levels[1]);
    fresh->levels[1] = NULL;
    root_replace(store, fresh);
}

void store_root_renew_active(struct store *store)
{
    struct store_root *now = store_root_take(store), *fresh;
    struct store_level *level = mem_zalloc(sizeof(*level));

    level->refs = 1;
    level->since_ns = now->levels[0]->since_ns;
    level->table = store_table_copy(now->levels[0]->table);
    store_root_unref(now);
    (void)pthread_mutex_lock(&store->root_lock);
    fresh = root_copy(store->root, 0, 0);
    level_unref(fresh->levels[0]);
    fresh->levels[0] = level;
    root_replace(store, fresh);
}

void store_root_drop_segment(struct store *store)
{
    struct store_root *fresh;

    (void)pthread_mutex_lock(&store->root_lock);
    fresh = root_copy(store->root, 1, 0);
    store->root->segments[0]->unlink = true;
    root_replace(store, fresh);
}

void store_root_swap_segment(struct store *store, struct store_segment *segment)
{
    struct store_root *fresh;
    uint32_t first;

    (void)pthread_mutex_lock(&store->root_lock);
    fresh = root_copy(store->root, 0, 0);
    first = fresh->segments[0]->id;
    store_segment_unref(fresh->segments[segment->id - first]);
    fresh->segments[segment->id - first] = segment;
    root_replace(store, fresh);
}

/* ---- finding a record ---- */

struct store_segment *store_root_segment(const struct store_root *root, uint64_t revision)
{
    size_t i = root->segment_count;

    while (i > 1 && root->segments[i - 1]->first_revision > revision)
        i--;
    return root->segments[i - 1];
}

/* Is the record at that place the one that is meant? In a cleaned segment places are no longer what they were when they
 * were noted, and whoever chose a value could have put anything there. */
static bool record_at(const struct store_root *root, struct store_place place, uint64_t revision, unsigned index,
                      struct store_record *ret_record)
{
    size_t offset = (size_t)place.offset * STORE_RECORD_ALIGN;
    uint32_t first = root->segments[0]->id;
    const struct store_segment *s;
    uint32_t end;

    if (place.segment < first || place.segment - first >= root->segment_count)
        return false;
    s = root->segments[place.segment - first];
    end = atomic_load_explicit(&s->end, memory_order_acquire);
    return !s->cleaned && offset >= STORE_SEGMENT_HEAD && offset < end &&
           store_record_read(slice_make(s->map + offset, end - offset), ret_record, NULL) == 0 &&
           ret_record->revision == revision && ret_record->index == index;
}

struct search {
    uint64_t revision;
    unsigned index;
    struct store_record *record;
    struct error *err;
};

enum { SEARCH_FOUND = 1, SEARCH_PASSED, SEARCH_NOT_THERE };

static int search_visit(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    struct search *search = arg;
    int rc;

    if (frame->last_revision < search->revision)
        return 0;
    if (frame->first_revision > search->revision)
        return SEARCH_PASSED;
    while ((rc = store_records_next(&records, search->record, search->err)) > 0)
        if (search->record->revision == search->revision && search->record->index == search->index)
            return SEARCH_FOUND;
    return rc < 0 ? rc : SEARCH_NOT_THERE;
}

int store_root_record(const struct store_root *root, uint64_t revision, unsigned index, struct store_place hint,
                      struct store_record *ret_record, struct error *err)
{
    struct search search = {revision, index, ret_record, err};
    struct store_segment *segment;
    struct store_mark mark;
    int rc;

    if (record_at(root, hint, revision, index, ret_record))
        return 1;
    if (revision < root->segments[0]->first_revision)
        return 0;
    segment = store_root_segment(root, revision);
    mark = store_segment_mark(segment, revision);
    rc = store_segment_walk(segment, &mark, search_visit, &search);
    if (rc == SEARCH_FOUND || rc < 0)
        return rc;
    if (rc == SEARCH_NOT_THERE && segment->cleaned)
        return 0;
    return error_set(err, ERROR_CORRUPT, "the log has lost revision %llu", (unsigned long long)revision);
}
