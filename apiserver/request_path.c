/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths are where tricks start, so they are taken apart once, here, before anybody else looks: segments are cut in the
 * raw path and decoded one by one, and what could mean something else to a later reader is refused.
 */
#include "apiserver/request_path.h"

#include "lib/encoding.h"

static int request_path_segment(struct pool *pool, struct slice raw, const char **ret_segment, struct error *err)
{
    BUF_LOCAL(text);

    if (!percent_decode(&text, raw, false))
        return error_set(err, ERROR_BAD_REQUEST, "invalid escape in the request path");
    if (!text.len)
        return error_set(err, ERROR_BAD_REQUEST, "empty segment in the request path");
    if (memchr(text.data, '/', text.len) || memchr(text.data, 0, text.len))
        return error_set(err, ERROR_BAD_REQUEST, "invalid character in a segment of the request path");
    if (slice_is(buf_slice(&text), ".") || slice_is(buf_slice(&text), ".."))
        return error_set(err, ERROR_BAD_REQUEST, "the request path may not contain '.' or '..'");
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            return error_set(err, ERROR_BAD_REQUEST, "control character in the request path");
    if (!utf8_valid(buf_slice(&text)))
        return error_set(err, ERROR_BAD_REQUEST, "the request path is not UTF-8");
    *ret_segment = pool_slice_dup(pool, buf_slice(&text));
    return 0;
}

static int request_path_split(struct pool *pool, struct slice path, struct request_info *info, struct error *err)
{
    struct slice rest;
    struct slice part;

    if (!path.len || path.data[0] != '/')
        return error_set(err, ERROR_BAD_REQUEST, "the request path must start with a slash");
    rest = slice_from(path, 1);
    if (rest.len && rest.data[rest.len - 1] == '/')
        rest.len--;
    if (!rest.len)
        return 0;
    while (slice_split(&rest, '/', &part)) {
        if (info->segment_count == REQUEST_SEGMENTS_MAX)
            return error_set(err, ERROR_BAD_REQUEST, "the request path has too many segments");
        if (request_path_segment(pool, part, &info->segments[info->segment_count], err) < 0)
            return -(int)ERROR_BAD_REQUEST;
        info->segment_count++;
    }
    return 0;
}

/* The length of "/api/v1/namespaces/NS/pods/NAME/proxy"; 0 when the path does not start so. */
static size_t request_path_proxy_length(struct slice path)
{
    static const char *const want[] = {"api", "v1", "namespaces", NULL, NULL, NULL, "proxy"};
    struct slice rest = path.len && path.data[0] == '/' ? slice_from(path, 1) : SLICE_NONE;
    struct slice part = SLICE_NONE;

    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        if (!slice_split(&rest, '/', &part) || !part.len || (want[i] && !slice_is(part, want[i])))
            return 0;
        if (i == 4 && !slice_is(part, "pods") && !slice_is(part, "services"))
            return 0;
    }
    return (size_t)(part.data + part.len - path.data);
}

bool request_path_is_proxy(struct slice path)
{
    ptrdiff_t query = slice_find(path, '?');

    return request_path_proxy_length(query < 0 ? path : slice_make(path.data, (size_t)query)) > 0;
}

static int request_path_check_rest(struct slice rest, struct error *err)
{
    struct slice part;

    while (slice_split(&rest, '/', &part)) {
        BUF_LOCAL(text);

        if (!percent_decode(&text, part, false) || memchr(buf_cstr(&text), 0, text.len))
            return error_set(err, ERROR_BAD_REQUEST, "invalid escape in the request path");
        if (slice_is(buf_slice(&text), ".") || slice_is(buf_slice(&text), ".."))
            return error_set(err, ERROR_BAD_REQUEST, "the request path may not contain '.' or '..'");
    }
    return 0;
}

static const struct {
    const char *method;
    const char *named; /* verb with a name in the path */
    const char *all;   /* ... and without */
    enum request_verb named_verb;
    enum request_verb all_verb;
} request_verbs[] = {
    {"POST", "create", "create", REQUEST_CREATE, REQUEST_CREATE},
    {"GET", "get", "list", REQUEST_GET, REQUEST_LIST},
    {"HEAD", "get", "list", REQUEST_GET, REQUEST_LIST},
    {"PUT", "update", "update", REQUEST_UPDATE, REQUEST_UPDATE},
    {"PATCH", "patch", "patch", REQUEST_PATCH, REQUEST_PATCH},
    {"DELETE", "delete", "deletecollection", REQUEST_DELETE, REQUEST_DELETECOLLECTION},
};

static void request_path_verb(struct pool *pool, struct slice method, struct request_info *info)
{
    char *lower = pool_slice_dup(pool, method);

    for (char *c = lower; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    info->verb = REQUEST_OTHER;
    info->verb_name = lower;
    if (!info->is_resource)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(request_verbs); i++)
        if (slice_is(method, request_verbs[i].method)) {
            info->verb = *info->name ? request_verbs[i].named_verb : request_verbs[i].all_verb;
            info->verb_name = *info->name ? request_verbs[i].named : request_verbs[i].all;
        }
}

/* Segments behind the version: [namespaces NS] RESOURCE [NAME [SUB ...]]. */
static void request_path_resource(struct request_info *info, const char *const *part, size_t count)
{
    if (count && !strcmp(part[0], "watch") && count > 1) {
        info->old_watch = true;
        part++;
        count--;
    }
    if (count >= 2 && !strcmp(part[0], "namespaces")) {
        bool of_namespace = count > 2 && (!strcmp(part[2], "status") || !strcmp(part[2], "finalize"));

        info->namespace_ = part[1];
        if (count > 2 && !of_namespace) {
            part += 2;
            count -= 2;
        }
    }
    info->is_resource = count > 0;
    info->resource = count > 0 ? part[0] : "";
    info->name = count > 1 ? part[1] : "";
    info->subresource = count > 2 ? part[2] : "";
}

int request_path_parse(struct pool *pool, struct slice method, struct slice path, struct request_info *ret_info,
                       struct error *err)
{
    struct request_info info = {
        .group = "", .version = "", .namespace_ = "", .resource = "", .subresource = "", .name = ""};
    size_t proxy = request_path_proxy_length(path);
    BUF_LOCAL(joined);

    if (proxy) {
        info.proxied = true;
        info.proxy_prefix = slice_make(path.data, proxy);
        info.proxy_rest = slice_from(path, proxy);
        path = info.proxy_prefix;
    }
    if (request_path_check_rest(info.proxy_rest, err) < 0 || request_path_split(pool, path, &info, err) < 0)
        return -(int)ERROR_BAD_REQUEST;
    for (size_t i = 0; i < info.segment_count; i++) {
        buf_append_byte(&joined, '/');
        buf_append_str(&joined, info.segments[i]);
    }
    info.path = joined.len ? pool_slice_dup(pool, buf_slice(&joined)) : "/";
    if (info.segment_count > 2 && !strcmp(info.segments[0], "api")) {
        info.version = info.segments[1];
        request_path_resource(&info, info.segments + 2, info.segment_count - 2);
    } else if (info.segment_count > 3 && !strcmp(info.segments[0], "apis")) {
        info.group = info.segments[1];
        info.version = info.segments[2];
        request_path_resource(&info, info.segments + 3, info.segment_count - 3);
    }
    request_path_verb(pool, method, &info);
    if (info.old_watch && (info.verb == REQUEST_LIST || info.verb == REQUEST_GET)) {
        info.verb = REQUEST_WATCH;
        info.verb_name = "watch";
    }
    *ret_info = info;
    return 0;
}

void request_path_set_watch(struct request_info *info, bool watch)
{
    if (watch && info->verb == REQUEST_LIST) {
        info->verb = REQUEST_WATCH;
        info->verb_name = "watch";
    }
}

void request_path_set_history(struct request_info *info, bool history, bool exact)
{
    bool one = info->verb == REQUEST_GET && *info->name && !*info->subresource && (history || exact);
    bool many = info->verb == REQUEST_LIST && history;

    if (!info->is_resource || (!one && !many))
        return;
    if (one)
        info->verb = REQUEST_HISTORY;
    info->verb_name = "history";
}

const char *request_verb_name(unsigned verb)
{
    static const char *const names[] = {
        [REQUEST_CREATE] = "create",   [REQUEST_GET] = "get",
        [REQUEST_LIST] = "list",       [REQUEST_WATCH] = "watch",
        [REQUEST_UPDATE] = "update",   [REQUEST_PATCH] = "patch",
        [REQUEST_DELETE] = "delete",   [REQUEST_DELETECOLLECTION] = "deletecollection",
        [REQUEST_HISTORY] = "history",
    };

    return verb < ARRAY_SIZE(names) && names[verb] ? names[verb] : "";
}
