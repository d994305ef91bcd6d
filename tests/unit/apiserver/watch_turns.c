/* SPDX-License-Identifier: Apache-2.0 */
/* Who begins to watch far back, or with all that there is, is served in turns, and no page is looked at twice. The
 * store is asked through the wrappers below. */
#include <stdio.h>

#include "tests/unit/apiserver/harness.h"

#define COUNT 30
#define MAPS  "/api/v1/namespaces/turns/configmaps"

static struct harness h;
static uint64_t before; /* the maps: the store's revision */
static int reads;       /* of the log */
static int pages;       /* of a list that begins a watch */
static int counted;     /* of these, those that count what remains */

int __real_store_read_log(struct store *store, struct slice prefix, enum store_class class, uint64_t after,
                          uint64_t until, size_t limit, store_visit_event *visit, void *arg, uint64_t *ret_until,
                          struct error *err);
int __wrap_store_read_log(struct store *store, struct slice prefix, enum store_class class, uint64_t after,
                          uint64_t until, size_t limit, store_visit_event *visit, void *arg, uint64_t *ret_until,
                          struct error *err);
int __real_store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
                      struct store_range_result *ret_result, struct error *err);
int __wrap_store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
                      struct store_range_result *ret_result, struct error *err);

/* Each revision as if it were a page. */
int __wrap_store_read_log(struct store *store, struct slice prefix, enum store_class class, uint64_t after,
                          uint64_t until, size_t limit, store_visit_event *visit, void *arg, uint64_t *ret_until,
                          struct error *err)
{
    reads++;
    assert_true(limit > 0 && until > after);
    return __real_store_read_log(store, prefix, class, after, after + 1, limit, visit, arg, ret_until, err);
}

/* Pages of one. */
int __wrap_store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
                      struct store_range_result *ret_result, struct error *err)
{
    struct store_range small = *range;

    if (range->limit > 1 && slice_ends(range->prefix, SLICE_LIT("/turns/"))) {
        small.limit = 1;
        pages++;
        counted += !range->skip_count;
    }
    return __real_store_list(store, &small, visit, arg, ret_result, err);
}

/* As many turns as it takes until enough was read; none reads all: it steps by itself, and when the stream is drained.
 */
static void turn_until(const int *read, int enough)
{
    while (*read < enough) {
        int was = *read;

        loop_turn(h.server->fronts[0].loop, true);
        assert_in_range(*read, was, was + COUNT / 2);
    }
}

/* All are made, and the front's hub knows of them. */
static void fill(void)
{
    struct answer live CLEANUP_ANSWER = {0};
    const struct ask ask = {.method = "GET", .path = MAPS "?watch=1"};

    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"turns\"}}", NULL);
    harness_begin(&h, &ask, &live);
    before = store_revision(h.store);
    for (int i = 0; i < COUNT; i++) {
        char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"map-%02d\"}}", i);

        harness_expect(&h, 201, "POST", MAPS, body, NULL);
    }
    harness_wait_for(&live, "\"map-29\"");
}

/* All of them, each once, in order. */
static void assert_all(const struct answer *a)
{
    const char *at = a->body.data, *end = at + a->body.len;

    for (int i = 0; i < COUNT; i++) {
        char *name CLEANUP_FREE = mem_printf("\"name\":\"map-%02d\"", i);

        at = memmem(at, (size_t)(end - at), name, strlen(name));
        assert_non_null(at);
        assert_null(memmem(at + 1, (size_t)(end - at) - 1, name, strlen(name)));
    }
}

static void test_log_in_turns(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    char *path CLEANUP_FREE =
        mem_printf(MAPS "?watch=1&resourceVersion=%llu", (unsigned long long)store_revision(h.store) - COUNT);
    const struct ask ask = {.method = "GET", .path = path};

    reads = 0;
    harness_begin(&h, &ask, &a);
    turn_until(&reads, COUNT);
    harness_wait_for(&a, "\"map-29\"");
    assert_in_range(reads, COUNT, 1000);
    assert_all(&a);
    harness_expect(&h, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"live\"}}", NULL);
    harness_wait_for(&a, "\"live\"");
    harness_expect(&h, 200, "DELETE", MAPS "/live", NULL, NULL);
}

static void test_list_in_turns(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const struct ask ask = {
        .method = "GET",
        .path = MAPS "?watch=1&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"};

    pages = counted = 0;
    harness_begin(&h, &ask, &a);
    turn_until(&pages, COUNT);
    harness_wait_for(&a, "k8s.io/initial-events-end");
    assert_int_equal(pages, COUNT);
    assert_int_equal(counted, 0);
    assert_all(&a);
}

/* It goes away in between. */
static void test_left_between_turns(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};
    const struct ask ask = {.method = "GET", .path = MAPS "?watch=1&resourceVersion=0"};

    pages = 0;
    harness_begin(&h, &ask, &a);
    turn_until(&pages, 1);
    front_end_streams(&h.server->fronts[0]);
    while (!a.over)
        loop_turn(h.server->fronts[0].loop, true);
    assert_in_range(pages, 1, 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_in_turns),
        cmocka_unit_test(test_list_in_turns),
        cmocka_unit_test(test_left_between_turns),
    };

    return harness_run_group(&h, tests, fill);
}
