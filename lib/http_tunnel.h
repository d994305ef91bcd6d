/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client's request to upgrade (WebSocket, SPDY), and the connection that comes of it as an http_socket, the same
 * thing that a server gets from http_take_over. It uses the settings of an http_client (authorities, certificate,
 * proxy), and libcurl makes the connection and verifies the peer as for any other call; only what follows is our own.
 *
 * No event comes from inside a call of ours, but for http_client_free, which ends all tunnels of the client.
 */
#ifndef KNARR_LIB_HTTP_TUNNEL_H
#define KNARR_LIB_HTTP_TUNNEL_H

#include "lib/http_client.h"

struct http_tunnel_options {
    const char *method;
    const char *url;
    const struct http_header *headers; /* `upgrade` among them; `host` and `connection` are added */
    size_t header_count;
    unsigned timeout_ms; /* until the answer; 0 = 30 s */
    bool plain; /* only the connection to the URL's host and port: nothing is asked, and the answer has no status */
};

struct http_tunnel_answer {
    int status; /* 0 = none came, see err */
    const struct http_header *headers;
    size_t header_count;
    struct slice body;          /* of a refusal, at most 64 KiB of it */
    struct http_socket *socket; /* status 101, or plain: to be started by the caller, whose it is now; else NULL */
    const struct error *err;    /* codes as of http_client_call */
};

struct http_tunnel;
/* `opened` is called exactly once, unless cancelled before; all but the socket is valid during the call only. */
struct http_tunnel *http_tunnel_open(struct http_client *client, const struct http_tunnel_options *options,
                                     void (*opened)(void *arg, const struct http_tunnel_answer *answer), void *arg);
/* Before `opened`; it does not come any more. */
void http_tunnel_cancel(struct http_tunnel *tunnel);

#endif
