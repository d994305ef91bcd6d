/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's states. See pod_internal.h for the drawing. Each state has one function (here, or in pod_steps.c) that does
 * what can be done now and returns when it wants to be called again; events (a job's end, a container's end, a change
 * of the object, the timer) only note what happened and call pod_tick.
 */
#include "agent/pod_internal.h"

#include "agent/pod_spec.h"
#include "agent/text.h"
#include "lib/log.h"

#define MESSAGE_MAX 1024 /* of an event, as the API server takes it */

/* Allowed moves: bit n of moves[s] = from s to n. */
#define TO(state) (1u << POD_##state)
static const unsigned moves[POD_STATES] = {
    [POD_REFERENCES] = TO(VOLUMES) | TO(STOPPING),
    [POD_VOLUMES] = TO(SANDBOX) | TO(REFERENCES) | TO(STOPPING),
    [POD_SANDBOX] = TO(RUNNING) | TO(REFERENCES) | TO(STOPPING),
    [POD_RUNNING] = TO(STOPPING),
    [POD_STOPPING] = TO(CLEANING),
    [POD_CLEANING] = TO(FINISHED) | TO(DELETING) | TO(GONE),
    [POD_FINISHED] = TO(CLEANING),
    [POD_DELETING] = TO(GONE),
};
static const char *const state_names[POD_STATES] = {"references", "volumes",  "sandbox",  "running", "stopping",
                                                    "cleaning",   "finished", "deleting", "gone"};

void pod_move(struct pod *pod, enum pod_state to)
{
    const struct value *o = pod->object->tree;

    if (!(moves[pod->state] & (1u << to))) {
        log_error("agent", "pod %s/%s: no way from %s to %s", pod_namespace(o), pod_name(o), state_names[pod->state],
                  state_names[to]);
        abort();
    }
    log_debug("agent", "pod %s/%s: %s -> %s", pod_namespace(o), pod_name(o), state_names[pod->state], state_names[to]);
    pod->state = to;
}

static bool can_stop(enum pod_state state)
{
    return (moves[state] & TO(STOPPING)) != 0;
}

uint64_t pod_now_ms(const struct pod *pod)
{
    return loop_now_ms(pod->agent->loop);
}

struct pod_tree *pod_tree_hold(struct pod_tree *t)
{
    t->refs++;
    return t;
}

void pod_tree_free(struct pod_tree *t)
{
    if (!t || --t->refs > 0)
        return;
    value_free(t->tree);
    free(t);
}

struct pod_tree *pod_tree_new(struct value *tree)
{
    struct pod_tree *t = mem_zalloc(sizeof(*t));

    t->refs = 1;
    t->tree = tree;
    return t;
}

void pod_event(struct pod *pod, const struct pod_container *c, bool warning, const char *reason, const char *fmt, ...)
{
    const struct value *o = pod->object->tree;
    char *field CLEANUP_FREE = c ? mem_printf("spec.%s{%s}", container_list(c->kind), c->name) : NULL;
    struct event_object object = {.api_version = "v1",
                                  .kind = "Pod",
                                  .namespace_ = pod_namespace(o),
                                  .name = pod_name(o),
                                  .uid = pod_uid(o),
                                  .field_path = field};
    char *raw CLEANUP_FREE = NULL;
    char *text CLEANUP_FREE = NULL;
    va_list args;

    if (pod->abandoned)
        return;
    va_start(args, fmt);
    raw = mem_vprintf(fmt, args);
    va_end(args);
    text = text_clean(slice_str(raw), MESSAGE_MAX);
    event_record(pod->agent->events, &object, warning, reason, "%s", text);
}

/* ---- work on the pool ---- */

void pod_work(struct pod *pod, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    pod->pending++;
    agent_work(pod->agent, work, done, arg);
}

void pod_work_done(struct pod *pod)
{
    pod->pending--;
}

/* ---- the end ---- */

static uint64_t tick_stopping(struct pod *pod)
{
    uint64_t next = 0;

    /* The last status goes out before anything is removed, so that exit codes are not lost. */
    if (!pod_containers_stop(pod, &next) || pod->job || pod->starting || pod->pending)
        return next;
    pod->retry_ms = 0;
    pod_move(pod, POD_CLEANING);
    return 0;
}

static uint64_t tick_deleting(struct pod *pod)
{
    if (pod->vanished) {
        pod_move(pod, POD_GONE);
        return 0;
    }
    if (!pod->call && pod->final_sent)
        pod_send_delete(pod);
    return pod->publish_after_ms;
}

/* ---- the tick ---- */

/* spec.activeDeadlineSeconds counts from when the node took the pod; it may be set or shortened while it runs. */
static void tick_deadline(struct pod *pod, uint64_t *next)
{
    int64_t seconds = value_int(value_path(pod->object->tree, "spec", "activeDeadlineSeconds", NULL));
    int64_t left_ms = (pod->start_ns - clock_wall_ns(pod->agent->clock)) / NS_PER_MS + seconds * 1000;

    if (seconds <= 0 || pod->stop || !can_stop(pod->state))
        return;
    if (left_ms > 0) {
        pod_earliest(next, pod_now_ms(pod) + (uint64_t)left_ms);
        return;
    }
    pod->expired = true;
    pod->stop = true;
    pod_event(pod, NULL, false, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
}

static uint64_t tick_running(struct pod *pod)
{
    uint64_t next = pod_resize_tick(pod); /* first: it says whether containers may start, and which must end */

    pod_earliest(&next, pod_containers_tick(pod));
    pod_earliest(&next, pod_tick_refresh(pod));

    if (pod->complete) {
        pod->stop = true;
        pod_move(pod, POD_STOPPING);
    }
    return next;
}

static uint64_t tick_state(struct pod *pod)
{
    switch (pod->state) {
    case POD_REFERENCES:
        return pod_tick_references(pod);
    case POD_VOLUMES:
        return pod_tick_volumes(pod);
    case POD_SANDBOX:
        return pod_tick_sandbox(pod);
    case POD_RUNNING:
        return tick_running(pod);
    case POD_STOPPING:
        return tick_stopping(pod);
    case POD_CLEANING:
        return pod_tick_cleaning(pod);
    case POD_FINISHED:
        /* Deleted after it had finished: what was kept goes too. */
        if (pod->vanished || pod_deleting(pod->object->tree))
            pod_move(pod, POD_CLEANING);
        return 0;
    case POD_DELETING:
        return tick_deleting(pod);
    default:
        return 0;
    }
}

static void pod_free(struct pod *pod)
{
    references_fetch_cancel(pod->fetch);
    if (pod->call)
        client_call_cancel(pod->call);
    pod_containers_free(pod);
    loop_timer_free(pod->timer);
    references_free(pod->refs);
    sandbox_clear(&pod->sandbox);
    pod_tree_free(pod->object);
    pod_resize_free(pod);
    value_free(pod->status);
    buf_free(&pod->sent);
    buf_free(&pod->sending);
    free(pod->dir);
    free(pod->cgroup);
    free(pod->refused_message);
    free(pod);
}

void pod_tick(struct pod *pod)
{
    enum pod_state before;
    uint64_t next;
    uint64_t again;
    uint64_t deadline = 0;

    if (pod->abandoned) {
        if (!pod->pending)
            pod_free(pod);
        return;
    }
    tick_deadline(pod, &deadline);
    if (pod->stop && can_stop(pod->state)) {
        pod->retry_ms = 0;
        pod_move(pod, POD_STOPPING);
    }
    do {
        before = pod->state;
        next = tick_state(pod);
    } while (pod->state != before);
    again = pod->state == POD_GONE ? 0 : pod_publish(pod);
    if (pod->state == POD_GONE && !pod->pending) {
        pod->gone(pod->gone_arg, pod);
        pod_free(pod);
        return;
    }
    pod_earliest(&next, again);
    pod_earliest(&next, deadline);
    loop_timer_stop(pod->timer);
    if (next)
        loop_timer_start(pod->timer, next > pod_now_ms(pod) ? next - pod_now_ms(pod) : 0, 0);
}

static void on_timer(void *arg)
{
    pod_tick(arg);
}

/* ---- for the owner ---- */

struct pod *pod_new(struct agent *agent, struct value *object, void (*gone)(void *arg, struct pod *pod), void *arg)
{
    struct pod *pod = mem_zalloc(sizeof(*pod));
    int64_t started = 0;

    pod->agent = agent;
    pod->object = pod_tree_new(object);
    pod->gone = gone;
    pod->gone_arg = arg;
    pod->timer = loop_timer_new(agent->loop, on_timer, pod);
    pod->dir = mem_printf("%s/pods/%s", agent->config.home, pod_uid(object));
    pod->cgroup = cgroup_pod_path(agent->config.cgroup_parent, pod_qos(object), pod_uid(object));
    if (!time_parse(value_string(value_path(object, "status", "startTime", NULL)), &started))
        started = clock_wall_ns(agent->clock);
    pod->start_ns = started;
    pod->facts = (struct pod_facts){.node_name = agent->config.node_name,
                                    .cluster_domain = agent->config.cluster_domain,
                                    .host_ip = agent->config.node_ip,
                                    .node_cpu_milli = agent->config.cpu_milli,
                                    .node_memory = agent->config.memory};
    pod_containers_make(pod);
    return pod;
}

void pod_adopt(struct pod *pod, struct runtime_container *c)
{
    pod_container_adopt(pod, c);
}

static bool phase_is_final(const struct value *object)
{
    struct slice phase = value_string(value_path(object, "status", "phase", NULL));

    return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

/* What the spec asks for and this node never gives: the pod fails at once, as at the kubelet's admission. */
static void pod_refuse(struct pod *pod)
{
    struct slice os = value_string(value_path(pod->object->tree, "spec", "os", "name", NULL));
    char *why CLEANUP_FREE = pod_sysctl_forbidden(pod->object->tree);

    if (os.len && !slice_is(os, "linux")) {
        free(why);
        why = mem_strdup("Failed to admit pod as the OS field doesn't match node OS");
        pod->refused = "PodOSNotSupported";
    } else if (why) {
        pod->refused = "SysctlForbidden";
    } else {
        return;
    }
    pod->refused_message = mem_printf("Pod was rejected: %s", why);
    if (!phase_is_final(pod->object->tree))
        pod_event(pod, NULL, true, pod->refused, "%s", why);
}

void pod_run(struct pod *pod)
{
    pod_refuse(pod);
    pod->stop = pod_deleting(pod->object->tree) || phase_is_final(pod->object->tree) || pod->refused;
    pod_containers_resume(pod);
    pod_resize_begin(pod);
    pod_tick(pod);
}

void pod_update(struct pod *pod, struct value *object)
{
    const struct value *before = value_get(pod->object->tree, "metadata");
    const struct value *now = value_get(object, "metadata");
    bool changed = !value_equal(value_get(before, "labels"), value_get(now, "labels")) ||
                   !value_equal(value_get(before, "annotations"), value_get(now, "annotations"));

    pod_tree_free(pod->object);
    pod->object = pod_tree_new(object);
    if (pod_deleting(object))
        pod->stop = true;
    pod_containers_changed(pod);
    pod_resize_changed(pod);
    /* Labels and annotations may stand in files. */
    if (pod->refresh_ms && changed)
        pod->refresh_ms = pod_now_ms(pod);
    pod_tick(pod);
}

void pod_vanished(struct pod *pod)
{
    pod->vanished = true;
    pod->stop = true;
    pod_tick(pod);
}

void pod_abandon(struct pod *pod)
{
    pod->abandoned = true;
    references_fetch_cancel(pod->fetch);
    pod->fetch = NULL;
    if (pod->call)
        client_call_cancel(pod->call);
    pod->call = NULL;
    pod_containers_detach(pod);
    pod_tick(pod);
}

const char *pod_id(const struct pod *pod)
{
    return pod_uid(pod->object->tree);
}

const struct value *pod_object(const struct pod *pod)
{
    return pod->object->tree;
}

const char *pod_cgroup(const struct pod *pod)
{
    return pod->cgroup;
}

int64_t pod_start_ns(const struct pod *pod)
{
    return pod->start_ns;
}
