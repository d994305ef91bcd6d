/* SPDX-License-Identifier: Apache-2.0 */
/* The whole table of controllers on one loop, the API played by the test. */
#include "tests/unit/client/fake_transport.h"

#include <stdio.h>

#include "api/scan.h"
#include "controllers/runner.h"

#define FAKES 24

struct world {
    struct loop *loop;
    struct fake_transport fakes[FAKES];
    char names[FAKES][48];
    size_t fake_count;
    struct controllers *controllers;
    size_t answered; /* calls of the informers' transport */
};

static struct client *client_for(void *arg, const char *name)
{
    struct world *w = arg;
    struct fake_transport *fake = &w->fakes[w->fake_count];

    (void)snprintf(w->names[w->fake_count++], sizeof(w->names[0]), "%s", name ? name : "shared-informers");
    fake_transport_init(fake);
    return client_new(w->loop, &fake->base);
}

static struct fake_transport *world_fake(struct world *w, const char *name)
{
    for (size_t i = 0; i < w->fake_count; i++)
        if (!strcmp(w->names[i], name))
            return &w->fakes[i];
    fail_msg("no client %s", name);
    return NULL;
}

static void turns(struct world *w)
{
    for (int i = 0; i < 10; i++)
        loop_turn(w->loop, false);
}

static void world_start(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->loop = loop_new(clock_system());
    w->controllers = controllers_start(
        &(struct controllers_options){.loop = w->loop, .client_for = client_for, .arg = w, .root_ca = SLICE_LIT("CA")});
}

static void world_end(struct world *w)
{
    controllers_free(w->controllers);
    loop_free(w->loop);
    for (size_t i = 0; i < w->fake_count; i++)
        fake_transport_clear(&w->fakes[i]);
}

/* The newest list that is still open, empty: only so many go at a time. */
static bool world_list_newest(struct fake_transport *fake)
{
    for (size_t i = fake->count; i > 0; i--)
        if (fake->calls[i - 1].open && !strstr(fake->calls[i - 1].query, "watch=true")) {
            fake_answer(&fake->calls[i - 1], 200, "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[]}");
            return true;
        }
    return false;
}

/* Answers one resource's list. */
static void world_list(struct world *w, const char *plural, const char *items)
{
    struct fake_transport *fake = world_fake(w, "shared-informers");

    for (size_t i = 0; i < fake->count; i++) {
        struct fake_call *call = &fake->calls[i];
        const char *last = strrchr(call->path, '/');
        char *body;

        if (!call->open || strcmp(last + 1, plural) != 0 || strstr(call->query, "watch=true"))
            continue;
        body = mem_printf("{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[%s]}", items);
        fake_answer(call, 200, body);
        free(body);
        return;
    }
    if (!world_list_newest(fake))
        fail_msg("nobody lists %s", plural);
    world_list(w, plural, items);
}

/* All lists that are still open, empty. */
static void world_list_rest(struct world *w)
{
    struct fake_transport *fake = world_fake(w, "shared-informers");

    for (size_t i = 0; i < fake->count; i++)
        if (fake->calls[i].open && !strstr(fake->calls[i].query, "watch=true"))
            fake_answer(&fake->calls[i], 200, "{\"metadata\":{\"resourceVersion\":\"100\"},\"items\":[]}");
}

/* Sends an event on that resource's watch. */
static void world_event(struct world *w, const char *plural, const char *type, const char *object)
{
    struct fake_transport *fake = world_fake(w, "shared-informers");

    for (size_t i = 0; i < fake->count; i++) {
        struct fake_call *call = &fake->calls[i];
        char *line;

        if (!call->open || strcmp(strrchr(call->path, '/') + 1, plural) != 0 || !strstr(call->query, "watch=true"))
            continue;
        fake_head(call, 200);
        line = mem_printf("{\"type\":\"%s\",\"object\":%s}\n", type, object);
        fake_data(call, line);
        free(line);
        return;
    }
    fail_msg("nobody watches %s", plural);
}

/* The next open call of that controller which is no event. */
static struct fake_call *world_call(struct world *w, const char *name)
{
    struct fake_transport *fake = world_fake(w, name);

    turns(w);
    for (size_t i = 0; i < fake->count; i++)
        if (fake->calls[i].open && !strstr(fake->calls[i].path, "/events"))
            return &fake->calls[i];
    return NULL;
}

#define SET(replicas)                                                                                                  \
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"rs-1\",\"generation\":1,\"resourceVersion\":"       \
    "\"50\"},"                                                                                                         \
    "\"spec\":{\"replicas\":" replicas                                                                                 \
    ",\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{\"metadata\":{"                                   \
    "\"labels\":{\"app\":\"web\"}},\"spec\":{}}},\"status\":{\"replicas\":0,\"observedGeneration\":1}}"
#define POD(name, rv)                                                                                                  \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"a\",\"uid\":\"" name "\",\"resourceVersion\":\"" rv "\","    \
    "\"labels\":{\"app\":\"web\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":"  \
    "\"web\",\"uid\":\"rs-1\",\"controller\":true}]}}"

static void test_one_informer_per_kind_and_nothing_before_all_are_read(void **state)
{
    struct world w;
    struct fake_transport *informers;

    (void)state;
    world_start(&w);
    informers = world_fake(&w, "shared-informers");
    for (size_t i = 0; i < informers->count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(informers->calls[i].path, informers->calls[k].path);
    world_list(&w, "replicasets", SET("1"));
    assert_null(world_call(&w, "replicaset-controller"));
    world_list(&w, "pods", "");
    /* A replica set needs sets and pods only; the collector needs everything. */
    assert_non_null(world_call(&w, "replicaset-controller"));
    world_end(&w);
}

static void test_a_key_waits_until_its_own_writes_are_seen(void **state)
{
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    world_list(&w, "replicasets", SET("1"));
    world_list(&w, "pods", "");
    call = world_call(&w, "replicaset-controller");
    assert_string_equal(call->method, "POST");
    assert_string_equal(call->path, "/api/v1/namespaces/a/pods");
    fake_answer(call, 201, POD("web-1", "105"));
    /* Woken before the pod is seen: it must not make a second one. */
    world_event(&w, "replicasets", "MODIFIED",
                "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"rs-1\","
                "\"generation\":2,\"resourceVersion\":\"106\"},\"spec\":{\"replicas\":1,"
                "\"selector\":{\"matchLabels\":{\"app\":\"web\"}},\"template\":{"
                "\"metadata\":{\"labels\":{\"app\":\"web\"}},\"spec\":{}}}}");
    assert_null(world_call(&w, "replicaset-controller"));
    world_event(&w, "pods", "ADDED", POD("web-1", "105"));
    call = world_call(&w, "replicaset-controller");
    assert_non_null(call);
    assert_string_equal(call->method, "PATCH");
    assert_string_equal(call->path, "/apis/apps/v1/namespaces/a/replicasets/web/status");
    world_end(&w);
}

/* Changes of pods are not looked at before all is listed: whichever comes first, the Service's pods are found then. */
static void test_pods_behind_a_service_are_found_at_the_start(void **state)
{
    static const char service[] = "{\"metadata\":{\"name\":\"s\",\"namespace\":\"a\",\"uid\":\"s\",\"resourceVersion\":"
                                  "\"50\"},\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}]}}";
    static const char pod[] =
        "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"p\",\"resourceVersion\":\"51\","
        "\"labels\":{\"app\":\"web\"}},\"status\":{\"podIP\":\"10.0.0.1\"}}";
    static const char *const lists[2][4] = {{"services", "pods", "endpoints", "endpointslices"},
                                            {"pods", "services", "endpointslices", "endpoints"}};

    (void)state;
    for (size_t first = 0; first < 2; first++) {
        struct world w;
        struct fake_call *call;

        world_start(&w);
        for (size_t i = 0; i < 4; i++) {
            const char *plural = lists[first][i];

            world_list(&w, plural, strcmp(plural, "services") == 0 ? service : strcmp(plural, "pods") == 0 ? pod : "");
        }
        call = world_call(&w, "endpoint-controller");
        assert_string_equal(call->method, "POST");
        assert_string_equal(call->path, "/api/v1/namespaces/a/endpoints");
        assert_non_null(strstr(call->body, "10.0.0.1"));
        call = world_call(&w, "endpointslice-controller");
        assert_string_equal(call->path, "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices");
        assert_non_null(strstr(call->body, "10.0.0.1"));
        assert_null(world_call(&w, "endpointslicemirroring-controller"));
        world_end(&w);
    }
}

static void test_events_name_what_was_made(void **state)
{
    struct world w;
    struct fake_transport *fake;
    struct slice body;

    (void)state;
    world_start(&w);
    world_list(&w, "replicasets", SET("1"));
    world_list(&w, "pods", "");
    fake_answer(world_call(&w, "replicaset-controller"), 201, POD("web-x7", "105"));
    fake = world_fake(&w, "replicaset-controller");
    assert_string_equal(fake_last(fake)->path, "/api/v1/namespaces/a/events");
    body = slice_str(fake_last(fake)->body);
    assert_true(scan_text_is(scan_get(body, "message"), "Created pod: web-x7"));
    assert_true(scan_text_is(scan_get(body, "involvedObject.name"), "web"));
    assert_true(scan_text_is(scan_get(body, "source.component"), "replicaset-controller"));
    world_end(&w);
}

static void test_a_refused_batch_stops_the_next_and_comes_back(void **state)
{
    struct world w;
    struct fake_transport *fake;
    size_t posts = 0;

    (void)state;
    world_start(&w);
    world_list(&w, "replicasets", SET("3"));
    world_list(&w, "pods", "");
    fake_answer(world_call(&w, "replicaset-controller"), 403,
                "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":"
                "\"no room\"}");
    fake = world_fake(&w, "replicaset-controller");
    for (size_t i = 0; i < fake->count; i++)
        posts += !strcmp(fake->calls[i].path, "/api/v1/namespaces/a/pods");
    assert_int_equal(posts, 1);
    while (posts < 2) {
        loop_turn(w.loop, true);
        for (size_t i = posts = 0; i < fake->count; i++)
            posts += !strcmp(fake->calls[i].path, "/api/v1/namespaces/a/pods");
    }
    world_end(&w);
}

static void test_dependents_of_a_deleted_owner_go(void **state)
{
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    world_list(&w, "replicasets", SET("1"));
    world_list(&w, "pods", POD("web-1", "60"));
    world_list_rest(&w);
    assert_null(world_call(&w, "generic-garbage-collector"));
    world_event(&w, "replicasets", "DELETED", SET("1"));
    call = world_call(&w, "generic-garbage-collector");
    assert_non_null(call);
    assert_string_equal(call->method, "GET");
    assert_string_equal(call->path, "/apis/apps/v1/namespaces/a/replicasets/web");
    fake_answer(call, 404, "{\"kind\":\"Status\",\"reason\":\"NotFound\"}");
    call = world_call(&w, "generic-garbage-collector");
    assert_string_equal(call->method, "DELETE");
    assert_string_equal(call->path, "/api/v1/namespaces/a/pods/web-1");
    assert_true(scan_text_is(scan_get(slice_str(call->body), "preconditions.uid"), "web-1"));
    world_end(&w);
}

/* It waited for a pod, which another owner keeps. */
static void test_an_owner_goes_when_a_dependent_names_it_no_longer(void **state)
{
#define KEPT(owners, rv)                                                                                               \
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"p\",\"resourceVersion\":\"" rv                        \
    "\",\"ownerReferences\":[" owners "]}}"
#define OWNER_REF(name, more)                                                                                          \
    "{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"" name "\",\"uid\":\"" name "\"" more "}"
#define OWNER(name, more)                                                                                              \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"a\",\"uid\":\"" name "\",\"resourceVersion\":\"9\"" more "}" \
    "}"
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    world_list(
        &w, "replicasets",
        OWNER(
            "one",
            ",\"deletionTimestamp\":\"2026-01-02T03:04:05Z\",\"finalizers\":[\"foregroundDeletion\"]") "," OWNER("two",
                                                                                                                 ""));
    world_list(&w, "pods", KEPT(OWNER_REF("one", ",\"blockOwnerDeletion\":true") "," OWNER_REF("two", ""), "60"));
    world_list_rest(&w);
    call = world_call(&w, "generic-garbage-collector");
    assert_string_equal(call->method, "PATCH");
    assert_string_equal(call->path, "/api/v1/namespaces/a/pods/p");
    fake_answer(call, 200, KEPT(OWNER_REF("two", ""), "101"));
    world_event(&w, "pods", "MODIFIED", KEPT(OWNER_REF("two", ""), "101"));
    call = world_call(&w, "generic-garbage-collector");
    assert_non_null(call);
    assert_string_equal(call->method, "PATCH");
    assert_string_equal(call->path, "/apis/apps/v1/namespaces/a/replicasets/one");
    world_end(&w);
}

static void test_a_node_is_not_garbage_of_a_pod(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    world_list(
        &w, "nodes",
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"n\",\"resourceVersion\":\"5\",\"ownerReferences\":[{\"apiVersion\":"
        "\"v1\",\"kind\":\"Pod\",\"name\":\"p\",\"uid\":\"gone\"}]}}");
    world_list_rest(&w);
    assert_null(world_call(&w, "generic-garbage-collector"));
    world_end(&w);
}

static void test_an_owner_that_lives_stops_the_collector(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    world_list(&w, "replicasets", "");
    world_list(&w, "pods", POD("web-1", "60"));
    world_list_rest(&w);
    fake_answer(world_call(&w, "generic-garbage-collector"), 200, SET("1"));
    assert_null(world_call(&w, "generic-garbage-collector"));
    world_end(&w);
}

/* A budget counts the pods of its namespace that it selects, and asks each of their controllers once. */
static void test_a_budget_counts_its_own_pods(void **state)
{
#define BUDGETED(name, ns, app)                                                                                        \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\",\"uid\":\"" name                                    \
    "\",\"resourceVersion\":\"60\",\"labels\":{"                                                                       \
    "\"app\":\"" app                                                                                                   \
    "\"},\"ownerReferences\":[{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\"name\":\"web\",\"uid\":"           \
    "\"rs-1\",\"controller\":true}]},\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","           \
    "\"status\":\"True\"}]}}"
    static const char *const numbers[][2] = {
        {"expectedPods", "4"}, {"currentHealthy", "3"}, {"desiredHealthy", "3"}, {"disruptionsAllowed", "0"}};
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    world_list(
        &w, "poddisruptionbudgets",
        "{\"metadata\":{\"name\":\"b\",\"namespace\":\"a\",\"uid\":\"b\",\"generation\":1,\"resourceVersion\":\"9\"},"
        "\"spec\":{\"maxUnavailable\":\"25%\",\"selector\":{\"matchLabels\":{\"app\":\"web\"}}}}");
    world_list(&w, "replicasets", SET("4"));
    world_list(&w, "pods",
               BUDGETED("p1", "a", "web") "," BUDGETED("p2", "a", "web") "," BUDGETED("p3", "a", "web") "," BUDGETED(
                   "p4", "a", "other") "," BUDGETED("p5", "z", "web"));
    world_list_rest(&w);
    call = world_call(&w, "disruption-controller");
    assert_non_null(call);
    assert_string_equal(call->path, "/apis/policy/v1/namespaces/a/poddisruptionbudgets/b/status");
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        char *path CLEANUP_FREE = mem_printf("status.%s", numbers[i][0]);
        struct slice got = scan_get(slice_str(call->body), path);

        if (!slice_is(got, numbers[i][1]))
            fail_msg("%s is %.*s", path, SLICE_ARGS(got));
    }
    world_end(&w);
}

#define SERVICE                                                                                                        \
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"a\",\"uid\":\"s-1\",\"resourceVersion\":\"50\"},"                 \
    "\"spec\":{\"selector\":{\"app\":\"web\"},\"ports\":[{\"port\":80}]}}"
#define READY_POD(ip, rv)                                                                                              \
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"a\",\"uid\":\"p\",\"resourceVersion\":\"" rv "\",\"labels\":{"      \
    "\"app\":\"web\"}},\"status\":{\"podIP\":\"" ip "\"}}"

static void test_a_changed_pod_reaches_its_services_slice(void **state)
{
    struct world w;
    struct fake_call *call;

    (void)state;
    world_start(&w);
    world_list(&w, "services", SERVICE);
    world_list(
        &w, "endpointslices",
        "{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"a\",\"uid\":\"e-1\",\"resourceVersion\":\"51\",\"labels\":"
        "{\"kubernetes.io/service-name\":\"web\",\"endpointslice.kubernetes.io/managed-by\":"
        "\"endpointslice-controller.k8s.io\"},\"ownerReferences\":[{\"uid\":\"s-1\"}]},\"addressType\":\"IPv4\","
        "\"endpoints\":[],\"ports\":[{\"name\":\"\",\"port\":80,\"protocol\":\"TCP\"}]}");
    world_list(&w, "pods", READY_POD("", "60"));
    assert_null(world_call(&w, "endpointslice-controller"));
    world_event(&w, "pods", "MODIFIED", READY_POD("10.0.0.1", "61"));
    call = world_call(&w, "endpointslice-controller");
    assert_non_null(call);
    assert_string_equal(call->path, "/apis/discovery.k8s.io/v1/namespaces/a/endpointslices/web-1");
    assert_non_null(strstr(call->body, "10.0.0.1"));
    world_end(&w);
}

#define LABELLED_SET(name, selector)                                                                                   \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"a\",\"uid\":\"" name                                         \
    "\",\"generation\":1,\"resourceVersion\":\"50\"},\"spec\":{\"replicas\":%d,\"selector\":{" selector                \
    "},\"template\":{\"metadata\":{},\"spec\":{}}},\"status\":{\"replicas\":0,\"observedGeneration\":1}}"
#define BARE_POD(name, ns, labels)                                                                                     \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\",\"uid\":\"" name                                    \
    "\",\"resourceVersion\":\"60\",\"labels\":{" labels "}}}"

/* A set adopts what it selects, whether it is there at the start or comes later, and whatever came and went beside it.
 */
static void test_a_set_finds_pods_without_an_owner(void **state)
{
    static const struct {
        const char *selector, *labels;
    } rows[] = {
        {"\"matchLabels\":{\"app\":\"web\",\"tier\":\"front\"}", "\"tier\":\"front\",\"app\":\"web\",\"x\":\"y\""},
        {"\"matchExpressions\":[{\"key\":\"app\",\"operator\":\"In\",\"values\":[\"api\",\"web\"]},{\"key\":\"tier\","
         "\"operator\":\"DoesNotExist\"}]",
         "\"app\":\"web\""},
        {"\"matchLabels\":{\"app\":\"web\"},\"matchExpressions\":[{\"key\":\"old\",\"operator\":\"DoesNotExist\"}]",
         "\"app\":\"web\""},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows) * 2; i++) {
        const char *selector = rows[i / 2].selector;
        bool later = i % 2;
        struct world w;
        struct fake_call *call;
        char *set = mem_printf(LABELLED_SET("s-1", "%s"), later ? 0 : 1, selector);
        char *pod = mem_printf(BARE_POD("mine", "a", "%s"), rows[i / 2].labels);
        char *other = mem_printf(BARE_POD("other", "b", "%s"), rows[i / 2].labels);
        char *pods = mem_printf("%s,%s,%s%s%s", BARE_POD("first", "a", "\"app\":\"db\""), other,
                                BARE_POD("last", "a", "\"app\":\"web\",\"old\":\"1\",\"tier\":\"back\""),
                                later ? "" : ",", later ? "" : pod);

        world_start(&w);
        world_list(&w, "pods", pods);
        world_list(&w, "replicasets", set);
        world_list_rest(&w);
        turns(&w);
        world_event(&w, "pods", "DELETED", BARE_POD("first", "a", "\"app\":\"db\""));
        if (later)
            world_event(&w, "pods", "ADDED", pod);
        call = world_call(&w, "replicaset-controller");
        assert_non_null(call);
        assert_string_equal(call->method, "PATCH");
        assert_string_equal(call->path, "/api/v1/namespaces/a/pods/mine");
        assert_non_null(strstr(call->body, "s-1"));
        world_end(&w);
        free(set);
        free(pod);
        free(other);
        free(pods);
    }
}

/* Four thousand selectors and as many pods without an owner: looked at by marks this takes milliseconds; with each
 * selector read for each pod it took minutes, which the test runner does not wait for. */
static void test_many_selectors_cost_little(void **state)
{
    struct world w;
    BUF_LOCAL(sets);
    BUF_LOCAL(pods);

    (void)state;
    for (int i = 0; i < 4000; i++) {
        buf_printf(&sets, LABELLED_SET("s-%d", "\"matchLabels\":{\"app\":\"web\",\"hash\":\"s%d\"}") "%s", i, i, 0, i,
                   i < 3999 ? "," : "");
        buf_printf(&pods, BARE_POD("p-%d", "a", "\"app\":\"web\",\"hash\":\"p%d\"") "%s", i, i, i, i < 3999 ? "," : "");
    }
    world_start(&w);
    world_list(&w, "replicasets", buf_cstr(&sets));
    world_list(&w, "pods", buf_cstr(&pods));
    world_list_rest(&w);
    assert_null(world_call(&w, "replicaset-controller"));
    world_end(&w);
}

static void test_every_row_names_stored_kinds(void **state)
{
    (void)state;
    for (size_t i = 0; i < controllers_table_count; i++) {
        const struct controller *row = controllers_table[i];

        assert_non_null(row->name);
        assert_non_null(row->reconcile);
        assert_true(row->watches[0].kind || row->map_all);
        for (size_t k = 0; k < CONTROLLER_WATCHES_MAX && row->watches[k].kind; k++) {
            const struct view_kind *kind = row->watches[k].kind;
            struct slice group;
            struct slice version;

            schema_split_api_version(slice_str(kind->api_version), &group, &version);
            assert_non_null(schema_find_kind(group, version, slice_str(kind->kind)));
            assert_ptr_equal(view_find_kind(slice_str(kind->api_version), slice_str(kind->kind)), kind);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_informer_per_kind_and_nothing_before_all_are_read),
        cmocka_unit_test(test_a_key_waits_until_its_own_writes_are_seen),
        cmocka_unit_test(test_pods_behind_a_service_are_found_at_the_start),
        cmocka_unit_test(test_events_name_what_was_made),
        cmocka_unit_test(test_a_refused_batch_stops_the_next_and_comes_back),
        cmocka_unit_test(test_dependents_of_a_deleted_owner_go),
        cmocka_unit_test(test_an_owner_that_lives_stops_the_collector),
        cmocka_unit_test(test_an_owner_goes_when_a_dependent_names_it_no_longer),
        cmocka_unit_test(test_a_budget_counts_its_own_pods),
        cmocka_unit_test(test_a_node_is_not_garbage_of_a_pod),
        cmocka_unit_test(test_a_changed_pod_reaches_its_services_slice),
        cmocka_unit_test(test_a_set_finds_pods_without_an_owner),
        cmocka_unit_test(test_many_selectors_cost_little),
        cmocka_unit_test(test_every_row_names_stored_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
