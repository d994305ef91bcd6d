/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /metrics: what the process counts, and what only the asking finds out: how many objects there are, how the store
 * is. Counting objects looks at every key, so it is done on the pool:
 *
 *     loop: metrics_get -> pool: metrics_work -> loop: metrics_done (answers, unless the peer has left meanwhile)
 */
#include "apiserver/metrics.h"

#include "apiserver/registry.h"
#include "lib/metrics.h"

struct metrics_job {
    struct front *front;
    struct metrics_asker *asker; /* NULL once the peer has left */
    struct buf text;
};

/* In the request's pool. */
struct metrics_asker {
    struct request *req;
    struct metrics_job *job; /* NULL once it is done */
};

static int metrics_visit(void *arg, const struct store_item *item)
{
    *(uint64_t *)arg += 1;
    return 0;
}

static uint64_t metrics_count(struct store *store, const struct schema_kind *kind)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    const struct store_range range = {.prefix = registry_prefix(pool, kind, ""), .limit = 1};
    struct store_range_result result = {0};
    uint64_t seen = 0;

    if (store_list(store, &range, metrics_visit, &seen, &result, NULL) < 0)
        return 0;
    return seen + result.remaining;
}

static void metrics_write_objects(struct buf *out, struct store *store)
{
    static const char *const names[] = {"resource", NULL};
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    metrics_write_head(out, "apiserver_storage_objects", "Objects stored, by kind.", METRIC_GAUGE);
    for (size_t i = 0; i < count; i++) {
        char *resource CLEANUP_FREE =
            mem_printf("%s%s%s", kinds[i]->plural, *kinds[i]->group ? "." : "", kinds[i]->group);
        const char *values[] = {resource, NULL};

        if (schema_is_stored(kinds[i]))
            metrics_write_sample(out, "apiserver_storage_objects", names, values,
                                 (double)metrics_count(store, kinds[i]));
    }
}

static void metrics_write_store(struct buf *out, struct store *store)
{
    struct store_stats s;

    store_get_stats(store, &s);
    metrics_write_gauge(out, "knarr_store_compacted_revision", "The oldest revision that can still be read.",
                        (double)s.compacted);
    metrics_write_gauge(out, "knarr_store_full", "1 while the disk is full: only deletions and renewals are taken.",
                        s.full);
    metrics_write_gauge(out, "knarr_store_keys", "Keys in the store.", (double)s.keys);
    metrics_write_gauge(out, "knarr_store_log_bytes", "Files of the store's log, its history among them.",
                        (double)s.log_bytes);
    metrics_write_gauge(out, "knarr_store_quota_bytes", "What the store may hold.", (double)s.quota);
    metrics_write_gauge(out, "knarr_store_revision", "The newest durable revision.", (double)s.revision);
    metrics_write_gauge(out, "knarr_store_size_bytes", "What the store holds.", (double)s.bytes_used);
}

static void metrics_write_in_flight(struct buf *out, const struct apiserver *server)
{
    static const char *const name = "apiserver_current_inflight_requests";
    static const char *const names[] = {"request_kind", NULL};
    /* The first two are upstream's. */
    static const char *const kinds[REQUEST_CLASSES] = {[REQUEST_CLASS_READ] = "readOnly",
                                                       [REQUEST_CLASS_WRITE] = "mutating",
                                                       [REQUEST_CLASS_OWN] = "own",
                                                       [REQUEST_CLASS_BEAT] = "heartbeat"};

    metrics_write_head(out, name, "Requests under way that count against the limits.", METRIC_GAUGE);
    for (size_t i = 0; i < REQUEST_CLASSES; i++) {
        const char *const values[] = {kinds[i], NULL};

        metrics_write_sample(out, name, names, values, __atomic_load_n(&server->in_flight[i], __ATOMIC_RELAXED));
    }
}

/* On the pool. */
static void metrics_work(void *arg)
{
    struct metrics_job *job = arg;

    metrics_write(&job->text);
    metrics_write_in_flight(&job->text, job->front->server);
    metrics_write_objects(&job->text, job->front->server->store);
    metrics_write_store(&job->text, job->front->server->store);
    metrics_write_build(&job->text);
    metrics_write_process(&job->text);
}

static void metrics_done(void *arg)
{
    struct metrics_job *job = arg;
    struct metrics_asker *asker = job->asker;
    struct slice piece = buf_slice(&job->text);

    job->front->writes--;
    if (asker) {
        asker->job = NULL;
        reply_pieces(asker->req, 200, METRICS_CONTENT_TYPE, &piece, 1);
    }
    buf_free(&job->text);
    free(job);
}

static void metrics_asker_gone(void *arg)
{
    struct metrics_asker *asker = arg;

    if (asker->job)
        asker->job->asker = NULL;
}

void metrics_get(struct request *req)
{
    struct metrics_asker *asker = pool_alloc(req->pool, sizeof(*asker));
    struct metrics_job *job = mem_zalloc(sizeof(*job));

    *asker = (struct metrics_asker){req, job};
    *job = (struct metrics_job){.front = req->front, .asker = asker};
    pool_on_free(req->pool, metrics_asker_gone, asker);
    req->front->writes++; /* the front does not end before this is done */
    loop_work(req->front->loop, metrics_work, metrics_done, job);
}
