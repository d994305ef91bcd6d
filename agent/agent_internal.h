/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the agent share. Everything here belongs to the loop; `config` never changes after start. */
#ifndef KNARR_AGENT_AGENT_INTERNAL_H
#define KNARR_AGENT_AGENT_INTERNAL_H

#include "agent/agent.h"
#include "agent/images.h"
#include "agent/runtime.h"
#include "agent/sandbox.h"
#include "client/client.h"
#include "client/event.h"
#include "lib/list.h"
#include "lib/map.h"

/* Read by pool threads too. */
struct agent_config {
    char *home;     /* home/agent */
    char *run_dir;  /* run_dir/agent */
    char *log_dir;  /* "/var/log/pods" */
    char *archives; /* home/images */
    char *node_name;
    char *node_ip;
    char *server;
    char *address;
    uint16_t port;
    char *cgroup_parent;
    char *bridge;
    char *cluster_domain;
    char *cluster_dns; /* NULL = the address of its Service */
    char *resolv_conf;
    char *pod_cidr; /* NULL until Node.spec.podCIDR is known; set once */
    struct runtime runtime;
    enum cgroup_version cgroup_version;
    int64_t cpu_milli;
    int64_t memory;
    unsigned renewal_percent; /* 0 = 70 to 89 */
};

struct dns;
struct pods;
struct node;
struct network;
struct services;
struct join;
struct node_server;
struct log_rotate;
struct handlers;
struct http_client;
struct usage;

struct agent {
    struct loop *loop;
    struct clock *clock;
    struct agent_config config;
    struct client_transport *transport; /* the client's */
    struct client *client;              /* NULL until joined */
    struct event_recorder *events;
    struct images *images;
    struct pods *pods;
    struct node *node;
    struct network *network;
    struct services *services;
    struct handlers *handlers; /* probes and hooks */
    struct dns *dns;           /* NULL when it cannot be served */
    struct join *join;
    struct node_server *server;
    struct list log_streams;
    struct list sessions; /* exec, attach, port-forward, proxies */
    size_t session_count;
    struct http_client *pod_client; /* connects proxies to pods, whose certificates nobody knows; NULL until used */
    struct log_rotate *log_rotate;
    struct usage *usage;
    bool failed;
    int lock;
    size_t jobs; /* on the pool: the agent is not freed before they are done */
};

/* work on a pool thread, then done on the loop; counted. */
void agent_work(struct agent *agent, void (*work)(void *arg), void (*done)(void *arg), void *arg);
/* From the options and the defaults; allocates. */
void agent_config_fill(struct agent_config *c, const struct agent_options *o);
void agent_config_clear(struct agent_config *c);
/* Keeps others off the home as long as the descriptor is open; waits so long for one that is just ending. */
int agent_lock(const struct agent_config *c, unsigned wait_ms, int *ret_fd, struct error *err);
/* The sandbox' view of the configuration. */
struct sandbox_config agent_sandbox_config(const struct agent_config *config);

#endif
