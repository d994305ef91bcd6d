/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     OPEN --the server ends--> ENDING --all read--> DONE --posted--> closed(), pool freed: OVER
 *       |                          |                  ^
 *       `--------------------------`----peer_cut------'
 *
 * Nothing of the server is called from inside its own call: drained and closed are posted to the loop.
 */
#include "tests/watch/peer.h"

#include "apiserver/registry.h"
#include "lib/http.h"

enum peer_state { PEER_OPEN, PEER_ENDING, PEER_DONE, PEER_OVER };

struct peer {
    struct front *front;
    const struct schema_kind *kind;
    struct record_session *session;
    enum peer_state state;
    struct http_request req;
    struct http_peer who;
    struct http_stream stream;
    struct http_stream_events events;
    void *arg;
    struct refbuf **queue; /* from `first` */
    size_t first;
    size_t count;
    size_t cap;
    size_t bytes;
    bool drain_posted;
    char *trouble;
};

static void peer_drop_queue(struct peer *p)
{
    for (size_t i = p->first; i < p->count; i++)
        refbuf_unref(p->queue[i]);
    p->first = p->count = p->bytes = 0;
}

static void peer_release(void *arg)
{
    struct peer *p = arg;

    if (p->events.closed)
        p->events.closed(p->arg);
    pool_free(p->req.pool);
    p->state = PEER_OVER;
}

static void peer_finish(struct peer *p, enum record_end end)
{
    if (p->state >= PEER_DONE)
        return;
    p->state = PEER_DONE;
    p->session->end = end;
    peer_drop_queue(p);
    loop_post(p->front->loop, peer_release, p);
}

static void peer_expired(struct peer *p)
{
    p->session->expired = true;
    p->session->compacted = store_compacted_of(p->front->server->store, registry_class(p->kind));
}

/* ---- the engine ---------------------------------------------------------------------------------------------------
 */

static struct slice engine_header(const struct http_request *req, const char *name)
{
    (void)req;
    return strcmp(name, "accept") ? SLICE_NONE : SLICE_LIT("application/json");
}

static void engine_each_header(const struct http_request *req,
                               void (*fn)(void *arg, struct slice name, struct slice value), void *arg)
{
    (void)req;
    fn(arg, SLICE_LIT("accept"), SLICE_LIT("application/json"));
}

static void engine_respond(struct http_request *req, int status, const char *content_type,
                           const struct http_header *headers, size_t header_count, struct refbuf *body)
{
    struct peer *p = req->exchange;

    (void)content_type;
    (void)headers;
    (void)header_count;
    if (status == 410)
        peer_expired(p);
    else
        p->trouble = mem_printf("answered %d: %.*s", status, SLICE_ARGS(refbuf_slice(body)));
    peer_finish(p, RECORD_CLEAN);
}

static void engine_queue(struct http_stream *stream, struct refbuf *data)
{
    struct peer *p = container_of(stream, struct peer, stream);

    if (p->state != PEER_OPEN || !data->len)
        return;
    if (p->first && p->first == p->count)
        p->first = p->count = 0;
    p->queue = mem_grow(p->queue, &p->cap, p->count + 1, sizeof(struct refbuf *));
    p->queue[p->count++] = refbuf_ref(data);
    p->bytes += data->len;
    if (p->bytes > p->session->unsent_max)
        p->session->unsent_max = p->bytes;
}

static size_t engine_pending(const struct http_stream *stream)
{
    return container_of(stream, struct peer, stream)->bytes;
}

static void engine_end(struct http_stream *stream)
{
    struct peer *p = container_of(stream, struct peer, stream);

    if (p->state != PEER_OPEN)
        return;
    p->state = PEER_ENDING;
    if (!p->bytes)
        peer_finish(p, RECORD_CLEAN);
}

static void engine_abort(struct http_stream *stream)
{
    peer_finish(container_of(stream, struct peer, stream), RECORD_CUT);
}

static const struct http_stream_ops stream_ops = {
    .queue = engine_queue, .pending = engine_pending, .end = engine_end, .abort = engine_abort};

static struct http_stream *engine_stream_start(struct http_request *req, int status, const char *content_type,
                                               const struct http_header *headers, size_t header_count,
                                               const struct http_stream_events *events, void *arg)
{
    struct peer *p = req->exchange;

    (void)status;
    (void)content_type;
    (void)headers;
    (void)header_count;
    p->stream.ops = &stream_ops;
    p->events = *events;
    p->arg = arg;
    return &p->stream;
}

static void engine_take_over(struct http_request *req, const struct http_header *headers, size_t header_count,
                             void (*opened)(void *arg, struct http_socket *socket), void *arg)
{
    (void)headers;
    (void)header_count;
    opened(arg, NULL);
    peer_finish(req->exchange, RECORD_CUT);
}

static const struct http_exchange_ops exchange_ops = {
    .header = engine_header,
    .each_header = engine_each_header,
    .respond = engine_respond,
    .stream_start = engine_stream_start,
    .take_over = engine_take_over,
};

/* ---- the other end ------------------------------------------------------------------------------------------------
 */

struct peer *peer_open(struct front *front, struct record_session *session, const struct schema_kind *kind,
                       const char *path)
{
    static const char *const groups[] = {"system:masters"};
    struct peer *p = mem_zalloc(sizeof(*p));
    struct pool *pool = pool_new();
    struct slice whole = slice_str(pool_strdup(pool, path));
    size_t query = (size_t)slice_find(whole, '?');

    p->front = front;
    p->kind = kind;
    p->session = session;
    p->who = (struct http_peer){
        .address = "192.0.2.9", .local_user = "admin", .local_groups = groups, .local_group_count = 1};
    p->req = (struct http_request){.pool = pool,
                                   .loop = front->loop,
                                   .method = SLICE_LIT("GET"),
                                   .path = slice_make(whole.data, query),
                                   .query = slice_from(whole, query + 1),
                                   .peer = &p->who,
                                   .ops = &exchange_ops,
                                   .exchange = p};
    front_handle(&p->req, front);
    return p;
}

static void peer_drained(void *arg)
{
    struct peer *p = arg;

    p->drain_posted = false;
    if (p->state == PEER_OPEN && !p->bytes)
        p->events.drained(p->arg);
}

static void peer_take(struct peer *p, struct slice line)
{
    struct record_event event;

    if (!record_parse(line, &event)) {
        if (!p->trouble)
            p->trouble = mem_printf("sent %.*s", (int)(line.len < 400 ? line.len : 400), line.data);
        return;
    }
    if (event.type == RECORD_EXPIRED)
        peer_expired(p);
    record_add_event(p->session, &event);
}

void peer_read(struct peer *p, size_t bytes)
{
    size_t read = 0;

    while (p->state < PEER_DONE && p->first < p->count && read < bytes) {
        struct refbuf *line = p->queue[p->first++];

        read += line->len;
        p->bytes -= line->len;
        peer_take(p, refbuf_slice(line));
        refbuf_unref(line);
    }
    if (p->bytes || p->state >= PEER_DONE)
        return;
    if (p->state == PEER_ENDING) {
        peer_finish(p, RECORD_CLEAN);
    } else if (read && !p->drain_posted) {
        p->drain_posted = true;
        loop_post(p->front->loop, peer_drained, p);
    }
}

void peer_cut(struct peer *p)
{
    peer_finish(p, RECORD_CUT);
}

bool peer_over(const struct peer *p)
{
    return p->state == PEER_OVER && !p->drain_posted;
}

void peer_free(struct peer *p)
{
    if (!p)
        return;
    free(p->queue);
    free(p->trouble);
    free(p);
}

const char *peer_trouble(const struct peer *p)
{
    return p->trouble;
}
