/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a registry is told who asks: the challenge of a 401 (RFC 7235), Basic, and Docker's token service (Bearer). Pure.
 *
 * A login leaves only for the registry it is for, or for the token service that this registry itself names, and only
 * over TLS unless the registry is one that is spoken to in the clear.
 */
#ifndef KNARR_AGENT_REGISTRY_AUTH_H
#define KNARR_AGENT_REGISTRY_AUTH_H

#include "agent/registry_login.h"

struct registry_challenge {
    bool basic;
    bool bearer;
    char *realm; /* of the token service: a URL; NULL = none */
    char *service;
    char *scope;
};
void registry_challenge_clear(struct registry_challenge *c);
/* Adds one WWW-Authenticate header; schemes that are not known are passed over. */
void registry_challenge_add(struct registry_challenge *c, struct slice header);

/* One request to the token service. */
struct registry_token_request {
    char *url;
    const char *method;
    char *authorization; /* the header's value; NULL = none */
    char *body;          /* a form; NULL = none */
};
void registry_token_request_clear(struct registry_token_request *r);
/* `login` NULL = anonymous. `in_clear`: the registry is spoken to without TLS. ERROR_UNAUTHORIZED when the challenge
 * names no service, or one that must not be told the login. */
int registry_token_request_make(const struct registry_challenge *c, const char *repository,
                                const struct registry_login *login, bool in_clear,
                                struct registry_token_request *ret_request, struct error *err);

/* "Basic ..."; NULL when the login has no user. Caller wipes and frees. */
char *registry_auth_basic(const struct registry_login *login);

/* Is `url` on the same scheme, host and port as `base` ("https://host:port")? */
bool registry_url_within(const char *url, const char *base);

#endif
