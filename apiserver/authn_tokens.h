/* SPDX-License-Identifier: Apache-2.0 */
/* Bearer tokens: those of the static file and those of bootstrap Secrets. */
#ifndef KNARR_APISERVER_AUTHN_TOKENS_H
#define KNARR_APISERVER_AUTHN_TOKENS_H

#include "lib/bytes.h"
#include "lib/pool.h"

struct apiserver;
struct authn_tokens;

struct authn_token {
    char *token;
    char *user;
    char *uid;
    char **groups;
    size_t group_count;
};
/* NULL when there is none, or no file. Compares with every token in constant time. */
const struct authn_token *authn_tokens_find(const struct authn_tokens *tokens, struct slice token);

#define AUTHN_BOOTSTRAP_GROUPS_MAX 16
#define AUTHN_BOOTSTRAP_USER       "system:bootstrap:"
/* The Secret's key (ours) with how many machines may still join by it; absent = any number. */
#define AUTHN_BOOTSTRAP_USES "uses-left"
struct authn_bootstrap {
    const char *user; /* "system:bootstrap:abcdef" */
    const char *groups[AUTHN_BOOTSTRAP_GROUPS_MAX];
    size_t group_count;
};
/* "id.secret" of Secret kube-system/bootstrap-token-ID, when it is of the right type, not expired, and meant for
 * authentication (upstream's bootstrap token rules). */
bool authn_bootstrap_find(struct apiserver *server, struct pool *pool, struct slice token,
                          struct authn_bootstrap *ret_bootstrap);

#endif
