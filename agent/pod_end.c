/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From RUNNING to ENDED, by itself or by us. conmon's end is the one sign; a job then reads how the container ended and
 * gives back what it held. What follows is restartPolicy's to say. To be ended, a container runs its preStop hook, gets
 * SIGTERM (or what it prefers) and, when its grace is over, SIGKILL; the grace covers the hook, but whoever was asked
 * to end has MINIMUM_MS for it. (Drawn in pod_internal.h.)
 */
#include "agent/pod_internal.h"

#include <signal.h>

#include "agent/log_stream.h"
#include "agent/pod_spec.h"

#define MINIMUM_MS  2000
#define GRACE_S_MAX 1000000000 /* thirty years: keeps sums in range */

/* ---- the end of a container ---- */

static bool wants_restart(const struct pod_container *c)
{
    const char *policy = pod_restart_policy(c->pod->object->tree);

    if (c->pod->stop || c->kind == CONTAINER_EPHEMERAL)
        return false;
    if (pod_container_is_sidecar(c) || c->cause == STOP_BY_CHANGE || c->cause == STOP_BY_RESIZE)
        return true;
    /* Ended as unhealthy: how it then ended does not matter. */
    if (c->cause == STOP_BY_LIVENESS || c->cause == STOP_BY_STARTUP)
        return strcmp(policy, "Never") != 0;
    if (!strcmp(policy, "Never") ||
        (c->current->exit_code == 0 && (c->kind == CONTAINER_INIT || strcmp(policy, "Always") != 0)))
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
    bool again = wants_restart(c);
    bool changed = c->cause == STOP_BY_CHANGE || c->cause == STOP_BY_RESIZE;

    c->state = again ? CONTAINER_WAITING : CONTAINER_ENDED;
    c->stop = STOP_NOT;
    c->cause = STOP_BY_NONE;
    log_streams_poke(c->pod->agent);
    if (!again)
        return;
    c->start_after_ms = 0;
    if (changed)
        return;
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

    if (c->state == CONTAINER_POST_START && c->hook && !c->stop) {
        c->pod->starting = false;
        pod_event(c->pod, c, true, "FailedPostStartHook", "PostStartHook failed");
    }
    handler_cancel(c->hook);
    c->hook = NULL;
    pod_probes_stop(c, true);
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

void pod_container_watch(struct pod_container *c)
{
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

static uint64_t seconds_ms(int64_t seconds)
{
    return (uint64_t)(seconds < GRACE_S_MAX ? seconds : GRACE_S_MAX) * 1000;
}

/* When the grace is over: the cause's, or the pod's if that is sooner. The pod's may shrink meanwhile. */
static uint64_t grace_end(const struct pod_container *c)
{
    const struct pod *pod = c->pod;
    int64_t grace = pod_grace_seconds(pod->object->tree);
    uint64_t end = UINT64_MAX;

    if (c->cause)
        end = c->stop_ms + seconds_ms(c->grace_s >= 0 ? c->grace_s : grace);
    /* Of a pod that is gone from the API server nobody waits for the end. */
    if (pod->stop_ms && pod->stop_ms + (pod->vanished ? 0 : seconds_ms(grace)) < end)
        end = pod->stop_ms + (pod->vanished ? 0 : seconds_ms(grace));
    return end;
}

static void say_killing(const struct pod_container *c)
{
    static const char *const causes[] = {[STOP_BY_CHANGE] = "definition changed",
                                         [STOP_BY_LIVENESS] = "failed liveness probe",
                                         [STOP_BY_STARTUP] = "failed startup probe",
                                         [STOP_BY_HOOK] = NULL,
                                         [STOP_BY_RESIZE] = NULL};
    bool again = c->cause == STOP_BY_CHANGE || strcmp(pod_restart_policy(c->pod->object->tree), "Never") != 0;

    if (c->pod->stop || !c->cause)
        pod_event(c->pod, c, false, "Killing", "Stopping container %s", c->name);
    else if (c->cause == STOP_BY_RESIZE)
        pod_event(c->pod, c, false, "Killing", "Container %s resize requires restart", c->name);
    else if (c->cause == STOP_BY_HOOK)
        pod_event(c->pod, c, false, "Killing", "FailedPostStartHook");
    else if (c->kind == CONTAINER_INIT)
        pod_event(c->pod, c, false, "Killing", "Init container %s %s", c->name, causes[c->cause]);
    else
        pod_event(c->pod, c, false, "Killing", "Container %s %s%s", c->name, causes[c->cause],
                  again ? ", will be restarted" : "");
}

static void pre_stop_done(void *arg, enum handler_outcome outcome, const char *text)
{
    struct pod_container *c = arg;

    c->hook = NULL;
    if (outcome > HANDLER_WARNING)
        pod_event(c->pod, c, true, "FailedPreStopHook", "PreStopHook failed");
    pod_tick(c->pod);
}

static void stop_begin(struct pod_container *c, uint64_t now)
{
    c->stop_ms = now;
    say_killing(c);
    if (c->hook) { /* postStart: no use any more */
        handler_cancel(c->hook);
        c->hook = NULL;
        c->pod->starting = false;
    }
    pod_probes_stop(c, false);
    c->stop = grace_end(c) > now && pod_hook_start(c, "preStop", pre_stop_done) ? STOP_HOOK : STOP_TURN;
}

void pod_container_condemn(struct pod_container *c, enum stop_cause cause, int64_t grace_s)
{
    if (c->cause || c->stop)
        return;
    c->cause = cause;
    c->grace_s = grace_s;
}

void pod_container_stop(struct pod_container *c, bool turn, uint64_t *next)
{
    uint64_t now = pod_now_ms(c->pod);
    int signal = container_signal(c->current->stop_signal);
    uint64_t end;

    if (c->stop == STOP_NOT)
        stop_begin(c, now);
    end = grace_end(c);
    if (c->stop == STOP_HOOK && (!c->hook || now >= end))
        c->stop = STOP_TURN;
    if (c->stop == STOP_TURN && (turn || now >= end)) {
        c->stop = STOP_TERM;
        c->term_ms = now;
        container_send(c, signal ? signal : SIGTERM);
    }
    if (c->stop == STOP_TERM && end < c->term_ms + MINIMUM_MS)
        end = c->term_ms + MINIMUM_MS;
    if (c->stop == STOP_TERM && now >= end) {
        c->stop = STOP_KILL;
        container_send(c, SIGKILL);
    }
    if (c->stop != STOP_KILL)
        pod_earliest(next, end);
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

/* The others at once; the sidecars, which serve them to their end, from the last to the first. All hooks run at once.
 * Whoever looks into the pod is not served: no sidecar waits for an ephemeral container. */
bool pod_containers_stop(struct pod *pod, uint64_t *ret_next_ms)
{
    bool quiet = true;
    bool served = false;

    if (!pod->stop_ms)
        pod->stop_ms = pod_now_ms(pod);
    for (int sidecars = 0; sidecars < 2; sidecars++) {
        for (size_t i = pod->count; i-- > 0;) {
            struct pod_container *c = pod->containers[i];

            if (pod_container_is_sidecar(c) != (sidecars == 1) || container_quiet(c))
                continue;
            if (pod_container_is_up(c)) {
                pod_probes_tick(c, ret_next_ms);
                pod_container_stop(c, !sidecars || !served, ret_next_ms);
            }
            quiet = false;
            served = served || c->kind != CONTAINER_EPHEMERAL;
        }
    }
    return quiet;
}
