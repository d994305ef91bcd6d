/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A WebSocket connection on a loop: messages both ways over an http_socket, pings answered, the closing handshake done.
 * The same for a server (websocket_upgrade) and for a client (websocket_conn_new over a socket that was upgraded).
 */
#ifndef KNARR_LIB_WEBSOCKET_CONN_H
#define KNARR_LIB_WEBSOCKET_CONN_H

#include "lib/http.h"
#include "lib/websocket.h"

#define WEBSOCKET_PROTOCOLS_MAX 16

/* A client asks for a WebSocket: GET with "Upgrade: websocket". */
bool websocket_requested(const struct http_request *req);
/* Whether its handshake is one that can be answered; ERROR_BAD_REQUEST says what is wrong. */
int websocket_check(const struct http_request *req, struct error *err);
/* The subprotocols that it offers, in order; at most WEBSOCKET_PROTOCOLS_MAX. */
size_t websocket_protocols(const struct http_request *req, struct slice *ret_protocols);

struct websocket_conn;
struct websocket_events {
    /* A text or binary message. May be NULL: what comes is thrown away. */
    void (*message)(void *arg, enum websocket_opcode opcode, struct slice data);
    /* All that was sent has been handed to the kernel. May be NULL. */
    void (*drained)(void *arg);
    /* Exactly once, last, never from inside a call. clean: the peer closed, or answered our closing. */
    void (*closed)(void *arg, bool clean);
};

/* Answers the request with 101 and this subprotocol (empty = none). The request was checked, and lives until `closed`.
 */
struct websocket_conn *websocket_upgrade(struct http_request *req, struct slice protocol, size_t message_max,
                                         const struct websocket_events *events, void *arg);
/* The client's side of an upgraded socket, which it takes over. */
struct websocket_conn *websocket_conn_new(struct loop *loop, struct http_socket *socket, size_t message_max,
                                          const struct websocket_events *events, void *arg);
/* Queues one message of both parts together. After a close nothing is sent. */
void websocket_send(struct websocket_conn *conn, enum websocket_opcode opcode, struct slice first, struct slice second);
size_t websocket_pending(const struct websocket_conn *conn);
/* Back-pressure: messages that have been read already still come. */
void websocket_pause(struct websocket_conn *conn, bool paused);
/* No cut for who reads slowly; see http_socket_be_patient. */
void websocket_be_patient(struct websocket_conn *conn);
/* Sends what is queued and the closing frame; `closed` follows the peer's answer, or a few seconds without one. No
 * message comes any more. */
void websocket_close(struct websocket_conn *conn, unsigned code);
/* Cuts; `closed` follows. */
void websocket_abort(struct websocket_conn *conn);

/* A streamed answer whose every write is one text message; what the peer sends is thrown away. Else as
 * http_stream_start. */
struct http_stream *websocket_stream_start(struct http_request *req, struct slice protocol,
                                           const struct http_stream_events *events, void *arg);

#endif
