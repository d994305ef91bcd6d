/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Expiry of events, in place of etcd's leases: one pass over all events a tenth of their life (or five minutes) after
 * the last, in short steps, so that hundred thousand of them cost a tenth of a second every five minutes and nobody
 * waits. An event is deleted on the condition that it is as it was seen.
 *
 *     WAITING --period--> STEP: look at some, have the old ones deleted --pause--> STEP ... --end--> WAITING
 */
#include "apiserver/event_expiry.h"

#include "api/scan.h"
#include "apiserver/registry.h"
#include "lib/log.h"

#define EXPIRY_STEP         1000 /* events looked at in one step */
#define EXPIRY_PAUSE_MS     20   /* between steps: others have the loop */
#define EXPIRY_PERIOD_MS    300000
#define EXPIRY_PERIOD_LEAST 200

struct event_expiry {
    struct front *front;
    struct loop_timer *timer;
    int64_t ttl_ns;
    uint64_t period_ms;
    struct pool *pool; /* prefix */
    struct slice prefix;
    struct buf after; /* the last key that was looked at; empty = from the start */
};

/* What one step found. */
struct expiry_step {
    struct event_expiry *expiry;
    int64_t now;
    size_t seen;
    size_t count;
    struct store_condition conditions[STORE_OPS_MAX];
    struct store_operation operations[STORE_OPS_MAX];
    struct pool *pool;
};

int64_t event_expiry_last_ns(struct slice event, int64_t now)
{
    static const char *const fields[] = {"metadata.creationTimestamp", "firstTimestamp", "lastTimestamp", "eventTime",
                                         "series.lastObservedTime"};
    int64_t last = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct slice raw = scan_get(event, fields[i]);
        int64_t at;

        if (raw.len > 2 && time_parse(slice_make(raw.data + 1, raw.len - 2), &at) && at <= now && at > last)
            last = at;
    }
    return last;
}

static int expiry_visit(void *arg, const struct store_item *item)
{
    struct expiry_step *step = arg;
    struct event_expiry *e = step->expiry;
    struct slice key;

    step->seen++;
    buf_reset(&e->after);
    buf_append_slice(&e->after, item->key);
    if (event_expiry_last_ns(item->value, step->now) + e->ttl_ns > step->now)
        return 0;
    key = slice_make(pool_slice_dup(step->pool, item->key), item->key.len);
    step->conditions[step->count] = (struct store_condition){key, item->mod_revision};
    step->operations[step->count++] =
        (struct store_operation){.kind = STORE_DELETE, .key = key, .class = registry_class_of(key)};
    return step->count == STORE_OPS_MAX;
}

/* On the writer thread. Somebody else's change only means that the next pass looks again. */
static void expiry_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    (void)arg;
    (void)revision;
    (void)failed_condition;
    if (err && err->code != ERROR_CONFLICT && err->code != ERROR_NOT_FOUND)
        log_warning("apiserver", "deleting events that are over: %s; trying again later", error_text(err));
}

bool event_expiry_step(struct event_expiry *e)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct expiry_step step = {.expiry = e, .now = clock_wall_ns(e->front->server->clock), .pool = pool};
    char *after CLEANUP_FREE = slice_dup(buf_slice(&e->after));
    const struct store_range range = {
        .prefix = e->prefix, .after = slice_str(after), .limit = EXPIRY_STEP, .skip_count = true};
    struct store_range_result result = {0};
    ERROR_LOCAL(err);
    bool ended;

    if (store_list(e->front->server->store, &range, expiry_visit, &step, &result, &err) < 0) {
        log_warning("apiserver", "looking for events that are over: %s; trying again later", error_text(&err));
        buf_reset(&e->after);
        return true;
    }
    if (step.count)
        store_commit(e->front->server->store,
                     &(struct store_transaction){step.conditions, step.count, step.operations, step.count}, expiry_done,
                     NULL);
    ended = step.seen < EXPIRY_STEP && step.count < STORE_OPS_MAX;
    if (ended)
        buf_reset(&e->after);
    return ended;
}

static void expiry_tick(void *arg)
{
    struct event_expiry *e = arg;

    loop_timer_start(e->timer, event_expiry_step(e) ? e->period_ms : EXPIRY_PAUSE_MS, 0);
}

struct event_expiry *event_expiry_start(struct front *front, int64_t ttl_s)
{
    struct event_expiry *e = mem_zalloc(sizeof(*e));
    uint64_t tenth = (uint64_t)ttl_s * 100;

    e->front = front;
    e->ttl_ns = ttl_s * NS_PER_S;
    e->period_ms = tenth > EXPIRY_PERIOD_MS ? EXPIRY_PERIOD_MS : tenth;
    if (e->period_ms < EXPIRY_PERIOD_LEAST)
        e->period_ms = EXPIRY_PERIOD_LEAST;
    e->pool = pool_new();
    e->prefix = registry_prefix(e->pool, registry_need_kind("", "events"), "");
    e->timer = loop_timer_new(front->loop, expiry_tick, e);
    loop_timer_start(e->timer, e->period_ms, 0);
    return e;
}

void event_expiry_free(struct event_expiry *e)
{
    if (!e)
        return;
    loop_timer_free(e->timer);
    pool_free(e->pool);
    buf_free(&e->after);
    free(e);
}
