/* SPDX-License-Identifier: Apache-2.0 */
/* Containers added to a pod that runs, through pods/ephemeralcontainers: by PUT, by patches and by an apply. */
#include "tests/unit/apiserver/harness.h"

#include <time.h>

static struct harness h;

#define PODS "/api/v1/namespaces/default/pods"
#define SUB  PODS "/p/ephemeralcontainers"

static void make_pod(void)
{
    harness_expect(&h, 201, "POST", PODS,
                   "{\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"b\"}},\"spec\":{\"nodeName\":\"n\","
                   "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                   NULL);
}

static void drop_pod(void)
{
    harness_expect(&h, 200, "DELETE", PODS "/p?gracePeriodSeconds=0", NULL, NULL);
}

/* The bytes that kubectl debug sends, and what comes of them. */
static void test_a_container_is_added(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    struct answer c CLEANUP_ANSWER = {0};

    make_pod();
    harness_patch(&h, 200, SUB, PATCH_STRATEGIC,
                  "{\"spec\":{\"ephemeralContainers\":[{\"command\":[\"true\"],\"image\":\"busybox\",\"name\":\"d1\","
                  "\"resources\":{},\"terminationMessagePolicy\":\"File\"}]}}",
                  &a);
    assert_answer(&a, "kind", "Pod");
    assert_answer(&a, "metadata.generation", "2");
    assert_true(answer_has(&a, "\"imagePullPolicy\":\"Always\"") &&
                answer_has(&a, "\"terminationMessagePath\":\"/dev/termination-log\""));
    assert_false(answer_has(&a, "not act on it"));
    harness_patch(
        &h, 200, SUB, PATCH_STRATEGIC,
        "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d2\",\"image\":\"i\",\"targetContainerName\":\"c\"}]}}", &b);
    assert_answer(&b, "metadata.generation", "3");
    harness_expect(&h, 200, "GET", SUB, NULL, &c);
    assert_answer(&c, "kind", "Pod");
    assert_true(answer_has(&c, "\"name\":\"d1\"") && answer_has(&c, "\"targetContainerName\":\"c\""));
    drop_pod();
}

static void test_it_is_discovered(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", "/api/v1", NULL, &a);
    assert_true(answer_has(&a,
                           "{\"name\":\"pods/ephemeralcontainers\",\"singularName\":\"\",\"namespaced\":true,\"kind\":"
                           "\"Pod\",\"verbs\":[\"get\",\"patch\",\"update\"]}"));
    harness_expect(&h, 200, "GET", "/openapi/v3/api/v1", NULL, &b);
    assert_true(answer_has(&b, "\"/api/v1/namespaces/{namespace}/pods/{name}/ephemeralcontainers\":{\"get\":{"));
}

/* A node reads what they refer to, as for all that it runs. */
static void test_a_node_reads_for_them(void **state)
{
    const struct ask ask = {.method = "GET",
                            .path = "/api/v1/namespaces/default/secrets/s",
                            .user = "system:node:n",
                            .group = "system:nodes"};
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    make_pod();
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/default/secrets", "{\"metadata\":{\"name\":\"s\"}}", NULL);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 403);
    harness_patch(
        &h, 200, SUB, PATCH_STRATEGIC,
        "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\",\"envFrom\":[{\"secretRef\":{\"name\":"
        "\"s\"}}]"
        "}]}}",
        &b);
    answer_clear(&a);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    drop_pod();
}

/* Nothing else goes that way, and they go no other way. */
static void test_only_they_change(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    make_pod();
    harness_expect(
        &h, 200, "PUT", SUB,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"a\":\"changed\"}},"
        "\"spec\":{\"restartPolicy\":\"Never\",\"containers\":[{\"name\":\"c\",\"image\":\"other\"}],"
        "\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"x\"}]},\"status\":{\"phase\":\"Failed\"}}",
        &a);
    assert_answer(&a, "metadata.labels.a", "b");
    assert_answer(&a, "spec.restartPolicy", "Always");
    assert_answer(&a, "spec.nodeName", "n");
    assert_answer(&a, "status.phase", "Pending");
    assert_true(answer_has(&a, "\"name\":\"d\"") && !answer_has(&a, "\"other\""));
    harness_patch(&h, 422, PODS "/p", PATCH_STRATEGIC,
                  "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"e\",\"image\":\"x\"}]}}", &b);
    assert_true(answer_has(&b, "pod updates may not change fields other than"));
    harness_expect(&h, 404, "GET", PODS "/none/ephemeralcontainers", NULL, NULL);
    harness_expect(&h, 405, "POST", SUB, "{}", NULL);
    harness_expect(&h, 405, "DELETE", SUB, NULL, NULL);
    drop_pod();
}

static void test_what_was_added_stays(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    struct answer c CLEANUP_ANSWER = {0};

    make_pod();
    harness_patch(&h, 200, SUB, PATCH_STRATEGIC,
                  "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\"}]}}", &a);
    harness_patch(&h, 422, SUB, PATCH_MERGE, "{\"spec\":{\"ephemeralContainers\":null}}", &b);
    assert_answer(
        &b, "message",
        "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"d\" may not "
        "be removed\n");
    harness_patch(&h, 422, SUB, PATCH_STRATEGIC,
                  "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"j\"}]}}", &c);
    assert_true(answer_has(&c, "existing ephemeral containers \\\"d\\\" may not be changed"));
    drop_pod();
}

/* An apply owns the containers and nothing else, whatever else its configuration has. */
static void test_apply(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    make_pod();
    harness_patch(
        &h, 200, SUB "?fieldManager=me", PATCH_APPLY,
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p\",\"labels\":{\"mine\":\"x\"}},\"spec\":{"
        "\"activeDeadlineSeconds\":5,\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\"}]}}",
        &a);
    assert_answer(&a, "metadata.generation", "2");
    assert_false(answer_has(&a, "activeDeadlineSeconds") || answer_has(&a, "mine"));
    assert_true(
        answer_has(&a, "\"manager\":\"me\",\"operation\":\"Apply\"") &&
        answer_has(&a, "\"subresource\":\"ephemeralcontainers\"") &&
        answer_has(&a, "\"fieldsV1\":{\"f:spec\":{\"f:ephemeralContainers\":{\"k:{\\\"name\\\":\\\"d\\\"}\":{"));
    harness_patch(&h, 404, PODS "/none/ephemeralcontainers?fieldManager=me", PATCH_APPLY,
                  "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"none\"}}", &b);
    drop_pod();
}

/* Rights on pods are none on what is added to them. */
static void test_rights(void **state)
{
    const struct ask ask = {.method = "PATCH",
                            .path = SUB,
                            .body = "{\"spec\":{\"ephemeralContainers\":[{\"name\":\"d\",\"image\":\"i\"}]}}",
                            .content_type = PATCH_STRATEGIC,
                            .user = "eve",
                            .group = "dev"};
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};

    make_pod();
    harness_expect(
        &h, 201, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
        "{\"metadata\":{\"name\":\"r\"},\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"pods\"],\"verbs\":["
        "\"*\"]}]}",
        NULL);
    harness_expect(&h, 201, "POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings",
                   "{\"metadata\":{\"name\":\"r\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":"
                   "\"Role\",\"name\":\"r\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"eve\"}]}",
                   NULL);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 403);
    assert_true(answer_has(&a, "cannot patch resource \\\"pods/ephemeralcontainers\\\""));
    harness_patch(
        &h, 200, "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r", PATCH_MERGE,
        "{\"rules\":[{\"apiGroups\":[\"\"],\"resources\":[\"pods/ephemeralcontainers\"],\"verbs\":[\"patch\"]}]}", &b);
    answer_clear(&a);
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 200);
    drop_pod();
}

#define MANY 8000

/* The pod with that many of them, first or last name first. */
static void write_many(struct buf *out, bool backwards)
{
    buf_append_str(out, "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\","
                        "\"image\":\"i\"}],\"ephemeralContainers\":[");
    for (int i = 0; i < MANY; i++)
        buf_printf(out, "%s{\"name\":\"e%d\",\"image\":\"i\"}", i ? "," : "", backwards ? MANY - 1 - i : i);
    buf_append_str(out, "]}}");
}

/* The server's loop is everybody's: what one pod says costs what it has, not its square. */
static void test_many_cost_no_square(void **state)
{
    clock_t begin;
    clock_t first;
    BUF_LOCAL(there);
    BUF_LOCAL(back);

    make_pod();
    write_many(&there, false);
    write_many(&back, true);
    begin = clock();
    harness_expect(&h, 200, "PUT", SUB, buf_cstr(&there), NULL);
    first = clock() - begin;
    begin = clock();
    harness_expect(&h, 200, "PUT", SUB, buf_cstr(&back), NULL);
    assert_true(clock() - begin < 5 * first);
    drop_pod();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_cost_no_square),
        cmocka_unit_test(test_a_container_is_added),
        cmocka_unit_test(test_only_they_change),
        cmocka_unit_test(test_what_was_added_stays),
        cmocka_unit_test(test_apply),
        cmocka_unit_test(test_rights),
        cmocka_unit_test(test_it_is_discovered),
        cmocka_unit_test(test_a_node_reads_for_them),
    };

    return harness_run_group(&h, tests, NULL);
}
