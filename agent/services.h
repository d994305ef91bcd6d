/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Services on this node: connections to cluster addresses and node ports go to the pods behind them, from pods, from
 * the node itself and, for node ports, from other hosts. One nftables table of our own follows the API.
 */
#ifndef KNARR_AGENT_SERVICES_H
#define KNARR_AGENT_SERVICES_H

#include "agent/agent_internal.h"
#include "agent/service_rules.h"
#include "agent/str_list.h"

/* The Service of the cluster's DNS. */
#define SERVICES_DNS "kube-system/kube-dns"

/* Needs agent->client, agent->dns and config.pod_cidr. */
struct services *services_start(struct agent *agent);
void services_free(struct services *services); /* leaves the rules as they are: pods go on without the agent */
/* hostPorts: a pod of this node as it is now; `json` empty = it is gone. */
void services_pod(struct services *services, const char *uid, struct slice json);
/* All of them have been told once. */
void services_pods_listed(struct services *services);
/* All Services have been listed once. */
bool services_known(const struct services *services);
/* Adds the variables of the API server's Service and, when `all`, of all Services of the namespace. */
void services_environment(const struct services *services, const char *ns, bool all, struct str_list *out);
/* By "ns/name"; NULL when there is none. Borrowed until the loop's next event. */
const struct service_record *services_find(const struct services *services, struct slice key);
/* Has the namespace a Service? */
bool services_namespace(const struct services *services, struct slice ns);
/* Walks the Services with this cluster address or an endpoint of this address, some of them more than once; *at starts
 * as 0, NULL at the end. */
const struct service_record *services_of_address(const struct services *services, struct in_addr address, size_t *at);
/* The address of the cluster's DNS as configured, or that of its Service; NULL when there is none. Caller frees. */
char *services_dns_address(const struct services *services);
/* Removes the rules. Blocks. */
int services_clean(const char *bridge, struct error *err);

#endif
