/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-process engine. Answers reach the caller at once; what goes back to the handler (drained, closed, the death of
 * the request) is posted to the loop, so that a handler is never called, nor its request freed, from inside its own
 * call.
 *
 *     WAITING --stream_start--> STREAMING --end, abort, cancel--> DONE --posted--> closed(), pool freed
 *        `----respond, take_over, cancel--------------------------^
 *
 * Invariants: `end` goes out exactly once, on the way to DONE, unless the caller cancelled; nothing goes to the caller
 * in DONE; one posted release per exchange, the last thing that happens.
 */
#include "lib/http_local.h"

enum local_state { LOCAL_WAITING, LOCAL_STREAMING, LOCAL_DONE };

struct http_local {
    struct http_request req;
    struct http_peer peer;
    struct http_header *headers;
    size_t header_count;
    struct http_local_events events;
    void *arg;
    enum local_state state;
    struct http_stream stream;
    struct http_stream_events stream_events;
    void *stream_arg;
    void (*opened)(void *arg, struct http_socket *socket); /* take_over that was refused */
    void *opened_arg;
    bool drain_posted;
    bool starting; /* inside http_local_start */
};

static void local_release(void *arg)
{
    struct http_local *local = arg;

    if (local->stream_events.closed)
        local->stream_events.closed(local->stream_arg);
    if (local->opened)
        local->opened(local->opened_arg, NULL);
    pool_free(local->req.pool); /* `local` is of it */
}

static void local_finish(struct http_local *local)
{
    local->state = LOCAL_DONE;
    /* http_local_start still looks at it when the handler answers from inside. */
    if (!local->starting)
        loop_post(local->req.loop, local_release, local);
}

static void local_end(struct http_local *local, bool aborted)
{
    if (local->state == LOCAL_DONE)
        return;
    local_finish(local);
    local->events.end(local->arg, aborted);
}

static struct slice local_header(const struct http_request *req, const char *name)
{
    const struct http_local *local = req->exchange;

    for (size_t i = 0; i < local->header_count; i++)
        if (!strcmp(local->headers[i].name, name))
            return local->headers[i].value;
    return SLICE_NONE;
}

static void local_each_header(const struct http_request *req,
                              void (*fn)(void *arg, struct slice name, struct slice value), void *arg)
{
    const struct http_local *local = req->exchange;

    for (size_t i = 0; i < local->header_count; i++)
        fn(arg, slice_str(local->headers[i].name), local->headers[i].value);
}

static void local_data(struct http_local *local, struct refbuf *data)
{
    if (local->state != LOCAL_DONE && data && data->len && local->events.data && !slice_is(local->req.method, "HEAD"))
        local->events.data(local->arg, data);
}

static void local_head(struct http_local *local, int status, const char *content_type,
                       const struct http_header *headers, size_t header_count)
{
    if (local->state != LOCAL_DONE && local->events.head)
        local->events.head(local->arg, status, content_type, headers, header_count);
}

static void local_respond(struct http_request *req, int status, const char *content_type,
                          const struct http_header *headers, size_t header_count, struct refbuf *body)
{
    struct http_local *local = req->exchange;

    local_head(local, status, content_type, headers, header_count);
    local_data(local, body);
    local_end(local, false);
}

static void local_drained(void *arg)
{
    struct http_local *local = arg;

    local->drain_posted = false;
    if (local->state == LOCAL_STREAMING)
        local->stream_events.drained(local->stream_arg);
}

static void local_stream_queue(struct http_stream *stream, struct refbuf *data)
{
    struct http_local *local = container_of(stream, struct http_local, stream);

    local_data(local, data);
    if (local->state == LOCAL_STREAMING && local->stream_events.drained && !local->drain_posted) {
        local->drain_posted = true;
        loop_post(local->req.loop, local_drained, local);
    }
}

static size_t local_stream_pending(const struct http_stream *stream)
{
    (void)stream;
    return 0; /* the caller has it already */
}

static void local_stream_end(struct http_stream *stream)
{
    local_end(container_of(stream, struct http_local, stream), false);
}

static void local_stream_abort(struct http_stream *stream)
{
    local_end(container_of(stream, struct http_local, stream), true);
}

static const struct http_stream_ops local_stream_ops = {
    .queue = local_stream_queue,
    .pending = local_stream_pending,
    .end = local_stream_end,
    .abort = local_stream_abort,
};

static struct http_stream *local_stream_start(struct http_request *req, int status, const char *content_type,
                                              const struct http_header *headers, size_t header_count,
                                              const struct http_stream_events *events, void *arg)
{
    struct http_local *local = req->exchange;

    local->stream.ops = &local_stream_ops;
    local->stream_events = *events;
    local->stream_arg = arg;
    if (local->state == LOCAL_WAITING)
        local->state = LOCAL_STREAMING;
    local_head(local, status, content_type, headers, header_count);
    return &local->stream;
}

static void local_take_over(struct http_request *req, const struct http_header *headers, size_t header_count,
                            void (*opened)(void *arg, struct http_socket *socket), void *arg)
{
    struct http_local *local = req->exchange;

    local->opened = opened;
    local->opened_arg = arg;
    local_end(local, true);
}

static const struct http_exchange_ops local_ops = {
    .header = local_header,
    .each_header = local_each_header,
    .respond = local_respond,
    .stream_start = local_stream_start,
    .take_over = local_take_over,
};

static struct slice local_copy(struct pool *pool, struct slice s)
{
    return s.len ? slice_make(pool_slice_dup(pool, s), s.len) : SLICE_NONE;
}

static const char *local_copy_str(struct pool *pool, const char *s)
{
    return s ? pool_strdup(pool, s) : NULL;
}

static const char *const *local_copy_list(struct pool *pool, const char *const *items, size_t count)
{
    const char **copy = pool_alloc(pool, (count + 1) * sizeof(*copy));

    for (size_t i = 0; i < count; i++)
        copy[i] = pool_strdup(pool, items[i]);
    return copy;
}

static void local_copy_peer(struct http_local *local, const struct http_peer *from)
{
    struct pool *pool = local->req.pool;
    struct http_peer *peer = &local->peer;

    if (from)
        *peer = *from;
    peer->common_name = local_copy_str(pool, peer->common_name);
    peer->organizations = local_copy_list(pool, peer->organizations, peer->organization_count);
    peer->address = pool_strdup(pool, peer->address ? peer->address : "");
    peer->local_user = local_copy_str(pool, peer->local_user);
    peer->local_groups = local_copy_list(pool, peer->local_groups, peer->local_group_count);
    local->req.peer = peer;
}

static struct http_local *local_new(struct loop *loop, const struct http_local_request *request)
{
    struct pool *pool = pool_new();
    struct http_local *local = pool_alloc(pool, sizeof(*local));

    local->req = (struct http_request){
        .pool = pool,
        .loop = loop,
        .method = local_copy(pool, request->method),
        .path = local_copy(pool, request->path),
        .query = local_copy(pool, request->query),
        .body = local_copy(pool, request->body),
        .start_ns = clock_monotonic_ns(loop_clock(loop)),
        .ops = &local_ops,
        .exchange = local,
    };
    local->headers = pool_alloc(pool, (request->header_count + 1) * sizeof(*local->headers));
    local->header_count = request->header_count;
    for (size_t i = 0; i < request->header_count; i++) {
        local->headers[i].name = pool_strdup(pool, request->headers[i].name);
        local->headers[i].value = local_copy(pool, request->headers[i].value);
    }
    local_copy_peer(local, request->peer);
    return local;
}

struct http_local *http_local_start(struct loop *loop, http_handler *handler, void *handler_arg,
                                    const struct http_local_request *request, const struct http_local_events *events,
                                    void *arg)
{
    struct http_local *local = local_new(loop, request);

    local->events = *events;
    local->arg = arg;
    local->starting = true;
    handler(&local->req, handler_arg);
    local->starting = false;
    if (local->state != LOCAL_DONE)
        return local;
    loop_post(loop, local_release, local);
    return NULL;
}

void http_local_cancel(struct http_local *local)
{
    if (local->state != LOCAL_DONE)
        local_finish(local);
}
