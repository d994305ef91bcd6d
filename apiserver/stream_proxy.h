/* SPDX-License-Identifier: Apache-2.0 */
/* pods/exec, attach and portforward, and upgrades through proxies: streams that are passed on to a pod's node. */
#ifndef KNARR_APISERVER_STREAM_PROXY_H
#define KNARR_APISERVER_STREAM_PROXY_H

#include "apiserver/server_internal.h"

/* Joins a client's connection, upgraded (NULL: he was gone), with one of a node until one of them ends. Both are its
 * own from now on. */
void stream_proxy_join(struct front *front, struct http_socket *client, struct http_socket *node);
/* proxy.c: whether a request's body is read while it is handled. By the raw target. */
bool proxy_body_streams(struct slice method, struct slice target);
/* The server stops: cuts the answers that still come through proxies. */
void proxy_end_all(struct front *front);
/* The server stops: cuts the streams of a front, which nobody could go on with. */
void stream_proxy_end(struct front *front);

#endif
