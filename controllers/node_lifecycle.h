/* SPDX-License-Identifier: Apache-2.0 */
/* Node lifecycle: a node that stops renewing its Lease is Unknown, tainted, and emptied. */
#ifndef KNARR_CONTROLLERS_NODE_LIFECYCLE_H
#define KNARR_CONTROLLERS_NODE_LIFECYCLE_H

#include "controllers/runner.h"

struct node_view {
    const struct view *node;
    /* Pods bound to it. */
    const struct view *const *pods;
    size_t pod_count;
    int64_t now;      /* wall, nanoseconds */
    int64_t silent_s; /* since the Lease (or the Ready condition) was last seen to change */
    int64_t grace_s;
    int64_t taints_s; /* since the present NoExecute taints were first seen */
    bool never;       /* it has not reported yet */
};
void node_lifecycle_plan(const struct node_view *in, struct plan *plan);

/* Seconds a pod may stay beside these taints (raw lists): 0 = none, -1 = for ever. */
int64_t taint_stay(struct slice taints, struct slice tolerations);

extern const struct controller node_lifecycle_controller;

#endif
