/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A command in a running container, by the OCI runtime's exec, for probes and hooks. Nobody waits for it on a thread:
 * its end is seen on the loop, so a command that hangs holds nothing up.
 */
#ifndef KNARR_AGENT_RUNTIME_EXEC_H
#define KNARR_AGENT_RUNTIME_EXEC_H

#include "agent/runtime.h"

struct runtime_exec;

enum runtime_exec_end {
    RUNTIME_EXEC_ENDED,     /* `status`: exit code, or 128 + signal */
    RUNTIME_EXEC_TIMED_OUT, /* and is being killed */
    RUNTIME_EXEC_FAILED,    /* it did not start; `output` says why */
};

struct runtime_exec_options {
    const char *id;
    const char *const *argv;
    unsigned timeout_ms; /* from the command's own start; 0 = none */
    size_t output_max;   /* bytes kept of both outputs together, more is dropped; 0 = they are not read at all */
    size_t *alive;       /* counts those whose process or handles still exist */
};

/* `done` comes once, never from inside. */
struct runtime_exec *
runtime_exec_start(struct loop *loop, const struct runtime *rt, const struct runtime_exec_options *options,
                   void (*done)(void *arg, enum runtime_exec_end end, int status, struct slice output), void *arg);
/* Kills the command; no callback follows. */
void runtime_exec_cancel(struct runtime_exec *e);
/* Lets the command run on without us; no callback follows. */
void runtime_exec_leave(struct runtime_exec *e);

#endif
