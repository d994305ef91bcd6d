/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of plug-ins through the whole front: limits and quotas of a namespace. */
#include "tests/unit/apiserver/harness.h"

#include "lib/encoding.h"
#include "lib/pki.h"

static struct harness h;

#define NS          "/api/v1/namespaces/default"
#define POD(spec)   "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"" spec "}]}}"
#define RANGE(what) "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[" what "]}}"

static void test_limits_of_a_namespace(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 201, "POST", NS "/limitranges",
                   RANGE("{\"type\":\"Container\",\"default\":{\"cpu\":\"200m\"},\"defaultRequest\":{\"cpu\":\"100m\"},"
                         "\"max\":{\"cpu\":\"1\"}}"),
                   &a);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("arning")) < 0);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD(""), &a);
    assert_true(answer_has(&a, "\"resources\":{\"limits\":{\"cpu\":\"200m\"},\"requests\":{\"cpu\":\"100m\"}}"));
    assert_true(answer_has(&a, "cpu request for container c; cpu limit for container c"));
    assert_answer(&a, "status.qosClass", "Burstable"); /* judged with what was added */
    harness_expect(&h, 403, "POST", NS "/pods?dryRun=All", POD(",\"resources\":{\"limits\":{\"cpu\":\"2\"}}"), &a);
    assert_answer(&a, "message", "pods \"p\" is forbidden: maximum cpu usage per Container is 1, but limit is 2");
    /* What the kind's own rules refuse is told first. */
    harness_expect(&h, 422, "POST", NS "/pods?dryRun=All", POD(",\"resources\":{\"requests\":{\"cpu\":\"2\"}}"), &a);
    harness_expect(&h, 200, "DELETE", NS "/limitranges/l", NULL, NULL);
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD(""), &a);
    assert_answer(&a, "status.qosClass", "BestEffort");
}

/* ---- quotas ---- */

#define QUOTAS NS "/resourcequotas"

static void make_quota(const char *spec)
{
    char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"q\"},\"spec\":%s}", spec);
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 201, "POST", QUOTAS, body, &a);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("arning")) < 0);
}

static void expect_used(const char *used)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", QUOTAS "/q", NULL, &a);
    assert_answer(&a, "status.used", used);
}

/* As the controller asks for it. */
static void count_again(void)
{
    harness_patch(&h, 200, QUOTAS "/q/status", PATCH_MERGE, "{\"status\":null}", NULL);
}

static void make_pod(const char *name, const char *cpu, int status, const char *why)
{
    char *pod CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"nodeName\":\"n\",\"containers\":[{"
                   "\"name\":\"c\",\"image\":\"i\",\"resources\":{\"requests\":{\"cpu\":\"%s\"}}}]}}",
                   name, cpu);
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, status, "POST", NS "/pods", pod, &a);
    if (why) {
        char *message CLEANUP_FREE = mem_printf("pods \"%s\" is forbidden: %s", name, why);

        assert_answer(&a, "message", message);
    }
}

static void clean(void)
{
    harness_expect(&h, 200, "DELETE", NS "/pods?gracePeriodSeconds=0", NULL, NULL);
    harness_expect(&h, 200, "DELETE", QUOTAS, NULL, NULL);
}

static void test_what_is_used_is_kept_with_every_write(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    make_pod("old", "100m", 201, NULL);
    make_quota("{\"hard\":{\"pods\":\"3\",\"requests.cpu\":\"1\",\"count/pods\":\"5\"}}");
    make_pod("a", "1", 403,
             "exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=100m, limited: "
             "requests.cpu=1");
    make_pod("a", "500m", 201, NULL);
    expect_used("{\"count/pods\":\"2\",\"pods\":\"2\",\"requests.cpu\":\"600m\"}");
    harness_expect(&h, 403, "POST", NS "/pods", POD(""), &a);
    assert_answer(&a, "message", "pods \"p\" is forbidden: failed quota: q: must specify requests.cpu for: c");
    harness_expect(&h, 201, "POST", NS "/pods?dryRun=All", POD(",\"resources\":{\"requests\":{\"cpu\":\"1m\"}}"), NULL);
    make_pod("a", "1m", 409, NULL); /* what fails takes nothing */
    expect_used("{\"count/pods\":\"2\",\"pods\":\"2\",\"requests.cpu\":\"600m\"}");
    harness_patch(&h, 200, NS "/pods/a/status", PATCH_MERGE, "{\"status\":{\"phase\":\"Succeeded\"}}", NULL);
    expect_used("{\"count/pods\":\"2\",\"pods\":\"1\",\"requests.cpu\":\"100m\"}");
    harness_expect(&h, 200, "DELETE", NS "/pods/a", NULL, NULL);
    expect_used("{\"count/pods\":\"1\",\"pods\":\"1\",\"requests.cpu\":\"100m\"}");
    /* On its way, and still there: by its node, then by a finalizer. */
    harness_expect(&h, 200, "DELETE", NS "/pods/old", NULL, NULL);
    expect_used("{\"count/pods\":\"1\",\"pods\":\"1\",\"requests.cpu\":\"100m\"}");
    harness_patch(&h, 422, NS "/pods/old", PATCH_MERGE, "{\"metadata\":{\"finalizers\":[\"a.b/c\"]}}", NULL);
    harness_expect(&h, 200, "DELETE", NS "/pods/old?gracePeriodSeconds=0", NULL, NULL);
    expect_used("{\"count/pods\":\"0\",\"pods\":\"0\",\"requests.cpu\":\"0\"}");
    count_again();
    expect_used("{\"count/pods\":\"0\",\"pods\":\"0\",\"requests.cpu\":\"0\"}");
    clean();
}

/* A pod that should be gone does not count; when its node tells at last that it is, nothing is given back twice. */
static void test_a_pod_that_does_not_go(void **state)
{
    struct clock *clock = h.server->clock;
    struct clock_fake fake;

    (void)state;
    clock_fake_init(&fake, clock_wall_ns(clock));
    h.server->clock = &fake.base;
    make_quota("{\"hard\":{\"pods\":\"3\",\"requests.cpu\":\"3\"}}");
    make_pod("a", "1", 201, NULL);
    make_pod("b", "1", 201, NULL);
    make_pod("c", "1", 201, NULL);
    harness_expect(&h, 200, "DELETE", NS "/pods/a?gracePeriodSeconds=1", NULL, NULL);
    harness_expect(&h, 200, "DELETE", NS "/pods/b?gracePeriodSeconds=1", NULL, NULL);
    clock_fake_advance(&fake, 10 * NS_PER_S);
    expect_used("{\"pods\":\"3\",\"requests.cpu\":\"3\"}"); /* nobody has looked yet */
    harness_expect(&h, 200, "DELETE", NS "/pods/a?gracePeriodSeconds=0", NULL, NULL);
    expect_used("{\"pods\":\"1\",\"requests.cpu\":\"1\"}");
    count_again();
    harness_expect(&h, 200, "DELETE", NS "/pods/b?gracePeriodSeconds=0", NULL, NULL);
    expect_used("{\"pods\":\"1\",\"requests.cpu\":\"1\"}");
    h.server->clock = clock;
    clean();
}

static void test_a_finalizer_keeps_the_place(void **state)
{
    (void)state;
    make_quota("{\"hard\":{\"configmaps\":\"2\"}}");
    harness_expect(&h, 201, "POST", NS "/configmaps", "{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"a.b/c\"]}}",
                   NULL);
    expect_used("{\"configmaps\":\"1\"}");
    harness_expect(&h, 200, "DELETE", NS "/configmaps/f", NULL, NULL);
    expect_used("{\"configmaps\":\"1\"}");
    harness_patch(&h, 200, NS "/configmaps/f", PATCH_MERGE, "{\"metadata\":{\"finalizers\":null}}", NULL);
    expect_used("{\"configmaps\":\"0\"}");
    clean();
}

static void test_updates_are_charged_the_difference(void **state)
{
#define PORT(n)      "{\"name\":\"p" #n "\",\"port\":" #n "}"
#define PORTS(ports) "{\"spec\":{\"ports\":[" ports "]}}"
    (void)state;
    make_quota("{\"hard\":{\"services.nodeports\":\"2\"}}");
    harness_expect(&h, 201, "POST", NS "/services",
                   "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[" PORT(80) "]}}", NULL);
    expect_used("{\"services.nodeports\":\"1\"}");
    harness_patch(&h, 403, NS "/services/s", PATCH_MERGE, PORTS(PORT(80) "," PORT(81) "," PORT(82)), NULL);
    harness_patch(&h, 200, NS "/services/s", PATCH_MERGE, PORTS(PORT(80) "," PORT(81)), NULL);
    expect_used("{\"services.nodeports\":\"2\"}");
    harness_patch(&h, 200, NS "/services/s", PATCH_MERGE, PORTS(PORT(81)), NULL);
    expect_used("{\"services.nodeports\":\"1\"}");
    harness_expect(&h, 200, "DELETE", NS "/services/s", NULL, NULL);
    expect_used("{\"services.nodeports\":\"0\"}");
    clean();
}

static void test_other_limits_are_counted_at_once(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    make_quota("{\"hard\":{\"pods\":\"1\"}}");
    make_pod("a", "1", 201, NULL);
    harness_patch(&h, 200, QUOTAS "/q", PATCH_MERGE, "{\"spec\":{\"hard\":{\"pods\":\"2\",\"requests.cpu\":\"3\"}}}",
                  NULL);
    make_pod("b", "3", 403,
             "exceeded quota: q, requested: requests.cpu=3, used: requests.cpu=1, limited: requests.cpu=3");
    count_again();
    harness_expect(&h, 200, "GET", QUOTAS "/q", NULL, &a);
    assert_answer(&a, "status",
                  "{\"hard\":{\"pods\":\"2\",\"requests.cpu\":\"3\"},\"used\":{\"pods\":\"1\","
                  "\"requests.cpu\":\"1\"}}");
    /* What somebody says is used is stored as he says it. */
    harness_patch(&h, 200, QUOTAS "/q/status", PATCH_MERGE,
                  "{\"status\":{\"used\":{\"pods\":\"7\",\"requests.cpu\":\"0\"}}}", NULL);
    expect_used("{\"pods\":\"7\",\"requests.cpu\":\"0\"}");
    clean();
}

static void test_what_limits_nothing_says_so(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(
        &h, 201, "POST", QUOTAS,
        "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"hard\":{\"vendor.com/gpu\":\"1\",\"requests.vendor.com/gpu\":"
        "\"1\",\"count/x.y\":\"1\"}}}",
        &a);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("spec.hard[vendor.com/gpu] is stored, but")) > 0);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("requests.vendor")) < 0);
    harness_expect(&h, 201, "POST", NS "/limitranges?dryRun=All", RANGE("{\"type\":\"a.b/C\",\"max\":{\"cpu\":\"1\"}}"),
                   &a);
    assert_true(slice_find_text(buf_slice(&a.headers), SLICE_LIT("nothing is limited by type")) > 0);
    clean();
}

static void test_quotas_count_quotas(void **state)
{
    (void)state;
    make_quota("{\"hard\":{\"resourcequotas\":\"2\"}}");
    count_again();
    expect_used("{\"resourcequotas\":\"1\"}");
    harness_expect(&h, 201, "POST", QUOTAS, "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"hard\":{\"pods\":\"1\"}}}",
                   NULL);
    expect_used("{\"resourcequotas\":\"2\"}");
    harness_expect(&h, 403, "POST", QUOTAS, "{\"metadata\":{\"name\":\"s\"},\"spec\":{\"hard\":{\"pods\":\"1\"}}}",
                   NULL);
    clean();
}

static void test_many_at_once(void **state)
{
    enum { MANY = 60, ROOM = 20 };
    struct answer answers[MANY] = {{0}};
    int made = 0;

    (void)state;
    make_quota("{\"hard\":{\"pods\":\"20\"}}");
    for (int i = 0; i < MANY; i++) {
        char *pod CLEANUP_FREE =
            mem_printf("{\"metadata\":{\"name\":\"p%d\"},\"spec\":{\"containers\":[{\"name\":\"c\","
                       "\"image\":\"i\"}]}}",
                       i);
        const struct ask ask = {.method = "POST", .path = NS "/pods", .body = pod};

        harness_begin(&h, &ask, &answers[i]);
    }
    /* One of those in line is given up by its client; the others do not notice. */
    answer_clear(&answers[MANY - 1]);
    for (int i = 0; i < MANY - 1; i++) {
        while (!answers[i].over)
            loop_turn(h.server->fronts[0].loop, true);
        made += answers[i].status == 201;
        assert_true(answers[i].status == 201 || answers[i].status == 403);
        answer_clear(&answers[i]);
    }
    assert_int_equal(made, ROOM);
    expect_used("{\"pods\":\"20\"}");
    harness_expect(&h, 200, "DELETE", NS "/pods?gracePeriodSeconds=0", NULL, NULL);
    expect_used("{\"pods\":\"0\"}");
    clean();
}

/* ---- certificates ---- */

#define NOT_PERMITTED(verb)                                                                                            \
    "certificatesigningrequests.certificates.k8s.io \"c\" is forbidden: user not permitted to " verb                   \
    " requests with signerName \"a.b/c\""
#define CSRS "/apis/certificates.k8s.io/v1/certificatesigningrequests"
#define RBAC "/apis/rbac.authorization.k8s.io/v1"

static void ask_for_certificate(const char *signer, const char *group, int status)
{
    const char *const groups[] = {group, NULL};
    const struct pki_subject subject = {.common_name = "eve", .organizations = groups, .organization_count = 1};
    char *pem CLEANUP_FREE = NULL;
    char *key CLEANUP_FREE = NULL;
    char *body CLEANUP_FREE = NULL;
    BUF_LOCAL(encoded);

    assert_int_equal(pki_make_request(&subject, &pem, &key, NULL), 0);
    base64_encode(&encoded, slice_str(pem));
    body = mem_printf("{\"metadata\":{\"name\":\"c\"},\"spec\":{\"signerName\":\"%s\",\"usages\":[\"client auth\"],"
                      "\"request\":\"%s\"}}",
                      signer, buf_cstr(&encoded));
    harness_expect(&h, status, "POST", CSRS, body, NULL);
}

static void eve_writes(const char *sub, const char *status, int expected, const char *message)
{
    char *path CLEANUP_FREE = mem_printf(CSRS "/c/%s", sub);
    const struct ask ask = {
        .method = "PATCH", .path = path, .body = status, .content_type = PATCH_MERGE, .user = "eve", .group = "people"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, expected);
    if (message)
        assert_answer(&a, "message", message);
}

static void test_signers_have_rights_of_their_own(void **state)
{
    static const char approved[] = "{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\"}]}}";
    static const char failed[] = "{\"status\":{\"conditions\":[{\"type\":\"Approved\",\"status\":\"True\"},{\"type\":"
                                 "\"Failed\",\"status\":\"True\"}]}}";

    (void)state;
    ask_for_certificate("kubernetes.io/kube-apiserver-client", "system:masters", 403);
    ask_for_certificate("a.b/c", "people", 201);
    harness_expect(&h, 201, "POST", RBAC "/clusterroles",
                   "{\"metadata\":{\"name\":\"approver\"},\"rules\":[{\"verbs\":[\"patch\",\"update\"],\"apiGroups\":["
                   "\"certificates.k8s.io\"],\"resources\":[\"certificatesigningrequests/approval\","
                   "\"certificatesigningrequests/status\"]}]}",
                   NULL);
    harness_expect(
        &h, 201, "POST", RBAC "/clusterrolebindings",
        "{\"metadata\":{\"name\":\"approver\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":"
        "\"ClusterRole\",\"name\":\"approver\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"eve\"}]}",
        NULL);
    eve_writes("approval", approved, 403, NOT_PERMITTED("approve"));
    eve_writes("status", failed, 403, NOT_PERMITTED("sign"));
    harness_expect(&h, 201, "POST", RBAC "/clusterroles",
                   "{\"metadata\":{\"name\":\"signer\"},\"rules\":[{\"verbs\":[\"approve\"],\"apiGroups\":["
                   "\"certificates.k8s.io\"],\"resources\":[\"signers\"],\"resourceNames\":[\"a.b/*\"]},{\"verbs\":["
                   "\"sign\"],\"apiGroups\":[\"certificates.k8s.io\"],\"resources\":[\"signers\"],\"resourceNames\":["
                   "\"a.b/c\"]}]}",
                   NULL);
    harness_expect(
        &h, 201, "POST", RBAC "/clusterrolebindings",
        "{\"metadata\":{\"name\":\"signer\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":"
        "\"ClusterRole\",\"name\":\"signer\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"eve\"}]}",
        NULL);
    eve_writes("approval", approved, 200, NULL);
    eve_writes("status", failed, 200, NULL);
}

/* ---- storage classes ---- */

#define CLAIMS  NS "/persistentvolumeclaims"
#define CLASSES "/apis/storage.k8s.io/v1/storageclasses"
#define CLAIM(spec)                                                                                                    \
    "{\"metadata\":{\"name\":\"v\"},\"spec\":{\"accessModes\":[\"ReadWriteOnce\"],\"resources\":{\"requests\":{"       \
    "\"storage\":\"1Gi\"}}" spec "}}"

static void test_claims_get_the_default_class(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 201, "POST", CLASSES,
                   "{\"metadata\":{\"name\":\"usual\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":"
                   "\"true\"}},\"provisioner\":\"a.b/c\"}",
                   NULL);
    harness_expect(&h, 201, "POST", CLAIMS "?dryRun=All", CLAIM(",\"storageClassName\":\"\""), &a);
    assert_answer(&a, "spec.storageClassName", "");
    harness_expect(&h, 201, "POST", CLAIMS, CLAIM(""), &a);
    assert_answer(&a, "spec.storageClassName", "usual");
    harness_patch(&h, 200, CLAIMS "/v/status", PATCH_MERGE, "{\"status\":{\"phase\":\"Bound\"}}", NULL);
    harness_patch(&h, 403, CLAIMS "/v", PATCH_MERGE, "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}",
                  NULL);
    harness_patch(&h, 200, CLASSES "/usual", PATCH_MERGE, "{\"allowVolumeExpansion\":true}", NULL);
    harness_patch(&h, 200, CLAIMS "/v", PATCH_MERGE, "{\"spec\":{\"resources\":{\"requests\":{\"storage\":\"2Gi\"}}}}",
                  NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_of_a_namespace),
        cmocka_unit_test(test_what_is_used_is_kept_with_every_write),
        cmocka_unit_test(test_a_pod_that_does_not_go),
        cmocka_unit_test(test_a_finalizer_keeps_the_place),
        cmocka_unit_test(test_updates_are_charged_the_difference),
        cmocka_unit_test(test_other_limits_are_counted_at_once),
        cmocka_unit_test(test_what_limits_nothing_says_so),
        cmocka_unit_test(test_quotas_count_quotas),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_signers_have_rights_of_their_own),
        cmocka_unit_test(test_claims_get_the_default_class),
    };

    return harness_run_group(&h, tests, NULL);
}
