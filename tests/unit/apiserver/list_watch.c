/* SPDX-License-Identifier: Apache-2.0 */
/* Lists (pages, selectors, revisions, forms) and watches (where they start, what they send, how they end). */
#include <stdio.h>
#include <zlib.h>

#include "tests/unit/apiserver/harness.h"

static struct harness h;

#define LW "/api/v1/namespaces/lw/configmaps"

static void make(const char *name, const char *label)
{
    char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"%s\"}}}", name, label);

    harness_expect(&h, 201, "POST", LW, body, NULL);
}

static void unpack(const struct buf *from, struct buf *to)
{
    z_stream z = {.next_in = (Bytef *)from->data, .avail_in = (uInt)from->len};

    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_out = (Bytef *)buf_reserve(to, 1u << 20);
    z.avail_out = 1u << 20;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    to->len = z.total_out;
    (void)inflateEnd(&z);
}

static void fill(void)
{
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"lw\"}}", NULL);
    make("c0", "b");
    make("c1", "a");
    make("c2", "b");
    make("c3", "a");
    make("c4", "b");
}

static size_t items(const struct answer *a)
{
    return scan_count(scan_get(buf_slice(&a->body), "items"));
}

static void test_list(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 200, "GET", LW, NULL, &a);
    assert_answer(&a, "kind", "ConfigMapList");
    assert_int_equal(items(&a), 5);
    harness_expect(&h, 200, "GET", LW "?labelSelector=app%3Da", NULL, &a);
    assert_int_equal(items(&a), 2);
    harness_expect(&h, 200, "GET", LW "?fieldSelector=metadata.name%3Dc2", NULL, &a);
    assert_int_equal(items(&a), 1);
    harness_expect(&h, 200, "GET", "/api/v1/configmaps?labelSelector=app", NULL, &a);
    assert_int_equal(items(&a), 5);
    harness_expect(&h, 400, "GET", LW "?labelSelector=a%20b", NULL, NULL);
    harness_expect(&h, 400, "GET", LW "?fieldSelector=data.x%3D1", NULL, NULL);
    harness_expect(&h, 400, "GET", LW "?limit=abc", NULL, NULL);
    harness_expect(&h, 200, "GET", "/api/v1/namespaces/nope/configmaps", NULL, &a);
    assert_int_equal(items(&a), 0);
}

/* Pages are one snapshot: what happens between them does not show. */
static void test_pages(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *token;
    char *path;

    harness_expect(&h, 200, "GET", LW "?limit=2", NULL, &a);
    assert_int_equal(items(&a), 2);
    assert_answer(&a, "metadata.remainingItemCount", "3");
    token = answer_get(&a, "metadata.continue");
    make("c25", "a");
    path = mem_printf(LW "?limit=2&continue=%s", token);
    harness_expect(&h, 200, "GET", path, NULL, &a);
    assert_int_equal(items(&a), 2);
    assert_true(answer_has(&a, "\"c2\""));
    assert_true(answer_has(&a, "\"c3\""));
    free(path);
    free(token);
    token = answer_get(&a, "metadata.continue");
    path = mem_printf(LW "?continue=%s", token);
    harness_expect(&h, 200, "GET", path, NULL, &a);
    assert_int_equal(items(&a), 1);
    assert_null(scan_get(buf_slice(&a.body), "metadata.continue").data);
    free(path);
    free(token);
    harness_expect(&h, 200, "GET", LW "?limit=1&labelSelector=app%3Da", NULL, &a);
    assert_non_null(scan_get(buf_slice(&a.body), "metadata.continue").data);
    assert_null(scan_get(buf_slice(&a.body), "metadata.remainingItemCount").data);
    harness_expect(&h, 400, "GET", LW "?limit=3&continue=!!!", NULL, NULL);
    harness_expect(&h, 400, "GET", LW "?limit=3&continue=aGVsbG8", NULL, NULL);
    harness_expect(&h, 200, "DELETE", LW "/c25", NULL, NULL);
}

#define LONG "/api/v1/namespaces/long/configmaps"

static void make_long(void)
{
    char filler[4001];
    char *body;

    memset(filler, 'x', sizeof(filler) - 1);
    filler[sizeof(filler) - 1] = '\0';
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"long\"}}", NULL);
    for (int i = 0; i < 100; i++) {
        body =
            mem_printf("{\"metadata\":{\"name\":\"m%03d\",\"labels\":{\"half\":\"%d\"}},\"data\":{\"filler\":\"%s\"}}",
                       i, i % 2, filler);
        harness_expect(&h, 201, "POST", LONG, body, NULL);
        free(body);
    }
}

/* All are there, in order, once, whatever was written after the list began. */
static void check_long(const struct answer *a, int first, int step)
{
    struct scan_cursor c = scan_open(scan_get(buf_slice(&a->body), "items"));
    struct slice item;
    char name[8];

    for (int i = first; i < 100; i += step) {
        (void)snprintf(name, sizeof(name), "m%03d", i);
        assert_true(scan_element(&c, &item));
        assert_true(scan_text_is(scan_get(item, "metadata.name"), name));
        assert_int_equal(scan_get(item, "data.filler").len, 4002);
    }
    assert_false(scan_element(&c, &item));
}

/* What is long comes in pieces, and is one snapshot; compressed it is the same. */
static void test_long_lists(void **state)
{
    const struct ask whole = {.method = "GET", .path = LONG};
    const struct ask packed = {.method = "GET", .path = LONG, .header_name = "accept-encoding", .header_value = "gzip"};
    struct answer a CLEANUP_ANSWER = {0};
    struct answer b CLEANUP_ANSWER = {0};
    BUF_LOCAL(text);

    make_long();
    harness_begin(&h, &whole, &a);
    harness_wait_for(&a, "m000");
    assert_false(a.over);
    harness_expect(&h, 200, "DELETE", LONG "/m099", NULL, NULL);
    harness_wait_for(&a, "m099");
    check_long(&a, 0, 1);
    assert_answer(&a, "kind", "ConfigMapList");
    harness_expect(&h, 200, "GET", LONG "?labelSelector=half%3D0", NULL, &b);
    check_long(&b, 0, 2);
    harness_ask(&h, &packed, &b);
    assert_true(strstr(buf_cstr(&b.headers), "content-encoding: gzip") != NULL);
    unpack(&b.body, &text);
    assert_int_equal(scan_count(scan_get(buf_slice(&text), "items")), 99);
    assert_true(slice_ends(buf_slice(&text), SLICE_LIT("]}")));
    harness_expect(&h, 200, "GET", LONG "?limit=60", NULL, &b);
    assert_int_equal(items(&b), 60);
}

/* Only the first page counts what remains. */
static void test_pages_know_what_remains(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *const remaining[] = {"59", "19"};

    harness_expect(&h, 200, "GET", LONG "?limit=40", NULL, &a);
    for (int i = 0; i < 2; i++) {
        char *token CLEANUP_FREE = answer_get(&a, "metadata.continue");
        char *path CLEANUP_FREE = mem_printf(LONG "?limit=40&continue=%s", token);

        assert_answer(&a, "metadata.remainingItemCount", remaining[i]);
        harness_expect(&h, 200, "GET", path, NULL, &a);
    }
    assert_int_equal(items(&a), 19);
    assert_null(scan_get(buf_slice(&a.body), "metadata.continue").data);
}

static void test_revisions(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    harness_expect(&h, 504, "GET", LW "?resourceVersion=99999999", NULL, &a);
    assert_answer(&a, "reason", "Timeout");
    assert_true(answer_has(&a, "ResourceVersionTooLarge"));
    harness_expect(&h, 422, "GET", LW "?resourceVersionMatch=Exact", NULL, &a);
    assert_answer(&a, "details.kind", "ListOptions");
    harness_expect(&h, 422, "GET", LW "?resourceVersion=0&resourceVersionMatch=Exact", NULL, NULL);
    harness_expect(&h, 422, "GET", LW "?sendInitialEvents=true", NULL, NULL);
    harness_expect(&h, 422, "GET", LW "?watch=true&sendInitialEvents=true", NULL, NULL);
    harness_expect(&h, 422, "GET", LW "?watch=true&resourceVersion=0&resourceVersionMatch=NotOlderThan", NULL, NULL);
    harness_expect(&h, 200, "GET", LW "?resourceVersion=0", NULL, &a);
    assert_int_equal(items(&a), 5);
}

static void test_forms(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "GET", .path = LW, .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"};

    harness_ask(&h, &ask, &a);
    assert_answer(&a, "kind", "Table");
    assert_int_equal(scan_count(scan_get(buf_slice(&a.body), "rows")), 5);
    assert_non_null(scan_get(buf_slice(&a.body), "columnDefinitions").data);
    ask.accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "kind", "PartialObjectMetadataList");
    assert_int_equal(items(&a), 5);
    ask.path = LW "?labelSelector=nobody";
    harness_ask(&h, &ask, &a);
    assert_true(answer_has(&a, "\"items\":null}"));
    ask.path = LW;
    ask.accept = "application/vnd.kubernetes.protobuf,application/json";
    harness_ask(&h, &ask, &a);
    assert_answer(&a, "kind", "ConfigMapList");
    ask.accept = "application/xml";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 406);
}

/* For who takes nothing else: lists, watches and errors. */
static void test_protobuf(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct answer watch CLEANUP_ANSWER = {0};
    struct ask ask = {.method = "GET", .path = LW "?limit=2", .accept = "application/vnd.kubernetes.protobuf"};

    harness_ask(&h, &ask, &a);
    assert_string_equal(a.content_type, "application/vnd.kubernetes.protobuf");
    assert_memory_equal(a.body.data, "k8s\0", 4);
    assert_non_null(memmem(a.body.data, a.body.len, "ConfigMapList", 13));
    assert_non_null(memmem(a.body.data, a.body.len,
                           "\x0a\x02"
                           "c1",
                           4)); /* metadata.name */
    ask.path = LW "/nothing";
    harness_ask(&h, &ask, &a);
    assert_int_equal(a.status, 404);
    assert_string_equal(a.content_type, "application/vnd.kubernetes.protobuf");
    assert_non_null(memmem(a.body.data, a.body.len,
                           "\x12\x07"
                           "Failure",
                           9));
    ask.path = LW "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    harness_begin(&h, &ask, &watch);
    assert_int_equal(watch.status, 200);
    harness_wait_for(&watch, "k8s.io/initial-events-end");
    assert_string_equal(watch.content_type, "application/vnd.kubernetes.protobuf;stream=watch");
    assert_memory_equal(watch.body.data, "\0\0\0", 3); /* the first event's length, then its type */
    assert_memory_equal(watch.body.data + 4,
                        "\x0a\x05"
                        "ADDED",
                        7);
    assert_null(memmem(watch.body.data, watch.body.len, "{", 1));
}

static void begin_watch(struct answer *a, const char *path)
{
    const struct ask ask = {.method = "GET", .path = path};

    harness_begin(&h, &ask, a);
    assert_int_equal(a->status, 200);
    assert_false(a->over);
}

static void test_watch_list(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    begin_watch(&a, LW "?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    harness_wait_for(&a, "k8s.io/initial-events-end");
    assert_true(answer_has(&a, "{\"type\":\"ADDED\",\"object\":{\"apiVersion\":\"v1\""));
    assert_true(answer_has(&a, "\"c4\""));
    make("live", "a");
    harness_wait_for(&a, "\"live\"");
    harness_expect(&h, 200, "DELETE", LW "/live", NULL, NULL);
    harness_wait_for(&a, "DELETED");
}

/* sendInitialEvents=false starts now; who takes no bookmarks is not sent the one behind the first events. */
static void test_watch_without_initial_events(void **state)
{
    static const char *const none[] = {"", "&resourceVersion=0"};
    struct answer all CLEANUP_ANSWER = {0};

    for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
        char *path CLEANUP_FREE =
            mem_printf(LW "?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan%s", none[i]);
        struct answer a CLEANUP_ANSWER = {0};

        begin_watch(&a, path);
        make("from-now-on", "a");
        harness_wait_for(&a, "\"from-now-on\"");
        assert_false(answer_has(&a, "\"c4\""));
        harness_expect(&h, 200, "DELETE", LW "/from-now-on", NULL, NULL);
    }
    begin_watch(&all, LW "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    make("behind", "a");
    harness_wait_for(&all, "\"behind\"");
    assert_true(answer_has(&all, "\"c4\""));
    assert_false(answer_has(&all, "BOOKMARK"));
    harness_expect(&h, 200, "DELETE", LW "/behind", NULL, NULL);
}

/* Nothing is lost between a revision in the past and now, and nothing comes twice. */
static void test_watch_resume(void **state)
{
    struct answer list CLEANUP_ANSWER = {0};
    struct answer a CLEANUP_ANSWER = {0};
    char *revision;

    harness_expect(&h, 200, "GET", LW, NULL, &list);
    revision = answer_get(&list, "metadata.resourceVersion");
    make("past", "a");
    char *path CLEANUP_FREE = mem_printf(LW "?watch=1&resourceVersion=%s", revision);
    begin_watch(&a, path);
    make("now", "a");
    harness_wait_for(&a, "\"now\"");
    assert_false(answer_has(&a, "\"c0\""));
    const char *first = memmem(a.body.data, a.body.len, "\"past\"", 6);
    assert_non_null(first);
    assert_null(memmem(first + 6, (size_t)(a.body.data + a.body.len - first - 6), "\"past\"", 6));
    harness_expect(&h, 200, "DELETE", LW "/past", NULL, NULL);
    harness_expect(&h, 200, "DELETE", LW "/now", NULL, NULL);
    free(revision);
}

/* What leaves a selection is deleted for who watches it, and what comes back is added. */
static void test_watch_selection(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    struct ask patch = {.method = "PATCH",
                        .path = LW "/w",
                        .content_type = PATCH_MERGE,
                        .body = "{\"metadata\":{\"labels\":{\"app\":\"other\"}}}"};
    struct answer b CLEANUP_ANSWER = {0};

    begin_watch(&a, LW "?watch=true&labelSelector=app%3Dwatchme");
    make("w", "watchme");
    harness_wait_for(&a, "ADDED");
    harness_ask(&h, &patch, &b);
    harness_wait_for(&a, "DELETED");
    buf_reset(&a.body);
    patch.body = "{\"metadata\":{\"labels\":{\"app\":\"watchme\"}}}";
    harness_ask(&h, &patch, &b);
    harness_wait_for(&a, "ADDED");
    patch.body = "{\"data\":{\"k\":\"v\"}}";
    harness_ask(&h, &patch, &b);
    harness_wait_for(&a, "MODIFIED");
    harness_expect(&h, 200, "DELETE", LW "/w", NULL, NULL);
}

static void test_watch_node(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const char *pods = "/api/v1/namespaces/lw/pods";

    begin_watch(&a, "/api/v1/pods?watch=true&resourceVersion=0&fieldSelector=spec.nodeName%3Dn1");
    harness_expect(&h, 201, "POST", pods,
                   "{\"metadata\":{\"name\":\"p1\"},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                   NULL);
    harness_expect(&h, 201, "POST", "/api/v1/namespaces/lw/pods/p1/binding",
                   "{\"metadata\":{\"name\":\"p1\"},\"target\":{\"kind\":\"Node\",\"name\":\"n1\"}}", NULL);
    harness_wait_for(&a, "ADDED");
    assert_true(answer_has(&a, "\"nodeName\":\"n1\""));
    harness_expect(&h, 200, "DELETE", "/api/v1/namespaces/lw/pods/p1?gracePeriodSeconds=0", NULL, NULL);
    harness_wait_for(&a, "DELETED");
}

static void test_watch_ends(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const struct ask ask = {.method = "GET", .path = LW "?watch=true&timeoutSeconds=1&allowWatchBookmarks=true"};
    struct answer b CLEANUP_ANSWER = {0};

    begin_watch(&b, LW "?watch=true");
    front_end_streams(&h.server->fronts[0]);
    while (!b.over)
        loop_turn(h.server->fronts[0].loop, true);
    harness_begin(&h, &ask, &a);
    assert_int_equal(a.status, 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_pages_know_what_remains),
        cmocka_unit_test(test_revisions),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_watch_list),
        cmocka_unit_test(test_watch_without_initial_events),
        cmocka_unit_test(test_watch_resume),
        cmocka_unit_test(test_watch_selection),
        cmocka_unit_test(test_watch_node),
        cmocka_unit_test(test_watch_ends),
    };

    return harness_run_group(&h, tests, fill);
}
