/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/grpc_health.h"

#define BYTES(text) slice_make(text, sizeof(text) - 1)

static void requests_are_framed(void **state)
{
    char long_name[201];
    BUF_LOCAL(none);
    BUF_LOCAL(named);
    BUF_LOCAL(longer);

    memset(long_name, 'x', 200);
    long_name[200] = '\0';
    grpc_health_request(SLICE_LIT(""), &none);
    assert_true(slice_equal(buf_slice(&none), BYTES("\0\0\0\0\0")));
    grpc_health_request(SLICE_LIT("web"), &named);
    assert_true(slice_equal(buf_slice(&named), BYTES("\0\0\0\0\5\x0A\3web")));
    grpc_health_request(slice_str(long_name), &longer);
    assert_int_equal(longer.len, 5 + 3 + 200);
    assert_true(slice_starts(buf_slice(&longer), BYTES("\0\0\0\0\xCB\x0A\xC8\1")));
}

static void responses_are_read(void **state)
{
    static const struct {
        struct slice frame;
        bool good;
        uint64_t status;
    } cases[] = {
        {{"\0\0\0\0\2\x08\1", 7}, true, 1},
        {{"\0\0\0\0\2\x08\2", 7}, true, 2},
        {{"\0\0\0\0\0", 5}, true, 0}, /* an absent field is 0 */
        /* Fields of a later version, of every wire type, are passed over. */
        {{"\0\0\0\0\x15\x10\x96\1\x1A\3abc\x25wxyz\x29 12345 \x08\1", 26}, false, 0},
        {{"\0\0\0\0\x08\x10\x96\1\x1A\1a\x08\1", 13}, true, 1},
        {{"\0\0\0\0\x07\x25wxyz\x08\1", 12}, true, 1},
        {{"\0\0\0\0\x0B\x29"
          "12345678\x08\1",
          16},
         true,
         1},
        {{"", 0}, false, 0},
        {{"\0\0\0\0", 4}, false, 0},
        {{"\1\0\0\0\2\x08\1", 7}, false, 0},   /* compressed */
        {{"\0\0\0\0\3\x08\1", 7}, false, 0},   /* cut */
        {{"\0\0\0\0\1\x08\1", 7}, false, 0},   /* more than said */
        {{"\0\0\0\0\1\x08", 6}, false, 0},     /* no number */
        {{"\0\0\0\0\2\x1A\x7F", 7}, false, 0}, /* longer than all */
        {{"\0\0\0\0\1\x0B", 6}, false, 0},     /* a group */
        {{"\0\xFF\xFF\xFF\xFF\x08\1", 7}, false, 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t status = 77;
        bool good = grpc_health_response(cases[i].frame, &status);

        if (good != cases[i].good || (good && status != cases[i].status))
            fail_msg("case %zu: %d, %llu", i, (int)good, (unsigned long long)status);
    }
}

static void names_are_upstreams(void **state)
{
    assert_string_equal(grpc_health_name(GRPC_SERVING), "SERVING");
    assert_string_equal(grpc_health_name(3), "SERVICE_UNKNOWN");
    assert_string_equal(grpc_health_name(9), "UNKNOWN");
    assert_string_equal(grpc_code_name(GRPC_UNIMPLEMENTED), "Unimplemented");
    assert_string_equal(grpc_code_name(GRPC_DEADLINE_EXCEEDED), "DeadlineExceeded");
    assert_null(grpc_code_name(17));
    assert_null(grpc_code_name(-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_framed),
        cmocka_unit_test(responses_are_read),
        cmocka_unit_test(names_are_upstreams),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
