/* SPDX-License-Identifier: Apache-2.0 */
/* Disruption budgets: how many of a budget's pods may be evicted now. */
#ifndef KNARR_CONTROLLERS_DISRUPTION_H
#define KNARR_CONTROLLERS_DISRUPTION_H

#include "controllers/runner.h"

struct disruption_view {
    const struct view *budget;
    /* The pods that it selects, by name. */
    const struct view *const *pods;
    size_t pod_count;
    int64_t scale;      /* how many pods their controllers want together */
    const char *unsure; /* why `scale` is not known; NULL = it is */
    int64_t now;        /* nanoseconds */
};
/* Brings the status up to date, on the condition that no eviction changed it meanwhile. */
void disruption_plan(const struct disruption_view *in, struct plan *plan);

extern const struct controller disruption_controller;

#endif
