/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_answer.h"

#include "tests/unit/test.h"

struct seen {
    struct buf text; /* "200 5 a=b|hello|." */
    bool ended;
};

static void on_head(void *arg, int status, const struct http_header *headers, size_t header_count, int64_t body_len)
{
    struct seen *s = arg;

    buf_printf(&s->text, "%d %lld", status, (long long)body_len);
    for (size_t i = 0; i < header_count; i++)
        buf_printf(&s->text, " %s=%.*s", headers[i].name, SLICE_ARGS(headers[i].value));
    buf_append_byte(&s->text, '|');
}

static void on_data(void *arg, struct slice data)
{
    assert_true(data.len > 0);
    buf_append_slice(&((struct seen *)arg)->text, data);
}

static void on_end(void *arg)
{
    struct seen *s = arg;

    assert_false(s->ended);
    s->ended = true;
    buf_append_str(&s->text, "|.");
}

/* What is made of an answer that comes in pieces of so many bytes, and its connection's end; the error, or "". */
static void read_answer(const char *text, bool no_body, size_t piece, struct buf *out)
{
    static const struct http_answer_events events = {on_head, on_data, on_end};
    struct seen seen = {.ended = false};
    struct http_answer *a = http_answer_new(no_body, &events, &seen);
    size_t len = strlen(text);
    int r = 0;
    ERROR_LOCAL(err);

    for (size_t at = 0; at < len && r == 0; at += piece) {
        /* On the heap, so that no byte behind it is looked at unseen. */
        char *copy CLEANUP_FREE = mem_strndup(text + at, len - at < piece ? len - at : piece);

        r = http_answer_feed(a, slice_str(copy), &err);
    }
    if (r == 0)
        (void)http_answer_finish(a, &err);
    buf_append_slice(out, buf_slice(&seen.text));
    if (error_is_set(&err))
        buf_printf(out, "!%s", error_text(&err));
    http_answer_free(a);
    buf_free(&seen.text);
}

static void test_answers(void **state)
{
    static const struct {
        const char *text;
        const char *seen;
        bool no_body;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhello", "200 5 x-a=b|hello|."},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more", "200 5|hello|."},
        {"HTTP/1.0 200 OK\r\n\r\nall of it", "200 -1|all of it|."},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x\r\n!\r\n0\r\nT: 1\r\n\r\nmore",
         "200 -1|hello!|."},
        {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "200 -1|x|."},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "200 5|hello|."},
        {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 204 No\r\n\r\n", "204 0||."},
        {"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nEtag: e\r\n\r\n", "304 5 etag=e||."},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "200 5||.", true},
        {"HTTP/1.1 200 OK\r\n\r\n", "200 -1||.", true},
        {"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "200 0||."},
        {"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nwhatever", "101 -1 upgrade=x|whatever"},
        /* What is none. */
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
         "200 5|hel!the connection ended in the middle of the answer"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
         "200 -1|hel!the connection ended in the middle of the answer"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "200 -1|!its chunks cannot be read"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
         "!its Transfer-Encoding is unknown: gzip, chunked"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "!its Content-Length cannot be read"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "!its Content-Length cannot be read"},
        {"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "!one of its headers goes over two lines"},
        {"HTTP/1.1 200 OK\r\nContent-", "!the connection ended before the answer"},
        {"", "!the connection ended before the answer"},
        {"HTTP/2 200 OK\r\n\r\n", "!it is not HTTP/1.1"},
        {"SSH-2.0-x\r\n\r\n", "!it is not HTTP/1.1"},
        {"HTTP/1.1 099 Odd\r\n\r\n", "!it is not HTTP/1.1"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t piece = 1; piece < 200; piece = piece * 3 + 1) {
            BUF_LOCAL(seen);

            read_answer(rows[i].text, rows[i].no_body, piece, &seen);
            assert_string_equal(buf_cstr(&seen), rows[i].seen);
        }
}

static void test_heads_are_bounded(void **state)
{
    BUF_LOCAL(large);
    BUF_LOCAL(many);
    BUF_LOCAL(seen);

    (void)state;
    buf_append_str(&large, "HTTP/1.1 200 OK\r\nA: ");
    for (int i = 0; i < 70000; i++)
        buf_append_byte(&large, 'x');
    read_answer(buf_cstr(&large), false, 1000, &seen);
    assert_string_equal(buf_cstr(&seen), "!its head is too large");
    buf_reset(&seen);
    buf_append_str(&many, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i <= HTTP_ANSWER_HEADERS_MAX; i++)
        buf_append_str(&many, "A: b\r\n");
    buf_append_str(&many, "\r\n");
    read_answer(buf_cstr(&many), false, 10000, &seen);
    assert_string_equal(buf_cstr(&seen), "!it is not HTTP/1.1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_heads_are_bounded)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
