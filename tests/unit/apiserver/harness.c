/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/apiserver/harness.h"

#include <stdio.h>

#include "api/value.h"

#define HARNESS_TURNS_MAX 100000

void harness_start(struct harness *h)
{
    struct store_options store = {.segment_bytes = 1 << 20, .window_ns = h->window_ns};
    struct apiserver_options options = {.fronts = 1, .service_cidr = "10.96.0.0/24"};
    ERROR_LOCAL(err);

    value_init();
    (void)snprintf(h->dir, sizeof(h->dir), "/tmp/knarr-test-XXXXXX");
    assert_non_null(mkdtemp(h->dir));
    store.path = h->dir;
    if (store_open(&store, &h->store, &err) < 0)
        fail_msg("store: %s", error_text(&err));
    options.store = h->store;
    if (apiserver_make(&options, &h->server, &err) < 0 || apiserver_bootstrap(h->server, &err) < 0)
        fail_msg("server: %s", error_text(&err));
}

void harness_stop(struct harness *h)
{
    apiserver_unmake(h->server);
    store_close(h->store);
    test_remove_folder(h->dir);
}

static struct harness *group_harness;
static void (*group_fill)(void);

void harness_set_group(struct harness *h, void (*fill)(void))
{
    group_harness = h;
    group_fill = fill;
}

int harness_start_group(void **state)
{
    harness_start(group_harness);
    if (group_fill)
        group_fill();
    return 0;
}

int harness_stop_group(void **state)
{
    harness_stop(group_harness);
    return 0;
}

static void on_head(void *arg, int status, const char *content_type, const struct http_header *headers, size_t count)
{
    struct answer *a = arg;

    a->status = status;
    a->content_type = content_type ? mem_strdup(content_type) : NULL;
    for (size_t i = 0; i < count; i++)
        buf_printf(&a->headers, "%s: %.*s\n", headers[i].name, SLICE_ARGS(headers[i].value));
}

static void on_data(void *arg, struct refbuf *data)
{
    buf_append_slice(&((struct answer *)arg)->body, refbuf_slice(data));
}

static void on_end(void *arg, bool aborted)
{
    struct answer *a = arg;

    a->over = true;
    a->local = NULL;
}

void harness_begin(struct harness *h, const struct ask *ask, struct answer *a)
{
    static const struct http_local_events events = {on_head, on_data, on_end};
    const char *group = ask->group ? ask->group : "system:masters";
    struct front *front = &h->server->fronts[0];
    struct slice path = slice_str(ask->path);
    ptrdiff_t query = slice_find(path, '?');
    struct http_peer peer = {.address = "192.0.2.9", .local_groups = &group, .local_group_count = 1};
    struct http_header headers[5];
    struct http_local_request request = {.method = slice_str(ask->method), .headers = headers, .peer = &peer};
    char *bearer CLEANUP_FREE = ask->bearer ? mem_printf("Bearer %s", ask->bearer) : NULL;
    struct http_local *local;

    answer_clear(a);
    a->harness = h;
    if (!ask->bearer && !ask->anonymous)
        peer.local_user = ask->user ? ask->user : "admin";
    request.path = slice_make(path.data, query < 0 ? path.len : (size_t)query);
    if (query >= 0)
        request.query = slice_from(path, (size_t)query + 1);
    request.body = slice_str(ask->body);
    headers[request.header_count++] =
        (struct http_header){"content-type", slice_str(ask->content_type ? ask->content_type : "application/json")};
    if (ask->accept)
        headers[request.header_count++] = (struct http_header){"accept", slice_str(ask->accept)};
    if (bearer)
        headers[request.header_count++] = (struct http_header){"authorization", slice_str(bearer)};
    if (ask->impersonate)
        headers[request.header_count++] = (struct http_header){"impersonate-user", slice_str(ask->impersonate)};
    if (ask->header_name)
        headers[request.header_count++] = (struct http_header){ask->header_name, slice_str(ask->header_value)};
    local = http_local_start(front->loop, front_handle, front, &request, &events, a);
    if (!a->over)
        a->local = local;
}

void harness_ask(struct harness *h, const struct ask *ask, struct answer *a)
{
    harness_begin(h, ask, a);
    for (unsigned i = 0; !a->over; i++) {
        if (i == HARNESS_TURNS_MAX)
            fail_msg("%s %s: no answer", ask->method, ask->path);
        loop_turn(h->server->fronts[0].loop, true);
    }
    loop_turn(h->server->fronts[0].loop, false); /* lets the request go */
}

void harness_wait_for(struct answer *a, const char *text)
{
    for (unsigned i = 0; !answer_has(a, text); i++) {
        if (i == HARNESS_TURNS_MAX || a->over)
            fail_msg("'%s' did not come; there is: %s", text, buf_cstr(&a->body));
        loop_turn(a->harness->server->fronts[0].loop, true);
    }
}

void answer_clear(struct answer *a)
{
    if (a->local)
        http_local_cancel(a->local);
    if (a->local)
        for (int i = 0; i < 3; i++)
            loop_turn(a->harness->server->fronts[0].loop, false);
    free(a->content_type);
    buf_free(&a->headers);
    buf_free(&a->body);
    *a = (struct answer){0};
}

static void expect(struct harness *h, int status, const struct ask *ask, struct answer *a)
{
    struct answer own CLEANUP_ANSWER = {0};

    if (!a)
        a = &own;
    harness_ask(h, ask, a);
    if (a->status != status)
        fail_msg("%s %s: %d instead of %d: %s", ask->method, ask->path, a->status, status, buf_cstr(&a->body));
}

void harness_expect(struct harness *h, int status, const char *method, const char *path, const char *body,
                    struct answer *a)
{
    expect(h, status, &(struct ask){.method = method, .path = path, .body = body}, a);
}

void harness_patch(struct harness *h, int status, const char *path, const char *type, const char *body,
                   struct answer *a)
{
    expect(h, status, &(struct ask){.method = "PATCH", .path = path, .body = body, .content_type = type}, a);
}

char *answer_get(const struct answer *a, const char *path)
{
    struct slice v = scan_get(buf_slice(&a->body), path);
    char *text = scan_text_dup(v);

    return text ? text : slice_dup(v);
}

bool answer_has(const struct answer *a, const char *text)
{
    return a->body.len && memmem(a->body.data, a->body.len, text, strlen(text));
}
