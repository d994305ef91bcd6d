/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of a collection: a pass over a snapshot, bytes copied, selectors looked up in the headers. What is asked for
 * whole and does not fit into one piece is streamed: a pass makes one piece, the next one goes on behind its last key
 * when the piece is written. So a list costs a bounded number of bytes however long it is, and others have their turn
 * meanwhile.
 *
 *     first piece: all of it --> answered
 *        `---- more --> SENDING --drained: next piece--> ... the last --> ended
 *                          `---- a pass fails (the revision is forgotten meanwhile) --> the connection is cut
 */
#include "apiserver/list_options.h"
#include "apiserver/list_stream.h"
#include "apiserver/list_write.h"
#include "apiserver/registry.h"
#include "lib/log.h"

#define LIST_FIRST_MAX (128u << 10) /* of what is answered at once */
#define LIST_PIECE     (64u << 10)

struct list_pass {
    struct request *req;
    struct list_options options;
    struct list_write *out;
    struct store_range range;
    uint64_t count;
    struct buf last; /* key of the last one written */
    bool more;       /* stopped by the limit while selecting */
    size_t piece;    /* bytes after which a pass stops; 0 = it does not */
};

enum { LIST_ALL, LIST_LIMIT, LIST_PIECE_FULL }; /* why a pass ended */

static int list_visit(void *arg, const struct store_item *item)
{
    struct list_pass *p = arg;
    const struct list_options *o = &p->options;
    struct registry_place place;

    if (!registry_parse(item->key, p->req->kind->namespaced, &place) ||
        !filter_matches(&o->filter, place.namespace_, place.name, item->meta, item->value))
        return 0;
    if (o->limit && p->count == (uint64_t)o->limit) {
        p->more = true;
        return LIST_LIMIT;
    }
    if (p->piece && list_write_items(p->out).len >= p->piece)
        return LIST_PIECE_FULL;
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

static void list_finish(struct list_pass *p, const struct store_range_result *result)
{
    struct request *req = p->req;
    uint64_t known = p->options.continue_remaining;
    const char *token = NULL;
    uint64_t remaining = 0;

    if ((p->more || result->more) && p->last.len) {
        struct slice last = buf_slice(&p->last);
        size_t prefix = p->range.prefix.len;

        if (filter_is_empty(&p->options.filter))
            remaining = !p->range.skip_count ? result->remaining : known > p->count ? known - p->count : 0;
        token = list_continue_make(req->pool, p->range.at_revision, slice_from(last, prefix), remaining);
    }
    list_write_reply(p->out, req, p->range.at_revision, token, remaining);
}

/* ---- streaming ----------------------------------------------------------------------------------------------------
 */

/* The next piece; 0 when the list ends with it, negative when it cannot go on. */
static int list_next_piece(void *arg, struct slice *ret_piece)
{
    struct list_pass *p = arg;
    ERROR_LOCAL(err);
    int r;

    list_write_forget(p->out);
    p->range.after = buf_slice(&p->last);
    r = store_list(p->req->server->store, &p->range, list_visit, p, NULL, &err);
    if (r < 0) {
        log_warning("apiserver", "a list of %s is cut: %s", p->req->info.path, error_text(&err));
        return r;
    }
    if (r == LIST_ALL)
        list_write_end(p->out);
    *ret_piece = list_write_items(p->out);
    return r == LIST_PIECE_FULL;
}

static void list_begin_stream(struct list_pass *p)
{
    BUF_LOCAL(head);

    list_write_head(p->out, &head, p->range.at_revision, NULL, 0);
    buf_append_slice(&head, list_write_items(p->out));
    p->piece = LIST_PIECE;
    list_stream_start(p->req, buf_slice(&head), list_next_piece, p);
}

/* ---- the verb -----------------------------------------------------------------------------------------------------
 */

/* Pages say at their head where they end, YAML is made from the whole, protobuf and HEAD tell its length. */
static bool list_may_stream(const struct list_pass *p)
{
    enum media media = p->req->media;

    return !p->options.limit && media != MEDIA_YAML && media != MEDIA_PROTOBUF &&
           !slice_is(p->req->http->method, "HEAD");
}

static int list_run(struct list_pass *p, struct error *err)
{
    struct request *req = p->req;
    const struct list_options *o = &p->options;
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
    p->range.prefix = registry_prefix(req->pool, req->kind, req->info.namespace_);
    p->range.at_revision = revision;
    p->range.class = registry_class(req->kind);
    p->range.skip_count = o->continue_remaining > 0;
    if (o->continue_after)
        p->range.after = slice_str(pool_printf(req->pool, "%.*s%s", SLICE_ARGS(p->range.prefix), o->continue_after));
    if (filter_is_empty(&o->filter))
        p->range.limit = (size_t)o->limit;
    p->piece = list_may_stream(p) ? LIST_FIRST_MAX : 0;
    r = store_list(req->server->store, &p->range, list_visit, p, &result, &failed);
    if (r < 0 && failed.code == ERROR_EXPIRED)
        return list_expired(o, err);
    if (r < 0)
        return error_pass(err, &failed, NULL);
    if (r == LIST_PIECE_FULL)
        list_begin_stream(p);
    else
        list_finish(p, &result);
    return 0;
}

static void list_free(void *arg)
{
    struct list_pass *p = arg;

    list_write_free(p->out);
    buf_free(&p->last);
}

void verb_list(struct request *req)
{
    struct list_pass *p = pool_alloc(req->pool, sizeof(*p));
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || list_options_read(req, &p->options, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    p->req = req;
    p->out = list_write_new(req);
    pool_on_free(req->pool, list_free, p);
    if (list_run(p, &err) < 0)
        reply_error(req, &err);
}
