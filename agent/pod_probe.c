/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The probes and hooks of a pod's containers: agent/probe.c says when, agent/handler.c does it, this file draws the
 * consequences. Liveness and readiness wait until the startup probe has succeeded; all of them belong to one run of a
 * container and are forgotten with it.
 */
#include "agent/pod_internal.h"

#include "agent/agent_metrics.h"
#include "agent/pod_spec.h"
#include "lib/random.h"

#define SHIFT_PART 10 /* the rhythm moves by up to a tenth of the period, once */

bool pod_probe_passed(const struct pod_container *c, enum probe_kind kind)
{
    return !c->probes[kind].wanted || c->probes[kind].machine.result == PROBE_GOOD;
}

bool pod_container_started(const struct pod_container *c)
{
    return c->state == CONTAINER_RUNNING && pod_probe_passed(c, PROBE_STARTUP);
}

/* ---- what was known before this agent started ---- */

/* The container's status as the API server has it, when it is about this run of it. */
static const struct value *status_of_run(const struct pod_container *c)
{
    const struct value *list = value_path(c->pod->object->tree, "status", container_status_list(c->kind), NULL);

    for (size_t i = 0; i < value_count(list); i++) {
        struct slice id = value_string(value_get(value_at(list, i), "containerID"));

        if (slice_ends(id, slice_str(c->current->id)))
            return value_at(list, i);
    }
    return NULL;
}

static enum probe_result known_result(const struct value *status, enum probe_kind kind)
{
    static const char *const members[PROBE_KINDS] = {[PROBE_STARTUP] = "started", [PROBE_READINESS] = "ready"};

    return members[kind] && value_bool(value_get(status, members[kind])) ? PROBE_GOOD : PROBE_UNKNOWN;
}

/* ---- the probes of one run ---- */

static void probe_start(struct pod_container *c, enum probe_kind kind, const struct value *status, bool adopted)
{
    struct pod_probe *p = &c->probes[kind];
    const struct value *probe = probe_find(pod_container_spec(c->pod, c), kind);
    int64_t ran_ms = (clock_wall_ns(c->pod->agent->clock) - c->current->started_ns) / NS_PER_MS;
    enum probe_result known = known_result(status, kind);
    uint64_t first = pod_now_ms(c->pod);
    uint64_t shift = 0;

    *p = (struct pod_probe){.container = c, .wanted = probe != NULL};
    if (!probe)
        return;
    probe_spec_read(probe, &p->spec);
    if (ran_ms < (int64_t)p->spec.delay_ms)
        first += p->spec.delay_ms - (ran_ms > 0 ? (uint64_t)ran_ms : 0);
    /* After a start of the agent a whole node is probed at once; what is known to be well can wait a little. */
    if (adopted && (known == PROBE_GOOD || kind == PROBE_LIVENESS))
        first += random_below(p->spec.period_ms);
    else
        shift = random_below(p->spec.period_ms / SHIFT_PART + 1);
    probe_begin(&p->machine, kind, first, shift, known);
}

/* All that are to run together do, for the first time. */
static void count_start(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++)
        if (pod->containers[i]->kind == CONTAINER_APP && pod->containers[i]->state != CONTAINER_RUNNING)
            return;
    if (!pod->start_counted)
        agent_count_pod_start(clock_wall_ns(pod->agent->clock) - pod->start_ns);
    pod->start_counted = true;
}

void pod_container_run(struct pod_container *c, bool adopted)
{
    const struct value *status = adopted ? status_of_run(c) : NULL;

    c->state = CONTAINER_RUNNING;
    for (int kind = 0; kind < PROBE_KINDS; kind++)
        probe_start(c, (enum probe_kind)kind, status, adopted);
    count_start(c->pod);
}

void pod_probes_stop(struct pod_container *c, bool all)
{
    for (int kind = 0; kind < PROBE_KINDS; kind++) {
        struct pod_probe *p = &c->probes[kind];

        if (!p->wanted || (kind == PROBE_READINESS && !all))
            continue;
        handler_cancel(p->call);
        p->call = NULL;
        probe_stop(&p->machine);
    }
}

/* ---- asking ---- */

static const char *host_of(const struct pod *pod)
{
    const char *known = value_str(value_path(pod->object->tree, "status", "podIP", NULL));

    return pod->facts.pod_ip ? pod->facts.pod_ip : known ? known : "";
}

static enum probe_result result_of(enum handler_outcome outcome)
{
    return outcome == HANDLER_ERROR ? PROBE_UNKNOWN : outcome == HANDLER_BAD ? PROBE_BAD : PROBE_GOOD;
}

static void say_answer(struct pod_probe *p, enum handler_outcome outcome, const char *text)
{
    const struct pod_container *c = p->container;
    const char *name = probe_kind_name(p->machine.kind);

    if (outcome == HANDLER_GOOD || !probe_may_speak(&p->machine, pod_now_ms(c->pod)))
        return;
    if (outcome == HANDLER_WARNING)
        pod_event(c->pod, c, true, "ProbeWarning", "%s probe warning: %s", name, text);
    else if (outcome == HANDLER_BAD)
        pod_event(c->pod, c, true, "Unhealthy", "%s probe failed: %s", name, text);
    else
        pod_event(c->pod, c, true, "Unhealthy", "%s probe errored and resulted in unknown state: %s", name, text);
}

static void answered(void *arg, enum handler_outcome outcome, const char *text)
{
    struct pod_probe *p = arg;
    struct pod_container *c = p->container;

    p->call = NULL;
    say_answer(p, outcome, text);
    (void)probe_answered(&p->machine, &p->spec, result_of(outcome));
    if (p->machine.state == PROBE_HELD)
        pod_container_condemn(c, p->machine.kind == PROBE_STARTUP ? STOP_BY_STARTUP : STOP_BY_LIVENESS,
                              p->spec.grace_s);
    pod_tick(c->pod);
}

static void ask(struct pod_probe *p)
{
    struct pod_container *c = p->container;
    const struct value *spec = pod_container_spec(c->pod, c);
    const struct handler_request request = {.action = probe_find(spec, p->machine.kind),
                                            .container = spec,
                                            .container_id = c->current->id,
                                            .host = host_of(c->pod),
                                            .timeout_ms = (unsigned)p->spec.timeout_ms};

    probe_asked(&p->machine, &p->spec, pod_now_ms(c->pod));
    p->call = handler_start(c->pod->agent->handlers, &request, answered, p);
}

void pod_probes_tick(struct pod_container *c, uint64_t *next)
{
    uint64_t now = pod_now_ms(c->pod);

    if (c->state != CONTAINER_RUNNING)
        return;
    for (int kind = 0; kind < PROBE_KINDS; kind++) {
        struct pod_probe *p = &c->probes[kind];

        if (p->wanted && (kind == PROBE_STARTUP || pod_container_started(c)) && probe_due(&p->machine, now, next))
            ask(p);
    }
}

/* ---- hooks ---- */

bool pod_hook_start(struct pod_container *c, const char *name, handler_done *done)
{
    const struct value *spec = pod_container_spec(c->pod, c);
    const struct handler_request request = {.action = value_path(spec, "lifecycle", name, NULL),
                                            .container = spec,
                                            .container_id = c->current->id,
                                            .host = host_of(c->pod),
                                            .hook = true};

    if (!request.action)
        return false;
    c->hook = handler_start(c->pod->agent->handlers, &request, done, c);
    return true;
}
