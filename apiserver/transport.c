/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The in-process transport: a client's request travels to a front's loop, is handled there as if it had come over the
 * wire, and the answer travels back piece by piece to the client's loop.
 *
 * A call is shared by two threads. The client side (`sent`, `cancelled`, events) is touched on the client's loop only,
 * the front side (`local`) on the front's only; the reference count is atomic, and every message on its way holds one.
 */
#include "apiserver/server_internal.h"
#include "lib/http_local.h"

struct transport {
    struct client_transport base;
    struct apiserver *server;
    struct loop *loop; /* the client's */
    char *user;
    char **groups;
    size_t group_count;
    int refs; /* atomic: the owner and every call */
};

struct transport_call {
    int refs; /* atomic */
    struct transport *transport;
    struct front *front;
    char *method;
    char *path;
    char *query;
    char *accept;
    char *content_type;
    struct buf body;
    uint64_t timeout_ms;
    struct client_events events;
    void *arg;
    bool cancelled;           /* client's loop */
    struct http_local *local; /* front's loop; NULL before and after */
    struct loop_timer *timer; /* front's loop */
    bool over;                /* front's loop: ended or cancelled */
};

/* One piece of an answer on its way to the client's loop. */
struct transport_message {
    struct transport_call *call;
    enum { TRANSPORT_HEAD, TRANSPORT_DATA, TRANSPORT_END } what;
    int status;
    unsigned retry_after;
    char *content_type;
    struct refbuf *data;
    enum error_code failed;
};

static void transport_unref(struct transport *t)
{
    if (__atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL))
        return;
    for (size_t i = 0; i < t->group_count; i++)
        free(t->groups[i]);
    free(t->groups);
    free(t->user);
    free(t);
}

/* Gives `count` references back. */
static void transport_call_unref(struct transport_call *call, int count)
{
    if (__atomic_sub_fetch(&call->refs, count, __ATOMIC_ACQ_REL))
        return;
    free(call->method);
    free(call->path);
    free(call->query);
    free(call->accept);
    free(call->content_type);
    buf_free(&call->body);
    transport_unref(call->transport);
    free(call);
}

static struct transport_call *transport_call_ref(struct transport_call *call)
{
    (void)__atomic_add_fetch(&call->refs, 1, __ATOMIC_RELAXED);
    return call;
}

/* Client's loop. */
static void transport_deliver(void *arg)
{
    struct transport_message *m = arg;
    struct transport_call *call = m->call;
    int refs = 1; /* the message's */

    if (!call->cancelled && m->what == TRANSPORT_HEAD && call->events.head)
        call->events.head(call->arg, m->status, m->content_type, m->retry_after);
    if (!call->cancelled && m->what == TRANSPORT_DATA && call->events.data)
        call->events.data(call->arg, refbuf_slice(m->data));
    if (!call->cancelled && m->what == TRANSPORT_END) {
        ERROR_LOCAL(err);

        if (m->failed != ERROR_NONE)
            (void)error_set(&err, m->failed,
                            m->failed == ERROR_TIMEOUT ? "the request timed out" : "the stream was cut");
        call->cancelled = true; /* the handle is no longer valid */
        call->events.end(call->arg, m->failed == ERROR_NONE ? NULL : &err);
        refs++; /* the client's */
    }
    transport_call_unref(call, refs);
    refbuf_unref(m->data);
    free(m->content_type);
    free(m);
}

static struct transport_message *transport_message_new(struct transport_call *call, int what)
{
    struct transport_message *m = mem_zalloc(sizeof(*m));

    m->call = transport_call_ref(call);
    m->what = what;
    return m;
}

static void transport_on_head(void *arg, int status, const char *content_type, const struct http_header *headers,
                              size_t header_count)
{
    struct transport_call *call = arg;
    struct transport_message *m = transport_message_new(call, TRANSPORT_HEAD);
    int64_t seconds;

    m->status = status;
    m->content_type = content_type ? mem_strdup(content_type) : NULL;
    for (size_t i = 0; i < header_count; i++)
        if (!strcmp(headers[i].name, "retry-after") && slice_to_int64(headers[i].value, &seconds) && seconds > 0)
            m->retry_after = (unsigned)seconds;
    loop_post(call->transport->loop, transport_deliver, m);
}

static void transport_on_data(void *arg, struct refbuf *data)
{
    struct transport_call *call = arg;
    struct transport_message *m = transport_message_new(call, TRANSPORT_DATA);

    m->data = refbuf_ref(data);
    loop_post(call->transport->loop, transport_deliver, m);
}

/* Front's loop: the last message of a call, and the front's reference with it. */
static void transport_finish(struct transport_call *call, enum error_code failed)
{
    struct transport_message *m = transport_message_new(call, TRANSPORT_END);

    m->failed = failed;
    call->local = NULL;
    call->over = true;
    loop_timer_free(call->timer);
    call->timer = NULL;
    loop_post(call->transport->loop, transport_deliver, m);
    transport_call_unref(call, 1);
}

static void transport_on_end(void *arg, bool aborted)
{
    transport_finish(arg, aborted ? ERROR_CANCELLED : ERROR_NONE);
}

static void transport_timed_out(void *arg)
{
    struct transport_call *call = arg;

    http_local_cancel(call->local);
    transport_finish(call, ERROR_TIMEOUT);
}

static const struct http_local_events transport_local_events = {transport_on_head, transport_on_data, transport_on_end};

/* Front's loop. */
static void transport_begin(void *arg)
{
    struct transport_call *call = arg;
    struct transport *t = call->transport;
    struct http_peer peer = {.address = "",
                             .local_user = t->user,
                             .local_groups = (const char *const *)t->groups,
                             .local_group_count = t->group_count};
    struct http_header headers[] = {{"accept", slice_str(call->accept)},
                                    {"content-type", slice_str(call->content_type)}};
    struct http_local_request request = {.method = slice_str(call->method),
                                         .path = slice_str(call->path),
                                         .query = slice_str(call->query),
                                         .headers = headers,
                                         .header_count = ARRAY_SIZE(headers),
                                         .body = buf_slice(&call->body),
                                         .peer = &peer};
    struct http_local *local;

    if (call->timeout_ms) {
        call->timer = loop_timer_new(call->front->loop, transport_timed_out, call);
        loop_timer_start(call->timer, call->timeout_ms, 0);
    }
    (void)transport_call_ref(call); /* the answer may be over before this returns */
    local = http_local_start(call->front->loop, front_handle, call->front, &request, &transport_local_events, call);
    if (!call->over)
        call->local = local;
    transport_call_unref(call, 1);
}

static void *transport_send(struct client_transport *base, const struct client_request *request,
                            const struct client_events *events, void *arg)
{
    struct transport *t = container_of(base, struct transport, base);
    struct transport_call *call = mem_zalloc(sizeof(*call));
    unsigned turn = __atomic_fetch_add(&t->server->next_front, 1, __ATOMIC_RELAXED);

    call->refs = 2; /* the client's and the front's */
    call->transport = t;
    (void)__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
    call->front = &t->server->fronts[turn % t->server->front_count];
    call->method = mem_strdup(request->method);
    call->path = mem_strdup(request->path);
    call->query = mem_strdup(request->query ? request->query : "");
    call->accept = mem_strdup(request->accept ? request->accept : "application/json");
    call->content_type = mem_strdup(request->content_type ? request->content_type : "application/json");
    buf_append_slice(&call->body, request->body);
    call->timeout_ms = request->timeout_ms;
    call->events = *events;
    call->arg = arg;
    loop_post(call->front->loop, transport_begin, call);
    return call;
}

/* Front's loop. */
static void transport_drop(void *arg)
{
    struct transport_call *call = arg;
    int refs = 1; /* the client's */

    if (!call->over) {
        call->over = true;
        loop_timer_free(call->timer);
        call->timer = NULL;
        if (call->local) {
            http_local_cancel(call->local);
            call->local = NULL;
            refs++; /* the front's */
        }
    }
    transport_call_unref(call, refs);
}

static void transport_cancel(struct client_transport *base, void *handle)
{
    struct transport_call *call = handle;

    call->cancelled = true;
    loop_post(call->front->loop, transport_drop, call); /* with the client's reference */
}

static void transport_free(struct client_transport *base)
{
    transport_unref(container_of(base, struct transport, base));
}

static const struct client_transport_ops transport_ops = {transport_send, transport_cancel, transport_free};

struct client_transport *apiserver_transport(struct apiserver *server, struct loop *loop, const char *user,
                                             const char *const *groups, size_t group_count)
{
    struct transport *t = mem_zalloc(sizeof(*t));

    t->base.ops = &transport_ops;
    t->server = server;
    t->loop = loop;
    t->refs = 1;
    t->user = mem_strdup(user);
    t->groups = mem_calloc(group_count + 1, sizeof(*t->groups));
    for (size_t i = 0; i < group_count; i++)
        t->groups[i] = mem_strdup(groups[i]);
    t->group_count = group_count;
    return &t->base;
}
