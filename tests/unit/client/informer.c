/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/client/fake_transport.h"

#include "api/scan.h"
#include "client/informer.h"

static const struct schema_kind pods = {
    .group = "", .version = "v1", .kind = "Pod", .plural = "pods", .namespaced = true};

/* A projection is the text of .spec.nodeName; every call of `changed` becomes "key before>now;". */
struct world {
    struct loop *loop;
    struct fake_transport fake;
    struct client *client;
    struct informer *informer;
    struct buf log;
    int synced;
    int free_at; /* frees the informer at that call of `changed`; 0 = never */
    int projected;
};

static void *project(void *arg, struct slice key, struct slice json)
{
    struct world *w = arg;

    (void)key;
    w->projected++;
    return scan_text_dup(scan_get(json, "spec.nodeName"));
}

static void changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct world *w = arg;

    buf_printf(&w->log, "%.*s %s>%s;", SLICE_ARGS(key), before ? (const char *)before : "-",
               now ? (const char *)now : "-");
    if (w->free_at && --w->free_at == 0) {
        informer_free(w->informer);
        w->informer = NULL;
    }
}

static void synced(void *arg)
{
    struct world *w = arg;

    w->synced++;
}

static void world_start(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->loop = loop_new(clock_system());
    fake_transport_init(&w->fake);
    w->client = client_new(w->loop, &w->fake.base);
    w->informer = informer_start(w->client, &(struct informer_options){
                                                .kind = &pods,
                                                .label_selector = "a in (b)",
                                                .backoff_ms = 1,
                                                .backoff_max_ms = 2,
                                                .project = project,
                                                .free_item = free,
                                                .changed = changed,
                                                .synced = synced,
                                                .arg = w,
                                            });
}

static void world_end(struct world *w)
{
    informer_free(w->informer);
    client_free(w->client);
    buf_free(&w->log);
    loop_free(w->loop);
    fake_transport_clear(&w->fake);
}

static void expect_log(struct world *w, const char *text)
{
    assert_string_equal(buf_cstr(&w->log), text);
    buf_reset(&w->log);
}

/* Turns the loop until one more call was made. */
static struct fake_call *next_call(struct world *w)
{
    size_t count = w->fake.count;

    while (w->fake.count == count)
        loop_turn(w->loop, true);
    return fake_last(&w->fake);
}

#define POD(ns, name, rv, node)                                                                                        \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"" ns "\",\"resourceVersion\":\"" rv                          \
    "\"},\"spec\":{\"nodeName\":\"" node "\"}}"
#define LIST(rv, items)     "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"" rv "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}\n"

static void start_watching(struct world *w)
{
    fake_answer(fake_last(&w->fake), 200, LIST("10", POD("a", "x", "5", "n1")));
    expect_log(w, "a/x ->n1;");
    assert_int_equal(w->synced, 1);
    assert_int_equal(w->fake.count, 2);
    fake_head(fake_last(&w->fake), 200);
}

static void test_list_then_watch(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    assert_string_equal(w.fake.calls[0].path, "/api/v1/pods");
    assert_string_equal(w.fake.calls[0].query, "limit=500&labelSelector=a%20in%20%28b%29");
    assert_false(informer_has_synced(w.informer));
    start_watching(&w);
    assert_non_null(strstr(w.fake.calls[1].query, "watch=true&allowWatchBookmarks=true&resourceVersion=10&"));
    fake_data(fake_last(&w.fake),
              EVENT("ADDED", POD("a", "y", "11", "n2")) EVENT("MODIFIED", POD("a", "x", "12", "n3")));
    expect_log(&w, "a/y ->n2;a/x n1>n3;");
    /* An event in pieces. */
    fake_data(fake_last(&w.fake), "{\"type\":\"DELETED\",\"obj");
    expect_log(&w, "");
    fake_data(fake_last(&w.fake), "ect\":" POD("a", "y", "13", "n2") "}\n");
    expect_log(&w, "a/y n2>-;");
    assert_int_equal(informer_count(w.informer), 1);
    assert_string_equal(informer_get(w.informer, SLICE_LIT("a/x")), "n3");
    assert_int_equal(informer_revision(w.informer), 13);
    /* Other orders, other members, white space. */
    fake_data(
        fake_last(&w.fake),
        "{\"object\":" POD("a", "x", "14", "n4") ",\"type\":\"MODIFIED\"}\n"
                                                 "{\"type\":\"MODIFIED\",\"more\":{},\"object\":" POD(
                                                     "a", "x", "15", "n5") "}\n"
                                                                           "{\"type\": \"MODIFIED\", \"object\": " POD(
                                                                               "a", "x", "16", "n6") " }\r\n");
    expect_log(&w, "a/x n3>n4;a/x n4>n5;a/x n5>n6;");
    world_end(&w);
}

static void test_pages_are_one_list(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    fake_answer(
        fake_last(&w.fake), 200,
        "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"to/ken\"},\"items\":[" POD("a", "x", "5", "n1") "]}");
    assert_int_equal(w.synced, 0);
    assert_int_equal(informer_revision(w.informer), 0);
    assert_non_null(strstr(fake_last(&w.fake)->query, "&continue=to%2Fken"));
    fake_answer(fake_last(&w.fake), 200, LIST("10", POD("a", "y", "6", "n2")));
    expect_log(&w, "a/x ->n1;a/y ->n2;");
    assert_int_equal(w.synced, 1);
    assert_int_equal(informer_revision(w.informer), 10);
    world_end(&w);
}

static void test_expired_page_starts_over(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    fake_answer(fake_last(&w.fake), 200,
                "{\"metadata\":{\"resourceVersion\":\"10\",\"continue\":\"t\"},\"items\":[" POD(
                    "a", "x", "5", "n1") "," POD("a", "z", "6", "n1") "]}");
    fake_answer(fake_last(&w.fake), 410, "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}");
    (void)next_call(&w);
    assert_null(strstr(fake_last(&w.fake)->query, "continue"));
    fake_answer(fake_last(&w.fake), 200, LIST("20", POD("a", "x", "5", "n1")));
    expect_log(&w, "a/x ->n1;a/z ->n1;a/z n1>-;");
    assert_int_equal(w.synced, 1);
    world_end(&w);
}

static void test_resumes_after_a_break(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    start_watching(&w);
    fake_data(fake_last(&w.fake), EVENT("MODIFIED", POD("a", "x", "12", "n3")));
    fake_data(fake_last(&w.fake), "{\"type\":\"MODI");
    fake_break(fake_last(&w.fake));
    assert_non_null(strstr(next_call(&w)->query, "resourceVersion=12&"));
    fake_head(fake_last(&w.fake), 200);
    fake_data(fake_last(&w.fake), EVENT("MODIFIED", POD("a", "x", "14", "n4")));
    expect_log(&w, "a/x n1>n3;a/x n3>n4;");
    assert_int_equal(w.synced, 1);
    world_end(&w);
}

static void test_clean_end_after_an_event_resumes_at_once(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    start_watching(&w);
    fake_data(fake_last(&w.fake), EVENT("BOOKMARK", "{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"77\"}}"));
    expect_log(&w, "");
    assert_int_equal(informer_revision(w.informer), 77);
    fake_end(fake_last(&w.fake), NULL);
    assert_int_equal(w.fake.count, 3);
    assert_non_null(strstr(fake_last(&w.fake)->query, "resourceVersion=77&"));
    /* One that ends at once without a word waits. */
    fake_head(fake_last(&w.fake), 200);
    fake_end(fake_last(&w.fake), NULL);
    assert_int_equal(w.fake.count, 3);
    (void)next_call(&w);
    world_end(&w);
}

static void relist_and_compare(struct world *w)
{
    int projected = w->projected;

    assert_null(strstr(fake_last(&w->fake)->query, "watch"));
    fake_answer(fake_last(&w->fake), 200, LIST("30", POD("a", "x", "5", "n1") "," POD("b", "q", "29", "n9")));
    expect_log(w, "b/q ->n9;");
    assert_int_equal(w->projected - projected, 1); /* what is unchanged is not looked at */
    assert_non_null(strstr(fake_last(&w->fake)->query, "resourceVersion=30&"));
    assert_int_equal(w->synced, 1);
}

static void test_410_status_lists_again(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    fake_answer(fake_last(&w.fake), 200, LIST("10", POD("a", "x", "5", "n1")));
    expect_log(&w, "a/x ->n1;");
    fake_answer(fake_last(&w.fake), 410, "{\"kind\":\"Status\",\"code\":410}");
    relist_and_compare(&w);
    world_end(&w);
}

static void test_410_event_lists_again_and_finds_deletes(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    start_watching(&w);
    fake_data(fake_last(&w.fake), EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410,\"message\":\"too old\"}"));
    assert_true(w.fake.calls[1].cancelled);
    relist_and_compare(&w);
    /* Expired again without any event: no hot loop, the list waits. */
    fake_answer(fake_last(&w.fake), 410, "{\"kind\":\"Status\",\"code\":410}");
    assert_int_equal(w.fake.count, 4);
    (void)next_call(&w);
    fake_answer(fake_last(&w.fake), 200, LIST("40", POD("b", "q", "29", "n9")));
    expect_log(&w, "a/x n1>-;");
    world_end(&w);
}

static void test_other_error_event_resumes(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    start_watching(&w);
    fake_data(fake_last(&w.fake), EVENT("ERROR", "{\"kind\":\"Status\",\"code\":500,\"message\":\"no\"}"));
    assert_non_null(strstr(next_call(&w)->query, "resourceVersion=10&"));
    fake_answer(fake_last(&w.fake), 503, "{\"kind\":\"Status\",\"code\":503}");
    assert_non_null(strstr(next_call(&w)->query, "resourceVersion=10&"));
    world_end(&w);
}

static void test_garbage_is_survived(void **state)
{
    static const char *const lines[] = {"garbage\n", "{}\n", "[1,2]\n", "{\"type\":\"ADDED\",\"object\":{}}\n",
                                        "{\"type\":\"ADDED\",\"object\":\"\n"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct world w;

        world_start(&w);
        start_watching(&w);
        fake_data(fake_last(&w.fake), lines[i]);
        expect_log(&w, "");
        assert_non_null(strstr(next_call(&w)->query, "resourceVersion=10&"));
        world_end(&w);
    }
}

static void test_not_a_list_is_tried_again(void **state)
{
    struct world w;

    (void)state;
    world_start(&w);
    fake_answer(fake_last(&w.fake), 200, "[]");
    fake_answer(next_call(&w), 403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\"}");
    fake_break(next_call(&w));
    fake_answer(next_call(&w), 200, "{\"metadata\":{\"resourceVersion\":\"3\"},\"items\":null}");
    assert_int_equal(w.synced, 1);
    world_end(&w);
}

static void test_freed_inside_changed(void **state)
{
    struct world w;

    (void)state;
    /* In a list. */
    world_start(&w);
    w.free_at = 1;
    fake_answer(fake_last(&w.fake), 200, LIST("10", POD("a", "x", "5", "n1") "," POD("a", "y", "6", "n1")));
    expect_log(&w, "a/x ->n1;");
    assert_null(w.informer);
    assert_int_equal(w.fake.count, 1);
    world_end(&w);
    /* In a watch. */
    world_start(&w);
    start_watching(&w);
    w.free_at = 1;
    fake_data(fake_last(&w.fake),
              EVENT("DELETED", POD("a", "x", "12", "n1")) EVENT("ADDED", POD("a", "x", "13", "n1")));
    expect_log(&w, "a/x n1>-;");
    assert_true(w.fake.calls[1].cancelled);
    world_end(&w);
    /* While a relist finds deletes. */
    world_start(&w);
    start_watching(&w);
    fake_data(fake_last(&w.fake), EVENT("ADDED", POD("a", "y", "11", "n1")));
    fake_data(fake_last(&w.fake), EVENT("ERROR", "{\"kind\":\"Status\",\"code\":410}"));
    buf_reset(&w.log);
    w.free_at = 1;
    fake_answer(fake_last(&w.fake), 200, LIST("30", ""));
    assert_null(w.informer);
    assert_int_equal(w.fake.count, 3);
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_then_watch),
        cmocka_unit_test(test_pages_are_one_list),
        cmocka_unit_test(test_expired_page_starts_over),
        cmocka_unit_test(test_resumes_after_a_break),
        cmocka_unit_test(test_clean_end_after_an_event_resumes_at_once),
        cmocka_unit_test(test_410_status_lists_again),
        cmocka_unit_test(test_410_event_lists_again_and_finds_deletes),
        cmocka_unit_test(test_other_error_event_resumes),
        cmocka_unit_test(test_garbage_is_survived),
        cmocka_unit_test(test_not_a_list_is_tried_again),
        cmocka_unit_test(test_freed_inside_changed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
