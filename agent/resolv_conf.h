/* SPDX-License-Identifier: Apache-2.0 */
/* resolv.conf: reading the host's, and making a pod's by its dnsPolicy and dnsConfig. Pure but for the loading. */
#ifndef KNARR_AGENT_RESOLV_CONF_H
#define KNARR_AGENT_RESOLV_CONF_H

#include "agent/str_list.h"
#include "api/value.h"
#include "lib/error.h"

/* What the C libraries read; upstream's limits. */
#define RESOLV_SERVERS_MAX      3
#define RESOLV_SEARCHES_MAX     32
#define RESOLV_SEARCH_CHARS_MAX 2048
#define RESOLV_FILE_MAX         65536

struct resolv_conf {
    struct str_list servers;
    struct str_list searches; /* without the dot at the end */
    struct str_list options;  /* "ndots:5" */
};
void resolv_conf_clear(struct resolv_conf *c);
#define RESOLV_CONF_LOCAL(name) struct resolv_conf name CLEANUP(resolv_conf_clear) = {{0}, {0}, {0}}

void resolv_conf_read(struct slice text, struct resolv_conf *ret_conf);
void resolv_conf_write(const struct resolv_conf *c, struct buf *out);
/* A file that is not there is an empty one. Blocks. */
int resolv_conf_load(const char *path, struct resolv_conf *ret_conf, struct error *err);
/* As pods can use it: where it only names a resolver on loopback and systemd runs that, what that one uses. Blocks. */
int resolv_conf_load_for_pods(const char *path, struct resolv_conf *ret_conf, struct error *err);

/* The cluster's DNS as pods see it. */
struct cluster_dns {
    const char *address; /* "10.96.0.10"; NULL = there is none */
    const char *domain;  /* "cluster.local" */
};

/* `warnings`: sentences for the pod's events, where something did not fit or is not there. */
void resolv_conf_of_pod(const struct value *pod, const struct resolv_conf *host, const struct cluster_dns *dns,
                        struct resolv_conf *ret_conf, struct str_list *warnings);

#endif
