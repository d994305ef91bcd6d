/* SPDX-License-Identifier: Apache-2.0 */
/* One request and its answer, as http_server_exchange.c and http_server_stream.c share them. Private to these. */
#ifndef KNARR_LIB_HTTP_SERVER_EXCHANGE_H
#define KNARR_LIB_HTTP_SERVER_EXCHANGE_H

#include "lib/http_server_internal.h"

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_ANSWERING, EXCHANGE_STREAMING, EXCHANGE_ENDING, EXCHANGE_UPGRADING };

struct refbufs {
    struct refbuf **items; /* from `first` */
    size_t first;
    size_t count;
    size_t cap;
    size_t bytes;
};

struct server_exchange {
    struct http_request req;
    struct http_stream stream;
    h2o_generator_t generator;
    h2o_req_t *h2o; /* NULL once disposed of */
    struct server_conn *conn;
    struct http_header *headers;
    size_t header_count;
    struct server_body request_body;
    enum exchange_state state;
    size_t armed_at; /* size of the input buffer when we began to read on */
    bool writing;    /* an h2o_send whose proceed has not come */
    bool silent;     /* HEAD: no body goes out */
    bool chunked;
    bool lingers; /* the end went out, but for that of the connection */
    h2o_timeout_entry_t later;
    struct refbuf *body; /* ANSWERING */
    size_t sent;
    struct http_stream_events events;
    void *arg;
    struct refbufs queue; /* waits */
    size_t flying;        /* bytes, encrypted, that libh2o has to send */
    void (*opened)(void *arg, struct http_socket *socket);
    void *opened_arg;
};

/* http_server_exchange.c: reads on, to see the peer leave or for the request's body. */
void server_exchange_arm(struct server_exchange *ex);
/* Status and headers, common to all answers. */
void server_exchange_begin(struct server_exchange *ex, enum exchange_state state, int status, const char *content_type,
                           const struct http_header *headers, size_t header_count);

/* http_server_stream.c */
void server_stream_init(struct http_stream *stream);
void server_stream_free(struct server_exchange *ex);
struct http_stream *server_stream_start(struct http_request *req, int status, const char *content_type,
                                        const struct http_header *headers, size_t header_count,
                                        const struct http_stream_events *events, void *arg);

#endif
