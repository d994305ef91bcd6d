/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/join.h"
#include "agent/network.h"

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void tokens_are_taken_apart(void **state)
{
    struct join_token t = {0};

    assert_int_equal(join_token_parse(" " HASH ".abc123.abcdefghij0123456789abcdef\n", &t, NULL), 0);
    assert_string_equal(t.ca_hash, HASH);
    assert_string_equal(t.bearer, "abc123.abcdefghij0123456789abcdef");
    join_token_clear(&t);
}

static void other_forms_are_refused(void **state)
{
    static const char *const cases[] = {
        "",
        HASH,
        HASH ".abc123",
        HASH ".abc12.abcdefghij0123456789",
        HASH ".abc123.short",
        HASH ".abc123.ABCDEFGHIJ0123456789",
        "zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff.abc123.abcdefghij0123456789",
        "0011.abc123.abcdefghij0123456789",
        HASH ".abc123.abcdefghij0123456789.more",
        HASH ".abc123.abcdefghij\r\nX-Evil: 0123456789",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct join_token t = {0};

        if (join_token_parse(cases[i], &t, NULL) == 0)
            fail_msg("\"%s\" was taken", cases[i]);
    }
}

static void masquerade_leaves_pods_alone(void **state)
{
    STR_LIST_LOCAL(all);
    BUF_LOCAL(rules);

    str_list_add(&all, "10.244.0.0/24");
    str_list_add(&all, "10.244.1.0/24");
    network_rules("knarr0", "10.244.0.0/24", &all, &rules);
    assert_non_null(strstr(buf_cstr(&rules), "elements = { 10.244.0.0/24, 10.244.1.0/24 }"));
    assert_non_null(strstr(buf_cstr(&rules), "ip saddr 10.244.0.0/24 ip daddr != @pods"));
    assert_non_null(strstr(buf_cstr(&rules), "delete table ip knarr-knarr0\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_are_taken_apart),
                                       cmocka_unit_test(other_forms_are_refused),
                                       cmocka_unit_test(masquerade_leaves_pods_alone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
