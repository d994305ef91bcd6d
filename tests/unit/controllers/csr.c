/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/controllers/fixture.h"

#include "controllers/csr.h"
#include "lib/encoding.h"
#include "lib/pki.h"

#define CLIENT  "kubernetes.io/kube-apiserver-client-kubelet"
#define USER    "kubernetes.io/kube-apiserver-client"
#define SERVING "kubernetes.io/kubelet-serving"

/* A CSR object around a real request. */
struct asked {
    const char *common_name;
    const char *organization;
    const char *dns;
    const char *ip;
    const char *signer;
    const char *user;
    const char *groups; /* JSON */
    const char *usages; /* JSON */
    const char *status; /* JSON */
};

static struct view *csr_of(const struct asked *asked)
{
    struct pki_subject subject = {
        .common_name = asked->common_name,
        .organizations = &asked->organization,
        .organization_count = asked->organization ? 1 : 0,
        .dns_names = &asked->dns,
        .dns_name_count = asked->dns ? 1 : 0,
        .ip_addresses = &asked->ip,
        .ip_address_count = asked->ip ? 1 : 0,
    };
    char *request CLEANUP_FREE = NULL;
    char *key CLEANUP_FREE = NULL;
    BUF_LOCAL(text);

    assert_int_equal(pki_make_request(&subject, &request, &key, NULL), 0);
    base64_encode(&text, slice_str(request));
    return view_of_f(
        &view_csrs,
        "{\"metadata\":{\"name\":\"c\"},\"spec\":{\"request\":\"%s\",\"signerName\":\"%s\",\"username\":\"%s\","
        "\"groups\":%s,\"usages\":%s},\"status\":%s}",
        buf_cstr(&text), asked->signer, asked->user, asked->groups, asked->usages,
        asked->status ? asked->status : "{}");
}

#define BOOTSTRAP  "[\"system:bootstrappers\",\"system:authenticated\"]"
#define NODES      "[\"system:nodes\",\"system:authenticated\"]"
#define FOR_CLIENT "[\"digital signature\",\"client auth\"]"
#define FOR_SERVER "[\"digital signature\",\"key encipherment\",\"server auth\"]"
#define NODE       "system:node:n1"
#define APPROVED   "{\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\"}]}"

static void test_verdicts(void **state)
{
    static const struct {
        struct asked asked;
        enum csr_verdict verdict;
    } rows[] = {
        /* A node's first certificate, and its next one. */
        {{NODE, "system:nodes", NULL, NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP, FOR_CLIENT, NULL}, CSR_APPROVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, NODE, NODES, FOR_CLIENT, NULL}, CSR_APPROVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, NODE, NODES, FOR_CLIENT, APPROVED}, CSR_SIGN},
        /* A node asking for another's; a stranger asking. */
        {{"system:node:n2", "system:nodes", NULL, NULL, CLIENT, NODE, NODES, FOR_CLIENT, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, "alice", "[\"system:authenticated\"]", FOR_CLIENT, NULL},
         CSR_LEAVE},
        /* Not what a node's certificate looks like. */
        {{"admin", "system:masters", NULL, NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP, FOR_CLIENT, NULL},
         CSR_LEAVE},
        {{NODE, "system:masters", NULL, NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP, FOR_CLIENT, NULL}, CSR_LEAVE},
        {{NODE, NULL, NULL, NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP, FOR_CLIENT, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", "n1", NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP, FOR_CLIENT, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP, FOR_SERVER, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, "system:bootstrap:abc", BOOTSTRAP,
          "[\"digital signature\",\"client auth\",\"cert sign\"]", NULL},
         CSR_LEAVE},
        /* The same approved by hand is still not signed. */
        {{"admin", "system:masters", NULL, NULL, CLIENT, "admin", BOOTSTRAP, FOR_CLIENT, APPROVED}, CSR_FAIL},
        /* Serving: names and addresses of the Node only. */
        {{NODE, "system:nodes", "n1", "10.0.0.1", SERVING, NODE, NODES, FOR_SERVER, NULL}, CSR_APPROVE},
        {{NODE, "system:nodes", "n1.example", NULL, SERVING, NODE, NODES, FOR_SERVER, NULL}, CSR_APPROVE},
        {{NODE, "system:nodes", "kubernetes", NULL, SERVING, NODE, NODES, FOR_SERVER, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, "10.0.0.2", SERVING, NODE, NODES, FOR_SERVER, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, SERVING, NODE, NODES, FOR_SERVER, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", "n1", NULL, SERVING, "system:bootstrap:abc", BOOTSTRAP, FOR_SERVER, NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", "n1", NULL, SERVING, NODE, NODES, FOR_SERVER, APPROVED}, CSR_SIGN},
        /* People: only what a person approved, and never an administrator. */
        {{"joe", "devs", NULL, NULL, USER, "joe", "[\"system:authenticated\"]", "[\"client auth\"]", NULL}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, USER, NODE, NODES, FOR_CLIENT, NULL}, CSR_LEAVE},
        {{"joe", "devs", NULL, NULL, USER, "joe", "[\"system:authenticated\"]", "[\"client auth\"]", APPROVED},
         CSR_SIGN},
        {{"joe", NULL, "joe.example", NULL, USER, "joe", "[]", FOR_CLIENT, APPROVED}, CSR_SIGN},
        {{"joe", "devs", NULL, NULL, USER, "joe", "[]", FOR_SERVER, APPROVED}, CSR_FAIL},
        {{"joe", "devs", NULL, NULL, USER, "joe", "[]", "[\"digital signature\"]", APPROVED}, CSR_FAIL},
        {{"joe", "system:masters", NULL, NULL, USER, "joe", "[]", FOR_CLIENT, APPROVED}, CSR_FAIL},
        /* Not ours, or finished. */
        {{NODE, "system:nodes", NULL, NULL, "example.com/x", NODE, NODES, FOR_CLIENT, APPROVED}, CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, NODE, NODES, FOR_CLIENT,
          "{\"conditions\":[{\"type\":\"Denied\",\"status\":\"True\"},{\"type\":\"Approved\",\"status\":\"True\"}]}"},
         CSR_LEAVE},
        {{NODE, "system:nodes", NULL, NULL, CLIENT, NODE, NODES, FOR_CLIENT,
          "{\"certificate\":\"QUJD\",\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\"}]}"},
         CSR_LEAVE},
    };
    struct view *node = view_of(&view_nodes,
                                "{\"metadata\":{\"name\":\"n1\"},\"status\":{\"addresses\":[{\"type\":\"InternalIP\","
                                "\"address\":\"10.0.0.1\"},{\"type\":\"Hostname\",\"address\":\"n1.example\"}]}}");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *csr = csr_of(&rows[i].asked);
        const char *text = NULL;
        enum csr_verdict verdict = csr_judge(csr, node, &text);

        if (verdict != rows[i].verdict)
            fail_msg("row %zu: %d, not %d", i, (int)verdict, (int)rows[i].verdict);
        if (verdict == CSR_APPROVE || verdict == CSR_FAIL)
            assert_non_null(text);
        free(csr);
    }
    free(node);
}

static void test_serving_waits_for_its_node(void **state)
{
    const struct asked asked = {NODE, "system:nodes", "n1", NULL, SERVING, NODE, NODES, FOR_SERVER, NULL};
    struct view *csr = csr_of(&asked);
    const char *text;

    (void)state;
    assert_int_equal(csr_judge(csr, NULL, &text), CSR_LEAVE);
    assert_slice_equal(csr_node_name(csr), "n1");
    free(csr);
}

static void test_garbage_is_left_or_failed(void **state)
{
    static const char *const requests[] = {"", "!!", "QUJD"};
    const char *text;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
        struct view *left =
            view_of_f(&view_csrs, "{\"spec\":{\"request\":\"%s\",\"signerName\":\"" CLIENT "\"}}", requests[i]);
        struct view *failed = view_of_f(
            &view_csrs, "{\"spec\":{\"request\":\"%s\",\"signerName\":\"" CLIENT "\"},\"status\":" APPROVED "}",
            requests[i]);

        assert_int_equal(csr_judge(left, NULL, &text), CSR_LEAVE);
        assert_int_equal(csr_judge(failed, NULL, &text), CSR_FAIL);
        free(left);
        free(failed);
    }
}

static void test_validity_is_bounded(void **state)
{
    static const struct {
        const char *asked;
        int64_t seconds;
    } rows[] = {{"{}", 31536000},
                {"{\"expirationSeconds\":86400}", 86400},
                {"{\"expirationSeconds\":1}", 600},
                {"{\"expirationSeconds\":2000000000}", 31536000}};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct view *csr = view_of_f(&view_csrs, "{\"spec\":%s}", rows[i].asked);

        assert_int_equal(csr_seconds(csr, 365LL * 24 * 3600), rows[i].seconds);
        free(csr);
    }
}

/* Requests go when nobody needs them any more. */
static void test_old_requests_go(void **state)
{
    static const struct {
        const char *status;
        int64_t age_s, left_s;
    } rows[] = {
        {"{}", 10, 24 * 3600 - 9},
        {"{}", 24 * 3600, 0},
        {"{\"conditions\":[{\"type\":\"Denied\",\"lastUpdateTime\":\"%s\"}]}", 3000, 601},
        {"{\"conditions\":[{\"type\":\"Denied\",\"lastUpdateTime\":\"%s\"}]}", 3600, 0},
        {"{\"conditions\":[{\"type\":\"Failed\",\"lastUpdateTime\":\"%s\"}]}", 3600, 0},
        {"{\"conditions\":[{\"type\":\"Approved\",\"lastUpdateTime\":\"%s\"}]}", 3600, 23 * 3600 + 1},
        {"{\"certificate\":\"eA==\",\"conditions\":[{\"type\":\"Approved\",\"lastUpdateTime\":\"%s\"}]}", 3500, 101},
        {"{\"certificate\":\"eA==\",\"conditions\":[{\"type\":\"Approved\",\"lastUpdateTime\":\"%s\"}]}", 3600, 0},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *then = ago(rows[i].age_s);
        const char *mark = strstr(rows[i].status, "%s");
        char *status CLEANUP_FREE =
            mark ? mem_printf("%.*s%s%s", (int)(mark - rows[i].status), rows[i].status, then, mark + 2)
                 : mem_strdup(rows[i].status);
        struct view *csr = view_of_f(
            &view_csrs, "{\"metadata\":{\"name\":\"c\",\"creationTimestamp\":\"%s\"},\"status\":%s}", then, status);

        assert_int_equal(csr_left_s(csr, NOW), rows[i].left_s);
        free(csr);
    }
}

/* A certificate that has ended is of no use, however young its request. */
static void test_requests_go_with_their_certificate(void **state)
{
    static const struct pki_subject subject = {.common_name = "x"};
    struct clock_fake clock;
    struct pki_pair ca = {0};
    struct pki_pair leaf = {0};
    struct view *csr;
    BUF_LOCAL(text);

    (void)state;
    clock_fake_init(&clock, NOW);
    assert_int_equal(pki_make_ca("ca", &clock.base, 1000, &ca, NULL), 0);
    assert_int_equal(pki_make_leaf(&ca, &subject, PKI_USAGE_CLIENT, &clock.base, 50, &leaf, NULL), 0);
    base64_encode(&text, slice_str(leaf.certificate));
    csr = view_of_f(&view_csrs,
                    "{\"metadata\":{\"name\":\"c\"},\"status\":{\"certificate\":\"%s\",\"conditions\":[{\"type\":"
                    "\"Approved\",\"lastUpdateTime\":\"%s\"}]}}",
                    buf_cstr(&text), ago(0));
    assert_int_equal(csr_left_s(csr, NOW), 51);
    assert_int_equal(csr_left_s(csr, NOW + 50 * NS_PER_S), 0);
    free(csr);
    pki_pair_clear(&ca);
    pki_pair_clear(&leaf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_serving_waits_for_its_node),
        cmocka_unit_test(test_garbage_is_left_or_failed),
        cmocka_unit_test(test_validity_is_bounded),
        cmocka_unit_test(test_old_requests_go),
        cmocka_unit_test(test_requests_go_with_their_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
