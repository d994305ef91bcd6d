/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/codec.h"

static const struct schema_kind *kind_of(const char *group, const char *kind)
{
    const struct schema_kind *k = schema_find_kind(slice_str(group), SLICE_LIT("v1"), slice_str(kind));

    assert_non_null(k);
    return k;
}

/* Decodes JSON and compares what comes out. */
static void check_decode(const struct schema_kind *kind, const char *body, const char *expected)
{
    ERROR_LOCAL(err);
    BUF_LOCAL(out);
    struct codec_findings findings = {0};
    struct value *v CLEANUP_VALUE = codec_decode(kind, CODEC_JSON, slice_str(body), CODEC_STRICT, &findings, &err);

    if (!v)
        fail_msg("%s: %s", body, error_text(&err));
    codec_write(kind->type, v, &out);
    assert_string_equal(buf_cstr(&out), expected);
    codec_findings_clear(&findings);
}

static void check_refused(const struct schema_kind *kind, enum codec_format format, struct slice body,
                          const char *message)
{
    ERROR_LOCAL(err);
    struct codec_findings findings = {0};
    struct value *v CLEANUP_VALUE = codec_decode(kind, format, body, CODEC_STRICT, &findings, &err);

    if (v)
        fail_msg("%.*s was accepted", SLICE_ARGS(body));
    assert_int_equal(err.code, ERROR_BAD_REQUEST);
    assert_string_equal(error_text(&err), message);
    codec_findings_clear(&findings);
}

static void test_shape_is_upstreams(void **state)
{
    (void)state;
    /* The type is added, members are put in order, zeros that upstream omits go, those that it writes come. */
    check_decode(kind_of("", "ConfigMap"),
                 "{\"data\":{\"k\":null,\"\":\"x\"},\"binaryData\":{},\"metadata\":{\"labels\":{},\"name\":\"a\","
                 "\"generateName\":\"\",\"creationTimestamp\":null},\"immutable\":false}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"},"
                 "\"data\":{\"k\":\"\",\"\":\"x\"},\"immutable\":false}");
    check_decode(kind_of("", "Namespace"), "null",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{},\"spec\":{},\"status\":{}}");
    check_decode(kind_of("", "Binding"), "{\"target\":{\"name\":\"n\"}}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{},\"target\":{\"name\":\"n\"}}");
    check_decode(kind_of("rbac.authorization.k8s.io", "Role"), "{}",
                 "{\"apiVersion\":\"rbac.authorization.k8s.io/v1\",\"kind\":\"Role\",\"metadata\":{},\"rules\":null}");
}

static void test_inline_fields_belong_to_the_parent(void **state)
{
    (void)state;
    check_decode(kind_of("", "Pod"),
                 "{\"spec\":{\"volumes\":[{\"emptyDir\":{},\"name\":\"v\"}],\"containers\":[{\"name\":\"c\","
                 "\"livenessProbe\":{\"tcpSocket\":{\"port\":\"web\"},\"periodSeconds\":0}}]}}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{},\"spec\":{\"volumes\":[{\"name\":\"v\","
                 "\"emptyDir\":{}}],\"containers\":[{\"name\":\"c\",\"resources\":{},\"livenessProbe\":{\"tcpSocket\":"
                 "{\"port\":\"web\"}}}]},\"status\":{}}");
}

/* Fields of the type and of those that are INLINE in it come first, in the schema's order; then what it does not know.
 */
static void test_order(void **state)
{
    struct value *v CLEANUP_VALUE = value_parse(
        SLICE_LIT(
            "{\"z\":{\"b\":1,\"a\":2},\"status\":{},\"spec\":{\"volumes\":[{\"secret\":{\"secretName\":\"s\"},\"name\":"
            "\"v\"},3],"
            "\"overhead\":{\"memory\":\"1\",\"cpu\":\"1\"},\"containers\":[{\"y\":[],\"image\":\"i\",\"name\":\"c\"}],"
            "\"hostname\":{\"b\":1,\"a\":2}},\"a\":null,\"kind\":\"Pod\",\"metadata\":{},\"apiVersion\":\"v1\"}"),
        NULL);
    BUF_LOCAL(out);

    (void)state;
    codec_write(kind_of("", "Pod")->type, v, &out);
    assert_string_equal(
        buf_cstr(&out),
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{},\"spec\":{\"volumes\":[{\"name\":\"v\",\"secret\":{"
        "\"secretName\":\"s\"}},3],\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"y\":[]}],\"hostname\":{\"b\":1,"
        "\"a\":2},"
        "\"overhead\":{\"memory\":\"1\",\"cpu\":\"1\"}},\"status\":{},\"z\":{\"b\":1,\"a\":2},\"a\":null}");
    buf_reset(&out);
    codec_write(NULL, value_get(v, "z"), &out);
    assert_string_equal(buf_cstr(&out), "{\"b\":1,\"a\":2}");
    buf_reset(&out);
    codec_write(kind_of("", "Pod")->type, value_get(v, "metadata"), &out);
    assert_string_equal(buf_cstr(&out), "{}");
}

/* What comes in the schema's order is treated the same. */
static void test_objects_in_order(void **state)
{
    const struct schema_kind *kind = kind_of("", "Pod");

    (void)state;
    check_decode(kind,
                 "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{},\"spec\":{\"tolerations\":[{\"key\":null,"
                 "\"operator\":\"\",\"value\":\"x\",\"tolerationSeconds\":0}],\"hostAliases\":[{\"ip\":\"1.2.3.4\","
                 "\"hostnames\":[null]}]},\"status\":{}}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{},\"spec\":{\"containers\":null,"
                 "\"tolerations\":[{\"value\":\"x\",\"tolerationSeconds\":0}],\"hostAliases\":[{\"ip\":\"1.2.3.4\","
                 "\"hostnames\":[\"\"]}]},\"status\":{}}");
    check_refused(
        kind, CODEC_JSON,
        SLICE_LIT("{\"spec\":{\"tolerations\":[{\"key\":\"a\",\"tolerationSeconds\":\"x\",\"more\":1}]}}"),
        "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal string into Go struct field "
        "Toleration.spec.tolerations.tolerationSeconds of type int64");
    check_refused(kind, CODEC_JSON, SLICE_LIT("{\"spec\":{\"tolerations\":[{\"key\":\"a\",\"more\":1}]}}"),
                  "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: unknown field "
                  "\"spec.tolerations[0].more\"");
    check_refused(
        kind, CODEC_JSON, SLICE_LIT("{\"spec\":{\"tolerations\":[{\"key\":\"a\",\"effect\":1}]}}"),
        "Pod in version \"v1\" cannot be handled as a Pod: json: cannot unmarshal number into Go struct field "
        "Toleration.spec.tolerations.effect of type string");
}

static void test_scalars_become_canonical(void **state)
{
    (void)state;
    check_decode(
        kind_of("", "Pod"),
        "{\"metadata\":{\"creationTimestamp\":\"2024-05-01T10:00:00.123+02:00\"},\"spec\":{\"containers\":"
        "[{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":1,\"memory\":\"1024Ki\"}}}],\"overhead\":"
        "{\"cpu\":0.1}}}",
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"creationTimestamp\":\"2024-05-01T08:00:00Z\"},"
        "\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Mi\"}"
        "}}],\"overhead\":{\"cpu\":\"100m\"}},\"status\":{}}");
    check_decode(kind_of("", "Secret"), "{\"data\":{\"a\":\"aGVs\\nbG8=\"}}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{},\"data\":{\"a\":\"aGVsbG8=\"}}");
    check_decode(kind_of("coordination.k8s.io", "Lease"), "{\"spec\":{\"renewTime\":\"2024-05-01T10:00:00.5Z\"}}",
                 "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{},\"spec\":"
                 "{\"renewTime\":\"2024-05-01T10:00:00.500000Z\"}}");
}

/* Go's zero time says that there is none. */
static void test_zero_time(void **state)
{
    check_decode(kind_of("", "ConfigMap"),
                 "{\"metadata\":{\"name\":\"a\",\"creationTimestamp\":\"0001-01-01T00:00:00Z\"}}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\"}}");
    check_decode(kind_of("coordination.k8s.io", "Lease"), "{\"spec\":{\"renewTime\":\"0001-01-01T00:00:00.000000Z\"}}",
                 "{\"apiVersion\":\"coordination.k8s.io/v1\",\"kind\":\"Lease\",\"metadata\":{},\"spec\":{}}");
}

static void test_reset_field(void **state)
{
    static const char bare[] = "{\"spec\":{\"replicas\":2},\"status\":{\"replicas\":5,\"readyReplicas\":5}}";
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT("apps"), SLICE_LIT("v1"), SLICE_LIT("ReplicaSet"));
    struct value *v CLEANUP_VALUE = value_parse(slice_str(bare), NULL);
    BUF_LOCAL(out);

    codec_reset_field(kind, v, "status");
    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), "{\"spec\":{\"replicas\":2},\"status\":{\"replicas\":0}}");
}

static void test_wrong_types_are_named_as_upstream_does(void **state)
{
    const struct schema_kind *map = kind_of("", "ConfigMap");
    const struct schema_kind *deployment = kind_of("apps", "Deployment");

    (void)state;
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"data\":{\"k\":1}}"),
                  "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go "
                  "struct field ConfigMap.data of type string");
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"data\":\"x\"}"),
                  "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal string into Go "
                  "struct field ConfigMap.data of type map[string]string");
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"metadata\":[]}"),
                  "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go "
                  "struct field ConfigMap.metadata of type v1.ObjectMeta");
    check_refused(deployment, CODEC_JSON, SLICE_LIT("{\"spec\":{\"replicas\":\"1\"}}"),
                  "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string "
                  "into Go struct field DeploymentSpec.spec.replicas of type int32");
    check_refused(deployment, CODEC_JSON, SLICE_LIT("{\"spec\":{\"replicas\":2147483648}}"),
                  "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal number "
                  "2147483648 into Go struct field DeploymentSpec.spec.replicas of type int32");
    check_refused(deployment, CODEC_JSON,
                  SLICE_LIT("{\"spec\":{\"template\":{\"spec\":{\"containers\":[{},{\"env\":{}}]}}}}"),
                  "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal object "
                  "into Go struct field Container.spec.template.spec.containers.env of type []v1.EnvVar");
    check_refused(kind_of("", "Secret"), CODEC_JSON, SLICE_LIT("{\"data\":{\"a\":\"abc!\"}}"),
                  "Secret in version \"v1\" cannot be handled as a Secret: illegal base64 data at input byte 3");
}

static void test_types_that_read_themselves(void **state)
{
    (void)state;
    check_refused(kind_of("", "Service"), CODEC_JSON, SLICE_LIT("{\"spec\":{\"ports\":[{\"targetPort\":true}]}}"),
                  "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal bool into Go value "
                  "of type int32");
    check_refused(kind_of("", "Pod"), CODEC_JSON, SLICE_LIT("{\"spec\":{\"overhead\":{\"cpu\":\"abc\"}}}"),
                  "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression "
                  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    check_refused(kind_of("", "Pod"), CODEC_JSON, SLICE_LIT("{\"spec\":{\"overhead\":{\"cpu\":true}}}"),
                  "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression "
                  "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
    check_refused(kind_of("", "Pod"), CODEC_JSON, SLICE_LIT("{\"metadata\":{\"creationTimestamp\":\"yesterday\"}}"),
                  "Pod in version \"v1\" cannot be handled as a Pod: parsing time \"yesterday\" as "
                  "\"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \"2006\"");
}

static void test_yaml(void **state)
{
    ERROR_LOCAL(err);
    struct slice body = SLICE_LIT("kind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: \"yes\"\n  b: '1'\n");
    struct value *v CLEANUP_VALUE = codec_decode(kind_of("", "ConfigMap"), CODEC_YAML, body, CODEC_STRICT, NULL, &err);
    char *version CLEANUP_FREE = NULL;
    char *kind CLEANUP_FREE = NULL;

    (void)state;
    assert_non_null(v);
    assert_string_equal(value_str(value_path(v, "metadata", "name", NULL)), "a");
    assert_string_equal(value_str(value_path(v, "data", "b", NULL)), "1");
    assert_int_equal(codec_peek_type(CODEC_YAML, body, &version, &kind, &err), 0);
    assert_string_equal(kind, "ConfigMap");
    assert_string_equal(version, "");
    assert_null(codec_decode(kind_of("", "ConfigMap"), CODEC_YAML, SLICE_LIT("kind: [\n"), CODEC_STRICT, NULL, &err));
    assert_int_equal(err.code, ERROR_BAD_REQUEST);
    assert_true(slice_starts(slice_str(error_text(&err)),
                             SLICE_LIT("the object provided is unrecognized (must be of type ConfigMap): yaml: ")));
}

static void test_unreadable_bodies(void **state)
{
    const struct schema_kind *map = kind_of("", "ConfigMap");

    (void)state;
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\","),
                  "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json "
                  "parse error: unexpected end of JSON input ({\"apiVersion\":\"v1\",\"kind\":\"Con ...)");
    check_refused(map, CODEC_JSON, SLICE_LIT("hello"),
                  "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json "
                  "parse error: invalid character 'h' looking for beginning of value (68656c6c6f)");
    check_refused(map, CODEC_JSON, SLICE_LIT(""),
                  "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json "
                  "parse error: unexpected end of JSON input (<empty>)");
}

static void test_stated_type_must_agree(void **state)
{
    const struct schema_kind *map = kind_of("", "ConfigMap");

    (void)state;
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"apiVersion\":\"v1\",\"kind\":\"Secret\"}"),
                  "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to "
                  "(core.ConfigMap): unknown conversion");
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"apiVersion\":\"v1\",\"kind\":\"Foo\"}"),
                  "Foo in version \"v1\" cannot be handled as a ConfigMap: no kind \"Foo\" is registered for version "
                  "\"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"");
    check_refused(map, CODEC_JSON, SLICE_LIT("{\"apiVersion\":\"a/b/c\",\"kind\":\"ConfigMap\"}"),
                  "the object provided is unrecognized (must be of type ConfigMap): unexpected GroupVersion string: "
                  "a/b/c ({\"apiVersion\":\"a/b/c\",\"kind\":\" ...)");
    check_decode(kind_of("", "DeleteOptions"),
                 "{\"apiVersion\":\"meta.k8s.io/v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0}",
                 "{\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\",\"gracePeriodSeconds\":0}");
}

static void test_findings(void **state)
{
    static const char body[] = "{\"kind\":\"Pod\",\"bogus\":1,\"spec\":{\"nodeName\":\"a\",\"nodeName\":\"b\","
                               "\"containers\":[{\"name\":\"c\",\"imagee\":\"x\"}]}}";
    ERROR_LOCAL(err);
    struct codec_findings f = {0};
    const struct schema_kind *pod = kind_of("", "Pod");
    struct value *v CLEANUP_VALUE = codec_decode(pod, CODEC_JSON, slice_str(body), CODEC_WARN, &f, &err);

    (void)state;
    assert_non_null(v);
    assert_int_equal(f.count, 3);
    assert_string_equal(f.texts[0], "duplicate field \"spec.nodeName\"");
    assert_string_equal(f.texts[1], "unknown field \"spec.containers[0].imagee\"");
    assert_string_equal(f.texts[2], "unknown field \"bogus\"");
    assert_string_equal(value_str(value_path(v, "spec", "nodeName", NULL)), "b");
    assert_null(value_get(v, "bogus"));
    codec_findings_clear(&f);
    check_refused(pod, CODEC_JSON, slice_str(body),
                  "Pod in version \"v1\" cannot be handled as a Pod: strict decoding error: duplicate field "
                  "\"spec.nodeName\", unknown field \"spec.containers[0].imagee\", unknown field \"bogus\"");
}

static void test_content_types(void **state)
{
    enum codec_format format = CODEC_JSON;

    (void)state;
    assert_true(codec_format_of(SLICE_LIT("application/yaml; charset=utf-8"), &format));
    assert_int_equal(format, CODEC_YAML);
    assert_true(codec_format_of(SLICE_NONE, &format));
    assert_int_equal(format, CODEC_JSON);
    assert_true(codec_format_of(SLICE_LIT("Application/vnd.kubernetes.Protobuf"), &format));
    assert_int_equal(format, CODEC_PROTOBUF);
    assert_false(codec_format_of(SLICE_LIT("application/xml"), &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape_is_upstreams),
        cmocka_unit_test(test_inline_fields_belong_to_the_parent),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_objects_in_order),
        cmocka_unit_test(test_scalars_become_canonical),
        cmocka_unit_test(test_zero_time),
        cmocka_unit_test(test_reset_field),
        cmocka_unit_test(test_wrong_types_are_named_as_upstream_does),
        cmocka_unit_test(test_types_that_read_themselves),
        cmocka_unit_test(test_yaml),
        cmocka_unit_test(test_unreadable_bodies),
        cmocka_unit_test(test_stated_type_must_agree),
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_content_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
