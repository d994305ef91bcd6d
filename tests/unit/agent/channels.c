/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/channels.h"

#include <stdio.h>

#include "tests/unit/test.h"

static void test_options(void **state)
{
    static const struct {
        const char *query;
        const char *seen; /* in out err tty; NULL = refused */
    } rows[] = {
        {"stdin=true&stdout=true&stderr=true", "1110"},
        {"stdin=1&stdout=True&tty=true&stderr=true", "1101"}, /* a terminal has no errors of its own */
        {"stdout=true&stdin=false", "0100"},
        {"tty=true", NULL},
        {"", NULL},
    };
    struct pool *pool CLEANUP_POOL = pool_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct http_request req = {.pool = pool, .query = slice_str(rows[i].query)};
        struct channels_options o = {0};
        char seen[8];

        if (channels_read_options(&req, &o, NULL) < 0) {
            assert_null(rows[i].seen);
            continue;
        }
        (void)snprintf(seen, sizeof(seen), "%d%d%d%d", o.in, o.out, o.err, o.tty);
        assert_string_equal(seen, rows[i].seen);
    }
}

static void test_status(void **state)
{
    static const struct {
        struct channels_result result;
        const char *text;
    } rows[] = {
        {{0, NULL}, "{\"metadata\":{},\"status\":\"Success\"}"},
        {{3, NULL},
         "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"command terminated with non-zero exit code: exit code "
         "3\","
         "\"reason\":\"NonZeroExitCode\",\"details\":{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"3\"}]}}"},
        {{-1, "no \"room\""},
         "{\"metadata\":{},\"status\":\"Failure\",\"message\":\"Internal error occurred: no \\\"room\\\"\","
         "\"reason\":\"InternalError\",\"details\":{\"causes\":[{\"message\":\"no \\\"room\\\"\"}]},\"code\":500}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        BUF_LOCAL(out);

        channels_write_status(&out, &rows[i].result);
        assert_string_equal(buf_cstr(&out), rows[i].text);
    }
}

struct resized {
    unsigned columns;
    unsigned rows;
    unsigned count;
};

static void on_resize(void *arg, unsigned columns, unsigned rows)
{
    struct resized *r = arg;

    *r = (struct resized){columns, rows, r->count + 1};
}

static void test_resize(void **state)
{
    struct resized seen = {0};
    struct channels c = {.events = {.resize = on_resize}, .arg = &seen};

    (void)state;
    channels_take_resize(&c, SLICE_LIT("{\"Width\":80,\"Height\":24}\n"));
    assert_int_equal(seen.columns, 80);
    assert_int_equal(seen.rows, 24);
    channels_take_resize(&c, SLICE_LIT("{\"Width\":0,\"Height\":0}"));
    channels_take_resize(&c, SLICE_LIT("{\"Width\":70000,\"Height\":1}"));
    channels_take_resize(&c, SLICE_LIT("nonsense"));
    assert_int_equal(seen.count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_resize),
    };

    return cmocka_run_group_tests_name("channels", tests, NULL, NULL);
}
