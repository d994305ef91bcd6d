/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/proxy_head.h"
#include "apiserver/proxy_html.h"

#include "tests/unit/test.h"

/* A request of a test: an engine that knows nothing but headers. */
struct asked {
    struct http_request req;
    struct http_peer peer;
    const struct http_header *headers; /* ends with a name that is NULL */
};

static struct slice asked_header(const struct http_request *req, const char *name)
{
    const struct asked *a = req->exchange;

    for (const struct http_header *h = a->headers; h && h->name; h++)
        if (!strcmp(h->name, name))
            return h->value;
    return SLICE_NONE;
}

static void asked_each(const struct http_request *req, void (*fn)(void *arg, struct slice name, struct slice value),
                       void *arg)
{
    const struct asked *a = req->exchange;

    for (const struct http_header *h = a->headers; h && h->name; h++)
        fn(arg, slice_str(h->name), h->value);
}

static const struct http_exchange_ops asked_ops = {.header = asked_header, .each_header = asked_each};

static void asked_init(struct asked *a, struct pool *pool, const char *method, const struct http_header *headers)
{
    *a = (struct asked){.headers = headers, .peer = {.address = "192.0.2.1"}};
    a->req = (struct http_request){.pool = pool,
                                   .method = slice_str(method),
                                   .authority = SLICE_LIT("api:6443"),
                                   .peer = &a->peer,
                                   .ops = &asked_ops,
                                   .exchange = a};
}

static const struct proxy_way way = {{"/api/v1/namespaces/a/pods/p/proxy", 33}, {"/x", 2}, "10.244.0.7:80"};

static void test_names(void **state)
{
    static const struct {
        const char *text;
        bool tls;
        const char *name, *port; /* NULL = refused */
    } rows[] = {
        {"p", false, "p", ""},
        {"p:80", false, "p", "80"},
        {"p:", false, "p", ""},
        {"p:web", false, "p", "web"},
        {"https:p:", true, "p", ""},
        {"https:p:443", true, "p", "443"},
        {"http:p:80", false, "p", "80"},
        {":p:80", false, "p", "80"},
        {"ftp:p:80", false, NULL, NULL},
        {"a:b:c:d", false, NULL, NULL},
        {"", false, NULL, NULL},
        {":80", false, NULL, NULL},
        {"https::80", false, NULL, NULL},
    };
    struct pool *pool CLEANUP_POOL = pool_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct proxy_name name;
        bool good = proxy_name_parse(pool, rows[i].text, &name);

        assert_int_equal(good, rows[i].name != NULL);
        if (!good)
            continue;
        assert_int_equal(name.tls, rows[i].tls);
        assert_string_equal(name.name, rows[i].name);
        assert_string_equal(name.port, rows[i].port);
    }
}

static void test_what_of_a_request_goes_on(void **state)
{
    static const struct http_header headers[] = {{"accept", SLICE_LIT("*/*")},
                                                 {"authorization", SLICE_LIT("Bearer secret")},
                                                 {"accept-encoding", SLICE_LIT("gzip")},
                                                 {"cookie", SLICE_LIT("own=1")},
                                                 {"impersonate-user", SLICE_LIT("secret")},
                                                 {"impersonate-extra-x", SLICE_LIT("secret")},
                                                 {"x-remote-user", SLICE_LIT("secret")},
                                                 {"x-remote-extra-x", SLICE_LIT("secret")},
                                                 {"proxy-authorization", SLICE_LIT("secret")},
                                                 {"connection", SLICE_LIT("close, X-Hop")},
                                                 {"x-hop", SLICE_LIT("secret")},
                                                 {"keep-alive", SLICE_LIT("secret")},
                                                 {"te", SLICE_LIT("secret")},
                                                 {"transfer-encoding", SLICE_LIT("chunked")},
                                                 {"content-length", SLICE_LIT("9")},
                                                 {"host", SLICE_LIT("secret")},
                                                 {"x-forwarded-uri", SLICE_LIT("/secret")},
                                                 {"x-forwarded-for", SLICE_LIT("192.0.2.9")},
                                                 {"x-own", SLICE_LIT("a\r\nb: c")},
                                                 {NULL, {0}}};
    struct pool *pool CLEANUP_POOL = pool_new();
    struct asked a;
    BUF_LOCAL(out);

    (void)state;
    asked_init(&a, pool, "GET", headers);
    a.req.query = SLICE_LIT("a=b;\xff c");
    proxy_write_head(&a.req, &way, &out);
    assert_string_equal(buf_cstr(&out), "GET /x?a=b;%FF%20c HTTP/1.1\r\nHost: api:6443\r\nConnection: close\r\n"
                                        "accept: */*\r\naccept-encoding: gzip\r\ncookie: own=1\r\nx-own: a  b: "
                                        "c\r\nX-Forwarded-For: 192.0.2.9, 192.0.2.1\r\n"
                                        "X-Forwarded-Uri: /api/v1/namespaces/a/pods/p/proxy/x\r\n\r\n");
}

/* A page is asked for unpacked, so that its links can be read. */
static void test_pages_are_not_packed(void **state)
{
    static const struct http_header headers[] = {
        {"accept", SLICE_LIT("text/html,*/*;q=0.8")}, {"accept-encoding", SLICE_LIT("gzip, br")}, {NULL, {0}}};
    struct pool *pool CLEANUP_POOL = pool_new();
    struct asked a;
    BUF_LOCAL(out);

    (void)state;
    asked_init(&a, pool, "GET", headers);
    proxy_write_head(&a.req, &way, &out);
    assert_non_null(strstr(buf_cstr(&out), "accept: text/html"));
    assert_null(strstr(buf_cstr(&out), "accept-encoding"));
}

static void test_bodies_and_upgrades(void **state)
{
    static const struct http_header upgrade[] = {
        {"upgrade", SLICE_LIT("websocket")},
        {"sec-websocket-key", SLICE_LIT("k")},
        {"sec-websocket-protocol", SLICE_LIT("a, base64url.bearer.authorization.k8s.io.c2VjcmV0, b")},
        {NULL, {0}}};
    struct pool *pool CLEANUP_POOL = pool_new();
    struct asked a;
    BUF_LOCAL(out);

    (void)state;
    asked_init(&a, pool, "POST", NULL);
    proxy_write_head(&a.req, &way, &out);
    assert_non_null(strstr(buf_cstr(&out), "Content-Length: 0\r\n"));
    buf_reset(&out);
    a.req.body_streams = true;
    a.req.body_len = 7;
    proxy_write_head(&a.req, &way, &out);
    assert_non_null(strstr(buf_cstr(&out), "Content-Length: 7\r\n"));
    buf_reset(&out);
    a.req.body_len = -1;
    proxy_write_head(&a.req, &way, &out);
    assert_non_null(strstr(buf_cstr(&out), "Transfer-Encoding: chunked\r\n"));
    assert_null(strstr(buf_cstr(&out), "Content-Length"));

    buf_reset(&out);
    asked_init(&a, pool, "GET", upgrade);
    a.req.upgrade = true;
    proxy_write_head(&a.req, &(struct proxy_way){way.prefix, SLICE_NONE, way.host}, &out);
    assert_string_equal(buf_cstr(&out),
                        "GET / HTTP/1.1\r\nHost: api:6443\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        "sec-websocket-key: k\r\nsec-websocket-protocol: a, b\r\n"
                        "X-Forwarded-For: 192.0.2.1\r\n"
                        "X-Forwarded-Uri: /api/v1/namespaces/a/pods/p/proxy/\r\n\r\n");
}

static void test_what_of_an_answer_comes_back(void **state)
{
    static const struct http_header from[] = {{"content-type", SLICE_LIT("text/html")},
                                              {"connection", SLICE_LIT("x-hop")},
                                              {"x-hop", SLICE_LIT("no")},
                                              {"set-cookie", SLICE_LIT("a=b; Domain=x.io; path=/y; Secure")},
                                              {"set-cookie", SLICE_LIT("path=c")},
                                              {"strict-transport-security", SLICE_LIT("no")},
                                              {"clear-site-data", SLICE_LIT("no")},
                                              {"access-control-allow-origin", SLICE_LIT("no")},
                                              {"upgrade", SLICE_LIT("no")},
                                              {"date", SLICE_LIT("no")},
                                              {"location", SLICE_LIT("/there")}};
    static const struct http_header forwarded[] = {{"x-forwarded-for", SLICE_LIT("127.0.0.1")}, {NULL, {0}}};
    struct http_header to[ARRAY_SIZE(from) + PROXY_HEADERS_ADDED];
    struct pool *pool CLEANUP_POOL = pool_new();
    struct asked a;

    (void)state;
    asked_init(&a, pool, "GET", NULL);
    assert_int_equal(proxy_answer_headers(&a.req, &way, from, ARRAY_SIZE(from), to), 5);
    assert_string_equal(to[0].name, "content-type");
    /* A cookie is for this pod only. */
    assert_true(slice_is(to[1].value, "a=b; Path=/api/v1/namespaces/a/pods/p/proxy/y; Secure"));
    assert_true(slice_is(to[2].value, "path=c"));
    assert_true(slice_is(to[3].value, "/api/v1/namespaces/a/pods/p/proxy/there"));
    assert_string_equal(to[4].name, "content-security-policy");
    /* Another proxy is another origin. */
    asked_init(&a, pool, "GET", forwarded);
    assert_int_equal(proxy_answer_headers(&a.req, &way, from, ARRAY_SIZE(from), to), 4);
}

static void test_pages(void **state)
{
    static const struct http_header page[] = {{"content-type", SLICE_LIT("Text/HTML; charset=utf-8")}};
    static const struct http_header packed[] = {{"content-type", SLICE_LIT("text/html")},
                                                {"content-encoding", SLICE_LIT("br")}};
    static const struct http_header part[] = {{"content-type", SLICE_LIT("text/html")},
                                              {"content-range", SLICE_LIT("bytes 0-1/2")}};
    static const struct http_header redirect[] = {{"location", SLICE_LIT("/")},
                                                  {"content-type", SLICE_LIT("text/html")}};
    static const struct http_header text[] = {{"content-type", SLICE_LIT("text/plain")}};

    (void)state;
    assert_true(proxy_answer_is_page(200, page, 1));
    assert_true(proxy_answer_is_page(404, page, 1));
    assert_false(proxy_answer_is_page(304, page, 1));
    assert_false(proxy_answer_is_page(200, packed, 2));
    assert_false(proxy_answer_is_page(206, part, 2));
    assert_false(proxy_answer_is_page(200, redirect, 2));
    assert_false(proxy_answer_is_page(200, text, 1));
    assert_false(proxy_answer_is_page(200, NULL, 0));
}

static void mark_link(void *arg, struct slice value, struct buf *out)
{
    (void)arg;
    buf_printf(out, "[%.*s]", SLICE_ARGS(value));
}

/* In pieces of `step` bytes. */
static void assert_page(const char *from, const char *to, size_t step)
{
    struct proxy_html *html = proxy_html_new(mark_link, NULL);
    struct slice rest = slice_str(from);
    BUF_LOCAL(out);

    while (rest.len) {
        size_t n = rest.len < step ? rest.len : step;

        proxy_html_feed(html, slice_make(rest.data, n), &out);
        rest = slice_from(rest, n);
    }
    proxy_html_end(html, &out);
    assert_string_equal(buf_cstr(&out), to);
    proxy_html_free(html);
}

static void test_links(void **state)
{
    static const struct {
        const char *from, *to; /* to: NULL = as it is */
    } rows[] = {
        {"<a href=\"/x\">/x</a>", "<a href=\"[/x]\">/x</a>"},
        {"<A\tHREF='/x'>", "<A\tHREF='[/x]'>"},
        {"<a id=1 href=/x>y", "<a id=1 href=[/x]>y"},
        {"<a download href=/x/>y", "<a download href=[/x/]>y"},
        {"<a href = \"/x\"id=\"/y\">", "<a href = \"[/x]\"id=\"/y\">"},
        {"<img src=/a usemap='#b' alt=/c>", "<img src=[/a] usemap='[#b]' alt=/c>"},
        {"<script src=/a></script><a href=/b>", "<script src=[/a]></script><a href=[/b]>"},
        {"<script>'<a href=\"/x\">' </scrip </SCRIPT ><a href=/y>",
         "<script>'<a href=\"/x\">' </scrip </SCRIPT ><a href=[/y]>"},
        {"<!-- <a href=/x> --><a href=/y><!--><a href=/z>", "<!-- <a href=/x> --><a href=[/y]><!--><a href=[/z]>"},
        {"<!doctype html><?x <a href=/n>?></a href=/n><a href=/y>",
         "<!doctype html><?x <a href=/n>?></a href=/n><a href=[/y]>"},
        {"a < b <1 <<a href=/x>", "a < b <1 <<a href=[/x]>"},
        {"<form action=\"\"><base href=/>", "<form action=\"[]\"><base href=[/]>"},
        {"<abbr href=/x><div src=/x><averyveryverylongname href=/x>", NULL},
        {"<a averyveryverylongname=/x xhref=/x>", NULL},
        {"<a href=\"/cut", NULL},
        {"<a href=>x<a href>y", NULL},
    };
    char *longer CLEANUP_FREE = mem_alloc(PROXY_HTML_VALUE_MAX + 32);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t step = 1; step < 64; step += 9)
            assert_page(rows[i].from, rows[i].to ? rows[i].to : rows[i].from, step);
    /* What is too long to be held is no link. */
    memset(longer, '/', PROXY_HTML_VALUE_MAX + 31);
    memcpy(longer, "<a href=", 8);
    memcpy(longer + PROXY_HTML_VALUE_MAX + 26, ">end", 5);
    assert_page(longer, longer, 1000);
}

static void test_redirects(void **state)
{
    static const struct {
        const char *said, *made; /* made: NULL = as it is, else behind the prefix */
    } rows[] = {
        {"/", "/"},
        {"/a/?b#c", "/a/?b#c"},
        {"a/b", NULL},
        {"?a", NULL},
        {"", NULL},
        {"http://10.244.0.7:80/a", "/a"},
        {"http://10.244.0.7/a", "/a"},
        {"https://10.244.0.7:80", "/"},
        {"//10.244.0.7:80/a", "/a"},
        {"https://api:6443/a", "/a"},
        {"http://10.244.0.70/a", NULL},
        {"https://elsewhere.example/a", NULL},
        {"//elsewhere.example/a", NULL},
        {"http://10.244.0.7:80//elsewhere.example/", "//elsewhere.example/"},
        {"http://10.244.0.7:80?a", NULL},
        {"/api/v1/namespaces/a/pods/p/proxy/x", ""},
        {"https://api:6443/api/v1/namespaces/a/pods/p/proxy/x", ""},
    };
    struct pool *pool CLEANUP_POOL = pool_new();
    struct asked a;

    (void)state;
    asked_init(&a, pool, "GET", NULL);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct slice made = proxy_location(&a.req, &way, slice_str(rows[i].said));
        char *want = rows[i].made && *rows[i].made
                         ? pool_printf(pool, "%.*s%s", SLICE_ARGS(way.prefix), rows[i].made)
                         : pool_strdup(pool, rows[i].made ? "/api/v1/namespaces/a/pods/p/proxy/x" : rows[i].said);

        assert_true(slice_is(made, want));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_of_a_request_goes_on),
        cmocka_unit_test(test_bodies_and_upgrades),
        cmocka_unit_test(test_what_of_an_answer_comes_back),
        cmocka_unit_test(test_pages_are_not_packed),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_redirects),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
