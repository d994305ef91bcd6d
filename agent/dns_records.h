/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of the cluster: what the Kubernetes DNS specification 1.1.0 (github.com/kubernetes/dns,
 * docs/specification.md) wants of Services, endpoints and pods, answered from what the agent knows of them. Where the
 * specification leaves a choice, the choice is that of CoreDNS. Pure.
 */
#ifndef KNARR_AGENT_DNS_RECORDS_H
#define KNARR_AGENT_DNS_RECORDS_H

#include "agent/dns_wire.h"
#include "agent/service_rules.h"

#define DNS_RECORD_TTL   5    /* seconds, also of negative answers */
#define DNS_ALIASES_MAX  8    /* ExternalNames that lead to each other */
#define DNS_ANSWERS_MAX  4000 /* addresses behind one name that are looked at */
#define DNS_SERVICE_NAME "kube-system/kube-dns"

/* Where Services are found; see agent/services.h. */
struct dns_source {
    const struct service_record *(*find)(void *arg, struct slice key);
    bool (*namespace_)(void *arg, struct slice ns);
    const struct service_record *(*of_address)(void *arg, struct in_addr address, size_t *at);
    void *arg;
};

enum dns_result {
    DNS_ANSWERED,  /* *ret_code and the records are complete, and authoritative */
    DNS_ELSEWHERE, /* not a name of the cluster; nothing was written */
    DNS_FOLLOW,    /* the aliases were written, the last leads out of the cluster: to *ret_target */
};

/* Answers reply->query. `turn` is another number for each query: which of several addresses comes first. */
enum dns_result dns_records_answer(const struct dns_name *domain, const struct dns_source *source, unsigned turn,
                                   struct dns_reply *reply, int *ret_code, struct dns_name *ret_target);

#endif
