/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SPDY/3.1: frames from bytes and back, as far as kubectl's streams use it (exec, attach, port-forward): no flow
 * control, no settings, no priorities. Pure: no socket. One spdy is one connection: both directions compress their
 * header blocks in one context each.
 */
#ifndef KNARR_LIB_SPDY_H
#define KNARR_LIB_SPDY_H

#include "lib/bytes.h"
#include "lib/error.h"

enum spdy_type {
    SPDY_DATA = 0, /* has no number on the wire */
    SPDY_SYN_STREAM = 1,
    SPDY_SYN_REPLY = 2,
    SPDY_RST_STREAM = 3,
    SPDY_SETTINGS = 4,
    SPDY_PING = 6,
    SPDY_GOAWAY = 7,
    SPDY_HEADERS = 8,
    SPDY_WINDOW_UPDATE = 9,
};

/* Status codes of RST_STREAM. */
#define SPDY_REFUSED_STREAM 3
#define SPDY_CANCEL         5

#define SPDY_HEADERS_MAX 32

struct spdy_header {
    struct slice name; /* lower case */
    struct slice value;
};

struct spdy_frame {
    enum spdy_type type;
    uint32_t stream;   /* or a ping's number */
    bool fin;          /* the sender ends its half of the stream */
    struct slice data; /* DATA: as much of the frame as there is; more may follow as a frame of its own */
    struct spdy_header headers[SPDY_HEADERS_MAX]; /* of SYN_STREAM, SYN_REPLY and HEADERS */
    size_t header_count;
};

struct spdy;
struct spdy *spdy_new(void);
void spdy_free(struct spdy *s);
/* Takes from *input: 1 and a frame that is valid until the next call, or 0 when all is used up, or ERROR_BAD_REQUEST.
 */
int spdy_read(struct spdy *s, struct slice *input, struct spdy_frame *ret_frame, struct error *err);

/* Each appends one frame. Data longer than a frame may be goes into several. */
void spdy_write_syn_stream(struct spdy *s, struct buf *out, uint32_t stream, const struct spdy_header *headers,
                           size_t count);
void spdy_write_syn_reply(struct spdy *s, struct buf *out, uint32_t stream);
void spdy_write_data(struct buf *out, uint32_t stream, struct slice data, bool fin);
void spdy_write_reset(struct buf *out, uint32_t stream, uint32_t status);
void spdy_write_ping(struct buf *out, uint32_t number);
void spdy_write_goaway(struct buf *out, uint32_t last_stream);

#endif
