/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to say who one is, in order: set by main (in process), client certificate, bearer token (static file, then
 * bootstrap Secrets) in a header, or among the subprotocols of a WebSocket. A credential that is there and does not
 * hold is 401, never anonymous.
 */
#include "apiserver/authn.h"

#include <ctype.h>

#include "apiserver/authn_tokens.h"
#include "apiserver/authz.h"
#include "apiserver/upgrade.h"
#include "lib/encoding.h"

#define AUTHN_GROUPS_MAX 64

struct authn_groups {
    const char *list[AUTHN_GROUPS_MAX];
    size_t count;
};

static void authn_add_group(struct authn_groups *groups, const char *group)
{
    for (size_t i = 0; i < groups->count; i++)
        if (!strcmp(groups->list[i], group))
            return;
    if (groups->count < AUTHN_GROUPS_MAX)
        groups->list[groups->count++] = group;
}

static void authn_set_user(struct request *req, const char *name, const char *uid, struct authn_groups *groups)
{
    const char **copy;

    if (strcmp(name, "system:anonymous") != 0)
        authn_add_group(groups, "system:authenticated");
    copy = pool_alloc(req->pool, sizeof(*copy) * (groups->count + 1));
    for (size_t i = 0; i < groups->count; i++)
        copy[i] = pool_strdup(req->pool, groups->list[i]);
    req->user = (struct user){pool_strdup(req->pool, name), pool_strdup(req->pool, uid), copy, groups->count};
}

static int authn_by_token(struct request *req, struct slice token, struct error *err)
{
    struct authn_groups groups = {.count = 0};
    const struct authn_token *known = authn_tokens_find(req->server->tokens, token);
    struct authn_bootstrap bootstrap;

    if (known) {
        for (size_t i = 0; i < known->group_count; i++)
            authn_add_group(&groups, known->groups[i]);
        authn_set_user(req, known->user, known->uid, &groups);
        return 0;
    }
    if (authn_bootstrap_find(req->server, req->pool, token, &bootstrap)) {
        for (size_t i = 0; i < bootstrap.group_count; i++)
            authn_add_group(&groups, bootstrap.groups[i]);
        authn_set_user(req, bootstrap.user, "", &groups);
        return 0;
    }
    return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
}

/* The token behind "Bearer ", or nothing: other schemes are not ours and do not count as a credential. */
static struct slice authn_bearer(const struct request *req)
{
    struct slice header = slice_trim(http_request_header(req->http, "authorization"));

    if (header.len < 7 || !slice_equal_nocase(slice_make(header.data, 7), SLICE_LIT("bearer ")))
        return SLICE_NONE;
    return slice_trim(slice_make(header.data + 7, header.len - 7));
}

static int authn_identify(struct request *req, struct error *err)
{
    const struct http_peer *peer = req->http->peer;
    struct authn_groups groups = {.count = 0};
    struct slice token;
    int r;

    if (peer->local_user) {
        for (size_t i = 0; i < peer->local_group_count; i++)
            authn_add_group(&groups, peer->local_groups[i]);
        authn_set_user(req, peer->local_user, "", &groups);
        return 0;
    }
    if (peer->certificate_verified && peer->common_name && *peer->common_name) {
        for (size_t i = 0; i < peer->organization_count; i++)
            authn_add_group(&groups, peer->organizations[i]);
        authn_set_user(req, peer->common_name, "", &groups);
        return upgrade_check_origin(req, err);
    }
    token = authn_bearer(req);
    if (!token.len && (r = upgrade_bearer(req, &token, err)) < 0)
        return r;
    if (token.len)
        return authn_by_token(req, token, err);
    if (peer->certificate_given)
        return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
    authn_add_group(&groups, "system:unauthenticated");
    authn_set_user(req, "system:anonymous", "", &groups);
    return 0;
}

/* ---- impersonation ------------------------------------------------------------------------------------------------
 */

#define AUTHN_ACCOUNT_PREFIX "system:serviceaccount:"
#define AUTHN_EXTRA_PREFIX   "impersonate-extra-"

struct authn_mask {
    struct request *req;
    struct authn_groups groups;
    bool has_extra;
    bool invalid; /* a name that is not UTF-8: what is made by it could not be read again */
    int result;   /* of what was asked so far */
    struct error *err;
};

/* Whether the user may take on this part of somebody else. */
static void authn_ask(struct authn_mask *mask, const char *group, const char *resource, const char *subresource,
                      const char *namespace_, const char *name)
{
    const struct authz_question q = {.user = &mask->req->user,
                                     .is_resource = true,
                                     .verb = "impersonate",
                                     .path = "",
                                     .group = group,
                                     .resource = resource,
                                     .subresource = subresource,
                                     .namespace_ = namespace_,
                                     .name = name,
                                     .field_selector = ""};

    if (mask->result == 0)
        mask->result = authz_require(mask->req, &q, mask->err);
}

static void authn_take_header(void *arg, struct slice name, struct slice value)
{
    const struct slice extra = SLICE_LIT(AUTHN_EXTRA_PREFIX);
    struct authn_mask *mask = arg;
    struct pool *pool = mask->req->pool;

    if (name.len < 12 || !slice_equal_nocase(slice_make(name.data, 12), SLICE_LIT("impersonate-")))
        return;
    if (!utf8_valid(value) || !utf8_valid(name)) {
        mask->invalid = true;
        return;
    }
    if (slice_equal_nocase(name, SLICE_LIT("impersonate-group"))) {
        authn_add_group(&mask->groups, pool_slice_dup(pool, value));
    } else if (name.len > extra.len && slice_equal_nocase(slice_make(name.data, extra.len), extra)) {
        char *key = pool_slice_dup(pool, slice_make(name.data + extra.len, name.len - extra.len));

        for (char *c = key; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        mask->has_extra = true;
        authn_ask(mask, "authentication.k8s.io", "userextras", key, "", pool_slice_dup(pool, value));
    }
}

/* A ServiceAccount is asked for as such, and comes with its groups when none are named. */
static void authn_ask_user(struct authn_mask *mask, struct slice user)
{
    struct pool *pool = mask->req->pool;
    struct slice account = user;
    struct slice namespace_;
    const char *ns;

    if (!slice_starts(user, SLICE_LIT(AUTHN_ACCOUNT_PREFIX))) {
        authn_ask(mask, "", "users", "", "", pool_slice_dup(pool, user));
        return;
    }
    account.data += sizeof(AUTHN_ACCOUNT_PREFIX) - 1;
    account.len -= sizeof(AUTHN_ACCOUNT_PREFIX) - 1;
    (void)slice_split(&account, ':', &namespace_);
    ns = pool_slice_dup(pool, namespace_);
    authn_ask(mask, "", "serviceaccounts", "", ns, pool_slice_dup(pool, account));
    if (!mask->groups.count) {
        authn_add_group(&mask->groups, "system:serviceaccounts");
        authn_add_group(&mask->groups, pool_printf(pool, "system:serviceaccounts:%s", ns));
    }
}

/* Rights are those of the real user, asked for each part; only then the request is somebody else's. */
static int authn_impersonate(struct request *req, struct error *err)
{
    struct slice name = http_request_header(req->http, "impersonate-user");
    struct slice uid = http_request_header(req->http, "impersonate-uid");
    struct authn_mask mask = {.req = req, .err = err};
    size_t named;

    http_request_each_header(req->http, authn_take_header, &mask);
    if (mask.invalid)
        return error_set(err, ERROR_BAD_REQUEST, "the user or group to impersonate is not UTF-8");
    if (!name.len && !uid.len && !mask.groups.count && !mask.has_extra)
        return 0;
    if (!name.len)
        return error_set(err, ERROR_BAD_REQUEST, "impersonating a group needs a user to impersonate");
    named = mask.groups.count;
    authn_ask_user(&mask, name);
    for (size_t i = 0; i < named; i++)
        authn_ask(&mask, "", "groups", "", "", mask.groups.list[i]);
    if (uid.len)
        authn_ask(&mask, "authentication.k8s.io", "uids", "", "", pool_slice_dup(req->pool, uid));
    if (mask.result < 0)
        return mask.result;
    if (slice_is(name, "system:anonymous") && !mask.groups.count)
        authn_add_group(&mask.groups, "system:unauthenticated");
    authn_set_user(req, pool_slice_dup(req->pool, name), pool_slice_dup(req->pool, uid), &mask.groups);
    return 0;
}

int authn_authenticate(struct request *req, struct error *err)
{
    int r = authn_identify(req, err);

    return r < 0 ? r : authn_impersonate(req, err);
}
