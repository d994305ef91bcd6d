/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways to say who one is, in order: set by main (in process), client certificate, bearer token (static file, then
 * bootstrap Secrets). A credential that is there and does not hold is 401, never anonymous.
 */
#include "apiserver/authn.h"

#include "apiserver/authn_tokens.h"
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
        return 0;
    }
    token = authn_bearer(req);
    if (token.len)
        return authn_by_token(req, token, err);
    if (peer->certificate_given)
        return error_set(err, ERROR_UNAUTHORIZED, "Unauthorized");
    authn_add_group(&groups, "system:unauthenticated");
    authn_set_user(req, "system:anonymous", "", &groups);
    return 0;
}

static void authn_take_group(void *arg, struct slice name, struct slice value)
{
    struct request *req = ((void **)arg)[0];
    struct authn_groups *groups = ((void **)arg)[1];

    if (slice_equal_nocase(name, SLICE_LIT("impersonate-group")))
        authn_add_group(groups, pool_slice_dup(req->pool, value));
}

static int authn_impersonate(struct request *req, struct error *err)
{
    struct slice name = http_request_header(req->http, "impersonate-user");
    struct authn_groups groups = {.count = 0};
    void *arg[2] = {req, &groups};
    const char *user;
    bool valid;

    http_request_each_header(req->http, authn_take_group, arg);
    if (!name.len && !groups.count)
        return 0;
    if (!name.len)
        return error_set(err, ERROR_BAD_REQUEST, "impersonating a group needs a user to impersonate");
    user = pool_slice_dup(req->pool, name);
    valid = utf8_valid(name);
    for (size_t i = 0; i < groups.count; i++)
        valid = valid && utf8_valid(slice_str(groups.list[i]));
    if (!valid) /* it would be stored in what the user makes, and could not be read again */
        return error_set(err, ERROR_BAD_REQUEST, "the user or group to impersonate is not UTF-8");
    if (!user_in_group(&req->user, "system:masters")) {
        struct status_details *details = pool_alloc(req->pool, sizeof(*details));

        *details = (struct status_details){user, NULL, "users", NULL};
        req->error_details = details;
        return error_set(err, ERROR_FORBIDDEN,
                         "users \"%s\" is forbidden: User \"%s\" cannot impersonate resource \"users\" in API group "
                         "\"\" at the cluster scope",
                         user, req->user.name);
    }
    authn_set_user(req, user, "", &groups);
    return 0;
}

int authn_authenticate(struct request *req, struct error *err)
{
    int r = authn_identify(req, err);

    return r < 0 ? r : authn_impersonate(req, err);
}
