/* SPDX-License-Identifier: Apache-2.0 */
/* Endpoints (core/v1): all that stands behind a Service in one object of its name; the older form of EndpointSlices. */
#ifndef KNARR_CONTROLLERS_ENDPOINTS_H
#define KNARR_CONTROLLERS_ENDPOINTS_H

#include "controllers/endpoint.h"

#define ENDPOINTS_MAX                                                                                                  \
    1000 /* addresses in one object, as upstream; what is more is left out, and an annotation says so */
#define ENDPOINTS_MANAGER   "endpoints.kubernetes.io/managed-by"
#define ENDPOINTS_US        "endpoint-controller"
#define ENDPOINTS_TRIGGERED "endpoints.kubernetes.io/last-change-trigger-time"
#define ENDPOINTS_ELECTION  "control-plane.alpha.kubernetes.io/leader" /* it is a lock, nobody's addresses */

/* A Service, the pods its selector chooses, and the object of its name; NULL = missing. */
struct endpoints_view {
    const struct view *service;
    const struct view *const *pods;
    size_t pod_count;
    const struct view *endpoints;
};
/* Creates, changes, or does nothing; without a Service it deletes. */
void endpoints_plan(const struct endpoints_view *in, struct plan *plan);

extern const struct controller endpoints_controller;

#endif
