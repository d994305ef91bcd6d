/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer: a bounded queue and whoever empties it (its own thread, or in manual mode the caller of store_step).
 *
 * Group commit: all that waits is applied in order in one LMDB transaction and made durable by one commit; meanwhile
 * the next batch gathers. A lone writer waits for nobody. The life of a request:
 *
 *     queued --> applied or turned down --commit--> published --> done called, freed
 *                        |                 |
 *                        |                 +-- failed: every request of the batch gets the error
 *                        +-- LMDB lost the transaction: the same
 *
 * Invariants: nothing is published or acknowledged before its commit returned; what a request was turned down for was
 * durable when it is told; revisions are given in the order of the queue.
 */
#include "store/store_internal.h"

#include "lib/metrics.h"

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

static void *copy_bytes(char **at, struct slice *slice)
{
    char *to = *at;

    if (slice->len)
        memcpy(to, slice->data, slice->len);
    slice->data = to;
    *at += slice->len;
    return to;
}

static size_t transaction_bytes(const struct store_transaction *transaction)
{
    size_t bytes = 0;

    for (size_t i = 0; i < transaction->condition_count; i++)
        bytes += transaction->conditions[i].key.len;
    for (size_t i = 0; i < transaction->operation_count; i++) {
        const struct store_operation *operation = &transaction->operations[i];

        bytes += operation->key.len + operation->meta.len + operation->value.len;
    }
    return bytes;
}

static struct store_request *request_new(const struct store_transaction *from)
{
    size_t conditions = from->condition_count * sizeof(struct store_condition);
    size_t operations = from->operation_count * sizeof(struct store_operation);
    size_t size = sizeof(struct store_request) + conditions + operations + transaction_bytes(from);
    struct store_request *request = mem_alloc(size);
    struct store_condition *condition = (struct store_condition *)(void *)(request + 1);
    struct store_operation *operation = (struct store_operation *)(void *)((char *)condition + conditions);
    char *at = (char *)operation + operations;

    *request = (struct store_request){.conditions = condition, .operations = operation, .bytes = size};
    request->condition_count = from->condition_count;
    request->operation_count = from->operation_count;
    for (size_t i = 0; i < from->condition_count; i++) {
        condition[i] = from->conditions[i];
        copy_bytes(&at, &condition[i].key);
    }
    for (size_t i = 0; i < from->operation_count; i++) {
        operation[i] = from->operations[i];
        if (operation[i].kind == STORE_DELETE)
            operation[i].meta = operation[i].value = SLICE_NONE;
        copy_bytes(&at, &operation[i].key);
        copy_bytes(&at, &operation[i].meta);
        copy_bytes(&at, &operation[i].value);
    }
    return request;
}

/* One that only carries the news that it was refused. */
static struct store_request *request_new_refused(struct error *err)
{
    struct store_request *request = mem_zalloc(sizeof(*request));

    request->refused = true;
    request->err = *err;
    *err = (struct error)ERROR_INIT;
    return request;
}

static void request_drop_events(struct store_request *request)
{
    for (size_t i = 0; request->events && i < request->operation_count; i++)
        store_event_unref(request->events[i]);
    free(request->events);
    request->events = NULL;
}

static void request_finish(struct store_request *request)
{
    bool failed = error_is_set(&request->err);

    request->done(request->arg, failed ? 0 : request->revision, request->failed_condition,
                  failed ? &request->err : NULL);
    request_drop_events(request);
    error_clear(&request->err);
    free(request);
}

void store_commit(struct store *store, const struct store_transaction *transaction, store_done *done, void *arg)
{
    struct store_request *request;
    ERROR_LOCAL(refusal);

    request = store_transaction_valid(transaction, &refusal) ? request_new(transaction) : request_new_refused(&refusal);
    (void)pthread_mutex_lock(&store->lock);
    if (store->queue_count >= STORE_QUEUE_MAX || store->queue_bytes + request->bytes > STORE_QUEUE_BYTES) {
        (void)error_set(&refusal, ERROR_TOO_MANY_REQUESTS, "too many writes wait for the disk; try again");
        refusal.retry_after_seconds = 1;
        free(request);
        request = request_new_refused(&refusal);
    }
    request->done = done;
    request->arg = arg;
    store->queue_count += !request->refused;
    store->queue_bytes += request->bytes;
    list_append(&store->queue, &request->link);
    (void)pthread_cond_signal(&store->wake);
    (void)pthread_mutex_unlock(&store->lock);
}

/* -- one batch -- */

static void batch_take(struct store *store, struct list *batch)
{
    size_t count = 0, bytes = 0;

    list_init(batch);
    (void)pthread_mutex_lock(&store->lock);
    list_for_each_safe (it, next, &store->queue) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (count && (count >= STORE_BATCH_MAX || bytes + request->bytes > STORE_BATCH_BYTES))
            break;
        count++;
        bytes += request->bytes;
        store->queue_count -= !request->refused;
        store->queue_bytes -= request->bytes;
        list_remove(&request->link);
        list_append(batch, &request->link);
    }
    (void)pthread_mutex_unlock(&store->lock);
}

/* What is known of the store once the batch is durable. */
struct batch_result {
    struct store_state state;
    size_t applied; /* requests that changed something */
    uint64_t keys;
    uint64_t used;
};

/* Applies all to an open transaction. */
static int batch_fill(struct store *store, MDB_txn *txn, struct list *batch, struct batch_result *result,
                      struct error *err)
{
    MDB_stat stat;
    int rc = store_state_read(store, txn, &result->state, err);

    if (rc < 0)
        return rc;
    list_for_each (it, batch) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (request->refused)
            continue;
        rc = store_apply(store, txn, &result->state, request, err);
        if (rc < 0)
            return rc;
        if (rc > 0)
            request_drop_events(request);
        result->applied += rc == 0;
    }
    rc = result->applied ? store_state_write(store, txn, &result->state) : 0;
    if (rc == 0)
        rc = mdb_stat(txn, store->db.current, &stat);
    if (rc)
        return store_lmdb_error(err, rc, "writing");
    result->keys = stat.ms_entries;
    result->used = store_used(store, txn);
    return 0;
}

/* A commit whose last step failed leaves open whether it is on the disk, and LMDB refuses to go on. The environment is
 * opened anew; the revision found there tells, because a batch is there whole or not at all. */
static int commit_settle(struct store *store, const struct batch_result *result, struct error *err)
{
    ERROR_LOCAL(failure);
    MDB_txn *probe = NULL;
    int rc = mdb_txn_begin(store->db.env, NULL, 0, &probe);

    if (rc == 0)
        mdb_txn_abort(probe);
    if (rc != MDB_PANIC)
        return -err->code;
    if (store_reopen(store, &failure) < 0)
        return error_pass(err, &failure, NULL);
    return store->stats.revision == result->state.revision ? 0 : -err->code;
}

struct gathered {
    struct store_event **events;
    size_t count;
    size_t cap;
};

static int gather(void *arg, const struct store_event *event)
{
    struct gathered *gathered = arg;

    gathered->events = mem_grow(gathered->events, &gathered->cap, gathered->count + 1, sizeof(struct store_event *));
    gathered->events[gathered->count++] = store_event_new(event);
    return 0;
}

/* Opens what an earlier failure left closed. Should the disk then hold more than was published (a commit in doubt had
 * made it, but its requests were told that it failed), the log supplies the events: a watch misses nothing. */
static int writer_recover(struct store *store, struct error *err)
{
    uint64_t published = atomic_load(&store->revision);
    struct gathered gathered = {0};
    int rc;

    if (store_reopen(store, err) < 0)
        return -err->code;
    if (store->stats.revision == published)
        return 0;
    rc = store_read_log(store, SLICE_NONE, published, 0, 0, gather, &gathered, NULL, err);
    if (rc == 0)
        store_publish(store, gathered.events, gathered.count, store->stats.revision);
    for (size_t i = 0; i < gathered.count; i++)
        store_event_unref(gathered.events[i]);
    free(gathered.events);
    return rc;
}

int store_write_begin(struct store *store, MDB_txn **ret_txn, struct error *err)
{
    int rc = store->db.env ? mdb_txn_begin(store->db.env, NULL, 0, ret_txn) : MDB_PANIC;

    if (rc == MDB_PANIC) {
        if (writer_recover(store, err) < 0)
            return -err->code;
        rc = mdb_txn_begin(store->db.env, NULL, 0, ret_txn);
    }
    return rc ? store_lmdb_error(err, rc, "starting to write") : 0;
}

static int batch_commit(struct store *store, struct list *batch, struct batch_result *result, struct error *err)
{
    MDB_txn *txn = NULL;
    int rc;

    *result = (struct batch_result){0};
    if (store_write_begin(store, &txn, err) < 0)
        return -err->code;
    rc = batch_fill(store, txn, batch, result, err);
    if (rc < 0 || !result->applied) {
        mdb_txn_abort(txn);
        return rc;
    }
    rc = mdb_txn_commit(txn);
    if (rc == 0)
        return 0;
    (void)store_lmdb_error(err, rc, "making a write durable");
    if (commit_settle(store, result, err) < 0)
        return -err->code;
    error_clear(err);
    return 0;
}

/* The verdicts given inside a lost batch may rest on neighbours that were lost with it: they are void too. */
static void batch_reset(struct list *batch, const struct error *err)
{
    list_for_each (it, batch) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (request->refused)
            continue;
        request_drop_events(request);
        error_clear(&request->err);
        request->failed_condition = 0;
        if (err)
            error_copy(&request->err, err);
    }
}

static void batch_publish(struct store *store, struct list *batch, const struct batch_result *result)
{
    struct store_event **events CLEANUP_FREE = NULL;
    size_t count = 0, cap = 0;

    (void)pthread_mutex_lock(&store->lock);
    store->stats.revision = result->state.revision;
    store->stats.keys = result->keys;
    store->stats.bytes_used = result->used;
    store->stats.commits++;
    store->stats.transactions += result->applied;
    (void)pthread_mutex_unlock(&store->lock);
    list_for_each (it, batch) {
        struct store_request *request = container_of(it, struct store_request, link);

        if (!request->events)
            continue;
        events = mem_grow(events, &cap, count + request->operation_count, sizeof(struct store_event *));
        for (size_t i = 0; i < request->operation_count; i++)
            events[count++] = request->events[i];
    }
    store_publish(store, events, count, result->state.revision);
}

/* Commits and publishes; the outcome is then in each request. */
static int batch_try(struct store *store, struct list *batch)
{
    struct batch_result result;
    int64_t start = clock_monotonic_ns(store->clock);
    ERROR_LOCAL(failure);

    if (batch_commit(store, batch, &result, &failure) < 0) {
        metric_add(metric_only(&store_failures), 1);
        batch_reset(batch, &failure);
        return -failure.code;
    }
    if (!result.applied)
        return 0;
    metric_observe(&store_commit_seconds, metric_only(&store_commit_seconds), clock_monotonic_ns(store->clock) - start);
    metric_observe(&store_batch_size, metric_only(&store_batch_size), (int64_t)result.applied);
    batch_publish(store, batch, &result);
    return 0;
}

static void batch_finish(struct list *batch)
{
    list_for_each_safe (it, next, batch)
        request_finish(container_of(it, struct store_request, link));
    list_init(batch);
}

/* When space ran out under a batch, each of its transactions is tried alone: the small ones, and the deletions that
 * make room, are not to fail with the big ones. */
static void batch_one_by_one(struct store *store, struct list *batch)
{
    batch_reset(batch, NULL);
    list_for_each_safe (it, next, batch) {
        struct list alone;

        list_init(&alone);
        list_remove(it);
        list_append(&alone, it);
        if (!container_of(it, struct store_request, link)->refused)
            (void)batch_try(store, &alone);
        batch_finish(&alone);
    }
}

static bool batch_run(struct store *store)
{
    struct list batch;
    bool several;

    batch_take(store, &batch);
    if (list_empty(&batch))
        return false;
    several = batch.next != batch.prev;
    if (batch_try(store, &batch) == -ERROR_NO_SPACE && several)
        batch_one_by_one(store, &batch);
    batch_finish(&batch);
    return true;
}

/* -- who runs them -- */

bool store_turn(struct store *store)
{
    bool wrote = batch_run(store);

    return store_compact_step(store) || wrote;
}

bool store_step(struct store *store)
{
    return store->manual && store_turn(store);
}

static void *writer_main(void *arg)
{
    struct store *store = arg;
    bool closing = false;

    while (!closing) {
        bool busy = store_turn(store);

        (void)pthread_mutex_lock(&store->lock);
        while (!busy && !store->closing && list_empty(&store->queue) && list_empty(&store->compactions))
            (void)pthread_cond_wait(&store->wake, &store->lock);
        closing = store->closing && list_empty(&store->queue);
        (void)pthread_mutex_unlock(&store->lock);
    }
    return NULL;
}

int store_writer_start(struct store *store, struct error *err)
{
    int rc = pthread_create(&store->thread, NULL, writer_main, store);

    if (rc)
        return error_set_errno(err, rc, "starting the writer thread");
    store->thread_runs = true;
    return 0;
}

void store_writer_close(struct store *store)
{
    (void)pthread_mutex_lock(&store->lock);
    store->closing = true;
    (void)pthread_cond_signal(&store->wake);
    (void)pthread_mutex_unlock(&store->lock);
    if (store->thread_runs)
        (void)pthread_join(store->thread, NULL);
    while (batch_run(store))
        ;
    store_compact_cancel(store);
}
