/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way of a request: an array of phases, each of which passes it on or answers it. Audit will be a phase before
 * authorization and a hook on the pool; nothing else needs to know of it.
 *
 *     path -> authenticate -> authorize -> limit -> route -> the verb's handler
 */
#include "apiserver/authn.h"
#include "apiserver/authz.h"
#include "apiserver/customs.h"
#include "apiserver/hub.h"
#include "apiserver/info.h"
#include "apiserver/request.h"
#include "apiserver/request_metrics.h"
#include "apiserver/strategy.h"
#include "apiserver/subresource.h"
#include "lib/encoding.h"

#define FRONT_NOT_FOUND   "the server could not find the requested resource"
#define FRONT_NOT_ALLOWED "the server does not allow this method on the requested resource"

/* A selector that cannot be read must not count as none: a deletion of "all that match" would become one of all. */
static int front_check_query(struct slice query, struct error *err)
{
    struct slice pair;

    while (query.len && slice_split(&query, '&', &pair)) {
        BUF_LOCAL(decoded);

        if (slice_find(pair, ';') >= 0 || !percent_decode(&decoded, pair, true) || !utf8_valid(buf_slice(&decoded)))
            return error_set(err, ERROR_BAD_REQUEST, "invalid escape or separator in the query");
    }
    return 0;
}

static int front_path(struct request *req, struct error *err)
{
    const char *match;
    int r = request_path_parse(req->pool, req->http->method, req->http->path, &req->info, err);

    if (r < 0 || (!req->info.proxied && (r = front_check_query(req->http->query, err)) < 0))
        return r;
    request_path_set_watch(&req->info, request_query_bool(req, "watch"));
    match = request_query(req, "resourceVersionMatch");
    request_path_set_history(&req->info, request_query_bool(req, "history"), match && !strcmp(match, "Exact"));
    return 0;
}

static void front_leave(void *arg)
{
    struct request *req = arg;

    (void)__atomic_sub_fetch(req->in_flight, 1, __ATOMIC_RELAXED);
}

/* Watches, logs, streams and proxies last for hours and do not count, as upstream's long-running requests. */
static bool front_is_long(const struct request *req)
{
    static const char *const names[] = {"log", "exec", "attach", "portforward", "proxy"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(req->info.subresource, names[i]))
            return true;
    return req->info.verb == REQUEST_WATCH;
}

/* `timeout` has Go's form of a time: numbers, each with its unit ("1m30s"). What stays does not look at it. */
static int front_timeout(struct request *req, struct error *err)
{
    static const char *const units[] = {"ns", "us", "\u00b5s", "\u03bcs", "ms", "s", "m", "h"};
    const char *text = front_is_long(req) ? NULL : request_query(req, "timeout");
    const char *at = text ? text + (*text == '-' || *text == '+') : "";

    while (*at && strcmp(at, "0") != 0) {
        size_t digits = strspn(at, "0123456789.");
        size_t len = strcspn(at + digits, "0123456789.");
        size_t i = 0;

        if (strspn(at, ".") == digits)
            return error_set(err, ERROR_BAD_REQUEST,
                             "invalid timeout specified in the request URL - time: invalid duration \"%s\"", text);
        if (!len)
            return error_set(err, ERROR_BAD_REQUEST,
                             "invalid timeout specified in the request URL - time: missing unit in duration \"%s\"",
                             text);
        while (i < ARRAY_SIZE(units) && !slice_is(slice_make(at + digits, len), units[i]))
            i++;
        if (i == ARRAY_SIZE(units))
            return error_set(
                err, ERROR_BAD_REQUEST,
                "invalid timeout specified in the request URL - time: unknown unit \"%.*s\" in duration \"%s\"",
                (int)len, at + digits, text);
        at += digits + len;
    }
    return 0;
}

/* What a node says so that it is not given up: its Lease, and its Node. */
static bool front_is_beat(const struct request *req)
{
    const struct request_info *info = &req->info;

    return user_in_group(&req->user, "system:nodes") &&
           ((!strcmp(info->group, "coordination.k8s.io") && !strcmp(info->resource, "leases")) ||
            (!*info->group && !strcmp(info->resource, "nodes"))) &&
           *info->name;
}

static bool front_is_own(const struct request *req)
{
    static const char *const names[] = {"system:apiserver", "system:kube-scheduler", "system:kube-controller-manager"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(req->user.name, names[i]))
            return true;
    return user_in_group(&req->user, "system:serviceaccounts:kube-system");
}

/* Who asks whether the server is well is told so, above all when it is busy. */
static bool front_is_health(const struct request *req)
{
    static const char *const paths[] = {"/healthz", "/livez", "/readyz"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        size_t len = strlen(paths[i]);

        if (!strncmp(req->info.path, paths[i], len) && (!req->info.path[len] || req->info.path[len] == '/'))
            return true;
    }
    return false;
}

static enum request_class front_class(const struct request *req)
{
    enum request_verb verb = req->info.verb;

    if (front_is_long(req) || front_is_health(req))
        return REQUEST_CLASS_FREE;
    if (front_is_beat(req))
        return REQUEST_CLASS_BEAT;
    if (front_is_own(req))
        return REQUEST_CLASS_OWN;
    return verb == REQUEST_GET || verb == REQUEST_LIST || verb == REQUEST_HISTORY || !req->info.is_resource
               ? REQUEST_CLASS_READ
               : REQUEST_CLASS_WRITE;
}

static int front_limit(struct request *req, struct error *err)
{
    /* Reads and writes as upstream's --max-requests-inflight and --max-mutating-requests-inflight. */
    static const int max[REQUEST_CLASSES] = {
        [REQUEST_CLASS_READ] = 400, [REQUEST_CLASS_WRITE] = 200, [REQUEST_CLASS_OWN] = 400, [REQUEST_CLASS_BEAT] = 400};
    enum request_class class = front_class(req);

    if (class == REQUEST_CLASS_FREE)
        return 0;
    req->in_flight = &req->server->in_flight[class];
    pool_on_free(req->pool, front_leave, req);
    if (__atomic_add_fetch(req->in_flight, 1, __ATOMIC_RELAXED) <= max[class])
        return 0;
    (void)error_set(err, ERROR_TOO_MANY_REQUESTS, "Too many requests, please try again later.");
    err->retry_after_seconds = 1;
    return -(int)ERROR_TOO_MANY_REQUESTS;
}

static const struct schema_subresource *front_find_subresource(const struct schema_kind *kind, const char *name)
{
    for (size_t i = 0; i < kind->subresource_count; i++)
        if (!strcmp(kind->subresources[i].name, name))
            return &kind->subresources[i];
    return NULL;
}

/* Whether the group has kinds that are always there. Of any other, a path that is not served is one of no page. */
static bool front_is_own_group(const char *group)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    for (size_t i = 0; i < count; i++)
        if (!strcmp(kinds[i]->group, group))
            return true;
    return false;
}

/* Finds the kind and checks that the path has the shape of its scope. No kind: the group is not known at all. */
static int front_route(struct request *req, struct error *err)
{
    const struct request_info *info = &req->info;
    const struct schema_kind *kind;
    bool in_namespace = *info->namespace_ && strcmp(info->resource, "namespaces") != 0;

    if (!info->is_resource)
        return 0;
    kind = schema_find_resource(slice_str(info->group), slice_str(info->version), slice_str(info->resource));
    if (!kind)
        kind = customs_find(req, info->group, info->version, info->resource);
    if (!kind || (!kind->namespaced && in_namespace) ||
        (kind->namespaced && !in_namespace && *info->name && !info->old_watch))
        return front_is_own_group(info->group) ? error_set(err, ERROR_NOT_FOUND, FRONT_NOT_FOUND) : 0;
    if (*info->subresource && !(req->sub = front_find_subresource(kind, info->subresource)))
        return error_set(err, ERROR_NOT_FOUND, FRONT_NOT_FOUND);
    req->shown = kind;
    req->kind = schema_stored(kind);
    req->strategy = strategy_of(req->kind);
    if (kind->deprecated)
        request_warn(req, "%s", kind->deprecated);
    return 0;
}

static const struct {
    enum request_verb verb;
    enum schema_verb bit;
    request_handler *handler;
} front_verbs[] = {
    {REQUEST_CREATE, SCHEMA_VERB_CREATE, verb_create},
    {REQUEST_GET, SCHEMA_VERB_GET, verb_get},
    {REQUEST_HISTORY, SCHEMA_VERB_GET, verb_history},
    {REQUEST_LIST, SCHEMA_VERB_LIST, verb_list},
    {REQUEST_WATCH, SCHEMA_VERB_WATCH, verb_watch},
    {REQUEST_UPDATE, SCHEMA_VERB_UPDATE, verb_update},
    {REQUEST_PATCH, SCHEMA_VERB_PATCH, verb_patch},
    {REQUEST_DELETE, SCHEMA_VERB_DELETE, verb_delete},
    {REQUEST_DELETECOLLECTION, SCHEMA_VERB_DELETECOLLECTION, verb_delete_collection},
};

/* The handler of a resource's verb, or NULL when it does not have it. */
static request_handler *front_handler(const struct request *req)
{
    const struct request_info *info = &req->info;
    unsigned verbs = req->sub ? req->sub->verbs : req->kind->verbs;
    bool wants_name = info->verb == REQUEST_UPDATE || info->verb == REQUEST_PATCH;

    if (info->proxied)
        return proxy_connect; /* any method */
    if ((wants_name && !*info->name) || (info->verb == REQUEST_CREATE && *info->name && !req->sub) ||
        slice_is(req->http->method, "HEAD"))
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(front_verbs); i++)
        if (front_verbs[i].verb == info->verb && (verbs & front_verbs[i].bit)) {
            request_handler *special = subresource_handler(req);

            return special ? special : front_verbs[i].handler;
        }
    return NULL;
}

static int (*const front_phases[])(struct request *req, struct error *err) = {
    front_path, front_timeout, authn_authenticate, authz_authorize, front_limit, front_route,
};

void front_handle(struct http_request *http, void *arg)
{
    struct request *req = pool_alloc(http->pool, sizeof(*req));
    request_handler *handler;
    ERROR_LOCAL(err);

    req->http = http;
    req->front = arg;
    req->server = req->front->server;
    req->pool = http->pool;
    req->info.path = "";
    hub_catch_up(req->front->hub);
    pool_on_free(req->pool, customs_let_go, req);
    request_metrics_begin(req);
    for (size_t i = 0; i < ARRAY_SIZE(front_phases); i++)
        if (front_phases[i](req, &err) < 0) {
            reply_error(req, &err);
            return;
        }
    if (!req->info.is_resource) {
        info_handle(req);
        return;
    }
    if (!req->kind) {
        info_missing(req);
        return;
    }
    if (!(handler = front_handler(req))) {
        reply_error_text(req, ERROR_METHOD_NOT_ALLOWED, FRONT_NOT_ALLOWED);
        return;
    }
    if (front_is_long(req))
        request_metrics_long(req);
    handler(req);
}
