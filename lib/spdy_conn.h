/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A server's side of a SPDY/3.1 connection on a loop, on an upgraded request: as it is, or, as kubectl's port-forward
 * does, with its bytes inside the messages of a WebSocket. Pings are answered here; nobody is cut for reading slowly,
 * so the owner bounds the time.
 */
#ifndef KNARR_LIB_SPDY_CONN_H
#define KNARR_LIB_SPDY_CONN_H

#include "lib/http.h"
#include "lib/spdy.h"

struct spdy_conn;
struct spdy_conn_events {
    /* The peer opens a stream: accept it, or reset it. Headers are valid during the call. */
    void (*opened)(void *arg, uint32_t stream, const struct spdy_header *headers, size_t count);
    /* fin: the peer's half has ended. Also of streams that were reset: ids are the owner's to know. */
    void (*data)(void *arg, uint32_t stream, struct slice data, bool fin);
    void (*reset)(void *arg, uint32_t stream);
    /* All that was sent has been handed to the kernel. */
    void (*drained)(void *arg);
    /* Exactly once, last, never from inside a call. */
    void (*closed)(void *arg);
};

/* A client asks for SPDY/3.1. */
bool spdy_requested(const struct http_request *req);
/* Answers 101 with that X-Stream-Protocol-Version. The request lives until `closed`. */
struct spdy_conn *spdy_upgrade(struct http_request *req, const char *protocol, const struct spdy_conn_events *events,
                               void *arg);
/* Answers as a WebSocket with that subprotocol; the request was checked (websocket_check). */
struct spdy_conn *spdy_upgrade_websocket(struct http_request *req, struct slice protocol,
                                         const struct spdy_conn_events *events, void *arg);
void spdy_accept(struct spdy_conn *conn, uint32_t stream);
void spdy_send(struct spdy_conn *conn, uint32_t stream, struct slice data, bool fin);
void spdy_reset(struct spdy_conn *conn, uint32_t stream, uint32_t status);
/* Bytes of all streams not yet handed to the kernel. */
size_t spdy_pending(const struct spdy_conn *conn);
/* Back-pressure for all streams. */
void spdy_pause(struct spdy_conn *conn, bool paused);
/* Says that no stream is taken any more; `closed` follows the peer's end, or a few seconds without one. No event but
 * that comes any more. */
void spdy_close(struct spdy_conn *conn);
/* Cuts; `closed` follows. */
void spdy_abort(struct spdy_conn *conn);

#endif
