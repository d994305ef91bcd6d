/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PodStatus from facts. A container is in one of three states, and the pod's phase and conditions follow from theirs:
 *
 *     no attempt, or waiting_reason set   -> waiting   (ContainerCreating, PodInitializing, CrashLoopBackOff ...)
 *     attempt runs                        -> running
 *     attempt has ended                   -> terminated (Completed, Error, OOMKilled, StartError ...)
 */
#include "agent/pod_status.h"

#include "agent/pod_spec.h"
#include "agent/image_ref.h"
#include "lib/clock.h"

enum state { WAITING, RUNNING, TERMINATED };

static enum state state_of(const struct container_facts *c)
{
    if (c->waiting_reason || !c->current || c->current->state == RUNTIME_CREATED)
        return WAITING;
    return c->current->state == RUNTIME_RUNNING ? RUNNING : TERMINATED;
}

static bool succeeded(const struct container_facts *c)
{
    return c->current && state_of(c) == TERMINATED && c->current->exit_code == 0;
}

static bool is_started(const struct container_facts *c)
{
    return state_of(c) == RUNNING && !c->starting;
}

/* Has it done its part of starting the pod? */
static bool init_complete(const struct container_facts *c)
{
    return c->sidecar ? is_started(c) : succeeded(c);
}

static bool is_ready(const struct container_facts *c)
{
    return c->kind == CONTAINER_INIT && !c->sidecar ? succeeded(c) : is_started(c) && !c->unready;
}

/* Init containers that have ended are of the past; ephemeral ones are guests. */
static bool is_ready_or_past(const struct container_facts *c)
{
    return (c->kind == CONTAINER_INIT && !c->sidecar) || c->kind == CONTAINER_EPHEMERAL || is_ready(c);
}

/* Once one of the pod's own containers was made, the pod has been initialized, whatever becomes of its sidecars. */
static bool init_is_past(const struct status_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++)
        if (facts->containers[i].kind == CONTAINER_APP && (facts->containers[i].current || facts->containers[i].last))
            return true;
    return false;
}

/* ---- phase ---- */

struct tally {
    size_t waiting; /* never ran */
    size_t restarting;
    size_t running;
    size_t failed;
    size_t succeeded;
};

static void tally_add(struct tally *t, const struct container_facts *c)
{
    switch (state_of(c)) {
    case RUNNING:
        t->running++;
        break;
    case TERMINATED:
        if (c->current->exit_code)
            t->failed++;
        else
            t->succeeded++;
        break;
    default:
        if (c->current || c->last)
            t->restarting++;
        else
            t->waiting++;
    }
}

static const char *phase_of_initializing(const struct status_facts *facts, const char *policy, bool *ret_decided)
{
    *ret_decided = true;
    for (size_t i = 0; i < facts->count && !init_is_past(facts); i++) {
        const struct container_facts *c = &facts->containers[i];

        if (c->kind != CONTAINER_INIT || init_complete(c))
            continue;
        if (facts->finished && c->sidecar)
            continue;
        if (state_of(c) == TERMINATED && !strcmp(policy, "Never") && !c->sidecar)
            return "Failed";
        return "Pending";
    }
    *ret_decided = false;
    return NULL;
}

/* Where the pod's own containers have brought it. */
static const char *phase_of_containers(const struct status_facts *facts, const char *policy)
{
    struct tally t = {0};
    const char *phase;
    bool decided;

    phase = phase_of_initializing(facts, policy, &decided);
    if (decided)
        return phase;
    for (size_t i = 0; i < facts->count; i++)
        if (facts->containers[i].kind == CONTAINER_APP)
            tally_add(&t, &facts->containers[i]);
    if (t.waiting)
        return "Pending";
    if (t.running || t.restarting)
        return "Running";
    if (!strcmp(policy, "Always") && !facts->finished)
        return "Running";
    if (!t.failed)
        return "Succeeded";
    return !strcmp(policy, "Never") || facts->finished ? "Failed" : "Running";
}

static bool any_runs(const struct status_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++)
        if (state_of(&facts->containers[i]) == RUNNING)
            return true;
    return false;
}

/* A final phase is said when nothing runs any more, sidecars and guests neither: what it held is free then. */
const char *pod_phase(const struct value *pod, const struct status_facts *facts)
{
    const char *phase = facts->reason ? "Failed" : phase_of_containers(facts, pod_restart_policy(pod));

    if (facts->reason || !any_runs(facts) || (strcmp(phase, "Succeeded") != 0 && strcmp(phase, "Failed") != 0))
        return phase;
    return init_is_past(facts) ? "Running" : "Pending";
}

/* ---- containers ---- */

static void set_time(struct value *v, const char *name, int64_t ns)
{
    char text[TIME_TEXT_MAX];

    if (!ns) {
        value_set(v, name, value_new_null());
        return;
    }
    time_format_seconds(ns, text);
    value_set_str(v, name, text);
}

static void set_container_id(struct value *v, const struct runtime_container *c)
{
    char *id CLEANUP_FREE = mem_printf("knarr://%s", c->id);

    value_set_str(v, "containerID", id);
}

static const char *end_reason(const struct runtime_container *c)
{
    if (c->reason && *c->reason)
        return c->reason;
    if (c->oom_killed)
        return "OOMKilled";
    return c->exit_code ? "Error" : "Completed";
}

static struct value *terminated_state(const struct runtime_container *c)
{
    struct value *state = value_new_object();
    struct value *v = value_need_object(state, "terminated");

    value_set(v, "exitCode", value_new_int(c->exit_code));
    value_set_str(v, "reason", end_reason(c));
    if (c->message && *c->message)
        value_set_str(v, "message", c->message);
    set_time(v, "startedAt", c->started_ns);
    set_time(v, "finishedAt", c->finished_ns);
    set_container_id(v, c);
    return state;
}

static struct value *waiting_state(const struct status_facts *facts, const struct container_facts *c)
{
    struct value *state = value_new_object();
    struct value *v = value_need_object(state, "waiting");
    bool has_init = facts->count && facts->containers[0].kind == CONTAINER_INIT;

    value_set_str(v, "reason",
                  c->waiting_reason ? c->waiting_reason
                  : has_init        ? "PodInitializing"
                                    : "ContainerCreating");
    if (c->waiting_reason && c->waiting_message)
        value_set_str(v, "message", c->waiting_message);
    return state;
}

static struct value *running_state(const struct runtime_container *c)
{
    struct value *state = value_new_object();

    set_time(value_need_object(state, "running"), "startedAt", c->started_ns);
    return state;
}

static void set_last_state(struct value *v, const struct container_facts *c, const struct value *before)
{
    const struct runtime_container *last = c->waiting_reason && c->current ? c->current : c->last;

    if (last && last->state == RUNTIME_EXITED)
        value_set(v, "lastState", terminated_state(last));
    else if (!c->current && value_get(before, "lastState"))
        value_set(v, "lastState", value_copy(value_get(before, "lastState")));
    else
        value_set(v, "lastState", value_new_object());
}

static void set_image(struct value *v, const struct container_facts *c, const struct runtime_container *shown)
{
    IMAGE_REF_LOCAL(ref);
    char *name CLEANUP_FREE = NULL;

    /* Once it runs, the full name, as a runtime reports it. */
    if (shown && image_ref_parse(slice_str(c->image), &ref, NULL) == 0)
        name = image_ref_name(&ref);
    value_set_str(v, "image", name ? name : c->image);
    value_set_str(v, "imageID", shown ? shown->image_id : "");
}

static void set_resources(struct value *v, const struct container_facts *c)
{
    const struct value *requests = value_get(c->allocated, "requests");
    const struct value *shown = state_of(c) == RUNNING && c->actual ? c->actual : c->allocated;

    if (!shown)
        return;
    if (value_count(requests))
        value_set(v, "allocatedResources", value_copy(requests));
    value_set(v, "resources", value_copy(shown));
}

static struct value *container_status(const struct status_facts *facts, const struct container_facts *c,
                                      const struct value *before)
{
    struct value *v = value_new_object();
    const struct runtime_container *shown = c->current ? c->current : c->last;
    enum state state = state_of(c);

    value_set_str(v, "name", c->name);
    value_set(v, "state",
              state == RUNNING      ? running_state(c->current)
              : state == TERMINATED ? terminated_state(c->current)
                                    : waiting_state(facts, c));
    set_last_state(v, c, before);
    value_set(v, "ready", value_new_bool(c->kind != CONTAINER_EPHEMERAL && is_ready(c)));
    value_set(v, "restartCount", value_new_int(c->restarts));
    set_image(v, c, shown);
    if (shown && shown->id && *shown->id)
        set_container_id(v, shown);
    if (c->kind != CONTAINER_EPHEMERAL)
        value_set(v, "started", value_new_bool(is_started(c)));
    return v;
}

static void set_containers(struct value *status, const struct value *before, const struct status_facts *facts)
{
    for (size_t i = 0; i < facts->count; i++) {
        const struct container_facts *c = &facts->containers[i];
        const char *list = container_status_list(c->kind);
        struct value *v = container_status(facts, c, container_named(value_get(before, list), c->name));

        set_resources(v, c);
        value_append(value_need_array(status, list), v);
    }
}

/* ---- conditions ---- */

struct condition {
    const char *type;
    bool status;
    const char *reason; /* NULL = none */
    const char *message;
    int64_t generation; /* 0 = that of the pod */
};

static const struct value *find_condition(const struct value *list, const char *type)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "type")), type))
            return value_at(list, i);
    return NULL;
}

static void add_condition(struct value *list, const struct value *before, const struct condition *c,
                          const struct status_facts *facts, int64_t generation)
{
    const struct value *old = find_condition(before, c->type);
    const char *status = c->status ? "True" : "False";
    const struct value *since = value_get(old, "lastTransitionTime");
    struct value *v = value_new_object();

    value_set_str(v, "type", c->type);
    if (c->generation || generation)
        value_set(v, "observedGeneration", value_new_int(c->generation ? c->generation : generation));
    value_set_str(v, "status", status);
    value_set(v, "lastProbeTime", value_new_null());
    if (value_str(since) && slice_is(value_string(value_get(old, "status")), status))
        value_set(v, "lastTransitionTime", value_copy(since));
    else
        set_time(v, "lastTransitionTime", facts->now_ns);
    if (c->reason)
        value_set_str(v, "reason", c->reason);
    if (c->message)
        value_set_str(v, "message", c->message);
    value_append(list, v);
}

/* "containers with unready status: [a b]", or nothing when there are none. */
static char *list_lacking(const struct status_facts *facts, bool (*fine)(const struct container_facts *c),
                          const char *what)
{
    BUF_LOCAL(text);

    for (size_t i = 0; i < facts->count; i++)
        if (!fine(&facts->containers[i]))
            buf_printf(&text, "%s%s", text.len ? " " : "", facts->containers[i].name);
    return text.len ? mem_printf("containers with %s status: [%s]", what, buf_cstr(&text)) : NULL;
}

static bool is_initialized(const struct container_facts *c)
{
    return c->kind != CONTAINER_INIT || init_complete(c);
}

/* What the pod's readiness gates lack, or nothing. */
static char *list_gates(const struct value *pod)
{
    const struct value *conditions = value_path(pod, "status", "conditions", NULL);
    const struct value *gates = value_path(pod, "spec", "readinessGates", NULL);
    BUF_LOCAL(text);

    for (size_t i = 0; i < value_count(gates); i++) {
        const char *type = object_text(value_at(gates, i), "conditionType");
        const struct value *condition = find_condition(conditions, type ? type : "");
        struct slice status = value_string(value_get(condition, "status"));

        if (slice_is(status, "True"))
            continue;
        buf_append_str(&text, text.len ? ", " : "");
        if (condition)
            buf_printf(&text, "the status of pod readiness gate \"%s\" is not \"True\", but %.*s", type,
                       SLICE_ARGS(status));
        else
            buf_printf(&text, "corresponding condition of pod readiness gate \"%s\" does not exist.", type ? type : "");
    }
    return text.len ? buf_steal_str(&text) : NULL;
}

/* They are there while they hold. */
static void add_resize_conditions(struct value *list, const struct value *before, const struct status_facts *facts)
{
    if (facts->resize_pending)
        add_condition(list, before,
                      &(struct condition){"PodResizePending", true, facts->resize_pending, facts->resize_why,
                                          facts->resize_pending_generation},
                      facts, 0);
    if (facts->resizing)
        add_condition(list, before,
                      &(struct condition){"PodResizeInProgress", true, facts->resize_error ? "Error" : NULL,
                                          facts->resize_error, facts->resizing_generation},
                      facts, 0);
}

static void set_conditions(struct value *status, const struct value *pod, const struct value *before,
                           const struct status_facts *facts, const char *phase)
{
    struct value *list = value_new_array();
    bool done = !strcmp(phase, "Succeeded");
    bool over = done || !strcmp(phase, "Failed");
    char *uninitialized CLEANUP_FREE = init_is_past(facts) ? NULL : list_lacking(facts, is_initialized, "incomplete");
    char *unready CLEANUP_FREE = list_lacking(facts, is_ready_or_past, "unready");
    char *gates CLEANUP_FREE = list_gates(pod);
    const char *over_reason = done ? "PodCompleted" : "PodFailed";
    bool initialized = done || !uninitialized;
    bool ready = !over && initialized && !unready;
    const char *why = ready ? NULL : over ? over_reason : "ContainersNotReady";
    const char *message = over || ready ? NULL : unready;
    const struct condition conditions[] = {
        {"PodReadyToStartContainers", facts->sandbox_ready, NULL, NULL},
        {"Initialized", initialized,
         done          ? "PodCompleted"
         : initialized ? NULL
                       : "ContainersNotInitialized",
         initialized ? NULL : uninitialized},
        {"Ready", ready && !gates, ready && gates ? "ReadinessGatesNotReady" : why, ready ? gates : message},
        {"ContainersReady", ready, why, message},
        {"PodScheduled", true, NULL, NULL},
    };
    int64_t generation = value_int(value_path(pod, "metadata", "generation", NULL));

    add_resize_conditions(list, before, facts);
    for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
        add_condition(list, before, &conditions[i], facts, generation);
    value_set(status, "conditions", list);
}

static void set_address(struct value *status, const char *one, const char *many, const char *ip)
{
    struct value *list;
    struct value *item;

    if (!ip)
        return;
    value_set_str(status, one, ip);
    list = value_need_array(status, many);
    item = value_new_object();
    value_set_str(item, "ip", ip);
    value_append(list, item);
}

struct value *pod_status_make(const struct value *pod, const struct value *before, const struct status_facts *facts)
{
    struct value *status = value_new_object();
    const char *phase = pod_phase(pod, facts);
    int64_t generation = value_int(value_path(pod, "metadata", "generation", NULL));
    const char *known_ip = object_text(before, "podIP");

    if (generation)
        value_set(status, "observedGeneration", value_new_int(generation));
    value_set_str(status, "phase", phase);
    set_conditions(status, pod, value_get(before, "conditions"), facts, phase);
    if (facts->reason)
        value_set_str(status, "reason", facts->reason);
    if (facts->message)
        value_set_str(status, "message", facts->message);
    set_address(status, "hostIP", "hostIPs", facts->host_ip);
    set_address(status, "podIP", "podIPs", facts->pod_ip ? facts->pod_ip : known_ip);
    if (object_text(before, "startTime"))
        value_set_str(status, "startTime", object_text(before, "startTime"));
    else
        set_time(status, "startTime", facts->start_ns);
    set_containers(status, before, facts);
    value_set_str(status, "qosClass", cgroup_qos_name(pod_qos(pod)));
    return status;
}
