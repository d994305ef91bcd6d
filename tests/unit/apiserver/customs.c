/* SPDX-License-Identifier: Apache-2.0 */
/* The table of definitions: what is served follows what is stored, however much happens before somebody asks. */
#include "tests/unit/apiserver/harness.h"

#include <stdio.h>

#include "apiserver/registry.h"

#define MANY 60 /* twice as many are more than wait to be taken in one by one */

#define PLACE REGISTRY_PREFIX REGISTRY_DEFINITIONS "/"
#define WIDGETS                                                                                                        \
    "{\"metadata\":{\"name\":\"widgets.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Cluster\",\"names\":"          \
    "{\"plural\":\"widgets\",\"singular\":\"widget\",\"kind\":\"Widget\",\"listKind\":\"WidgetList\"},\"versions\":"   \
    "[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]},"    \
    "\"status\":{\"conditions\":[{\"type\":\"Established\",\"status\":\"True\"}]}}"

static struct harness h;

static int start(void **state)
{
    (void)state;
    harness_start(&h);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    harness_stop(&h);
    return 0;
}

static void told(void *arg)
{
    *(bool *)arg = true;
}

static void committed(void *arg, uint64_t revision, size_t failed, const struct error *err)
{
    (void)revision;
    (void)failed;
    assert_null(err);
    loop_post(h.server->fronts[0].loop, told, arg);
}

/* Nobody asks the table meanwhile. */
static void commit(const struct store_operation *operations, size_t count)
{
    bool done = false;

    store_commit(h.store, &(struct store_transaction){NULL, 0, operations, count}, committed, &done);
    while (!done)
        loop_turn(h.server->fronts[0].loop, true);
}

/* Changes of MANY others, and one more. */
static void commit_many(const struct store_operation *last)
{
    struct store_operation operations[MANY + 1];
    char keys[MANY][96];

    for (size_t i = 0; i < MANY; i++) {
        (void)snprintf(keys[i], sizeof(keys[i]), PLACE "other%zu.x.io", i);
        operations[i] = (struct store_operation){STORE_PUT, slice_str(keys[i]), .value = SLICE_LIT("{}")};
    }
    operations[MANY] = *last;
    commit(operations, MANY + 1);
}

static void test_what_went_unseen_is_gone(void **state)
{
    const struct store_operation put = {STORE_PUT, SLICE_LIT(PLACE "widgets.x.io"), .value = SLICE_LIT(WIDGETS)};
    const struct store_operation delete = {.kind = STORE_DELETE, .key = SLICE_LIT(PLACE "widgets.x.io")};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 404, "GET", "/apis/x.io", NULL, &a);
    commit_many(&put);
    answer_clear(&a);
    harness_expect(&h, 200, "GET", "/apis/x.io", NULL, &a);
    commit(&delete, 1);
    commit_many(&put);
    commit_many(&delete);
    answer_clear(&a);
    harness_expect(&h, 404, "GET", "/apis/x.io", NULL, &a);
    commit_many(&put);
    commit_many(&put);
    answer_clear(&a);
    harness_expect(&h, 200, "GET", "/apis/x.io", NULL, &a);
}

#define DEFINITIONS "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
#define GADGETS                                                                                                        \
    "{\"metadata\":{\"name\":\"gadgets.y.io\"},\"spec\":{\"group\":\"y.io\",\"scope\":\"Cluster\",\"names\":"          \
    "{\"plural\":\"gadgets\",\"kind\":\"Gadget\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,"    \
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}"
#define GADGET "{\"apiVersion\":\"y.io/v1\",\"kind\":\"Gadget\",\"metadata\":{\"name\":\"a\"}}"

/* Whoever empties it may not have seen the last object yet. */
static void test_no_object_is_left_behind(void **state)
{
    const struct ask let_go = {.method = "PATCH",
                               .path = DEFINITIONS "/gadgets.y.io",
                               .body = "{\"metadata\":{\"finalizers\":null}}",
                               .content_type = "application/merge-patch+json"};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 201, "POST", DEFINITIONS, GADGETS, &a);
    answer_clear(&a);
    harness_expect(&h, 201, "POST", "/apis/y.io/v1/gadgets", GADGET, &a);
    answer_clear(&a);
    harness_expect(&h, 200, "DELETE", DEFINITIONS "/gadgets.y.io", NULL, &a);
    answer_clear(&a);
    harness_expect(&h, 405, "POST", "/apis/y.io/v1/gadgets", GADGET, &a);
    harness_ask(&h, &let_go, &a);
    assert_int_equal(a.status, 409);
    answer_clear(&a);
    harness_expect(&h, 200, "DELETE", "/apis/y.io/v1/gadgets/a", NULL, &a);
    harness_ask(&h, &let_go, &a);
    assert_int_equal(a.status, 200);
    answer_clear(&a);
    harness_expect(&h, 404, "GET", DEFINITIONS "/gadgets.y.io", NULL, &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_went_unseen_is_gone),
        cmocka_unit_test(test_no_object_is_left_behind),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
