/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/hub_queue.h"

#include <pthread.h>

#include "apiserver/registry.h"
#include "lib/map.h"

#define HUB_WISHES        1024
#define HUB_WISH_BITS     64
#define HUB_WAITING_MAX   64         /* batches that wait for somebody who wants them */
#define HUB_WAITING_BYTES (1u << 20) /* that they hold */

/* Who wishes for what. */
struct hub_wishes {
    uint64_t bits[HUB_WISHES / HUB_WISH_BITS]; /* guarded by the queue's lock */
    size_t counts[HUB_WISHES];                 /* of watchers; the loop's own */
};

/* What the store said at once; made on its writer thread. */
struct hub_batch {
    struct hub_batch *next;
    uint64_t revision;
    size_t count;
    struct store_event *events[];
};

struct hub_queue {
    struct loop *loop;
    struct store_watch *watch;
    hub_queue_take *take;
    hub_queue_taken *taken;
    void *arg;
    struct loop_timer *pause;
    uint64_t window_ms; /* when it began */
    unsigned drains;    /* in it */
    bool owes_post;     /* the writer thread's own: when those who wrote are told */
    struct hub_wishes wishes[HUB_HASTES];
    pthread_mutex_t lock; /* guards the rest */
    struct hub_batch *first;
    struct hub_batch **last;
    bool posted;    /* a drain is on its way */
    bool paused;    /* the patient wait for the timer */
    bool gathering; /* all wait for it */
    size_t waiting; /* batches for which none of these is so */
    size_t waiting_bytes;
};

/* ---- on the store's writer thread ---------------------------------------------------------------------------------
 */

static bool hub_wished(const struct hub_wishes *wishes, const struct hub_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        unsigned wish = hub_queue_wish(registry_resource_of(batch->events[i]->key));

        if (wishes->bits[wish / HUB_WISH_BITS] >> (wish % HUB_WISH_BITS) & 1)
            return true;
    }
    return false;
}

static size_t hub_batch_bytes(const struct hub_batch *batch)
{
    size_t bytes = 0;

    for (size_t i = 0; i < batch->count; i++)
        bytes += batch->events[i]->value.len + batch->events[i]->prev_value.len;
    return bytes;
}

/* Whether the front is to be woken for it. */
static bool hub_queue_hurries(struct hub_queue *q, const struct hub_batch *batch)
{
    if (q->posted || q->gathering)
        return false;
    if (hub_wished(&q->wishes[HUB_PROMPT], batch))
        return true;
    if (hub_wished(&q->wishes[HUB_PATIENT], batch) && !q->paused)
        return true;
    q->waiting_bytes += hub_batch_bytes(batch);
    return ++q->waiting > HUB_WAITING_MAX || q->waiting_bytes > HUB_WAITING_BYTES;
}

static void hub_queue_on_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct hub_queue *q = arg;
    struct hub_batch *batch = mem_alloc(sizeof(*batch) + count * sizeof(struct store_event *));

    batch->next = NULL;
    batch->revision = revision;
    batch->count = count;
    for (size_t i = 0; i < count; i++)
        batch->events[i] = store_event_ref(events[i]);
    (void)pthread_mutex_lock(&q->lock);
    *q->last = batch;
    q->last = &batch->next;
    q->owes_post = hub_queue_hurries(q, batch);
    q->posted |= q->owes_post;
    (void)pthread_mutex_unlock(&q->lock);
}

static void hub_queue_on_post(void *arg)
{
    hub_queue_catch_up(arg);
}

static void hub_queue_on_told(void *arg)
{
    struct hub_queue *q = arg;

    if (q->owes_post)
        loop_post(q->loop, hub_queue_on_post, q);
    q->owes_post = false;
}

/* ---- on the loop --------------------------------------------------------------------------------------------------
 */

/* Counts this drain. */
static bool hub_queue_is_often(struct hub_queue *q)
{
    uint64_t now = loop_now_ms(q->loop);

    if (now - q->window_ms >= HUB_WINDOW_MS) {
        q->window_ms = now;
        q->drains = 0;
    }
    return ++q->drains > HUB_OFTEN;
}

/* After a drain that wrote to so many. */
static void hub_queue_gather(struct hub_queue *q, size_t written)
{
    size_t ms = written / HUB_MANY;

    if (!ms)
        return;
    (void)pthread_mutex_lock(&q->lock);
    q->gathering = true;
    (void)pthread_mutex_unlock(&q->lock);
    loop_timer_start(q->pause, ms < HUB_GATHER_MS ? ms : HUB_GATHER_MS, 0);
}

void hub_queue_drain(struct hub_queue *q)
{
    bool often = hub_queue_is_often(q);
    struct hub_batch *batch;

    (void)pthread_mutex_lock(&q->lock);
    batch = q->first;
    q->first = NULL;
    q->last = &q->first;
    q->posted = false;
    q->waiting = q->waiting_bytes = 0;
    q->paused |= often;
    (void)pthread_mutex_unlock(&q->lock);
    if (often && !loop_timer_active(q->pause))
        loop_timer_start(q->pause, HUB_PAUSE_MS, 0);
    while (batch) {
        struct hub_batch *next = batch->next;

        q->take(q->arg, batch->events, batch->count, batch->revision);
        for (size_t i = 0; i < batch->count; i++)
            store_event_unref(batch->events[i]);
        free(batch);
        batch = next;
    }
    hub_queue_gather(q, q->taken(q->arg));
}

void hub_queue_catch_up(struct hub_queue *q)
{
    bool due;

    (void)pthread_mutex_lock(&q->lock);
    due = q->posted && !q->gathering;
    (void)pthread_mutex_unlock(&q->lock);
    if (due)
        hub_queue_drain(q);
}

static void hub_queue_on_pause(void *arg)
{
    struct hub_queue *q = arg;
    bool any;

    (void)pthread_mutex_lock(&q->lock);
    q->paused = q->gathering = false;
    any = q->first != NULL;
    (void)pthread_mutex_unlock(&q->lock);
    if (any)
        hub_queue_drain(q);
}

unsigned hub_queue_wish(struct slice resource)
{
    return (unsigned)(map_hash(resource) % HUB_WISHES);
}

static void hub_wishes_set(struct hub_wishes *wishes, unsigned wish, bool on)
{
    uint64_t bit = (uint64_t)1 << (wish % HUB_WISH_BITS);

    if (on)
        wishes->bits[wish / HUB_WISH_BITS] |= bit;
    else
        wishes->bits[wish / HUB_WISH_BITS] &= ~bit;
}

void hub_queue_add(struct hub_queue *q, unsigned wish, enum hub_haste haste)
{
    bool post;

    if (q->wishes[haste].counts[wish]++)
        return;
    (void)pthread_mutex_lock(&q->lock);
    hub_wishes_set(&q->wishes[haste], wish, true);
    post = q->first && !q->posted && !q->gathering;
    q->posted |= post;
    (void)pthread_mutex_unlock(&q->lock);
    if (post)
        loop_post(q->loop, hub_queue_on_post, q);
}

void hub_queue_remove(struct hub_queue *q, unsigned wish, enum hub_haste haste)
{
    if (--q->wishes[haste].counts[wish])
        return;
    (void)pthread_mutex_lock(&q->lock);
    hub_wishes_set(&q->wishes[haste], wish, false);
    (void)pthread_mutex_unlock(&q->lock);
}

struct hub_queue *hub_queue_new(struct store *store, struct loop *loop, hub_queue_take *take, hub_queue_taken *taken,
                                void *arg, uint64_t *ret_revision)
{
    struct hub_queue *q = mem_zalloc(sizeof(*q));

    q->loop = loop;
    q->take = take;
    q->taken = taken;
    q->arg = arg;
    q->last = &q->first;
    (void)pthread_mutex_init(&q->lock, NULL);
    q->pause = loop_timer_new(loop, hub_queue_on_pause, q);
    q->watch = store_watch_open_told(store, SLICE_LIT(REGISTRY_PREFIX), hub_queue_on_events, hub_queue_on_told, q,
                                     ret_revision);
    return q;
}

void hub_queue_free(struct hub_queue *q)
{
    if (!q)
        return;
    store_watch_close(q->watch);
    loop_turn(q->loop, false); /* a drain may be on its way */
    hub_queue_drain(q);
    loop_timer_free(q->pause);
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}
