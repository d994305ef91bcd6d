/* SPDX-License-Identifier: Apache-2.0 */
/* A node's server is verified against the cluster's CA, and must be at the address the Node names. */
#include "apiserver/node_link.h"

#include <arpa/inet.h>

#include "api/scan.h"
#include "apiserver/registry.h"
#include "lib/encoding.h"

#define NODE_LINK_PORT 10250

static bool node_link_is_address(struct slice text)
{
    char *copy CLEANUP_FREE = slice_dup(text);
    struct in6_addr any;

    return inet_pton(AF_INET, copy, &any) == 1 || inet_pton(AF_INET6, copy, &any) == 1;
}

int node_link_url_of(struct pool *pool, const char *name, struct slice node, const char **ret_url, struct error *err)
{
    int64_t port = scan_int(scan_get(node, "status.daemonEndpoints.kubeletEndpoint.Port"), 0);
    struct scan_cursor c = scan_open(scan_get(node, "status.addresses"));
    struct slice v;

    while (scan_element(&c, &v)) {
        BUF_LOCAL(scratch);
        struct slice address = scan_text(scan_get(v, "address"), &scratch);
        bool v6 = slice_find(address, ':') >= 0;

        /* The node says what its address is: anything but an address could make another URL of this one. */
        if (!scan_text_is(scan_get(v, "type"), "InternalIP") || !node_link_is_address(address))
            continue;
        *ret_url = pool_printf(pool, "https://%s%.*s%s:%lld", v6 ? "[" : "", SLICE_ARGS(address), v6 ? "]" : "",
                               (long long)(port > 0 && port < 65536 ? port : NODE_LINK_PORT));
        return 0;
    }
    return error_set(err, ERROR_INTERNAL, "node %s has no InternalIP address", name);
}

int node_link_url(struct apiserver *server, struct pool *pool, const char *node, const char **ret_url,
                  struct error *err)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    int r = registry_get(server->store, registry_need_kind("", "nodes"), "", node, &item, err);

    return r < 0 ? r : node_link_url_of(pool, node, buf_slice(&item.value), ret_url, err);
}

struct http_client *node_link_client(struct front *front)
{
    struct apiserver *server = front->server;
    struct http_client_options options = {.ca = slice_str(server->cluster_ca),
                                          .certificate = slice_str(front->node_identity.certificate),
                                          .key = slice_str(front->node_identity.key)};

    if (!front->node_client)
        front->node_client = http_client_new(front->loop, &options);
    return front->node_client;
}

static struct pki_pair node_link_copy(const struct pki_pair *from)
{
    return (struct pki_pair){from->certificate ? mem_strdup(from->certificate) : NULL,
                             from->key ? mem_strdup(from->key) : NULL};
}

void node_link_set_identity(struct front *front, const struct pki_pair *identity)
{
    pki_pair_clear(&front->node_identity);
    front->node_identity = node_link_copy(identity);
    if (front->node_client)
        http_client_set_certificate(front->node_client, slice_str(front->node_identity.certificate),
                                    slice_str(front->node_identity.key));
}

struct node_link_message {
    struct front *front;
    struct pki_pair identity;
};

static void node_link_take(void *arg)
{
    struct node_link_message *message = arg;

    node_link_set_identity(message->front, &message->identity);
    pki_pair_clear(&message->identity);
    free(message);
}

void node_link_post_identity(struct front *front, const struct pki_pair *identity)
{
    struct node_link_message *message = mem_alloc(sizeof(*message));

    *message = (struct node_link_message){front, node_link_copy(identity)};
    loop_post(front->loop, node_link_take, message);
}

void node_link_free(struct front *front)
{
    http_client_free(front->node_client);
    front->node_client = NULL;
    pki_pair_clear(&front->node_identity);
}

int node_link_container(struct request *req, struct slice pod, const char **ret_name, struct error *err)
{
    static const char *const lists[] = {"spec.containers", "spec.initContainers", "spec.ephemeralContainers"};
    const char *wanted = request_query(req, "container");
    BUF_LOCAL(names);
    size_t count = 0;

    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        struct scan_cursor c = scan_open(scan_get(pod, lists[l]));
        struct slice v;

        while (scan_element(&c, &v)) {
            BUF_LOCAL(scratch);
            struct slice name = scan_text(scan_get(v, "name"), &scratch);

            if (wanted && *wanted && slice_is(name, wanted)) {
                *ret_name = wanted;
                return 0;
            }
            if (l > 0)
                continue;
            buf_printf(&names, "%s%.*s", count++ ? " " : "", SLICE_ARGS(name));
        }
    }
    if (wanted && *wanted)
        return error_set(err, ERROR_BAD_REQUEST, "container %s is not valid for pod %s", wanted, req->info.name);
    if (count != 1)
        return error_set(err, ERROR_BAD_REQUEST, "a container name must be specified for pod %s, choose one of: [%s]",
                         req->info.name, buf_cstr(&names));
    *ret_name = pool_slice_dup(req->pool, buf_slice(&names));
    return 0;
}

void node_link_segment(struct buf *url, const char *text)
{
    buf_append_byte(url, '/');
    percent_encode(url, slice_str(text));
}
