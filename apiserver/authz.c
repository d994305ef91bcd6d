/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of authorizers, asked in order; the first that has an opinion decides, and nobody's opinion is a refusal.
 * Role-based access control will be one more row.
 */
#include "apiserver/authz.h"

#include "apiserver/info.h"
#include "apiserver/registry.h"
#include "api/scan.h"
#include "api/selector.h"

static bool authz_one_of(const char *text, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(*list, text))
            return true;
    return false;
}

static enum authz_answer authz_masters(struct apiserver *server, struct pool *pool, const struct authz_question *q,
                                       const char **ret_reason)
{
    return user_in_group(q->user, "system:masters") ? AUTHZ_ALLOW : AUTHZ_NO_OPINION;
}

static enum authz_answer authz_paths(struct apiserver *server, struct pool *pool, const struct authz_question *q,
                                     const char **ret_reason)
{
    if (q->is_resource || !q->info)
        return AUTHZ_NO_OPINION;
    if (info_is_public(q->info))
        return AUTHZ_ALLOW;
    if (info_is_discovery(q->info) && user_in_group(q->user, "system:authenticated"))
        return AUTHZ_ALLOW;
    return AUTHZ_NO_OPINION;
}

/* Anyone who is somebody may ask about himself. */
static enum authz_answer authz_self(struct apiserver *server, struct pool *pool, const struct authz_question *q,
                                    const char **ret_reason)
{
    static const char *const reviews[] = {"selfsubjectaccessreviews", "selfsubjectrulesreviews", NULL};

    if (!q->is_resource || strcmp(q->verb, "create") != 0 || !user_in_group(q->user, "system:authenticated"))
        return AUTHZ_NO_OPINION;
    if (!strcmp(q->group, "authorization.k8s.io") && authz_one_of(q->resource, reviews))
        return AUTHZ_ALLOW;
    if (!strcmp(q->group, "authentication.k8s.io") && !strcmp(q->resource, "selfsubjectreviews"))
        return AUTHZ_ALLOW;
    return AUTHZ_NO_OPINION;
}

/* A joining machine or a node: asks for a certificate, and looks whether its own request was signed. */
static enum authz_answer authz_csr(struct apiserver *server, struct pool *pool, const struct authz_question *q,
                                   const char **ret_reason)
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
    if (registry_get(server->store, registry_need_kind(q->group, q->resource), "", q->name, &item, NULL) < 0)
        return AUTHZ_ALLOW; /* nothing to see */
    if (scan_text_is(scan_get(buf_slice(&item.value), "spec.username"), q->user->name))
        return AUTHZ_ALLOW;
    *ret_reason = "it was made by another user";
    return AUTHZ_DENY;
}

typedef enum authz_answer authz_authorizer(struct apiserver *server, struct pool *pool, const struct authz_question *q,
                                           const char **ret_reason);

static authz_authorizer *const authz_chain[] = {authz_masters, authz_paths, authz_self, authz_csr, authz_node};

bool authz_allows(struct apiserver *server, struct pool *pool, const struct authz_question *q, const char **ret_reason)
{
    enum authz_answer answer = AUTHZ_NO_OPINION;

    for (size_t i = 0; answer == AUTHZ_NO_OPINION && i < ARRAY_SIZE(authz_chain); i++)
        answer = authz_chain[i](server, pool, q, ret_reason);
    return answer == AUTHZ_ALLOW;
}

static const char *authz_scope(struct pool *pool, const struct request_info *info)
{
    return *info->namespace_ ? pool_printf(pool, "in the namespace \"%s\"", info->namespace_) : "at the cluster scope";
}

/* `pods "x" is forbidden: User "y" cannot get resource "pods/log" in API group "" in the namespace "z"`. */
static int authz_forbidden(struct request *req, const char *verb, const char *reason, struct error *err)
{
    const struct request_info *info = &req->info;
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));
    BUF_LOCAL(text);

    req->error_details = details;
    if (!info->is_resource)
        return error_set(err, ERROR_FORBIDDEN, "forbidden: User \"%s\" cannot %s path \"%s\"", req->user.name, verb,
                         info->path);
    *details = (struct status_details){*info->name ? info->name : NULL, info->group, info->resource, NULL};
    buf_printf(&text, "%s%s%s", info->resource, *info->group ? "." : "", info->group);
    if (*info->name)
        buf_printf(&text, " \"%s\"", info->name);
    buf_printf(&text, " is forbidden: User \"%s\" cannot %s resource \"%s%s%s\" in API group \"%s\" %s", req->user.name,
               verb, info->resource, *info->subresource ? "/" : "", info->subresource, info->group,
               authz_scope(req->pool, info));
    if (reason)
        buf_printf(&text, ": %s", reason);
    return error_set(err, ERROR_FORBIDDEN, "%s", buf_cstr(&text));
}

int authz_authorize(struct request *req, struct error *err)
{
    return authz_authorize_as(req, req->info.verb_name, err);
}

int authz_authorize_as(struct request *req, const char *verb, struct error *err)
{
    const struct request_info *info = &req->info;
    const char *fields = request_query(req, "fieldSelector");
    const char *reason = NULL;
    struct authz_question q = {.user = &req->user,
                               .is_resource = info->is_resource,
                               .verb = verb,
                               .path = info->path,
                               .group = info->group,
                               .resource = info->resource,
                               .subresource = info->subresource,
                               .namespace_ = info->namespace_,
                               .name = info->name,
                               .field_selector = fields ? fields : "",
                               .info = info};

    /* A list or watch of one name is as good as that name. */
    if (!*q.name && fields) {
        struct selector *s = NULL;

        if (selector_parse_fields(NULL, slice_str(fields), &s, NULL) == 0)
            q.name = pool_slice_dup(req->pool, selector_exact(s, SLICE_LIT("metadata.name")));
        selector_free(s);
    }
    if (authz_allows(req->server, req->pool, &q, &reason))
        return 0;
    return authz_forbidden(req, verb, reason, err);
}
