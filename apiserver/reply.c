/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers: every way out of the front. What goes out with each of them (warnings, compression, Retry-After) is added
 * here, so that no verb can forget it.
 */
#include "apiserver/request.h"

#include <stdio.h>

#include "api/object.h"
#include "api/version.h"
#include "apiserver/reply_gzip.h"
#include "apiserver/reply_pretty.h"
#include "lib/encoding.h"
#include "lib/log.h"
#include "lib/yaml.h"

#define REPLY_YAML "application/yaml"

const char *request_query(const struct request *req, const char *name)
{
    return http_query_get(req->pool, req->http->query, name);
}

bool request_query_bool(const struct request *req, const char *name)
{
    return http_query_bool(req->pool, req->http->query, name);
}

void request_warn(struct request *req, const char *fmt, ...)
{
    va_list args;

    if (req->warning_count == REQUEST_WARNINGS_MAX)
        return;
    va_start(args, fmt);
    char *text CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    /* 299 - "text", quotes and backslashes escaped; what cannot stand in a header is left out. */
    BUF_LOCAL(header);
    buf_append_str(&header, "299 - \"");
    for (const char *c = text; *c && header.len < 1024; c++) {
        if (*c == '"' || *c == '\\')
            buf_append_byte(&header, '\\');
        buf_append_byte(&header, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
    }
    buf_append_byte(&header, '"');
    for (size_t i = 0; i < req->warning_count; i++) /* a plan that is made again warns again */
        if (slice_is(buf_slice(&header), req->warnings[i]))
            return;
    req->warnings[req->warning_count++] = pool_slice_dup(req->pool, buf_slice(&header));
}

void request_warn_findings(struct request *req, const struct codec_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++)
        request_warn(req, "%s", findings->texts[i]);
}

bool user_in_group(const struct user *user, const char *group)
{
    for (size_t i = 0; i < user->group_count; i++)
        if (!strcmp(user->groups[i], group))
            return true;
    return false;
}

struct value *user_extra_value(const struct user *user)
{
    struct value *extra = user->extra_count ? value_new_object() : NULL;

    for (size_t i = 0; i < user->extra_count; i++)
        value_append(value_need_array(extra, user->extra[i].key), value_new_str(user->extra[i].value));
    return extra;
}

const char *request_now(const struct request *req)
{
    char text[TIME_TEXT_MAX];

    time_format_seconds(clock_wall_ns(req->server->clock), text);
    return pool_strdup(req->pool, text);
}

static void request_free_value(void *v)
{
    value_free(v);
}

struct value *request_own_value(struct request *req, struct value *v)
{
    if (v)
        pool_on_free(req->pool, request_free_value, v);
    return v;
}

size_t reply_headers(struct request *req, struct http_header *headers)
{
    size_t count = 0;

    headers[count++] = (struct http_header){"cache-control", SLICE_LIT("no-cache, private")};
    for (size_t i = 0; i < req->warning_count; i++)
        headers[count++] = (struct http_header){"warning", slice_str(req->warnings[i])};
    return count;
}

static struct refbuf *reply_join(const struct slice *pieces, size_t count, size_t total)
{
    struct refbuf *out = refbuf_new(NULL, 0);
    size_t at = 0;

    out = mem_realloc(out, sizeof(*out) + total);
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len)
            memcpy(out->data + at, pieces[i].data, pieces[i].len);
        at += pieces[i].len;
    }
    out->len = total;
    return out;
}

bool reply_takes_gzip(const struct request *req)
{
    return slice_find_text(http_request_header(req->http, "accept-encoding"), SLICE_LIT("gzip")) >= 0;
}

size_t reply_gzip_headers(struct http_header *headers)
{
    headers[0] = (struct http_header){"content-encoding", SLICE_LIT("gzip")};
    headers[1] = (struct http_header){"vary", SLICE_LIT("Accept-Encoding")};
    return 2;
}

int reply_gzip_begin(z_stream *z)
{
    *z = (z_stream){0};
    return deflateInit2(z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK ? 0 : -1;
}

struct refbuf *reply_gzip(const struct slice *pieces, size_t count, size_t total)
{
    z_stream z;
    struct refbuf *out;
    size_t room;
    int r = Z_OK;

    if (reply_gzip_begin(&z) < 0)
        return NULL;
    room = deflateBound(&z, total);
    out = mem_realloc(refbuf_new(NULL, 0), sizeof(*out) + room);
    z.next_out = (Bytef *)out->data;
    z.avail_out = (uInt)room;
    for (size_t i = 0; i < count && r == Z_OK; i++) {
        z.next_in = (Bytef *)(uintptr_t)pieces[i].data;
        z.avail_in = (uInt)pieces[i].len;
        r = deflate(&z, i + 1 == count ? Z_FINISH : Z_NO_FLUSH);
    }
    out->len = room - z.avail_out;
    (void)deflateEnd(&z);
    if (r == Z_STREAM_END)
        return out;
    refbuf_unref(out);
    return NULL;
}

/* Writes JSON for people, when they ask for it. */
static bool reply_shape(const struct request *req, const struct slice *pieces, size_t count, struct buf *out)
{
    struct reply_pretty pretty = {0};

    if (!request_query_bool(req, "pretty"))
        return false;
    for (size_t i = 0; i < count; i++)
        reply_pretty_write(&pretty, pieces[i], out);
    buf_append_byte(out, '\n');
    return true;
}

void reply_pieces(struct request *req, int status, const char *content_type, const struct slice *pieces, size_t count)
{
    struct http_header headers[REPLY_HEADERS_MAX];
    size_t header_count = reply_headers(req, headers);
    struct refbuf *body CLEANUP_REFBUF = NULL;
    struct slice whole;
    size_t total = 0;
    BUF_LOCAL(text);

    if (!strcmp(content_type, "application/json") && reply_shape(req, pieces, count, &text)) {
        whole = buf_slice(&text);
        pieces = &whole;
        count = 1;
    }
    for (size_t i = 0; i < count; i++)
        total += pieces[i].len;
    if (total >= REPLY_GZIP_MIN && total < UINT32_MAX / 2) {
        if (reply_takes_gzip(req))
            body = reply_gzip(pieces, count, total);
        if (body)
            header_count += reply_gzip_headers(headers + header_count);
    }
    if (!body)
        body = reply_join(pieces, count, total);
    http_respond(req->http, status, content_type, headers, header_count, body);
}

/* Turns the text into YAML in its place; false, and it stays JSON, where that cannot be done. */
static bool reply_to_yaml(struct request *req, struct buf *json)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(yaml);

    if (yaml_from_json(buf_slice(json), &yaml, &err) == 0) {
        buf_reset(json);
        buf_append_slice(json, buf_slice(&yaml));
        return true;
    }
    log_warning("apiserver", "writing %s as YAML failed (%s); it goes out as JSON", req->info.path, error_text(&err));
    return false;
}

bool reply_encode_protobuf(struct slice json, struct buf *out)
{
    struct value *v CLEANUP_VALUE = value_parse(json, NULL);
    const struct schema_kind *kind;
    struct slice group, version;

    if (slice_is(value_string(value_get(v, "kind")), "Status")) {
        codec_write_protobuf_status(v, out);
        return true;
    }
    schema_split_api_version(value_string(value_get(v, "apiVersion")), &group, &version);
    kind = schema_find_kind(group, version, value_string(value_get(v, "kind")));
    return kind && !kind->custom && codec_encode_protobuf(kind, v, out, NULL) == 0;
}

/* Turns the text, in its place, into what was negotiated, as far as it can be; returns the type that it has. */
static const char *reply_convert(struct request *req, struct buf *json)
{
    const struct slice whole = buf_slice(json);
    BUF_LOCAL(message);
    BUF_LOCAL(text);

    if (req->media == MEDIA_YAML && reply_to_yaml(req, json))
        return REPLY_YAML;
    if (req->media == MEDIA_PROTOBUF && reply_encode_protobuf(buf_slice(json), &message)) {
        buf_reset(json);
        buf_append_slice(json, buf_slice(&message));
        return REPLY_PROTOBUF;
    }
    if (reply_shape(req, &whole, 1, &text)) {
        buf_reset(json);
        buf_append_slice(json, buf_slice(&text));
    }
    return "application/json";
}

void reply_json(struct request *req, int status, struct slice json)
{
    const char *type = "application/json";
    BUF_LOCAL(text);

    if (req->media == MEDIA_YAML || req->media == MEDIA_PROTOBUF) {
        buf_append_slice(&text, json);
        type = reply_convert(req, &text);
        json = buf_slice(&text);
    }
    reply_pieces(req, status, type, &json, 1);
}

void reply_value(struct request *req, int status, const struct schema_type *type, const struct value *v)
{
    BUF_LOCAL(json);

    codec_write(type, v, &json);
    reply_json(req, status, buf_slice(&json));
}

/* Most reasons speak of the plural resource, Invalid of the Kind (wire.md, section 8). */
static bool reply_error_details(const struct request *req, const struct error *err, struct status_details *ret)
{
    if (req->error_details) {
        *ret = *req->error_details;
        return true;
    }
    if (err->code == ERROR_METHOD_NOT_ALLOWED || (err->code == ERROR_NOT_FOUND && !req->kind))
        return true; /* there, but empty, as upstream's */
    if (!req->kind)
        return false;
    *ret = (struct status_details){request_name(req), req->shown->group, req->shown->plural, NULL};
    if (ret->name && !*ret->name)
        ret->name = NULL;
    switch (err->code) {
    case ERROR_INVALID:
        ret->kind = req->shown->kind;
        return true;
    case ERROR_NOT_FOUND:
    case ERROR_ALREADY_EXISTS:
    case ERROR_CONFLICT:
    case ERROR_FORBIDDEN:
        return true;
    default:
        return false;
    }
}

void reply_error(struct request *req, const struct error *err)
{
    struct status_details details = {0};
    bool has_details = reply_error_details(req, err, &details);
    struct http_header headers[REPLY_HEADERS_MAX];
    size_t count = reply_headers(req, headers);
    char seconds[16];
    BUF_LOCAL(json);

    if (error_http_status(err->code) == 500 || err->code == ERROR_NO_SPACE)
        log_warning("apiserver", "%.*s %s failed: %s", SLICE_ARGS(req->http->method), req->info.path, error_text(err));
    status_write_error(&json, err, has_details ? &details : NULL);
    if (err->retry_after_seconds > 0) {
        (void)snprintf(seconds, sizeof(seconds), "%d", err->retry_after_seconds);
        headers[count++] = (struct http_header){"retry-after", slice_str(seconds)};
    }
    const char *type = reply_convert(req, &json);
    struct refbuf *body CLEANUP_REFBUF = refbuf_from(&json);
    http_respond(req->http, error_http_status(err->code), type, headers, count, body);
}

void reply_error_text(struct request *req, enum error_code code, const char *text)
{
    ERROR_LOCAL(err);

    (void)error_set(&err, code, "%s", text);
    reply_error(req, &err);
}

void reply_table(struct request *req, int status, const struct schema_kind *kind, struct slice stored,
                 uint64_t revision)
{
    BUF_LOCAL(out);
    BUF_LOCAL(scratch);
    const struct table_shown shown = {kind == req->kind ? version_show(req->shown, stored, &scratch) : stored, revision,
                                      req->include};

    buf_append_str(&out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{");
    if (revision)
        buf_printf(&out, "\"resourceVersion\":\"%llu\"", (unsigned long long)revision);
    buf_append_str(&out, "},");
    table_write_columns(&out, kind);
    buf_append_str(&out, ",\"rows\":[");
    table_write_row_as(&out, kind, stored, &shown, clock_wall_ns(req->server->clock));
    buf_append_str(&out, "]}");
    reply_json(req, status, buf_slice(&out));
}

void reply_object(struct request *req, int status, struct slice stored, uint64_t revision)
{
    BUF_LOCAL(out);
    BUF_LOCAL(scratch);

    if (req->media != MEDIA_TABLE && req->shown)
        stored = version_show(req->shown, stored, &scratch);
    switch (req->media) {
    case MEDIA_TABLE:
        reply_table(req, status, req->kind, stored, revision);
        return;
    case MEDIA_PARTIAL:
        table_write_partial(&out, stored, revision);
        break;
    default:
        /* What a dry run made has no resourceVersion. */
        if (revision)
            object_write(&out, stored, revision, true);
        else
            buf_append_slice(&out, stored);
        break;
    }
    reply_json(req, status, buf_slice(&out));
}

void reply_deleted(struct request *req, const char *name, const char *uid)
{
    struct status_details details = {name, req->shown->group, req->shown->plural, uid};
    BUF_LOCAL(json);

    status_write_success(&json, &details);
    reply_json(req, 200, buf_slice(&json));
}
