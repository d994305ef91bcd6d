/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET nodes/NAME/proxy/PATH: what a node server shows of itself, through the API server, which alone it answers. Who
 * may is who has the right to get nodes/proxy. Only paths that read are passed on; upstream passes on everything, and
 * with it the right to run commands in every pod of the node.
 */
#include "apiserver/node_fetch.h"
#include "apiserver/node_link.h"
#include "apiserver/subresource.h"

#define NODE_PROXY_TIMEOUT_MS 10000
#define NODE_PROXY_MAX        (32u << 20)

struct node_proxy {
    struct request *req;
    struct node_fetch *fetch; /* NULL once it is over */
};

static const char *const node_proxy_paths[] = {"healthz",          "metrics",       "metrics/cadvisor",
                                               "metrics/resource", "stats/summary", "pods"};

/* The node's path, one of the list; NULL when it is none. */
static const char *node_proxy_path(const struct request *req)
{
    BUF_LOCAL(path);

    /* api v1 nodes NAME proxy ... */
    for (size_t i = 5; i < req->info.segment_count; i++)
        buf_printf(&path, "%s%s", path.len ? "/" : "", req->info.segments[i]);
    for (size_t i = 0; i < ARRAY_SIZE(node_proxy_paths); i++)
        if (slice_is(buf_slice(&path), node_proxy_paths[i]))
            return node_proxy_paths[i];
    return NULL;
}

static void node_proxy_done(void *arg, int status, const char *content_type, struct slice body, const struct error *err)
{
    struct node_proxy *p = arg;
    ERROR_LOCAL(failed);

    p->fetch = NULL;
    if (err) {
        (void)error_set(&failed, err->code == ERROR_TIMEOUT ? ERROR_TIMEOUT : ERROR_UNAVAILABLE,
                        "asking node %s failed: %s", p->req->info.name, error_text(err));
        reply_error(p->req, &failed);
    } else {
        reply_pieces(p->req, status, pool_strdup(p->req->pool, node_fetch_shown_type(content_type)), &body, 1);
    }
}

static void node_proxy_gone(void *arg)
{
    struct node_proxy *p = arg;

    node_fetch_cancel(p->fetch);
}

void node_proxy_get(struct request *req)
{
    struct node_proxy *p = pool_alloc(req->pool, sizeof(*p));
    const char *path = node_proxy_path(req);
    const char *base;
    const char *url;
    ERROR_LOCAL(err);

    if (!path) {
        reply_error_text(req, ERROR_NOT_FOUND,
                         "of a node server, healthz, metrics, metrics/cadvisor, metrics/resource, stats/summary and "
                         "pods are passed on");
        return;
    }
    if (node_link_url(req->server, req->pool, req->info.name, &base, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    url = pool_printf(req->pool, "%s/%s%s", base, path,
                      request_query_bool(req, "only_cpu_and_memory") ? "?only_cpu_and_memory=true" : "");
    p->req = req;
    pool_on_free(req->pool, node_proxy_gone, p);
    p->fetch = node_fetch_start(req->front, url, NODE_PROXY_TIMEOUT_MS, NODE_PROXY_MAX, node_proxy_done, p);
}
