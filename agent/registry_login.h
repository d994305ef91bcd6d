/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logins for registries: what Secrets of type kubernetes.io/dockerconfigjson and kubernetes.io/dockercfg hold, and
 * which of them an image may be pulled with. Matching is the kubelet's (pkg/credentialprovider): the most specific
 * place first, a `*` within one label of the host, and the ports must be the same. Pure.
 */
#ifndef KNARR_AGENT_REGISTRY_LOGIN_H
#define KNARR_AGENT_REGISTRY_LOGIN_H

#include "agent/image_ref.h"
#include "api/value.h"

#define REGISTRY_LOGINS_MAX 256 /* of all Secrets of a pod together */
#define REGISTRY_TRIES_MAX  16  /* how many of them are tried for one image */

/* The texts are owned and wiped when they go. */
struct registry_login {
    char *place; /* "registry.example.com:5000/team", "*.example.com": host, port, how the repository begins */
    char *user;
    char *password;
    char *identity_token; /* an OAuth2 refresh token, in place of user and password; NULL = none */
    char *registry_token; /* a bearer token, sent as it is; NULL = none */
};
/* All zero is empty. */
struct registry_logins {
    struct registry_login *items;
    size_t count;
    size_t cap;
};
void registry_logins_clear(struct registry_logins *logins);

/* Adds what a Docker configuration ({"auths": {PLACE: ENTRY}}) or, when `bare`, its inner object says. Entries that say
 * nothing are passed over. ERROR_INVALID names the place, never what it holds. */
int registry_logins_read(struct registry_logins *logins, struct slice json, bool bare, struct error *err);
/* The same from a Secret; one of another type adds nothing. */
int registry_logins_add_secret(struct registry_logins *logins, const struct value *secret, struct error *err);
/* Copies of all. */
void registry_logins_append(struct registry_logins *logins, const struct registry_logins *more);
/* Adds copies of those the image may be pulled with, best first, up to REGISTRY_TRIES_MAX in the whole list. */
void registry_logins_pick(const struct registry_logins *all, const struct image_ref *ref,
                          struct registry_logins *picked);

/* SHA-256 in hex of who the login makes us, whatever place it is written for. */
#define REGISTRY_LOGIN_HASH_LEN 64
void registry_login_hash(const struct registry_login *login, char ret_hash[REGISTRY_LOGIN_HASH_LEN + 1]);

#endif
