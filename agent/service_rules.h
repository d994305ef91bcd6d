/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services as nftables rules: what a Service and its EndpointSlices say, the fronts that follow from it (an address or
 * a node port, and what stands behind it), and the text that makes or changes them. Pure.
 */
#ifndef KNARR_AGENT_SERVICE_RULES_H
#define KNARR_AGENT_SERVICE_RULES_H

#include <netinet/in.h>

#include "agent/conntrack.h"

/* The packet mark of connections that were given to a backend, on their way through this host: upstream's bit. */
#define SERVICE_MARK "0x4000"
/* More backends than this behind one front are not used. */
#define SERVICE_BACKENDS_MAX 1000
/* Session affinity: a client's address falls into one of so many buckets, each of which has a backend. */
#define SERVICE_BUCKETS 256

struct service_port {
    char *name;
    const char *protocol; /* "tcp", "udp", "sctp" */
    uint16_t port;
    uint16_t node_port; /* 0 = none */
};

struct service_item {
    struct in_addr address; /* 0 = none */
    bool local_only;        /* internalTrafficPolicy: Local */
    bool node_local_only;   /* externalTrafficPolicy: Local */
    bool affine;            /* sessionAffinity: ClientIP */
    bool headless;          /* clusterIP: None */
    char *external_name;    /* of type ExternalName; else NULL */
    struct service_port *ports;
    size_t port_count;
};

struct slice_endpoint {
    struct in_addr ip;
    bool local; /* on this node */
    bool ready;
    bool ending; /* not ready, but it serves while it ends */
};

struct slice_item {
    char *service; /* "ns/name" */
    struct service_port *ports;
    size_t port_count;
    struct slice_endpoint *endpoints;
    char **host_names; /* for each endpoint a name or NULL; NULL = none has one */
    size_t endpoint_count;
};

/* A Service as far as it is known: `service` is NULL when only slices name it. */
struct service_record {
    char *key;                          /* "ns/name" */
    const struct service_item *service; /* the informer's */
    const struct slice_item **slices;   /* the informer's */
    size_t count;
    size_t cap;
};

/* What cannot be an address, a port or a protocol is left out: only numbers of ours go into rules. */
struct service_item *service_item_read(struct slice json);
void service_item_free(void *item);
/* NULL when it is of no Service, or not IPv4. */
struct slice_item *slice_item_read(struct slice json, const char *node_name);
void slice_item_free(void *item);

struct service_host_port {
    const char *protocol;
    struct in_addr host; /* 0 = any of the node's */
    uint16_t host_port;
    uint16_t container_port;
};
/* Of a pod that runs in a network of its own and has an address; *ret_ports is freed by the caller. */
size_t service_host_ports_read(struct slice json, struct in_addr *ret_ip, struct service_host_port **ret_ports);

/* What is reached: by `address . protocol . port`, or by `protocol . port` of the node. */
struct service_front {
    bool of_node;
    bool keeps_source; /* the client's address stays */
    bool here;         /* a server of the node itself, on its loopback and bridge addresses */
    char *element;     /* "10.96.0.10 . tcp . 80" */
    char *chain;
    struct conntrack_end at;        /* the same in numbers, where it is of UDP; port 0 = not */
    struct conntrack_end *backends; /* and what the target chooses from */
    size_t backend_count;
    char *target; /* the statement that chooses a backend; NULL = there is none, refused */
};

struct service_fronts {
    struct service_front *items;
    size_t count;
    size_t cap;
};
void service_fronts_clear(struct service_fronts *fronts);
/* Adds to *fronts. `local_port`: the node's own server that stands in where a cluster address has no backend; 0 = none.
 */
void service_fronts_of(const struct service_record *record, uint16_t local_port, struct service_fronts *fronts);
/* The hostPorts of a running pod; a front of an address where there is a hostIP. Adds to *fronts. */
void service_fronts_of_pod(struct slice json, struct service_fronts *fronts);
void service_fronts_copy(const struct service_fronts *from, struct service_fronts *to); /* adds */
/* Takes one out; the others keep their order. */
void service_fronts_drop(struct service_fronts *fronts, size_t index);

/* The one of the same address or port; NULL when there is none. */
const struct service_front *service_fronts_find(const struct service_fronts *fronts, const struct service_front *like);
/* Do both lead to the same? */
bool service_front_same(const struct service_front *a, const struct service_front *b);

struct service_table {
    const char *bridge;
    const char *own; /* pod network of this node */
};
/* Replaces the table by one without fronts. */
void service_rules_empty(const struct service_table *table, struct buf *out);
void service_rules_delete(const char *bridge, struct buf *out);
/* From what is there to what is wanted. All `removals` of a batch go before all `additions`: an address may move from
 * one Service to another. */
void service_rules_change(const struct service_table *table, const struct service_fronts *before,
                          const struct service_fronts *now, struct buf *removals, struct buf *additions);

#endif
