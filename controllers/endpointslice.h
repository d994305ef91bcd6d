/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlices: endpoints as discovery.k8s.io/v1 tells them. Two controllers make slices of the same form: of pods
 * for Services with a selector, of Endpoints that users made for Services without one.
 */
#ifndef KNARR_CONTROLLERS_ENDPOINTSLICE_H
#define KNARR_CONTROLLERS_ENDPOINTSLICE_H

#include "controllers/endpoint.h"

#define ENDPOINTSLICE_SERVICE  "kubernetes.io/service-name"
#define ENDPOINTSLICE_MANAGER  "endpointslice.kubernetes.io/managed-by"
#define ENDPOINTSLICE_HEADLESS "service.kubernetes.io/headless"

/* ---- endpoints into slices (endpointslice_fill.c) ---- */

struct slice_fill;
struct slice_fill_options {
    const struct view *owner; /* of the slices; plan events are about it */
    const char *service;      /* its name starts theirs */
    const char *manager;      /* value of their managed-by label: other slices are left alone */
    struct slice labels;      /* JSON object */
    struct slice annotations; /* the same; len 0 = slices' annotations are nobody's business */
    size_t max;               /* endpoints in a slice */
    bool keep_one;            /* without endpoints there is one empty slice instead of none */
};
/* `options` must outlive it. */
struct slice_fill *slice_fill_new(const struct slice_fill_options *options);
void slice_fill_free(struct slice_fill *f);
/* `ports` as endpoint_ports has them, taken over. Of two that are the same, one that is not ready counts. */
void slice_fill_add(struct slice_fill *f, const struct endpoint *e, char *ports);
/* Plans what makes the slices (those of the owner) hold these endpoints. An endpoint stays in the slice it is in;
 * slices that are right already are not written. */
void slice_fill_plan(struct slice_fill *f, const struct view *const *slices, size_t count, struct plan *plan);

/* ---- for Services (endpointslice.c) ---- */

#define ENDPOINTSLICE_MAX 100 /* endpoints in a slice, as upstream */

/* A Service, the pods its selector chooses, and the slices that it owns. */
struct endpointslice_view {
    const struct view *service;
    const struct view *const *pods;
    size_t pod_count;
    const struct view *const *slices;
    size_t slice_count;
};
void endpointslice_plan(const struct endpointslice_view *in, struct plan *plan);

extern const struct controller endpointslice_controller;

/* ---- for Endpoints (endpointslice_mirroring.c) ---- */

#define MIRRORING_MAX 1000 /* endpoints in a mirrored slice, as upstream */

/* An Endpoints object, the Service of its name (NULL = none), and the slices that the object owns. */
struct mirroring_view {
    const struct view *endpoints;
    const struct view *service;
    const struct view *const *slices;
    size_t slice_count;
};
void mirroring_plan(const struct mirroring_view *in, struct plan *plan);

extern const struct controller endpointslice_mirroring_controller;

#endif
