/* SPDX-License-Identifier: Apache-2.0 */
/*
 * API server: the front that everybody speaks to. It owns the front threads, authentication, authorization, admission,
 * the verbs and the subresources; it borrows the store.
 */
#ifndef KNARR_APISERVER_APISERVER_H
#define KNARR_APISERVER_APISERVER_H

#include "client/client.h"
#include "lib/clock.h"
#include "lib/error.h"
#include "lib/pki.h"
#include "store/store.h"

struct apiserver;

struct apiserver_options {
    struct store *store; /* borrowed; one in manual mode gets its writer thread, once the default objects are made */
    struct clock *clock;
    const char *address;           /* to listen on; "0.0.0.0" */
    uint16_t port;                 /* 6443; 0 = any */
    unsigned fronts;               /* threads; 0 = one per core, at most 4 */
    struct pki_pair serving;       /* certificate and key of the HTTPS listener (borrowed) */
    struct slice client_ca;        /* PEM: who signs client certificates */
    struct slice cluster_ca;       /* PEM: what clients verify the server with (kube-root-ca.crt) */
    const struct pki_pair *signer; /* CA pair that signs approved CSRs' certificates: given to the CSR signer */
    const char *advertise_address; /* for discovery and the kubernetes Service; NULL = listen address */
    const char *service_cidr;      /* "10.96.0.0/16" */
    const char *static_token_file; /* upstream's CSV: token,user,uid,"group1,group2"; NULL = none */
    struct slice account_key;      /* PEM: signs tokens of ServiceAccounts; empty = a new one at each start */
    const char *account_issuer;    /* who they are issued by; NULL = "https://kubernetes.default.svc.cluster.local" */
    int64_t event_ttl_s;           /* how long an event stays after it was last told; 0 = an hour */
    unsigned silence_s;            /* a client without a sign of life for so long is given up; 0 = 30 */
    struct pki_pair node_client;   /* the identity the API server shows to node servers (logs) */
};

/* Makes the default namespaces and the `kubernetes` Service when they are missing, then listens and serves. */
int apiserver_start(const struct apiserver_options *options, struct apiserver **ret_server, struct error *err);
uint16_t apiserver_port(const struct apiserver *server);
/* New certificates for connections from now on: of the listener, and of the identity shown to node servers. From any
 * thread, before apiserver_stop. On failure the old ones stay. */
int apiserver_set_certificates(struct apiserver *server, const struct pki_pair *serving,
                               const struct pki_pair *node_client, struct error *err);
/* Ends watches cleanly, lets requests finish for grace_ms, joins the threads. */
void apiserver_stop(struct apiserver *server, unsigned grace_ms);

/* The in-process transport: requests are posted to a front's loop and answered on `loop`, as this user. The identity is
 * set here, once, by main: one per controller. */
struct client_transport *apiserver_transport(struct apiserver *server, struct loop *loop, const char *user,
                                             const char *const *groups, size_t group_count);

#endif
