/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From RUNNING to ENDED, by itself or by us. conmon's end is the one sign; a job then reads how the container ended and
 * gives back what it held. What follows is restartPolicy's to say. To be ended, a container gets SIGTERM once and
 * SIGKILL when its grace is over.
 */
#include "agent/pod_internal.h"

#include <signal.h>

#include "agent/agent_metrics.h"
#include "agent/log_stream.h"
#include "agent/pod_spec.h"

/* ---- the end of a container ---- */

static bool wants_restart(const struct pod_container *c)
{
    const char *policy = pod_restart_policy(c->pod->object->tree);

    if (c->pod->stop)
        return false;
    if (pod_container_is_sidecar(c) || c->replace)
        return true;
    if (!strcmp(policy, "Never") || (c->current->exit_code == 0 && (c->init || strcmp(policy, "Always") != 0)))
        return false;
    return true;
}

static void back_off(struct pod_container *c)
{
    char *pod_name_ CLEANUP_FREE = pod_display_name(c->pod->object->tree);
    char *message CLEANUP_FREE = NULL;
    char delay[24];

    backoff_text(c->restart.delay_ms, delay);
    message = mem_printf("back-off %s restarting failed container=%s pod=%s", delay, c->name, pod_name_);
    pod_container_set_waiting(c, "CrashLoopBackOff", message);
    pod_event(c->pod, c, true, "BackOff", "Back-off restarting failed container %s in pod %s", c->name, pod_name_);
}

/* `current` has ended: what now? */
void pod_container_ended(struct pod_container *c)
{
    int64_t ran = c->current->started_ns ? c->current->finished_ns - c->current->started_ns : 0;

    c->state = CONTAINER_ENDED;
    c->stop_ms = 0;
    c->killed = false;
    log_streams_poke(c->pod->agent);
    if (!wants_restart(c))
        return;
    c->state = CONTAINER_WAITING;
    c->start_after_ms = 0;
    if (c->replace) {
        c->replace = false;
        return;
    }
    backoff_fail(&c->restart, pod_now_ms(c->pod), ran > 0 ? (uint64_t)(ran / NS_PER_MS) : 0, true);
    c->start_after_ms = c->restart.until_ms;
    if (c->restart.delay_ms)
        back_off(c);
}

struct ending {
    struct pod *pod;
    struct pod_container *c;
    char *id;
    struct runtime_container *fresh;
    struct error err;
};

static void ending_work(void *arg)
{
    struct ending *e = arg;
    const struct runtime *rt = &e->pod->agent->config.runtime;

    e->fresh = runtime_load(rt, e->id, &e->err);
    if (e->fresh && e->fresh->state == RUNTIME_EXITED)
        (void)runtime_release(rt, e->id, &e->err);
}

static void ending_done(void *arg)
{
    struct ending *e = arg;
    struct pod *pod = e->pod;
    struct pod_container *c = e->c;

    pod_work_done(pod);
    if (error_is_set(&e->err))
        pod_event(pod, c, true, "FailedKillPod", "cleaning up after container %s: %s", c->name, error_text(&e->err));
    if (e->fresh) {
        runtime_container_free(c->current);
        c->current = e->fresh;
    } else {
        /* The record is gone: somebody removed it behind our back. */
        c->current->state = RUNTIME_EXITED;
        c->current->exit_code = 137;
        c->current->finished_ns = clock_wall_ns(pod->agent->clock);
        free(c->current->reason);
        c->current->reason = mem_strdup("ContainerStatusUnknown");
    }
    if (!pod->abandoned)
        pod_container_ended(c);
    error_clear(&e->err);
    free(e->id);
    free(e);
    pod_tick(pod);
}

void pod_container_ending(struct pod_container *c)
{
    struct ending *e = mem_zalloc(sizeof(*e));

    c->state = CONTAINER_ENDING;
    e->pod = c->pod;
    e->c = c;
    e->id = mem_strdup(c->current->id);
    pod_work(c->pod, ending_work, ending_done, e);
}

static void on_ended(void *arg)
{
    struct pod_container *c = arg;

    runtime_watch_free(c->watch);
    c->watch = NULL;
    pod_container_ending(c);
    pod_tick(c->pod);
}

/* All that are to run together do, for the first time. */
static void count_start(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++)
        if (!pod->containers[i].init && pod->containers[i].state != CONTAINER_RUNNING)
            return;
    if (!pod->start_counted)
        agent_count_pod_start(clock_wall_ns(pod->agent->clock) - pod->start_ns);
    pod->start_counted = true;
}

void pod_container_watch(struct pod_container *c)
{
    c->state = CONTAINER_RUNNING;
    count_start(c->pod);
    c->watch = runtime_watch_start(c->pod->agent->loop, c->current, on_ended, c);
}

/* ---- ending them ---- */

struct signalling {
    struct pod *pod;
    char *id;
    int signal;
    struct error err;
};

static void signalling_work(void *arg)
{
    struct signalling *s = arg;

    (void)runtime_signal(&s->pod->agent->config.runtime, s->id, s->signal, &s->err);
}

static void signalling_done(void *arg)
{
    struct signalling *s = arg;
    struct pod *pod = s->pod;

    pod_work_done(pod);
    if (error_is_set(&s->err))
        pod_event(pod, NULL, true, "FailedKillPod", "error killing pod: %s", error_text(&s->err));
    error_clear(&s->err);
    free(s->id);
    free(s);
    pod_tick(pod);
}

static void container_send(struct pod_container *c, int signal)
{
    struct signalling *s = mem_zalloc(sizeof(*s));

    s->pod = c->pod;
    s->id = mem_strdup(c->current->id);
    s->signal = signal;
    pod_work(c->pod, signalling_work, signalling_done, s);
}

/* SIGTERM once, SIGKILL when the grace is over; the grace may shrink meanwhile. */
void pod_container_stop(struct pod_container *c, uint64_t *next)
{
    uint64_t now = pod_now_ms(c->pod);
    uint64_t grace = (uint64_t)pod_grace_seconds(c->pod->object->tree) * 1000;
    int signal = container_signal(c->current->stop_signal);

    if (!c->stop_ms) {
        c->stop_ms = now;
        pod_event(c->pod, c, false, "Killing", "Stopping container %s", c->name);
        if (grace)
            container_send(c, signal ? signal : SIGTERM);
    }
    if (c->killed)
        return;
    if (now < c->stop_ms + grace) {
        pod_earliest(next, c->stop_ms + grace);
        return;
    }
    c->killed = true;
    container_send(c, SIGKILL);
}

/* Forgets what had not begun; true when nothing of it runs. */
static bool container_quiet(struct pod_container *c)
{
    switch (c->state) {
    case CONTAINER_REFERENCES:
    case CONTAINER_IMAGE:
        images_request_cancel(c->request);
        c->request = NULL;
        image_free(c->image);
        c->image = NULL;
        c->state = CONTAINER_WAITING;
        break;
    case CONTAINER_WAITING:
    case CONTAINER_ENDED:
        break;
    default:
        return false;
    }
    if (c->state == CONTAINER_WAITING && c->current) {
        pod_container_set_waiting(c, NULL, NULL);
        c->state = CONTAINER_ENDED;
    }
    return true;
}

bool pod_containers_stop(struct pod *pod, uint64_t *ret_next_ms)
{
    bool quiet = true;

    /* Sidecars serve the others to their end. */
    for (int sidecars = 0; sidecars < 2 && quiet; sidecars++) {
        for (size_t i = 0; i < pod->count; i++) {
            struct pod_container *c = &pod->containers[i];

            if (pod_container_is_sidecar(c) != (sidecars == 1) || container_quiet(c))
                continue;
            quiet = false;
            if (c->state == CONTAINER_RUNNING)
                pod_container_stop(c, ret_next_ms);
        }
    }
    return quiet;
}
