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
                               .content_type = PATCH_MERGE};
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

/* What is stored in a version that nobody is served can still be emptied, by the cluster's own parts. */
static void test_what_is_not_served_is_emptied(void **state)
{
    static const char unserved[] = "[{\"op\":\"replace\",\"path\":\"/spec/versions/0/served\",\"value\":false}]";
    const struct ask let_go = {.method = "PATCH",
                               .path = DEFINITIONS "/gadgets.y.io",
                               .body = "{\"metadata\":{\"finalizers\":null}}",
                               .content_type = PATCH_MERGE};
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 201, "POST", DEFINITIONS, GADGETS, &a);
    harness_expect(&h, 201, "POST", "/apis/y.io/v1/gadgets", GADGET, &a);
    harness_patch(&h, 200, DEFINITIONS "/gadgets.y.io", PATCH_JSON, unserved, &a);
    harness_expect(&h, 404, "GET", "/apis/y.io/v1/gadgets/a", NULL, &a);
    harness_expect(&h, 200, "DELETE", DEFINITIONS "/gadgets.y.io", NULL, &a);
    harness_ask(&h, &let_go, &a);
    assert_int_equal(a.status, 409);
    harness_expect(&h, 200, "GET", "/apis", NULL, &a);
    assert_false(answer_has(&a, "y.io"));
    harness_expect(&h, 200, "DELETE", "/apis/y.io/v1/gadgets/a", NULL, &a);
    harness_ask(&h, &let_go, &a);
    assert_int_equal(a.status, 200);
    harness_expect(&h, 404, "GET", DEFINITIONS "/gadgets.y.io", NULL, &a);
}

/* Of two that are made at once and want the same kind, one gets it. */
static void test_names_are_taken_in_turn(void **state)
{
    static const char *const plurals[] = {"firsts", "seconds"};
    struct answer answers[2] = {0};
    struct answer a CLEANUP_ANSWER = {0};
    size_t established = 0;
    size_t winner = 0;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char *body CLEANUP_FREE = mem_printf(
            "{\"metadata\":{\"name\":\"%s.z.io\"},\"spec\":{\"group\":\"z.io\",\"scope\":\"Cluster\",\"names\":"
            "{\"plural\":\"%s\",\"kind\":\"Same\"},\"versions\":[{\"name\":\"v1\",\"served\":true,"
            "\"storage\":true,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}}]}}",
            plurals[i], plurals[i]);

        harness_begin(&h, &(struct ask){.method = "POST", .path = DEFINITIONS, .body = body}, &answers[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        harness_wait_for(&answers[i], "NamesAccepted");
        established += answer_has(&answers[i], "InitialNamesAccepted");
        if (answer_has(&answers[i], "InitialNamesAccepted"))
            winner = i;
        else
            assert_true(answer_has(&answers[i], "\"reason\":\"ListKindConflict\"")); /* the last one of several */
        answer_clear(&answers[i]);
    }
    assert_int_equal(established, 1);
    /* What was free is its own already; the rest comes with the first write after the other is gone. */
    char *first CLEANUP_FREE = mem_printf(DEFINITIONS "/%s.z.io", plurals[winner]);
    char *second CLEANUP_FREE = mem_printf(DEFINITIONS "/%s.z.io", plurals[!winner]);
    const struct ask touch = {.method = "PATCH", .path = second, .body = "{}", .content_type = PATCH_MERGE};

    harness_expect(&h, 200, "GET", second, NULL, &a);
    assert_answer(&a, "status.acceptedNames.plural", plurals[!winner]);
    assert_answer(&a, "status.acceptedNames.kind", "");
    harness_expect(&h, 200, "DELETE", first, NULL, &a);
    harness_patch(&h, 200, first, PATCH_MERGE, "{\"metadata\":{\"finalizers\":null}}", &a);
    harness_ask(&h, &touch, &a);
    assert_answer(&a, "status.acceptedNames.kind", "Same");
    assert_true(answer_has(&a, "InitialNamesAccepted"));
}

#define READINGS(properties)                                                                                           \
    "{\"metadata\":{\"name\":\"readings.r.io\"},\"spec\":{\"group\":\"r.io\",\"scope\":\"Cluster\",\"names\":{"        \
    "\"plural\":\"readings\","                                                                                         \
    "\"kind\":\"Reading\"},\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"selectableFields\":[{"    \
    "\"jsonPath\":"                                                                                                    \
    "\".spec.a\"}],\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":"           \
    "\"object\",\"properties\":{" properties                                                                           \
    "}}}}}},{\"name\":\"v2\",\"served\":true,\"storage\":false,\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\","  \
    "\"properties\":{\"spec\":{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\"},\"own\":{\"type\":"     \
    "\"string\"}}}}}}}]}}"

static void assert_spec(struct answer *a, const char *path, const char *spec)
{
    harness_expect(&h, 200, "GET", path, NULL, a);
    assert_true(slice_is(scan_get(buf_slice(&a->body), "spec"), spec));
}

/* Objects are read as the definition of today has them, by the version that they are stored in. */
static void test_read_by_the_stored_version(void **state)
{
    static const char path[] = "/apis/r.io/v1/readings/a", other[] = "/apis/r.io/v2/readings/a";
    static const char body[] =
        "{\"apiVersion\":\"r.io/v2\",\"kind\":\"Reading\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"own\":\"x\"}}";
    static const char defaults[] =
        "[{\"op\":\"add\",\"path\":\"/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/a/default\","
        "\"value\":\"late\"}]";
    const struct ask nothing = {.method = "PATCH", .path = path, .body = "{}", .content_type = PATCH_MERGE};
    struct answer a CLEANUP_ANSWER = {0};
    char *before CLEANUP_FREE = NULL;
    char *after CLEANUP_FREE = NULL;

    (void)state;
    harness_expect(&h, 201, "POST", DEFINITIONS, READINGS("\"a\":{\"type\":\"string\"}"), NULL);
    harness_expect(&h, 201, "POST", "/apis/r.io/v2/readings", body, NULL);
    assert_spec(&a, path, "{}");
    assert_spec(&a, other, "{}");
    harness_patch(&h, 200, DEFINITIONS "/readings.r.io", PATCH_JSON, defaults, &a);
    assert_spec(&a, path, "{\"a\":\"late\"}");
    before = answer_get(&a, "metadata.resourceVersion");
    assert_spec(&a, other, "{\"a\":\"late\"}");
    assert_answer(&a, "apiVersion", "r.io/v2");
    harness_expect(&h, 200, "GET", "/apis/r.io/v1/readings?fieldSelector=spec.a%3Dlate", NULL, &a);
    assert_true(answer_has(&a, "\"items\":[{") && answer_has(&a, "\"a\":\"late\""));
    /* A write that says nothing new stores it so, once, and is no new generation. */
    harness_ask(&h, &nothing, &a);
    assert_int_equal(a.status, 200);
    assert_answer(&a, "metadata.generation", "1");
    after = answer_get(&a, "metadata.resourceVersion");
    assert_string_not_equal(before, after);
    harness_ask(&h, &nothing, &a);
    assert_answer(&a, "metadata.resourceVersion", after);
}

/* A write of the status of what users define leaves all of its metadata alone. */
static void test_status_leaves_metadata(void **state)
{
    static const char things[] = "{\"metadata\":{\"name\":\"things.s.io\"},\"spec\":{\"group\":\"s.io\",\"scope\":"
                                 "\"Cluster\",\"names\":{\"plural\":"
                                 "\"things\",\"kind\":\"Thing\"},\"versions\":[{\"name\":\"v1\",\"served\":true,"
                                 "\"storage\":true,\"subresources\":{"
                                 "\"status\":{}},\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{"
                                 "\"status\":{\"type\":\"object\","
                                 "\"properties\":{\"a\":{\"type\":\"string\"}}}}}}}]}}";
    struct answer a CLEANUP_ANSWER = {0};

    (void)state;
    harness_expect(&h, 201, "POST", DEFINITIONS, things, &a);
    harness_expect(
        &h, 201, "POST", "/apis/s.io/v1/things",
        "{\"apiVersion\":\"s.io/v1\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"t\",\"labels\":{\"k\":\"l\"}}}", &a);
    harness_patch(&h, 200, "/apis/s.io/v1/things/t/status", PATCH_MERGE,
                  "{\"metadata\":{\"labels\":{\"x\":\"y\"},\"finalizers\":[\"a.b/c\"]},\"status\":{\"a\":\"b\"}}", &a);
    assert_answer(&a, "status.a", "b");
    assert_answer(&a, "metadata.labels.k", "l");
    assert_null(scan_get(buf_slice(&a.body), "metadata.labels.x").data);
    assert_null(scan_get(buf_slice(&a.body), "metadata.finalizers").data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_went_unseen_is_gone),      cmocka_unit_test(test_no_object_is_left_behind),
        cmocka_unit_test(test_what_is_not_served_is_emptied), cmocka_unit_test(test_names_are_taken_in_turn),
        cmocka_unit_test(test_status_leaves_metadata),        cmocka_unit_test(test_read_by_the_stored_version),
    };

    return harness_run_group(&h, tests, NULL);
}
