/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints: one address with what is told of it, whichever object tells it (EndpointSlices, Endpoints). For a Service
 * with a selector they are its pods; both controllers take them from here, so that both objects always say the same.
 *
 * Texts are raw JSON, borrowed from the views they come from: what somebody wrote is passed on as it was read.
 */
#ifndef KNARR_CONTROLLERS_ENDPOINT_H
#define KNARR_CONTROLLERS_ENDPOINT_H

#include "controllers/runner.h"

/* Members of a targetRef. */
enum { ENDPOINT_TARGET_FIELDS = 7 };

struct endpoint {
    struct slice ip;
    struct slice hostname; /* len 0 = none, as below */
    struct slice node;
    struct slice target[ENDPOINT_TARGET_FIELDS];
    bool ready;
    bool of_pod; /* the next two are known */
    bool serving;
    bool terminating;
};

/* Whether the Service's endpoints are its pods: it has a selector and is no ExternalName. */
bool service_selects(const struct view *service);
bool service_is_headless(const struct view *service);

/* ---- for mappers and reconcile ---- */

/* Adds the Services whose endpoints a change of a pod concerns: those whose selector it matches now or matched before.
 * Changes that no endpoint shows are not looked at. */
void endpoint_map_pod(struct run *run, const struct view *before, const struct view *now);
/* The pods that the Service's selector chooses; items is freed by the caller. */
void endpoint_gather_pods(struct run *run, const struct view *service, struct view_array *ret_pods);

/* ---- pure ---- */

/* False when the pod has no (IPv4) address or has ended. */
bool endpoint_of_pod(const struct view *service, const struct view *pod, struct endpoint *ret_endpoint);
/* An address of an Endpoints object, which says only whether it is ready. */
struct endpoint endpoint_of_address(struct slice address, bool ready);
/* "IPv4" or "IPv6". */
const char *endpoint_family(const struct endpoint *e);
/* The uid of what it refers to, or nothing. */
struct slice endpoint_target_uid(const struct endpoint *e);
/* Appends hostname, nodeName and targetRef, as far as they are there: as all forms of an endpoint write them. */
void endpoint_write_rest(struct buf *out, const struct endpoint *e);
/* Whether that would write the same. */
bool endpoint_same_rest(const struct endpoint *a, const struct endpoint *b);

/* A list of ports as JSON in one form, so that equal lists are equal texts; freed by the caller. A stored list, or the
 * Service's ports with the numbers that they have in the pod: a port by name that the pod does not have is left out. */
char *endpoint_ports(struct slice stored);
char *endpoint_ports_of_pod(const struct view *service, const struct view *pod);

#endif
