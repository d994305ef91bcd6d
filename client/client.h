/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client: the one way in for everybody else. Scheduler, controllers, agent, command line and dashboard speak only the
 * public API, through one of two transports behind one interface: HTTPS (any machine) and in-process (same requests,
 * same authorization and audit, no sockets; exported by apiserver/).
 *
 * A client belongs to one loop; every callback runs on it, never from inside the call that asked for it.
 */
#ifndef KNARR_CLIENT_CLIENT_H
#define KNARR_CLIENT_CLIENT_H

#include "api/schema.h"
#include "lib/error.h"
#include "lib/loop.h"

struct client_request {
    const char *method;       /* "GET", "POST", "PUT", "PATCH", "DELETE" */
    const char *path;         /* escaped: "/api/v1/namespaces/default/pods" */
    const char *query;        /* escaped, without '?'; NULL = none */
    const char *accept;       /* NULL = application/json */
    const char *content_type; /* of the body; NULL = application/json */
    struct slice body;
    unsigned timeout_ms; /* 0 = none */
};

/* ---- transport ----------------------------------------------------------------------------------------------------
 */

struct client_events {
    /* Once. retry_after_s is 0 when the answer has none. */
    void (*head)(void *arg, int status, const char *content_type, unsigned retry_after_s);
    void (*data)(void *arg, struct slice data);
    /* Exactly once, last. err NULL = complete. */
    void (*end)(void *arg, const struct error *err);
};

struct client_transport {
    const struct client_transport_ops *ops;
};
struct client_transport_ops {
    /* Copies the request. Returns a handle for cancel, valid until `end`. */
    void *(*send)(struct client_transport *t, const struct client_request *request, const struct client_events *events,
                  void *arg);
    void (*cancel)(struct client_transport *t, void *call); /* no event follows */
    void (*free)(struct client_transport *t);
};

struct client_https_options {
    const char *server;       /* "https://192.0.2.1:6443" */
    struct slice ca;          /* PEM */
    struct slice certificate; /* PEM; empty = none */
    struct slice key;
    const char *token;      /* bearer; NULL = none */
    const char *user_agent; /* NULL = "knarr/VERSION" */
};
struct client_transport *client_transport_https(struct loop *loop, const struct client_https_options *options);
/* New certificate for connections from now on (renewal). */
void client_transport_https_set_certificate(struct client_transport *t, struct slice certificate, struct slice key);

/* ---- client -------------------------------------------------------------------------------------------------------
 */

struct client;
struct client_call;

/* Takes the transport over. */
struct client *client_new(struct loop *loop, struct client_transport *transport);
/* Cancels what is under way (no callbacks). NULL is allowed. */
void client_free(struct client *client);
struct loop *client_loop(struct client *client);

/* status 2xx: err NULL and the whole body; else err made from the Status (error_code_from_http). */
typedef void client_done(void *arg, int status, struct slice body, const struct error *err);
/* Sends one request and gathers the answer (bounded: 256 MiB). At most 32 are under way for one client; more wait their
 * turn, in order. */
struct client_call *client_send(struct client *client, const struct client_request *request, client_done *done,
                                void *arg);
void client_call_cancel(struct client_call *call);
/* Streams the answer instead (watch, logs). */
struct client_call *client_stream(struct client *client, const struct client_request *request,
                                  const struct client_events *events, void *arg);

/* Paths: "/apis/apps/v1/namespaces/NS/deployments/NAME/SUB"; ns, name and sub may be NULL. Escapes. Caller frees. */
char *client_path(const struct schema_kind *kind, const char *ns, const char *name, const char *sub);

/* The common verbs over client_send; `body` is JSON unless said otherwise. */
struct client_call *client_get(struct client *c, const struct schema_kind *kind, const char *ns, const char *name,
                               client_done *done, void *arg);
struct client_call *client_create(struct client *c, const struct schema_kind *kind, const char *ns, const char *sub_of,
                                  const char *sub, struct slice body, client_done *done, void *arg);
/* patch_type: "application/merge-patch+json", "application/strategic-merge-patch+json", ... */
struct client_call *client_patch(struct client *c, const struct schema_kind *kind, const char *ns, const char *name,
                                 const char *sub, const char *patch_type, struct slice body, client_done *done,
                                 void *arg);
/* body: DeleteOptions or empty. */
struct client_call *client_delete(struct client *c, const struct schema_kind *kind, const char *ns, const char *name,
                                  struct slice body, client_done *done, void *arg);

#endif
