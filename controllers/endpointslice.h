/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlices: which pods stand behind a Service, as discovery.k8s.io/v1 tells it. */
#ifndef KNARR_CONTROLLERS_ENDPOINTSLICE_H
#define KNARR_CONTROLLERS_ENDPOINTSLICE_H

#include "controllers/runner.h"

#define ENDPOINTSLICE_MAX 100 /* endpoints in a slice, as upstream */

/* A Service, the pods its selector chooses, and the slices that it owns. */
struct endpointslice_view {
    const struct view *service;
    const struct view *const *pods;
    size_t pod_count;
    const struct view *const *slices;
    size_t slice_count;
};
/* An endpoint stays in the slice it is in; slices that are right already are not written. */
void endpointslice_plan(const struct endpointslice_view *in, struct plan *plan);

/* Whether the Service's slices are the controller's business: it has a selector and is no ExternalName. */
bool endpointslice_wants(const struct view *service);

extern const struct controller endpointslice_controller;

#endif
