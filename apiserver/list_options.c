/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/list_options.h"

#include "api/version.h"

#include "lib/encoding.h"

/* ---- filter -------------------------------------------------------------------------------------------------------
 */

void filter_clear(struct filter *f)
{
    selector_free(f->labels);
    selector_free(f->fields);
    f->labels = f->fields = NULL;
}

bool filter_is_empty(const struct filter *f)
{
    return !f->labels && !f->fields && !f->name;
}

struct filter_look {
    const struct filter *filter;
    const struct object_meta *meta;
    struct slice namespace_;
    struct slice name;
};

static struct slice filter_label(void *arg, struct slice key)
{
    const struct filter_look *look = arg;

    return object_meta_label(look->meta, key);
}

/* A field that is empty is there and equals "": `involvedObject.namespace=` must match (wire.md, section 2). */
static struct slice filter_field(void *arg, struct slice key)
{
    const struct filter_look *look = arg;
    const char *const *selectable = look->filter->kind->selectable;
    struct slice v = SLICE_NONE;
    BUF_LOCAL(scratch);

    key = version_field(look->filter->shown, key, &scratch);

    if (slice_is(key, "metadata.name"))
        v = look->name;
    else if (slice_is(key, "metadata.namespace"))
        v = look->namespace_;
    for (size_t i = 0; selectable && selectable[i]; i++)
        if (slice_is(key, selectable[i]))
            v = object_meta_field(look->meta, i);
    return v.data ? v : SLICE_LIT("");
}

bool filter_matches(const struct filter *f, struct slice namespace_, struct slice name, struct slice meta,
                    struct slice value)
{
    struct object_meta m;
    struct filter_look look = {f, &m, namespace_, name};
    BUF_LOCAL(fresh);

    if (filter_is_empty(f))
        return true;
    if (f->name && !slice_is(name, f->name))
        return false;
    return object_meta_need(f->kind, meta, value, &fresh, &m) &&
           (!f->labels || selector_matches(f->labels, filter_label, &look)) &&
           (!f->fields || selector_matches(f->fields, filter_field, &look));
}

static void filter_free(void *arg)
{
    filter_clear(arg);
}

/* ---- continue tokens: base64url of {"v":"meta.k8s.io/v1","rv":N,"left":N,"start":"KEY\u0000"} ---------------------
 */

const char *list_continue_make(struct pool *pool, uint64_t revision, struct slice after, uint64_t remaining)
{
    BUF_LOCAL(json);
    BUF_LOCAL(token);

    buf_printf(&json, "{\"v\":\"meta.k8s.io/v1\",\"rv\":%llu,", (unsigned long long)revision);
    if (remaining)
        buf_printf(&json, "\"left\":%llu,", (unsigned long long)remaining);
    buf_append_str(&json, "\"start\":");
    json_write_string(&json, after);
    json.len--; /* the quote: the first key behind `after` is itself and a NUL */
    buf_append_str(&json, "\\u0000\"}");
    base64url_encode(&token, buf_slice(&json));
    return pool_slice_dup(pool, buf_slice(&token));
}

#define LIST_TOKEN_ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

static int list_continue_bad(struct error *err, const char *why)
{
    return error_set(err, ERROR_BAD_REQUEST, "invalid continue token: continue key is not valid: %s", why);
}

/* Our tokens end in a NUL escape, which a JSON reader would refuse. */
static struct value *list_continue_parse(struct buf *json, struct error *err)
{
    static const char tail[] = "\\u0000\"}";

    if (slice_ends(buf_slice(json), slice_str(tail))) {
        json->len -= sizeof(tail) - 1;
        buf_append_str(json, "\"}");
    }
    return value_parse(buf_slice(json), err);
}

static int list_continue_read(struct request *req, const char *token, struct list_options *o, struct error *err)
{
    struct value *v CLEANUP_VALUE = NULL;
    const char *start;
    int64_t revision, left;
    BUF_LOCAL(json);
    ERROR_LOCAL(why);

    if (!base64url_decode(&json, slice_str(token)))
        return list_continue_bad(
            err, pool_printf(req->pool, "illegal base64 data at input byte %zu", strspn(token, LIST_TOKEN_ALPHABET)));
    if (!(v = list_continue_parse(&json, &why)))
        return list_continue_bad(err, error_text(&why));
    if (!slice_is(value_string(value_get(v, "v")), "meta.k8s.io/v1"))
        return list_continue_bad(err, "server does not recognize this encoded version");
    revision = value_int(value_get(v, "rv"));
    start = value_str(value_get(v, "start"));
    if (!revision)
        return list_continue_bad(err, "incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
    if (!start || !*start)
        return list_continue_bad(err, "encoded start key empty (version meta.k8s.io/v1)");
    if (strstr(start, "..") || strlen(start) > 400)
        return list_continue_bad(err, start);
    o->continue_after = pool_strdup(req->pool, start);
    o->continue_revision = revision < 0 ? 0 : (uint64_t)revision;
    left = value_int(value_get(v, "left"));
    o->continue_remaining = left > 0 && revision > 0 ? (uint64_t)left : 0;
    return 0;
}

/* ---- options ------------------------------------------------------------------------------------------------------
 */

static int list_read_number(struct request *req, const char *name, int64_t *ret_number, struct error *err)
{
    const char *text = request_query(req, name);

    *ret_number = 0;
    if (text && *text && !slice_to_int64(slice_str(text), ret_number))
        return error_set(err, ERROR_BAD_REQUEST, "strconv.ParseInt: parsing \"%s\": invalid syntax", text);
    return 0;
}

static int list_read_revision(struct request *req, struct list_options *o, struct error *err)
{
    const char *text = request_query(req, "resourceVersion");
    const char *match = request_query(req, "resourceVersionMatch");

    o->has_revision = text && *text;
    if (!match || !*match)
        o->match = LIST_MATCH_NONE;
    else if (!strcmp(match, "Exact"))
        o->match = LIST_MATCH_EXACT;
    else if (!strcmp(match, "NotOlderThan"))
        o->match = LIST_MATCH_NOT_OLDER;
    else
        return request_invalid_option(req, "ListOptions", "FieldValueNotSupported", "resourceVersionMatch", err,
                                      "Unsupported value: \"%s\": supported values: \"Exact\", \"NotOlderThan\", "
                                      "\"\"",
                                      match);
    if (o->has_revision && !slice_to_uint64(slice_str(text), &o->revision))
        return error_set(err, ERROR_BAD_REQUEST,
                         "resourceVersion: Invalid value: \"%s\": strconv.ParseUint: parsing \"%s\": invalid syntax",
                         text, text);
    return 0;
}

/* Our extension: a list of the past. */
static int list_read_past(struct request *req, struct list_options *o, struct error *err)
{
    o->past = !o->watch && request_query_bool(req, "history");
    if (!o->past || o->continue_after)
        return 0;
    if (history_revision(req, &o->revision, err) < 0)
        return -(int)err->code;
    if (!o->revision)
        return error_set(err, ERROR_BAD_REQUEST, "a list with history=true needs a resourceVersion or a time");
    o->has_revision = true;
    o->match = LIST_MATCH_EXACT;
    return 0;
}

static int list_forbid(struct request *req, const char *field, const char *why, struct error *err)
{
    return request_invalid_option(req, "ListOptions", "FieldValueForbidden", field, err, "Forbidden: %s", why);
}

/* Which options go together: upstream's ValidateListOptions. */
static int list_check_combination(struct request *req, const struct list_options *o, struct error *err)
{
    const char *given = request_query(req, "sendInitialEvents");

    if (!o->watch) {
        if (given)
            return list_forbid(req, "sendInitialEvents", "sendInitialEvents is forbidden for list", err);
        if (o->match && !o->has_revision)
            return list_forbid(req, "resourceVersionMatch",
                               "resourceVersionMatch is forbidden unless resourceVersion is provided", err);
        if (o->match && o->continue_after)
            return list_forbid(req, "resourceVersionMatch",
                               "resourceVersionMatch is forbidden when continue is provided", err);
        if (o->match == LIST_MATCH_EXACT && !o->revision)
            return list_forbid(req, "resourceVersionMatch",
                               "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"", err);
        return 0;
    }
    if (given && o->match != LIST_MATCH_NOT_OLDER)
        return list_forbid(req, "resourceVersionMatch",
                           "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan", err);
    if (!given && o->match)
        return list_forbid(req, "resourceVersionMatch",
                           "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided", err);
    return 0;
}

static int list_read_selectors(struct request *req, struct filter *f, struct error *err)
{
    const char *labels = request_query(req, "labelSelector");
    const char *fields = request_query(req, "fieldSelector");
    int r;

    f->kind = req->kind;
    f->shown = req->shown;
    pool_on_free(req->pool, filter_free, f);
    if (labels && *labels && (r = selector_parse_labels(slice_str(labels), &f->labels, err)) < 0)
        return r;
    if (fields && *fields && (r = selector_parse_fields(req->shown, slice_str(fields), &f->fields, err)) < 0)
        return r;
    if (*req->info.name)
        f->name = req->info.name;
    return 0;
}

int list_options_read(struct request *req, struct list_options *o, struct error *err)
{
    const char *token = request_query(req, "continue");
    int r;

    *o = (struct list_options){0};
    o->watch = req->info.verb == REQUEST_WATCH;
    o->bookmarks = request_query_bool(req, "allowWatchBookmarks");
    o->initial_events = request_query_bool(req, "sendInitialEvents");
    o->no_initial_events = request_query(req, "sendInitialEvents") && !o->initial_events;
    if ((r = list_read_selectors(req, &o->filter, err)) < 0 ||
        (r = list_read_number(req, "limit", &o->limit, err)) < 0 ||
        (r = list_read_number(req, "timeoutSeconds", &o->timeout_seconds, err)) < 0 ||
        (r = list_read_revision(req, o, err)) < 0)
        return r;
    if (o->limit < 0)
        o->limit = 0;
    if (token && *token && !o->watch && (r = list_continue_read(req, token, o, err)) < 0)
        return r;
    if ((r = list_read_past(req, o, err)) < 0)
        return r;
    if (o->continue_after && o->has_revision && o->revision)
        return error_set(err, ERROR_BAD_REQUEST, "specifying resource version is not allowed when using continue");
    return list_check_combination(req, o, err);
}

int list_check_future(const struct request *req, uint64_t revision, struct error *err)
{
    uint64_t newest = store_revision(req->server->store);

    if (revision <= newest)
        return 0;
    (void)error_set(err, ERROR_TIMEOUT, "Timeout: Too large resource version: %llu, current: %llu",
                    (unsigned long long)revision, (unsigned long long)newest);
    error_add_cause(err, "ResourceVersionTooLarge", NULL, "Too large resource version");
    err->retry_after_seconds = 1;
    return -(int)ERROR_TIMEOUT;
}
