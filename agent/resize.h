/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizes of pods that run: what is asked for, what this node has agreed to (allocated) and what a container was given
 * (actual) are three sets of resources, {"requests":{...},"limits":{...}}; of these only cpu and memory ever differ.
 * Here is how they are compared and judged, as the kubelet does. Pure.
 */
#ifndef KNARR_AGENT_RESIZE_H
#define KNARR_AGENT_RESIZE_H

#include "agent/cgroup.h"
#include "api/value.h"

/* Whether cpu and memory are the same in both. NULL = nothing is stated. */
bool resize_same(const struct value *a, const struct value *b);
/* Whether the container must be started anew to go from one to the other: by its resizePolicy. */
bool resize_needs_restart(const struct value *container, const struct value *from, const struct value *to);
/* Gives the container the cpu and memory of `resources`, and leaves all else. */
void resize_set(struct value *container, const struct value *resources);
/* What the API server has as the node's word of a container (an item of status.containerStatuses): what was allocated,
 * when nothing here remembers it. What its spec (`own`: its resources) limits stays limited, whatever that says. NULL =
 * it says nothing. Caller frees. */
struct value *resize_of_status(const struct value *status, const struct value *own);
/* A resize changes these containers: the pod's own and sidecars. */
bool resize_is_possible(const struct value *container, bool init);

/* cpu in thousandths, memory in bytes. */
struct resize_amounts {
    int64_t cpu_milli;
    int64_t memory;
};
/* What the pod asks of its node: the sum of what runs together, or the largest moment of initialisation if that is
 * more, and the overhead. */
struct resize_amounts resize_pod_requests(const struct value *pod);

enum resize_verdict {
    RESIZE_FITS,
    RESIZE_DEFERRED,   /* later, when others have gone */
    RESIZE_INFEASIBLE, /* the node is too small */
};
/* Whether a pod that has `now` may have `wanted`, where `others` is what all other pods have of `room`. What does not
 * grow always fits. `why`: in the kubelet's words, when it does not. */
enum resize_verdict resize_judge(const struct resize_amounts *now, const struct resize_amounts *wanted,
                                 const struct resize_amounts *others, const struct resize_amounts *room,
                                 struct buf *why);

/* Each of the limits becomes the wider one of both. */
void resize_widen(struct cgroup_limits *to, const struct cgroup_limits *other);
bool resize_limits_equal(const struct cgroup_limits *a, const struct cgroup_limits *b);
/* Whether memory becomes less: from no limit to one, too. */
bool resize_narrows_memory(const struct cgroup_limits *from, const struct cgroup_limits *to);

/* The pod's resources as events tell them: {"containers":[...],"generation":2,"error":"..."}; error NULL = none. */
void resize_write_event(const struct value *pod, int64_t generation, const char *error, struct buf *out);

#endif
