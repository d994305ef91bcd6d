/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules are those of upstream's proxy (apimachinery's util/proxy: X-Forwarded-*, Location, CORS) and of RFC 9110,
 * 7.6.1 (hop by hop). Beyond upstream: a cookie that a pod sets is for that pod. Under kubectl proxy all pods are one
 * place to a browser, which would show each of them the cookies of the others.
 */
#include "apiserver/proxy_head.h"

#include <string.h>

#include "lib/websocket_conn.h"

#define BEARER_PREFIX "base64url.bearer.authorization.k8s.io."

/* Between two neighbours only; what `connection` names, too. */
static const char *const hop_by_hop[] = {
    "connection", "keep-alive", "proxy-authenticate", "proxy-connection", "proxy-authorization",
    "te",         "trailer",    "transfer-encoding",  "upgrade",          "http2-settings",
    NULL};
/* Who asks, or as whom; where it came from is written anew. */
static const char *const request_secrets[] = {"authorization",   "host", "content-length", "expect", "x-forwarded-for",
                                              "x-forwarded-uri", NULL};
static const char *const request_secret_prefixes[] = {"impersonate-", "x-remote-"};
/* What speaks for the whole origin, or belongs to the connection with us. */
static const char *const answer_unwanted[] = {"access-control-allow-credentials",
                                              "access-control-allow-headers",
                                              "access-control-allow-methods",
                                              "access-control-allow-origin",
                                              "access-control-expose-headers",
                                              "alt-svc",
                                              "clear-site-data",
                                              "date",
                                              "public-key-pins",
                                              "service-worker-allowed",
                                              "set-cookie2",
                                              "strict-transport-security",
                                              NULL};
/* A page that comes straight from here to a browser must not act as this server's own: the browser would show the
 * user's certificate for it. Through kubectl proxy, which says so, it is another origin. */
#define SANDBOX "sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads"

bool proxy_name_parse(struct pool *pool, const char *text, struct proxy_name *ret_name)
{
    struct slice rest = slice_str(text);
    struct slice parts[3];
    size_t count = 0;

    while (count < ARRAY_SIZE(parts) && slice_split(&rest, ':', &parts[count]))
        count++;
    if (rest.data)
        return false; /* there is a fourth */
    if (count == 3 && parts[0].len && !slice_is(parts[0], "http") && !slice_is(parts[0], "https"))
        return false;
    *ret_name = (struct proxy_name){.tls = count == 3 && slice_is(parts[0], "https"),
                                    .name = pool_slice_dup(pool, parts[count == 3 ? 1 : 0]),
                                    .port = count > 1 ? pool_slice_dup(pool, parts[count - 1]) : ""};
    return count && *ret_name->name;
}

static bool is_among(const char *const *list, struct slice name)
{
    for (; *list; list++)
        if (slice_is(name, *list))
            return true;
    return false;
}

/* Whether a `connection` header names it. */
static bool is_named(struct slice connection, struct slice name)
{
    struct slice part;

    while (connection.len && slice_split(&connection, ',', &part))
        if (slice_equal_nocase(slice_trim(part), name))
            return true;
    return false;
}

/* ---- the request ---- */

static bool may_go(struct slice connection, struct slice name)
{
    for (size_t i = 0; i < ARRAY_SIZE(request_secret_prefixes); i++)
        if (slice_starts(name, slice_str(request_secret_prefixes[i])))
            return false;
    return !is_among(hop_by_hop, name) && !is_among(request_secrets, name) && !is_named(connection, name);
}

static void write_value(struct buf *out, struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        buf_append_byte(out, (unsigned char)value.data[i] < 0x20 || value.data[i] == 0x7f ? ' ' : value.data[i]);
}

static void write_line(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "%s: ", name);
    write_value(out, value);
    buf_append_str(out, "\r\n");
}

/* Bytes that have no place in a request's first line, escaped. */
static void write_target(struct buf *out, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];

        if (c > 0x20 && c < 0x7f)
            buf_append_byte(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

struct head_writer {
    struct buf *out;
    struct slice connection;
    struct slice forwarded_for;
    bool page; /* is asked for: packed we could not read it */
};

/* A token among the subprotocols is for us alone (apiserver/upgrade.h). */
static void write_protocols(struct buf *out, struct slice value)
{
    BUF_LOCAL(kept);
    struct slice part;

    while (value.len && slice_split(&value, ',', &part)) {
        part = slice_trim(part);
        if (part.len && !slice_starts(part, SLICE_LIT(BEARER_PREFIX)))
            buf_printf(&kept, "%s%.*s", kept.len ? ", " : "", SLICE_ARGS(part));
    }
    if (kept.len)
        write_line(out, "sec-websocket-protocol", buf_slice(&kept));
}

static void write_header(void *arg, struct slice name, struct slice value)
{
    struct head_writer *w = arg;

    if (slice_is(name, "x-forwarded-for"))
        w->forwarded_for = value;
    if (!may_go(w->connection, name) || (w->page && slice_is(name, "accept-encoding")))
        return;
    if (slice_is(name, "sec-websocket-protocol")) {
        write_protocols(w->out, value);
        return;
    }
    write_value(w->out, name);
    buf_append_str(w->out, ": ");
    write_value(w->out, value);
    buf_append_str(w->out, "\r\n");
}

static void write_forwarded(const struct http_request *req, const struct proxy_way *way, struct slice before,
                            struct buf *out)
{
    if (req->peer->address[0] || before.len) {
        buf_append_str(out, "X-Forwarded-For: ");
        write_value(out, before);
        buf_printf(out, "%s%s\r\n", before.len && req->peer->address[0] ? ", " : "", req->peer->address);
    }
    buf_append_str(out, "X-Forwarded-Uri: ");
    write_target(out, way->prefix);
    write_target(out, way->rest.len ? way->rest : SLICE_LIT("/"));
    buf_append_str(out, "\r\n");
}

static void write_body_length(const struct http_request *req, struct buf *out)
{
    bool may_have = !slice_is(req->method, "GET") && !slice_is(req->method, "HEAD");

    if (req->body_streams && req->body_len < 0)
        buf_append_str(out, "Transfer-Encoding: chunked\r\n");
    else if (req->body_streams || req->body.len || may_have)
        buf_printf(out, "Content-Length: %lld\r\n",
                   (long long)(req->body_streams ? req->body_len : (int64_t)req->body.len));
}

void proxy_write_head(const struct http_request *req, const struct proxy_way *way, struct buf *out)
{
    struct head_writer w = {.out = out,
                            .connection = http_request_header(req, "connection"),
                            .page = slice_find_text(http_request_header(req, "accept"), SLICE_LIT("text/html")) >= 0};

    write_value(out, req->method);
    buf_append_byte(out, ' ');
    write_target(out, way->rest.len ? way->rest : SLICE_LIT("/"));
    if (req->query.data) {
        buf_append_byte(out, '?');
        write_target(out, req->query);
    }
    buf_append_str(out, " HTTP/1.1\r\n");
    write_line(out, "Host", req->authority.len ? req->authority : slice_str(way->host));
    if (req->upgrade) {
        buf_append_str(out, "Connection: Upgrade\r\n");
        write_line(out, "Upgrade", http_request_header(req, "upgrade"));
    } else {
        buf_append_str(out, "Connection: close\r\n");
    }
    http_request_each_header(req, write_header, &w);
    write_forwarded(req, way, w.forwarded_for, out);
    if (!req->upgrade)
        write_body_length(req, out);
    buf_append_str(out, "\r\n");
}

/* ---- the answer ---- */

/* "//host" or "scheme://host" off the front of a reference; host data NULL = it has none. */
static struct slice location_path(struct slice location, struct slice *ret_host)
{
    ptrdiff_t colon = slice_find_text(location, SLICE_LIT("://"));
    ptrdiff_t first = slice_find(location, '/');
    size_t at = slice_starts(location, SLICE_LIT("//")) ? 2 : colon > 0 && first == colon + 1 ? (size_t)colon + 3 : 0;
    size_t end = at;

    *ret_host = SLICE_NONE;
    if (!at)
        return location;
    while (end < location.len && location.data[end] != '/' && location.data[end] != '?' && location.data[end] != '#')
        end++;
    *ret_host = slice_make(location.data + at, end - at);
    return slice_from(location, end);
}

static bool is_host(struct slice host, const struct http_request *req, const struct proxy_way *way)
{
    const char *port = strrchr(way->host, ':');

    /* A port that the scheme implies may be left out. */
    return slice_is(host, way->host) || slice_equal_nocase(host, req->authority) ||
           slice_equal(host, slice_make(way->host, port ? (size_t)(port - way->host) : strlen(way->host)));
}

bool proxy_location_write(const struct http_request *req, const struct proxy_way *way, struct slice location,
                          struct buf *out)
{
    struct slice host;
    struct slice path = location_path(location, &host);
    bool rooted = slice_starts(path, SLICE_LIT("/"));

    if (!location.data || (host.data ? !is_host(host, req, way) || (path.len && !rooted) : !rooted))
        return false;
    if (!slice_starts(path, way->prefix))
        buf_append_slice(out, way->prefix);
    buf_append_slice(out, path.len ? path : SLICE_LIT("/"));
    return true;
}

struct slice proxy_location(const struct http_request *req, const struct proxy_way *way, struct slice location)
{
    BUF_LOCAL(text);

    if (!proxy_location_write(req, way, location, &text))
        return location;
    return slice_make(pool_slice_dup(req->pool, buf_slice(&text)), text.len);
}

/* A cookie as the client gets it: for what is behind this proxy, and for no other host. */
static struct slice answer_cookie(const struct http_request *req, const struct proxy_way *way, struct slice cookie)
{
    struct slice part;
    bool first = true;
    BUF_LOCAL(text);

    while (slice_split(&cookie, ';', &part)) {
        struct slice value = slice_trim(part);
        struct slice name;

        if (!slice_split(&value, '=', &name))
            name = SLICE_NONE;
        name = slice_trim(name);
        if (!first && slice_equal_nocase(name, SLICE_LIT("domain")))
            continue;
        if (!first)
            buf_append_byte(&text, ';');
        if (!first && slice_equal_nocase(name, SLICE_LIT("path")) && slice_starts(slice_trim(value), SLICE_LIT("/"))) {
            buf_append_str(&text, " Path=");
            (void)proxy_location_write(req, way, slice_trim(value), &text);
        } else {
            buf_append_slice(&text, part);
        }
        first = false;
    }
    return slice_make(pool_slice_dup(req->pool, buf_slice(&text)), text.len);
}

bool proxy_answer_is_page(int status, const struct http_header *headers, size_t count)
{
    bool page = false;

    for (size_t i = 0; i < count; i++) {
        struct slice value = headers[i].value;
        struct slice type = SLICE_NONE;

        if (!strcmp(headers[i].name, "location") || !strcmp(headers[i].name, "content-range") ||
            (!strcmp(headers[i].name, "content-encoding") && !slice_equal_nocase(value, SLICE_LIT("identity"))))
            return false;
        if (!strcmp(headers[i].name, "content-type") && slice_split(&value, ';', &type))
            page = slice_equal_nocase(slice_trim(type), SLICE_LIT("text/html"));
    }
    return page && status != 204 && status != 304;
}

size_t proxy_answer_headers(const struct http_request *req, const struct proxy_way *way, const struct http_header *from,
                            size_t count, struct http_header *to)
{
    struct slice connection = SLICE_NONE;
    size_t kept = 0;

    for (size_t i = 0; i < count; i++)
        if (!strcmp(from[i].name, "connection"))
            connection = from[i].value;
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_str(from[i].name);

        if (is_among(hop_by_hop, name) || is_among(answer_unwanted, name) || is_named(connection, name))
            continue;
        to[kept] = from[i];
        if (slice_is(name, "location"))
            to[kept].value = proxy_location(req, way, from[i].value);
        else if (slice_is(name, "set-cookie"))
            to[kept].value = answer_cookie(req, way, from[i].value);
        kept++;
    }
    if (!http_request_header(req, "x-forwarded-for").data)
        to[kept++] = (struct http_header){"content-security-policy", SLICE_LIT(SANDBOX)};
    return kept;
}
