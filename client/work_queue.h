/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Work queue: keys to reconcile. A key waits once however often it is added; while one is being worked on, adding it
 * again makes it come back afterwards. Failures come back with exponential back-off per key.
 */
#ifndef KNARR_CLIENT_WORK_QUEUE_H
#define KNARR_CLIENT_WORK_QUEUE_H

#include "lib/bytes.h"
#include "lib/loop.h"

struct work_queue;

struct work_queue_options {
    const char *name;        /* in the metrics (workqueue_*); NULL = it is not counted. Borrowed */
    unsigned parallel;       /* keys worked on at the same time; 0 = 1 */
    unsigned backoff_ms;     /* first delay after a failure; 0 = 5 */
    unsigned backoff_max_ms; /* 0 = 1,000,000 as upstream */
    /* Called on the loop, one key at a time per slot; ends with work_queue_done (then or later). */
    void (*work)(void *arg, struct slice key);
    void *arg;
};
struct work_queue *work_queue_new(struct loop *loop, const struct work_queue_options *options);
/* NULL is allowed; from inside `work` too. */
void work_queue_free(struct work_queue *q);
void work_queue_add(struct work_queue *q, struct slice key);
/* The earlier of two delays counts. */
void work_queue_add_after(struct work_queue *q, struct slice key, uint64_t ms);
/* failed: comes back after its back-off; else its back-off is forgotten. */
void work_queue_done(struct work_queue *q, struct slice key, bool failed);
/* While paused no work is given out; keys gather. */
void work_queue_pause(struct work_queue *q, bool paused);
/* Keys that are ready and not yet given out. */
size_t work_queue_length(const struct work_queue *q);

#endif
