/* SPDX-License-Identifier: Apache-2.0 */
/* What objects were, and who may see it. */
#include "tests/unit/apiserver/harness.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include "apiserver/list_options.h"

static struct harness h = {.window_ns = -1};

#define NS   "/api/v1/namespaces/default"
#define CM   NS "/configmaps"
#define RBAC "/apis/rbac.authorization.k8s.io/v1/namespaces/default"

static int as_joe(const char *path)
{
    const struct ask ask = {.method = "GET", .path = path, .user = "joe", .group = "dev"};
    struct answer a CLEANUP_ANSWER = {0};

    harness_ask(&h, &ask, &a);
    return a.status;
}

/* Writes the value and gives the revision it got. */
static char *write_value(const char *method, const char *name, const char *value)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *path CLEANUP_FREE = !strcmp(method, "POST") ? mem_strdup(CM) : mem_printf(CM "/%s", name);
    char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"%s\"},\"data\":{\"k\":\"%s\"}}", name, value);

    harness_expect(&h, !strcmp(method, "POST") ? 201 : 200, method, path, body, &a);
    return answer_get(&a, "metadata.resourceVersion");
}

static void test_an_object_as_it_was(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *first CLEANUP_FREE = write_value("POST", "c", "one");
    char *second CLEANUP_FREE = write_value("PUT", "c", "two");
    char *at_second CLEANUP_FREE = mem_printf(CM "/c?resourceVersion=%s&resourceVersionMatch=Exact", second);
    char *at_first CLEANUP_FREE = mem_printf(CM "/c?resourceVersion=%s&resourceVersionMatch=Exact", first);
    char *gone CLEANUP_FREE = NULL;

    harness_expect(&h, 200, "GET", at_first, NULL, &a);
    assert_answer(&a, "data.k", "one");
    assert_answer(&a, "metadata.resourceVersion", first);
    harness_expect(&h, 200, "GET", at_second, NULL, &a);
    assert_answer(&a, "data.k", "two");
    harness_expect(&h, 200, "DELETE", CM "/c", NULL, NULL);
    harness_expect(&h, 404, "GET", CM "/c", NULL, NULL);
    harness_expect(&h, 200, "GET", at_first, NULL, &a);
    gone = mem_printf(CM "/c?resourceVersion=%llu&resourceVersionMatch=Exact",
                      (unsigned long long)store_revision(h.store));
    harness_expect(&h, 404, "GET", gone, NULL, NULL);
    harness_expect(&h, 400, "GET", CM "/c?resourceVersionMatch=Exact", NULL, NULL);
    harness_expect(&h, 400, "GET", CM "/c?resourceVersion=x&resourceVersionMatch=Exact", NULL, NULL);
    harness_expect(&h, 504, "GET", CM "/c?resourceVersion=99999999&resourceVersionMatch=Exact", NULL, NULL);
}

static void test_changes_and_who_made_them(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *first CLEANUP_FREE = write_value("POST", "d", "one");
    char *second CLEANUP_FREE = write_value("PUT", "d", "two");
    char *begins CLEANUP_FREE = mem_printf("\"resourceVersion\":\"%s\",\"operation\":\"update\"", second);
    char *ends CLEANUP_FREE = mem_printf("\"resourceVersion\":\"%s\",\"operation\":\"create\"", first);

    harness_expect(&h, 200, "DELETE", CM "/d", NULL, NULL);
    harness_expect(&h, 200, "GET", CM "/d?history=true", NULL, &a);
    assert_answer(&a, "kind", "HistoryList");
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 3);
    assert_true(answer_has(&a, "\"operation\":\"delete\""));
    assert_true(answer_has(&a, "\"verb\":\"update\""));
    assert_true(answer_has(&a, begins));
    assert_true(answer_has(&a, ends));
    assert_true(answer_has(&a, "\"user\":\"admin\""));
    harness_expect(&h, 200, "GET", CM "/d?history=true&limit=1", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 1);
    assert_answer(&a, "metadata.continue", "more");
    harness_expect(&h, 404, "GET", CM "/never?history=true", NULL, NULL);
    harness_expect(&h, 400, "GET", CM "/d?history=true&limit=0", NULL, NULL);
}

/* Reading does not mean reading the past. */
static void test_a_right_of_its_own(void **state)
{
    free(write_value("POST", "r", "one"));
    harness_expect(&h, 201, "POST", RBAC "/roles",
                   "{\"metadata\":{\"name\":\"reader\"},\"rules\":[{\"verbs\":[\"get\",\"list\"],\"apiGroups\":[\"\"],"
                   "\"resources\":[\"configmaps\"]}]}",
                   NULL);
    harness_expect(&h, 201, "POST", RBAC "/rolebindings",
                   "{\"metadata\":{\"name\":\"joe\"},\"subjects\":[{\"kind\":\"User\",\"name\":\"joe\",\"apiGroup\":"
                   "\"rbac.authorization.k8s.io\"}],\"roleRef\":{\"apiGroup\":\"rbac.authorization.k8s.io\",\"kind\":"
                   "\"Role\",\"name\":\"reader\"}}",
                   NULL);
    assert_int_equal(as_joe(CM "/r"), 200);
    assert_int_equal(as_joe(CM "/r?history=true"), 403);
    assert_int_equal(as_joe(CM "/r?resourceVersion=1&resourceVersionMatch=Exact"), 403);
    harness_expect(
        &h, 200, "PUT", RBAC "/roles/reader",
        "{\"metadata\":{\"name\":\"reader\"},\"rules\":[{\"verbs\":[\"history\",\"get\"],\"apiGroups\":[\"\"],"
        "\"resources\":[\"configmaps\"]}]}",
        NULL);
    assert_int_equal(as_joe(CM "/r?history=true"), 200);
}

/* A namespace that was made again does not show what the one before it held. */
static void test_the_past_of_another_namespace(void **state)
{
    static const char body[] = "{\"metadata\":{\"name\":\"c\"},\"data\":{\"k\":\"theirs\"}}";
    struct answer a CLEANUP_ANSWER = {0};
    char *revision;
    char *path;

    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"t\"}}", NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/t/configmaps", body, &a);
    revision = answer_get(&a, "metadata.resourceVersion");
    path = mem_printf("/api/v1/namespaces/t/configmaps/c?resourceVersion=%s&resourceVersionMatch=Exact", revision);
    harness_expect(&h, 200, "GET", path, NULL, NULL);
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/t/configmaps/c", NULL, NULL);
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/t", NULL, NULL);
    harness_expect(&h, 200, "PUT", "/api/v1/namespaces/t/finalize",
                   "{\"metadata\":{\"name\":\"t\"},\"spec\":{\"finalizers\":[]}}", NULL);
    harness_expect(&h, 404, "GET", path, NULL, NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"t\"}}", NULL);
    harness_expect(&h, 404, "GET", path, NULL, NULL);
    harness_expect(&h, 404, "GET", "/api/v1/namespaces/t/configmaps/c?history=true", NULL, NULL);
    free(path);
    free(revision);
}

static char *list_at(const char *namespace_, const char *revision, const char *more)
{
    return mem_printf("/api/v1/namespaces/%s/configmaps?resourceVersion=%s%s", namespace_, revision, more);
}

static void let_joe(const char *verbs)
{
    char *body CLEANUP_FREE =
        mem_printf("{\"metadata\":{\"name\":\"reader\"},\"rules\":[{\"verbs\":[%s],\"apiGroups\":[\"\"],"
                   "\"resources\":[\"configmaps\"]}]}",
                   verbs);

    harness_expect(&h, 200, "PUT", RBAC "/roles/reader", body, NULL);
}

/* Lists and watches see ten minutes of the past, as upstream; beyond that, they need the verb too. */
static void test_lists_of_long_ago(void **state)
{
    struct clock *clock = h.server->clock;
    struct clock_fake later;
    char *first CLEANUP_FREE = write_value("POST", "l", "one");
    free(write_value("PUT", "l", "two"));
    char *exact CLEANUP_FREE = list_at("default", first, "&resourceVersionMatch=Exact");
    char *limit CLEANUP_FREE = list_at("default", first, "&limit=500");
    char *watch CLEANUP_FREE = list_at("default", first, "&watch=true&timeoutSeconds=1");
    char *newer CLEANUP_FREE = list_at("default", first, "");
    struct pool *pool CLEANUP_POOL = pool_new();
    char *next CLEANUP_FREE =
        mem_printf(CM "?continue=%s", list_continue_make(pool, strtoull(first, NULL, 10), SLICE_LIT("a"), 0));
    const char *const old[] = {exact, limit, watch, next};

    let_joe("\"list\",\"watch\"");
    assert_int_equal(as_joe(exact), 200);
    assert_int_equal(as_joe(limit), 200);
    assert_int_equal(as_joe(next), 200);
    clock_fake_init(&later, clock_wall_ns(clock) + 3600 * NS_PER_S);
    h.server->clock = &later.base;
    for (size_t i = 0; i < ARRAY_SIZE(old); i++)
        assert_int_equal(as_joe(old[i]), 410);
    assert_int_equal(as_joe(newer), 200);
    let_joe("\"list\",\"watch\",\"history\"");
    assert_int_equal(as_joe(exact), 200);
    assert_int_equal(as_joe(limit), 200);
    assert_int_equal(as_joe(next), 200);
    h.server->clock = clock;
}

/* Nor does a list show what another namespace of the name held, however short ago. */
static void test_lists_of_another_namespace(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *theirs CLEANUP_FREE = NULL;
    char *ours CLEANUP_FREE = NULL;
    char *old CLEANUP_FREE = NULL;
    char *own CLEANUP_FREE = NULL;

    harness_expect(&h, 200, "GET", "/api/v1/namespaces/t", NULL, &a);
    ours = answer_get(&a, "metadata.resourceVersion");
    theirs = mem_printf("%llu", strtoull(ours, NULL, 10) - 1);
    old = list_at("t", theirs, "&resourceVersionMatch=Exact");
    own = list_at("t", ours, "&resourceVersionMatch=Exact");
    harness_expect(&h, 410, "GET", old, NULL, NULL);
    harness_expect(&h, 200, "GET", own, NULL, NULL);
}

/* What somebody did in another's name is told of both. */
static void test_impersonation_is_told(void **state)
{
    const struct ask ask = {.method = "POST",
                            .path = CM,
                            .body = "{\"metadata\":{\"name\":\"i\"}}",
                            .user = "root",
                            .group = "system:masters",
                            .impersonate = "joe"};
    struct answer a CLEANUP_ANSWER = {0};

    let_joe("\"create\"");
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 201);
    harness_expect(&h, 200, "GET", CM "/i?history=true", NULL, &a);
    assert_true(answer_has(&a, "\"user\":\"root (as joe)\""));
}

static char *time_after(int64_t ns)
{
    char text[TIME_TEXT_MAX];

    time_format_micro(ns, text); /* as the history shows it */
    return mem_strdup(text);
}

/* A collection as it was, by revision and by time, for who may see the past. */
static void test_lists_of_the_past(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *first CLEANUP_FREE = write_value("POST", "p", "one");
    int64_t made_ns;
    uint64_t revision = strtoull(first, NULL, 10);

    assert_int_equal(store_revision_time(h.store, revision, &made_ns, NULL), 0);
    char *then CLEANUP_FREE = time_after(made_ns);
    char *by_time CLEANUP_FREE = mem_printf(CM "?history=true&limit=1&fieldSelector=metadata.name%%3Dp&time=%s", then);
    char *by_revision CLEANUP_FREE = mem_printf(CM "?history=true&resourceVersion=%s", first);
    char *both CLEANUP_FREE = mem_printf("%s&resourceVersion=%s", by_time, first);
    char *one CLEANUP_FREE = mem_printf(CM "/p?resourceVersionMatch=Exact&time=%s", then);
    char *later CLEANUP_FREE = time_after(clock_wall_ns(h.server->clock) + 3600 * NS_PER_S);
    char *future CLEANUP_FREE = mem_printf(CM "?history=true&time=%s", later);

    free(write_value("PUT", "p", "two"));
    harness_expect(&h, 200, "GET", by_time, NULL, &a);
    assert_answer(&a, "metadata.resourceVersion", first);
    assert_true(answer_has(&a, "\"data\":{\"k\":\"one\"}"));
    harness_expect(&h, 200, "GET", by_revision, NULL, &a);
    assert_true(answer_has(&a, "\"data\":{\"k\":\"one\"}"));
    harness_expect(&h, 200, "GET", one, NULL, &a);
    assert_answer(&a, "data.k", "one");
    harness_expect(&h, 400, "GET", both, NULL, NULL);
    harness_expect(&h, 400, "GET", future, NULL, NULL);
    harness_expect(&h, 400, "GET", CM "?history=true", NULL, NULL);
    harness_expect(&h, 400, "GET", CM "?history=true&time=noon", NULL, NULL);
    harness_expect(&h, 504, "GET", CM "?history=true&resourceVersion=99999999", NULL, NULL);
    harness_expect(&h, 410, "GET", CM "?history=true&time=1999-01-01T00:00:00Z", NULL, &a);
    assert_true(answer_has(&a, "the past is kept from "));

    let_joe("\"list\"");
    assert_int_equal(as_joe(by_revision), 403);
    assert_int_equal(as_joe(by_time), 403);
    let_joe("\"history\"");
    assert_int_equal(as_joe(by_revision), 200);
    assert_int_equal(as_joe(by_time), 200);
}

/* Page by page, and with a sentence about a namespace that is younger. */
static void test_pages_of_the_past(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *first CLEANUP_FREE = NULL;
    char *token CLEANUP_FREE = NULL;
    char *path CLEANUP_FREE = NULL;
    char *next CLEANUP_FREE = NULL;

    free(write_value("POST", "q1", "one"));
    first = write_value("POST", "q2", "one");
    harness_expect(&h, 200, "DELETE", CM "/q2", NULL, NULL);
    path = mem_printf(CM "?history=true&limit=1&labelSelector=&resourceVersion=%s", first);
    harness_expect(&h, 200, "GET", path, NULL, &a);
    token = answer_get(&a, "metadata.continue");
    next = mem_printf(CM "?history=true&continue=%s", token);
    harness_expect(&h, 200, "GET", next, NULL, &a);
    assert_true(answer_has(&a, "\"q2\""));
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"young\"}}", NULL);
    free(path);
    path = mem_printf("/api/v1/namespaces/young/configmaps?history=true&resourceVersion=%s", first);
    harness_expect(&h, 410, "GET", path, NULL, &a);
    assert_true(answer_has(&a, "namespace \\\"young\\\" was made at revision"));
}

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/default/leases"
#define EVENTS NS "/events"
#define EVENT                                                                                                          \
    "{\"metadata\":{\"name\":\"e\"},\"involvedObject\":{\"namespace\":\"default\",\"name\":\"x\"},\"reason\":\"R\"}"

/* Writes a Lease until the log has left some of it behind, and lets the store clean it. */
static void renew_and_clean(void)
{
    char *text CLEANUP_FREE = mem_zalloc((200 << 10) + 1);
    struct store_stats stats;

    memset(text, 'x', 200 << 10);
    for (int i = 0; i < 12; i++) {
        char *body CLEANUP_FREE =
            mem_printf("{\"metadata\":{\"name\":\"le\",\"annotations\":{\"a\":\"%d%s\"}}}", i, text);

        harness_expect(&h, 200, "PUT", LEASES "/le", body, NULL);
    }
    /* Brings what is in memory to LMDB; cleaning follows. */
    store_compact(h.store, store_compacted(h.store) + 1, NULL, NULL);
    do {
        (void)sched_yield();
        store_get_stats(h.store, &stats);
    } while (!stats.cleaned);
}

/* Leases and Events do not fill the history, and nobody is told a wrong past of them. */
static void test_kinds_whose_past_is_not_kept(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *config CLEANUP_FREE = write_value("POST", "kept", "one");
    char *old CLEANUP_FREE = NULL;
    static const char *const gone[] = {
        LEASES "?resourceVersionMatch=Exact&resourceVersion=",
        EVENTS "?resourceVersionMatch=Exact&resourceVersion=",
        LEASES "/le?resourceVersionMatch=Exact&resourceVersion=",
        EVENTS "/e?resourceVersionMatch=Exact&resourceVersion=",
        LEASES "?history=true&resourceVersion=",
        LEASES "?watch=true&timeoutSeconds=1&resourceVersion=",
        EVENTS "?watch=true&timeoutSeconds=1&resourceVersion=",
    };

    harness_expect(&h, 201, "POST", EVENTS, EVENT, NULL);
    harness_expect(&h, 201, "POST", LEASES, "{\"metadata\":{\"name\":\"le\"}}", &a);
    old = answer_get(&a, "metadata.resourceVersion");
    for (size_t cleaned = 0; cleaned < 2; cleaned++) {
        for (size_t i = 0; i < ARRAY_SIZE(gone); i++) {
            char *path CLEANUP_FREE = mem_printf("%s%s", gone[i], old);

            harness_expect(&h, cleaned ? 410 : 200, "GET", path, NULL, NULL);
        }
        if (!cleaned)
            renew_and_clean();
    }
    free(write_value("PUT", "kept", "two"));
    char *kept CLEANUP_FREE = mem_printf(CM "/kept?resourceVersionMatch=Exact&resourceVersion=%s", config);
    harness_expect(&h, 200, "GET", kept, NULL, &a);
    assert_answer(&a, "data.k", "one");
    harness_expect(&h, 200, "GET", CM "/kept?history=true", NULL, &a);
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "items")), 2);
    harness_expect(&h, 200, "GET", LEASES "/le?history=true", NULL, &a);
    assert_in_range(scan_count(scan_get(buf_slice(&a.body), "items")), 1, 11); /* of 13 */
    harness_expect(&h, 200, "GET", EVENTS "/e", NULL, NULL);
    harness_expect(&h, 200, "GET", LEASES "/le", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_object_as_it_was),   cmocka_unit_test(test_changes_and_who_made_them),
        cmocka_unit_test(test_a_right_of_its_own),    cmocka_unit_test(test_the_past_of_another_namespace),
        cmocka_unit_test(test_lists_of_long_ago),     cmocka_unit_test(test_lists_of_another_namespace),
        cmocka_unit_test(test_impersonation_is_told), cmocka_unit_test(test_lists_of_the_past),
        cmocka_unit_test(test_pages_of_the_past),     cmocka_unit_test(test_kinds_whose_past_is_not_kept),
    };

    return harness_run_group(&h, tests, NULL);
}
