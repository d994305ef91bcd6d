/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: a bounded queue and whoever empties it (its own thread, or in manual mode the caller of store_step).
 *
 * Group commit: all that waits is applied in order, becomes one frame of the log and is made durable by one fdatasync;
 * meanwhile the next batch gathers, and while several write, the writer lets them run first. A lone writer waits for
 * nobody, but renewals (updates of class STORE_HISTORY_NONE) wait for up to STORE_HOLD_NS for somebody to share a sync
 * with. The queue keeps its order in any case. The life of a request:
 *
 *     queued --> applied or turned down --append--> visible, published --> done called, freed --> watches woken
 *                        |                  |
 *                        |                  +-- failed: the table takes all back, every request gets the error
 *                        +-- damage in its way, or the disk full and it may not use the reserve: it alone is refused
 *
 * Invariants: nothing is visible, published or acknowledged before its append returned; what a request was turned down
 * for was durable when it is told; revisions are given in the order of the queue.
 */
#include "store/store_internal.h"

#include <sched.h>

#include "lib/failpoint.h"
#include "lib/metrics.h"
#include "lib/thread.h"

/* For so many batches after one of several requests, several are thought to write. */
#define CROWDED_BATCHES 16

static const int64_t store_batch_bounds[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
static struct metric store_batch_size = {.name = "knarr_store_commit_transactions",
                                         .help = "Transactions made durable by one commit.",
                                         .type = METRIC_HISTOGRAM,
                                         .bounds = store_batch_bounds,
                                         .bound_count = ARRAY_SIZE(store_batch_bounds)};
static struct metric store_commit_seconds = {.name = "knarr_store_commit_duration_seconds",
                                             .help = "From taking a batch to its being durable.",
                                             .type = METRIC_HISTOGRAM,
                                             .unit = METRIC_NS,
                                             .bounds = metric_duration_bounds,
                                             .bound_count = METRIC_DURATION_BOUNDS};
static struct metric store_failures = {.name = "knarr_store_commit_failures_total",
                                       .help = "Batches that could not be made durable.",
                                       .type = METRIC_COUNTER};

/* A thread waits by the system's clock. */
static struct clock *hold_clock(const struct store *store)
{
    return store->manual ? store->clock : clock_system();
}

void store_commit(struct store *store, const struct store_transaction *transaction, store_done *done, void *arg)
{
    struct store_request *request;
    ERROR_LOCAL(refusal);

    request = store_transaction_valid(transaction, &refusal) ? store_request_new(transaction)
                                                             : store_request_new_refused(&refusal);
    (void)pthread_mutex_lock(&store->lock);
    if (!request->refused &&
        (store->queue_count >= STORE_QUEUE_MAX || store->queue_bytes + request->bytes > STORE_QUEUE_BYTES)) {
        (void)error_set(&refusal, ERROR_TOO_MANY_REQUESTS, "too many writes wait for the disk; try again");
        refusal.retry_after_seconds = 1;
        free(request);
        request = store_request_new_refused(&refusal);
    }
    request->done = done;
    request->arg = arg;
    request->since_ns = clock_monotonic_ns(hold_clock(store));
    store->queue_count += !request->refused;
    store->queue_eager += !request->patient;
    store->queue_bytes += request->bytes;
    list_append(&store->queue, &request->link);
    (void)pthread_mutex_unlock(&store->lock);
    (void)pthread_cond_signal(&store->wake); /* the writer is not woken into a lock that is taken */
}

int64_t store_queue_due_ns(const struct store *store)
{
    const struct store_request *first = list_first(&store->queue, struct store_request, link);

    if (!first)
        return INT64_MAX;
    return store->queue_eager || store->queue_count >= STORE_HOLD_MAX || store->closing
               ? 0
               : first->since_ns + STORE_HOLD_NS;
}

/* -- one batch -- */

struct batch {
    struct list requests;
    size_t bytes;
    uint64_t first; /* revision of the first that applies */
    uint64_t last;  /* of the last one that did; first - 1 = none */
    uint64_t keys;  /* as they were, to be taken back */
    uint64_t live;
};

static void batch_take(struct store *store, struct batch *b)
{
    size_t count = 0;

    list_init(&b->requests);
    (void)pthread_mutex_lock(&store->lock);
    if (store_queue_due_ns(store) > clock_monotonic_ns(hold_clock(store))) {
        (void)pthread_mutex_unlock(&store->lock);
        return;
    }
    list_for_each_safe (it, next, &store->queue) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (count && (count >= STORE_BATCH_MAX || b->bytes + request->bytes > STORE_BATCH_BYTES))
            break;
        count++;
        store->queue_count -= !request->refused;
        store->queue_eager -= !request->patient;
        store->queue_bytes -= request->bytes;
        if (store->stats.full)
            store_request_refuse_full(request);
        if (!request->refused)
            b->bytes += store_request_log_bytes(request);
        list_remove(&request->link);
        list_append(&b->requests, &request->link);
    }
    (void)pthread_mutex_unlock(&store->lock);
    if (count > 1)
        store->crowded = CROWDED_BATCHES;
    else if (store->crowded)
        store->crowded--;
}

/* A batch goes into one segment: when the last one has no room for it, another is begun. */
static int segment_need(struct store *store, size_t bytes, uint64_t first_revision, struct error *err)
{
    struct store_root *root = store_root_take(store);
    size_t room = store_segment_room(store_root_last(root));

    store_root_unref(root);
    return room < bytes + STORE_FRAME_SIZE ? store_space_roll(store, bytes + STORE_FRAME_SIZE, first_revision, err) : 0;
}

/* Applies all. What is turned down on the way has its error already. */
static void batch_apply(const struct store_view *view, struct batch *b)
{
    struct store *store = view->store;
    int64_t now_ns = clock_wall_ns(store->clock);

    list_for_each (it, &b->requests) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (request->refused)
            continue;
        if (store_apply(view, request, b->last + 1, now_ns) == 0)
            b->last++;
        else
            store_request_drop_events(request);
    }
}

static void batch_publish(struct store *store, struct batch *b)
{
    struct store_event **events CLEANUP_FREE = NULL;
    size_t count = 0, cap = 0;

    (void)pthread_mutex_lock(&store->lock);
    store->stats.revision = b->last;
    store->stats.keys = store->keys;
    store->stats.bytes_used = store->bytes;
    store->stats.commits++;
    store->stats.transactions += b->last - b->first + 1;
    (void)pthread_mutex_unlock(&store->lock);
    list_for_each (it, &b->requests) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (!request->events)
            continue;
        events = mem_grow(events, &cap, count + request->operation_count, sizeof(struct store_event *));
        for (size_t i = 0; i < request->operation_count; i++)
            events[count++] = request->events[i];
    }
    store_publish(store, events, count, b->last);
}

/* The verdicts given inside a lost batch may rest on neighbours that were lost with it: they are void too. */
static void batch_fail(struct batch *b, const struct error *err)
{
    list_for_each (it, &b->requests) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (request->refused)
            continue;
        store_request_drop_events(request);
        error_clear(&request->err);
        request->failed_condition = 0;
        error_copy(&request->err, err);
    }
}

static uint32_t records_count(const struct batch *b)
{
    uint32_t count = 0;

    list_for_each (it, &b->requests) {
        struct store_request *request = container_of(it, struct store_request, link);

        count += request->events ? (uint32_t)request->operation_count : 0;
    }
    return count;
}

/* Applied and durable, or taken back. Under `applying`. */
static int batch_commit(struct store *store, const struct store_view *view, struct batch *b, struct error *err)
{
    struct store_segment *segment = store_root_last(view->root);
    struct store_table *table = view->root->levels[0]->table;
    struct store_frame frame = {0};
    int rc = 0;

    store->pending.bytes.len = STORE_FRAME_SIZE;
    (void)buf_reserve(&store->pending.bytes, b->bytes);
    store->pending.place = (struct store_place){segment->id, atomic_load(&segment->end) / STORE_RECORD_ALIGN};
    batch_apply(view, b);
    if (b->last >= b->first) {
        frame = (struct store_frame){.first_revision = b->first, .last_revision = b->last, .count = records_count(b)};
        FAILPOINT(append_begin);
        rc = store_segment_append(segment, store->pending.bytes.data, store->pending.bytes.len, &frame, err);
    }
    store->pending.bytes.len = 0;
    if (rc < 0) {
        store_table_revert(table, b->first - 1);
        if (store_table_waste(table) >= STORE_TABLE_WASTE) /* a disk that fails for long */
            store_root_renew_active(store);
        store->keys = b->keys;
        store->bytes = b->live;
    } else if (b->last >= b->first) {
        FAILPOINT(append_synced);
        store_segment_commit(segment, &frame);
        atomic_store(&store->visible, b->last); /* before the table may be frozen */
        if (!view->root->levels[0]->since_ns)
            view->root->levels[0]->since_ns = clock_monotonic_ns(store->clock);
    }
    return rc;
}

static int batch_try(struct store *store, struct batch *b, struct error *err)
{
    STORE_VIEW_LOCAL(view);
    int rc;

    b->first = atomic_load(&store->visible) + 1;
    b->last = b->first - 1;
    b->keys = store->keys;
    b->live = store->bytes;
    rc = segment_need(store, b->bytes, b->first, err);
    if (rc == 0)
        rc = store_view_begin(store, &view, err);
    if (rc < 0)
        return rc;
    view.revision = UINT64_MAX;
    view.pending = &store->pending;
    return batch_commit(store, &view, b, err);
}

/* Tells the keeper what it may do; whether memory holds too much. */
static bool batch_note_table(struct store *store)
{
    struct store_root *root = store_root_take(store);
    size_t count = store_table_count(root->levels[0]->table);

    store_root_unref(root);
    (void)pthread_mutex_lock(&store->lock);
    if (count && !store->table_young) {
        store->table_young = true;
        (void)pthread_cond_signal(&store->keep_wake);
    }
    if (count >= store->table_count && !store->table_due) {
        store->table_due = true;
        (void)pthread_cond_signal(&store->keep_wake);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return count >= store->table_max;
}

/* Before the next batch: until the keeper has taken the table over. */
static void writer_wait_for_keeper(struct store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    while (store->table_due && store->threads_run && !store->closing)
        (void)pthread_cond_wait(&store->keep_done, &store->lock);
    (void)pthread_mutex_unlock(&store->lock);
}

/* The disk has become full under a batch: those that may use the reserve are tried again without the others, which
 * must not take it from them. False when that would change nothing. */
static bool batch_spare_others(struct store *store, struct batch *b, struct error *err)
{
    size_t before = b->bytes;

    if (err->code != ERROR_NO_SPACE || store_space_is_full(store))
        return false;
    store_space_note_failure(store, err);
    b->bytes = STORE_FRAME_SIZE;
    list_for_each (it, &b->requests) {
        struct store_request *request = container_of(it, struct store_request, link);

        store_request_drop_events(request);
        store_request_refuse_full(request);
        if (request->refused)
            continue;
        b->bytes += store_request_log_bytes(request);
        error_clear(&request->err);
        request->failed_condition = 0;
    }
    if (b->bytes == before || b->bytes == STORE_FRAME_SIZE)
        return false;
    error_clear(err);
    return true;
}

static void batch_finish(struct batch *b)
{
    list_for_each_safe (it, next, &b->requests)
        store_request_finish(container_of(it, struct store_request, link));
}

bool store_write_batch(struct store *store)
{
    struct batch b = {.bytes = STORE_FRAME_SIZE};
    int64_t start = clock_monotonic_ns(store->clock);
    bool published, full = false;
    ERROR_LOCAL(failure);
    int rc;

    store_space_watch(store);
    batch_take(store, &b);
    if (list_empty(&b.requests))
        return false;
    (void)pthread_mutex_lock(&store->applying);
    rc = batch_try(store, &b, &failure);
    if (rc < 0 && batch_spare_others(store, &b, &failure))
        rc = batch_try(store, &b, &failure);
    if (rc < 0)
        batch_fail(&b, &failure);
    (void)pthread_mutex_unlock(&store->applying);
    if (error_is_set(&failure))
        metric_add(metric_only(&store_failures), 1);
    published = !error_is_set(&failure) && b.last >= b.first;
    if (published) {
        metric_observe(&store_commit_seconds, metric_only(&store_commit_seconds),
                       clock_monotonic_ns(store->clock) - start);
        metric_observe(&store_batch_size, metric_only(&store_batch_size), (int64_t)(b.last - b.first + 1));
        FAILPOINT(append_visible);
        batch_publish(store, &b);
        FAILPOINT(published);
        full = batch_note_table(store);
    }
    batch_finish(&b);
    FAILPOINT(told);
    if (published)
        store_publish_told(store);
    if (full)
        writer_wait_for_keeper(store);
    return true;
}

/* -- who runs them -- */

bool store_step(struct store *store)
{
    return store->manual && (store_write_batch(store) || store_keep(store));
}

int64_t store_next_ns(struct store *store)
{
    int64_t keep_ns = store_keep_due_ns(store), queue_ns;

    (void)pthread_mutex_lock(&store->lock);
    queue_ns = store_queue_due_ns(store);
    (void)pthread_mutex_unlock(&store->lock);
    return queue_ns < keep_ns ? queue_ns : keep_ns;
}

/* Until there is a batch; false when there will be none. */
static bool writer_wait(struct store *store)
{
    bool closing;

    (void)pthread_mutex_lock(&store->lock);
    for (;;) {
        int64_t due_ns = store_queue_due_ns(store);
        const struct timespec until = {.tv_sec = due_ns / NS_PER_S, .tv_nsec = due_ns % NS_PER_S};

        closing = due_ns == INT64_MAX && store->closing;
        if (closing || due_ns <= clock_monotonic_ns(clock_system()))
            break;
        if (due_ns == INT64_MAX)
            (void)pthread_cond_wait(&store->wake, &store->lock);
        else
            (void)pthread_cond_timedwait(&store->wake, &store->lock, &until);
    }
    (void)pthread_mutex_unlock(&store->lock);
    return !closing;
}

static void *writer_main(void *arg)
{
    struct store *store = arg;

    thread_name_self("store-writer");
    while (writer_wait(store)) {
        /* Where several write at once, those who are about to go first, so that more share a sync. It returns at once
         * where a processor is free, and a lone writer waits for nobody. */
        if (store->crowded)
            (void)sched_yield();
        (void)store_write_batch(store);
    }
    return NULL;
}

int store_writer_begin(struct store *store, struct error *err)
{
    int rc = pthread_create(&store->threads[0], NULL, writer_main, store);

    if (rc)
        return error_set_errno(err, rc, "starting the writer thread");
    rc = pthread_create(&store->threads[1], NULL, store_keeper_main, store);
    store->threads_run = rc == 0;
    if (rc == 0)
        return 0;
    (void)pthread_mutex_lock(&store->lock);
    store->closing = true;
    (void)pthread_cond_signal(&store->wake);
    (void)pthread_mutex_unlock(&store->lock);
    (void)pthread_join(store->threads[0], NULL);
    return error_set_errno(err, rc, "starting the keeper thread");
}

void store_writer_close(struct store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    store->closing = true;
    (void)pthread_cond_broadcast(&store->wake);
    (void)pthread_cond_broadcast(&store->keep_wake);
    (void)pthread_cond_broadcast(&store->keep_done);
    (void)pthread_mutex_unlock(&store->lock);
    for (size_t i = 0; store->threads_run && i < ARRAY_SIZE(store->threads); i++)
        (void)pthread_join(store->threads[i], NULL);
    store->threads_run = false;
    while (store_write_batch(store))
        ;
    store_compact_cancel(store);
}
