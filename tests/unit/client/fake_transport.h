/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A transport without a server: it keeps what was asked, and the test answers when it likes. Calls are numbered in the
 * order they were made; a call that ended or was cancelled cannot be answered.
 */
#ifndef KNARR_TESTS_UNIT_CLIENT_FAKE_TRANSPORT_H
#define KNARR_TESTS_UNIT_CLIENT_FAKE_TRANSPORT_H

#include "tests/unit/test.h"

#include "client/client.h"

#define FAKE_CALLS_MAX 256

struct fake_call {
    char *method;
    char *path;
    char *query;
    char *content_type;
    char *body;
    struct client_events events;
    void *arg;
    bool open;
    bool cancelled;
};

struct fake_transport {
    struct client_transport base;
    struct fake_call calls[FAKE_CALLS_MAX];
    size_t count;
    bool freed;
};

static inline void *fake_send(struct client_transport *t, const struct client_request *request,
                              const struct client_events *events, void *arg)
{
    struct fake_transport *fake = container_of(t, struct fake_transport, base);
    struct fake_call *call = &fake->calls[fake->count++];

    assert_true(fake->count <= FAKE_CALLS_MAX);
    call->method = mem_strdup(request->method);
    call->path = mem_strdup(request->path);
    call->query = mem_strdup(request->query ? request->query : "");
    call->content_type = mem_strdup(request->content_type ? request->content_type : "application/json");
    call->body = slice_dup(request->body);
    call->events = *events;
    call->arg = arg;
    call->open = true;
    return call;
}

static inline void fake_cancel(struct client_transport *t, void *handle)
{
    struct fake_call *call = handle;

    (void)t;
    assert_true(call->open);
    call->open = false;
    call->cancelled = true;
}

static inline void fake_free(struct client_transport *t)
{
    struct fake_transport *fake = container_of(t, struct fake_transport, base);

    fake->freed = true;
}

static inline void fake_transport_init(struct fake_transport *fake)
{
    static const struct client_transport_ops ops = {fake_send, fake_cancel, fake_free};

    memset(fake, 0, sizeof(*fake));
    fake->base.ops = &ops;
}

/* After the client has freed the transport. */
static inline void fake_transport_clear(struct fake_transport *fake)
{
    assert_true(fake->freed);
    for (size_t i = 0; i < fake->count; i++) {
        free(fake->calls[i].method);
        free(fake->calls[i].path);
        free(fake->calls[i].query);
        free(fake->calls[i].content_type);
        free(fake->calls[i].body);
    }
}

static inline struct fake_call *fake_last(struct fake_transport *fake)
{
    assert_true(fake->count > 0);
    return &fake->calls[fake->count - 1];
}

static inline void fake_head(struct fake_call *call, int status)
{
    assert_true(call->open);
    call->events.head(call->arg, status, "application/json", 0);
}

static inline void fake_data(struct fake_call *call, const char *text)
{
    assert_true(call->open);
    call->events.data(call->arg, slice_str(text));
}

static inline void fake_end(struct fake_call *call, const struct error *err)
{
    assert_true(call->open);
    call->open = false;
    call->events.end(call->arg, err);
}

/* A broken connection. */
static inline void fake_break(struct fake_call *call)
{
    ERROR_LOCAL(err);

    error_set(&err, ERROR_IO, "connection reset");
    fake_end(call, &err);
}

/* A whole answer, in two pieces. */
static inline void fake_answer(struct fake_call *call, int status, const char *body)
{
    size_t half = strlen(body) / 2;

    fake_head(call, status);
    call->events.data(call->arg, slice_make(body, half));
    if (call->open)
        call->events.data(call->arg, slice_str(body + half));
    if (call->open)
        fake_end(call, NULL);
}

#endif
