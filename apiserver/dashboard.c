/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves the Dashboard out of the binary. The pages get nothing but these files here; what they show they ask of the
 * API as any other client, with the token of who looks at them. The headers allow them what they need and no more: own
 * scripts and styles, requests to this server, no frames, no forms, no strings that become markup.
 */
#include "apiserver/dashboard.h"

#include <zlib.h>

#include "apiserver/request.h"

#define DASHBOARD_ROOT "/dashboard"
#define DASHBOARD_POLICY                                                                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "   \
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

/* One place holds each header once; the entity's own (etag, content-encoding) come behind. */
static const struct {
    const char *name;
    const char *value;
} dashboard_headers[] = {
    {"cache-control", "no-cache"},
    {"content-security-policy", DASHBOARD_POLICY},
    {"cross-origin-opener-policy", "same-origin"},
    {"cross-origin-resource-policy", "same-origin"},
    {"permissions-policy", "camera=(), geolocation=(), microphone=()"},
    {"referrer-policy", "no-referrer"},
    {"vary", "Accept-Encoding"},
    {"x-content-type-options", "nosniff"},
    {"x-frame-options", "DENY"},
};

#define DASHBOARD_HEADERS_MAX (ARRAY_SIZE(dashboard_headers) + 2)

bool dashboard_owns(const char *path)
{
    size_t len = sizeof(DASHBOARD_ROOT) - 1;

    return !strncmp(path, DASHBOARD_ROOT, len) && (!path[len] || path[len] == '/');
}

static const struct dashboard_file *dashboard_find(const char *name)
{
    for (size_t i = 0; i < dashboard_file_count; i++)
        if (!strcmp(dashboard_files[i].name, name))
            return &dashboard_files[i];
    return NULL;
}

/* "gzip" is among the codings and not refused with a weight of zero. */
static bool dashboard_takes_gzip(struct slice accepts)
{
    struct slice coding;

    while (accepts.len && slice_split(&accepts, ',', &coding)) {
        struct slice name;
        struct slice weight = slice_trim(coding);

        (void)slice_split(&weight, ';', &name);
        if (!slice_equal_nocase(slice_trim(name), SLICE_LIT("gzip")))
            continue;
        weight = slice_trim(weight);
        return !slice_is(weight, "q=0") && !slice_starts(weight, SLICE_LIT("q=0.0"));
    }
    return false;
}

/* NULL when the library fails. */
static struct refbuf *dashboard_unpack(const struct dashboard_file *file)
{
    struct refbuf *out = refbuf_new(NULL, 0);
    z_stream z = {.next_in = (Bytef *)(uintptr_t)file->packed, .avail_in = (uInt)file->packed_len};
    int r;

    out = mem_realloc(out, sizeof(*out) + file->len);
    out->len = file->len;
    z.next_out = (Bytef *)out->data;
    z.avail_out = (uInt)file->len;
    if (inflateInit2(&z, 15 + 16) != Z_OK) {
        refbuf_unref(out);
        return NULL;
    }
    r = inflate(&z, Z_FINISH);
    (void)inflateEnd(&z);
    if (r == Z_STREAM_END && !z.avail_out)
        return out;
    refbuf_unref(out);
    return NULL;
}

static void dashboard_reply(struct request *req, const struct dashboard_file *file)
{
    struct slice known = http_request_header(req->http, "if-none-match");
    /* The tag without its "W/": If-None-Match compares weakly. */
    bool same = slice_find_text(known, slice_str(file->etag + 2)) >= 0;
    bool gzip = dashboard_takes_gzip(http_request_header(req->http, "accept-encoding"));
    struct http_header headers[DASHBOARD_HEADERS_MAX];
    size_t count = 0;
    struct refbuf *body CLEANUP_REFBUF = NULL;

    for (; count < ARRAY_SIZE(dashboard_headers); count++)
        headers[count] = (struct http_header){dashboard_headers[count].name, slice_str(dashboard_headers[count].value)};
    headers[count++] = (struct http_header){"etag", slice_str(file->etag)};
    if (same) {
        http_respond(req->http, 304, NULL, headers, count, NULL);
        return;
    }
    body = gzip ? refbuf_new(file->packed, file->packed_len) : dashboard_unpack(file);
    if (!body) {
        reply_error_text(req, ERROR_INTERNAL, "a file of the Dashboard could not be unpacked");
        return;
    }
    if (gzip)
        headers[count++] = (struct http_header){"content-encoding", SLICE_LIT("gzip")};
    http_respond(req->http, 200, file->content_type, headers, count, body);
}

/* Relative names in the page need the slash at the end of its address. */
static void dashboard_redirect(struct request *req)
{
    const struct http_header headers[] = {
        {"location", SLICE_LIT(DASHBOARD_ROOT "/")},
        {"cache-control", SLICE_LIT("no-cache")},
        {"x-content-type-options", SLICE_LIT("nosniff")},
    };

    http_respond(req->http, 301, NULL, headers, ARRAY_SIZE(headers), NULL);
}

void dashboard_handle(struct request *req)
{
    const struct request_info *info = &req->info;
    bool slash = slice_ends(req->http->path, SLICE_LIT("/"));
    const struct dashboard_file *file = NULL;

    if (info->segment_count == 1 && !slash) {
        dashboard_redirect(req);
        return;
    }
    if (info->segment_count == 1)
        file = dashboard_find("index.html");
    else if (info->segment_count == 2 && !slash)
        file = dashboard_find(info->segments[1]);
    if (file)
        dashboard_reply(req, file);
    else
        reply_error_text(req, ERROR_NOT_FOUND, "the server could not find the requested resource");
}
