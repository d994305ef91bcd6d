/* SPDX-License-Identifier: Apache-2.0 */
/* Our own messages, and an object of every kind with every field set, there and back. */
#include "tests/unit/test.h"

#include <stdio.h>

#include "api/codec.h"

#define DEPTH_MAX 40

static const struct schema_kind *kind_of(const char *group, const char *kind)
{
    const struct schema_kind *k = schema_find_kind(slice_str(group), SLICE_LIT("v1"), slice_str(kind));

    assert_non_null(k);
    return k;
}

static struct value *fill_type(const struct schema_type *type, int *counter, int depth);

/* A value of the field that is not its zero, and not the same twice. */
static struct value *fill_one(const struct schema_field *f, int *counter, int depth)
{
    int n = ++*counter;
    char text[64];

    snprintf(text, sizeof text, "text-%d", n);
    switch (f->base) {
    case SCHEMA_STRING:
        return value_new_str(text);
    case SCHEMA_BOOL:
        return value_new_bool(true);
    case SCHEMA_INT32:
        return value_new_int(n % 2 ? n : -n);
    case SCHEMA_INT64:
        return value_new_int(n % 2 ? INT64_MAX - n : INT64_MIN + n);
    case SCHEMA_DOUBLE:
        return value_new_real(n + 0.25);
    case SCHEMA_BYTES:
        return value_new_str("AAH/fg==");
    case SCHEMA_QUANTITY:
        snprintf(text, sizeof text, "%dm", n * 10 + 1);
        return value_new_str(text);
    case SCHEMA_INT_OR_STRING:
        return n % 2 ? value_new_int(-n) : value_new_str("50%");
    case SCHEMA_TIME:
        return value_new_str("1969-12-31T23:59:58Z");
    case SCHEMA_MICRO_TIME:
        return value_new_str("1969-12-31T23:59:58.000007Z");
    case SCHEMA_ANY:
    case SCHEMA_FIELDS_V1:
        return value_parse(SLICE_LIT("{\"f:a\":{\".\":{}},\"n\":[1,null]}"), NULL);
    case SCHEMA_STRINGS:
        return value_parse(SLICE_LIT("[\"a\",\"\"]"), NULL);
    case SCHEMA_EITHER: {
        const struct schema_field *last = &f->type->fields[f->type->field_count - 1];
        struct value *list;

        if (last->shape != SCHEMA_LIST)
            return fill_one(last, counter, depth);
        list = value_new_array();
        value_append(list, fill_one(last, counter, depth));
        return list;
    }
    case SCHEMA_OBJECT:
        return fill_type(f->type, counter, depth + 1);
    }
    return NULL;
}

static void fill_fields(const struct schema_type *type, struct value *object, int *counter, int depth)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        struct value *holder;

        if (!f->number || f->type == type) /* a schema's schemas: once around is enough */
            continue;
        if (f->flags & SCHEMA_INLINE) {
            fill_fields(f->type, object, counter, depth);
        } else if (f->shape == SCHEMA_ONE) {
            value_set(object, f->name, fill_one(f, counter, depth));
        } else if (f->shape == SCHEMA_LIST) {
            holder = value_need_array(object, f->name);
            value_append(holder, fill_one(f, counter, depth));
            value_append(holder, fill_one(f, counter, depth));
        } else {
            holder = value_need_object(object, f->name);
            value_set(holder, "z", fill_one(f, counter, depth));
            value_set(holder, "a", fill_one(f, counter, depth));
        }
    }
}

static struct value *fill_type(const struct schema_type *type, int *counter, int depth)
{
    static const struct schema_type *above[DEPTH_MAX + 1];
    struct value *object = value_new_object();

    if (depth > DEPTH_MAX)
        fail_msg("%s is too deep", type->name);
    above[depth] = type;
    for (int i = 0; i < depth; i++)
        if (above[i] == type) /* it contains itself: once is enough */
            return object;
    fill_fields(type, object, counter, depth);
    return object;
}

static struct value *decode(const struct schema_kind *kind, enum codec_format format, struct slice body)
{
    ERROR_LOCAL(err);
    struct codec_findings findings = {0};
    struct value *v = codec_decode(kind, format, body, CODEC_STRICT, &findings, &err);

    if (!v)
        fail_msg("%s: %s", kind->kind, error_text(&err));
    codec_findings_clear(&findings);
    return v;
}

static void check_round_trip(const struct schema_kind *kind, struct value *object)
{
    BUF_LOCAL(json);
    BUF_LOCAL(back);
    BUF_LOCAL(message);
    struct value *first CLEANUP_VALUE = NULL;
    struct value *second CLEANUP_VALUE = NULL;

    value_write(object, &json);
    first = decode(kind, CODEC_JSON, buf_slice(&json));
    assert_int_equal(codec_encode_protobuf(kind, first, &message, NULL), 0);
    second = decode(kind, CODEC_PROTOBUF, buf_slice(&message));
    buf_reset(&json);
    value_write(first, &json);
    value_write(second, &back);
    if (!value_equal(first, second))
        assert_string_equal(buf_cstr(&back), buf_cstr(&json));
}

static void test_every_field_of_every_kind(void **state)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        int counter = 0;
        struct value *full CLEANUP_VALUE = fill_type(kinds[i]->type, &counter, 0);
        struct value *empty CLEANUP_VALUE = value_new_object();

        check_round_trip(kinds[i], full);
        check_round_trip(kinds[i], empty);
    }
}

/* What `kubectl create namespace x` sends: zeros of fields that are no pointers, an empty time. */
static void test_zeros_are_dropped_unless_they_count(void **state)
{
    static const char namespace[] = "k8s\0"
                                    "\x0a\x0f\x0a\x02v1\x12\x09Namespace"
                                    "\x12\x19"
                                    "\x0a\x13\x0a\x01x\x12\x00\x1a\x00\x22\x00\x2a\x00\x32\x00\x38\x00\x42\x00"
                                    "\x12\x00\x1a\x00"
                                    "\x1a\x00\x22\x00";
    static const char deployment[] = "k8s\0"
                                     "\x0a\x15\x0a\x07"
                                     "apps/v1\x12\x0a"
                                     "Deployment"
                                     "\x12\x06\x12\x04\x08\x00\x28\x00";
    struct value *v CLEANUP_VALUE =
        decode(kind_of("", "Namespace"), CODEC_PROTOBUF, slice_make(namespace, sizeof namespace - 1));
    struct value *d CLEANUP_VALUE =
        decode(kind_of("apps", "Deployment"), CODEC_PROTOBUF, slice_make(deployment, sizeof deployment - 1));
    BUF_LOCAL(out);

    (void)state;
    codec_write(kind_of("", "Namespace")->type, v, &out);
    assert_string_equal(buf_cstr(&out), "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"x\"},"
                                        "\"spec\":{},\"status\":{}}");
    assert_true(value_is(value_path(d, "spec", "replicas", NULL), VALUE_INT)); /* a pointer: its zero counts */
    assert_null(value_path(d, "spec", "minReadySeconds", NULL));               /* none: it does not */
}

static void test_parts_of_answers(void **state)
{
    static const char status[] =
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\",\"code\":200}";
    /* The envelope: its type ("v1", "Status"), the message (metadata with two empty texts, status, two empty texts,
     * code). */
    static const char wanted[] =
        "k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status\x12\x18\x0a\x06\x0a\0\x12\0\x1a\0\x12\x07Success\x1a\0\"\0\x30\xc8\x01"
        "\x1a\0\"";
    static const char event[] = "\0\0\0\x0e\x0a\x05"
                                "ADDED\x12\x05\x0a\x03"
                                "abc";
    struct value *v CLEANUP_VALUE = value_parse(slice_str(status), NULL);
    BUF_LOCAL(out);

    codec_write_protobuf_status(v, &out);
    assert_int_equal(out.len, sizeof wanted);
    assert_memory_equal(out.data, wanted, sizeof wanted);
    buf_reset(&out);
    codec_write_protobuf_event("ADDED", SLICE_LIT("abc"), &out);
    assert_int_equal(out.len, sizeof event - 1);
    assert_memory_equal(out.data, event, sizeof event - 1);
}

static void test_peek(void **state)
{
    static const char body[] = "k8s\0\x0a\x0f\x0a\x02v1\x12\x09Namespace";
    char *version CLEANUP_FREE = NULL;
    char *kind CLEANUP_FREE = NULL;

    (void)state;
    assert_int_equal(codec_peek_type(CODEC_PROTOBUF, slice_make(body, sizeof body - 1), &version, &kind, NULL), 0);
    assert_string_equal(version, "v1");
    assert_string_equal(kind, "Namespace");
}

/* Every prefix of a full pod and every pod with one byte changed is decoded or refused, never more. */
static void test_broken_messages_stay_in_bounds(void **state)
{
    const struct schema_kind *kind = kind_of("", "Service");
    int counter = 0;
    struct value *full CLEANUP_VALUE = fill_type(kind->type, &counter, 0);
    struct value *object CLEANUP_VALUE = NULL;
    BUF_LOCAL(json);
    BUF_LOCAL(message);

    (void)state;
    value_write(full, &json);
    object = decode(kind, CODEC_JSON, buf_slice(&json));
    assert_int_equal(codec_encode_protobuf(kind, object, &message, NULL), 0);
    for (size_t i = 0; i < message.len; i++) {
        char *prefix = mem_dup(message.data, i + 1);
        char *changed = mem_dup(message.data, message.len);

        changed[i] = (char)(changed[i] + 1 + (char)(i % 255));
        value_free(codec_decode(kind, CODEC_PROTOBUF, slice_make(prefix, i), CODEC_IGNORE, NULL, NULL));
        value_free(codec_decode(kind, CODEC_PROTOBUF, slice_make(changed, message.len), CODEC_IGNORE, NULL, NULL));
        free(prefix);
        free(changed);
    }
}

static void check_refused(struct slice body, const char *message)
{
    ERROR_LOCAL(err);
    struct value *v = codec_decode(kind_of("", "Namespace"), CODEC_PROTOBUF, body, CODEC_STRICT, NULL, &err);

    assert_null(v);
    assert_int_equal(err.code, ERROR_BAD_REQUEST);
    assert_string_equal(error_text(&err), message);
}

static void test_refusals(void **state)
{
    (void)state;
    check_refused(SLICE_LIT("{}"),
                  "Namespace in version \"v1\" cannot be handled as a Namespace: provided data does not appear to be a "
                  "protobuf message, expected prefix [107 56 115 0]");
    check_refused(SLICE_LIT("k8s\0\x12\x7f"),
                  "Namespace in version \"v1\" cannot be handled as a Namespace: unexpected EOF");
    check_refused(SLICE_LIT("k8s\0\x0a\x0d\x0a\x02v1\x12\x07Unknown"),
                  "Unknown in version \"v1\" cannot be handled as a Namespace: no kind \"Unknown\" is registered for "
                  "version \"v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"");
    check_refused(SLICE_LIT("k8s\0\x12\x05\x0a\x03\x0a\x01\xff"),
                  "Namespace in version \"v1\" cannot be handled as a Namespace: proto: invalid UTF-8 in a string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_of_every_kind),
        cmocka_unit_test(test_zeros_are_dropped_unless_they_count),
        cmocka_unit_test(test_parts_of_answers),
        cmocka_unit_test(test_peek),
        cmocka_unit_test(test_broken_messages_stay_in_bounds),
        cmocka_unit_test(test_refusals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
