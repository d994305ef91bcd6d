/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc: one call of the health service over HTTP/2 without TLS. How the call went stands in the trailers, or in the
 * head when there is no body at all; what the service says of itself stands in the body.
 */
#include "agent/handler_internal.h"

#include "agent/grpc_health.h"
#include "lib/encoding.h"

static void grpc_note(struct handler *h, struct slice name, struct slice value)
{
    BUF_LOCAL(text);

    if (slice_equal_nocase(name, SLICE_LIT("grpc-status"))) {
        (void)slice_to_int64(value, &h->grpc_status);
    } else if (slice_equal_nocase(name, SLICE_LIT("grpc-message"))) {
        free(h->grpc_message);
        h->grpc_message = percent_decode(&text, value, false) ? buf_steal_str(&text) : slice_dup(value);
    }
}

static void grpc_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct handler *h = arg;

    h->status = status;
    for (size_t i = 0; i < header_count; i++)
        grpc_note(h, slice_str(headers[i].name), headers[i].value);
}

static void grpc_trailer(void *arg, struct slice name, struct slice value)
{
    grpc_note(arg, name, value);
}

static void grpc_data(void *arg, struct slice data)
{
    struct handler *h = arg;

    if (h->text.len + data.len <= HANDLER_OUTPUT)
        buf_append_slice(&h->text, data);
}

static char *rpc_text(const struct handler *h)
{
    const char *name = grpc_code_name(h->grpc_status);
    char *number CLEANUP_FREE = mem_printf("Code(%lld)", (long long)h->grpc_status);

    return mem_printf("error: health rpc probe failed: rpc error: code = %s desc = %s", name ? name : number,
                      h->grpc_message ? h->grpc_message : "");
}

static void grpc_answer(struct handler *h)
{
    uint64_t serving = 0;

    if (h->status != 200) {
        handler_tell_take(h, HANDLER_BAD,
                          mem_printf("error: health rpc probe failed: rpc error: code = Unknown desc = unexpected HTTP "
                                     "status code received from server: %d",
                                     h->status));
    } else if (h->grpc_status == GRPC_UNIMPLEMENTED) {
        handler_tell_take(h, HANDLER_BAD,
                          mem_printf("error: this server does not implement the grpc health protocol "
                                     "(grpc.health.v1.Health): %s",
                                     h->grpc_message ? h->grpc_message : ""));
    } else if (h->grpc_status == GRPC_DEADLINE_EXCEEDED) {
        handler_tell_take(h, HANDLER_BAD,
                          mem_printf("timeout: health rpc did not complete within %us", h->timeout_ms / 1000));
    } else if (h->grpc_status != 0) {
        handler_tell_take(h, HANDLER_BAD, rpc_text(h));
    } else if (!grpc_health_response(buf_slice(&h->text), &serving)) {
        handler_tell(h, HANDLER_BAD, "error: health rpc probe failed: the answer is no HealthCheckResponse");
    } else if (serving != GRPC_SERVING) {
        handler_tell_take(h, HANDLER_BAD,
                          mem_printf("service unhealthy (responded with \"%s\")", grpc_health_name(serving)));
    } else {
        handler_tell(h, HANDLER_GOOD, "service healthy");
    }
}

static void grpc_end(void *arg, const struct error *err)
{
    struct handler *h = arg;
    char *why CLEANUP_FREE = NULL;

    if (!err) {
        h->call = NULL;
        grpc_answer(h);
        return;
    }
    why = err->code == ERROR_TIMEOUT
              ? mem_printf("timeout: failed to connect service \"%s\" within %us: context deadline exceeded",
                           h->address, h->timeout_ms / 1000)
              : handler_dial_text(h, err);
    h->call = NULL;
    if (err->code == ERROR_TIMEOUT)
        handler_tell(h, HANDLER_BAD, why);
    else
        handler_tell_take(h, HANDLER_BAD,
                          mem_printf("error: failed to connect service at \"%s\": %s", h->address, why));
}

void handler_grpc_start(struct handler *h, const struct handler_request *r, const struct value *action)
{
    static const struct http_call_events events = {
        .head = grpc_head, .data = grpc_data, .trailer = grpc_trailer, .end = grpc_end};
    static const struct http_header headers[] = {{"content-type", {"application/grpc", 16}},
                                                 {"te", {"trailers", 8}},
                                                 {"user-agent", {"kube-probe/" HANDLER_AGENT, 15}}};
    uint16_t port = handler_port(h, r->container, value_get(action, "port"));
    BUF_LOCAL(body);

    if (!port)
        return;
    handler_set_address(h, r->host, port);
    h->url = mem_printf("http://%s" GRPC_HEALTH_PATH, h->address);
    grpc_health_request(value_string(value_get(action, "service")), &body);
    h->call = http_client_call(h->env->http,
                               &(struct http_call_options){.method = "POST",
                                                           .url = h->url,
                                                           .headers = headers,
                                                           .header_count = ARRAY_SIZE(headers),
                                                           .body = buf_slice(&body),
                                                           .timeout_ms = h->timeout_ms,
                                                           .connect_timeout_ms = h->timeout_ms,
                                                           .fresh = true,
                                                           .http2 = true},
                               &events, h);
}
