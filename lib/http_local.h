/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP without a socket: a request made in this process reaches a handler as if it had come over the wire, and the
 * answer comes back in callbacks. The in-process transport of client/ and the handlers' tests stand on it.
 *
 * All functions and callbacks are of the handler's loop (`loop`); crossing threads is the caller's business.
 */
#ifndef KNARR_LIB_HTTP_LOCAL_H
#define KNARR_LIB_HTTP_LOCAL_H

#include "lib/http.h"

struct http_local_request {
    struct slice method;
    struct slice path;  /* raw */
    struct slice query; /* raw */
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    const struct http_peer *peer; /* copied */
};

struct http_local_events {
    void (*head)(void *arg, int status, const char *content_type, const struct http_header *headers,
                 size_t header_count);
    void (*data)(void *arg, struct refbuf *data);
    /* Complete (false) or cut (true); exactly once, last. */
    void (*end)(void *arg, bool aborted);
};

struct http_local;

/* Copies the request and runs the handler before it returns. The answer may come from inside this call; when `end` came
 * so, NULL is returned. A handler that takes the connection over gets none: the call ends as aborted. */
struct http_local *http_local_start(struct loop *loop, http_handler *handler, void *handler_arg,
                                    const struct http_local_request *request, const struct http_local_events *events,
                                    void *arg);
/* The peer leaves: the handler sees it as a closed connection, on a later turn; no event follows. Not after `end`. May
 * be called from inside `head` and `data`. */
void http_local_cancel(struct http_local *local);

#endif
