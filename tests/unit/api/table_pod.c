/* SPDX-License-Identifier: Apache-2.0 */
/* The cells of pods: the rules of upstream's printPod, one case each. */
#include "tests/unit/test.h"

#include "api/table.h"
#include "lib/clock.h"

static const struct schema_column columns[] = {
    {.name = "Ready", .cell = "@pod-ready"},
    {.name = "Status", .cell = "@pod-status"},
    {.name = "Restarts", .cell = "@pod-restarts"},
    {.name = "Readiness Gates", .cell = "@pod-readiness-gates"},
};
static const struct schema_kind pod = {
    .group = "", .version = "v1", .kind = "Pod", .columns = columns, .column_count = ARRAY_SIZE(columns)};

#define ONE   "\"spec\":{\"containers\":[{\"name\":\"c\"}]}"
#define TWO   "\"spec\":{\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]}"
#define INIT2 "\"spec\":{\"initContainers\":[{\"name\":\"i\"},{\"name\":\"j\"}],\"containers\":[{\"name\":\"c\"}]}"
#define SIDECAR                                                                                                        \
    "\"spec\":{\"initContainers\":[{\"name\":\"i\",\"restartPolicy\":\"Always\"}],\"containers\":[{\"name\":\"c\"}]}"
#define UP(name, restarts)                                                                                             \
    "{\"name\":\"" name "\",\"ready\":true,\"started\":true,\"restartCount\":" restarts ",\"state\":{\"running\":{}}}"
#define ENDED(name, how) "{\"name\":\"" name "\",\"restartCount\":0,\"state\":{\"terminated\":{" how "}}}"
#define WAITS(name, why)                                                                                               \
    "{\"name\":\"" name "\",\"restartCount\":3,\"state\":{\"waiting\":{\"reason\":\"" why "\"}},\"lastState\":{"       \
    "\"terminated\":{\"finishedAt\":\"2026-01-01T00:55:00Z\"}}}"
#define DELETED "\"metadata\":{\"deletionTimestamp\":\"2026-01-01T00:00:00Z\"},"
#define NOTHING ",\"0\",\"<none>\"]"

struct pod_case {
    const char *document;
    const char *cells;
};

static const struct pod_case cases[] = {
    {"{" ONE ",\"status\":{\"phase\":\"Pending\"}}", "[\"0/1\",\"Pending\"" NOTHING},
    {"{" ONE ",\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\"}}", "[\"0/1\",\"Evicted\"" NOTHING},
    {"{" TWO ",\"status\":{\"phase\":\"Running\",\"containerStatuses\":[" UP("c", "0") "," UP("d", "0") "]}}",
     "[\"2/2\",\"Running\"" NOTHING},
    {"{" ONE ",\"status\":{\"phase\":\"Running\",\"containerStatuses\":[" WAITS("c", "CrashLoopBackOff") "]}}",
     "[\"0/1\",\"CrashLoopBackOff\",\"3 (5m ago)\",\"<none>\"]"},
    {"{" ONE ",\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[" ENDED("c", "\"exitCode\":3") "]}}",
     "[\"0/1\",\"ExitCode:3\"" NOTHING},
    {"{" ONE
     ",\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[" ENDED("c", "\"exitCode\":137,\"signal\":9") "]}}",
     "[\"0/1\",\"Signal:9\"" NOTHING},
    /* The first container's reason counts. */
    {"{" TWO ",\"status\":{\"phase\":\"Running\",\"containerStatuses\":[" ENDED("c", "\"reason\":\"Error\"") "," WAITS(
         "d", "ImagePullBackOff") "]}}",
     "[\"0/2\",\"Error\",\"3 (5m ago)\",\"<none>\"]"},
    /* One has ended well, the other is up. */
    {"{" TWO ",\"status\":{\"phase\":\"Running\",\"containerStatuses\":[" ENDED(
         "c", "\"exitCode\":0,\"reason\":\"Completed\"") "," UP("d", "0") "]}}",
     "[\"1/2\",\"NotReady\"" NOTHING},
    {"{" TWO ",\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}],"
     "\"containerStatuses\":[" ENDED("c", "\"exitCode\":0,\"reason\":\"Completed\"") "," UP("d", "2") "]}}",
     "[\"1/2\",\"Running\",\"2\",\"<none>\"]"},
    /* Initialising. */
    {"{" INIT2 ",\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[" ENDED(
         "i", "\"exitCode\":0") ",{\"name\":\"j\",\"state\":{\"running\":{}}}]}}",
     "[\"0/1\",\"Init:1/2\"" NOTHING},
    {"{" INIT2 ",\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[" ENDED("i", "\"exitCode\":2") "]}}",
     "[\"0/1\",\"Init:ExitCode:2\"" NOTHING},
    {"{" INIT2 ",\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[" WAITS("i", "CrashLoopBackOff") "]}}",
     "[\"0/1\",\"Init:CrashLoopBackOff\",\"3 (5m ago)\",\"<none>\"]"},
    {"{" INIT2 ",\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"waiting\":{"
     "\"reason\":\"PodInitializing\"}}}]}}",
     "[\"0/1\",\"Init:0/2\"" NOTHING},
    /* A side car that is up counts among the containers, and only its restarts with theirs. */
    {"{" SIDECAR ",\"status\":{\"phase\":\"Running\",\"initContainerStatuses\":[" UP(
         "i", "1") "],\"containerStatuses\":[" UP("c", "2") "]}}",
     "[\"2/2\",\"Running\",\"3\",\"<none>\"]"},
    /* Going away. */
    {"{" DELETED ONE ",\"status\":{\"phase\":\"Running\",\"containerStatuses\":[" UP("c", "0") "]}}",
     "[\"1/1\",\"Terminating\"" NOTHING},
    {"{" DELETED ONE ",\"status\":{\"phase\":\"Running\",\"reason\":\"NodeLost\"}}", "[\"0/1\",\"Unknown\"" NOTHING},
    {"{" DELETED ONE ",\"status\":{\"phase\":\"Succeeded\",\"containerStatuses\":[" ENDED(
         "c", "\"exitCode\":0,\"reason\":\"Completed\"") "]}}",
     "[\"0/1\",\"Completed\"" NOTHING},
    {"{" ONE ",\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
     "\"reason\":\"SchedulingGated\"}]}}",
     "[\"0/1\",\"SchedulingGated\"" NOTHING},
    {"{\"spec\":{\"containers\":[{}],\"readinessGates\":[{\"conditionType\":\"a\"},{\"conditionType\":\"b\"}]},"
     "\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"b\",\"status\":\"True\"}]}}",
     "[\"0/1\",\"Running\",\"0\",\"1/2\"]"},
    {"{}", "[\"0/0\",\"\"" NOTHING},
};

static void test_cases(void **state)
{
    (void)state;
    int64_t now;
    BUF_LOCAL(out);
    assert_true(time_parse(SLICE_LIT("2026-01-01T01:00:00Z"), &now));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        buf_reset(&out);
        table_write_row(&out, &pod, slice_str(cases[i].document), 1, TABLE_INCLUDE_NONE, now);
        char *text = strstr(buf_cstr(&out), "[");
        *(strchr(text, ']') + 1) = 0;
        assert_string_equal(text, cases[i].cells);
    }
}

static void test_conditions(void **state)
{
    (void)state;
    static const struct schema_kind other = {.group = "g", .kind = "Pod"};
    BUF_LOCAL(out);
    struct slice failed = SLICE_LIT("{\"status\":{\"phase\":\"Failed\"}}");
    table_write_row(&out, &pod, SLICE_LIT("{\"status\":{\"phase\":\"Succeeded\"}}"), 1, TABLE_INCLUDE_NONE, 0);
    assert_non_null(strstr(buf_cstr(&out), "],\"conditions\":[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":"
                                           "\"Succeeded\",\"message\":\"The pod has completed successfully.\"}],"
                                           "\"object\":null}"));
    buf_reset(&out);
    table_write_row(&out, &pod, failed, 1, TABLE_INCLUDE_NONE, 0);
    assert_non_null(strstr(buf_cstr(&out), "\"reason\":\"Failed\",\"message\":\"The pod failed.\"}]"));
    buf_reset(&out);
    table_write_row(&out, &other, failed, 1, TABLE_INCLUDE_NONE, 0);
    assert_null(strstr(buf_cstr(&out), "conditions"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_conditions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
