/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that are read while their request is handled; beside others, which are not. */
#include "tests/unit/lib/http_fixture.h"

#define BIG (5u << 20) /* beyond what a body may have that is read before */

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, 1, &(struct http_server_options){.body_streams = fixture_body_streams});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture, 0);
    return 0;
}

/* Sends pieces one by one, and gives what comes until `text`. */
static char *tell(struct test_client *c, const char *const *pieces, const char *until)
{
    for (; *pieces; pieces++)
        client_send(c, *pieces);
    return client_read_until(c, until);
}

static void test_framings(void **state)
{
    static const struct {
        const char *pieces[8];
        const char *answer; /* a part of it */
    } rows[] = {
        {{"POST /body/whole HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"}, "hello"},
        {{"POST /body/whole HTTP/1.1\r\nhost: x\r\nContent-Length:5\r\n\r\n", "he", "llo"}, "hello"},
        {{"PUT /body/whole HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nhel\r",
          "\n2;x=y\r\nlo\r\n0\r\n", "x-trailer: 1\r\n\r\n"},
         "hello"},
        {{"POST /body/whole HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n", "hello"},
         "hello"},
        /* Without one, and elsewhere, nothing is different. */
        {{"POST /body/whole HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n"}, "no more"},
        {{"GET /body/whole HTTP/1.1\r\nhost: x\r\n\r\n"}, "no more"},
        {{"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n", "hello"}, "POST /echo? [] hello"},
    };
    struct test_client c;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *answer CLEANUP_FREE = tell(&c, rows[i].pieces, rows[i].answer);

        /* On one connection: each ended where it should. */
        assert_true(strstr(answer, "HTTP/1.1 200 OK"));
        assert_true(strstr(answer, "Connection: keep-alive"));
    }
    client_close(&c);
}

static void test_what_is_asked_next_waits_behind_the_body(void **state)
{
    static const char *const pieces[] = {"POST /body/whole HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\none"
                                         "POST /body/whole HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
                                         "3\r\ntwo\r\n0\r\n\r\nGET /echo?three HTTP/1.1\r\nhost: x\r\n\r\n",
                                         NULL};
    struct test_client c;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    char *answers CLEANUP_FREE = tell(&c, pieces, "GET /echo?three");
    const char *one = strstr(answers, "one");
    const char *two = strstr(answers, "two");

    assert_true(one && two && one < two);
    client_close(&c);
}

static void test_one_that_cannot_be_framed_is_refused(void **state)
{
    static const char *const headers[] = {"content-length: 5\r\ncontent-length: 5",
                                          "content-length: 5\r\ntransfer-encoding: chunked",
                                          "transfer-encoding: chunked\r\ncontent-length: 5",
                                          "transfer-encoding: gzip",
                                          "transfer-encoding: chunked\r\ntransfer-encoding: chunked",
                                          "content-length: -5",
                                          "content-length: 5, 5",
                                          "content-length: 99999999999999999999"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        char *request CLEANUP_FREE = mem_printf("POST /body/whole HTTP/1.1\r\nhost: x\r\n%s\r\n\r\nhello", headers[i]);
        struct test_client c;

        assert_true(client_open(&c, &fixture, NULL));
        client_send(&c, request);
        free(client_read_until(&c, "HTTP/1.1 400"));
        assert_true(client_sees_end(&c));
        client_close(&c);
    }
}

static void test_bad_chunks_end_the_connection(void **state)
{
    struct test_client c;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "POST /body/whole HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\nwhat\r\n");
    assert_true(client_sees_end(&c));
    client_close(&c);
}

static void test_any_length_with_little_memory(void **state)
{
    char *request CLEANUP_FREE = mem_printf("POST /body/echo HTTP/1.1\r\nhost: x\r\ncontent-length: %u\r\n\r\n", BIG);
    char *block CLEANUP_FREE = mem_alloc(BIG);
    struct test_client c;

    (void)state;
    memset(block, 'x', BIG);
    memcpy(block + BIG - 5, "-end-", 5);
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, request);
    char *head CLEANUP_FREE = client_read_until(&c, "\r\n\r\n"); /* before any of the body */
    assert_true(strstr(head, "200 OK"));
    /* What is echoed is read in between: both ways have room for a part only. */
    for (size_t at = 0; at < BIG; at += BIG / 5) {
        client_send_bytes(&c, slice_make(block + at, BIG / 5));
        if (at + BIG / 5 < BIG)
            free(client_read_until(&c, "xxxx"));
    }
    free(client_read_until(&c, "-end-"));
    assert_true(fixture_wait(&fixture.streams_closed));
    client_close(&c);
}

static void test_who_answers_first_ends_the_connection(void **state)
{
    static const char *const paths[] = {"early", "early-stream"};
    static const char more[16384];
    struct test_client c;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        char *request CLEANUP_FREE = mem_printf("POST /body/%s HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n"
                                                "GET /echo HTTP/1.1\r\nhost: x\r\n\r\n",
                                                paths[i]);

        assert_true(client_open(&c, &fixture, NULL));
        client_send(&c, request);
        char *answer CLEANUP_FREE = client_read_until(&c, "no more");
        assert_true(strstr(answer, "Connection: close"));
        for (int n = 0; n < 20; n++) /* what still comes is thrown away, not reset */
            client_send_bytes(&c, slice_make(more, sizeof(more)));
        client_close(&c);
    }
}

static void test_a_client_that_leaves_is_noticed(void **state)
{
    struct test_client c;

    (void)state;
    assert_true(client_open(&c, &fixture, NULL));
    client_send(&c, "POST /body/echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf");
    free(client_read_until(&c, "half"));
    client_reset(&c);
    assert_true(fixture_wait(&fixture.streams_closed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_framings),
        cmocka_unit_test(test_what_is_asked_next_waits_behind_the_body),
        cmocka_unit_test(test_one_that_cannot_be_framed_is_refused),
        cmocka_unit_test(test_bad_chunks_end_the_connection),
        cmocka_unit_test(test_any_length_with_little_memory),
        cmocka_unit_test(test_who_answers_first_ends_the_connection),
        cmocka_unit_test(test_a_client_that_leaves_is_noticed),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
