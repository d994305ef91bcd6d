/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The server's own structures: what all fronts share (immutable after start, or atomic), and one front: a loop and what
 * belongs to its thread alone.
 */
#ifndef KNARR_APISERVER_SERVER_INTERNAL_H
#define KNARR_APISERVER_SERVER_INTERNAL_H

#include <pthread.h>

#include "apiserver/apiserver.h"
#include "apiserver/documents.h"
#include "apiserver/service_range.h"
#include "lib/http_client.h"
#include "lib/http_server.h"
#include "lib/list.h"

struct customs;
struct hub;
struct account_cache;
struct account_issuer;
struct authn_tokens;
struct event_expiry;
struct folder_cache;
struct rbac;
struct rbac_index;
struct turns;
struct usage_cache;

/* Requests in flight have places by what they are for, so that none of them waits for the others. */
enum request_class {
    REQUEST_CLASS_READ,
    REQUEST_CLASS_WRITE,
    REQUEST_CLASS_OWN,  /* of the cluster's own parts */
    REQUEST_CLASS_BEAT, /* that a node lives */
    REQUEST_CLASSES,
    REQUEST_CLASS_FREE = REQUEST_CLASSES, /* takes no place */
};

struct front {
    struct apiserver *server;
    struct loop *loop;
    struct hub *hub;
    struct list streams;             /* of exec, attach, port-forward, and upgrades through proxies */
    struct list proxies;             /* requests on their way through one */
    struct http_client *node_client; /* to node servers; made when first used */
    struct pki_pair node_identity;   /* what it shows there; loop only once it runs */
    struct usage_cache *usage;       /* what nodes said lately; NULL = nothing */
    struct event_expiry *expiry;     /* of the first front; NULL elsewhere */
    struct loop_timer *keeper;       /* of the first front: looks after the default objects; NULL elsewhere */
    struct http_server *http;        /* NULL in tests and before it listens */
    struct rbac_index *rbac_index;   /* the front's own reference; loop only */
    uint64_t rbac_revision;          /* of the change that it has seen */
    struct account_cache *accounts;  /* tokens that were verified; loop only */
    struct folder_cache *folders;    /* what admission has read; loop only */
    pthread_t thread;
    bool running;        /* the thread was started */
    bool http_stopped;   /* loop only */
    size_t writes;       /* transactions on their way through the store, and jobs on the pool; loop only */
    unsigned stop_grace; /* ms */
};

struct apiserver {
    struct store *store;
    struct clock *clock;
    struct http_listener *listener; /* NULL in tests */
    struct front *fronts;
    size_t front_count;
    unsigned next_front;             /* atomic: round robin of the in-process transport */
    int in_flight[REQUEST_CLASSES];  /* atomic: requests */
    int backups;                     /* atomic: being taken */
    struct rbac *rbac;               /* roles and bindings */
    struct customs *customs;         /* what users have defined, and the documents about all kinds */
    struct authn_tokens *tokens;     /* the static token file; NULL = none */
    struct account_issuer *accounts; /* who signs the tokens of ServiceAccounts */
    struct service_range services;   /* ClusterIPs */
    struct turns *turns;             /* of writes that wait for each other */
    char *advertise_address;
    char *cluster_ca;
};

/* The server without sockets and threads: fronts whose loops the caller turns. apiserver_start adds the rest; tests use
 * this alone. */
int apiserver_make(const struct apiserver_options *options, struct apiserver **ret_server, struct error *err);
/* Frees what apiserver_make made; the fronts' loops must be idle. */
void apiserver_unmake(struct apiserver *server);
/* Makes the default objects where they are missing, turning the first front's loop meanwhile. */
int apiserver_bootstrap(struct apiserver *server, struct error *err);
/* From now on the first front brings back what somebody deletes of them. */
void apiserver_bootstrap_keep(struct apiserver *server);
void apiserver_bootstrap_again(void *front);

/* The HTTP handler of a front (arg). */
void front_handle(struct http_request *http, void *front);
/* Ends all watches and streams of a front. */
void front_end_streams(struct front *front);

#endif
