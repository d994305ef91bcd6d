/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes and pods are given as JSON, as the informers see them; the table says which node must win or what is said. */
#include "tests/unit/test.h"

#include "scheduler/decide.h"

#define NODES_MAX 4

struct world {
    struct node_table table;
    struct node_view *nodes[NODES_MAX];
    size_t count;
};

static void world_add(struct world *w, const char *name, const char *labels, const char *spec, const char *cpu)
{
    char *json CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"%s\",\"labels\":{%s}},\"spec\":{%s},\"status\":{"
                                         "\"allocatable\":{\"cpu\":\"%s\",\"memory\":\"4Gi\",\"pods\":\"3\"}}}",
                                         name, labels, spec, cpu);

    w->nodes[w->count] = node_view_read(slice_str(json));
    node_table_set(&w->table, w->nodes[w->count++]);
}

static struct pod_view *pod(const char *spec)
{
    char *json CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\",\"uid\":\"u\","
                                         "\"ownerReferences\":[{\"uid\":\"o\",\"controller\":true}]},"
                                         "\"spec\":{%s}}",
                                         spec);

    return pod_view_read(slice_str(json));
}

static void world_place(struct world *w, const char *key, const char *spec, const char *node)
{
    struct pod_view *p = pod(spec);

    node_table_place(&w->table, slice_str(key), p, node);
    pod_view_free(p);
}

static void world_free(struct world *w)
{
    node_table_free(&w->table);
    for (size_t i = 0; i < w->count; i++)
        node_view_free(w->nodes[i]);
}

static void expect_node(struct world *w, const char *spec, const char *node)
{
    struct pod_view *p = pod(spec);
    char *message CLEANUP_FREE = NULL;
    int32_t row = decide_node(&w->table, p, 0, &message);

    if (row < 0)
        fail_msg("no node for {%s}: %s", spec, message);
    assert_string_equal(w->table.view[row]->name, node);
    pod_view_free(p);
}

static void expect_message(struct world *w, const char *spec, const char *text)
{
    struct pod_view *p = pod(spec);
    char *message CLEANUP_FREE = NULL;

    assert_int_equal(decide_node(&w->table, p, 0, &message), -1);
    assert_string_equal(message, text);
    pod_view_free(p);
}

#define CPU(n) "\"containers\":[{\"resources\":{\"requests\":{\"cpu\":\"" n "\"}}}]"

static void test_no_nodes(void **state)
{
    struct world w = {0};

    (void)state;
    expect_message(&w, CPU("1"), "no nodes available to schedule pods");
    world_free(&w);
}

static void test_fit_and_its_reasons(void **state)
{
    struct world w = {0};

    (void)state;
    world_add(&w, "a", "", "", "2");
    world_add(&w, "b", "", "", "1");
    expect_node(&w, CPU("1500m"), "a");
    world_place(&w, "n/x", CPU("1500m"), "a");
    expect_message(&w, CPU("1500m"),
                   "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 1 No preemption "
                   "victims found for incoming pod, 1 Preemption is not helpful for scheduling.");
    node_table_take_away(&w.table, SLICE_LIT("n/x"));
    expect_node(&w, CPU("1500m"), "a");
    world_free(&w);
}

static void test_pod_count_is_a_resource(void **state)
{
    struct world w = {0};

    (void)state;
    world_add(&w, "a", "", "", "9");
    world_place(&w, "n/1", "", "a");
    world_place(&w, "n/2", "", "a");
    world_place(&w, "n/3", "", "a");
    expect_message(&w, "",
                   "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption "
                   "victims found for incoming pod.");
    world_free(&w);
}

static void test_selector_and_affinity(void **state)
{
    struct world w = {0};

    (void)state;
    world_add(&w, "a", "\"disk\":\"hdd\",\"n\":\"5\"", "", "9");
    world_add(&w, "b", "\"disk\":\"ssd\",\"n\":\"7\"", "", "1");
    expect_node(&w, "\"nodeSelector\":{\"disk\":\"ssd\"}", "b");
#define REQUIRED(terms)                                                                                                \
    "\"affinity\":{\"nodeAffinity\":{\"requiredDuringSchedulingIgnoredDuringExecution\":{\"nodeSelectorTerms\":"       \
    "[" terms "]}}}"
    expect_node(&w, REQUIRED("{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"NotIn\",\"values\":[\"hdd\"]}]}"),
                "b");
    expect_node(&w, REQUIRED("{\"matchExpressions\":[{\"key\":\"n\",\"operator\":\"Gt\",\"values\":[\"6\"]}]}"), "b");
    expect_node(&w, REQUIRED("{\"matchFields\":[{\"key\":\"metadata.name\",\"operator\":\"In\",\"values\":[\"b\"]}]}"),
                "b");
    /* One term is enough; an empty term matches nothing. */
    expect_node(&w, REQUIRED("{},{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"ssd\"]}]}"),
                "b");
    expect_message(
        &w, REQUIRED("{}"),
        "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. preemption: 0/2 nodes "
        "are available: 2 Preemption is not helpful for scheduling.");
#undef REQUIRED
    /* A preference outweighs free room. */
    expect_node(
        &w,
        "\"affinity\":{\"nodeAffinity\":{\"preferredDuringSchedulingIgnoredDuringExecution\":[{\"weight\":10,"
        "\"preference\":{\"matchExpressions\":[{\"key\":\"disk\",\"operator\":\"In\",\"values\":[\"ssd\"]}]}}]}}",
        "b");
    world_free(&w);
}

static void test_taints_and_cordons(void **state)
{
    struct world w = {0};

    (void)state;
    world_add(&w, "a", "", "\"taints\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]", "9");
    world_add(&w, "b", "", "\"unschedulable\":true", "9");
    expect_message(&w, "",
                   "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. "
                   "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.");
    expect_node(&w, "\"tolerations\":[{\"key\":\"k\",\"value\":\"v\",\"effect\":\"NoSchedule\"}]", "a");
    expect_node(&w, "\"tolerations\":[{\"key\":\"k\",\"operator\":\"Exists\"}]", "a");
    expect_node(&w, "\"tolerations\":[{\"key\":\"node.kubernetes.io/unschedulable\",\"operator\":\"Exists\"}]", "b");
    expect_message(&w, "\"tolerations\":[{\"key\":\"k\",\"value\":\"other\"}]",
                   "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. "
                   "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.");
    world_add(&w, "c", "", "\"taints\":[{\"key\":\"p\",\"effect\":\"PreferNoSchedule\"}]", "9");
    world_add(&w, "d", "", "", "9");
    expect_node(&w, "", "d");
    world_free(&w);
}

static void test_host_ports_clash(void **state)
{
#define PORT(ip, protocol)                                                                                             \
    "\"containers\":[{\"ports\":[{\"containerPort\":80,\"hostPort\":80,\"hostIP\":\"" ip "\",\"protocol\":\"" protocol \
    "\"}]}]"
    struct world w = {0};

    (void)state;
    world_add(&w, "a", "", "", "9");
    world_place(&w, "n/x", PORT("127.0.0.1", "TCP"), "a");
    expect_node(&w, PORT("127.0.0.2", "TCP"), "a");
    expect_node(&w, PORT("127.0.0.1", "UDP"), "a");
    expect_message(&w, PORT("0.0.0.0", "TCP"),
                   "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: "
                   "0/1 nodes are available: 1 No preemption victims found for incoming pod.");
#undef PORT
    world_free(&w);
}

static void test_spreads_pods_of_one_controller(void **state)
{
    struct world w = {0};

    (void)state;
    world_add(&w, "a", "", "", "8");
    world_add(&w, "b", "", "", "8");
    world_place(&w, "n/x", CPU("100m"), "a");
    expect_node(&w, CPU("100m"), "b");
    world_place(&w, "n/y", CPU("100m"), "b");
    world_place(&w, "n/z", CPU("100m"), "b");
    expect_node(&w, CPU("100m"), "a");
    world_free(&w);
}

static void test_pods_of_a_node_that_comes_later_count(void **state)
{
    struct world w = {0};

    (void)state;
    world_place(&w, "n/x", CPU("2"), "a");
    world_add(&w, "a", "", "", "2");
    expect_message(&w, CPU("1"),
                   "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption "
                   "victims found for incoming pod.");
    node_table_remove(&w.table, SLICE_LIT("a"));
    expect_message(&w, CPU("1"), "no nodes available to schedule pods");
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_nodes),
        cmocka_unit_test(test_fit_and_its_reasons),
        cmocka_unit_test(test_pod_count_is_a_resource),
        cmocka_unit_test(test_selector_and_affinity),
        cmocka_unit_test(test_taints_and_cordons),
        cmocka_unit_test(test_host_ports_clash),
        cmocka_unit_test(test_spreads_pods_of_one_controller),
        cmocka_unit_test(test_pods_of_a_node_that_comes_later_count),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
