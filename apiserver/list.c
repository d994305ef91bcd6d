/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET of a collection: passes over a snapshot, bytes copied, selectors looked up in the headers. A pass looks at a
 * bounded number of objects, and the next one goes on behind its last key when the loop comes round: others have their
 * turn meanwhile. What is asked for whole and does not fit into one piece is streamed, a piece when the one before is
 * written: it costs a bounded number of bytes however long it is.
 *
 *     GATHERING --a pass: all of it--> answered
 *        | `-- a pass: looked at enough --> GATHERING
 *        `---- a pass: the first piece is full --> SENDING --drained: next piece--> ... the last --> ended
 *                          `---- a pass fails (the revision is forgotten meanwhile) --> the connection is cut
 */
#include "apiserver/list_options.h"
#include "apiserver/list_stream.h"
#include "apiserver/list_write.h"
#include "apiserver/registry.h"
#include "lib/log.h"

#define LIST_FIRST_MAX  (128u << 10) /* of what is answered at once */
#define LIST_PIECE      (64u << 10)
#define LIST_LOOKED_MAX 4096u /* objects of one pass: 3 ms where few of them are chosen */

struct list_pass {
    struct request *req;
    struct list_options options;
    struct list_write *out;
    struct store_range range;
    uint64_t count;
    size_t looked;   /* at so many by this pass */
    struct buf last; /* key of the last one written */
    struct buf seen; /* key of the last one of a pass that had looked at enough */
    bool more;       /* stopped by the limit while selecting */
    size_t piece;    /* bytes after which a pass stops; 0 = it does not */
    int ended;       /* why the pass before did */
    struct loop_timer *turn;
};

enum { LIST_ALL, LIST_LIMIT, LIST_PIECE_FULL, LIST_LOOKED }; /* why a pass ended */

static int list_take(struct list_pass *p, const struct store_item *item)
{
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

static int list_visit(void *arg, const struct store_item *item)
{
    struct list_pass *p = arg;
    int r = list_take(p, item);

    /* One that reaches its limit without selecting ends here all the same. */
    if (r || ++p->looked < LIST_LOOKED_MAX || (p->range.limit && p->looked == p->range.limit))
        return r;
    buf_reset(&p->seen);
    buf_append_slice(&p->seen, item->key);
    return LIST_LOOKED;
}

/* Goes on where the pass before ended, if there was one. */
static int list_look(struct list_pass *p, struct store_range_result *ret_result, struct error *err)
{
    if (p->ended == LIST_PIECE_FULL)
        p->range.after = buf_slice(&p->last);
    else if (p->ended == LIST_LOOKED)
        p->range.after = buf_slice(&p->seen);
    if (p->ended == LIST_LOOKED && p->range.limit)
        p->range.limit -= p->looked;
    p->looked = 0;
    return p->ended = store_list(p->req->server->store, &p->range, list_visit, p, ret_result, err);
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
    r = list_look(p, NULL, &err);
    if (r < 0) {
        log_warning("apiserver", "a list of %s is cut: %s", p->req->info.path, error_text(&err));
        return r;
    }
    if (r == LIST_ALL)
        list_write_end(p->out);
    *ret_piece = list_write_items(p->out);
    return r != LIST_ALL;
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

/* Pages say at their head where they end, YAML is made from the whole, protobuf tells its length. */
static bool list_may_stream(const struct list_pass *p)
{
    enum media media = p->req->media;

    return !p->options.limit && media != MEDIA_YAML && media != MEDIA_PROTOBUF;
}

static int list_prepare(struct list_pass *p, struct error *err)
{
    struct request *req = p->req;
    const struct list_options *o = &p->options;
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
    return 0;
}

static void list_on_turn(void *arg);

static int list_gather(struct list_pass *p, struct error *err)
{
    struct store_range_result result = {0};
    ERROR_LOCAL(failed);
    int r = list_look(p, &result, &failed);

    if (r < 0)
        return failed.code == ERROR_EXPIRED ? list_expired(&p->options, err) : error_pass(err, &failed, NULL);
    if (r == LIST_LOOKED) {
        if (!p->turn)
            p->turn = loop_timer_new(p->req->front->loop, list_on_turn, p);
        loop_timer_start(p->turn, 0, 0);
    } else if (r == LIST_PIECE_FULL) {
        list_begin_stream(p);
    } else {
        list_finish(p, &result);
    }
    return 0;
}

static void list_on_turn(void *arg)
{
    struct list_pass *p = arg;
    ERROR_LOCAL(err);

    if (list_gather(p, &err) < 0)
        reply_error(p->req, &err);
}

static void list_free(void *arg)
{
    struct list_pass *p = arg;

    loop_timer_free(p->turn);
    list_write_free(p->out);
    buf_free(&p->last);
    buf_free(&p->seen);
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
    if (list_prepare(p, &err) < 0 || list_gather(p, &err) < 0)
        reply_error(req, &err);
}
