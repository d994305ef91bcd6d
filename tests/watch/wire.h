/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Many HTTP/1.1 connections over TLS on one epoll, ten thousand and more: what a crowd of clients is made of. They can
 * read slowly, not at all, and leave in every way that a connection can end.
 */
#ifndef KNARR_TESTS_WATCH_WIRE_H
#define KNARR_TESTS_WATCH_WIRE_H

#include "lib/bytes.h"

struct wire;
struct wire_conn;

/* Any may be NULL. A connection may be dropped from inside, not freed. */
struct wire_events {
    void (*head)(void *arg, int status);
    /* A line of a stream of chunks, without its end. */
    void (*line)(void *arg, struct slice line);
    /* The whole body of an answer that has a length. */
    void (*body)(void *arg, int status, struct slice body);
    /* It is over: the stream came to its end, or the connection broke before. Last. */
    void (*ended)(void *arg, bool clean);
};

/* Every request carries the token. */
struct wire *wire_new(const char *address, uint16_t port, const char *token);
/* No connection may be left. */
void wire_free(struct wire *wire);
/* Waits for at most so long, and handles what came. */
void wire_turn(struct wire *wire, int ms);
/* Connections whose handshake is not through. */
size_t wire_connecting(const struct wire *wire);

struct wire_options {
    const char *source; /* address that it comes from; NULL = any */
    int receive_buffer; /* bytes that the kernel keeps for it; 0 = as always */
};
/* Connects; NULL and errno when there are no descriptors. */
struct wire_conn *wire_open(struct wire *wire, const struct wire_options *options, const struct wire_events *events,
                            void *arg);
/* One request; goes out when the handshake is through. body NULL = none. */
void wire_send(struct wire_conn *conn, const char *method, const char *path, const char *content_type,
               const char *body);
/* Reads no more, or again. */
void wire_pause(struct wire_conn *conn, bool paused);
enum wire_drop { WIRE_FIN, WIRE_RST };
/* Closes without a word of TLS. No event follows. */
void wire_drop(struct wire_conn *conn, enum wire_drop how);
/* One request on a connection of its own, to the end: its status; 0 = none came. */
int wire_ask(struct wire *wire, const char *method, const char *path, const char *content_type, const char *body);
/* After it ended or was dropped. NULL is allowed. */
void wire_conn_free(struct wire_conn *conn);

#endif
