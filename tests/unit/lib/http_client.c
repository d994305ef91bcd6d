/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_client.h"

#include <errno.h>

#include "tests/unit/lib/http_fixture.h"

static struct fixture fixture;
static struct loop *loop;
static struct http_client *client;
static struct loop_timer *ticker; /* so that no turn waits for ever */

/* What came of one call, and what it does when data comes. */
struct outcome {
    struct http_call *call;
    int status;
    char *content_type;
    struct buf data;
    size_t data_events;
    bool ended;
    enum error_code code;
    char *message;
    char *redirect;
    int number; /* errno */
    void (*on_data)(struct outcome *o);
    void (*on_end)(struct outcome *o);
    struct outcome *next;
};

static void on_head(void *arg, int status, const struct http_header *headers, size_t header_count)
{
    struct outcome *o = arg;

    assert_int_equal(o->status, 0);
    assert_int_equal(o->data_events, 0);
    assert_non_null(o->call); /* not from inside http_client_call */
    o->status = status;
    for (size_t i = 0; i < header_count; i++)
        if (!strcmp(headers[i].name, "content-type"))
            o->content_type = slice_dup(headers[i].value);
}

static void on_data(void *arg, struct slice data)
{
    struct outcome *o = arg;

    assert_int_not_equal(o->status, 0);
    assert_false(o->ended);
    o->data_events++;
    buf_append_slice(&o->data, data);
    if (o->on_data)
        o->on_data(o);
}

static void on_end(void *arg, const struct error *err)
{
    struct outcome *o = arg;

    assert_false(o->ended);
    o->ended = true;
    if (err) {
        o->code = err->code;
        o->message = mem_strdup(error_text(err));
    }
    if (!err || err->code != ERROR_CANCELLED) {
        const char *redirect = http_call_redirect(o->call);

        o->redirect = redirect ? mem_strdup(redirect) : NULL;
        o->number = http_call_errno(o->call);
    }
    if (o->on_end)
        o->on_end(o);
}

static void outcome_clear(struct outcome *o)
{
    buf_free(&o->data);
    free(o->content_type);
    free(o->message);
    free(o->redirect);
}
#define OUTCOME_LOCAL(name) struct outcome name CLEANUP(outcome_clear) = {0}

static void go(struct outcome *o, const char *method, const char *path, struct http_call_options options)
{
    static const struct http_call_events events = {on_head, on_data, on_end};
    char *url CLEANUP_FREE = mem_printf("https://127.0.0.1:%u%s", http_listener_port(fixture.listener), path);

    options.method = method;
    if (!options.url)
        options.url = url;
    o->call = http_client_call(client, &options, &events, o);
    assert_int_equal(o->status, 0);
    assert_false(o->ended);
}

static void turn_until(const bool *flag)
{
    for (int i = 0; i < 10000 && !*flag; i++)
        loop_turn(loop, true);
    assert_true(*flag);
}

static void nothing(void *arg)
{
    (void)arg;
}

static int setup(void **state)
{
    const struct http_client_options options = {
        .ca = slice_str(fixture.ca.certificate),
        .certificate = slice_str(fixture.client.certificate),
        .key = slice_str(fixture.client.key),
    };

    (void)state;
    loop = loop_new(clock_system());
    ticker = loop_timer_new(loop, nothing, NULL);
    loop_timer_start(ticker, 1, 1);
    client = http_client_new(loop, &options);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    http_client_free(client);
    loop_timer_free(ticker);
    loop_free(loop);
    return 0;
}

static void test_get_with_certificate(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, "GET", "/who", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_NONE);
    assert_int_equal(o.status, 200);
    assert_string_equal(o.content_type, "text/plain");
    assert_true(slice_starts(buf_slice(&o.data), SLICE_LIT("1 1 alice devs,ops")));
}

static void test_body_and_headers_go_out(void **state)
{
    static const struct http_header headers[] = {{"x-test", {"a\r\nb", 4}}};
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        OUTCOME_LOCAL(o);
        char *want CLEANUP_FREE = mem_printf("%s /p?q=1 [a  b] {\"x\":1}", methods[i]);

        go(&o, methods[i], "/p?q=1",
           (struct http_call_options){.headers = headers, .header_count = 1, .body = SLICE_LIT("{\"x\":1}")});
        turn_until(&o.ended);
        assert_string_equal(buf_cstr(&o.data), want);
    }
}

static void test_head(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, "HEAD", "/big", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_NONE);
    assert_int_equal(o.status, 200);
    assert_int_equal(o.data_events, 0);
}

static void test_redirects_only_when_wanted(void **state)
{
    OUTCOME_LOCAL(stays);
    OUTCOME_LOCAL(follows);

    (void)state;
    go(&stays, "GET", "/redirect", (struct http_call_options){0});
    go(&follows, "GET", "/redirect", (struct http_call_options){.redirects_max = 1});
    turn_until(&stays.ended);
    turn_until(&follows.ended);
    assert_int_equal(stays.status, 302);
    assert_non_null(strstr(stays.redirect, "://127.0.0.1:"));
    assert_true(slice_ends(slice_str(stays.redirect), SLICE_LIT("/target")));
    assert_null(follows.redirect);
    assert_int_equal(follows.status, 200);
    assert_string_equal(buf_cstr(&follows.data), "GET /target? [] ");
}

static void test_untrusted_server(void **state)
{
    struct pki_pair other = {0};
    struct http_client_options options = {0};
    OUTCOME_LOCAL(o);

    (void)state;
    assert_int_equal(pki_make_ca("other", clock_system(), 60, &other, NULL), 0);
    options.ca = slice_str(other.certificate);
    http_client_free(client);
    client = http_client_new(loop, &options);
    go(&o, "GET", "/who", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.code, ERROR_IO);
    assert_non_null(strstr(o.message, "certificate"));
    pki_pair_clear(&other);
}

static void test_wrong_name(void **state)
{
    static const char *const names[] = {"elsewhere.example"};
    const struct pki_subject subject = {.common_name = "127.0.0.1", .dns_names = names, .dns_name_count = 1};
    struct pki_pair pair = {0};
    OUTCOME_LOCAL(o);

    (void)state;
    assert_int_equal(pki_make_leaf(&fixture.ca, &subject, PKI_USAGE_SERVER, clock_system(), 60, &pair, NULL), 0);
    assert_int_equal(
        http_listener_set_certificate(fixture.listener, slice_str(pair.certificate), slice_str(pair.key), NULL), 0);
    go(&o, "GET", "/who", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_IO);
    assert_int_equal(http_listener_set_certificate(fixture.listener, slice_str(fixture.serving.certificate),
                                                   slice_str(fixture.serving.key), NULL),
                     0);
    pki_pair_clear(&pair);
}

static void test_insecure_takes_any_certificate(void **state)
{
    const struct http_client_options options = {.insecure_skip_verify = true};
    OUTCOME_LOCAL(o);

    (void)state;
    http_client_free(client);
    client = http_client_new(loop, &options);
    go(&o, "GET", "/who", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.status, 200);
}

static void cancel_now(struct outcome *o)
{
    http_call_cancel(o->call);
    o->next->ended = true; /* tells turn_until */
}

static void test_cancel_from_inside_data(void **state)
{
    OUTCOME_LOCAL(o);
    OUTCOME_LOCAL(flag);

    (void)state;
    o.on_data = cancel_now;
    o.next = &flag;
    go(&o, "GET", "/stream", (struct http_call_options){0});
    turn_until(&flag.ended);
    assert_true(fixture_wait(&fixture.streams_closed));
    assert_false(o.ended);
    assert_int_equal(o.data_events, 1);
    assert_string_equal(buf_cstr(&o.data), "hello");
}

static void test_cancel_before_anything(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, "GET", "/stream", (struct http_call_options){0});
    http_call_cancel(o.call);
    loop_turn(loop, false);
    assert_false(o.ended);
}

static void free_client(struct outcome *o)
{
    (void)o;
    http_client_free(client);
    client = NULL;
}

static void test_free_from_inside_data(void **state)
{
    OUTCOME_LOCAL(o);
    OUTCOME_LOCAL(other);

    (void)state;
    o.on_data = free_client;
    go(&other, "GET", "/late", (struct http_call_options){0});
    go(&o, "GET", "/stream", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_CANCELLED);
    assert_true(other.ended);
    assert_int_equal(other.code, ERROR_CANCELLED);
}

static void again(struct outcome *o)
{
    if (o->next && !o->next->call)
        go(o->next, "GET", "/again", (struct http_call_options){0});
}

static void test_call_from_inside_data_and_end(void **state)
{
    OUTCOME_LOCAL(first);
    OUTCOME_LOCAL(second);
    OUTCOME_LOCAL(third);

    (void)state;
    first.on_data = again;
    first.next = &second;
    second.on_end = again;
    second.next = &third;
    go(&first, "GET", "/first", (struct http_call_options){0});
    turn_until(&third.ended);
    assert_true(first.ended && second.ended);
    assert_string_equal(buf_cstr(&third.data), "GET /again? [] ");
}

static void pause_now(struct outcome *o)
{
    o->on_data = NULL;
    http_call_pause(o->call, true);
}

static void tick(void *arg)
{
    *(bool *)arg = true;
}

static void test_pause_holds_data_back(void **state)
{
    OUTCOME_LOCAL(o);
    bool ticked = false;
    struct loop_timer *timer = loop_timer_new(loop, tick, &ticked);
    size_t events;

    (void)state;
    o.on_data = pause_now;
    go(&o, "GET", "/big", (struct http_call_options){0});
    while (!o.data_events && !o.ended)
        loop_turn(loop, true);
    events = o.data_events;
    loop_timer_start(timer, 10, 0);
    turn_until(&ticked);
    assert_int_equal(o.data_events, events);
    assert_false(o.ended);
    http_call_pause(o.call, false);
    assert_int_equal(o.data_events, events); /* not from inside */
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_NONE);
    assert_int_equal(o.data.len, FIXTURE_BIG);
    loop_timer_free(timer);
}

static void test_timeouts(void **state)
{
    OUTCOME_LOCAL(whole);
    OUTCOME_LOCAL(idle);

    (void)state;
    go(&whole, "GET", "/late", (struct http_call_options){.timeout_ms = 30});
    go(&idle, "GET", "/late", (struct http_call_options){.idle_timeout_ms = 30});
    turn_until(&whole.ended);
    turn_until(&idle.ended);
    assert_int_equal(whole.code, ERROR_TIMEOUT);
    assert_int_equal(idle.code, ERROR_TIMEOUT);
}

static void test_cut_answer(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, "GET", "/cut", (struct http_call_options){0});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_UNAVAILABLE);
    assert_true(fixture_wait(&fixture.streams_closed));
}

static void test_nobody_there(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, "GET", "", (struct http_call_options){.url = "https://127.0.0.1:1/"});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_UNAVAILABLE);
    assert_int_equal(o.number, ECONNREFUSED);
}

/* Nothing is asked, and no connection is kept or taken from those that are. */
static void test_connections_alone(void **state)
{
    OUTCOME_LOCAL(open);
    OUTCOME_LOCAL(closed);
    OUTCOME_LOCAL(fresh);

    (void)state;
    go(&open, "GET", "/target", (struct http_call_options){.connect_only = true, .fresh = true});
    go(&closed, "GET", "", (struct http_call_options){.url = "http://127.0.0.1:1/", .connect_only = true});
    go(&fresh, "GET", "/target", (struct http_call_options){.fresh = true});
    turn_until(&open.ended);
    turn_until(&closed.ended);
    turn_until(&fresh.ended);
    assert_int_equal(open.code, ERROR_NONE);
    assert_int_equal(open.status, 0);
    assert_int_equal(closed.code, ERROR_UNAVAILABLE);
    assert_int_equal(fresh.status, 200);
}

static void test_other_schemes_are_refused(void **state)
{
    OUTCOME_LOCAL(o);

    (void)state;
    go(&o, "GET", "", (struct http_call_options){.url = "file:///etc/hostname"});
    turn_until(&o.ended);
    assert_int_equal(o.code, ERROR_IO);
    assert_int_equal(o.data.len, 0);
}

static int group_setup(void **state)
{
    (void)state;
    fixture_start(&fixture, 1, NULL);
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    fixture_stop(&fixture, 0);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_get_with_certificate),
        TEST(test_body_and_headers_go_out),
        TEST(test_head),
        TEST(test_redirects_only_when_wanted),
        TEST(test_untrusted_server),
        TEST(test_wrong_name),
        TEST(test_insecure_takes_any_certificate),
        TEST(test_cancel_from_inside_data),
        TEST(test_cancel_before_anything),
        TEST(test_free_from_inside_data),
        TEST(test_call_from_inside_data_and_end),
        TEST(test_pause_holds_data_back),
        TEST(test_timeouts),
        TEST(test_cut_answer),
        TEST(test_nobody_there),
        TEST(test_connections_alone),
        TEST(test_other_schemes_are_refused),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
