/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions for others: asked of the name servers in the host's resolv.conf, with retries, and kept for a while. All of
 * it is bounded: questions under way, who waits for one, what is kept.
 */
#ifndef KNARR_AGENT_DNS_FORWARD_H
#define KNARR_AGENT_DNS_FORWARD_H

#include "agent/agent_internal.h"
#include "agent/dns_wire.h"

#define DNS_LOOKUPS_MAX 1024 /* questions under way */
#define DNS_WAITERS_MAX 2048 /* who waits for them */

struct dns_forward;

/* Reads the file when it is needed and again when it may have changed. `own(own_arg, address)` says which of its
 * servers is this one. */
struct dns_forward *dns_forward_new(struct agent *agent, bool (*own)(void *arg, struct in_addr address), void *own_arg);
/* Who waits is told first. */
void dns_forward_free(struct dns_forward *f);
/* Calls done exactly once, maybe at once, with an answer that matches the question; len 0 = none could be had. It is
 * borrowed for the call. */
void dns_forward_ask(struct dns_forward *f, const struct dns_query *query,
                     void (*done)(void *arg, struct slice response), void *arg);

#endif
