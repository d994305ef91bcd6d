/* SPDX-License-Identifier: Apache-2.0 */
/* GET of a collection: one pass over a snapshot, bytes copied, selectors looked up in the headers. */
#include "apiserver/list_options.h"
#include "apiserver/list_write.h"
#include "apiserver/registry.h"

struct list_pass {
    struct request *req;
    const struct list_options *options;
    struct list_write *out;
    struct slice prefix;
    uint64_t count;
    struct buf last; /* key of the last one written */
    bool more;       /* stopped by the limit while selecting */
};

static int list_visit(void *arg, const struct store_item *item)
{
    struct list_pass *p = arg;
    const struct list_options *o = p->options;
    struct registry_place place;

    if (!registry_parse(item->key, p->req->kind->namespaced, &place) ||
        !filter_matches(&o->filter, place.namespace_, place.name, item->meta, item->value))
        return 0;
    if (o->limit && p->count == (uint64_t)o->limit) {
        p->more = true;
        return 1;
    }
    list_write_item(p->out, item->value, item->mod_revision);
    p->count++;
    buf_reset(&p->last);
    buf_append_slice(&p->last, item->key);
    return 0;
}

/* What "expired" means depends on what was asked (wire.md, section 6). */
static int list_expired(const struct list_options *o, struct error *err)
{
    if (o->continue_after)
        return error_set(err, ERROR_EXPIRED,
                         "The provided continue parameter is too old to display a consistent list result. You can "
                         "start a new list without the continue parameter.");
    return error_set(err, ERROR_EXPIRED, "The resourceVersion for the provided list is too old.");
}

/* The snapshot to read. Without a wish it is the newest, fixed here so that a pass that stops early knows it. */
static int list_choose_revision(struct request *req, const struct list_options *o, uint64_t *ret_revision,
                                struct error *err)
{
    *ret_revision = store_revision(req->server->store);
    if (o->continue_after && o->continue_revision)
        *ret_revision = o->continue_revision;
    else if (o->has_revision && list_check_future(req, o->revision, err) < 0)
        return -(int)ERROR_TIMEOUT;
    else if (o->has_revision && o->match == LIST_MATCH_EXACT)
        *ret_revision = o->revision;
    else if (o->has_revision && o->revision && o->limit && o->match == LIST_MATCH_NONE)
        *ret_revision = o->revision; /* upstream's legacy rule: a limit and a revision mean exactly that one */
    return 0;
}

static void list_finish(struct list_pass *p, const struct store_range_result *result, uint64_t revision)
{
    struct request *req = p->req;
    const char *token = NULL;
    uint64_t remaining = 0;

    if ((p->more || result->more) && p->last.len) {
        struct slice last = buf_slice(&p->last);

        token =
            list_continue_make(req->pool, revision, slice_make(last.data + p->prefix.len, last.len - p->prefix.len));
        if (filter_is_empty(&p->options->filter))
            remaining = result->remaining;
    }
    list_write_reply(p->out, req, revision, token, remaining);
}

static int list_run(struct request *req, const struct list_options *o, struct list_pass *p, struct error *err)
{
    struct store_range range = {.prefix = registry_prefix(req->pool, req->kind, req->info.namespace_)};
    struct store_range_result result = {0};
    ERROR_LOCAL(failed);
    uint64_t revision;
    int r;

    if ((r = list_choose_revision(req, o, &revision, err)) < 0)
        return r;
    if (o->past && (r = history_check_namespace(req, revision, err)) < 0)
        return r;
    if ((r = list_may_see(req, revision, err)) <= 0)
        return r < 0 ? r : list_expired(o, err);
    p->prefix = range.prefix;
    range.at_revision = revision;
    range.class = registry_class(req->kind);
    if (o->continue_after)
        range.after = slice_str(pool_printf(req->pool, "%.*s%s", SLICE_ARGS(range.prefix), o->continue_after));
    if (filter_is_empty(&o->filter))
        range.limit = (size_t)o->limit;
    r = store_list(req->server->store, &range, list_visit, p, &result, &failed);
    if (r < 0 && failed.code == ERROR_EXPIRED)
        return list_expired(o, err);
    if (r < 0)
        return error_pass(err, &failed, NULL);
    list_finish(p, &result, revision);
    return 0;
}

void verb_list(struct request *req)
{
    struct list_options *o = pool_alloc(req->pool, sizeof(*o));
    struct list_write *out;
    struct list_pass pass = {.req = req, .options = o};
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || list_options_read(req, o, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    if (req->media == MEDIA_PROTOBUF) {
        reply_error_text(req, ERROR_NOT_ACCEPTABLE, "lists are served as application/json");
        return;
    }
    out = list_write_new(req);
    pass.out = out;
    if (list_run(req, o, &pass, &err) < 0)
        reply_error(req, &err);
    list_write_free(out);
    buf_free(&pass.last);
}
