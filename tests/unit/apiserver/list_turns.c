/* SPDX-License-Identifier: Apache-2.0 */
/* A list that looks at many objects does so in turns, chooses the same as in one, and is one snapshot. The store is
 * asked through the wrapper below. */
#include <stdio.h>

#include "tests/unit/apiserver/harness.h"

#define MAPS  "/api/v1/namespaces/turns/configmaps"
#define ALL   20000 /* m00000 ... m19999 */
#define FIRST 3000  /* of these are "in=most", and so is the last one; m10000 is "in=some" too */
#define BATCH 100

static struct harness h;
static int passes;
static int looked; /* by the longest of them */

struct counting {
    store_visit_item *visit;
    void *arg;
    int looked;
};

int __real_store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
                      struct store_range_result *ret_result, struct error *err);
int __wrap_store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
                      struct store_range_result *ret_result, struct error *err);

static int count_item(void *arg, const struct store_item *item)
{
    struct counting *c = arg;

    c->looked++;
    return c->visit(c->arg, item);
}

int __wrap_store_list(struct store *store, const struct store_range *range, store_visit_item *visit, void *arg,
                      struct store_range_result *ret_result, struct error *err)
{
    struct counting c = {visit, arg, 0};
    int r;

    if (!slice_ends(range->prefix, SLICE_LIT("/turns/")))
        return __real_store_list(store, range, visit, arg, ret_result, err);
    r = __real_store_list(store, range, count_item, &c, ret_result, err);
    passes++;
    looked = c.looked > looked ? c.looked : looked;
    return r;
}

static void stored(void *arg, uint64_t revision, size_t failed, const struct error *err)
{
    __atomic_store_n((int *)arg, err ? -1 : 1, __ATOMIC_SEQ_CST);
}

/* Past the front, many in a transaction. */
static void store_batch(int begin)
{
    struct store_operation operations[BATCH];
    char keys[BATCH][48];
    char values[BATCH][160];
    int done = 0;

    for (int i = 0; i < BATCH; i++) {
        int n = begin + i;

        (void)snprintf(keys[i], sizeof(keys[i]), "/registry//configmaps/turns/m%05d", n);
        (void)snprintf(values[i], sizeof(values[i]),
                       "{\"metadata\":{\"name\":\"m%05d\",\"namespace\":\"turns\",\"labels\":{\"in\":\"%s\"}}}", n,
                       n < FIRST || n == ALL - 1 ? "most"
                       : n == ALL / 2            ? "some"
                                                 : "none");
        operations[i] = (struct store_operation){STORE_PUT, slice_str(keys[i]), .value = slice_str(values[i])};
    }
    store_commit(h.store, &(struct store_transaction){.operations = operations, .operation_count = BATCH}, stored,
                 &done);
    while (!__atomic_load_n(&done, __ATOMIC_SEQ_CST))
        loop_turn(h.server->fronts[0].loop, false);
    assert_int_equal(done, 1);
}

static void fill(void)
{
    harness_expect(&h, 201, "POST", "/api/v1/namespaces", "{\"metadata\":{\"name\":\"turns\"}}", NULL);
    for (int i = 0; i < ALL; i += BATCH)
        store_batch(i);
}

static size_t items(const struct answer *a)
{
    return scan_count(scan_get(buf_slice(&a->body), "items"));
}

static void assert_in_turns(int at_least)
{
    assert_in_range(passes, at_least, 1000);
    assert_in_range(looked, 1, ALL / 2);
    passes = looked = 0;
}

/* One pass, and others have their turn. */
static void test_few_of_many(void **state)
{
    const struct ask ask = {.method = "GET", .path = MAPS "?labelSelector=in%3Dsome"};
    struct answer a CLEANUP_ANSWER = {0};

    passes = looked = 0;
    harness_begin(&h, &ask, &a);
    assert_int_equal(passes, 1);
    assert_false(a.over);
    while (!a.over) {
        int before = passes;

        loop_turn(h.server->fronts[0].loop, true);
        assert_in_range(passes, before, before + 1);
    }
    assert_in_turns(4);
    assert_int_equal(a.status, 200);
    assert_int_equal(items(&a), 1);
    assert_true(answer_has(&a, "\"m10000\""));
}

/* Long enough to be a stream, with nothing to send for several turns before its end. */
static void test_stream_with_a_gap(void **state)
{
    const struct ask packed = {.method = "GET",
                               .path = MAPS "?labelSelector=in%3Dmost",
                               .header_name = "accept-encoding",
                               .header_value = "gzip"};
    struct answer a CLEANUP_ANSWER = {0};

    passes = looked = 0;
    harness_expect(&h, 200, "GET", MAPS "?labelSelector=in%3Dmost", NULL, &a);
    assert_in_turns(4);
    assert_int_equal(items(&a), FIRST + 1);
    assert_true(answer_has(&a, "\"m19999\""));
    harness_ask(&h, &packed, &a);
    assert_int_equal(a.status, 200);
    assert_in_turns(4);
}

/* The page behind this one, which takes its place. */
static void next_page(struct answer *a, const char *query)
{
    char *token CLEANUP_FREE = answer_get(a, "metadata.continue");
    char *path CLEANUP_FREE = mem_printf(MAPS "?%s&continue=%s", query, token);

    harness_expect(&h, 200, "GET", path, NULL, a);
}

/* Of one snapshot, each as long as it was asked for, with the count of what remains. */
static void test_pages(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    passes = looked = 0;
    harness_expect(&h, 200, "GET", MAPS "?limit=8192", NULL, &a);
    assert_in_turns(2);
    assert_int_equal(items(&a), 8192);
    assert_answer(&a, "metadata.remainingItemCount", "11808");
    harness_expect(&h, 201, "POST", MAPS, "{\"metadata\":{\"name\":\"late\"}}", NULL);
    next_page(&a, "limit=8192");
    assert_int_equal(items(&a), 8192);
    assert_answer(&a, "metadata.remainingItemCount", "3616");
}

static void test_pages_of_some(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    passes = looked = 0;
    harness_expect(&h, 200, "GET", MAPS "?labelSelector=in%3Dmost&limit=3000", NULL, &a);
    assert_in_turns(3);
    assert_int_equal(items(&a), FIRST);
    next_page(&a, "labelSelector=in%3Dmost&limit=3000");
    assert_int_equal(items(&a), 1);
    assert_null(scan_get(buf_slice(&a.body), "metadata.continue").data);
}

/* What is made from the whole has all of it. */
static void test_forms(void **state)
{
    const struct ask asks[] = {{.method = "GET", .path = MAPS, .accept = "application/yaml"},
                               {.method = "GET", .path = MAPS, .accept = "application/vnd.kubernetes.protobuf"}};

    for (size_t i = 0; i < ARRAY_SIZE(asks); i++) {
        struct answer a CLEANUP_ANSWER = {0};

        passes = looked = 0;
        harness_ask(&h, &asks[i], &a);
        assert_int_equal(a.status, 200);
        assert_in_turns(3);
        assert_non_null(memmem(a.body.data, a.body.len, "m00000", 6));
        assert_non_null(memmem(a.body.data, a.body.len, "m19999", 6));
    }
}

/* Who asked goes away while it is looked, and while it is sent. */
static void test_left_between_turns(void **state)
{
    const char *const paths[] = {MAPS "?labelSelector=in%3Dsome", MAPS "?labelSelector=in%3Dmost"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        const struct ask ask = {.method = "GET", .path = paths[i]};
        struct answer a CLEANUP_ANSWER = {0};
        int before;

        passes = 0;
        harness_begin(&h, &ask, &a);
        assert_false(a.over);
        answer_clear(&a);
        before = passes;
        for (int k = 0; k < 10; k++)
            loop_turn(h.server->fronts[0].loop, false);
        assert_int_equal(passes, before);
        assert_in_range(passes, 1, 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_with_a_gap), cmocka_unit_test(test_left_between_turns),
        cmocka_unit_test(test_few_of_many),       cmocka_unit_test(test_pages),
        cmocka_unit_test(test_pages_of_some),     cmocka_unit_test(test_forms),
    };

    return harness_run_group(&h, tests, fill);
}
