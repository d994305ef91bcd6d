/* SPDX-License-Identifier: Apache-2.0 */
/* Who gets a connection, and whose is given up, when there are more than the server takes. */
#include "lib/http_server.h"

#include <netinet/in.h>
#include <unistd.h>

#include "tests/unit/lib/http_fixture.h"

static void test_connection_cap(void **state)
{
    const struct http_server_options options = {.connections_max = 2};
    struct fixture f;
    struct test_client c[3];

    (void)state;
    fixture_start(&f, 1, &options);
    assert_true(client_open(&c[0], &f, &f.client));
    assert_true(client_open(&c[1], &f, &f.client));
    assert_false(client_open(&c[2], &f, &f.client));
    for (size_t i = 0; i < ARRAY_SIZE(c); i++)
        client_close(&c[i]);
    fixture_stop(&f, 0);
}

static bool open_and_begin(struct test_client *c, struct fixture *f, uint32_t from, size_t body)
{
    char *begun CLEANUP_FREE = mem_alloc(body + 1);

    memset(begun, 'x', body);
    begun[body] = 0;
    if (!client_open_from(c, f, NULL, from))
        return false;
    client_send(c, "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n");
    client_send(c, begun);
    return true;
}

/* Who brings most of what is unfinished pays for it, whoever came last. */
static void test_unfinished_requests_are_bounded(void **state)
{
    const struct http_server_options options = {.reading_max = 200000, .write_timeout_s = 1};
    struct fixture f;
    struct test_client greedy[3];
    struct test_client modest;
    char *rest CLEANUP_FREE = mem_zalloc(60001);

    (void)state;
    fixture_start(&f, 1, &options);
    for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
        assert_true(open_and_begin(&greedy[i], &f, INADDR_LOOPBACK, 80000));
    assert_true(open_and_begin(&modest, &f, INADDR_LOOPBACK + 1, 30000));
    assert_true(client_sees_end(&greedy[2]));
    memset(rest, 'x', 60000);
    client_send(&modest, rest);
    free(client_read_until(&modest, "POST /body"));
    client_close(&modest);
    for (size_t i = 0; i < ARRAY_SIZE(greedy); i++)
        client_close(&greedy[i]);
    fixture_stop(&f, 0);
}

#define OTHER_ADDRESS (INADDR_LOOPBACK + 1)

/* One address that opens connections and says nothing keeps nobody else out, nor those of its own who are known. */
static void test_one_address_cannot_take_all_places(void **state)
{
    const struct http_server_options options = {.connections_max = 64, .guests_max = 4};
    struct fixture f;
    struct test_client known;
    struct test_client other;
    struct test_client own;
    char *answer CLEANUP_FREE = NULL;
    char byte;
    int silent[4];
    int refused;

    (void)state;
    fixture_start(&f, 2, &options);
    assert_true(client_open(&known, &f, NULL));
    client_send(&known, "GET /known HTTP/1.1\r\nHost: x\r\n\r\n");
    answer = client_read_until(&known, "/known");
    for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
        silent[i] = client_connect(&f, INADDR_LOOPBACK);
    refused = client_connect(&f, INADDR_LOOPBACK);
    assert_int_equal(read(refused, &byte, 1), 0); /* closed at once */
    assert_true(client_open_from(&other, &f, NULL, OTHER_ADDRESS));
    client_send(&other, "GET /one HTTP/1.1\r\nHost: x\r\n\r\n");
    free(client_read_until(&other, "/one"));
    client_send(&known, "GET /two HTTP/1.1\r\nHost: x\r\n\r\n");
    free(client_read_until(&known, "/two"));
    /* A place that is given back can be taken. */
    (void)close(silent[0]);
    while (!client_open(&own, &f, &f.client))
        client_close(&own);
    client_close(&own);
    client_close(&other);
    client_close(&known);
    for (size_t i = 1; i < ARRAY_SIZE(silent); i++)
        (void)close(silent[i]);
    (void)close(refused);
    fixture_stop(&f, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_cap),
        cmocka_unit_test(test_one_address_cannot_take_all_places),
        cmocka_unit_test(test_unfinished_requests_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
