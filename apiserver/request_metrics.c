/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Labels come from what the server knows (kinds, their subresources, the first segment of its own paths) and never from
 * a path as it was sent, so that their number is bounded.
 */
#include "apiserver/request_metrics.h"

#include <stdio.h>

#include "lib/metrics.h"

#define COMPONENT  "apiserver"
#define SERIES_MAX 1024
#define CODE_GONE  499 /* the peer left before it had an answer */

static const char *const request_count_labels[] = {"code",  "component",   "dry_run", "group",   "resource",
                                                   "scope", "subresource", "verb",    "version", NULL};
static struct metric request_count = {.name = "apiserver_request_total",
                                      .help = "Requests answered, by what they asked for and the status.",
                                      .type = METRIC_COUNTER,
                                      .labels = request_count_labels,
                                      .series_max = SERIES_MAX};

static const char *const request_labels[] = {"component",   "dry_run", "group",   "resource", "scope",
                                             "subresource", "verb",    "version", NULL};
static struct metric request_seconds = {.name = "apiserver_request_duration_seconds",
                                        .help = "From the arrival of a request to the end of its answer.",
                                        .type = METRIC_HISTOGRAM,
                                        .unit = METRIC_NS,
                                        .labels = request_labels,
                                        .series_max = SERIES_MAX,
                                        .bounds = metric_duration_bounds,
                                        .bound_count = METRIC_DURATION_BOUNDS};

static const char *const request_long_labels[] = {"component",   "group", "resource", "scope",
                                                  "subresource", "verb",  "version",  NULL};
static struct metric request_long = {.name = "apiserver_longrunning_requests",
                                     .help = "Watches and other requests that stay, under way now.",
                                     .type = METRIC_GAUGE,
                                     .labels = request_long_labels,
                                     .series_max = SERIES_MAX};

struct request_names {
    const char *group;
    const char *resource;
    const char *scope;
    const char *subresource;
    const char *verb;
    const char *version;
};

static const char *request_metrics_verb(const struct request *req)
{
    static const char *const verbs[] = {
        [REQUEST_CREATE] = "POST",     [REQUEST_GET] = "GET",
        [REQUEST_LIST] = "LIST",       [REQUEST_WATCH] = "WATCH",
        [REQUEST_UPDATE] = "PUT",      [REQUEST_PATCH] = "PATCH",
        [REQUEST_DELETE] = "DELETE",   [REQUEST_DELETECOLLECTION] = "DELETECOLLECTION",
        [REQUEST_HISTORY] = "HISTORY",
    };
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

    if (req->info.verb == REQUEST_PATCH &&
        slice_starts(http_request_header(req->http, "content-type"), SLICE_LIT("application/apply-patch")))
        return "APPLY";
    if (req->info.verb != REQUEST_OTHER)
        return verbs[req->info.verb];
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
        if (slice_is(req->http->method, methods[i]))
            return methods[i];
    return "OTHER";
}

static struct request_names request_metrics_names(const struct request *req)
{
    static const char *const paths[] = {"api",    "apis",    "healthz",     "livez",     "metrics", "openapi",
                                        "readyz", "version", ".well-known", "dashboard", "knarr"};
    static const char *const shown[] = {"/api",    "/apis",    "/healthz",     "/livez",     "/metrics", "/openapi",
                                        "/readyz", "/version", "/.well-known", "/dashboard", "/knarr"};
    const struct request_info *info = &req->info;
    const struct schema_kind *kind = req->shown;
    struct request_names n = {"", "", "", "", request_metrics_verb(req), ""};

    /* Refused before it was routed: it is still known what was asked for. */
    if (!kind && info->is_resource)
        kind = schema_find_resource(slice_str(info->group), slice_str(info->version), slice_str(info->resource));
    if (kind) {
        n.group = kind->group;
        n.version = kind->version;
        n.resource = kind->plural;
        n.subresource = req->sub ? req->sub->name : "";
        /* As upstream: a creation is about one object, though the path does not name it. */
        n.scope = *info->name || info->verb == REQUEST_CREATE ? "resource"
                  : *info->namespace_                         ? "namespace"
                                                              : "cluster";
    }
    for (size_t i = 0; !kind && info->segment_count && i < ARRAY_SIZE(paths); i++)
        if (!strcmp(paths[i], info->segments[0]))
            n.subresource = shown[i];
    return n;
}

static void request_metrics_end(void *arg)
{
    struct request *req = arg;
    struct request_names n = request_metrics_names(req);
    int status = req->http->status ? req->http->status : CODE_GONE;
    const char *dry = req->dry_run ? "All" : "";
    char code[12];

    (void)snprintf(code, sizeof(code), "%d", status);
    metric_add(metric_with(&request_count, code, COMPONENT, dry, n.group, n.resource, n.scope, n.subresource, n.verb,
                           n.version),
               1);
    if (req->long_series) {
        metric_add(req->long_series, -1);
        return;
    }
    metric_observe(
        &request_seconds,
        metric_with(&request_seconds, COMPONENT, dry, n.group, n.resource, n.scope, n.subresource, n.verb, n.version),
        clock_monotonic_ns(req->server->clock) - req->http->start_ns);
}

void request_metrics_begin(struct request *req)
{
    pool_on_free(req->pool, request_metrics_end, req);
}

void request_metrics_long(struct request *req)
{
    struct request_names n = request_metrics_names(req);

    if (req->long_series)
        return;
    req->long_series =
        metric_with(&request_long, COMPONENT, n.group, n.resource, n.scope, n.subresource, n.verb, n.version);
    metric_add(req->long_series, 1);
}
