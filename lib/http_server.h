/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS server: libh2o 2.2.5 on the loop of each front thread, HTTP/1.1 only. What that library needs to be safe (quiet
 * shutdown, re-armed reading, own chunk framing, write timers, caps) is done inside and explained in http_server.c.
 */
#ifndef KNARR_LIB_HTTP_SERVER_H
#define KNARR_LIB_HTTP_SERVER_H

#include "lib/http.h"

/* By the method and the raw target. */
typedef bool http_body_streams(struct slice method, struct slice target);

struct http_server_options {
    const char *address; /* "0.0.0.0", "127.0.0.1", "::" */
    uint16_t port;       /* 0 = any free one */
    /* PEM texts. */
    struct slice certificate;
    struct slice key;
    struct slice client_ca;           /* who may sign client certificates; empty = none is asked for */
    bool client_certificate_required; /* refuse the handshake without a verified one (the node server) */
    /* Which requests are handled before their body has come (http_body_start); NULL = none. Of any thread. There is one
     * choice for all servers of a process. */
    http_body_streams *body_streams;
    size_t body_max;        /* larger bodies are answered 413; 0 = 3 MiB */
    size_t connections_max; /* 0 = nine tenths of the descriptors that the process may have */
    /* Of one address, before it has shown who it is: connections at once (0 = a quarter of connections_max, 1024 at
     * most). All such connections together are half of connections_max at most. */
    size_t guests_max;
    /* Bytes of requests that are not whole yet, of one front; beyond it who brings most is cut. 0 = 256 MiB */
    size_t reading_max;
    unsigned write_timeout_s; /* a peer that takes nothing for so long is cut; 0 = 60 */
    unsigned silence_s;       /* a peer whose host shows no sign of life for so long is given up; 0 = 30 */
};

struct http_listener; /* one bound socket, shared by all fronts */
struct http_server;   /* one front: its loop's share of the work */

/* Binds and listens. The options' texts are copied. */
int http_listener_open(const struct http_server_options *options, struct http_listener **ret_listener,
                       struct error *err);
uint16_t http_listener_port(const struct http_listener *listener);
/* New certificate and key for connections from now on. From any thread. */
int http_listener_set_certificate(struct http_listener *listener, struct slice certificate, struct slice key,
                                  struct error *err);
/* After all its servers are gone. */
void http_listener_free(struct http_listener *listener);

/* Starts to accept on this loop; call on the loop's thread or before it runs. */
struct http_server *http_server_start(struct http_listener *listener, struct loop *loop, http_handler *handler,
                                      void *arg);
/* Stops accepting, closes idle connections, cuts the rest after grace_ms, then calls done. On the loop's thread. */
void http_server_stop(struct http_server *server, unsigned grace_ms, void (*done)(void *arg), void *arg);
void http_server_free(struct http_server *server);
size_t http_server_connections(const struct http_server *server);

#endif
