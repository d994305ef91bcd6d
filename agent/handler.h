/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handlers: what a probe or a lifecycle hook says is to be done, done once: exec, httpGet, tcpSocket, grpc, sleep.
 * Nothing blocks. The words of a failure are the kubelet's.
 */
#ifndef KNARR_AGENT_HANDLER_H
#define KNARR_AGENT_HANDLER_H

#include "agent/runtime.h"
#include "api/value.h"

struct handlers;
struct handler;

enum handler_outcome {
    HANDLER_GOOD,
    HANDLER_WARNING, /* good, and `text` is worth an event */
    HANDLER_BAD,     /* `text` says why */
    HANDLER_ERROR,   /* it could not be asked: no answer of the container's */
};

struct handler_request {
    const struct value *action;    /* a Probe or a LifecycleHandler; borrowed for the call */
    const struct value *container; /* of the spec, for the names of its ports; borrowed for the call */
    const char *container_id;
    const char *host;    /* the pod's address, "" = none is known */
    unsigned timeout_ms; /* 0 = none */
    bool hook;           /* its output does not matter, an HTTP answer is good whatever it says */
};

typedef void handler_done(void *arg, enum handler_outcome outcome, const char *text);

struct handlers *handlers_new(struct loop *loop, const struct runtime *runtime);
/* Cancel all handlers first. Waits for the processes that are being killed. */
void handlers_free(struct handlers *env);
/* `done` comes once, never from inside; `text` is raw bytes of the container, to be cleaned before it is shown. */
struct handler *handler_start(struct handlers *env, const struct handler_request *request, handler_done *done,
                              void *arg);
/* What it runs is ended. No callback follows. */
void handler_cancel(struct handler *h);
/* The agent ends: a command goes on without us. */
void handler_leave(struct handler *h);

#endif
