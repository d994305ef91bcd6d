/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/http_tunnel_head.h"

#include "tests/unit/test.h"

static void test_heads(void **state)
{
    static const struct {
        const char *text;
        const char *seen; /* status, body length, headers; NULL = refused */
    } rows[] = {
        {"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX-A:  b \r\n", "101 -1 upgrade=websocket x-a=b"},
        {"HTTP/1.1 403 Forbidden\r\nContent-Length: 12", "403 12 content-length=12"},
        {"HTTP/1.1 200", "200 -1"},
        {"HTTP/1.0 101 Old\r\n", NULL},
        {"HTTP/1.1 1x1 Odd\r\n", NULL},
        {"HTTP/1.1 100 Continue", NULL},
        {"HTTP/1.1 101 No colon\r\nUpgrade\r\n", NULL},
        {"HTTP/1.1 101 No name\r\n: x\r\n", NULL},
        {"HTTP/1.1 400 Bad length\r\nContent-Length: -1\r\n", NULL},
        {"SSH-2.0-x", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct tunnel_head h = {.status = 0};
        BUF_LOCAL(seen);

        buf_append_str(&h.text, rows[i].text);
        if (tunnel_head_parse(&h)) {
            buf_printf(&seen, "%d %lld", h.status, (long long)h.body_len);
            for (size_t k = 0; k < h.header_count; k++)
                buf_printf(&seen, " %s=%.*s", h.headers[k].name, SLICE_ARGS(h.headers[k].value));
            assert_non_null(rows[i].seen);
            assert_string_equal(buf_cstr(&seen), rows[i].seen);
        } else {
            assert_null(rows[i].seen);
        }
        buf_free(&h.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_heads)};

    return cmocka_run_group_tests_name("http_tunnel_head", tests, NULL, NULL);
}
