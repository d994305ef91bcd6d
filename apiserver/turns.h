/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns: lines of writes that would only take each other's conditions away. Whoever has the turn of a name goes on, the
 * others wait in order, on whatever front they are; who is next is told on his own loop. From any thread.
 */
#ifndef KNARR_APISERVER_TURNS_H
#define KNARR_APISERVER_TURNS_H

#include "lib/list.h"
#include "lib/loop.h"

struct turns;
struct turns *turns_new(void);
/* NULL is allowed. Nobody may be waiting. */
void turns_free(struct turns *turns);

/* One who takes turns; stays where it is until it has given its turn back. */
struct turn {
    struct loop *loop;
    void (*go)(void *arg); /* posted to the loop when the turn has come, if it was not free at once */
    void *arg;
    bool held;
    struct turn_line *line;
    struct list link;
};
/* True: has it. False: `go` will follow, and has it then. */
bool turns_take(struct turns *turns, const char *name, struct turn *turn);
void turns_give(struct turns *turns, struct turn *turn);

#endif
