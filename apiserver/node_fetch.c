/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/node_fetch.h"

#include "apiserver/node_link.h"

struct node_fetch {
    struct http_call *call;
    node_fetch_done *done;
    void *arg;
    size_t max;
    int status;
    char *content_type; /* NULL = none */
    struct buf body;
};

static void node_fetch_free(struct node_fetch *f)
{
    free(f->content_type);
    buf_free(&f->body);
    free(f);
}

static void node_fetch_finish(struct node_fetch *f, const struct error *err)
{
    f->done(f->arg, f->status, f->content_type ? f->content_type : "", buf_slice(&f->body), err);
    node_fetch_free(f);
}

static void node_fetch_on_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct node_fetch *f = arg;

    f->status = status;
    for (size_t i = 0; i < header_count; i++)
        if (!strcmp(headers[i].name, "content-type") && !f->content_type)
            f->content_type = slice_dup(headers[i].value);
}

static void node_fetch_on_data(void *arg, struct slice data)
{
    struct node_fetch *f = arg;
    ERROR_LOCAL(err);

    if (f->body.len + data.len <= f->max) {
        buf_append_slice(&f->body, data);
        return;
    }
    (void)error_set(&err, ERROR_TOO_LARGE, "the node's answer has more than %zu bytes", f->max);
    http_call_cancel(f->call);
    node_fetch_finish(f, &err);
}

static void node_fetch_on_end(void *arg, const struct error *err)
{
    node_fetch_finish(arg, err);
}

struct node_fetch *node_fetch_start(struct front *front, const char *url, unsigned timeout_ms, size_t max,
                                    node_fetch_done *done, void *arg)
{
    static const struct http_call_events events = {node_fetch_on_head, node_fetch_on_data, node_fetch_on_end};
    const struct http_call_options options = {
        .method = "GET", .url = url, .timeout_ms = timeout_ms, .connect_timeout_ms = timeout_ms};
    struct node_fetch *f = mem_zalloc(sizeof(*f));

    f->done = done;
    f->arg = arg;
    f->max = max;
    f->call = http_client_call(node_link_client(front), &options, &events, f);
    return f;
}

void node_fetch_cancel(struct node_fetch *fetch)
{
    if (!fetch)
        return;
    http_call_cancel(fetch->call);
    node_fetch_free(fetch);
}

const char *node_fetch_shown_type(const char *said)
{
    static const char *const known[] = {"application/json", "application/openmetrics-text", "text/plain"};

    /* Of several types in one header a browser takes the last. */
    for (size_t i = 0; !strchr(said, ',') && i < ARRAY_SIZE(known); i++)
        if (!strncmp(said, known[i], strlen(known[i])))
            return said;
    return "text/plain";
}
