/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The HTTPS transport: the client's requests over lib/http_client.h. One of these is one identity towards one server.
 * A watch has no idle limit here: the server bounds it by timeoutSeconds, and TCP keep-alive finds a dead peer.
 */
#include "client/client.h"

#include "lib/http_client.h"

struct https_transport {
    struct client_transport base;
    struct http_client *http;
    char *server; /* without a slash at its end */
    char *authorization;
    char *user_agent;
};

struct https_call {
    struct http_call *http;
    struct client_events events;
    void *arg;
};

static void https_on_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct https_call *call = arg;
    char *content_type CLEANUP_FREE = NULL;
    uint64_t retry = 0;

    for (size_t i = 0; i < header_count; i++) {
        if (!strcmp(headers[i].name, "content-type") && !content_type)
            content_type = slice_dup(headers[i].value);
        else if (!strcmp(headers[i].name, "retry-after"))
            (void)slice_to_uint64(headers[i].value, &retry);
    }
    call->events.head(call->arg, status, content_type ? content_type : "", retry > 3600 ? 3600 : (unsigned)retry);
}

static void https_on_data(void *arg, struct slice data)
{
    struct https_call *call = arg;

    call->events.data(call->arg, data);
}

static void https_on_end(void *arg, const struct error *err)
{
    struct https_call *call = arg;
    struct https_call last = *call;

    free(call);
    last.events.end(last.arg, err);
}

static void *https_send(struct client_transport *t, const struct client_request *request,
                        const struct client_events *events, void *arg)
{
    static const struct http_call_events mine = {https_on_head, https_on_data, https_on_end};
    struct https_transport *transport = container_of(t, struct https_transport, base);
    struct https_call *call = mem_zalloc(sizeof(*call));
    char *url CLEANUP_FREE = mem_printf("%s%s%s%s", transport->server, request->path, request->query ? "?" : "",
                                        request->query ? request->query : "");
    struct http_header headers[4];
    size_t count = 0;

    headers[count++] =
        (struct http_header){"accept", slice_str(request->accept ? request->accept : "application/json")};
    headers[count++] = (struct http_header){"user-agent", slice_str(transport->user_agent)};
    if (request->body.len)
        headers[count++] = (struct http_header){
            "content-type", slice_str(request->content_type ? request->content_type : "application/json")};
    if (transport->authorization)
        headers[count++] = (struct http_header){"authorization", slice_str(transport->authorization)};
    call->events = *events;
    call->arg = arg;
    call->http = http_client_call(transport->http,
                                  &(struct http_call_options){
                                      .method = request->method,
                                      .url = url,
                                      .headers = headers,
                                      .header_count = count,
                                      .body = request->body,
                                  },
                                  &mine, call);
    return call;
}

static void https_cancel(struct client_transport *t, void *handle)
{
    struct https_call *call = handle;

    (void)t;
    http_call_cancel(call->http);
    free(call);
}

static void https_free(struct client_transport *t)
{
    struct https_transport *transport = container_of(t, struct https_transport, base);

    http_client_free(transport->http);
    free(transport->server);
    if (transport->authorization)
        explicit_bzero(transport->authorization, strlen(transport->authorization));
    free(transport->authorization);
    free(transport->user_agent);
    free(transport);
}

struct client_transport *client_transport_https(struct loop *loop, const struct client_https_options *options)
{
    static const struct client_transport_ops ops = {https_send, https_cancel, https_free};
    struct https_transport *transport = mem_zalloc(sizeof(*transport));
    struct slice server = slice_str(options->server);

    while (slice_ends(server, SLICE_LIT("/")))
        server.len--;
    transport->base.ops = &ops;
    transport->server = slice_dup(server);
    transport->authorization = options->token ? mem_printf("Bearer %s", options->token) : NULL;
    transport->user_agent = mem_strdup(options->user_agent ? options->user_agent : "knarr/" KNARR_VERSION);
    transport->http = http_client_new(loop, &(struct http_client_options){
                                                .ca = options->ca,
                                                .certificate = options->certificate,
                                                .key = options->key,
                                            });
    return &transport->base;
}

void client_transport_https_set_certificate(struct client_transport *t, struct slice certificate, struct slice key)
{
    http_client_set_certificate(container_of(t, struct https_transport, base)->http, certificate, key);
}
