/* SPDX-License-Identifier: Apache-2.0 */
/* Which pod a proxy goes to, and by way of which node. */
#ifndef KNARR_APISERVER_PROXY_TARGET_H
#define KNARR_APISERVER_PROXY_TARGET_H

#include "apiserver/proxy_head.h"
#include "apiserver/request.h"

struct proxy_target {
    const char *url;  /* of the pod's node: ask it there to be connected */
    const char *host; /* "10.244.0.7:80", "[fd00::7]:80": the pod's, for headers */
};
/*
 * Of the pod or the service in the path, in the request's pool. Errors in upstream's words: ERROR_NOT_FOUND;
 * ERROR_BAD_REQUEST for a bad name or a pod without an address; ERROR_UNAVAILABLE when a service has no such port, or
 * nobody ready there. Endpoints that are no pod of the namespace are never gone to, as upstream: whoever may write
 * EndpointSlices could else reach what only the server can.
 */
int proxy_target_find(struct request *req, struct proxy_target *ret_target, struct error *err);

#endif
