/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A watch: what there is (when asked), then what happened since, then what happens, without a gap and without a double.
 *
 *      resourceVersion "" or 0, or sendInitialEvents             resourceVersion N, or sendInitialEvents=false: now
 *                     |                                                |
 *                     v                                                |
 *                  LISTING ---- snapshot L is out: after = L ----> CATCHING_UP <--.
 *                  (pages of one snapshot)                             |          | too much unsent:
 *                                        after = the hub's revision    v          | after = the hub's revision
 *                                                                    LIVE --------'
 *      any of them -- time is up, server stops, revision is gone, kind is defined anew --> ENDING -- closed --> freed
 *
 * Invariant: everything up to `after` has been written to the stream (or did not concern it), nothing behind it has.
 * LISTING and CATCHING_UP read from the store only while little is unsent and go on when the stream has drained, so a
 * slow reader costs a bounded number of bytes; and a few pages in one turn of the loop, so a reader of much does not
 * hold up others. LIVE falls back to CATCHING_UP when more than that waits.
 */
#include "apiserver/customs.h"
#include "apiserver/hub.h"
#include "apiserver/list_options.h"
#include "apiserver/upgrade.h"
#include "lib/metrics.h"
#include "lib/random.h"

#define WATCH_LOW_BYTES   (256u << 10) /* read more when less than this is unsent */
#define WATCH_HIGH_BYTES  (4u << 20)   /* a live watch with more than this falls back to the log */
#define WATCH_LIST_PAGE   500
#define WATCH_LOG_PAGE    1000
#define WATCH_TURN_PAGES  4    /* read in one turn of the loop, which others wait for */
#define WATCH_MIN_SECONDS 1800 /* without timeoutSeconds: this and up to as much again, as upstream */

enum watch_state { WATCH_LISTING, WATCH_CATCHING_UP, WATCH_LIVE, WATCH_ENDING };

static const char *const watch_event_labels[] = {"group", "resource", "version", NULL};
static struct metric watch_events = {.name = "apiserver_watch_events_total",
                                     .help = "Events sent to watchers.",
                                     .type = METRIC_COUNTER,
                                     .labels = watch_event_labels,
                                     .series_max = 256};

struct watch {
    struct hub_watcher hub; /* hub.after is the `after` above */
    enum watch_state state;
    struct request *req;
    const struct list_options *options;
    struct http_stream *stream;
    struct frame_format format;
    struct metric_series *sent; /* counts its events */
    struct slice prefix;
    uint64_t list_revision; /* of the snapshot that is listed */
    struct buf list_after;  /* its last key that was looked at */
    bool columns_sent;
    bool stepping; /* inside watch_step */
    struct loop_timer *timer;
    struct loop_timer *turn; /* reads on in the next turn; NULL = one was enough so far */
};

static struct hub *watch_hub(const struct watch *w)
{
    return w->req->front->hub;
}

static void watch_end(struct watch *w)
{
    if (w->state == WATCH_ENDING)
        return;
    hub_detach(watch_hub(w), &w->hub);
    w->state = WATCH_ENDING;
    http_stream_end(w->stream);
}

static void watch_fail(struct watch *w, const struct error *err)
{
    struct refbuf *frame CLEANUP_REFBUF = frame_error(&w->format, err);

    if (w->state == WATCH_ENDING)
        return;
    http_stream_queue(w->stream, frame);
    watch_end(w);
}

static void watch_bookmark_now(struct watch *w, uint64_t revision, bool initial_end)
{
    struct refbuf *frame CLEANUP_REFBUF = frame_bookmark(&w->format, revision, initial_end);

    http_stream_write(w->stream, frame);
}

/* Goes out with what else there is: after the hub's batches, or with the page that is read. A Table's first frame
 * carries the columns and is nobody else's. */
static void watch_send(struct watch *w, struct frame_event *e, enum frame_type type)
{
    metric_add(w->sent, 1);
    if (w->format.media == MEDIA_TABLE && !w->columns_sent) {
        struct refbuf *own CLEANUP_REFBUF = frame_make(&w->format, type, e->event->value, e->event->revision, true);

        w->columns_sent = true;
        http_stream_queue(w->stream, own);
        return;
    }
    http_stream_queue(w->stream, frame_of_event(e, &w->format, type));
}

/* What an event is to somebody who sees only a selection: coming in, staying, or leaving. -1 = nothing. */
static int watch_classify(const struct watch *w, const struct frame_event *e)
{
    const struct filter *f = &w->options->filter;
    const struct store_event *event = e->event;
    bool now = filter_matches(f, e->place.namespace_, e->place.name, event->meta, event->value);
    bool before;

    if (event->kind == STORE_EVENT_DELETE)
        return now ? FRAME_DELETED : -1;
    if (event->kind == STORE_EVENT_CREATE)
        return now ? FRAME_ADDED : -1;
    if (!event->prev_meta.len) /* not known any more: clients take both for what they are */
        return now ? FRAME_MODIFIED : FRAME_DELETED;
    before = filter_matches(f, e->place.namespace_, e->place.name, event->prev_meta, event->prev_value);
    if (now)
        return before ? FRAME_MODIFIED : FRAME_ADDED;
    return before ? FRAME_DELETED : -1;
}

/* Whether it concerned him. */
static bool watch_take(struct watch *w, struct frame_event *e)
{
    const char *namespace_ = w->req->info.namespace_;
    int type;

    if (w->req->kind->namespaced && *namespace_ && !slice_is(e->place.namespace_, namespace_))
        return false;
    if ((type = watch_classify(w, e)) >= 0)
        watch_send(w, e, (enum frame_type)type);
    return type >= 0;
}

/* ---- reading from the store ---------------------------------------------------------------------------------------
 */

static int watch_list_item(void *arg, const struct store_item *item)
{
    struct watch *w = arg;
    struct registry_place place;

    buf_reset(&w->list_after);
    buf_append_slice(&w->list_after, item->key);
    if (!registry_parse(item->key, w->req->kind->namespaced, &place) ||
        !filter_matches(&w->options->filter, place.namespace_, place.name, item->meta, item->value))
        return 0;
    struct refbuf *frame CLEANUP_REFBUF =
        frame_make(&w->format, FRAME_ADDED, item->value, item->mod_revision, !w->columns_sent);
    w->columns_sent = true;
    http_stream_queue(w->stream, frame);
    return 0;
}

static int watch_list_page(struct watch *w, struct error *err)
{
    struct store_range range = {.prefix = w->prefix,
                                .after = buf_slice(&w->list_after),
                                .at_revision = w->list_revision,
                                .limit = WATCH_LIST_PAGE,
                                .skip_count = true,
                                .class = registry_class(w->req->kind)};
    struct store_range_result result;
    struct buf start = {0};
    int r;

    buf_append_slice(&start, range.after); /* the visitor moves list_after on */
    range.after = buf_slice(&start);
    r = store_list(w->req->server->store, &range, watch_list_item, w, &result, err);
    buf_free(&start);
    if (r < 0 || result.more)
        return r;
    w->hub.after = w->list_revision;
    w->state = WATCH_CATCHING_UP;
    if (w->options->initial_events && w->options->bookmarks)
        watch_bookmark_now(w, w->list_revision, true);
    return 0;
}

static int watch_log_event(void *arg, const struct store_event *event)
{
    struct watch *w = arg;
    struct frame_event e = {.event = event};

    if (registry_parse(event->key, w->req->kind->namespaced, &e.place))
        (void)watch_take(w, &e);
    frame_event_clear(&e);
    return 0;
}

static void watch_attach(struct watch *w)
{
    const struct filter *f = &w->options->filter;
    struct hub_interest interest = {.kind = w->req->kind, .fields = f->fields};

    if (interest.kind->namespaced)
        interest.namespace_ = slice_str(w->req->info.namespace_);
    if (f->fields && interest.kind->namespaced && !interest.namespace_.len)
        interest.namespace_ = selector_exact(f->fields, SLICE_LIT("metadata.namespace"));
    interest.name = f->name ? slice_str(f->name) : SLICE_NONE;
    if (f->fields && !interest.name.len)
        interest.name = selector_exact(f->fields, SLICE_LIT("metadata.name"));
    w->state = WATCH_LIVE;
    hub_attach(watch_hub(w), &w->hub, &interest);
}

static int watch_catch_up(struct watch *w, struct error *err)
{
    uint64_t until = hub_revision(watch_hub(w));
    int r;

    if (w->hub.after >= until) {
        watch_attach(w);
        return 0;
    }
    r = store_read_log(w->req->server->store, w->prefix, registry_class(w->req->kind), w->hub.after, until,
                       WATCH_LOG_PAGE, watch_log_event, w, &until, err);
    if (r == 0)
        w->hub.after = until;
    return r;
}

static void watch_on_turn(void *arg);

static void watch_step_later(struct watch *w)
{
    if (!w->turn)
        w->turn = loop_timer_new(w->req->front->loop, watch_on_turn, w);
    loop_timer_start(w->turn, 0, 0);
}

/* One tick: as far as the stream takes it, and others can wait. */
static void watch_step(struct watch *w)
{
    ERROR_LOCAL(err);
    int r = 0, pages = 0;

    if (w->stepping)
        return;
    w->stepping = true;
    while (r == 0 && w->state < WATCH_LIVE && http_stream_pending(w->stream) < WATCH_LOW_BYTES) {
        if (pages++ == WATCH_TURN_PAGES) {
            watch_step_later(w);
            break;
        }
        r = w->state == WATCH_LISTING ? watch_list_page(w, &err) : watch_catch_up(w, &err);
    }
    http_stream_flush(w->stream);
    w->stepping = false;
    if (r < 0) {
        if (err.code == ERROR_EXPIRED)
            (void)error_set(
                &err, ERROR_EXPIRED, "too old resource version: %llu (%llu)", (unsigned long long)w->hub.after,
                (unsigned long long)store_compacted_of(w->req->server->store, registry_class(w->req->kind)));
        watch_fail(w, &err);
    }
}

static void watch_on_turn(void *arg)
{
    struct watch *w = arg;

    if (w->state < WATCH_LIVE)
        watch_step(w);
}

/* ---- what the hub, the stream and the clock say -------------------------------------------------------------------
 */

static void watch_on_event(struct hub_watcher *hub, struct frame_event *event)
{
    struct watch *w = container_of(hub, struct watch, hub);

    if (watch_take(w, event))
        hub_want_flush(watch_hub(w), &w->hub);
}

/* Behind whole batches of the hub, so that `after` cuts no transaction. */
static void watch_on_flush(struct hub_watcher *hub)
{
    struct watch *w = container_of(hub, struct watch, hub);

    if (w->state != WATCH_LIVE)
        return;
    http_stream_flush(w->stream);
    if (http_stream_pending(w->stream) <= WATCH_HIGH_BYTES)
        return;
    hub_detach(watch_hub(w), &w->hub);
    if (hub_revision(watch_hub(w)) > w->hub.after)
        w->hub.after = hub_revision(watch_hub(w));
    w->state = WATCH_CATCHING_UP;
    watch_step(w);
}

static void watch_on_bookmark(struct hub_watcher *hub)
{
    struct watch *w = container_of(hub, struct watch, hub);
    uint64_t revision = hub_revision(watch_hub(w));

    if (w->state == WATCH_LIVE && w->options->bookmarks)
        watch_bookmark_now(w, revision > w->hub.after ? revision : w->hub.after, false);
}

static void watch_on_stop(struct hub_watcher *hub)
{
    watch_end(container_of(hub, struct watch, hub));
}

/* As upstream: who watches a kind that is no longer, or no longer the same, starts over. */
static void watch_on_redefined(struct hub_watcher *hub)
{
    struct watch *w = container_of(hub, struct watch, hub);

    if (!customs_is_current(w->req->front, w->req->kind))
        watch_end(w);
}

static void watch_on_time(void *arg)
{
    struct watch *w = arg;

    watch_on_bookmark(&w->hub);
    watch_end(w);
}

static void watch_on_drained(void *arg)
{
    watch_step(arg);
}

static void watch_on_closed(void *arg)
{
    struct watch *w = arg;

    hub_remove(watch_hub(w), &w->hub);
    loop_timer_free(w->timer);
    loop_timer_free(w->turn);
    buf_free(&w->list_after);
}

static const struct http_stream_events watch_stream_events = {watch_on_drained, watch_on_closed};

/* ---- start --------------------------------------------------------------------------------------------------------
 */

/* Go's form of a time, as far as clients send it ("32s", "1m30s"); 0 = none. */
static int64_t watch_query_timeout(struct request *req)
{
    const char *text = request_query(req, "timeout");
    int64_t seconds = 0;
    int64_t number = 0;

    for (; text && *text; text++) {
        if (*text >= '0' && *text <= '9' && number < 100000000) {
            number = number * 10 + (*text - '0');
            continue;
        }
        seconds += number * (*text == 'h' ? 3600 : *text == 'm' ? 60 : *text == 's' ? 1 : 0);
        number = 0;
    }
    return seconds;
}

static void watch_start_timer(struct watch *w)
{
    int64_t seconds = w->options->timeout_seconds;
    int64_t query = watch_query_timeout(w->req);

    if (seconds <= 0)
        seconds = WATCH_MIN_SECONDS + (int64_t)random_below(WATCH_MIN_SECONDS);
    if (query > 0 && query < seconds)
        seconds = query;
    w->timer = loop_timer_new(w->req->front->loop, watch_on_time, w);
    loop_timer_start(w->timer, (uint64_t)seconds * 1000, 0);
}

/* Where to start. A revision that is gone is said before the stream begins. */
static int watch_choose_start(struct watch *w, struct error *err)
{
    const struct list_options *o = w->options;
    struct store *store = w->req->server->store;
    uint64_t oldest = store_compacted_of(store, registry_class(w->req->kind));
    int may;

    if (o->no_initial_events && !o->revision) {
        w->state = WATCH_CATCHING_UP;
        w->hub.after = store_revision(store);
        return 0;
    }
    if (o->initial_events || !o->has_revision || !o->revision) {
        if (o->initial_events && list_check_future(w->req, o->revision, err) < 0)
            return -(int)ERROR_TIMEOUT;
        w->state = WATCH_LISTING;
        w->list_revision = store_revision(store);
        return 0;
    }
    may = o->revision < oldest ? 0 : list_may_see(w->req, o->revision, err);
    if (may < 0)
        return may;
    if (!may)
        return error_set(err, ERROR_EXPIRED, "too old resource version: %llu (%llu)", (unsigned long long)o->revision,
                         (unsigned long long)oldest);
    w->state = WATCH_CATCHING_UP;
    w->hub.after = o->revision;
    return 0;
}

/* As chunks of one answer, or, as upstream for browsers, each event a text message of a WebSocket. Of the subprotocols
 * the first is echoed whatever it is called: a browser that offers some insists on one. */
static void watch_start_stream(struct watch *w)
{
    struct http_header headers[REPLY_HEADERS_MAX];
    struct slice protocols[WEBSOCKET_PROTOCOLS_MAX];
    struct request *req = w->req;

    if (!websocket_requested(req->http))
        w->stream = http_stream_start(req->http, 200,
                                      req->media == MEDIA_PROTOBUF ? REPLY_PROTOBUF_STREAM : "application/json",
                                      headers, reply_headers(req, headers), &watch_stream_events, w);
    else
        w->stream = websocket_stream_start(req->http, upgrade_protocols(req, protocols) ? protocols[0] : SLICE_NONE,
                                           &watch_stream_events, w);
}

void verb_watch(struct request *req)
{
    struct watch *w = pool_alloc(req->pool, sizeof(*w));
    struct list_options *o = pool_alloc(req->pool, sizeof(*o));
    ERROR_LOCAL(err);

    w->req = req;
    w->options = o;
    if (negotiate_media(req, true, &err) < 0 || list_options_read(req, o, &err) < 0 ||
        (websocket_requested(req->http) && websocket_check(req->http, &err) < 0) || watch_choose_start(w, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    if (req->media == MEDIA_PROTOBUF && websocket_requested(req->http))
        req->media = MEDIA_JSON; /* messages of text */
    w->format = (struct frame_format){req->kind, req->shown, req->media, req->include, req->server->clock};
    w->sent = metric_with(&watch_events, req->shown->group, req->shown->plural, req->shown->version);
    w->columns_sent = req->media != MEDIA_TABLE;
    w->prefix = registry_prefix(req->pool, req->kind, req->info.namespace_);
    w->hub.event = watch_on_event;
    w->hub.flush = watch_on_flush;
    w->hub.bookmark = watch_on_bookmark;
    w->hub.stop = watch_on_stop;
    w->hub.redefined = req->kind->custom ? watch_on_redefined : NULL;
    w->hub.patient = req->http->peer->local_user != NULL;
    hub_add(watch_hub(w), &w->hub);
    watch_start_timer(w);
    watch_start_stream(w);
    if (req->kind->custom && !customs_is_current(req->front, req->kind)) /* defined anew since the request found it */
        watch_end(w);
    else
        watch_step(w);
}
