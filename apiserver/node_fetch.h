/* SPDX-License-Identifier: Apache-2.0 */
/* A GET from a node server whose whole answer is wanted. */
#ifndef KNARR_APISERVER_NODE_FETCH_H
#define KNARR_APISERVER_NODE_FETCH_H

#include "apiserver/server_internal.h"

struct node_fetch;
/* Called once, later. err NULL: any status, and the whole body. Else: http_client.h's errors, ERROR_TOO_LARGE. The
 * texts are borrowed during the call. */
typedef void node_fetch_done(void *arg, int status, const char *content_type, struct slice body,
                             const struct error *err);
/* On the front's loop. `max`: bytes of the body. */
struct node_fetch *node_fetch_start(struct front *front, const char *url, unsigned timeout_ms, size_t max,
                                    node_fetch_done *done, void *arg);
/* done is not called any more. NULL is allowed; after done it must not be called. */
void node_fetch_cancel(struct node_fetch *fetch);
/* The type under which a node's answer may be shown, what it said or plain text. A node that was taken over must not
 * serve pages in the server's name: to a browser they would be the Dashboard's own, with the viewer's certificate. */
const char *node_fetch_shown_type(const char *said);

#endif
