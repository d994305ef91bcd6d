/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lib/loop.h under virtual time: a program that is linked with this has one thread, and timers fire when the clock that
 * the loop was given has been moved to them. Work for the pool is done on a later turn. No sockets.
 */
#include "lib/loop.h"

#include "lib/list.h"
#include "lib/mem.h"

struct message {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    struct clock *clock;
    struct list messages;
    struct list timers;
    bool stopping;
};

struct loop_timer {
    struct list link;
    struct loop *loop;
    void (*fn)(void *arg);
    void *arg;
    uint64_t due_ms; /* 0 = it does not run */
    uint64_t repeat_ms;
};

struct job {
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

struct loop *loop_new(struct clock *clock)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));

    loop->clock = clock;
    list_init(&loop->messages);
    list_init(&loop->timers);
    return loop;
}

/* What was posted before; what that posts waits for the next turn. */
static void messages_run(struct loop *loop)
{
    struct list now;

    list_init(&now);
    list_for_each_safe (it, next, &loop->messages) {
        list_remove(it);
        list_append(&now, it);
    }
    list_for_each_safe (it, next, &now) {
        struct message *m = container_of(it, struct message, link);

        list_remove(it);
        m->fn(m->arg);
        free(m);
    }
}

static struct loop_timer *timers_next(struct loop *loop)
{
    struct loop_timer *next = NULL;

    list_for_each (it, &loop->timers) {
        struct loop_timer *t = container_of(it, struct loop_timer, link);

        if (t->due_ms && t->due_ms <= loop_now_ms(loop) && (!next || t->due_ms < next->due_ms))
            next = t;
    }
    return next;
}

static void timers_run(struct loop *loop)
{
    struct loop_timer *t;

    while ((t = timers_next(loop))) {
        t->due_ms = t->repeat_ms ? loop_now_ms(loop) + t->repeat_ms : 0;
        t->fn(t->arg);
    }
}

void loop_turn(struct loop *loop, bool wait)
{
    timers_run(loop);
    messages_run(loop);
}

void loop_run(struct loop *loop)
{
    while (!loop->stopping)
        loop_turn(loop, false);
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    while (!list_empty(&loop->messages))
        messages_run(loop);
    free(loop);
}

struct clock *loop_clock(struct loop *loop)
{
    return loop->clock;
}

uint64_t loop_now_ms(struct loop *loop)
{
    return (uint64_t)(clock_monotonic_ns(loop->clock) / NS_PER_MS);
}

struct uv_loop_s *loop_uv(struct loop *loop)
{
    return NULL;
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct message *m = mem_zalloc(sizeof(*m));

    m->fn = fn;
    m->arg = arg;
    list_append(&loop->messages, &m->link);
}

static void job_run(void *arg)
{
    struct job *job = arg;

    job->work(job->arg);
    job->done(job->arg);
    free(job);
}

void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct job *job = mem_zalloc(sizeof(*job));

    *job = (struct job){work, done, arg};
    loop_post(loop, job_run, job);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *t = mem_zalloc(sizeof(*t));

    t->loop = loop;
    t->fn = fn;
    t->arg = arg;
    list_append(&loop->timers, &t->link);
    return t;
}

void loop_timer_start(struct loop_timer *timer, uint64_t ms, uint64_t repeat_ms)
{
    timer->due_ms = loop_now_ms(timer->loop) + ms;
    timer->due_ms += timer->due_ms == 0;
    timer->repeat_ms = repeat_ms;
}

void loop_timer_stop(struct loop_timer *timer)
{
    timer->due_ms = 0;
}

bool loop_timer_active(const struct loop_timer *timer)
{
    return timer->due_ms != 0;
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return;
    list_remove(&timer->link);
    free(timer);
}
