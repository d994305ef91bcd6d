/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to say who one is, in order: set by main (in process), client certificate, bearer token (static file, bootstrap
 * Secrets, ServiceAccounts) in a header, or among the subprotocols of a WebSocket. A credential that is there and does
 * not hold is 401, never anonymous.
 */
#include "apiserver/authn.h"

#include <ctype.h>

#include "apiserver/account.h"
#include "apiserver/authn_tokens.h"
#include "apiserver/authz.h"
#include "apiserver/upgrade.h"
#include "lib/encoding.h"
#include "lib/log.h"

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

static struct user authn_user(struct pool *pool, const char *name, const char *uid, struct authn_groups *groups)
{
    const char **copy;

    if (strcmp(name, "system:anonymous") != 0)
        authn_add_group(groups, "system:authenticated");
    copy = pool_alloc(pool, sizeof(*copy) * (groups->count + 1));
    for (size_t i = 0; i < groups->count; i++)
        copy[i] = pool_strdup(pool, groups->list[i]);
    return (struct user){
        .name = pool_strdup(pool, name), .uid = pool_strdup(pool, uid), .groups = copy, .group_count = groups->count};
}

static void authn_set_user(struct request *req, const char *name, const char *uid, struct authn_groups *groups)
{
    req->user = authn_user(req->pool, name, uid, groups);
}

/* ---- tokens -------------------------------------------------------------------------------------------------------
 */

#define AUTHN_BAD_TOKEN "invalid bearer token"
#define EXTRA           "authentication.kubernetes.io/"

/* What the token was bound to; upstream's keys. */
static void authn_add_account_extra(struct pool *pool, const struct account_claims *c, struct user *user)
{
    const struct {
        const char *key;
        const char *value;
    } rows[] = {
        {EXTRA "credential-id", pool_join(pool, (const char *const[]){"JTI=", c->id}, 2)},
        {EXTRA "node-name", c->node.name},
        {EXTRA "node-uid", c->node.uid},
        {EXTRA "pod-name", c->pod.name},
        {EXTRA "pod-uid", c->pod.uid},
    };
    struct user_extra *extra = pool_alloc(pool, sizeof(rows));

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].value && *rows[i].value)
            extra[user->extra_count++] = (struct user_extra){rows[i].key, pool_strdup(pool, rows[i].value)};
    user->extra = extra;
}

static int authn_account_token(struct request *req, struct slice token, const struct account_audiences *wanted,
                               struct user *ret_user, struct account_audiences *ret_audiences, struct error *err)
{
    const struct account_judge judge = {.issuer = req->server->accounts,
                                        .cache = req->front->accounts,
                                        .folders = req->front->folders,
                                        .now_s = clock_wall_s(req->server->clock)};
    const struct account_claims *c = NULL;
    struct authn_groups groups = {.count = 0};

    if (account_token_read(&judge, token, &c, err) < 0 ||
        account_claims_audiences(req->pool, c, wanted, ret_audiences, err) < 0 ||
        account_token_check(&judge, c, err) < 0)
        return error_set(err, ERROR_UNAUTHORIZED, "[" AUTHN_BAD_TOKEN ", %s]", pool_strdup(req->pool, error_text(err)));

    const char *const group[] = {"system:serviceaccounts:", c->namespace_};
    const char *const name[] = {"system:serviceaccount:", c->namespace_, ":", c->account.name};

    authn_add_group(&groups, "system:serviceaccounts");
    authn_add_group(&groups, pool_join(req->pool, group, ARRAY_SIZE(group)));
    *ret_user = authn_user(req->pool, pool_join(req->pool, name, ARRAY_SIZE(name)), c->account.uid, &groups);
    authn_add_account_extra(req->pool, c, ret_user);
    return 0;
}

/* Tokens without audiences are for the API. */
static bool authn_plain_token(struct request *req, struct slice token, struct user *ret_user)
{
    struct authn_groups groups = {.count = 0};
    const struct authn_token *known = authn_tokens_find(req->server->tokens, token);
    struct authn_bootstrap bootstrap;

    if (known) {
        for (size_t i = 0; i < known->group_count; i++)
            authn_add_group(&groups, known->groups[i]);
        *ret_user = authn_user(req->pool, known->user, known->uid, &groups);
        return true;
    }
    if (!authn_bootstrap_find(req->server, req->pool, token, &bootstrap))
        return false;
    for (size_t i = 0; i < bootstrap.group_count; i++)
        authn_add_group(&groups, bootstrap.groups[i]);
    *ret_user = authn_user(req->pool, bootstrap.user, "", &groups);
    return true;
}

int authn_read_token(struct request *req, struct slice token, const struct account_audiences *wanted,
                     struct user *ret_user, struct account_audiences *ret_audiences, struct error *err)
{
    const char **api = pool_alloc(req->pool, sizeof(*api));
    const struct account_audiences own = {api, 1};

    *api = req->server->accounts->name;
    if (!wanted->count)
        wanted = &own;
    for (size_t i = 0; i < wanted->count; i++)
        if (!strcmp(wanted->items[i], *api) && authn_plain_token(req, token, ret_user)) {
            *ret_audiences = own;
            return 0;
        }
    if (account_token_likely(token))
        return authn_account_token(req, token, wanted, ret_user, ret_audiences, err);
    return error_set(err, ERROR_UNAUTHORIZED, AUTHN_BAD_TOKEN);
}

/* The client only hears that it does not hold. */
static int authn_by_token(struct request *req, struct slice token, struct error *err)
{
    const struct account_audiences own = {NULL, 0};
    struct account_audiences common;
    ERROR_LOCAL(why);

    if (authn_read_token(req, token, &own, &req->user, &common, &why) == 0)
        return 0;
    log_debug("apiserver", "a bearer token was refused: %s", error_text(&why));
    return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
}

/* The token behind "Bearer ", or nothing: other schemes are not ours and do not count as a credential. */
static struct slice authn_bearer(const struct request *req)
{
    struct slice header = slice_trim(http_request_header(req->http, "authorization"));

    if (header.len < 7 || !slice_equal_nocase(slice_make(header.data, 7), SLICE_LIT("bearer ")))
        return SLICE_NONE;
    return slice_trim(slice_from(header, 7));
}

/*
 * A browser shows a client certificate to its server whoever wrote the page that asks, so for a page of another site
 * the certificate proves nothing about what its owner wants. Browsers say where a request comes from: a page of our own
 * is "same-origin", an address that was typed "none"; old ones name the page's origin at least. WebSockets have a rule
 * of their own (apiserver/upgrade.h).
 */
static bool authn_from_other_site(const struct request *req)
{
    struct slice site = http_request_header(req->http, "sec-fetch-site");

    if (websocket_requested(req->http))
        return false;
    if (site.data)
        return !slice_is(site, "same-origin") && !slice_is(site, "none");
    return !upgrade_same_origin(req);
}

static int authn_identify(struct request *req, struct error *err)
{
    const struct http_peer *peer = req->http->peer;
    struct authn_groups groups = {.count = 0};
    bool certificate = peer->certificate_given && !authn_from_other_site(req);
    struct slice token;
    int r;

    if (peer->local_user) {
        for (size_t i = 0; i < peer->local_group_count; i++)
            authn_add_group(&groups, peer->local_groups[i]);
        authn_set_user(req, peer->local_user, "", &groups);
        return 0;
    }
    if (certificate && peer->certificate_verified && peer->common_name && *peer->common_name) {
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
    if (certificate)
        return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
    authn_add_group(&groups, "system:unauthenticated");
    authn_set_user(req, "system:anonymous", "", &groups);
    return 0;
}

/* ---- impersonation ------------------------------------------------------------------------------------------------
 */

#define AUTHN_ACCOUNT_PREFIX "system:serviceaccount:"
#define AUTHN_EXTRA_MAX      64
#define AUTHN_EXTRA_PREFIX   "impersonate-extra-"

struct authn_mask {
    struct request *req;
    struct authn_groups groups;
    struct user_extra *extra; /* AUTHN_EXTRA_MAX rows */
    size_t extra_count;
    bool invalid; /* a name that is not UTF-8, or too many: what is made by it could not be read again */
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

/* `name` is what follows the prefix: lower case, and escaped where a header's name cannot say it. */
static void authn_take_extra(struct authn_mask *mask, struct slice name, struct slice value)
{
    struct pool *pool = mask->req->pool;
    struct user_extra *extra = &mask->extra[mask->extra_count];
    BUF_LOCAL(plain);
    BUF_LOCAL(key);

    for (size_t i = 0; i < name.len; i++)
        buf_append_byte(&plain, (char)tolower((unsigned char)name.data[i]));
    if (!percent_decode(&key, buf_slice(&plain), false)) {
        buf_reset(&key);
        buf_append_slice(&key, buf_slice(&plain));
    }
    if (mask->extra_count == AUTHN_EXTRA_MAX || !utf8_valid(buf_slice(&key))) {
        mask->invalid = true;
        return;
    }
    *extra = (struct user_extra){pool_slice_dup(pool, buf_slice(&key)), pool_slice_dup(pool, value)};
    mask->extra_count++;
    authn_ask(mask, "authentication.k8s.io", "userextras", extra->key, "", extra->value);
}

static void authn_take_header(void *arg, struct slice name, struct slice value)
{
    const struct slice extra = SLICE_LIT(AUTHN_EXTRA_PREFIX);
    struct authn_mask *mask = arg;

    if (name.len < 12 || !slice_equal_nocase(slice_make(name.data, 12), SLICE_LIT("impersonate-")))
        return;
    if (!utf8_valid(value) || !utf8_valid(name))
        mask->invalid = true;
    else if (slice_equal_nocase(name, SLICE_LIT("impersonate-group")))
        authn_add_group(&mask->groups, pool_slice_dup(mask->req->pool, value));
    else if (name.len > extra.len && slice_equal_nocase(slice_make(name.data, extra.len), extra))
        authn_take_extra(mask, slice_from(name, extra.len), value);
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

    mask.extra = pool_alloc(req->pool, AUTHN_EXTRA_MAX * sizeof(*mask.extra));

    http_request_each_header(req->http, authn_take_header, &mask);
    if (mask.invalid)
        return error_set(err, ERROR_BAD_REQUEST, "the user, group or extra to impersonate is not UTF-8, or too much");
    if (!name.len && !uid.len && !mask.groups.count && !mask.extra_count)
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
    req->impersonator = req->user.name;
    authn_set_user(req, pool_slice_dup(req->pool, name), pool_slice_dup(req->pool, uid), &mask.groups);
    req->user.extra = mask.extra;
    req->user.extra_count = mask.extra_count;
    return 0;
}

int authn_authenticate(struct request *req, struct error *err)
{
    int r = authn_identify(req, err);

    if (r < 0)
        return r;
    if (!user_in_group(&req->user, "system:unauthenticated"))
        http_know_peer(req->http);
    return authn_impersonate(req, err);
}
