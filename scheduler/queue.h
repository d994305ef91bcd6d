/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queue of pods that want a node. Pure: the time is a parameter.
 *
 *            add                     pop
 *   (none) -------> ACTIVE -----------------------> SCHEDULING --- placed: remove ---> (none)
 *                     ^   ^                              | failed
 *        time is up   |   | woken, back-off over         v
 *                  BACKOFF <--- woken, back-off runs --- WAITING
 *
 * WAITING pods come back when the cluster changed in a way that may help (queue_wake), or after five minutes whatever
 * happens. A wake-up during SCHEDULING is remembered: the pod then goes to BACKOFF, not to WAITING.
 */
#ifndef KNARR_SCHEDULER_QUEUE_H
#define KNARR_SCHEDULER_QUEUE_H

#include "lib/map.h"

#define QUEUE_BACKOFF_MS     1000   /* first delay, doubled per attempt (upstream: podInitialBackoffSeconds) */
#define QUEUE_BACKOFF_MAX_MS 10000  /* podMaxBackoffSeconds */
#define QUEUE_WAIT_MAX_MS    300000 /* podMaxInUnschedulablePodsDuration */

enum queue_state { QUEUE_ACTIVE, QUEUE_BACKOFF, QUEUE_WAITING, QUEUE_SCHEDULING };

struct queue_item {
    char *key;
    int32_t priority;
    uint64_t sequence; /* order of arrival */
    uint64_t due_ms;   /* BACKOFF: becomes active; WAITING: comes back whatever happens */
    uint64_t backoff_until_ms;
    unsigned attempts;
    enum queue_state state;
    size_t heap_at; /* ACTIVE and BACKOFF: place in the heap */
};

struct queue_heap {
    struct queue_item **items;
    size_t count;
    size_t cap;
};

/* All zero is a valid empty one. */
struct queue {
    struct map items;          /* key -> struct queue_item */
    struct queue_heap active;  /* by priority, then arrival */
    struct queue_heap backoff; /* by due_ms */
    uint64_t sequence;
    uint64_t wakes; /* counts queue_wake, to notice one during SCHEDULING */
    uint64_t wakes_at_pop;
};

void queue_free(struct queue *q);
/* New, or its spec changed: goes to ACTIVE with its back-off forgotten. */
void queue_add(struct queue *q, struct slice key, int32_t priority);
void queue_remove(struct queue *q, struct slice key);
/* The next pod to decide on, or NULL; it is SCHEDULING until queue_failed or queue_remove. */
const struct queue_item *queue_pop(struct queue *q, uint64_t now_ms);
/* No node, or the binding failed. retry: comes back after its back-off without waiting to be woken. */
void queue_failed(struct queue *q, struct slice key, bool retry, uint64_t now_ms);
/* The cluster changed so that waiting pods may fit now. */
void queue_wake(struct queue *q, uint64_t now_ms);
/* Milliseconds until something becomes active by itself; UINT64_MAX = never, 0 = now. */
uint64_t queue_next_ms(const struct queue *q, uint64_t now_ms);
size_t queue_length(const struct queue *q);

#endif
