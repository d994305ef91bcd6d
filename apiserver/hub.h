/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hub: one per front. One watch of the whole store feeds it; it hands every event to the watchers whom it may concern.
 * Watchers stand in an index by resource, then by what they pinned down (namespace, name, the exact value of a
 * selectable field), so that the event of one pod reaches the one node that asked for it without a look at the others:
 * what an event costs depends on those whom it concerns, not on how many there are.
 *
 * To wake a watcher costs more than the bytes of an event: who got some of what there was at a moment is flushed once.
 * All on the front's loop; how events get there, and when they wake it, is the hub's queue (hub_queue.h).
 */
#ifndef KNARR_APISERVER_HUB_H
#define KNARR_APISERVER_HUB_H

#include "api/schema.h"
#include "api/selector.h"
#include "apiserver/frame.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "store/store.h"

struct hub;

/* A listener, embedded in a watch. */
struct hub_watcher {
    struct list link; /* in a bucket; linked to itself when not attached */
    struct hub_bucket *bucket;
    struct list all; /* of the hub, attached or not */
    uint64_t after;  /* only events behind this revision concern it */
    bool patient;    /* it may get a stream of changes by gathered pieces (hub_queue.h) */
    /* One event that may concern it. */
    void (*event)(struct hub_watcher *w, struct frame_event *event);
    /* The hub is through with all batches that there were; called for watchers that asked with hub_want_flush. */
    struct list flushing; /* linked to itself when it did not ask */
    void (*flush)(struct hub_watcher *w);
    /* Every minute, not all at once: say where it stands. */
    void (*bookmark)(struct hub_watcher *w);
    /* The server stops. */
    void (*stop)(struct hub_watcher *w);
    /* Definitions of custom resources have changed, and what came before has been handed out. NULL = it does not care.
     */
    void (*redefined)(struct hub_watcher *w);
};

struct hub *hub_new(struct store *store, struct loop *loop);
/* No watcher may be left. */
void hub_free(struct hub *hub);
/* Everything up to here has been handed out. What nobody watches may be a second late. */
uint64_t hub_revision(const struct hub *hub);
void hub_add(struct hub *hub, struct hub_watcher *w);
/* Out of everything. */
void hub_remove(struct hub *hub, struct hub_watcher *w);
/* What a watcher has pinned down; it may get events of others of the kind too. */
struct hub_interest {
    const struct schema_kind *kind;
    struct slice namespace_;       /* "" = any */
    struct slice name;             /* "" = any */
    const struct selector *fields; /* NULL = none; the selectable fields whose value it fixes count */
};
/* From now on it gets events. */
void hub_attach(struct hub *hub, struct hub_watcher *w, const struct hub_interest *interest);
void hub_detach(struct hub *hub, struct hub_watcher *w);
/* From inside `event`: `flush` follows, once, when the batches that there are have been handed out. */
void hub_want_flush(struct hub *hub, struct hub_watcher *w);
/* By itself every second: the turn of a part of the watchers to get a bookmark. For tests, which do not wait. */
void hub_tick(struct hub *hub);
/* Hands out what has come and does not gather, before other work that would hold it up. */
void hub_catch_up(struct hub *hub);
/* How many watchers were looked at so far, over all events. */
uint64_t hub_visits(const struct hub *hub);
/* Tells every watcher to stop. */
void hub_stop(struct hub *hub);

#endif
