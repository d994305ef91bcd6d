/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps one certificate of the node fresh: asks for the next one long before it ends, for as long as the agent runs. */
#ifndef KNARR_AGENT_RENEW_H
#define KNARR_AGENT_RENEW_H

#include "agent/agent_internal.h"
#include "lib/pki.h"

struct renew;
struct renew_options {
    const char *what;   /* for the log: "client certificate"; static */
    const char *signer; /* static, like all texts here but the subject's, which are copied */
    const char *usage;
    const char *dns_name;   /* NULL = none */
    const char *ip_address; /* NULL = none */
    const char *current;    /* PEM of the one there is; NULL = the first is asked for at once */
    const char *ca;         /* PEM: what ends with it cannot be renewed */
    /* The next one; the receiver may take its texts over (and leaves zeroes). */
    void (*taken)(void *arg, struct pki_pair *pair);
    void *arg;
};
/* Needs agent->client. The subject is that of every node: system:node:NAME in system:nodes. */
struct renew *renew_start(struct agent *agent, const struct renew_options *options);
void renew_free(struct renew *r); /* NULL is allowed */

/* When a certificate of this life (nanoseconds since 1970) is renewed: after `percent` of it; 0 = after 70 to 89, by
 * its end, so that a cluster's nodes do not all come at once and asking twice gives the same. */
int64_t renew_due_ns(int64_t not_before_ns, int64_t not_after_ns, unsigned percent);
/* How long to wait after a failure: a minute, less when the end is near, a second at the least. */
uint64_t renew_retry_ms(int64_t now_ns, int64_t not_after_ns);

#endif
