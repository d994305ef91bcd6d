/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/queue.h"

/* ---- heap ---------------------------------------------------------------------------------------------------------
 */

static bool goes_before(const struct queue_item *a, const struct queue_item *b)
{
    if (a->state == QUEUE_BACKOFF)
        return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->sequence < b->sequence);
    if (a->priority != b->priority)
        return a->priority > b->priority;
    return a->sequence < b->sequence;
}

static void heap_put(struct queue_heap *h, size_t at, struct queue_item *item)
{
    h->items[at] = item;
    item->heap_at = at;
}

static void heap_up(struct queue_heap *h, size_t at, struct queue_item *item)
{
    while (at && goes_before(item, h->items[(at - 1) / 2])) {
        heap_put(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_put(h, at, item);
}

static void heap_push(struct queue_heap *h, struct queue_item *item)
{
    h->items = mem_grow(h->items, &h->cap, h->count + 1, sizeof(*h->items));
    heap_up(h, h->count++, item);
}

static void heap_remove(struct queue_heap *h, size_t at)
{
    struct queue_item *item = h->items[--h->count];

    if (at == h->count)
        return;
    while (2 * at + 1 < h->count) {
        size_t child = 2 * at + 1;

        if (child + 1 < h->count && goes_before(h->items[child + 1], h->items[child]))
            child++;
        if (goes_before(item, h->items[child]))
            break;
        heap_put(h, at, h->items[child]);
        at = child;
    }
    heap_up(h, at, item);
}

/* ---- moves --------------------------------------------------------------------------------------------------------
 */

static struct queue_heap *heap_of(struct queue *q, enum queue_state state)
{
    return state == QUEUE_ACTIVE ? &q->active : state == QUEUE_BACKOFF ? &q->backoff : NULL;
}

static void leave(struct queue *q, struct queue_item *item)
{
    struct queue_heap *h = heap_of(q, item->state);

    if (h)
        heap_remove(h, item->heap_at);
}

static void enter(struct queue *q, struct queue_item *item, enum queue_state state, uint64_t due_ms)
{
    struct queue_heap *h = heap_of(q, state);

    item->state = state;
    item->due_ms = due_ms;
    if (h)
        heap_push(h, item);
}

static void item_free(void *p)
{
    struct queue_item *item = p;

    free(item->key);
    free(item);
}

void queue_free(struct queue *q)
{
    map_clear(&q->items, item_free);
    free(q->active.items);
    free(q->backoff.items);
    memset(q, 0, sizeof(*q));
}

void queue_add(struct queue *q, struct slice key, int32_t priority)
{
    struct queue_item *item = map_get(&q->items, key);

    if (item) {
        leave(q, item);
    } else {
        item = mem_zalloc(sizeof(*item));
        item->key = slice_dup(key);
        item->sequence = q->sequence++;
        (void)map_put(&q->items, key, item);
    }
    item->priority = priority;
    item->attempts = 0;
    enter(q, item, QUEUE_ACTIVE, 0);
}

void queue_remove(struct queue *q, struct slice key)
{
    struct queue_item *item = map_remove(&q->items, key);

    if (!item)
        return;
    leave(q, item);
    item_free(item);
}

static void promote_due(struct queue *q, uint64_t now_ms)
{
    while (q->backoff.count && q->backoff.items[0]->due_ms <= now_ms) {
        struct queue_item *item = q->backoff.items[0];

        leave(q, item);
        enter(q, item, QUEUE_ACTIVE, 0);
    }
    map_for_each (e, &q->items) {
        struct queue_item *item = e->value;

        if (item->state == QUEUE_WAITING && item->due_ms <= now_ms)
            enter(q, item, QUEUE_ACTIVE, 0);
    }
}

const struct queue_item *queue_pop(struct queue *q, uint64_t now_ms)
{
    struct queue_item *item;

    if (!q->active.count)
        promote_due(q, now_ms);
    if (!q->active.count)
        return NULL;
    item = q->active.items[0];
    leave(q, item);
    enter(q, item, QUEUE_SCHEDULING, 0);
    q->wakes_at_pop = q->wakes;
    return item;
}

static uint64_t backoff_of(unsigned attempts)
{
    uint64_t ms = QUEUE_BACKOFF_MS;

    while (--attempts && ms < QUEUE_BACKOFF_MAX_MS)
        ms *= 2;
    return ms < QUEUE_BACKOFF_MAX_MS ? ms : QUEUE_BACKOFF_MAX_MS;
}

void queue_failed(struct queue *q, struct slice key, bool retry, uint64_t now_ms)
{
    struct queue_item *item = map_get(&q->items, key);

    if (!item || item->state != QUEUE_SCHEDULING)
        return;
    item->attempts++;
    item->backoff_until_ms = now_ms + backoff_of(item->attempts);
    if (retry || q->wakes != q->wakes_at_pop)
        enter(q, item, QUEUE_BACKOFF, item->backoff_until_ms);
    else
        enter(q, item, QUEUE_WAITING, now_ms + QUEUE_WAIT_MAX_MS);
}

void queue_wake(struct queue *q, uint64_t now_ms)
{
    q->wakes++;
    map_for_each (e, &q->items) {
        struct queue_item *item = e->value;

        if (item->state != QUEUE_WAITING)
            continue;
        if (item->backoff_until_ms > now_ms)
            enter(q, item, QUEUE_BACKOFF, item->backoff_until_ms);
        else
            enter(q, item, QUEUE_ACTIVE, 0);
    }
}

uint64_t queue_next_ms(const struct queue *q, uint64_t now_ms)
{
    uint64_t next = UINT64_MAX;

    if (q->active.count)
        return 0;
    map_for_each (e, &q->items) {
        const struct queue_item *item = e->value;

        if ((item->state == QUEUE_BACKOFF || item->state == QUEUE_WAITING) && item->due_ms < next)
            next = item->due_ms;
    }
    return next == UINT64_MAX ? next : next > now_ms ? next - now_ms : 0;
}

size_t queue_length(const struct queue *q)
{
    return q->items.count;
}
