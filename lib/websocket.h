/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WebSocket (RFC 6455): frames from bytes and back, and the texts of the handshake. Pure: no socket, no clock. What
 * holds a connection together is lib/websocket_conn.h. Extensions are never agreed to.
 */
#ifndef KNARR_LIB_WEBSOCKET_H
#define KNARR_LIB_WEBSOCKET_H

#include "lib/bytes.h"
#include "lib/error.h"

enum websocket_opcode {
    WEBSOCKET_CONTINUATION = 0x0,
    WEBSOCKET_TEXT = 0x1,
    WEBSOCKET_BINARY = 0x2,
    WEBSOCKET_CLOSE = 0x8,
    WEBSOCKET_PING = 0x9,
    WEBSOCKET_PONG = 0xa,
};

/* Section 7.4.1. */
#define WEBSOCKET_CODE_NORMAL   1000
#define WEBSOCKET_CODE_AWAY     1001
#define WEBSOCKET_CODE_PROTOCOL 1002
#define WEBSOCKET_CODE_TOO_BIG  1009

#define WEBSOCKET_CONTROL_MAX 125
#define WEBSOCKET_MASK_SIZE   4
#define WEBSOCKET_KEY_SIZE    16

struct websocket_message {
    enum websocket_opcode opcode; /* never CONTINUATION: messages come whole */
    struct slice data;            /* until the next call */
};

/* All zero but for the two options. */
struct websocket_reader {
    bool masked;        /* the peer is a client: its frames must be masked, those of a server must not */
    size_t message_max; /* larger messages are an error */
    /* Private. */
    unsigned char head[14];
    size_t head_len;
    uint64_t left; /* of the payload */
    uint64_t place;
    bool in_payload;
    bool done;      /* `message` or `control` was handed out and goes with the next call */
    unsigned first; /* opcode of the message whose fragments come; 0 = none */
    struct buf message;
    struct buf control;
    unsigned close_code;
};
void websocket_reader_clear(struct websocket_reader *r);
/* Takes from *input: 1 and a message, or 0 when all of it is used up, or ERROR_BAD_REQUEST (a broken or too large
 * frame; websocket_reader_code tells what to say). After an error nothing more may be read. */
int websocket_read(struct websocket_reader *r, struct slice *input, struct websocket_message *ret_message,
                   struct error *err);
unsigned websocket_reader_code(const struct websocket_reader *r);

/* One unfragmented frame whose payload is both parts together. mask: four random bytes of a client, NULL = a server. */
void websocket_write(struct buf *out, enum websocket_opcode opcode, struct slice first, struct slice second,
                     const unsigned char *mask);
/* The code of a close frame's payload; 0 = none. */
unsigned websocket_close_code(struct slice payload);

/* Whether it is 16 bytes in base64. */
bool websocket_key_valid(struct slice key);
/* Appends the answer to a client's key. */
void websocket_accept(struct buf *out, struct slice key);

#endif
