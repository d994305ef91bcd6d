/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Client: follows each request from the transport to the caller: gathers the answer within a bound, turns a Status into
 * an error, keeps the time limit, and forgets everything on cancel.
 *
 * At most CLIENT_IN_FLIGHT_MAX gathered calls are with the transport; more wait their turn in order, so that a burst of
 * work (a ReplicaSet of thousands) does not run into the server's limit. Streams do not count. A time limit counts from
 * the asking.
 *
 * Invariants: a call is in client->calls from send to its last event. A callback of the caller is the last thing done
 * with a call or comes when the call no longer exists, because the callback may cancel the call or free the client. The
 * transport goes only when none of its callbacks is on the stack (client->depth).
 */
#include "client/client.h"

#include <stdio.h>

#include "api/status.h"
#include "lib/list.h"
#include "lib/metrics.h"

#define CLIENT_BODY_MAX      (256u << 20)
#define CLIENT_IN_FLIGHT_MAX 32

#define CLIENT_METHOD_MAX 8

static const char *const client_request_labels[] = {"code", "method", NULL};
static struct metric client_requests = {.name = "rest_client_requests_total",
                                        .help = "Requests to the API server, by the status of the answer.",
                                        .type = METRIC_COUNTER,
                                        .labels = client_request_labels};

struct client {
    struct loop *loop;
    struct client_transport *transport;
    struct list calls;
    struct list waiting; /* calls whose turn has not come */
    unsigned in_flight;
    unsigned depth; /* of the transport's callbacks on the stack */
    bool dead;      /* freed from inside one */
};

struct client_call {
    struct list link;
    struct list turn; /* in client->waiting, else linked to itself */
    struct client *client;
    struct client_request *request; /* a copy while it waits */
    void *handle;                   /* the transport's; NULL = waits */
    struct loop_timer *timer;
    client_done *done; /* a gathered call; NULL = a stream */
    struct client_events events;
    void *arg;
    char method[CLIENT_METHOD_MAX];
    int status; /* 0 = no answer yet */
    unsigned retry_after_s;
    struct buf body;
};

static void client_destroy(struct client *client)
{
    client->transport->ops->free(client->transport);
    free(client);
}

static void client_enter(struct client *client)
{
    client->depth++;
}

/* ---- waiting ---- */

static char *client_keep(const char *text)
{
    return text ? mem_strdup(text) : NULL;
}

static struct client_request *client_request_copy(const struct client_request *r)
{
    struct client_request *copy = mem_dup(r, sizeof(*r));

    copy->method = client_keep(r->method);
    copy->path = client_keep(r->path);
    copy->query = client_keep(r->query);
    copy->accept = client_keep(r->accept);
    copy->content_type = client_keep(r->content_type);
    copy->body = slice_make(slice_dup(r->body), r->body.len);
    return copy;
}

static void client_request_free(struct client_request *r)
{
    if (!r)
        return;
    free((char *)r->method);
    free((char *)r->path);
    free((char *)r->query);
    free((char *)r->accept);
    free((char *)r->content_type);
    free((char *)r->body.data);
    free(r);
}

static void client_call_send(struct client_call *call, const struct client_request *request);

/* Sends what waits while there is room. */
static void client_pump(struct client *client)
{
    while (!client->dead && client->in_flight < CLIENT_IN_FLIGHT_MAX && !list_empty(&client->waiting)) {
        struct client_call *call = container_of(client->waiting.next, struct client_call, turn);
        struct client_request *request = STEAL(call->request);

        list_remove(&call->turn);
        client_call_send(call, request);
        client_request_free(request);
    }
}

static void client_leave(struct client *client)
{
    client_pump(client);
    if (!--client->depth && client->dead)
        client_destroy(client);
}

static void client_call_free(struct client_call *call)
{
    if (call->handle && call->done)
        call->client->in_flight--;
    list_remove(&call->turn);
    client_request_free(call->request);
    list_remove(&call->link);
    loop_timer_free(call->timer);
    buf_free(&call->body);
    free(call);
}

/* The last event of a call: it is gone before the caller hears of it. */
static void client_call_finish(struct client_call *call, const struct error *err)
{
    struct client_call last = *call;
    ERROR_LOCAL(failed);

    if (!last.status)
        metric_add(metric_with(&client_requests, "<error>", last.method), 1);
    call->body = (struct buf){0};
    client_call_free(call);
    if (!last.done) {
        if (last.events.end)
            last.events.end(last.arg, err);
        return;
    }
    if (err)
        error_copy(&failed, err);
    else if (last.status < 200 || last.status > 299)
        status_read_error(last.status, buf_slice(&last.body), &failed);
    if (error_is_set(&failed) && last.retry_after_s)
        failed.retry_after_seconds = (int)last.retry_after_s;
    last.done(last.arg, last.status, buf_slice(&last.body), error_is_set(&failed) ? &failed : NULL);
    buf_free(&last.body);
}

/* Ends a call from our side. */
static void client_call_fail(struct client_call *call, const struct error *err)
{
    if (call->handle)
        call->client->transport->ops->cancel(call->client->transport, call->handle);
    client_call_finish(call, err);
}

static void client_on_head(void *arg, int status, const char *content_type, unsigned retry_after_s)
{
    struct client_call *call = arg;
    struct client *client = call->client;
    char code[12];

    call->status = status;
    (void)snprintf(code, sizeof(code), "%d", status);
    metric_add(metric_with(&client_requests, code, call->method), 1);
    call->retry_after_s = retry_after_s;
    client_enter(client);
    if (!call->done && call->events.head)
        call->events.head(call->arg, status, content_type, retry_after_s);
    client_leave(client);
}

static void client_on_data(void *arg, struct slice data)
{
    struct client_call *call = arg;
    struct client *client = call->client;

    client_enter(client);
    if (!call->done) {
        if (call->events.data)
            call->events.data(call->arg, data);
    } else if (call->body.len + data.len > CLIENT_BODY_MAX) {
        ERROR_LOCAL(err);

        error_set(&err, ERROR_TOO_LARGE, "the answer has more than %u bytes", CLIENT_BODY_MAX);
        client_call_fail(call, &err);
    } else {
        buf_append_slice(&call->body, data);
    }
    client_leave(client);
}

static void client_on_end(void *arg, const struct error *err)
{
    struct client_call *call = arg;
    struct client *client = call->client;

    client_enter(client);
    client_call_finish(call, err);
    client_leave(client);
}

static void client_on_timeout(void *arg)
{
    struct client_call *call = arg;
    struct client *client = call->client;
    ERROR_LOCAL(err);

    error_set(&err, ERROR_TIMEOUT, "no complete answer within the time limit");
    client_enter(client);
    client_call_fail(call, &err);
    client_leave(client);
}

struct client *client_new(struct loop *loop, struct client_transport *transport)
{
    struct client *client = mem_zalloc(sizeof(*client));

    client->loop = loop;
    client->transport = transport;
    list_init(&client->calls);
    list_init(&client->waiting);
    return client;
}

void client_free(struct client *client)
{
    if (!client)
        return;
    client->dead = true; /* nothing is sent any more */
    list_for_each_safe (it, next, &client->calls)
        client_call_cancel(container_of(it, struct client_call, link));
    if (!client->depth)
        client_destroy(client);
}

struct loop *client_loop(struct client *client)
{
    return client->loop;
}

static void client_call_send(struct client_call *call, const struct client_request *request)
{
    static const struct client_events mine = {client_on_head, client_on_data, client_on_end};
    struct client_transport *transport = call->client->transport;

    if (call->done)
        call->client->in_flight++;
    call->handle = transport->ops->send(transport, request, &mine, call);
}

static struct client_call *client_start(struct client *client, const struct client_request *request, client_done *done,
                                        const struct client_events *events, void *arg)
{
    struct client_call *call = mem_zalloc(sizeof(*call));

    call->client = client;
    (void)snprintf(call->method, sizeof(call->method), "%s", request->method);
    call->done = done;
    if (events)
        call->events = *events;
    call->arg = arg;
    list_append(&client->calls, &call->link);
    if (request->timeout_ms) {
        call->timer = loop_timer_new(client->loop, client_on_timeout, call);
        loop_timer_start(call->timer, request->timeout_ms, 0);
    }
    list_init(&call->turn);
    if (done && client->in_flight >= CLIENT_IN_FLIGHT_MAX) {
        call->request = client_request_copy(request);
        list_append(&client->waiting, &call->turn);
    } else {
        client_call_send(call, request);
    }
    return call;
}

struct client_call *client_send(struct client *client, const struct client_request *request, client_done *done,
                                void *arg)
{
    return client_start(client, request, done, NULL, arg);
}

struct client_call *client_stream(struct client *client, const struct client_request *request,
                                  const struct client_events *events, void *arg)
{
    return client_start(client, request, NULL, events, arg);
}

void client_call_cancel(struct client_call *call)
{
    struct client *client = call->client;

    if (call->handle)
        client->transport->ops->cancel(client->transport, call->handle);
    client_call_free(call);
    client_pump(client);
}
