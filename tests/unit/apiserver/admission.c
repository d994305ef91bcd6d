/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of plug-ins through the whole front: limits of a namespace. */
#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define NS          "/api/v1/namespaces/default"
#define POD(spec)   "{\"metadata\":{\"name\":\"p\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"" spec "}]}}"
#define RANGE(what) "{\"metadata\":{\"name\":\"l\"},\"spec\":{\"limits\":[" what "]}}"

static int start(void **state)
{
    harness_start(&h);
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits_of_a_namespace),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
