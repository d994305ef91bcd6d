/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What requests that become a WebSocket have in common: who asks, and from where. A browser cannot set an Authorization
 * header on one, so a token may stand among the subprotocols, as upstream's
 * "base64url.bearer.authorization.k8s.io.<token>"; it is never echoed nor passed on.
 */
#ifndef KNARR_APISERVER_UPGRADE_H
#define KNARR_APISERVER_UPGRADE_H

#include "apiserver/request.h"
#include "lib/websocket_conn.h"

/* The token among the subprotocols of a WebSocket request, decoded, in the pool; data NULL when there is none.
 * ERROR_UNAUTHORIZED when there are several, or a bad one, or nothing beside it that could be echoed. */
int upgrade_bearer(struct request *req, struct slice *ret_token, struct error *err);
/* The subprotocols without the token; at most WEBSOCKET_PROTOCOLS_MAX. */
size_t upgrade_protocols(const struct request *req, struct slice *ret_protocols);
/* The page that asks is of this server, or there is none. */
bool upgrade_same_origin(const struct request *req);
/*
 * A browser shows a client certificate to any page's WebSocket, and pages of one origin may open one to another, so who
 * is known by a certificate must come from this server's own pages, or from no page. Tokens are given by the page
 * itself and need no such rule. ERROR_FORBIDDEN.
 */
int upgrade_check_origin(const struct request *req, struct error *err);

#endif
