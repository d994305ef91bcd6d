/* SPDX-License-Identifier: Apache-2.0 */
/* How a machine becomes a node: from a token to a client certificate, and to the next one before it expires. */
#ifndef KNARR_AGENT_JOIN_H
#define KNARR_AGENT_JOIN_H

#include "agent/agent_internal.h"

#define JOIN_SECRET_MIN 16
#define JOIN_SECRET_MAX 64

/* A join token taken apart; see join.c for its form. */
struct join_token {
    char ca_hash[65]; /* lower-case hex */
    char *bearer;     /* "id.secret" */
};
int join_token_parse(const char *text, struct join_token *ret_token, struct error *err);
void join_token_clear(struct join_token *t);

struct join_options {
    const char *server; /* NULL = the one of an earlier join */
    const char *token;  /* NULL = the certificate of an earlier join */
};
struct join_identity {
    struct slice ca;
    struct slice certificate;
    struct slice key;
    const char *server;
};
/* Finds or gets the node's identity. `joined` is called once, with texts that live as long as the join; failures that
 * trying again cannot mend go to `failed`. Reads files at once (blocks a little). */
int join_start(struct agent *agent, const struct join_options *options,
               void (*joined)(void *arg, const struct join_identity *identity),
               void (*failed)(void *arg, const struct error *err), void *arg, struct join **ret_join,
               struct error *err);
/* The client is there: keeps the client certificate fresh, and gets one for the node server; `serving` is called with
 * each (PEM certificate and key, and the CA). Needs agent->client and a Node with its address. */
void join_keep(struct join *join,
               void (*serving)(void *arg, struct slice certificate, struct slice key, struct slice ca));
/* Nothing is called any more and nothing new begins; what is being written ends as a job of the agent. An agent that
 * ends calls it first: a certificate that came while its last jobs end would start a node server again. NULL is
 * allowed. */
void join_stop(struct join *join);
/* After the agent's last job. NULL is allowed. */
void join_free(struct join *join);

#endif
