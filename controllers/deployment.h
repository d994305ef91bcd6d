/* SPDX-License-Identifier: Apache-2.0 */
/* Deployment: rolls its ReplicaSets from one pod template to the next. */
#ifndef KNARR_CONTROLLERS_DEPLOYMENT_H
#define KNARR_CONTROLLERS_DEPLOYMENT_H

#include "controllers/runner.h"

struct deployment_view {
    const struct view *deployment;
    /* The ReplicaSets of its namespace that are its own or nobody's. */
    const struct view *const *sets;
    size_t set_count;
    /* Pods of its ReplicaSets; only Recreate looks at them. */
    const struct view *const *pods;
    size_t pod_count;
    /* The ReplicaSet of that name in the namespace, whoever owns it; NULL = free. */
    const struct view *(*find)(void *arg, struct slice name);
    void *arg;
    int64_t now; /* nanoseconds */
};
void deployment_plan(const struct deployment_view *in, struct plan *plan);

extern const struct controller deployment_controller;

#endif
