/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdlib.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/join.h"
#include "agent/network.h"
#include "lib/loop.h"
#include "lib/pki.h"

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

static void count_joined(void *arg, const struct join_identity *identity)
{
    ++*(unsigned *)arg;
    assert_string_equal(identity->server, "https://192.0.2.1:6443");
}

static void no_failure(void *arg, const struct error *err)
{
    fail_msg("%s", error_text(err));
}

/* What a node of this home keeps after it has joined. */
static void store_identity(const char *home, struct clock *clock)
{
    static const char *const organizations[] = {"system:nodes"};
    const struct pki_subject subject = {
        .common_name = "system:node:n1", .organizations = organizations, .organization_count = 1};
    struct pki_pair ca CLEANUP(pki_pair_clear) = {0};
    struct pki_pair own CLEANUP(pki_pair_clear) = {0};
    char *dir CLEANUP_FREE = mem_printf("%s/pki", home);

    assert_int_equal(pki_make_ca("test", clock, 3600, &ca, NULL), 0);
    assert_int_equal(pki_make_leaf(&ca, &subject, PKI_USAGE_CLIENT, clock, 600, &own, NULL), 0);
    assert_int_equal(fs_make_dirs(dir, 0700, NULL), 0);
    for (int i = 0; i < 3; i++) {
        const char *const names[] = {"ca.crt", "client.pem", "server"};
        char *path CLEANUP_FREE = mem_printf("%s/%s", dir, names[i]);
        char *text CLEANUP_FREE = i == 0   ? mem_strdup(ca.certificate)
                                  : i == 1 ? mem_printf("%s%s", own.certificate, own.key)
                                           : mem_strdup("https://192.0.2.1:6443");

        assert_int_equal(fs_write(path, slice_str(text), 0600, NULL), 0);
    }
}

/* An agent that ends waits for its jobs; a join that went on meanwhile started a node server that nobody freed. */
static void a_stopped_join_calls_nobody(void **state)
{
    struct loop *loop = loop_new(clock_system());
    char home[] = "/tmp/knarr-test-XXXXXX";
    struct agent agent = {.loop = loop, .clock = clock_system(), .config = {.node_name = (char[]){"n1"}}};

    assert_non_null(mkdtemp(home));
    agent.config.home = home;
    store_identity(home, agent.clock);
    for (unsigned stopped = 0; stopped < 2; stopped++) {
        struct join *join = NULL;
        unsigned joined = 0;

        assert_int_equal(join_start(&agent, &(struct join_options){0}, count_joined, no_failure, &joined, &join, NULL),
                         0);
        if (stopped)
            join_stop(join);
        loop_turn(loop, false);
        assert_int_equal(joined, !stopped);
        join_free(join);
    }
    assert_int_equal(fs_remove_tree(home, NULL), 0);
    loop_free(loop);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_are_taken_apart), cmocka_unit_test(other_forms_are_refused),
        cmocka_unit_test(a_stopped_join_calls_nobody), cmocka_unit_test(masquerade_leaves_pods_alone)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
