/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Agent: one node. Registers it, renews its Lease, runs its pods (images, sandbox, network, containers, logs), reports
 * their status, and serves logs to the API server. Its own process, one loop plus the pool for blocking work.
 */
#ifndef KNARR_AGENT_AGENT_H
#define KNARR_AGENT_AGENT_H

#include "lib/error.h"
#include "lib/loop.h"

struct agent;
struct agent_options {
    const char *home;      /* state: "/var/lib/knarr"; the agent uses home/agent, images come from home/images */
    const char *run_dir;   /* volatile state: "/run/knarr" */
    const char *node_name; /* NULL = host name, lower case */
    const char *server;    /* "https://192.0.2.1:6443"; may be NULL when home has a kubeconfig from an earlier join */
    const char *token;     /* join token; NULL = use the certificate of an earlier join */
    const char *node_ip;   /* NULL = the address of the default route's device */
    const char *address;   /* node server; NULL = "0.0.0.0" */
    uint16_t port;         /* node server; 0 = 10250 */
    const char *pod_cidr;  /* NULL = Node.spec.podCIDR, waits for it */
    const char *cgroup_parent;            /* NULL = "/knarr"; tests use their own */
    const char *bridge;                   /* CNI bridge device; NULL = "knarr0" */
    const char *log_dir;                  /* NULL = "/var/log/pods" */
    unsigned renewal_percent;             /* of a certificate's life, after which it is renewed; 0 = 70 to 89 */
    const char *cluster_domain;           /* NULL = "cluster.local" */
    const char *cluster_dns;              /* pods' name server; NULL = the address of Service kube-system/kube-dns */
    const char *resolv_conf;              /* NULL = "/etc/resolv.conf" */
    const char *const *registry_insecure; /* hosts served over plain HTTP, NULL-terminated; NULL = loopback only */
};
/* Checks the host, reads what is on disk, and begins to join; the rest happens on the loop. */
int agent_start(struct loop *loop, const struct agent_options *options, struct agent **ret_agent, struct error *err);
/* It could not join and has stopped the loop; why was logged. */
bool agent_failed(const struct agent *agent);
/* Leaves the containers running. */
void agent_free(struct agent *agent);
/* Removes every container, mount, device and rule the agent of this home made (`./up --down`). */
int agent_clean(const struct agent_options *options, struct error *err);

#endif
