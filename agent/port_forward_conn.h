/* SPDX-License-Identifier: Apache-2.0 */
/* One connection to a port inside a pod's network, on its loopback device, as kubectl port-forward wants it. */
#ifndef KNARR_AGENT_PORT_FORWARD_CONN_H
#define KNARR_AGENT_PORT_FORWARD_CONN_H

#include "agent/agent_internal.h"

struct forward_conn;
struct forward_conn_events {
    void (*data)(void *arg, struct slice data);
    /* The pod sends no more: why is NULL, or what went wrong (refused, reset). At most once. */
    void (*end)(void *arg, const char *why);
    void (*drained)(void *arg);
};

/* network: path of the namespace, NULL = the host's. What is written before it is connected waits. */
struct forward_conn *forward_conn_open(struct agent *agent, const char *network, uint16_t port,
                                       const struct forward_conn_events *events, void *arg);
void forward_conn_write(struct forward_conn *c, struct slice data);
/* Ends our half after what was written. */
void forward_conn_finish(struct forward_conn *c);
size_t forward_conn_pending(const struct forward_conn *c);
void forward_conn_pause(struct forward_conn *c, bool paused);
/* At once; no event follows. NULL is allowed. */
void forward_conn_free(struct forward_conn *c);

#endif
