/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/table.h"
#include "api/value.h"
#include "lib/clock.h"

/* One cell of a document, seen at NOW. */
#define NOW     "2026-01-01T01:00:00Z"
#define CREATED "\"creationTimestamp\":\"2026-01-01T00:00:00Z\""

static char *row_of(const struct schema_kind *kind, const char *document, enum table_include include)
{
    int64_t now;
    BUF_LOCAL(out);
    assert_true(time_parse(SLICE_LIT(NOW), &now));
    table_write_row(&out, kind, slice_str(document), 42, include, now);
    return buf_steal_str(&out);
}

static void check_cell(const char *cell, const char *document, const char *wanted)
{
    struct schema_column column = {.name = "X", .cell = cell};
    struct schema_kind kind = {.group = "g", .version = "v1", .kind = "K", .columns = &column, .column_count = 1};
    CLEANUP_FREE char *row = row_of(&kind, document, TABLE_INCLUDE_NONE);
    CLEANUP_FREE char *expected = mem_printf("{\"cells\":[%s],\"object\":null}", wanted);
    assert_string_equal(row, expected);
}

struct cell_case {
    const char *cell;
    const char *document;
    const char *wanted;
};

static void check_cells(const struct cell_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_cell(cases[i].cell, cases[i].document, cases[i].wanted);
}

static void test_templates(void **state)
{
    (void)state;
    static const struct cell_case cases[] = {
        {"{.status.ready|0}/{.spec.replicas}", "{\"spec\":{\"replicas\":3}}", "\"0/3\""},
        {"{.status.ready|0}", "{}", "0"},
        {"{.spec.n}", "{\"spec\":{\"n\":7}}", "7"},
        {"{.spec.flag|false}", "{\"spec\":{}}", "false"},
        {"{.spec.name}", "{\"spec\":{\"name\":\"a\\\"b\"}}", "\"a\\\"b\""},
        {"{.spec.name|<none>}", "{\"spec\":{\"name\":null}}", "\"<none>\""},
        {"{.spec.name|<none>}", "{\"spec\":{\"name\":\"\"}}", "\"<none>\""},
        {"{.spec.name}", "{}", "\"\""},
        {"{.spec.name|null}", "{}", "null"},
        {"{.spec.list}", "{\"spec\":{\"list\":[{\"a\":1}]}}", "\"[{\\\"a\\\":1}]\""},
        {"plain", "{}", "\"plain\""},
        {"@no-such-function", "{}", "null"},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_paths(void **state)
{
    (void)state;
    const char *doc = "{\"metadata\":{\"annotations\":{\"example.com/x\":\"v\"}},\"status\":{\"conditions\":[{\"type\":"
                      "\"A\",\"status\":\"True\"},{\"type\":\"Ready|x\",\"status\":\"False\"}]},\"top\":[1,2,3]}";
    const struct cell_case cases[] = {
        {"{.status.conditions[?(@.type==\"A\")].status}", doc, "\"True\""},
        {"{.status.conditions[?(@.type!=\"A\")].status}", doc, "\"False\""},
        {"{.status.conditions[?(@.type == 'Ready|x')].status|none}", doc, "\"False\""},
        {"{.status.conditions[?(@.type==\"B\")].status|none}", doc, "\"none\""},
        {"{.status.conditions[1].type}", doc, "\"Ready|x\""},
        {"{.status.conditions[-1].type}", doc, "\"Ready|x\""},
        {"{.status.conditions[9].type|x}", doc, "\"x\""},
        {"{.status.conditions[*].status} ", doc, "\"True False \""},
        {"{.metadata.annotations.example\\.com/x}", doc, "\"v\""},
        {"{.metadata.annotations['example.com/x']}", doc, "\"v\""},
        {"{.top[2]}", doc, "3"},
        /* Broken paths find nothing, and nothing is read past the end. */
        {"{.top[}", doc, "\"\""},
        {"{.top[?(}", doc, "\"\""},
        {"{top}", doc, "\"\""},
        {"{.}", doc, "\"\""},
        {"{.status.conditions[0", doc, "\"{.status.conditions[0\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

/* More members than the index of a level holds are still found. */
static void test_many_members(void **state)
{
    (void)state;
    BUF_LOCAL(doc);
    buf_append_str(&doc, "{\"spec\":{");
    for (int i = 0; i < 100; i++)
        buf_printf(&doc, "%s\"m%d\":%d", i ? "," : "", i, i);
    buf_append_str(&doc, "}}");
    check_cell("{.spec.m99}", buf_cstr(&doc), "99");
}

static void test_generic_functions(void **state)
{
    (void)state;
    const char *selector = "{\"spec\":{\"selector\":{\"matchLabels\":{\"b\":\"2\",\"a\":\"1\"},\"matchExpressions\":[{"
                           "\"key\":\"k\",\"operator\":\"In\",\"values\":[\"x\",\"y\"]},{\"key\":\"n\",\"operator\":"
                           "\"DoesNotExist\"},{\"key\":\"e\",\"operator\":\"Exists\"}]}}}";
    const char *template = "{\"spec\":{\"template\":{\"spec\":{\"initContainers\":[{\"name\":\"i\"}],\"containers\":[{"
                           "\"name\":\"a\",\"image\":\"x:1\"},{\"name\":\"b\",\"image\":\"y\"}]}}}}";
    const struct cell_case cases[] = {
        {"@age", "{\"metadata\":{" CREATED "}}", "\"60m\""},
        {"@age", "{\"metadata\":{\"creationTimestamp\":null}}", "\"<unknown>\""},
        /* Times that no clock shows are no trouble. */
        {"@age", "{\"metadata\":{\"creationTimestamp\":\"9999-12-31T23:59:59Z\"}}", "\"<invalid>\""},
        {"@age", "{\"metadata\":{\"creationTimestamp\":\"0001-01-01T00:00:00Z\"}}", "\"202y\""},
        {"@age .status.at|<none>", "{\"status\":{}}", "\"<none>\""},
        {"@age .status.at|null", "{\"status\":{}}", "null"},
        {"@age .status.at|null", "{\"status\":{\"at\":\"2026-01-01T00:59:30Z\"}}", "\"30s\""},
        {"@selector .spec.selector", selector, "\"a=1,b=2,k in (x,y),!n,e\""},
        {"@selector .spec.selector", "{}", "\"<none>\""},
        {"@labels .spec.selector", "{\"spec\":{\"selector\":{\"z\":\"1\",\"a\":\"\"}}}", "\"a=,z=1\""},
        {"@containers .spec.template.spec", template, "\"a,b\""},
        {"@images", template, "\"x:1,y\""},
        {"@count .data .binaryData", "{\"data\":{\"a\":\"\",\"b\":\"\"},\"binaryData\":{\"c\":\"\"}}", "3"},
        {"@count .secrets", "{}", "0"},
        {"@event-count", "{\"count\":-9223372036854775807}", "-9223372036854775807"},
        {"@join .spec.modes[*]|<unset>", "{\"spec\":{\"modes\":[\"a\",\"b\"]}}", "\"a,b\""},
        {"@join .spec.modes[*]|<unset>", "{\"spec\":{\"modes\":[]}}", "\"<unset>\""},
        {"@bool .spec.suspend", "{\"spec\":{\"suspend\":true}}", "\"True\""},
        {"@bool .spec.suspend", "{\"spec\":{}}", "\"<unset>\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_node(void **state)
{
    (void)state;
    const char *doc = "{\"metadata\":{\"labels\":{\"node-role.kubernetes.io/worker\":\"\",\"node-role.kubernetes.io/"
                      "control-plane\":\"\",\"kubernetes.io/role\":\"worker\"}},\"spec\":{\"unschedulable\":true},"
                      "\"status\":{\"conditions\":[{\"type\":\"DiskPressure\",\"status\":\"True\"},{\"type\":\"Ready\","
                      "\"status\":\"Unknown\"}],\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"10.0.0.1\"}]}}";
    const struct cell_case cases[] = {
        {"@node-status", doc, "\"NotReady,SchedulingDisabled\""}, {"@node-status", "{}", "\"Unknown\""},
        {"@node-roles", doc, "\"control-plane,worker\""},         {"@node-roles", "{}", "\"<none>\""},
        {"@node-address InternalIP", doc, "\"10.0.0.1\""},        {"@node-address ExternalIP", doc, "\"<none>\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_service(void **state)
{
    (void)state;
    const char *balancer = "{\"spec\":{\"type\":\"LoadBalancer\",\"externalIPs\":[\"9.9.9.9\"],\"ports\":[{\"port\":80,"
                           "\"nodePort\":30080,\"protocol\":\"TCP\"},{\"port\":53,\"protocol\":\"UDP\"}]},\"status\":{"
                           "\"loadBalancer\":{\"ingress\":[{\"hostname\":\"x.y\"},{\"ip\":\"8.8.8.8\"}]}}}";
    const char *endpoints = "{\"subsets\":[{\"addresses\":[{\"ip\":\"1.1.1.1\"},{\"ip\":\"::1\"}],\"ports\":[{\"port\":"
                            "80},{\"port\":81}]}]}";
    const struct cell_case cases[] = {
        {"@service-external-ip", balancer, "\"8.8.8.8,x.y,9.9.9.9\""},
        {"@service-external-ip", "{\"spec\":{\"type\":\"LoadBalancer\"}}", "\"<pending>\""},
        {"@service-external-ip", "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"a.b\"}}", "\"a.b\""},
        {"@service-external-ip", "{\"spec\":{\"type\":\"ClusterIP\"}}", "\"<none>\""},
        {"@service-ports", balancer, "\"80:30080/TCP,53/UDP\""},
        {"@service-ports", "{}", "\"<none>\""},
        {"@endpoints", endpoints, "\"1.1.1.1:80,[::1]:80,1.1.1.1:81 + 1 more...\""},
        {"@endpoints", "{\"subsets\":[{\"addresses\":[{\"ip\":\"1.1.1.1\"}]}]}", "\"1.1.1.1\""},
        {"@endpoints", "{}", "\"<none>\""},
        {"@slice-ports", "{\"ports\":[{\"name\":\"a\",\"port\":1},{\"name\":\"b\"},{},{\"port\":4}]}",
         "\"1,b,* + 1 more...\""},
        {"@slice-endpoints", "{\"endpoints\":[{\"addresses\":[\"1.1.1.1\"]},{\"addresses\":[\"2.2.2.2\"]}]}",
         "\"1.1.1.1,2.2.2.2\""},
        {"@slice-endpoints", "{\"endpoints\":null}", "\"<unset>\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_event(void **state)
{
    (void)state;
    const char *core = "{\"involvedObject\":{\"kind\":\"Pod\",\"name\":\"x\"},\"source\":{\"component\":\"kubelet\","
                       "\"host\":\"n1\"},\"firstTimestamp\":\"2026-01-01T00:00:00Z\",\"lastTimestamp\":"
                       "\"2026-01-01T00:59:00Z\",\"count\":4}";
    const char *newer = "{\"regarding\":{\"kind\":\"Node\"},\"reportingController\":\"c\",\"eventTime\":"
                        "\"2026-01-01T00:58:00.000000Z\",\"firstTimestamp\":null,\"lastTimestamp\":null}";
    const char *series = "{\"eventTime\":\"2026-01-01T00:00:00.000000Z\",\"series\":{\"count\":9,"
                         "\"lastObservedTime\":\"2026-01-01T00:59:55.000000Z\"}}";
    const struct cell_case cases[] = {
        {"@event-last-seen", core, "\"60s\""},
        {"@event-first-seen", core, "\"60m\""},
        {"@event-count", core, "4"},
        {"@event-object", core, "\"pod/x\""},
        {"@event-source", core, "\"kubelet, n1\""},
        {"@event-last-seen", newer, "\"2m\""},
        {"@event-count", newer, "1"},
        {"@event-object", newer, "\"node\""},
        {"@event-source", newer, "\"c\""},
        {"@event-last-seen", series, "\"5s\""},
        {"@event-count", series, "9"},
        {"@event-last-seen", "{}", "\"<unknown>\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_volumes_and_quota(void **state)
{
    (void)state;
    const char *claim = "{\"metadata\":{\"deletionTimestamp\":\"" NOW "\"},\"spec\":{\"volumeName\":\"pv\","
                        "\"storageClassName\":\"fast\"},\"status\":{\"phase\":\"Bound\",\"accessModes\":["
                        "\"ReadOnlyMany\",\"ReadWriteOnce\"],\"capacity\":{\"storage\":\"1Gi\"}}}";
    const char *quota = "{\"status\":{\"hard\":{\"pods\":\"10\",\"limits.cpu\":\"2\",\"cpu\":\"1\"},\"used\":{\"pods\":"
                        "\"3\"}}}";
    const struct cell_case cases[] = {
        {"@phase", claim, "\"Terminating\""},
        {"@phase", "{\"status\":{\"phase\":\"Bound\"}}", "\"Bound\""},
        {"@access-modes .status.accessModes", claim, "\"RWO,ROX\""},
        {"@claim-modes", claim, "\"RWO,ROX\""},
        {"@claim-capacity", claim, "\"1Gi\""},
        {"@claim-capacity", "{\"status\":{\"capacity\":{\"storage\":\"1Gi\"}}}", "\"\""},
        {"@volume-class", claim, "\"fast\""},
        {"@volume-claim", "{\"spec\":{\"claimRef\":{\"namespace\":\"ns\",\"name\":\"c\"}}}", "\"ns/c\""},
        {"@quota-requests", quota, "\"cpu: 0/1, pods: 3/10\""},
        {"@quota-limits", quota, "\"limits.cpu: 0/2\""},
        {"@storageclass-name",
         "{\"metadata\":{\"name\":\"s\",\"annotations\":{\"storageclass.kubernetes.io/is-default-class\":\"true\"}}}",
         "\"s (default)\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_groups(void **state)
{
    (void)state;
    const char *job = "{\"spec\":{\"completions\":2},\"status\":{\"succeeded\":1,\"startTime\":"
                      "\"2026-01-01T00:30:00Z\",\"conditions\":[{\"type\":\"Suspended\",\"status\":\"True\"}]}}";
    const char *hpa = "{\"spec\":{\"metrics\":[{\"type\":\"Resource\",\"resource\":{\"name\":\"cpu\",\"target\":{"
                      "\"averageUtilization\":50}}},{\"type\":\"Pods\",\"pods\":{\"target\":{\"averageValue\":\"5\"}}},"
                      "{\"type\":\"Pods\"}]},\"status\":{\"currentMetrics\":[{\"type\":\"Resource\",\"resource\":{"
                      "\"current\":{\"averageUtilization\":10}}}]}}";
    const char *owned = "{\"metadata\":{\"ownerReferences\":[{\"kind\":\"X\",\"name\":\"no\"},{\"apiVersion\":"
                        "\"apps/v1\",\"kind\":\"DaemonSet\",\"name\":\"d\",\"controller\":true}]}}";
    const char *bound = "{\"subjects\":[{\"kind\":\"User\",\"name\":\"a\"},{\"kind\":\"ServiceAccount\",\"namespace\":"
                        "\"ns\",\"name\":\"sa\"},{\"kind\":\"User\",\"name\":\"b\"}]}";
    const struct cell_case cases[] = {
        {"@job-status", job, "\"Suspended\""},
        {"@job-status", "{\"status\":{\"conditions\":[{\"type\":\"Complete\",\"status\":\"True\"}]}}", "\"Complete\""},
        {"@job-completions", job, "\"1/2\""},
        {"@job-completions", "{\"spec\":{\"parallelism\":3}}", "\"0/1 of 3\""},
        {"@job-duration", job, "\"30m\""},
        {"@job-duration", "{}", "\"\""},
        {"@ingress-hosts", "{\"spec\":{\"rules\":[{\"host\":\"a.b\"},{}]}}", "\"a.b\""},
        {"@ingress-hosts", "{\"spec\":{}}", "\"*\""},
        {"@ingress-ports", "{\"spec\":{\"tls\":[{}]}}", "\"80, 443\""},
        {"@ingressclass-parameters", "{\"spec\":{\"parameters\":{\"apiGroup\":\"g\",\"kind\":\"K\",\"name\":\"n\"}}}",
         "\"K.g/n\""},
        {"@hpa-targets", hpa, "\"cpu: 10%/50%, <unknown>/5 + 1 more...\""},
        {"@hpa-targets", "{\"spec\":{\"targetCPUUtilizationPercentage\":80}}", "\"cpu: <unknown>/80%\""},
        {"@subjects User", bound, "\"a, b\""},
        {"@subjects ServiceAccount", bound, "\"ns/sa\""},
        {"@subjects Group", bound, "\"\""},
        {"@csr-condition", "{\"status\":{\"certificate\":\"eA==\",\"conditions\":[{\"type\":\"Approved\"}]}}",
         "\"Approved,Issued\""},
        {"@csr-condition", "{}", "\"Pending\""},
        {"@csr-duration", "{\"spec\":{\"expirationSeconds\":86400}}", "\"24h\""},
        {"@csr-duration", "{}", "\"<none>\""},
        {"@controller", owned, "\"daemonset.apps/d\""},
        {"@controller", "{}", "\"<none>\""},
    };
    check_cells(cases, ARRAY_SIZE(cases));
}

static void test_row_objects(void **state)
{
    (void)state;
    const struct schema_kind kind = {.group = "g", .version = "v1", .kind = "K"};
    const char *doc = "{\"apiVersion\":\"g/v1\",\"kind\":\"K\",\"metadata\":{\"name\":\"n\",\"uid\":\"u\"," CREATED
                      "},\"spec\":{}}";
    /* A kind without columns has those that upstream gives one without a printer. */
    CLEANUP_FREE char *row = row_of(&kind, doc, TABLE_INCLUDE_METADATA);
    assert_string_equal(row, "{\"cells\":[\"n\",\"2026-01-01T00:00:00Z\"],\"object\":{\"kind\":"
                             "\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",\"metadata\":{\"name\":\"n\","
                             "\"uid\":\"u\",\"resourceVersion\":\"42\"," CREATED "}}}");
    CLEANUP_FREE char *whole = row_of(&kind, doc, TABLE_INCLUDE_OBJECT);
    assert_non_null(strstr(whole, "\"object\":{\"apiVersion\":\"g/v1\",\"kind\":\"K\","));
    assert_non_null(strstr(whole, "\"resourceVersion\":\"42\""));
    BUF_LOCAL(out);
    table_write_columns(&out, &kind);
    assert_non_null(strstr(buf_cstr(&out), "{\"name\":\"Created At\",\"type\":\"date\",\"format\":\"\",\"description\":"
                                           "\"CreationTimestamp is a timestamp "));
    buf_reset(&out);
    table_write_partial(&out, SLICE_LIT("{\"metadata\":{\"name\":\"n\"}}"), 7);
    assert_string_equal(buf_cstr(&out), "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\","
                                        "\"metadata\":{\"name\":\"n\",\"resourceVersion\":\"7\"}}");
    buf_reset(&out);
    table_write_row(&out, &kind, SLICE_LIT("{\"metadata\":{\"uid\":\"u\"}}"), 0, TABLE_INCLUDE_METADATA, 0);
    assert_null(strstr(buf_cstr(&out), "resourceVersion"));
}

/* Whatever a schema's row names is there, and every cell of every kind is JSON on any document. */
static void test_all_columns(void **state)
{
    (void)state;
    static const char *const documents[] = {"{}", "{\"metadata\":null,\"spec\":[],\"status\":\"\"}",
                                            "{\"metadata\":{},\"spec\":{},\"status\":{\"conditions\":[1,{}]}}"};
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    for (size_t k = 0; k < count; k++) {
        for (size_t c = 0; c < kinds[k]->column_count; c++) {
            struct slice name, cell = slice_str(kinds[k]->columns[c].cell);
            slice_split(&cell, ' ', &name);
            if (slice_starts(name, SLICE_LIT("@")) && !table_knows_function(slice_from(name, 1)))
                fail_msg("%s: %.*s is no function", kinds[k]->kind, SLICE_ARGS(name));
        }
        for (size_t d = 0; d < ARRAY_SIZE(documents); d++) {
            ERROR_LOCAL(err);
            CLEANUP_FREE char *row = row_of(kinds[k], documents[d], TABLE_INCLUDE_NONE);
            CLEANUP_VALUE struct value *parsed = value_parse(slice_str(row), &err);
            if (!parsed)
                fail_msg("%s: %s: %s", kinds[k]->kind, error_text(&err), row);
            assert_int_equal(value_count(value_get(parsed, "cells")),
                             kinds[k]->column_count ? kinds[k]->column_count : 2);
        }
    }
}

/* Documents are valid when they are stored; of a broken one, nothing is read beyond its end. */
static void test_cut_documents(void **state)
{
    (void)state;
    struct slice doc = SLICE_LIT(
        "{\"metadata\":{\"name\":\"a\\\"b\",\"labels\":{\"node-role.kubernetes.io/x\":\"\"}," CREATED "},\"spec\":{"
        "\"containers\":[{\"name\":\"c\"}],\"selector\":{\"matchLabels\":{\"a\":\"b\"}},\"ports\":[{\"port\":1}]},"
        "\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"c\",\"state\":{\"terminated\":{"
        "\"exitCode\":1}}}],\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]},\"subsets\":[{\"addresses\":[{"
        "\"ip\":\"1.1.1.1\"}]}]}");
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    BUF_LOCAL(out);
    for (size_t len = 0; len <= doc.len; len++) {
        /* A copy of just that size, so that a sanitizer sees a step too far. */
        CLEANUP_FREE char *cut = mem_dup(doc.data, len);
        for (size_t k = 0; k < count; k++) {
            buf_reset(&out);
            table_write_row(&out, kinds[k], slice_make(cut, len), 1, TABLE_INCLUDE_METADATA, 0);
            assert_true(slice_starts(buf_slice(&out), SLICE_LIT("{\"cells\":[")));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_templates),    cmocka_unit_test(test_paths),
        cmocka_unit_test(test_many_members), cmocka_unit_test(test_generic_functions),
        cmocka_unit_test(test_node),         cmocka_unit_test(test_service),
        cmocka_unit_test(test_event),        cmocka_unit_test(test_volumes_and_quota),
        cmocka_unit_test(test_groups),       cmocka_unit_test(test_row_objects),
        cmocka_unit_test(test_all_columns),  cmocka_unit_test(test_cut_documents),
    };
    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
