/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One end of a pipe, a terminal's master, or a local socket on the loop: bytes both ways with back-pressure. What a
 * session joins its peer to. No event comes from inside a call.
 */
#ifndef KNARR_AGENT_PIPE_H
#define KNARR_AGENT_PIPE_H

#include "lib/bytes.h"
#include "lib/loop.h"

struct pipe;
struct pipe_events {
    void (*data)(void *arg, struct slice data);
    /* Nothing more comes: the end (error 0; a terminal's hang-up is one too), or an errno, also of a write before. At
     * most once. */
    void (*end)(void *arg, int error);
    /* All that had to wait (pipe_pending) has been taken. May be NULL. */
    void (*drained)(void *arg);
};

/* Takes the descriptor over, also when it fails (NULL). Reads at once when `read`. */
struct pipe *pipe_open(struct loop *loop, int fd, bool read, const struct pipe_events *events, void *arg);
/* Copies. What cannot be written any more is dropped. */
void pipe_write(struct pipe *pipe, struct slice data);
size_t pipe_pending(const struct pipe *pipe);
void pipe_pause(struct pipe *pipe, bool paused);
/* Ends our half when what was written has been taken: a socket is shut for writing, anything else closed. */
void pipe_finish(struct pipe *pipe);
int pipe_fd(const struct pipe *pipe); /* to set a terminal's size */
/* At once; no event follows. NULL is allowed. */
void pipe_free(struct pipe *pipe);

#endif
