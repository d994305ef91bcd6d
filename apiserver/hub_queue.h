/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store said, on its way from the store's writer thread to a front's loop: whether and when the front is
 * woken.
 *
 *   - Nobody here watches the resource: not at all. It waits for something that does, or for the next drain.
 *   - A client watches it: at once, after those who wrote were told.
 *   - Only the patient do (scheduler and controllers of this process): at once as long as that is seldom. Of a stream
 * of changes they get what has gathered every HUB_PAUSE_MS, for each time costs the front and them a wake-up, which is
 *     more than what they then do.
 *   - A drain that wrote to many watchers was long, and would have been hardly longer with more events: what comes next
 *     gathers for about as long, whoever watches it. So half of the front's time is left for requests.
 *
 * Whose turn it is, guarded by the lock:
 *
 *          drained, seldom                   drained, often           HUB_PAUSE_MS over
 *     READY <------------- (front awake) -------------------> PAUSED -------------------> READY, or drained again
 *                             `--- wrote to many --> GATHERING (for all) --- over ---------^
 *
 * hub_queue_drain is for the front's loop, and so is what counts wishes; the store's callbacks only queue and post.
 */
#ifndef KNARR_APISERVER_HUB_QUEUE_H
#define KNARR_APISERVER_HUB_QUEUE_H

#include "lib/loop.h"
#include "store/store.h"

#define HUB_PAUSE_MS  5
#define HUB_WINDOW_MS 100
#define HUB_OFTEN     16 /* drains within a window, and the next one waits for a pause */
#define HUB_MANY      64 /* a drain that wrote to so many is followed by 1 ms, to twice as many by 2 ms ... */
#define HUB_GATHER_MS 10 /* ... but no more than this */

struct hub_queue;

enum hub_haste { HUB_PROMPT, HUB_PATIENT, HUB_HASTES };

/* One batch of the store, on the loop; the events stay the queue's. */
typedef void hub_queue_take(void *arg, struct store_event *const *events, size_t count, uint64_t revision);

/* All that waited is taken; returns to how many watchers it was written. */
typedef size_t hub_queue_taken(void *arg);

/* *ret_revision: what comes is behind that one. */
struct hub_queue *hub_queue_new(struct store *store, struct loop *loop, hub_queue_take *take, hub_queue_taken *taken,
                                void *arg, uint64_t *ret_revision);
/* After it no `take` follows. NULL is allowed. */
void hub_queue_free(struct hub_queue *queue);
/* All that waits is taken. */
void hub_queue_drain(struct hub_queue *queue);
/* The same when a drain is on its way: there is something for somebody here, and it does not gather. */
void hub_queue_catch_up(struct hub_queue *queue);

/* A wish is a number of a resource; few resources share one. */
unsigned hub_queue_wish(struct slice resource);
/* One watcher more of it, or one less. What waits already may concern the new one. */
void hub_queue_add(struct hub_queue *queue, unsigned wish, enum hub_haste haste);
void hub_queue_remove(struct hub_queue *queue, unsigned wish, enum hub_haste haste);

#endif
