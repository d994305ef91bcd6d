/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions of the node server: exec, attach, port-forward and connections for proxies. Each is a file of its own with
 * one machine; here is what they share: that they are counted, and end with the agent.
 */
#ifndef KNARR_AGENT_SESSION_H
#define KNARR_AGENT_SESSION_H

#include "agent/agent_internal.h"
#include "agent/pods.h"
#include "lib/http.h"

/* Embedded in each. */
struct session {
    struct list link;
    struct agent *agent;
    /* The agent ends: let go of everything, at once. The connections are closed already. Who has a job on the pool
     * stays until that is done, and is asked again after it. */
    void (*end)(struct session *session);
};

/* ERROR_UNAVAILABLE when the node has as many as it takes. */
int session_add(struct session *session, struct agent *agent, void (*end)(struct session *session), struct error *err);
void session_remove(struct session *session);
/* Asks each that there is to end. After the node server is gone, and again after the agent's last job. */
void sessions_end(struct agent *agent);

/* Answers a request that cannot become a session, in plain text. */
void session_refuse(struct http_request *req, const struct error *err);

/* Each answers the request: by the upgrade it asks for, or by a refusal. */
void exec_serve(struct agent *agent, struct http_request *req, const struct pod *pod, const char *container);
void attach_serve(struct agent *agent, struct http_request *req, const struct pod *pod, const char *container);
void port_forward_serve(struct agent *agent, struct http_request *req, const struct pod *pod);
#define POD_PROXY_PROTOCOL "knarr.tcp" /* bytes and nothing else; apiserver/pod_proxy.c asks for it */
void pod_proxy_serve(struct agent *agent, struct http_request *req, const struct pod *pod, const char *port);

#endif
