/* SPDX-License-Identifier: Apache-2.0 */
/*
 * metrics.k8s.io: NodeMetrics and PodMetrics are not stored. Which there are is what the store says of nodes and pods;
 * what they use is asked of the nodes:
 *
 *     first pass over the store: which nodes -> usage_cache_fill -> second pass: an item for each that is known
 *
 * What a node did not say is left out, as metrics-server does; a pod that was made meanwhile comes with the next
 * asking.
 */
#include "api/scan.h"
#include "apiserver/list_options.h"
#include "apiserver/list_write.h"
#include "apiserver/registry.h"
#include "apiserver/subresource.h"
#include "apiserver/usage_cache.h"
#include "lib/encoding.h"

struct usage_request {
    struct request *req;
    struct list_options *options;   /* of a list */
    const struct schema_kind *kind; /* nodes or pods, in the store */
    struct map seen;                /* node names of the first pass; values are not used */
    struct list_write *out;         /* of the second */
};

/* The node that knows of the object. */
static const char *usage_node_of(struct usage_request *u, struct slice name, struct slice value)
{
    BUF_LOCAL(scratch);

    return pool_slice_dup(u->req->pool,
                          u->kind->namespaced ? scan_text(scan_get(value, "spec.nodeName"), &scratch) : name);
}

/* The members of the object that the node said; NULL when it did not. */
static const char *usage_known(struct usage_request *u, struct slice namespace_, struct slice name, struct slice value)
{
    const struct usage_node *node = usage_cache_get(u->req->front, usage_node_of(u, name, value));
    BUF_LOCAL(key);

    if (!node || !u->kind->namespaced)
        return node ? node->usage : NULL;
    buf_printf(&key, "%.*s/%.*s", SLICE_ARGS(namespace_), SLICE_ARGS(name));
    return map_get(&node->pods, buf_slice(&key));
}

static void usage_write_object(struct usage_request *u, struct buf *out, struct slice namespace_, struct slice name,
                               struct slice value, const char *known)
{
    struct slice labels = scan_get(value, "metadata.labels");

    buf_printf(
        out, "{\"kind\":\"%s\",\"apiVersion\":\"metrics.k8s.io/v1beta1\",\"metadata\":{\"name\":", u->req->kind->kind);
    json_write_string(out, name);
    if (namespace_.len) {
        buf_append_str(out, ",\"namespace\":");
        json_write_string(out, namespace_);
    }
    buf_printf(out, ",\"creationTimestamp\":\"%s\"", request_now(u->req));
    if (labels.data)
        buf_printf(out, ",\"labels\":%.*s", SLICE_ARGS(labels));
    buf_printf(out, "},%s}", known);
}

/* ---- list ---------------------------------------------------------------------------------------------------------
 */

static bool usage_matches(struct usage_request *u, const struct store_item *item, struct registry_place *ret_place)
{
    return registry_parse(item->key, u->kind->namespaced, ret_place) &&
           filter_matches(&u->options->filter, ret_place->namespace_, ret_place->name, item->meta, item->value);
}

static int usage_visit_first(void *arg, const struct store_item *item)
{
    struct usage_request *u = arg;
    struct registry_place place;

    if (usage_matches(u, item, &place)) {
        const char *node = usage_node_of(u, place.name, item->value);

        if (*node)
            (void)map_put(&u->seen, slice_str(node), (void *)node);
    }
    return 0;
}

static int usage_visit_second(void *arg, const struct store_item *item)
{
    struct usage_request *u = arg;
    struct registry_place place;
    const char *known;
    BUF_LOCAL(object);

    if (!usage_matches(u, item, &place) || !(known = usage_known(u, place.namespace_, place.name, item->value)))
        return 0;
    usage_write_object(u, &object, place.namespace_, place.name, item->value, known);
    list_write_item(u->out, buf_slice(&object), 0);
    return 0;
}

static int usage_pass(struct usage_request *u, store_visit_item *visit, uint64_t *ret_revision, struct error *err)
{
    const struct store_range range = {.prefix = registry_prefix(u->req->pool, u->kind, u->req->info.namespace_),
                                      .skip_count = true};
    struct store_range_result result = {0};
    int r = store_list(u->req->server->store, &range, visit, u, &result, err);

    *ret_revision = result.revision;
    return r;
}

static void usage_list_filled(void *arg)
{
    struct usage_request *u = arg;
    uint64_t revision;
    ERROR_LOCAL(err);

    u->out = list_write_new(u->req);
    if (usage_pass(u, usage_visit_second, &revision, &err) < 0)
        reply_error(u->req, &err);
    else
        list_write_reply(u->out, u->req, revision, NULL, 0);
    list_write_free(u->out);
}

static void usage_request_gone(void *arg)
{
    map_clear(&((struct usage_request *)arg)->seen, NULL);
}

static struct usage_request *usage_begin(struct request *req)
{
    struct usage_request *u = pool_alloc(req->pool, sizeof(*u));

    u->req = req;
    u->kind = registry_need_kind("", req->info.resource);
    pool_on_free(req->pool, usage_request_gone, u);
    /* kubectl top asks for protobuf and takes JSON. */
    if (req->media == MEDIA_PROTOBUF)
        req->media = MEDIA_JSON;
    return u;
}

void usage_list(struct request *req)
{
    struct list_options *o = pool_alloc(req->pool, sizeof(*o));
    struct usage_request *u;
    const char **nodes;
    size_t count = 0;
    uint64_t revision;
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || list_options_read(req, o, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    u = usage_begin(req);
    u->options = o;
    o->filter.kind = u->kind; /* the headers it looks at are those of nodes and pods */
    if (usage_pass(u, usage_visit_first, &revision, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    nodes = pool_alloc(req->pool, (u->seen.count + 1) * sizeof(*nodes));
    map_for_each (e, &u->seen) {
        nodes[count++] = e->value;
    }
    usage_cache_fill(req->front, req->pool, nodes, count, usage_list_filled, u);
}

/* ---- get ----------------------------------------------------------------------------------------------------------
 */

static void usage_get_filled(void *arg)
{
    struct usage_request *u = arg;
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    const struct request_info *info = &u->req->info;
    struct slice name = slice_str(info->name);
    const char *known;
    BUF_LOCAL(object);
    ERROR_LOCAL(err);

    if (registry_get(u->req->server->store, u->kind, info->namespace_, info->name, &item, &err) < 0) {
        reply_error(u->req, &err);
        return;
    }
    known = usage_known(u, slice_str(info->namespace_), name, buf_slice(&item.value));
    if (!known) {
        reply_error_text(u->req, ERROR_NOT_FOUND,
                         pool_printf(u->req->pool, "%s.metrics.k8s.io \"%s\" not found", info->resource, info->name));
        return;
    }
    usage_write_object(u, &object, slice_str(info->namespace_), name, buf_slice(&item.value), known);
    reply_object(u->req, 200, buf_slice(&object), 0);
}

void usage_get(struct request *req)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    const char **nodes = pool_alloc(req->pool, sizeof(*nodes));
    struct usage_request *u;
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    u = usage_begin(req);
    if (registry_get(req->server->store, u->kind, req->info.namespace_, req->info.name, &item, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    nodes[0] = usage_node_of(u, slice_str(req->info.name), buf_slice(&item.value));
    usage_cache_fill(req->front, req->pool, nodes, *nodes[0] ? 1 : 0, usage_get_filled, u);
}
