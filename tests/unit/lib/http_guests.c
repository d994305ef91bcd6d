/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_guests.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "lib/clock.h"
#include "tests/unit/test.h"

#define SECOND NS_PER_S

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage at = {0};

    if (strchr(text, ':')) {
        at.ss_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, text, &((struct sockaddr_in6 *)&at)->sin6_addr), 1);
    } else {
        at.ss_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, text, &((struct sockaddr_in *)&at)->sin_addr), 1);
    }
    return at;
}

static enum http_guests_verdict enter(struct http_guests *g, const char *text, int64_t now, struct http_guest *guest)
{
    struct sockaddr_storage at = address(text);

    return http_guests_enter(g, (const struct sockaddr *)&at, now, guest);
}

static void test_one_address_cannot_take_all_places(void **state)
{
    struct http_guests *g =
        http_guests_new(&(struct http_guests_limits){.per_address = 2, .all = 5, .burst = 100, .per_second = 100});
    struct http_guest guests[6] = {{0}};

    (void)state;
    assert_int_equal(enter(g, "192.0.2.1", 0, &guests[0]), HTTP_GUESTS_WELCOME);
    assert_int_equal(enter(g, "::ffff:192.0.2.1", 0, &guests[1]), HTTP_GUESTS_WELCOME);
    assert_int_equal(enter(g, "192.0.2.1", 0, &guests[2]), HTTP_GUESTS_ADDRESS_FULL);
    assert_int_equal(enter(g, "192.0.2.2", 0, &guests[2]), HTTP_GUESTS_WELCOME);
    assert_int_equal(enter(g, "2001:db8::1", 0, &guests[3]), HTTP_GUESTS_WELCOME);
    assert_int_equal(enter(g, "2001:db8::ffff:1", 0, &guests[4]), HTTP_GUESTS_WELCOME);
    assert_int_equal(enter(g, "2001:db8::2", 0, &guests[5]), HTTP_GUESTS_ADDRESS_FULL); /* one /64 */
    assert_int_equal(enter(g, "192.0.2.3", 0, &guests[5]), HTTP_GUESTS_ALL_FULL);
    assert_null(guests[5].row);
    http_guests_leave(g, &guests[0]);
    http_guests_leave(g, &guests[0]); /* once is enough */
    assert_int_equal(enter(g, "2001:db8:0:1::2", 0, &guests[5]), HTTP_GUESTS_WELCOME);
    assert_int_equal(enter(g, "192.0.2.1", 0, &guests[0]), HTTP_GUESTS_ALL_FULL);
    http_guests_know(g, &guests[1]);
    assert_int_equal(enter(g, "192.0.2.1", 0, &guests[0]), HTTP_GUESTS_WELCOME);
    for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
        http_guests_leave(g, &guests[i]);
    http_guests_free(g);
}

static void test_who_comes_too_often_waits(void **state)
{
    struct http_guests *g =
        http_guests_new(&(struct http_guests_limits){.per_address = 100, .all = 1000, .burst = 3, .per_second = 2});
    struct http_guest guest = {0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(enter(g, "192.0.2.1", SECOND, &guest), HTTP_GUESTS_WELCOME);
        http_guests_leave(g, &guest);
    }
    assert_int_equal(enter(g, "192.0.2.1", SECOND, &guest), HTTP_GUESTS_ADDRESS_FAST);
    assert_int_equal(enter(g, "192.0.2.2", SECOND, &guest), HTTP_GUESTS_WELCOME);
    http_guests_leave(g, &guest);
    assert_int_equal(enter(g, "192.0.2.1", SECOND + SECOND / 2, &guest), HTTP_GUESTS_WELCOME);
    http_guests_leave(g, &guest);
    assert_int_equal(enter(g, "192.0.2.1", SECOND + SECOND / 2, &guest), HTTP_GUESTS_ADDRESS_FAST);
    /* Who shows who he is may come as often as he likes. */
    for (int i = 0; i < 20; i++) {
        assert_int_equal(enter(g, "192.0.2.1", 2 * SECOND, &guest), HTTP_GUESTS_WELCOME);
        http_guests_know(g, &guest);
    }
    http_guests_free(g);
}

static void test_the_table_is_bounded(void **state)
{
    static struct http_guest guests[20000];
    struct http_guests *g = http_guests_new(
        &(struct http_guests_limits){.per_address = 10, .all = SIZE_MAX, .burst = 1000, .per_second = 1000});
    size_t welcome = 0;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(guests); i++) {
        char text[32];

        (void)snprintf(text, sizeof(text), "10.0.%zu.%zu", i / 256, i % 256);
        welcome += enter(g, text, 0, &guests[i]) == HTTP_GUESTS_WELCOME;
    }
    /* A row each for those who found one, and ten places for all the others together. */
    assert_in_range(welcome, 3000, 4096 + 10);
    for (size_t i = 0; i < ARRAY_SIZE(guests); i++)
        http_guests_leave(g, &guests[i]);
    assert_int_equal(enter(g, "192.0.2.1", 10 * SECOND, &guests[0]), HTTP_GUESTS_WELCOME);
    http_guests_leave(g, &guests[0]);
    http_guests_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address_cannot_take_all_places),
        cmocka_unit_test(test_who_comes_too_often_waits),
        cmocka_unit_test(test_the_table_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
