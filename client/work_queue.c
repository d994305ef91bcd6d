/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work queue. An item exists while its key is ready, worked on, delayed, or has failures to remember; each of these is
 * a flag of its own, because a key may be delayed and ready at once (a retry is due later, but something changed now).
 *
 *     add ------------> READY --(a slot is free)--> ACTIVE --done--> gone, or READY when it was added meanwhile (dirty)
 *     add_after, failed done ---> DELAYED --(due)--> add
 *
 * Invariants: an item is in `ready` exactly when item->ready, in `heap` exactly when heap_index > 0; active items
 * number `active` <= parallel. Work starts only from the timer, never from inside add or done.
 */
#include "client/work_queue.h"

#include "client/backoff.h"
#include "lib/list.h"
#include "lib/map.h"
#include "lib/metrics.h"

/* Items started in one turn, so that a long queue does not starve the loop. */
#define WORK_QUEUE_TURN 64

static const char *const work_queue_labels[] = {"name", NULL};
static struct metric work_queue_depth = {.name = "workqueue_depth",
                                         .help = "Keys that wait for a worker.",
                                         .type = METRIC_GAUGE,
                                         .labels = work_queue_labels};
static struct metric work_queue_adds = {.name = "workqueue_adds_total",
                                        .help = "Keys that became ready.",
                                        .type = METRIC_COUNTER,
                                        .labels = work_queue_labels};
static struct metric work_queue_retries = {.name = "workqueue_retries_total",
                                           .help = "Keys that come back after a failure.",
                                           .type = METRIC_COUNTER,
                                           .labels = work_queue_labels};
static struct metric work_queue_wait = {.name = "workqueue_queue_duration_seconds",
                                        .help = "From being ready to being worked on.",
                                        .type = METRIC_HISTOGRAM,
                                        .unit = METRIC_NS,
                                        .labels = work_queue_labels,
                                        .bounds = metric_duration_bounds,
                                        .bound_count = METRIC_DURATION_BOUNDS};
static struct metric work_queue_work = {.name = "workqueue_work_duration_seconds",
                                        .help = "How long a key was worked on.",
                                        .type = METRIC_HISTOGRAM,
                                        .unit = METRIC_NS,
                                        .labels = work_queue_labels,
                                        .bounds = metric_duration_bounds,
                                        .bound_count = METRIC_DURATION_BOUNDS};

/* A queue's own series. */
struct work_queue_metrics {
    struct metric_series *depth;
    struct metric_series *adds;
    struct metric_series *retries;
    struct metric_series *wait;
    struct metric_series *work;
};

struct work_item {
    struct list link; /* in ready */
    char *key;
    size_t key_len;
    uint64_t due_ms;   /* of the heap */
    uint64_t order;    /* ties of due_ms go by it */
    size_t heap_index; /* 1-based; 0 = not delayed */
    int64_t since_ns;  /* ready, or active, since then */
    unsigned failures;
    bool ready;
    bool active;
    bool dirty; /* added while active */
};

struct work_queue {
    struct loop *loop;
    struct work_queue_options options;
    struct work_queue_metrics metrics; /* NULLs when it has no name */
    struct map items;
    struct list ready;
    size_t ready_count;
    struct work_item **heap; /* heap[0] unused */
    size_t heap_count;
    size_t heap_cap;
    uint64_t order;
    struct loop_timer *timer;
    unsigned active;
    bool paused;
    bool working; /* inside work_queue_tick */
    bool dead;    /* freed from inside it */
};

static bool work_item_before(const struct work_item *a, const struct work_item *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void work_heap_place(struct work_queue *q, struct work_item *item, size_t at)
{
    q->heap[at] = item;
    item->heap_index = at;
}

/* Moves the item up or down from its place until the heap's order holds again. */
static void work_heap_fix(struct work_queue *q, struct work_item *item)
{
    size_t at = item->heap_index;

    for (; at > 1 && work_item_before(item, q->heap[at / 2]); at /= 2)
        work_heap_place(q, q->heap[at / 2], at);
    for (size_t child = at * 2; child <= q->heap_count; child = at * 2) {
        if (child < q->heap_count && work_item_before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!work_item_before(q->heap[child], item))
            break;
        work_heap_place(q, q->heap[child], at);
        at = child;
    }
    work_heap_place(q, item, at);
}

static void work_heap_remove(struct work_queue *q, struct work_item *item)
{
    struct work_item *last = q->heap[q->heap_count--];

    if (last != item) {
        work_heap_place(q, last, item->heap_index);
        work_heap_fix(q, last);
    }
    item->heap_index = 0;
}

/* Starts the timer for what is next: ready work at once, else the first delayed key. */
static void work_queue_arm(struct work_queue *q)
{
    uint64_t now;

    if (q->working)
        return; /* the tick arms when it ends */
    if (q->ready_count && q->active < q->options.parallel && !q->paused) {
        loop_timer_start(q->timer, 0, 0);
    } else if (q->heap_count) {
        now = loop_now_ms(q->loop);
        loop_timer_start(q->timer, q->heap[1]->due_ms > now ? q->heap[1]->due_ms - now : 0, 0);
    } else {
        loop_timer_stop(q->timer);
    }
}

static struct work_item *work_queue_item(struct work_queue *q, struct slice key)
{
    struct work_item *item = map_get(&q->items, key);

    if (item)
        return item;
    item = mem_zalloc(sizeof(*item));
    item->key = slice_dup(key);
    item->key_len = key.len;
    list_init(&item->link);
    (void)map_put(&q->items, key, item);
    return item;
}

static void work_item_free(void *arg)
{
    struct work_item *item = arg;

    free(item->key);
    free(item);
}

/* Forgets an item that nothing holds any more. */
static void work_queue_settle(struct work_queue *q, struct work_item *item)
{
    if (item->ready || item->active || item->heap_index || item->failures)
        return;
    (void)map_remove(&q->items, slice_make(item->key, item->key_len));
    work_item_free(item);
}

static int64_t work_queue_now(const struct work_queue *q)
{
    return clock_monotonic_ns(loop_clock(q->loop));
}

static void work_queue_ready(struct work_queue *q, struct work_item *item)
{
    if (item->active) {
        item->dirty = true;
    } else if (!item->ready) {
        if (q->metrics.adds) {
            metric_add(q->metrics.adds, 1);
            metric_add(q->metrics.depth, 1);
            item->since_ns = work_queue_now(q);
        }
        item->ready = true;
        list_append(&q->ready, &item->link);
        q->ready_count++;
    }
}

static void work_queue_destroy(struct work_queue *q)
{
    if (q->metrics.depth)
        metric_add(q->metrics.depth, -(int64_t)q->ready_count);
    loop_timer_free(q->timer);
    map_clear(&q->items, work_item_free);
    free(q->heap);
    free(q);
}

static void work_queue_count_start(struct work_queue *q, struct work_item *item)
{
    int64_t now;

    if (!q->metrics.adds)
        return;
    now = work_queue_now(q);
    metric_add(q->metrics.depth, -1);
    metric_observe(&work_queue_wait, q->metrics.wait, now - item->since_ns);
    item->since_ns = now;
}

static void work_queue_count_done(struct work_queue *q, const struct work_item *item, bool failed)
{
    if (!q->metrics.adds)
        return;
    metric_observe(&work_queue_work, q->metrics.work, work_queue_now(q) - item->since_ns);
    if (failed)
        metric_add(q->metrics.retries, 1);
}

/* Takes due keys over, then gives work out while slots are free. */
static void work_queue_tick(void *arg)
{
    struct work_queue *q = arg;
    uint64_t now = loop_now_ms(q->loop);

    q->working = true;
    while (q->heap_count && q->heap[1]->due_ms <= now) {
        struct work_item *item = q->heap[1];

        work_heap_remove(q, item);
        work_queue_ready(q, item);
    }
    for (int i = 0; i < WORK_QUEUE_TURN && q->ready_count && q->active < q->options.parallel && !q->paused; i++) {
        struct work_item *item = container_of(q->ready.next, struct work_item, link);
        char *key CLEANUP_FREE = mem_strndup(item->key, item->key_len);

        list_remove(&item->link);
        work_queue_count_start(q, item);
        item->ready = false;
        q->ready_count--;
        item->active = true;
        q->active++;
        q->options.work(q->options.arg, slice_make(key, item->key_len));
        if (q->dead)
            break;
    }
    q->working = false;
    if (q->dead)
        work_queue_destroy(q);
    else
        work_queue_arm(q);
}

struct work_queue *work_queue_new(struct loop *loop, const struct work_queue_options *options)
{
    struct work_queue *q = mem_zalloc(sizeof(*q));

    q->loop = loop;
    q->options = *options;
    if (!q->options.parallel)
        q->options.parallel = 1;
    if (!q->options.backoff_ms)
        q->options.backoff_ms = 5;
    if (!q->options.backoff_max_ms)
        q->options.backoff_max_ms = 1000000;
    if (options->name)
        q->metrics = (struct work_queue_metrics){
            .depth = metric_with(&work_queue_depth, options->name),
            .adds = metric_with(&work_queue_adds, options->name),
            .retries = metric_with(&work_queue_retries, options->name),
            .wait = metric_with(&work_queue_wait, options->name),
            .work = metric_with(&work_queue_work, options->name),
        };
    list_init(&q->ready);
    q->timer = loop_timer_new(loop, work_queue_tick, q);
    return q;
}

void work_queue_free(struct work_queue *q)
{
    if (!q)
        return;
    q->dead = true;
    if (!q->working)
        work_queue_destroy(q);
}

void work_queue_add(struct work_queue *q, struct slice key)
{
    work_queue_ready(q, work_queue_item(q, key));
    work_queue_arm(q);
}

void work_queue_add_after(struct work_queue *q, struct slice key, uint64_t ms)
{
    struct work_item *item;
    uint64_t due = loop_now_ms(q->loop) + ms;

    if (!ms) {
        work_queue_add(q, key);
        return;
    }
    item = work_queue_item(q, key);
    if (item->heap_index) {
        if (due >= item->due_ms)
            return; /* it comes earlier anyway */
    } else {
        q->heap = mem_grow(q->heap, &q->heap_cap, q->heap_count + 2, sizeof(struct work_item *));
        work_heap_place(q, item, ++q->heap_count);
        item->order = ++q->order;
    }
    item->due_ms = due;
    work_heap_fix(q, item);
    work_queue_arm(q);
}

void work_queue_done(struct work_queue *q, struct slice key, bool failed)
{
    struct work_item *item = map_get(&q->items, key);

    if (!item || !item->active)
        return;
    work_queue_count_done(q, item, failed);
    item->active = false;
    q->active--;
    if (item->dirty) {
        item->dirty = false;
        work_queue_ready(q, item);
    }
    if (failed) {
        item->failures++;
        work_queue_add_after(q, key, backoff_delay(q->options.backoff_ms, q->options.backoff_max_ms, item->failures));
    } else {
        item->failures = 0;
        work_queue_settle(q, item);
    }
    work_queue_arm(q);
}

void work_queue_pause(struct work_queue *q, bool paused)
{
    q->paused = paused;
    work_queue_arm(q);
}

size_t work_queue_length(const struct work_queue *q)
{
    return q->ready_count;
}
