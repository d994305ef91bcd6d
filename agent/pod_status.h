/* SPDX-License-Identifier: Apache-2.0 */
/* PodStatus from facts: what the runtime knows, in upstream's words. Pure: no clock, no files. */
#ifndef KNARR_AGENT_POD_STATUS_H
#define KNARR_AGENT_POD_STATUS_H

#include "agent/pod_spec.h"
#include "agent/runtime.h"
#include "api/value.h"

/* One container of the spec. `current` is the newest attempt, `last` the one before it; both may be NULL. */
struct container_facts {
    const char *name;
    const char *image; /* as the spec has it */
    enum container_kind kind;
    bool sidecar;
    const struct runtime_container *current;
    const struct runtime_container *last;
    unsigned restarts;
    const struct value *allocated; /* resources that were set aside for it; NULL = nothing is told of them */
    const struct value *actual;    /* those that it was given, as long as it runs */
    bool starting;                 /* it runs, but its startup probe has not succeeded yet */
    bool unready;                  /* it runs, but its readiness probe does not hold */
    /* Set: it is about to be (re)started and waits for this ("CrashLoopBackOff"); `current` has ended and becomes the
     * last state. */
    const char *waiting_reason;
    const char *waiting_message; /* NULL = none */
};

struct status_facts {
    const struct container_facts *containers; /* by kind, in the spec's order */
    size_t count;
    bool sandbox_ready;
    bool finished;      /* nothing of it will ever run again */
    const char *pod_ip; /* NULL = none */
    const char *host_ip;
    int64_t now_ns;
    int64_t start_ns; /* when this node took the pod */
    /* A change of its resources that waits, and one that is being carried out. */
    const char *resize_pending; /* "Deferred", "Infeasible"; NULL = none */
    const char *resize_why;
    int64_t resize_pending_generation;
    bool resizing;
    const char *resize_error; /* NULL = none */
    int64_t resizing_generation;
    /* Set when the node itself failed the pod: phase Failed with these. */
    const char *reason;
    const char *message;
};

/* The whole status but for the conditions of others, which decide readiness gates all the same: those of `pod` count.
 * `before` is the status made before (NULL = none): transition times move only when a status does, lastState of
 * containers this node knows nothing of stays. */
struct value *pod_status_make(const struct value *pod, const struct value *before, const struct status_facts *facts);

/* Pending, Running, Succeeded, Failed. */
const char *pod_phase(const struct value *pod, const struct status_facts *facts);

#endif
