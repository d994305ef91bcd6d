/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod asks of its node. Upstream's sum: containers and restartable init containers together, or the largest
 * moment of initialisation if that is more, or what is said for the pod as a whole, plus the overhead
 * (component-helpers/resource PodRequests). While a pod is resized, what its containers have and what was asked for
 * count, whichever is more; what its node will never give counts no more.
 */
#ifndef KNARR_SCHEDULER_REQUESTS_H
#define KNARR_SCHEDULER_REQUESTS_H

#include "scheduler/view.h"

/* The parts of the pod, as JSON; absent = SLICE_NONE. */
struct pod_requests {
    struct slice containers;
    struct slice init_containers;
    struct slice whole; /* spec.resources.requests */
    struct slice overhead;
    struct slice statuses; /* status.containerStatuses */
    struct slice init_statuses;
    struct slice conditions;
};
struct resources pod_requests(const struct pod_requests *parts);
/* An object of quantities; what is none is left out. */
struct resources resources_read(struct slice list);

#endif
