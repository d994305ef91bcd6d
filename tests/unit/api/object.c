/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "api/object.h"

static const struct schema_kind *kind_of(const char *kind)
{
    return schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), slice_str(kind));
}

static void encode(const char *kind, const char *json, struct buf *value, struct buf *meta)
{
    struct value *v CLEANUP_VALUE = value_parse(slice_str(json), NULL);

    assert_non_null(v);
    object_encode(kind_of(kind), v, SLICE_NONE, value, meta);
}

static void test_revision_is_spliced_in(void **state)
{
    BUF_LOCAL(value);
    BUF_LOCAL(meta);
    BUF_LOCAL(out);

    (void)state;
    encode("ConfigMap",
           "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\","
           "\"uid\":\"u\"},\"data\":{\"metadata\":\"{\"}}",
           &value, &meta);
    assert_slice_equal(buf_slice(&value), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\","
                                          "\"uid\":\"u\"},\"data\":{\"metadata\":\"{\"}}");
    object_write(&out, buf_slice(&value), 42, true);
    assert_slice_equal(buf_slice(&out), "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":"
                                        "{\"resourceVersion\":\"42\",\"name\":\"a\",\"uid\":\"u\"},\"data\":"
                                        "{\"metadata\":\"{\"}}");
    buf_reset(&out);
    object_write(&out, buf_slice(&value), 42, false);
    assert_true(slice_starts(buf_slice(&out), SLICE_LIT("{\"metadata\":{\"resourceVersion\":\"42\",")));
    buf_reset(&out);
    object_write(&out, buf_slice(&value), 0, true);
    assert_true(slice_equal(buf_slice(&out), buf_slice(&value)));
    buf_reset(&out);
    object_write(&out, SLICE_LIT("{\"kind\":\"X\",\"metadata\":{}}"), 1, true);
    assert_slice_equal(buf_slice(&out), "{\"kind\":\"X\",\"metadata\":{\"resourceVersion\":\"1\"}}");
}

static void test_header_answers_selectors(void **state)
{
    BUF_LOCAL(value);
    BUF_LOCAL(meta);
    struct object_meta m = {0};

    (void)state;
    encode("Pod",
           "{\"metadata\":{\"name\":\"a\",\"uid\":\"u-1\",\"deletionTimestamp\":\"2024-01-01T00:00:00Z\",\"labels\":"
           "{\"x\\\"y\":\"1\",\"app\":\"\"}},\"spec\":{\"nodeName\":\"n1\"},\"status\":{\"phase\":\"Running\"}}",
           &value, &meta);
    assert_true(object_meta_read(buf_slice(&meta), &m));
    assert_true(m.deleting);
    assert_int_equal(m.schema_hash, kind_of("Pod")->hash);
    assert_slice_equal(m.uid, "u-1");
    assert_slice_equal(object_meta_label(&m, SLICE_LIT("x\"y")), "1");
    assert_non_null(object_meta_label(&m, SLICE_LIT("app")).data);
    assert_null(object_meta_label(&m, SLICE_LIT("nope")).data);
    for (size_t i = 0; kind_of("Pod")->selectable[i]; i++) {
        const char *field = kind_of("Pod")->selectable[i];
        struct slice text = object_meta_field(&m, i);

        if (!strcmp(field, "spec.nodeName"))
            assert_slice_equal(text, "n1");
        else if (!strcmp(field, "status.phase"))
            assert_slice_equal(text, "Running");
        else if (!strcmp(field, "spec.hostNetwork"))
            assert_slice_equal(text, "false");
        else
            assert_slice_equal(text, "");
    }
}

/* The header is the same, whether it is made of the tree or of what was stored. */
static void test_header_of_a_tree_is_that_of_its_bytes(void **state)
{
    static const char *const rows[][2] = {
        {"Pod", "{\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"labels\":{\"z\":\"1\",\"a\":\"\\\"\"}},\"spec\":{"
                "\"nodeName\":\"n\","
                "\"hostNetwork\":true},\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.0.0.1\"}]}}"},
        {"Pod", "{\"metadata\":{\"deletionTimestamp\":\"2024-01-01T00:00:00Z\",\"labels\":{}}}"},
        {"Pod", "{\"spec\":{\"nodeName\":null}}"},
        {"Event",
         "{\"metadata\":{\"name\":\"e\"},\"source\":{\"component\":\"c\"},\"involvedObject\":{\"name\":\"x\"}}"},
        {"ReplicationController", "{\"metadata\":{\"name\":\"r\"},\"status\":{\"replicas\":3}}"},
        {"ReplicationController", "{\"metadata\":{\"name\":\"r\"}}"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        BUF_LOCAL(value);
        BUF_LOCAL(of_tree);
        BUF_LOCAL(of_bytes);

        encode(rows[i][0], rows[i][1], &value, &of_tree);
        object_encode_meta(kind_of(rows[i][0]), buf_slice(&value), &of_bytes);
        assert_true(slice_equal(buf_slice(&of_tree), buf_slice(&of_bytes)));
    }
}

static void test_event_source_is_its_component(void **state)
{
    BUF_LOCAL(value);
    BUF_LOCAL(meta);
    struct object_meta m = {0};
    size_t i = 0;

    (void)state;
    encode("Event", "{\"metadata\":{},\"source\":{\"component\":\"kubelet\"},\"type\":\"Normal\"}", &value, &meta);
    assert_true(object_meta_read(buf_slice(&meta), &m));
    while (strcmp(kind_of("Event")->selectable[i], "source"))
        i++;
    assert_slice_equal(object_meta_field(&m, i), "kubelet");
}

static void test_broken_headers_are_refused(void **state)
{
    BUF_LOCAL(value);
    BUF_LOCAL(meta);
    struct object_meta m = {0};

    (void)state;
    encode("Pod", "{\"metadata\":{\"uid\":\"u\",\"labels\":{\"a\":\"b\"}}}", &value, &meta);
    for (size_t len = 0; len < meta.len; len++) {
        char *copy = mem_dup(meta.data, len ? len : 1);

        assert_false(object_meta_read(slice_make(copy, len), &m));
        free(copy);
    }
    meta.data[0]++;
    assert_false(object_meta_read(buf_slice(&meta), &m));
}

static void test_decode_gives_the_tree(void **state)
{
    struct value *v CLEANUP_VALUE = object_decode(SLICE_LIT("{\"kind\":\"X\",\"metadata\":{\"name\":\"a\"}}"), 9, NULL);

    (void)state;
    assert_string_equal(value_str(value_path(v, "metadata", "resourceVersion", NULL)), "9");
    assert_string_equal(value_str(value_get(v, "kind")), "X");
}

/* The list of managers beside the tree is where it would be as a part of it, and comes apart again. */
static void test_managers_stand_apart(void **state)
{
    static const char *const rows[][3] = {
        {"{\"name\":\"a\"}", "[1,{\"managedFields\":2}]",
         "{\"name\":\"a\",\"managedFields\":[1,{\"managedFields\":2}]}"},
        {"{}", "[]", "{\"managedFields\":[]}"},
        {"{\"labels\":{\"managedFields\":\"}\"}}", NULL, "{\"labels\":{\"managedFields\":\"}\"}}"},
    };
    static const char first[] = "{\"kind\":\"X\",\"metadata\":{\"managedFields\":[{}],\"name\":\"a\"},\"data\":{}}";
    struct slice managers = SLICE_LIT("?");
    struct value *other CLEANUP_VALUE = object_decode_apart(slice_str(first), 0, &managers, NULL);
    BUF_LOCAL(rest);

    (void)state;
    assert_slice_equal(managers, "[{}]");
    value_write(other, &rest);
    assert_slice_equal(buf_slice(&rest), "{\"kind\":\"X\",\"metadata\":{\"name\":\"a\"},\"data\":{}}");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *text CLEANUP_FREE = mem_printf("{\"metadata\":%s,\"data\":{\"a\":\"1\"}}", rows[i][0]);
        char *whole CLEANUP_FREE = mem_printf("{\"metadata\":%s,\"data\":{\"a\":\"1\"}}", rows[i][2]);
        struct value *v CLEANUP_VALUE = value_parse(slice_str(text), NULL);
        struct value *back CLEANUP_VALUE = NULL;
        BUF_LOCAL(value);
        BUF_LOCAL(meta);

        object_encode(kind_of("ConfigMap"), v, slice_str(rows[i][1]), &value, &meta);
        assert_slice_equal(buf_slice(&value), whole);
        back = object_decode_apart(buf_slice(&value), 0, &managers, NULL);
        assert_true(value_equal(back, v));
        assert_true(slice_equal(managers, slice_str(rows[i][1])));
        assert_true(!managers.data == !rows[i][1]);
        value_free(back);
        back = object_decode_apart(buf_slice(&value), 7, &managers, NULL);
        assert_string_equal(value_str(value_path(back, "metadata", "resourceVersion", NULL)), "7");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_revision_is_spliced_in),
        cmocka_unit_test(test_header_answers_selectors),
        cmocka_unit_test(test_header_of_a_tree_is_that_of_its_bytes),
        cmocka_unit_test(test_event_source_is_its_component),
        cmocka_unit_test(test_broken_headers_are_refused),
        cmocka_unit_test(test_decode_gives_the_tree),
        cmocka_unit_test(test_managers_stand_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
