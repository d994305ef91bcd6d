/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accept headers. The first clause that we serve wins, whatever its weight: real clients list their wishes in order
 * (wire.md, section 1). Protobuf is written only where nothing else is taken.
 */
#include "apiserver/request.h"

#include "lib/encoding.h"

struct negotiate_clause {
    struct slice type;
    struct slice as;
    struct slice group;
    struct slice version;
};

static struct slice negotiate_unquote(struct slice s)
{
    s = slice_trim(s);
    if (s.len >= 2 && s.data[0] == '"' && s.data[s.len - 1] == '"')
        return slice_make(s.data + 1, s.len - 2);
    return s;
}

static struct negotiate_clause negotiate_read_clause(struct slice text)
{
    struct negotiate_clause c = {.type = SLICE_NONE};
    struct slice part;
    bool first = true;

    while (text.data && slice_split(&text, ';', &part)) {
        ptrdiff_t at = slice_find(part, '=');
        struct slice name = slice_trim(slice_make(part.data, at < 0 ? part.len : (size_t)at));
        struct slice value = at < 0 ? SLICE_NONE : negotiate_unquote(slice_from(part, (size_t)at + 1));

        if (first)
            c.type = slice_trim(part);
        else if (slice_is(name, "as"))
            c.as = value;
        else if (slice_is(name, "g"))
            c.group = value;
        else if (slice_is(name, "v"))
            c.version = value;
        first = false;
    }
    return c;
}

static bool negotiate_next(struct slice *rest, struct negotiate_clause *ret_clause)
{
    struct slice text;

    if (!rest->data || !slice_split(rest, ',', &text))
        return false;
    *ret_clause = negotiate_read_clause(text);
    return true;
}

static bool negotiate_is_json(struct slice type)
{
    return slice_equal_nocase(type, SLICE_LIT("application/json")) || slice_is(type, "*/*") ||
           slice_equal_nocase(type, SLICE_LIT("application/*"));
}

static bool negotiate_read_media(const struct negotiate_clause *c, enum media *ret_media)
{
    if (negotiate_is_json(c->type) && !c->as.len)
        *ret_media = MEDIA_JSON;
    else if (negotiate_is_json(c->type) && slice_is(c->group, "meta.k8s.io") && slice_is(c->version, "v1") &&
             slice_is(c->as, "Table"))
        *ret_media = MEDIA_TABLE;
    else if (negotiate_is_json(c->type) && slice_is(c->group, "meta.k8s.io") && slice_is(c->version, "v1") &&
             (slice_is(c->as, "PartialObjectMetadata") || slice_is(c->as, "PartialObjectMetadataList")))
        *ret_media = MEDIA_PARTIAL;
    else if (slice_equal_nocase(c->type, SLICE_LIT("application/yaml")) && !c->as.len)
        *ret_media = MEDIA_YAML;
    else if (slice_equal_nocase(c->type, SLICE_LIT("application/vnd.kubernetes.protobuf")) && !c->as.len)
        *ret_media = MEDIA_PROTOBUF;
    else
        return false;
    return true;
}

static int negotiate_include(struct request *req, struct error *err)
{
    const char *include = request_query(req, "includeObject");

    req->include = TABLE_INCLUDE_METADATA;
    if (!include || !*include || !strcmp(include, "Metadata"))
        return 0;
    if (!strcmp(include, "None"))
        req->include = TABLE_INCLUDE_NONE;
    else if (!strcmp(include, "Object"))
        req->include = TABLE_INCLUDE_OBJECT;
    else
        return error_set(err, ERROR_BAD_REQUEST,
                         "Unable to convert to Table as requested: includeObject: Invalid value: \"%s\": must be "
                         "'Metadata', 'Object', 'None', or empty",
                         include);
    return 0;
}

int negotiate_media(struct request *req, bool stream, struct error *err)
{
    struct slice rest = http_request_header(req->http, "accept");
    struct negotiate_clause clause;
    bool protobuf = false;
    enum media media;

    req->media = MEDIA_JSON;
    if (!rest.len)
        return 0;
    while (negotiate_next(&rest, &clause)) {
        if (!negotiate_read_media(&clause, &media) || (stream && media == MEDIA_YAML))
            continue;
        if (media == MEDIA_PROTOBUF) {
            protobuf = true;
            continue;
        }
        req->media = media;
        return media == MEDIA_TABLE ? negotiate_include(req, err) : 0;
    }
    if (protobuf && !(req->kind && req->kind->custom)) { /* whoever made that kind gave its fields no numbers */
        req->media = MEDIA_PROTOBUF;
        return 0;
    }
    return error_set(err, ERROR_NOT_ACCEPTABLE, "only the following media types are accepted: %s",
                     stream ? "application/json;stream=watch, " REPLY_PROTOBUF_STREAM
                            : "application/json, application/yaml, " REPLY_PROTOBUF);
}

void negotiate_plain(struct request *req)
{
    if (req->media == MEDIA_TABLE || req->media == MEDIA_PARTIAL)
        req->media = MEDIA_JSON;
}

const char *negotiate_discovery(const struct request *req)
{
    struct slice rest = http_request_header(req->http, "accept");
    struct negotiate_clause clause;

    while (negotiate_next(&rest, &clause)) {
        if (!negotiate_is_json(clause.type))
            continue;
        if (!clause.as.len)
            return NULL;
        if (!slice_is(clause.as, "APIGroupDiscoveryList") || !slice_is(clause.group, "apidiscovery.k8s.io"))
            continue;
        if (slice_is(clause.version, "v2"))
            return "v2";
        if (slice_is(clause.version, "v2beta1"))
            return "v2beta1";
    }
    return NULL;
}

bool negotiate_accepts(const struct request *req, const char *type)
{
    struct slice rest = http_request_header(req->http, "accept");
    struct negotiate_clause clause;

    if (!rest.len)
        return true;
    while (negotiate_next(&rest, &clause))
        if (slice_is(clause.type, "*/*") || slice_equal_nocase(clause.type, slice_str(type)))
            return true;
    return false;
}
