/* SPDX-License-Identifier: Apache-2.0 */
/* The informer's inside: the local copy (informer_cells.c) and the conversation with the server (informer.c). */
#ifndef KNARR_CLIENT_INFORMER_INTERNAL_H
#define KNARR_CLIENT_INFORMER_INTERNAL_H

#include "client/informer.h"
#include "lib/map.h"

enum informer_state {
    INFORMER_LISTING,
    INFORMER_WATCHING,
    INFORMER_WAITING, /* for the back-off's end; then lists, or watches when `resume` */
};

struct informer_cell {
    void *item;
    uint64_t revision; /* the object's resourceVersion; 0 = not a number, never taken for unchanged */
    uint32_t list;     /* the number of the list that saw it last */
};

struct informer {
    struct client *client;
    struct informer_options options; /* texts owned */
    struct map cells;
    enum informer_state state;
    bool synced;
    bool resume;    /* `revision` can be watched from */
    bool dead;      /* freed from inside a callback */
    unsigned depth; /* of our frames on the stack */
    uint64_t revision;
    uint32_t list;   /* number of the current list */
    char *next_page; /* continue token; NULL = the first page */
    unsigned failures;
    uint64_t watch_start_ms;
    bool watch_heard; /* this watch brought an event */
    int watch_status;
    unsigned retry_after_s;
    struct buf line; /* of the watch, incomplete */
    struct client_call *call;
    struct loop_timer *timer;
};

/* Takes over one object of a list or an event. Tells `changed`. Not touched after inf->dead. */
void informer_put(struct informer *inf, struct slice json);
/* Forgets one object of a DELETED event. */
void informer_remove(struct informer *inf, struct slice json);
/* After a complete list: forgets what it did not hold. */
void informer_sweep(struct informer *inf);
void informer_cells_free(struct informer *inf);

#endif
