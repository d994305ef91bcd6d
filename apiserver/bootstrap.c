/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every cluster has: four namespaces and the `kubernetes` Service at the first Service address. Made through the
 * front like anything else, by the API server's own identity; what is there already stays as it is.
 */
#include "apiserver/server_internal.h"
#include "lib/http_local.h"

struct bootstrap_call {
    int status;
    struct buf body;
    bool over;
};

static void bootstrap_head(void *arg, int status, const char *content_type, const struct http_header *headers,
                           size_t header_count)
{
    ((struct bootstrap_call *)arg)->status = status;
}

static void bootstrap_data(void *arg, struct refbuf *data)
{
    buf_append_slice(&((struct bootstrap_call *)arg)->body, refbuf_slice(data));
}

static void bootstrap_end(void *arg, bool aborted)
{
    ((struct bootstrap_call *)arg)->over = true;
}

/* One request as the API server itself; waits for the answer and returns its status. */
static int bootstrap_send(struct apiserver *server, const char *method, const char *path, const char *json,
                          struct buf *ret_body)
{
    static const char *const groups[] = {"system:masters"};
    static const struct http_local_events events = {bootstrap_head, bootstrap_data, bootstrap_end};
    const struct http_peer peer = {
        .address = "", .local_user = "system:apiserver", .local_groups = groups, .local_group_count = 1};
    const struct http_header headers[] = {{"content-type", SLICE_LIT("application/json")}};
    const struct http_local_request request = {.method = slice_str(method),
                                               .path = slice_str(path),
                                               .headers = headers,
                                               .header_count = ARRAY_SIZE(headers),
                                               .body = slice_str(json),
                                               .peer = &peer};
    struct front *front = &server->fronts[0];
    struct bootstrap_call call = {0};

    (void)http_local_start(front->loop, front_handle, front, &request, &events, &call);
    while (!call.over)
        loop_turn(front->loop, true);
    *ret_body = call.body;
    return call.status;
}

/* Makes the object unless it is there. It is looked for first: a Service with a fixed address that exists is refused as
 * "address taken" before anybody asks for its name. */
static int bootstrap_need(struct apiserver *server, const char *collection, const char *name, const char *json,
                          struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", collection, name);
    BUF_LOCAL(found);
    BUF_LOCAL(made);
    int status = bootstrap_send(server, "GET", path, NULL, &found);

    if (status == 200)
        return 0;
    status = bootstrap_send(server, "POST", collection, json, &made);
    if (status == 201)
        return 0;
    return error_set(err, ERROR_INTERNAL, "making %s at start: %.*s", path, SLICE_ARGS(buf_slice(&made)));
}

int apiserver_bootstrap(struct apiserver *server, struct error *err)
{
    static const char *const namespaces[] = {"default", "kube-system", "kube-public", "kube-node-lease"};
    char address[SERVICE_ADDRESS_MAX];
    char *json;
    int r;

    for (size_t i = 0; i < ARRAY_SIZE(namespaces); i++) {
        json = mem_printf("{\"metadata\":{\"name\":\"%s\"}}", namespaces[i]);
        r = bootstrap_need(server, "/api/v1/namespaces", namespaces[i], json, err);
        free(json);
        if (r < 0)
            return r;
    }
    service_range_address(&server->services, 1, address);
    json = mem_printf("{\"metadata\":{\"name\":\"kubernetes\",\"labels\":{\"component\":\"apiserver\",\"provider\":"
                      "\"kubernetes\"}},\"spec\":{\"clusterIP\":\"%s\",\"ports\":[{\"name\":\"https\",\"port\":443,"
                      "\"protocol\":\"TCP\",\"targetPort\":%u}],\"type\":\"ClusterIP\"}}",
                      address, server->listener ? http_listener_port(server->listener) : 6443);
    r = bootstrap_need(server, "/api/v1/namespaces/default/services", "kubernetes", json, err);
    free(json);
    return r;
}
