/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two connections made one, byte by byte, nothing looked at: what an API server does with a stream between a client and
 * a node, and a node with one to a pod.
 */
#ifndef KNARR_LIB_HTTP_JOIN_H
#define KNARR_LIB_HTTP_JOIN_H

#include "lib/http.h"

struct http_join;
/*
 * Both sockets are the join's from now on, not started yet. When one closes, the other sends what it has and closes,
 * too; when nothing comes for idle_ms, both are cut. `done` is called once, last, when both are closed; the requests
 * that they came from may be gone by then.
 */
struct http_join *http_join_start(struct loop *loop, struct http_socket *a, struct http_socket *b, uint64_t idle_ms,
                                  void (*done)(void *arg), void *arg);
/* Cuts both; `done` follows from the loop. */
void http_join_cut(struct http_join *join);
/* Cuts a socket that nobody has started and nobody wants. */
void http_socket_discard(struct http_socket *socket);

#endif
