/* SPDX-License-Identifier: Apache-2.0 */
/* Who serves what the common verbs do not: one row a subresource or kind, and verb. */
#include "apiserver/subresource.h"

static const struct {
    const char *resource; /* of the path; NULL = any */
    const char *subresource;
    enum request_verb verb;
    request_handler *handler;
    const char *group; /* NULL = any */
} subresource_rows[] = {
    {NULL, "scale", REQUEST_GET, scale_get},
    {NULL, "scale", REQUEST_UPDATE, scale_update},
    {NULL, "scale", REQUEST_PATCH, scale_patch},
    {"pods", "binding", REQUEST_CREATE, binding_create},
    {"bindings", "", REQUEST_CREATE, binding_create},
    {"pods", "log", REQUEST_GET, log_get},
    {"nodes", "proxy", REQUEST_GET, node_proxy_get},
    {NULL, "", REQUEST_GET, usage_get, "metrics.k8s.io"},
    {NULL, "", REQUEST_LIST, usage_list, "metrics.k8s.io"},
    {"pods", "exec", REQUEST_GET, stream_connect},
    {"pods", "exec", REQUEST_CREATE, stream_connect},
    {"pods", "attach", REQUEST_GET, stream_connect},
    {"pods", "attach", REQUEST_CREATE, stream_connect},
    {"pods", "portforward", REQUEST_GET, stream_connect},
    {"pods", "portforward", REQUEST_CREATE, stream_connect},
    {"pods", "eviction", REQUEST_CREATE, eviction_create},
    {"serviceaccounts", "token", REQUEST_CREATE, account_request_create},
    {"tokenreviews", "", REQUEST_CREATE, review_token},
    {"selfsubjectaccessreviews", "", REQUEST_CREATE, review_access},
    {"subjectaccessreviews", "", REQUEST_CREATE, review_subject},
    {"localsubjectaccessreviews", "", REQUEST_CREATE, review_local},
    {"selfsubjectrulesreviews", "", REQUEST_CREATE, review_rules},
    {"selfsubjectreviews", "", REQUEST_CREATE, review_self},
};

/* The common verbs serve these: they differ in what an update keeps, which the strategies know. */
static const char *const subresource_common[] = {"", "status", "finalize", "approval", "ephemeralcontainers", "resize"};

static void subresource_missing(struct request *req)
{
    char *text CLEANUP_FREE = mem_printf("%s%s%s is not served yet", req->info.resource,
                                         *req->info.subresource ? "/" : "", req->info.subresource);

    reply_error_text(req, ERROR_NOT_FOUND, text);
}

request_handler *subresource_handler(const struct request *req)
{
    const struct request_info *info = &req->info;

    for (size_t i = 0; i < ARRAY_SIZE(subresource_rows); i++)
        if (subresource_rows[i].verb == info->verb && !strcmp(subresource_rows[i].subresource, info->subresource) &&
            (!subresource_rows[i].group || !strcmp(subresource_rows[i].group, info->group)) &&
            (!subresource_rows[i].resource || !strcmp(subresource_rows[i].resource, info->resource)))
            return subresource_rows[i].handler;
    for (size_t i = 0; !req->kind->virtual_kind && i < ARRAY_SIZE(subresource_common); i++)
        if (!strcmp(subresource_common[i], info->subresource))
            return NULL;
    return subresource_missing;
}
