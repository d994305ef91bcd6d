/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logs live on the node. The API server asks the node server for them with its own client certificate, verifies the
 * node's against the cluster CA, and passes the bytes on:
 *
 *     ASKING -- 200 --> STREAMING -- end --> done
 *        |                  `-- cut --> stream aborted
 *        `-- not 200 --> REFUSED (gathers the message) -- end --> Status
 *
 * The peer leaving cancels the call (a hook on the request's pool). A slow reader pauses it.
 */
#include "api/scan.h"
#include "apiserver/node_link.h"
#include "apiserver/registry.h"
#include "apiserver/subresource.h"
#include "lib/encoding.h"

#define LOG_MESSAGE_MAX  (16u << 10)
#define LOG_PENDING_HIGH (1u << 20)
#define LOG_PENDING_LOW  (256u << 10)

struct log_call {
    struct request *req;
    struct http_call *call; /* NULL once it has ended */
    struct http_stream *stream;
    int status;
    bool paused;
    struct buf message; /* of a refusal */
};

/* One finding; what all of them say together is written at the end. */
static int log_check_number(struct request *req, const char *name, int64_t minimum, struct error *found,
                            struct error *err)
{
    const char *text = request_query(req, name);
    int64_t n;

    if (!text || !*text)
        return 0;
    if (!slice_to_int64(slice_str(text), &n))
        return error_set(err, ERROR_BAD_REQUEST, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
    if (n < minimum)
        error_add_cause(found, "FieldValueInvalid", name, "Invalid value: %lld: must be greater than %s0", (long long)n,
                        minimum ? "" : "or equal to ");
    return 0;
}

static int log_invalid(struct request *req, struct error *found, struct error *err)
{
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));
    bool several = found->cause_count > 1;
    BUF_LOCAL(text);

    for (size_t i = 0; i < found->cause_count; i++)
        buf_printf(&text, "%s%s: %s", i ? ", " : "", found->causes[i].field, found->causes[i].message);
    *details = (struct status_details){req->info.name, NULL, "PodLogOptions", NULL};
    req->error_details = details;
    found->code = ERROR_INVALID;
    found->message = mem_printf("PodLogOptions \"%s\" is invalid: %s%s%s", req->info.name, several ? "[" : "",
                                buf_cstr(&text), several ? "]" : "");
    return error_pass(err, found, NULL);
}

static int log_check_options(struct request *req, struct error *err)
{
    ERROR_LOCAL(found);
    int r;

    if ((r = log_check_number(req, "tailLines", 0, &found, err)) < 0 ||
        (r = log_check_number(req, "limitBytes", 1, &found, err)) < 0)
        return r;
    if (request_query(req, "sinceSeconds") && request_query(req, "sinceTime"))
        error_add_cause(&found, "FieldValueForbidden", "[]",
                        "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified");
    else if ((r = log_check_number(req, "sinceSeconds", 1, &found, err)) < 0)
        return r;
    return found.cause_count ? log_invalid(req, &found, err) : 0;
}

/* Only what the node server knows is passed on. */
static const char *log_url(struct request *req, const char *base, const char *container)
{
    static const char *const known[] = {"follow",     "previous",  "sinceSeconds", "sinceTime",
                                        "timestamps", "tailLines", "limitBytes"};
    char separator = '?';
    BUF_LOCAL(url);

    buf_append_str(&url, base);
    buf_append_str(&url, "/containerLogs");
    node_link_segment(&url, req->info.namespace_);
    node_link_segment(&url, req->info.name);
    node_link_segment(&url, container);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        const char *v = request_query(req, known[i]);

        if (!v || !*v)
            continue;
        buf_printf(&url, "%c%s=", separator, known[i]);
        percent_encode(&url, slice_str(v));
        separator = '&';
    }
    return pool_slice_dup(req->pool, buf_slice(&url));
}

/* ---- the answer ---------------------------------------------------------------------------------------------------
 */

static void log_on_drained(void *arg)
{
    struct log_call *l = arg;

    if (!l->paused || !l->call || http_stream_pending(l->stream) > LOG_PENDING_LOW)
        return;
    l->paused = false;
    http_call_pause(l->call, false);
}

static void log_on_closed(void *arg)
{
    struct log_call *l = arg;

    l->stream = NULL;
}

static const struct http_stream_events log_stream_events = {log_on_drained, log_on_closed};

static void log_on_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct log_call *l = arg;
    struct http_header own[REPLY_HEADERS_MAX];

    l->status = status;
    if (status == 200)
        l->stream =
            http_stream_start(l->req->http, 200, "text/plain", own, reply_headers(l->req, own), &log_stream_events, l);
}

static void log_on_data(void *arg, struct slice data)
{
    struct log_call *l = arg;
    struct refbuf *piece CLEANUP_REFBUF = NULL;

    if (!l->stream) {
        size_t room = l->message.len < LOG_MESSAGE_MAX ? LOG_MESSAGE_MAX - l->message.len : 0;

        buf_append(&l->message, data.data, data.len < room ? data.len : room);
        return;
    }
    piece = refbuf_new(data.data, data.len);
    http_stream_write(l->stream, piece);
    if (!l->paused && http_stream_pending(l->stream) > LOG_PENDING_HIGH) {
        l->paused = true;
        http_call_pause(l->call, true);
    }
}

static void log_refuse(struct log_call *l, const struct error *err)
{
    ERROR_LOCAL(failed);
    struct slice text = slice_trim(buf_slice(&l->message));

    if (err)
        (void)error_set(&failed, ERROR_INTERNAL, "asking the node for the log failed: %s", error_text(err));
    else
        (void)error_set(&failed, error_code_from_http(l->status, NULL), "%.*s", SLICE_ARGS(text));
    /* The node speaks of its containers, not of the pod as an object. */
    l->req->kind = l->req->shown = NULL;
    reply_error(l->req, &failed);
}

static void log_on_end(void *arg, const struct error *err)
{
    struct log_call *l = arg;

    l->call = NULL;
    if (l->stream && err)
        http_stream_abort(l->stream);
    else if (l->stream)
        http_stream_end(l->stream);
    else if (l->status != 200)
        log_refuse(l, err);
}

static const struct http_call_events log_call_events = {log_on_head, log_on_data, log_on_end};

static void log_request_gone(void *arg)
{
    struct log_call *l = arg;

    if (l->call)
        http_call_cancel(l->call);
    buf_free(&l->message);
}

static int log_start(struct request *req, struct slice pod, struct error *err)
{
    struct log_call *l = pool_alloc(req->pool, sizeof(*l));
    struct http_call_options options = {.method = "GET"};
    BUF_LOCAL(scratch);
    struct slice node = scan_text(scan_get(pod, "spec.nodeName"), &scratch);
    const char *container;
    const char *base;
    int r = node_link_container(req, pod, &container, err);

    if (r < 0)
        return r;
    if (!node.len) { /* nothing has run, so there is nothing to show */
        struct slice none = SLICE_LIT("");

        reply_pieces(req, 200, "text/plain", &none, 1);
        return 0;
    }
    if ((r = node_link_url(req->server, req->pool, pool_slice_dup(req->pool, node), &base, err)) < 0)
        return r;
    options.url = log_url(req, base, container);
    l->req = req;
    pool_on_free(req->pool, log_request_gone, l);
    l->call = http_client_call(node_link_client(req->front), &options, &log_call_events, l);
    return 0;
}

void log_get(struct request *req)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    ERROR_LOCAL(err);

    if (log_check_options(req, &err) < 0 ||
        registry_get(req->server->store, req->kind, req->info.namespace_, req->info.name, &item, &err) < 0 ||
        log_start(req, buf_slice(&item.value), &err) < 0)
        reply_error(req, &err);
}
