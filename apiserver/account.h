/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tokens of ServiceAccounts: who signs them, and whether one still holds. A token is good while its signature, its
 * time, its account and the object that it is bound to are; the objects are looked at each time, so that deleting one
 * ends the token. What was verified is remembered by the hash of the token, because a signature costs more than the
 * rest.
 */
#ifndef KNARR_APISERVER_ACCOUNT_H
#define KNARR_APISERVER_ACCOUNT_H

#include "apiserver/account_claims.h"
#include "lib/clock.h"
#include "lib/jws.h"

struct folder_cache;

/* Immutable: shared by all fronts. */
struct account_issuer {
    struct jws_key *key;
    char *name;          /* "iss", and the audience of the API itself */
    char *configuration; /* the OpenID documents */
    char *keys;
};
#define ACCOUNT_ISSUER_DEFAULT "https://kubernetes.default.svc.cluster.local"

/* key_pem empty: a new key, which dies with the process. address: "host:port" of the document with the keys. */
int account_issuer_make(const char *name, struct slice key_pem, const char *address, struct account_issuer **ret_issuer,
                        struct error *err);
void account_issuer_free(struct account_issuer *issuer); /* NULL is allowed */
/* Appends a token that says this. */
int account_issuer_sign(const struct account_issuer *issuer, const struct account_claims *claims, struct buf *out,
                        struct error *err);

/* What was verified; one a thread, bounded. */
struct account_cache;
struct account_cache *account_cache_new(void);
void account_cache_free(struct account_cache *cache); /* NULL is allowed */

struct account_judge {
    const struct account_issuer *issuer;
    struct account_cache *cache;
    struct folder_cache *folders; /* of the same thread */
    int64_t now_s;
};
/* A token's looks: three parts. Whether it is good is another question. */
bool account_token_likely(struct slice token);
/* *ret_claims lives until the next call with this cache. ERROR_UNAUTHORIZED: the words are for who reviews tokens, not
 * for who shows one. */
int account_token_read(const struct account_judge *judge, struct slice token, const struct account_claims **ret_claims,
                       struct error *err);
/* Its time, and that account and bound object are still the same. ERROR_UNAUTHORIZED. */
int account_token_check(const struct account_judge *judge, const struct account_claims *claims, struct error *err);

#endif
