/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handler.c and the kinds of handlers (handler_http.c, handler_grpc.c) share.
 *
 *     QUEUED (probes by exec, when many run) -> RUNNING -> told
 *          \------------cancel----------------/
 */
#ifndef KNARR_AGENT_HANDLER_INTERNAL_H
#define KNARR_AGENT_HANDLER_INTERNAL_H

#include "agent/handler.h"
#include "agent/runtime_exec.h"
#include "lib/http_client.h"
#include "lib/list.h"

#define HANDLER_AGENT  "1.35" /* kube-probe/1.35, kube-lifecycle/1.35 */
#define HANDLER_OUTPUT 10240u /* bytes of an answer that are looked at, as the kubelet */

struct handlers {
    struct loop *loop;
    const struct runtime *runtime;
    struct http_client *http;
    struct list queue; /* of struct handler: commands that wait for one of EXEC_MAX places */
    size_t running;
    size_t alive; /* processes of commands */
};

struct handler {
    struct handlers *env;
    struct list link; /* in env->queue */
    handler_done *done;
    void *arg;
    bool hook;
    unsigned timeout_ms;
    struct loop_timer *timer; /* sleep, and what is told without having run */
    enum handler_outcome outcome;
    struct buf text; /* of the answer, or what is told */
    /* exec */
    char *container_id;
    struct str_list argv;
    struct runtime_exec *exec;
    bool counted; /* holds one of the places */
    /* by network */
    struct http_call *call;
    char *url;
    char *address; /* "10.0.0.1:80" */
    int status;
    struct http_header *headers;
    size_t header_count;
    struct str_list header_texts; /* what headers point to */
    unsigned redirects;
    uint64_t deadline_ms;
    int64_t grpc_status; /* -1 = none came */
    char *grpc_message;
};

/* Tells and frees; the last thing that is done with a handler. */
void handler_tell(struct handler *h, enum handler_outcome outcome, const char *text);
void handler_tell_take(struct handler *h, enum handler_outcome outcome, char *text);
/* The same from the loop, for what goes wrong at once. */
void handler_tell_later(struct handler *h, enum handler_outcome outcome, char *text);
/* The number of a port that may be a name of the container's; 0 = handler_tell_later has been called. */
uint16_t handler_port(struct handler *h, const struct value *container, const struct value *port);
/* Host and port into h->address; IPv6 in brackets. */
void handler_set_address(struct handler *h, const char *host, uint16_t port);
/* What Go says of a connection that did not come about: "dial tcp 10.0.0.1:80: connect: connection refused". */
char *handler_dial_text(const struct handler *h, const struct error *err);

void handler_http_start(struct handler *h, const struct handler_request *r, const struct value *action);
void handler_tcp_start(struct handler *h, const struct handler_request *r, const struct value *action);
void handler_grpc_start(struct handler *h, const struct handler_request *r, const struct value *action);

#endif
