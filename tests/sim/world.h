/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated world: one store in manual mode on a disk that fails as the seed says (tests/disk), under a clock that
 * stands still unless it is moved. All that happens is a function of the seed. What is worth knowing is noted: the
 * notes are the trace that can be read, and their hash is how two runs are compared.
 */
#ifndef KNARR_TESTS_SIM_WORLD_H
#define KNARR_TESTS_SIM_WORLD_H

#include "store/store.h"
#include "tests/disk/disk.h"

struct world {
    uint64_t seed;
    bool verbose;  /* notes are printed */
    uint64_t hash; /* of the notes */
    char *wrong;   /* the first thing that must not be; NULL = all is well */
    struct clock_fake clock;
    struct store_options options;
    struct store *store; /* NULL = down */
    char folder[64];
    char *root; /* of the store, in `folder`; another one after each loss of power */
    unsigned roots;
    struct disk *disk;
    size_t applied; /* steps of the disk's list that `disk` knows */
    /* What goes wrong. */
    unsigned fault_one_in; /* of the calls to the disk; 0 = none fails */
    unsigned full_for;     /* calls that find the disk full */
    uint64_t crash_in;     /* calls until the power goes; 0 = it stays */
    uint64_t crash_within; /* drawn anew, up to this, after each loss; 0 = the power stays */
    unsigned faults;       /* that there were */
    unsigned crashes;      /* losses of power */
    unsigned kills;
};

/* `folder` is a template for mkdtemp. The options' sizes and limits are the caller's to fill in. */
void world_begin(struct world *w, uint64_t seed, bool verbose);
void world_end(struct world *w);

__attribute__((format(printf, 2, 3))) void world_note(struct world *w, const char *format, ...);
/* It goes on; the first one is kept. */
__attribute__((format(printf, 2, 3))) void world_wrong(struct world *w, const char *format, ...);
/* Whether the draw of one in so-many hits; 0 = never. */
bool world_chance(unsigned one_in);

/* Opens the store, however often the disk fails and the power goes meanwhile. False when it never opens. */
bool world_open(struct world *w);
/* Closes it, cleanly unless the power goes meanwhile, and takes it as it is then. */
void world_close(struct world *w);
/* The process died, or the power went (disk_frozen): nothing counts any more that the store says. Whoever holds
 * something of it lets go first. Leaves what there may be then. */
void world_crash(struct world *w);

#endif
