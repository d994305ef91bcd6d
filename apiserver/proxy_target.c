/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/proxy_target.h"

#include <arpa/inet.h>

#include "api/scan.h"
#include "apiserver/node_link.h"
#include "apiserver/registry.h"
#include "lib/random.h"

#define ENDPOINTS_MAX 1000 /* looked at */
#define TRIES_MAX     16   /* pods read to find one that is as its endpoint says */

/* Neither loopback, nor a link's, nor a group's, nor none: what upstream calls global unicast. */
static bool address_is_proxyable(const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t a = ntohl(v4.s_addr);

        return a && a >> 24 != 127 && a >> 16 != 0xa9fe && a >> 28 != 0xe && a != UINT32_MAX;
    }
    return inet_pton(AF_INET6, text, &v6) == 1 && !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_LOOPBACK(&v6) &&
           !IN6_IS_ADDR_LINKLOCAL(&v6) && !IN6_IS_ADDR_MULTICAST(&v6) && !IN6_IS_ADDR_V4MAPPED(&v6);
}

static const char *text_of(struct pool *pool, struct slice json, const char *path)
{
    BUF_LOCAL(scratch);

    return pool_slice_dup(pool, scan_text(scan_get(json, path), &scratch));
}

/* ---- a pod ---- */

static int target_set(struct request *req, const char *pod_name, struct slice pod, int64_t port, bool tls,
                      struct proxy_target *ret, struct error *err)
{
    const char *address = text_of(req->pool, pod, "status.podIP");
    const char *node = text_of(req->pool, pod, "spec.nodeName");
    bool v6 = strchr(address, ':') != NULL;
    const char *base;
    BUF_LOCAL(url);
    int r;

    if (!*node || !address_is_proxyable(address))
        return error_set(err, ERROR_BAD_REQUEST, "address not allowed");
    if ((r = node_link_url(req->server, req->pool, node, &base, err)) < 0)
        return r;
    buf_printf(&url, "%s/podProxy", base);
    node_link_segment(&url, req->info.namespace_);
    node_link_segment(&url, pod_name);
    buf_printf(&url, "/%lld%s", (long long)port, tls ? "?tls=true" : "");
    ret->url = pool_slice_dup(req->pool, buf_slice(&url));
    ret->host = pool_printf(req->pool, "%s%s%s:%lld", v6 ? "[" : "", address, v6 ? "]" : "", (long long)port);
    return 0;
}

/* The container port of that name; without a name the first there is. 0 = none. */
static int64_t pod_find_port(struct slice pod, const char *name)
{
    struct scan_cursor containers = scan_open(scan_get(pod, "spec.containers"));
    struct slice container;

    while (scan_element(&containers, &container)) {
        struct scan_cursor ports = scan_open(scan_get(container, "ports"));
        struct slice port;

        while (scan_element(&ports, &port))
            if (!*name || scan_text_is(scan_get(port, "name"), name))
                return scan_int(scan_get(port, "containerPort"), 0);
    }
    return 0;
}

static int find_pod(struct request *req, const struct proxy_name *name, struct proxy_target *ret, struct error *err)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    int64_t port = 0;
    int r = registry_get(req->server->store, req->kind, req->info.namespace_, name->name, &item, err);

    if (r < 0)
        return r;
    if (!*name->port)
        port = pod_find_port(buf_slice(&item.value), "");
    else if (!slice_to_int64(slice_str(name->port), &port) &&
             !(port = pod_find_port(buf_slice(&item.value), name->port)))
        return error_set(err, ERROR_UNAVAILABLE, "no port \"%s\" found for pod \"%s\"", name->port, name->name);
    if (!port)
        port = name->tls ? 443 : 80;
    if (port < 1 || port > 65535)
        return error_set(err, ERROR_BAD_REQUEST, "invalid pod request \"%s\"", req->info.name);
    return target_set(req, name->name, buf_slice(&item.value), port, name->tls, ret, err);
}

/* ---- a service ---- */

struct endpoint {
    const char *pod;
    const char *address;
    int64_t port;
};

struct endpoint_search {
    struct request *req;
    const char *service;
    const char *port; /* of the service, by name */
    struct endpoint *items;
    size_t count;
    bool any; /* the service has some, ready or not */
};

static bool slice_is_of(struct slice object, const char *service)
{
    struct scan_cursor labels = scan_open(scan_get(object, "metadata.labels"));
    struct slice key;
    struct slice value;

    while (scan_member(&labels, &key, &value))
        if (slice_is(key, "kubernetes.io/service-name"))
            return scan_text_is(value, service);
    return false;
}

/* The number of the port of that name; 0 = the slice has none. */
static int64_t slice_find_port(struct slice object, const char *name)
{
    struct scan_cursor ports = scan_open(scan_get(object, "ports"));
    struct slice port;

    while (scan_element(&ports, &port)) {
        struct slice own = scan_get(port, "name");

        if (scan_is_string(own) ? scan_text_is(own, name) : !*name)
            return scan_int(scan_get(port, "port"), 0);
    }
    return 0;
}

static void take_endpoint(struct endpoint_search *s, struct slice endpoint, int64_t port)
{
    struct pool *pool = s->req->pool;
    struct scan_cursor addresses = scan_open(scan_get(endpoint, "addresses"));
    struct slice address;
    BUF_LOCAL(scratch);

    s->any = true;
    if (port < 1 || port > 65535 || s->count == ENDPOINTS_MAX || !scan_element(&addresses, &address) ||
        !scan_bool(scan_get(endpoint, "conditions.ready"), true) ||
        !scan_text_is(scan_get(endpoint, "targetRef.kind"), "Pod") ||
        !scan_text_is(scan_get(endpoint, "targetRef.namespace"), s->req->info.namespace_))
        return;
    s->items[s->count++] = (struct endpoint){.pod = text_of(pool, endpoint, "targetRef.name"),
                                             .address = pool_slice_dup(pool, scan_text(address, &scratch)),
                                             .port = port};
}

static int visit_slice(void *arg, const struct store_item *item)
{
    struct endpoint_search *s = arg;
    struct scan_cursor endpoints = scan_open(scan_get(item->value, "endpoints"));
    struct slice endpoint;
    int64_t port;

    if (!slice_is_of(item->value, s->service))
        return 0;
    port = slice_find_port(item->value, s->port);
    while (scan_element(&endpoints, &endpoint))
        take_endpoint(s, endpoint, port);
    return 0;
}

static bool pod_has_address(struct slice pod, const char *address)
{
    struct scan_cursor all = scan_open(scan_get(pod, "status.podIPs"));
    struct slice one;

    while (scan_element(&all, &one))
        if (scan_text_is(scan_get(one, "ip"), address))
            return true;
    return false;
}

/* The service's port of that number, as upstream by its name from then on; a name is left as it is. */
static int find_service_port(struct request *req, const struct proxy_name *name, const char **ret_port,
                             struct error *err)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct scan_cursor ports;
    struct slice port;
    int64_t number;
    int r = registry_get(req->server->store, req->kind, req->info.namespace_, name->name, &item, err);

    if (r < 0)
        return r;
    *ret_port = name->port;
    if (!slice_to_int64(slice_str(name->port), &number))
        return 0;
    ports = scan_open(scan_get(buf_slice(&item.value), "spec.ports"));
    while (scan_element(&ports, &port))
        if (scan_int(scan_get(port, "port"), 0) == number) {
            *ret_port = text_of(req->pool, port, "name");
            return 0;
        }
    return error_set(err, ERROR_UNAVAILABLE, "no service port %lld found for service \"%s\"", (long long)number,
                     name->name);
}

/* Any of them, but one whose pod is what the endpoint says. */
static int choose_endpoint(struct endpoint_search *s, const struct proxy_name *name, struct proxy_target *ret,
                           struct error *err)
{
    const struct schema_kind *pods = registry_need_kind("", "pods");
    size_t first = s->count ? random_below(s->count) : 0;

    for (size_t i = 0; i < s->count && i < TRIES_MAX; i++) {
        const struct endpoint *e = &s->items[(first + i) % s->count];
        struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

        if (registry_get(s->req->server->store, pods, s->req->info.namespace_, e->pod, &item, NULL) < 0 ||
            !pod_has_address(buf_slice(&item.value), e->address))
            continue;
        return target_set(s->req, e->pod, buf_slice(&item.value), e->port, name->tls, ret, err);
    }
    return error_set(err, ERROR_UNAVAILABLE, "no endpoints available for service \"%s\"",
                     s->any ? s->req->info.name : name->name);
}

static int find_service(struct request *req, const struct proxy_name *name, struct proxy_target *ret, struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("discovery.k8s.io", "endpointslices");
    struct store_range range = {.prefix = registry_prefix(req->pool, kind, req->info.namespace_), .skip_count = true};
    struct endpoint_search search = {.req = req, .service = name->name};
    struct store_range_result result;
    int r = find_service_port(req, name, &search.port, err);

    if (r < 0)
        return r;
    search.items = pool_alloc(req->pool, ENDPOINTS_MAX * sizeof(*search.items));
    if ((r = store_list(req->server->store, &range, visit_slice, &search, &result, err)) < 0)
        return r;
    return choose_endpoint(&search, name, ret, err);
}

int proxy_target_find(struct request *req, struct proxy_target *ret_target, struct error *err)
{
    bool is_pod = !strcmp(req->info.resource, "pods");
    struct proxy_name name;

    if (!proxy_name_parse(req->pool, req->info.name, &name))
        return error_set(err, ERROR_BAD_REQUEST, "invalid %s request \"%s\"", is_pod ? "pod" : "service",
                         req->info.name);
    return is_pod ? find_pod(req, &name, ret_target, err) : find_service(req, &name, ret_target, err);
}
