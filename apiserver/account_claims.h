/* SPDX-License-Identifier: Apache-2.0 */
/* What a ServiceAccount token says: upstream's claims of bound tokens, as data. */
#ifndef KNARR_APISERVER_ACCOUNT_CLAIMS_H
#define KNARR_APISERVER_ACCOUNT_CLAIMS_H

#include "lib/bytes.h"
#include "lib/error.h"
#include "lib/pool.h"

/* Clocks may differ by so much, and what is deleted ends so much later (upstream's leeway). */
#define ACCOUNT_LEEWAY_S 60

struct account_object {
    const char *name; /* NULL = none */
    const char *uid;  /* "" = unknown */
};

struct account_audiences {
    const char *const *items;
    size_t count;
};

struct account_claims {
    const char *issuer;
    const char *id; /* jti */
    const char *namespace_;
    struct account_object account;
    struct account_object pod; /* at most one of pod, secret and node binds; with a pod, node says where it runs */
    struct account_object secret;
    struct account_object node;
    struct account_audiences audiences;
    int64_t issued_s; /* seconds since 1970 */
    int64_t not_before_s;
    int64_t expires_s;
    int64_t warn_after_s; /* 0 = none */
};

/* Appends the JSON document. */
void account_claims_write(const struct account_claims *claims, struct buf *out);
/* Texts in the pool. ERROR_UNAUTHORIZED when something is missing, of another type, or does not go together. */
int account_claims_read(struct pool *pool, struct slice json, struct account_claims *ret_claims, struct error *err);
/* ERROR_UNAUTHORIZED before and after its time, leeway included. */
int account_claims_check_time(const struct account_claims *claims, int64_t now_s, struct error *err);
/* Those of the token's audiences that are wanted too; ERROR_UNAUTHORIZED when there is none. */
int account_claims_audiences(struct pool *pool, const struct account_claims *claims,
                             const struct account_audiences *wanted, struct account_audiences *ret_common,
                             struct error *err);

#endif
