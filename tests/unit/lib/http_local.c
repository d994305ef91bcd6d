/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_local.h"

#include "tests/unit/test.h"

static struct loop *loop;

/* Both sides of one exchange, as they saw it. */
struct seen {
    int status;
    struct buf data;
    bool ended;
    bool aborted;
    unsigned drained;
    unsigned closed;
    unsigned gone; /* the request's pool was freed */
    struct http_request *req;
    struct http_stream *stream;
    struct http_local *local;
    bool cancel_on_data;
};

static void on_head(void *arg, int status, const char *content_type, const struct http_header *headers,
                    size_t header_count)
{
    struct seen *seen = arg;

    (void)content_type;
    (void)headers;
    (void)header_count;
    seen->status = status;
}

static void on_data(void *arg, struct refbuf *data)
{
    struct seen *seen = arg;

    buf_append_slice(&seen->data, refbuf_slice(data));
    if (seen->cancel_on_data)
        http_local_cancel(seen->local);
}

static void on_end(void *arg, bool aborted)
{
    struct seen *seen = arg;

    assert_false(seen->ended);
    seen->ended = true;
    seen->aborted = aborted;
}

static void on_drained(void *arg)
{
    ((struct seen *)arg)->drained++;
}

static void on_closed(void *arg)
{
    struct seen *seen = arg;

    assert_int_equal(seen->gone, 0);
    seen->closed++;
}

static void on_gone(void *arg)
{
    ((struct seen *)arg)->gone++;
}

static void keep(struct http_request *req, void *arg)
{
    struct seen *seen = arg;

    seen->req = req;
    pool_on_free(req->pool, on_gone, seen);
}

static void start_stream(struct http_request *req, void *arg)
{
    static const struct http_stream_events events = {on_drained, on_closed};
    struct seen *seen = arg;

    keep(req, arg);
    seen->stream = http_stream_start(req, 200, "application/json", NULL, 0, &events, seen);
}

static void echo(struct http_request *req, void *arg)
{
    BUF_LOCAL(text);

    keep(req, arg);
    buf_printf(&text, "%.*s %.*s %s %.*s %s", SLICE_ARGS(req->method), SLICE_ARGS(req->path),
               http_query_get(req->pool, req->query, "q"), SLICE_ARGS(http_request_header(req, "x-test")),
               req->peer->local_user);
    buf_append_slice(&text, req->body);
    struct refbuf *body CLEANUP_REFBUF = refbuf_from(&text);
    http_respond(req, 201, "text/plain", NULL, 0, body);
    assert_int_equal(((struct seen *)arg)->gone, 0); /* not under the handler's feet */
}

static void put(struct seen *seen, const char *text)
{
    struct refbuf *data CLEANUP_REFBUF = refbuf_new(text, strlen(text));

    http_stream_write(seen->stream, data);
}

static void go(struct seen *seen, http_handler *handler, const char *method)
{
    static const struct http_local_events events = {on_head, on_data, on_end};
    static const struct http_header headers[] = {{"x-test", {"v", 1}}};
    static const struct http_peer peer = {.local_user = "me"};
    const struct http_local_request request = {
        .method = slice_str(method),
        .path = SLICE_LIT("/p"),
        .query = SLICE_LIT("q=1"),
        .headers = headers,
        .header_count = 1,
        .body = SLICE_LIT("!"),
        .peer = &peer,
    };

    seen->local = http_local_start(loop, handler, seen, &request, &events, seen);
}

static void settle(struct seen *seen)
{
    loop_turn(loop, false);
    assert_int_equal(seen->gone, 1);
    buf_free(&seen->data);
}

static void test_answer_at_once(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, echo, "POST");
    assert_null(seen.local);
    assert_int_equal(seen.status, 201);
    assert_string_equal(buf_cstr(&seen.data), "POST /p 1 v me!");
    assert_true(seen.ended && !seen.aborted);
    settle(&seen);
}

static void test_head_has_no_body(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, echo, "HEAD");
    assert_int_equal(seen.status, 201);
    assert_int_equal(seen.data.len, 0);
    settle(&seen);
}

static void test_answer_later(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, keep, "GET");
    assert_non_null(seen.local);
    assert_false(seen.ended);
    http_respond(seen.req, 204, NULL, NULL, 0, NULL);
    assert_true(seen.ended);
    settle(&seen);
}

static void test_stream(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, start_stream, "GET");
    assert_int_equal(seen.status, 200); /* headers at once */
    put(&seen, "a");
    put(&seen, "b");
    assert_int_equal(seen.drained, 0); /* never from inside */
    loop_turn(loop, false);
    assert_int_equal(seen.drained, 1);
    http_stream_end(seen.stream);
    assert_true(seen.ended && !seen.aborted);
    assert_int_equal(seen.closed, 0);
    put(&seen, "late");
    assert_string_equal(buf_cstr(&seen.data), "ab");
    settle(&seen);
    assert_int_equal(seen.closed, 1);
}

static void test_abort(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, start_stream, "GET");
    http_stream_abort(seen.stream);
    assert_true(seen.ended && seen.aborted);
    settle(&seen);
    assert_int_equal(seen.closed, 1);
}

static void test_cancel_stream_from_inside_data(void **state)
{
    struct seen seen = {.cancel_on_data = true};

    (void)state;
    go(&seen, start_stream, "GET");
    put(&seen, "a");
    put(&seen, "b");
    assert_string_equal(buf_cstr(&seen.data), "a");
    assert_int_equal(seen.closed, 0); /* not from inside http_stream_write */
    settle(&seen);
    assert_int_equal(seen.closed, 1);
    assert_false(seen.ended);
    assert_int_equal(seen.drained, 0);
}

/* Between the cancel and the death of the request the handler may still answer. */
static void test_cancel_waiting(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, keep, "GET");
    http_local_cancel(seen.local);
    http_respond(seen.req, 200, NULL, NULL, 0, NULL);
    assert_int_equal(seen.status, 0);
    assert_false(seen.ended);
    settle(&seen);
}

static void opened(void *arg, struct http_socket *socket)
{
    assert_null(socket);
    ((struct seen *)arg)->closed++;
}

static void take_over(struct http_request *req, void *arg)
{
    keep(req, arg);
    http_take_over(req, NULL, 0, opened, arg);
}

static void test_take_over_is_refused(void **state)
{
    struct seen seen = {0};

    (void)state;
    go(&seen, take_over, "GET");
    assert_true(seen.ended && seen.aborted);
    settle(&seen);
    assert_int_equal(seen.closed, 1);
}

static void test_query(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice query = SLICE_LIT("watch&limit=5&fieldSelector=a%3Db%2Cc&labelSelector=x+y&bad=%zz&bad=ok&no=0&f=False"
                                   "&n%61me=z&semi=a;b&empty=&twice=1&twice=2&nul=%00");

    (void)state;
    assert_string_equal(http_query_get(pool, query, "watch"), "");
    assert_string_equal(http_query_get(pool, query, "limit"), "5");
    assert_string_equal(http_query_get(pool, query, "fieldSelector"), "a=b,c");
    assert_string_equal(http_query_get(pool, query, "labelSelector"), "x y");
    assert_string_equal(http_query_get(pool, query, "bad"), "ok");
    assert_string_equal(http_query_get(pool, query, "name"), "z");
    assert_string_equal(http_query_get(pool, query, "twice"), "1");
    assert_string_equal(http_query_get(pool, query, "empty"), "");
    assert_null(http_query_get(pool, query, "semi"));
    assert_null(http_query_get(pool, query, "nul"));
    assert_null(http_query_get(pool, query, "absent"));
    assert_null(http_query_get(pool, SLICE_NONE, "absent"));
    assert_true(http_query_bool(pool, query, "watch"));
    assert_true(http_query_bool(pool, query, "twice"));
    assert_false(http_query_bool(pool, query, "no"));
    assert_false(http_query_bool(pool, query, "f"));
    assert_false(http_query_bool(pool, query, "absent"));
}

static int setup(void **state)
{
    (void)state;
    loop = loop_new(clock_system());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer_at_once), cmocka_unit_test(test_head_has_no_body),
        cmocka_unit_test(test_answer_later),   cmocka_unit_test(test_stream),
        cmocka_unit_test(test_abort),          cmocka_unit_test(test_cancel_stream_from_inside_data),
        cmocka_unit_test(test_cancel_waiting), cmocka_unit_test(test_take_over_is_refused),
        cmocka_unit_test(test_query),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
