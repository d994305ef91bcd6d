/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <uv.h>

#include "lib/list.h"
#include "lib/thread.h"

struct loop_message {
    struct loop_message *next;
    void (*fn)(void *arg);
    void *arg;
};

struct loop {
    uv_loop_t uv;
    /* An eventfd of ours and not uv_async_t: who is woken by that spins until the thread that woke it comes back from
     * its system call, which on one core means to wait for the scheduler. */
    int wake_fd;
    uv_poll_t wake;
    struct clock *clock;
    bool stopping; /* atomic */
    /* Timers of the next turn, run from an idle handle: libuv's own of no time, started again when one fires, fires in
     * the same turn, for as long as that goes on, and no socket is looked at meanwhile. */
    struct list next;
    uv_idle_t idle;
    pthread_mutex_t lock;
    struct loop_message *first; /* guarded by lock */
    struct loop_message **last;
};

struct loop_timer {
    uv_timer_t uv;
    struct list link; /* in loop->next; on its own otherwise */
    uint64_t repeat_ms;
    void (*fn)(void *arg);
    void *arg;
};

struct loop_job {
    uv_work_t uv;
    void (*work)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static void loop_drain(struct loop *loop)
{
    struct loop_message *m;

    (void)pthread_mutex_lock(&loop->lock);
    m = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    (void)pthread_mutex_unlock(&loop->lock);
    while (m) {
        struct loop_message *next = m->next;

        m->fn(m->arg);
        free(m);
        m = next;
    }
}

static void loop_wake(struct loop *loop)
{
    static const uint64_t one = 1;

    while (write(loop->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void loop_on_wake(uv_poll_t *handle, int status, int events)
{
    struct loop *loop = container_of(handle, struct loop, wake);
    uint64_t count;

    (void)status;
    (void)events;
    if (read(loop->wake_fd, &count, sizeof(count)) < 0)
        return; /* taken already */
    loop_drain(loop);
    if (__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE))
        uv_stop(&loop->uv);
}

static void loop_timer_fired(uv_timer_t *uv)
{
    struct loop_timer *timer = container_of(uv, struct loop_timer, uv);

    timer->fn(timer->arg);
}

/* Those that are there now; what they start is of the turn after. */
static void loop_on_idle(uv_idle_t *handle)
{
    struct loop *loop = container_of(handle, struct loop, idle);
    struct list now;

    list_move(&now, &loop->next);
    (void)uv_idle_stop(handle);
    while (!list_empty(&now)) {
        struct loop_timer *timer = container_of(now.next, struct loop_timer, link);

        list_remove(&timer->link);
        if (timer->repeat_ms)
            (void)uv_timer_start(&timer->uv, loop_timer_fired, timer->repeat_ms, timer->repeat_ms);
        timer->fn(timer->arg);
    }
}

struct loop *loop_new(struct clock *clock)
{
    struct loop *loop = mem_zalloc(sizeof(*loop));

    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0 || uv_loop_init(&loop->uv) || uv_poll_init(&loop->uv, &loop->wake, loop->wake_fd) ||
        uv_poll_start(&loop->wake, UV_READABLE, loop_on_wake))
        mem_die(0);
    (void)uv_idle_init(&loop->uv, &loop->idle);
    list_init(&loop->next);
    loop->clock = clock;
    loop->last = &loop->first;
    (void)pthread_mutex_init(&loop->lock, NULL);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (!loop)
        return;
    loop_drain(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
    /* Lets close callbacks run, and waits for work that the pool still has. A handle somebody forgot would keep this
     * from ending, so the turns are bounded. */
    for (int i = 0; i < 1000 && uv_loop_close(&loop->uv) == UV_EBUSY; i++)
        (void)uv_run(&loop->uv, loop->uv.active_reqs.count ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    (void)close(loop->wake_fd);
    (void)pthread_mutex_destroy(&loop->lock);
    free(loop);
}

void loop_run(struct loop *loop)
{
    while (!__atomic_load_n(&loop->stopping, __ATOMIC_ACQUIRE))
        (void)uv_run(&loop->uv, UV_RUN_DEFAULT);
    __atomic_store_n(&loop->stopping, false, __ATOMIC_RELEASE);
}

void loop_turn(struct loop *loop, bool wait)
{
    (void)uv_run(&loop->uv, wait ? UV_RUN_ONCE : UV_RUN_NOWAIT);
}

void loop_stop(struct loop *loop)
{
    __atomic_store_n(&loop->stopping, true, __ATOMIC_RELEASE);
    loop_wake(loop);
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
    return &loop->uv;
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_message *m = mem_alloc(sizeof(*m));
    bool first;

    *m = (struct loop_message){NULL, fn, arg};
    (void)pthread_mutex_lock(&loop->lock);
    first = !loop->first; /* else it is awake, or about to be */
    *loop->last = m;
    loop->last = &m->next;
    (void)pthread_mutex_unlock(&loop->lock);
    if (first)
        loop_wake(loop);
}

static void loop_job_work(uv_work_t *uv)
{
    struct loop_job *job = container_of(uv, struct loop_job, uv);

    job->work(job->arg);
}

static void loop_job_done(uv_work_t *uv, int status)
{
    struct loop_job *job = container_of(uv, struct loop_job, uv);

    (void)status; /* never cancelled */
    job->done(job->arg);
    free(job);
}

/* libuv makes all its threads at the first job, and a thread bears its maker's name until it gets one of its own. */
static int loop_queue_first(struct loop *loop, struct loop_job *job)
{
    char own[THREAD_NAME_MAX + 1];
    int r;

    if (pthread_getname_np(pthread_self(), own, sizeof(own)))
        own[0] = '\0';
    thread_name_self("pool");
    r = uv_queue_work(&loop->uv, &job->uv, loop_job_work, loop_job_done);
    thread_name_self("%s", own);
    return r;
}

void loop_work(struct loop *loop, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    static atomic_flag begun = ATOMIC_FLAG_INIT;
    struct loop_job *job = mem_zalloc(sizeof(*job));

    job->work = work;
    job->done = done;
    job->arg = arg;
    if (atomic_flag_test_and_set(&begun) ? uv_queue_work(&loop->uv, &job->uv, loop_job_work, loop_job_done)
                                         : loop_queue_first(loop, job))
        mem_die(0);
}

struct loop_timer *loop_timer_new(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_timer *timer = mem_zalloc(sizeof(*timer));

    (void)uv_timer_init(&loop->uv, &timer->uv);
    list_init(&timer->link);
    timer->fn = fn;
    timer->arg = arg;
    return timer;
}

void loop_timer_start(struct loop_timer *timer, uint64_t ms, uint64_t repeat_ms)
{
    struct loop *loop = container_of(timer->uv.loop, struct loop, uv);

    if (!ms) {
        loop_timer_stop(timer);
        timer->repeat_ms = repeat_ms;
        list_append(&loop->next, &timer->link);
        (void)uv_idle_start(&loop->idle, loop_on_idle);
        return;
    }
    list_remove(&timer->link);
    uv_update_time(&loop->uv);
    (void)uv_timer_start(&timer->uv, loop_timer_fired, ms, repeat_ms);
}

void loop_timer_stop(struct loop_timer *timer)
{
    list_remove(&timer->link);
    (void)uv_timer_stop(&timer->uv);
}

bool loop_timer_active(const struct loop_timer *timer)
{
    return !list_empty(&timer->link) || uv_is_active((const uv_handle_t *)&timer->uv);
}

static void loop_timer_closed(uv_handle_t *handle)
{
    free(container_of((uv_timer_t *)handle, struct loop_timer, uv));
}

void loop_timer_free(struct loop_timer *timer)
{
    if (!timer)
        return;
    list_remove(&timer->link);
    uv_close((uv_handle_t *)&timer->uv, loop_timer_closed);
}
