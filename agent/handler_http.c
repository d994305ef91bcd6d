/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpGet and tcpSocket. Redirects are followed on the same host only (the port may change): another host's answer says
 * nothing of this container, so the redirect itself counts, as a success that is worth an event.
 */
#include "agent/handler_internal.h"

#include <strings.h>

#define REDIRECTS_MAX 10
#define TIMEOUT_TEXT  "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"

static void http_call(struct handler *h);

/* "host" of "scheme://user@host:port/path". */
static struct slice host_of(const char *url)
{
    const char *start = strstr(url, "://");
    size_t len;
    const char *at;

    start = start ? start + 3 : url;
    len = strcspn(start, "/?#");
    at = memrchr(start, '@', len);
    if (at)
        start = at + 1;
    return slice_make(start, strcspn(start, *start == '[' ? "]" : ":/?#"));
}

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static void http_answer(struct handler *h)
{
    if (h->hook || (h->status >= 200 && h->status < 300))
        handler_tell(h, HANDLER_GOOD, "");
    else if (h->status >= 300 && h->status < 400)
        handler_tell_take(h, HANDLER_WARNING,
                          mem_printf("Probe terminated redirects, Response body: %s", buf_cstr(&h->text)));
    else
        handler_tell_take(h, HANDLER_BAD, mem_printf("HTTP probe failed with statuscode: %d", h->status));
}

/* True when another call has been made. */
static bool http_follow(struct handler *h, const char *redirect)
{
    if (!redirect || !is_redirect(h->status) || !slice_equal_nocase(host_of(redirect), host_of(h->url)))
        return false;
    if (h->redirects++ >= REDIRECTS_MAX) {
        handler_tell_take(h, HANDLER_BAD,
                          mem_printf("Get \"%s\": stopped after %d redirects", redirect, REDIRECTS_MAX));
        return true;
    }
    free(h->url);
    h->url = mem_strdup(redirect);
    buf_reset(&h->text);
    http_call(h);
    return true;
}

static void http_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct handler *h = arg;

    (void)headers;
    (void)header_count;
    h->status = status;
}

static void http_data(void *arg, struct slice data)
{
    struct handler *h = arg;
    size_t room = HANDLER_OUTPUT - h->text.len;

    buf_append(&h->text, data.data, data.len < room ? data.len : room);
    /* The rest of a long or endless answer is not waited for. */
    if (data.len < room || is_redirect(h->status))
        return;
    http_answer(h);
}

static void http_end(void *arg, const struct error *err)
{
    struct handler *h = arg;
    char *redirect CLEANUP_FREE = NULL;
    char *why CLEANUP_FREE = NULL;
    const char *to;

    if (err) {
        why = err->code == ERROR_TIMEOUT ? mem_strdup(TIMEOUT_TEXT) : handler_dial_text(h, err);
        h->call = NULL;
        handler_tell_take(h, HANDLER_BAD, mem_printf("Get \"%s\": %s", h->url, why));
        return;
    }
    to = http_call_redirect(h->call);
    redirect = to ? mem_strdup(to) : NULL;
    h->call = NULL;
    if (!http_follow(h, redirect))
        http_answer(h);
}

static void http_call(struct handler *h)
{
    static const struct http_call_events events = {.head = http_head, .data = http_data, .end = http_end};
    uint64_t now = loop_now_ms(h->env->loop);
    unsigned left = h->timeout_ms ? (unsigned)(h->deadline_ms > now ? h->deadline_ms - now : 1) : 0;
    const struct http_call_options options = {.method = "GET",
                                              .url = h->url,
                                              .headers = h->headers,
                                              .header_count = h->header_count,
                                              .timeout_ms = left,
                                              .connect_timeout_ms = left,
                                              .fresh = true};

    h->call = http_client_call(h->env->http, &options, &events, h);
}

/* ---- the request ---- */

static void add_header(struct handler *h, struct slice name, struct slice value)
{
    str_list_take(&h->header_texts, slice_dup(name));
    str_list_take(&h->header_texts, slice_dup(value));
}

static bool has_header(const struct handler *h, const char *name)
{
    for (size_t i = 0; i < h->header_texts.count; i += 2)
        if (!strcasecmp(h->header_texts.items[i], name))
            return true;
    return false;
}

static void fill_headers(struct handler *h, const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++)
        add_header(h, value_string(value_get(value_at(list, i), "name")),
                   value_string(value_get(value_at(list, i), "value")));
    if (!has_header(h, "User-Agent"))
        add_header(h, SLICE_LIT("User-Agent"),
                   h->hook ? SLICE_LIT("kube-lifecycle/" HANDLER_AGENT) : SLICE_LIT("kube-probe/" HANDLER_AGENT));
    if (!has_header(h, "Connection"))
        add_header(h, SLICE_LIT("Connection"), SLICE_LIT("close"));
    h->header_count = h->header_texts.count / 2;
    h->headers = mem_calloc(h->header_count, sizeof(*h->headers));
    for (size_t i = 0; i < h->header_count; i++)
        h->headers[i] = (struct http_header){h->header_texts.items[2 * i], slice_str(h->header_texts.items[2 * i + 1])};
}

/* What cannot stand in a request line is escaped; the rest is the user's. */
static void append_path(struct buf *url, struct slice path)
{
    if (!path.len || *path.data != '/')
        buf_append_byte(url, '/');
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.data[i];

        if (c <= ' ' || c >= 0x7F || c == '"')
            buf_printf(url, "%%%02X", c);
        else
            buf_append_byte(url, (char)c);
    }
}

void handler_http_start(struct handler *h, const struct handler_request *r, const struct value *action)
{
    const char *host = value_str(value_get(action, "host"));
    bool tls = slice_equal_nocase(value_string(value_get(action, "scheme")), SLICE_LIT("HTTPS"));
    uint16_t port = handler_port(h, r->container, value_get(action, "port"));
    BUF_LOCAL(url);

    if (!port)
        return;
    handler_set_address(h, host && *host ? host : r->host, port);
    buf_printf(&url, "%s://%s", tls ? "https" : "http", h->address);
    append_path(&url, value_string(value_get(action, "path")));
    h->url = buf_steal_str(&url);
    h->deadline_ms = loop_now_ms(h->env->loop) + h->timeout_ms;
    fill_headers(h, value_get(action, "httpHeaders"));
    http_call(h);
}

/* ---- tcpSocket ---- */

static void tcp_end(void *arg, const struct error *err)
{
    struct handler *h = arg;
    char *why CLEANUP_FREE = err ? handler_dial_text(h, err) : NULL;

    h->call = NULL;
    handler_tell(h, err ? HANDLER_BAD : HANDLER_GOOD, why ? why : "");
}

void handler_tcp_start(struct handler *h, const struct handler_request *r, const struct value *action)
{
    static const struct http_call_events events = {.end = tcp_end};
    const char *host = value_str(value_get(action, "host"));
    uint16_t port = handler_port(h, r->container, value_get(action, "port"));

    if (!port)
        return;
    handler_set_address(h, host && *host ? host : r->host, port);
    h->url = mem_printf("http://%s/", h->address);
    h->call = http_client_call(h->env->http,
                               &(struct http_call_options){.method = "GET",
                                                           .url = h->url,
                                                           .timeout_ms = h->timeout_ms,
                                                           .connect_timeout_ms = h->timeout_ms,
                                                           .fresh = true,
                                                           .connect_only = true},
                               &events, h);
}
