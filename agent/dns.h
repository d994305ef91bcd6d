/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cluster's DNS, one server on every node: it answers names of the cluster from the Services this agent follows
 * (agent/dns_records.h), and asks the host's name servers for all others (agent/dns_forward.h). It listens on loopback
 * and on the bridge's address only, on a port of its own, so that it needs no port 53 of the host; the table of
 * Services leads the cluster address there. Pods of this node and the node itself are answered, nobody else.
 */
#ifndef KNARR_AGENT_DNS_H
#define KNARR_AGENT_DNS_H

#include "agent/agent_internal.h"

#define DNS_PORT_WANTED   10053 /* kept over restarts where it is free */
#define DNS_STREAMS_MAX   256   /* TCP connections */
#define DNS_STREAMS_EACH  32    /* of one address */
#define DNS_FORWARDS_EACH 256   /* questions of one client that are asked of others */

struct dns;

/* Needs config.pod_cidr and config.cluster_domain. */
int dns_start(struct agent *agent, struct dns **ret_dns, struct error *err);
void dns_free(struct dns *dns); /* NULL is allowed */
/* Of all its sockets. */
uint16_t dns_port(const struct dns *dns);

#endif
