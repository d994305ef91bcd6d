/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     JOINED --one side closed--> ENDING --both closed--> done, freed
 *
 * Back-pressure: a side whose peer has more than HIGH unsent is not read until all of it is sent. Invariant: a side's
 * socket is NULL exactly when it is closed.
 */
#include "lib/http_join.h"

#define JOIN_HIGH   (512u << 10)
#define JOIN_CHECKS 8 /* looks at the clock in the idle time */

struct join_side {
    struct http_join *join;
    struct join_side *other;
    struct http_socket *socket;
    bool paused;
};

struct http_join {
    struct loop *loop;
    struct join_side sides[2];
    struct loop_timer *idle;
    uint64_t idle_ms;
    uint64_t active_ms;
    void (*done)(void *arg);
    void *arg;
};

static void side_resume(struct join_side *side)
{
    if (!side->paused || !side->socket)
        return;
    side->paused = false;
    http_socket_pause(side->socket, false);
}

static void side_on_data(void *arg, struct slice data)
{
    struct join_side *side = arg;
    struct http_socket *to = side->other->socket;

    side->join->active_ms = loop_now_ms(side->join->loop);
    if (!to)
        return;
    http_socket_write(to, data);
    if (!side->paused && http_socket_pending(to) > JOIN_HIGH) {
        side->paused = true;
        http_socket_pause(side->socket, true);
    }
}

static void side_on_drained(void *arg)
{
    struct join_side *side = arg;

    side_resume(side->other);
}

static void side_on_closed(void *arg)
{
    struct join_side *side = arg;
    struct http_join *join = side->join;

    side->socket = NULL;
    if (side->other->socket) {
        side_resume(side->other); /* what it sends is thrown away; its end must be seen */
        http_socket_close(side->other->socket);
        return;
    }
    loop_timer_free(join->idle);
    join->done(join->arg);
    free(join);
}

static void join_on_idle(void *arg)
{
    struct http_join *join = arg;

    if (loop_now_ms(join->loop) - join->active_ms >= join->idle_ms)
        http_join_cut(join);
}

struct http_join *http_join_start(struct loop *loop, struct http_socket *a, struct http_socket *b, uint64_t idle_ms,
                                  void (*done)(void *arg), void *arg)
{
    static const struct http_socket_events events = {side_on_data, side_on_drained, side_on_closed};
    struct http_join *join = mem_zalloc(sizeof(*join));

    join->loop = loop;
    join->idle_ms = idle_ms;
    join->active_ms = loop_now_ms(loop);
    join->done = done;
    join->arg = arg;
    join->sides[0] = (struct join_side){.join = join, .other = &join->sides[1], .socket = a};
    join->sides[1] = (struct join_side){.join = join, .other = &join->sides[0], .socket = b};
    join->idle = loop_timer_new(loop, join_on_idle, join);
    loop_timer_start(join->idle, idle_ms / JOIN_CHECKS, idle_ms / JOIN_CHECKS);
    for (int i = 0; i < 2; i++) {
        http_socket_be_patient(join->sides[i].socket);
        http_socket_start(join->sides[i].socket, &events, &join->sides[i]);
    }
    return join;
}

void http_join_cut(struct http_join *join)
{
    for (int i = 0; i < 2; i++)
        if (join->sides[i].socket)
            http_socket_abort(join->sides[i].socket);
}

static void discard_on_data(void *arg, struct slice data)
{
    (void)arg;
    (void)data;
}

static void discard_on_closed(void *arg)
{
    (void)arg;
}

void http_socket_discard(struct http_socket *socket)
{
    static const struct http_socket_events events = {discard_on_data, NULL, discard_on_closed};

    http_socket_start(socket, &events, NULL);
    http_socket_abort(socket);
}
