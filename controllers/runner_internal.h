/* SPDX-License-Identifier: Apache-2.0 */
/* The runner's inside: slots (runner.c), lookups (lookup.c), plans under way (execute.c). */
#ifndef KNARR_CONTROLLERS_RUNNER_INTERNAL_H
#define KNARR_CONTROLLERS_RUNNER_INTERNAL_H

#include "client/event.h"
#include "client/informer.h"
#include "client/work_queue.h"
#include "controllers/runner.h"
#include "lib/list.h"
#include "lib/map.h"

struct slot_listener {
    struct run *run;
    void (*map)(struct run *run, const struct view *before, const struct view *now); /* NULL = only looked at */
};

/* Views beside their marks, so that most are told apart without a look at them (selection.c). */
struct marked_set {
    struct marked {
        uint64_t marks;
        const struct view *view;
    } * items;
    size_t count;
    size_t cap;
};

/* One kind: its informer and an index by owner. */
struct slot {
    struct controllers *controllers;
    const struct view_kind *kind;
    struct view_kind plain; /* `kind` points here when the kind has no row of its own */
    char *plain_version;    /* owned text of it */
    const struct schema_kind *schema;
    struct custom_kind *custom; /* whose schema that is, where a user has defined it; else NULL */
    struct view_reader *reader;
    struct informer *informer;
    struct map owners;           /* uid of an owner -> struct slot_set */
    struct map unowned;          /* namespace -> struct marked_set: its objects without a controller */
    struct marked_set all;       /* where the kind is selected */
    struct marked_set selectors; /* where it selects: its objects with the marks that they want */
    struct slot_listener *listeners;
    size_t listener_count;
    size_t listener_cap;
};

struct slot_set {
    const struct view **items;
    size_t count;
    size_t cap;
};

struct run {
    struct controllers *controllers;
    const struct controller *row;
    struct client *client;
    struct event_recorder *recorder;
    struct work_queue *queue;
    struct map barriers; /* by key -> struct barrier */
    struct map refusals; /* by key -> struct run_refusal, message owned */
    struct list jobs;    /* plans under way */
    void *state;         /* the controller's */
    bool ready;          /* everything watched has been listed */
};

struct controllers {
    struct controllers_options options; /* root_ca owned */
    struct client *client;              /* of the informers */
    struct slot **slots;                /* a slot stays where it is until the end: plans point to its kind */
    size_t slot_count;
    size_t slot_cap;
    struct informer *definitions; /* of custom resources: each has a slot of its own */
    struct run *runs;
    size_t run_count;
};

struct custom_kind;

/* A kind more, seen by all that want every kind; its informer starts with slot_start. */
struct slot *controllers_add_slot(struct controllers *c, const struct schema_kind *schema);
void slot_listen(struct slot *slot, struct run *run,
                 void (*map)(struct run *run, const struct view *before, const struct view *now));
void slot_start(struct slot *slot);
/* Follows the definitions of custom resources (custom_slots.c). */
void custom_slots_start(struct controllers *c);

struct slot *controllers_slot(struct controllers *c, const struct view_kind *kind);
/* By owner (lookup.c), */
void slot_index(struct slot *slot, struct view *v);
void slot_unindex(struct slot *slot, const struct view *v);
void slot_index_free(struct slot *slot);
/* and by who selects whom (selection.c). */
void selection_index(struct slot *slot, struct view *v);
void selection_unindex(struct slot *slot, const struct view *v);
void selection_free(struct slot *slot);
/* Takes the plan over and answers the queue when it is done (execute.c). */
void execute_plan(struct run *run, struct slice key, struct plan *plan);
/* Whether all that the key's plans wrote has been seen. */
bool execute_caught_up(struct run *run, struct slice key);
void execute_free(struct run *run);

#endif
