/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "cli/columns.h"
#include "cli/describe_write.h"
#include "lib/clock.h"

#define NOW (1767323045LL * NS_PER_S) /* 2026-01-02T03:04:05Z */

static char *described(const char *kind, const char *json)
{
    const struct schema_kind *k = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), slice_str(kind));
    struct value *v CLEANUP_VALUE = value_parse(slice_str(json), NULL);
    BUF_LOCAL(out);

    assert_non_null(k);
    assert_non_null(v);
    describe_write(k, v, NOW, &out);
    return buf_steal_str(&out);
}

static void assert_described(const char *kind, const char *json, const char *wanted)
{
    char *text CLEANUP_FREE = described(kind, json);

    assert_string_equal(text, wanted);
}

static void assert_title(const char *name, const char *wanted)
{
    BUF_LOCAL(out);

    describe_title(slice_str(name), &out);
    assert_string_equal(buf_cstr(&out), wanted);
}

static void test_titles(void **state)
{
    (void)state;
    assert_title("phase", "Phase");
    assert_title("restartPolicy", "Restart Policy");
    assert_title("podIP", "Pod IP");
    assert_title("clusterIPs", "Cluster IPs");
    assert_title("containerID", "Container ID");
    assert_title("", "");
}

static void test_a_pod(void **state)
{
    (void)state;
    assert_described(
        "Pod",
        "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"web\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{\"a\":\"1\","
        "\"b\":"
        "\"2\"},\"creationTimestamp\":\"2026-01-02T03:03:55Z\",\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":"
        "\"rs\",\"controller\":true}],\"finalizers\":[\"x/y\"]},\"spec\":{\"nodeName\":\"n1\",\"hostNetwork\":true,"
        "\"volumes\":[],\"nodeSelector\":{\"k\":\"v\"},\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"command\":"
        "[\"sh\",\"-c\"],\"resources\":{\"requests\":{\"cpu\":\"1m\",\"hugepages-1Gi\":\"0\"}}}]},\"status\":{"
        "\"conditions\":[{\"type\":"
        "\"Ready\","
        "\"status\":\"True\",\"lastProbeTime\":null,\"message\":\"all is well\",\"reason\":\"R\"}],\"startTime\":"
        "\"2026-01-02T03:04:00Z\",\"podIP\":\"10.0.0.1\"}}",
        "Name:           web\n"
        "Namespace:      ns\n"
        "Labels:         a=1\n"
        "                b=2\n"
        "Annotations:    <none>\n"
        "Created:        2026-01-02T03:03:55Z (10s ago)\n"
        "Controlled By:  ReplicaSet/rs\n"
        "Finalizers:\n"
        "  x/y\n"
        "Spec:\n"
        "  Node Name:      n1\n"
        "  Host Network:   true\n"
        "  Node Selector:  k=v\n"
        "  Containers:\n"
        "    c:\n"
        "      Image:  i\n"
        "      Command:\n"
        "        sh\n"
        "        -c\n"
        "      Resources:\n"
        "        Requests:  cpu=1m\n"
        "                   hugepages-1Gi=0\n"
        "Status:\n"
        "  Conditions:\n"
        "    Type    Status   Reason   Message\n"
        "    Ready   True     R        all is well\n"
        "  Start Time:  2026-01-02T03:04:00Z (5s ago)\n"
        "  Pod IP:      10.0.0.1\n");
}

static void test_secrets_stay_secret(void **state)
{
    char *text CLEANUP_FREE = described(
        "Secret", "{\"metadata\":{\"name\":\"s\"},\"type\":\"Opaque\",\"data\":{\"password\":\"aHVudGVyMg==\"}}");

    (void)state;
    assert_non_null(strstr(text, "password:  7 bytes\n"));
    assert_null(strstr(text, "aHVu"));
    assert_null(strstr(text, "hunter"));
}

/* The annotation repeats the object, and with it what a Secret holds. */
static void test_what_was_applied_last_does_not_show(void **state)
{
    char *text CLEANUP_FREE =
        described("Secret", "{\"metadata\":{\"name\":\"s\",\"annotations\":{"
                            "\"kubectl.kubernetes.io/last-applied-configuration\":\"{hunter2}\",\"a\":\"b\"}}}");

    (void)state;
    assert_null(strstr(text, "hunter"));
    assert_non_null(strstr(text, "Annotations:    a=b\n"));
}

static void test_texts_do_not_steer_the_terminal(void **state)
{
    char *text CLEANUP_FREE =
        described("ConfigMap", "{\"metadata\":{\"name\":\"c\"},\"data\":{\"k\":\"one\\ntwo\\u001b[2J\\n\"}}");

    (void)state;
    assert_non_null(strstr(text, "Data:\n  k:\n    one\n    two?[2J\n"));
}

static void test_columns(void **state)
{
    COLUMNS_LOCAL(columns, 2);
    BUF_LOCAL(out);

    (void)state;
    columns_add_row(&columns, "A", "B", "g\xc3\xbcnstig", "x\ny", NULL);
    columns_addf(&columns, "%d", 7);
    columns_add(&columns, NULL);
    columns_write(&columns, 1, &out);
    assert_string_equal(buf_cstr(&out), " A         B\n g\xc3\xbcnstig   x?y\n 7         \n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_titles),
        cmocka_unit_test(test_a_pod),
        cmocka_unit_test(test_secrets_stay_secret),
        cmocka_unit_test(test_what_was_applied_last_does_not_show),
        cmocka_unit_test(test_texts_do_not_steer_the_terminal),
        cmocka_unit_test(test_columns),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
