/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The streams of one exec or attach, whatever carries them: messages of a WebSocket whose first byte is the channel
 * (v5.channel.k8s.io and older), or streams of a SPDY/3.1 connection. A session writes to channels and never asks which
 * it is.
 */
#ifndef KNARR_AGENT_CHANNELS_H
#define KNARR_AGENT_CHANNELS_H

#include "lib/http.h"

/* The numbers are those of the WebSocket protocol. */
enum channel { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE, CHANNEL_COUNT };

/* What the query asks for. With a terminal there is no standard error. */
struct channels_options {
    bool in;
    bool out;
    bool err;
    bool tty;
};
/* ERROR_BAD_REQUEST when it asks for nothing. */
int channels_read_options(const struct http_request *req, struct channels_options *ret_options, struct error *err);

struct channels_events {
    /* All streams are there: now the session may begin. */
    void (*ready)(void *arg);
    void (*input)(void *arg, struct slice data);
    void (*input_end)(void *arg);
    void (*resize)(void *arg, unsigned columns, unsigned rows);
    void (*drained)(void *arg);
    /* Exactly once, last, never from inside a call. */
    void (*closed)(void *arg);
};

/* How a session ended. */
struct channels_result {
    int exit_code;       /* of a process that ran */
    const char *failure; /* NULL, or what kept it from running */
};

struct channels;
struct channels_ops {
    void (*write)(struct channels *c, enum channel channel, struct slice data);
    size_t (*pending)(const struct channels *c);
    void (*pause)(struct channels *c, bool paused);
    void (*finish)(struct channels *c, struct slice status); /* empty = say nothing */
};
/* Implementations embed this first. */
struct channels {
    const struct channels_ops *ops;
    struct channels_options options;
    struct channels_events events;
    void *arg;
    bool has_status; /* protocol v4 and later: the end is told as a Status */
};

/* Answers the request with the upgrade it asks for; NULL and ERROR_BAD_REQUEST, unanswered, when that is none of ours.
 */
struct channels *channels_open(struct http_request *req, const struct channels_options *options,
                               const struct channels_events *events, void *arg, struct error *err);
/* Output that was not asked for is dropped. */
void channels_write(struct channels *c, enum channel channel, struct slice data);
/* Bytes not yet handed to the kernel. */
size_t channels_pending(const struct channels *c);
/* Back-pressure on what comes in. */
void channels_pause(struct channels *c, bool paused);
/* Tells how it ended, and ends; `closed` follows. */
void channels_finish(struct channels *c, const struct channels_result *result);

/* For the implementations: a resize message, {"Width":80,"Height":24}. */
void channels_take_resize(struct channels *c, struct slice json);
struct channels *channels_open_websocket(struct http_request *req, const struct channels_options *options,
                                         const struct channels_events *events, void *arg, struct error *err);
struct channels *channels_open_spdy(struct http_request *req, const struct channels_options *options,
                                    const struct channels_events *events, void *arg, struct error *err);

/* The Status of an end, in JSON. */
void channels_write_status(struct buf *out, const struct channels_result *result);

#endif
