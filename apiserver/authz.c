/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of authorizers, asked in order; the first that has an opinion decides, and nobody's opinion is a refusal.
 * What a joining machine or a node may do with its own things depends on the things, so it stands before the roles,
 * and where those authorizers refuse, no role can allow.
 */
#include "apiserver/authz.h"

#include "api/scan.h"
#include "api/selector.h"
#include "apiserver/dashboard.h"
#include "apiserver/info.h"
#include "apiserver/rbac.h"
#include "apiserver/registry.h"
#include "lib/log.h"

static bool authz_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, text))
            return true;
    return false;
}

static enum authz_answer authz_masters(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    return user_in_group(q->user, "system:masters") ? AUTHZ_ALLOW : AUTHZ_NO_OPINION;
}

/* What is there before anybody can be somebody: the CA's certificate, and the Dashboard's files. */
static enum authz_answer authz_public(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    static const char *const reads[] = {"get", "head", NULL};

    if (q->is_resource)
        return AUTHZ_NO_OPINION;
    if ((!strcmp(q->path, INFO_CA_PATH) || dashboard_owns(q->path)) && authz_one_of(q->verb, reads))
        return AUTHZ_ALLOW;
    return AUTHZ_NO_OPINION;
}

/* A joining machine or a node: asks for a certificate, and looks whether its own request was signed. */
static enum authz_answer authz_csr(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    static const char *const reads[] = {"get", "list", "watch", NULL};
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

    if (!q->is_resource || strcmp(q->group, "certificates.k8s.io") != 0 ||
        strcmp(q->resource, "certificatesigningrequests") != 0 || *q->subresource ||
        (!user_in_group(q->user, "system:bootstrappers") && !user_in_group(q->user, "system:nodes")))
        return AUTHZ_NO_OPINION;
    if (!strcmp(q->verb, "create"))
        return AUTHZ_ALLOW;
    if (!authz_one_of(q->verb, reads) || !*q->name)
        return AUTHZ_NO_OPINION;
    if (registry_get(req->server->store, registry_need_kind(q->group, q->resource), "", q->name, &item, NULL) < 0)
        return AUTHZ_ALLOW; /* nothing to see */
    if (scan_text_is(scan_get(buf_slice(&item.value), "spec.username"), q->user->name))
        return AUTHZ_ALLOW;
    *ret_reason = "it was made by another user";
    return AUTHZ_DENY;
}

/* The server's own scheduler or one of its controllers: named by main, in process. */
static bool authz_is_own(const struct request *req, const struct authz_question *q)
{
    static const char *const prefixes[] = {"system:serviceaccount:kube-system:", "system:kube-"};

    if (q->user != &req->user || !req->http->peer->local_user)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (!strncmp(q->user->name, prefixes[i], strlen(prefixes[i])))
            return true;
    return false;
}

/* Our controllers patch where upstream's, whose roles they have, update. Who may update may write all that a patch
 * writes. */
static enum authz_answer authz_own(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    struct authz_question update = *q;

    if (!authz_is_own(req, q) || strcmp(q->verb, "patch") != 0)
        return AUTHZ_NO_OPINION;
    update.verb = "update";
    return rbac_authorize(req, &update, ret_reason);
}

typedef enum authz_answer authz_authorizer(struct request *req, const struct authz_question *q,
                                           const char **ret_reason);

static authz_authorizer *const authz_chain[] = {authz_masters, authz_node,     authz_public,
                                                authz_csr,     rbac_authorize, authz_own};

bool authz_allows(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    enum authz_answer answer = AUTHZ_NO_OPINION;

    for (size_t i = 0; answer == AUTHZ_NO_OPINION && i < ARRAY_SIZE(authz_chain); i++)
        answer = authz_chain[i](req, q, ret_reason);
    return answer == AUTHZ_ALLOW;
}

/* `pods "x" is forbidden: User "y" cannot get resource "pods/log" in API group "" in the namespace "z"`. */
static int authz_forbidden(struct request *req, const struct authz_question *q, const char *reason, struct error *err)
{
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));
    BUF_LOCAL(text);

    req->error_details = details;
    if (!q->is_resource)
        return error_set(err, ERROR_FORBIDDEN, "forbidden: User \"%s\" cannot %s path \"%s\"%s%s", q->user->name,
                         q->verb, q->path, reason ? ": " : "", reason ? reason : "");
    *details = (struct status_details){*q->name ? q->name : NULL, q->group, q->resource, NULL};
    buf_printf(&text, "%s%s%s", q->resource, *q->group ? "." : "", q->group);
    if (*q->name)
        buf_printf(&text, " \"%s\"", q->name);
    buf_printf(&text, " is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\" ", q->user->name,
               q->verb, q->resource, *q->subresource ? "/" : "", q->subresource, q->group);
    if (*q->namespace_)
        buf_printf(&text, "in the namespace \"%s\"", q->namespace_);
    else
        buf_append_str(&text, "at the cluster scope");
    if (reason)
        buf_printf(&text, ": %s", reason);
    return error_set(err, ERROR_FORBIDDEN, "%s", buf_cstr(&text));
}

int authz_require(struct request *req, const struct authz_question *q, struct error *err)
{
    const char *reason = NULL;
    ERROR_LOCAL(refusal);

    if (authz_allows(req, q, &reason))
        return 0;
    (void)authz_forbidden(req, q, reason, &refusal);
    if (authz_is_own(req, q))
        log_warning("apiserver", "a part of the server itself was refused: %s", error_text(&refusal));
    return error_pass(err, &refusal, NULL);
}

int authz_authorize(struct request *req, struct error *err)
{
    return authz_authorize_as(req, req->info.verb_name, err);
}

int authz_authorize_as(struct request *req, const char *verb, struct error *err)
{
    const struct request_info *info = &req->info;
    const char *fields = request_query(req, "fieldSelector");
    struct authz_question q = {.user = &req->user,
                               .is_resource = info->is_resource,
                               .verb = verb,
                               .path = info->path,
                               .group = info->group,
                               .resource = info->resource,
                               .subresource = info->subresource,
                               .namespace_ = info->namespace_,
                               .name = info->name,
                               .field_selector = fields ? fields : ""};

    /* A list or watch of one name is as good as that name. Other verbs do not look at the selector. */
    if (!*q.name && fields && (info->verb == REQUEST_LIST || info->verb == REQUEST_WATCH)) {
        struct selector *s = NULL;

        if (selector_parse_fields(NULL, slice_str(fields), &s, NULL) == 0)
            q.name = pool_slice_dup(req->pool, selector_exact(s, SLICE_LIT("metadata.name")));
        selector_free(s);
    }
    return authz_require(req, &q, err);
}
