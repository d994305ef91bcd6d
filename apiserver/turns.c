/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line is in the map while somebody has its turn. `held` is set under the lock, before `go` is posted, and read by
 * its owner's loop alone.
 */
#include "apiserver/turns.h"

#include <pthread.h>

#include "lib/map.h"

struct turn_line {
    char *name;
    struct list waiting; /* struct turn */
};

struct turns {
    pthread_mutex_t lock;
    struct map lines; /* by name */
};

struct turns *turns_new(void)
{
    struct turns *turns = mem_zalloc(sizeof(*turns));

    (void)pthread_mutex_init(&turns->lock, NULL);
    return turns;
}

void turns_free(struct turns *turns)
{
    if (!turns)
        return;
    map_clear(&turns->lines, NULL);
    (void)pthread_mutex_destroy(&turns->lock);
    free(turns);
}

bool turns_take(struct turns *turns, const char *name, struct turn *turn)
{
    bool held;

    (void)pthread_mutex_lock(&turns->lock);
    turn->line = map_get(&turns->lines, slice_str(name));
    held = turn->held = !turn->line;
    if (held) {
        turn->line = mem_zalloc(sizeof(*turn->line));
        turn->line->name = mem_strdup(name);
        list_init(&turn->line->waiting);
        (void)map_put(&turns->lines, slice_str(name), turn->line);
    } else {
        list_append(&turn->line->waiting, &turn->link);
    }
    (void)pthread_mutex_unlock(&turns->lock);
    return held;
}

void turns_give(struct turns *turns, struct turn *turn)
{
    struct turn_line *line = turn->line;

    turn->held = false;
    (void)pthread_mutex_lock(&turns->lock);
    if (list_empty(&line->waiting)) {
        (void)map_remove(&turns->lines, slice_str(line->name));
        free(line->name);
        free(line);
    } else {
        struct turn *next = container_of(line->waiting.next, struct turn, link);

        list_remove(&next->link);
        next->held = true;
        /* Inside the lock: once it is posted the next one may be over, and free. */
        loop_post(next->loop, next->go, next->arg);
    }
    (void)pthread_mutex_unlock(&turns->lock);
}
