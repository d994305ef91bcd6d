/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who uses the store in the simulation, each in small steps and at its own pace: writers (compare and swap, several
 * keys at once, ever so often on what they saw long ago), pagers (a list at one revision, page by page), watchers (slow
 * ones, who stop and go on from where they were), and whoever asks for one key, its past, or the log. Every answer is
 * held against the model.
 */
#ifndef KNARR_TESTS_SIM_CLIENTS_H
#define KNARR_TESTS_SIM_CLIENTS_H

#include "lib/list.h"
#include "tests/sim/model.h"
#include "tests/sim/world.h"

#define SIM_WATCHERS 4
#define SIM_PAGERS   2

struct sim;

/* A transaction under way, or one of which nobody knows: it failed with the disk, and may be there after a crash. */
struct attempt {
    struct list link;
    struct sim *sim;
    struct model_transaction transaction;
    uint64_t base; /* revision behind which it would be; once it failed */
};

struct watcher {
    struct sim *sim;
    unsigned number;
    struct slice prefix;
    struct store_watch *watch;   /* NULL = it stopped */
    struct store_event **events; /* handed over, not looked at yet */
    size_t event_count;
    size_t event_cap;
    uint64_t after; /* it has seen all up to here */
    size_t next;    /* the model's change from which on it has seen nothing */
};

struct pager {
    struct sim *sim;
    struct slice prefix;
    uint64_t revision; /* 0 = not under way */
    unsigned next;     /* keys below are done */
    unsigned after;    /* the last key that was listed; MODEL_KEYS = none */
};

struct sim {
    struct world world;
    struct model model;
    struct list attempts;
    struct list unknown;
    struct watcher watchers[SIM_WATCHERS];
    struct pager pagers[SIM_PAGERS];
    uint32_t values;    /* given so far */
    uint64_t seen[3];   /* a revision that each writer saw */
    unsigned acked;     /* writes */
    unsigned resumed;   /* watches that went on from the log */
    unsigned expired;   /* that came too late */
    unsigned recovered; /* writes that were there although they had failed, or were not answered */
    bool was_full;      /* the store took the disk for full: history gives way then */
    bool cleaned;       /* at the end, less is kept of the class window than of the other */
};

void clients_begin(struct sim *sim);
void clients_end(struct sim *sim);

void writer_act(struct sim *sim);
void pager_act(struct sim *sim);
void watcher_act(struct sim *sim);
void reader_act(struct sim *sim);
void compact_act(struct sim *sim);

/* The store goes: nobody holds anything of it any more. */
void clients_down(struct sim *sim);
/* It is open again: what failed or was not answered may be there, nothing else is. All is looked at. */
void clients_up(struct sim *sim);
/* Nothing is under way any more: every watcher must have seen all. */
void clients_settle(struct sim *sim);

#endif
