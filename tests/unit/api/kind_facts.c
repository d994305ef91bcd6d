/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every stable kind against facts.h, which was not made from our schema: each field comes through strict JSON, the
 * stored form and protobuf as it went in, its protobuf is where upstream has it, and OpenAPI knows it.
 */
#include "tests/unit/test.h"

#include "api/codec.h"
#include "api/object.h"
#include "api/openapi.h"
#include "api/version.h"
#include "tests/unit/api/facts.h"

struct fact {
    const struct schema_kind *kind;
    struct slice path;
    struct slice numbers;
    char type;
};

/* What the field is set to, by its type. */
static struct value *sample(char type)
{
    struct value *v;

    switch (type) {
    case 'b':
        return value_new_bool(true);
    case 'i':
    case 'o':
        return value_new_int(3);
    case 'q':
        return value_new_str("1");
    case 't':
        return value_new_str("2026-01-02T03:04:05Z");
    case 'u':
        return value_new_str("2026-01-02T03:04:05.000006Z");
    case 'y':
        return value_new_str("eA==");
    case 'l':
    case 'k':
        v = value_new_array();
        value_append(v, type == 'l' ? value_new_str("x") : value_new_int(3));
        return v;
    case 'm':
    case 'n':
        v = value_new_object();
        value_set_str(v, "k", type == 'm' ? "x" : "1");
        return v;
    default:
        return value_new_str("x");
    }
}

static void put_varint(struct buf *out, uint64_t n)
{
    for (; n > 0x7f; n >>= 7)
        buf_append_byte(out, (char)(n | 0x80));
    buf_append_byte(out, (char)n);
}

static void put_number(struct buf *out, uint64_t number, uint64_t value)
{
    put_varint(out, number << 3);
    put_varint(out, value);
}

static void put_bytes(struct buf *out, uint64_t number, struct slice bytes)
{
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len);
    buf_append_slice(out, bytes);
}

/* The field itself under its number, as upstream's generated code has it. */
static void put_sample(struct buf *out, uint64_t number, char type)
{
    BUF_LOCAL(inside);
    BUF_LOCAL(value);

    switch (type) {
    case 'b':
        put_number(out, number, 1);
        return;
    case 'i':
    case 'k':
        put_number(out, number, 3);
        return;
    case 'o':
        put_number(&inside, 1, 0);
        put_number(&inside, 2, 3);
        break;
    case 'q':
        put_bytes(&inside, 1, SLICE_LIT("1"));
        break;
    case 't':
    case 'u':
        put_number(&inside, 1, 1767323045);
        put_number(&inside, 2, type == 'u' ? 6000 : 0);
        break;
    case 'm':
    case 'n':
        put_bytes(&value, 1, SLICE_LIT("1"));
        put_bytes(&inside, 1, SLICE_LIT("k"));
        put_bytes(&inside, 2, type == 'm' ? SLICE_LIT("x") : buf_slice(&value));
        break;
    default:
        buf_append_byte(&inside, 'x');
        break;
    }
    put_bytes(out, number, buf_slice(&inside));
}

static void put_path(struct buf *out, struct slice numbers, char type)
{
    struct slice first = SLICE_NONE;
    uint64_t number = 0;
    BUF_LOCAL(inside);

    (void)slice_split(&numbers, '.', &first);
    assert_true(slice_to_uint64(first, &number));
    if (!numbers.len) {
        put_sample(out, number, type);
        return;
    }
    put_path(&inside, numbers, type);
    put_bytes(out, number, buf_slice(&inside));
}

/* "spec.rules[]" taken step by step: its name, and whether it is a list. */
static bool next_step(struct slice *path, struct slice *ret_name, bool *ret_list)
{
    if (!path->len || !slice_split(path, '.', ret_name))
        return false;
    *ret_list = slice_ends(*ret_name, SLICE_LIT("[]"));
    if (*ret_list)
        ret_name->len -= 2;
    return true;
}

static struct value *build(struct slice path, char type)
{
    struct value *object = value_new_object();
    struct slice name = SLICE_NONE;
    bool list = false;

    if (!next_step(&path, &name, &list))
        fail();
    if (!path.len) {
        value_set_slice(object, name, sample(type));
    } else if (list) {
        struct value *array = value_new_array();

        value_append(array, build(path, type));
        value_set_slice(object, name, array);
    } else {
        value_set_slice(object, name, build(path, type));
    }
    return object;
}

static void check_there(const struct fact *f, const struct value *object, const char *how)
{
    struct value *want CLEANUP_VALUE = sample(f->type);
    struct slice path = f->path;
    struct slice name;
    bool list;
    BUF_LOCAL(text);

    while (next_step(&path, &name, &list)) {
        object = value_get_slice(object, name);
        if (list && path.len)
            object = value_at(object, 0);
    }
    if (value_equal(object, want))
        return;
    value_write(object, &text);
    fail_msg("%s %.*s: %s makes %s of it", f->kind->kind, SLICE_ARGS(f->path), how,
             object ? buf_cstr(&text) : "nothing");
}

static void check_json(const struct fact *f, struct value *object)
{
    struct codec_findings findings = {0};
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    BUF_LOCAL(meta);
    BUF_LOCAL(stored);
    BUF_LOCAL(scratch);

    value_write(object, &text);
    struct value *decoded CLEANUP_VALUE =
        codec_decode(f->kind, CODEC_JSON, buf_slice(&text), CODEC_STRICT, &findings, &err);
    if (!decoded)
        fail_msg("%s: %s", buf_cstr(&text), error_text(&err));
    check_there(f, decoded, "JSON");
    if (f->kind->virtual_kind)
        return;
    assert_int_equal(version_to_stored(f->kind, decoded, true, &err), 0);
    object_encode(schema_stored(f->kind), decoded, SLICE_NONE, &stored, &meta);
    struct value *back CLEANUP_VALUE = value_parse(version_show(f->kind, buf_slice(&stored), &scratch), &err);
    check_there(f, back, "the store");
}

static void check_protobuf(const struct fact *f, const char *version)
{
    struct codec_findings findings = {0};
    ERROR_LOCAL(err);
    BUF_LOCAL(type);
    BUF_LOCAL(raw);
    BUF_LOCAL(body);

    put_bytes(&type, 1, slice_str(version));
    put_bytes(&type, 2, slice_str(f->kind->kind));
    put_path(&raw, f->numbers, f->type);
    buf_append(&body, "k8s\0", 4);
    put_bytes(&body, 1, buf_slice(&type));
    put_bytes(&body, 2, buf_slice(&raw));
    struct value *decoded CLEANUP_VALUE =
        codec_decode(f->kind, CODEC_PROTOBUF, buf_slice(&body), CODEC_STRICT, &findings, &err);
    if (!decoded)
        fail_msg("%s %.*s: %s", f->kind->kind, SLICE_ARGS(f->path), error_text(&err));
    check_there(f, decoded, "protobuf");
}

/* Looks through references, alone or in an allOf. */
static const struct value *resolve(const struct value *schemas, const struct value *node)
{
    static const char front[] = "#/components/schemas/";
    const struct value *all = value_get(node, "allOf");
    struct slice to = value_string(value_get(all ? value_at(all, 0) : node, "$ref"));

    return to.len ? value_get_slice(schemas, slice_from(to, sizeof(front) - 1)) : node;
}

static void check_openapi(const struct fact *f, const struct value *schemas)
{
    const struct value *node = value_get(schemas, f->kind->type->openapi_name);
    struct slice path = f->path;
    struct slice name;
    bool list;

    while (next_step(&path, &name, &list)) {
        node = value_get_slice(value_get(resolve(schemas, node), "properties"), name);
        if (list)
            node = value_get(node, "items");
        if (!node)
            fail_msg("%s %.*s: not in OpenAPI", f->kind->kind, SLICE_ARGS(f->path));
    }
}

static struct value *openapi_of(struct slice group, struct slice version)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    struct value *document CLEANUP_VALUE = NULL;
    BUF_LOCAL(text);

    (void)openapi_write_v3(&text, kinds, count, group, version, NULL);
    document = value_parse(buf_slice(&text), NULL);
    assert_non_null(document);
    return value_take(value_get(document, "components"), "schemas");
}

static void check_kind(const struct fact_kind *row, const struct value *schemas)
{
    struct slice group, version, line;
    struct slice rest = slice_str(row->fields);
    struct fact f = {0};

    schema_split_api_version(slice_str(row->version), &group, &version);
    f.kind = schema_find_kind(group, version, slice_str(row->kind));
    if (!f.kind)
        fail_msg("no %s %s", row->version, row->kind);
    while (rest.len && slice_split(&rest, '\n', &line)) {
        struct value *object CLEANUP_VALUE = NULL;

        if (!line.len)
            continue;
        f.type = line.data[line.len - 1];
        (void)slice_split(&line, ' ', &f.path);
        (void)slice_split(&line, ' ', &f.numbers);
        object = build(f.path, f.type);
        value_set_str(object, "apiVersion", row->version);
        value_set_str(object, "kind", row->kind);
        check_json(&f, object);
        check_protobuf(&f, row->version);
        check_openapi(&f, schemas);
    }
}

static void test_facts(void **state)
{
    struct value *schemas CLEANUP_VALUE = NULL;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(facts); i++) {
        struct slice group, version;

        schema_split_api_version(slice_str(facts[i].version), &group, &version);
        if (!i || strcmp(facts[i].version, facts[i - 1].version) != 0) {
            value_free(schemas);
            schemas = openapi_of(group, version);
        }
        check_kind(&facts[i], schemas);
    }
}

/* Whoever adds a kind adds what is known of it. */
static void test_every_kind_has_facts(void **state)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        char version[128];
        bool found = kinds[i]->virtual_kind || kinds[i]->no_metadata;

        (void)schema_api_version(kinds[i], version, sizeof(version));
        for (size_t j = 0; !found && j < ARRAY_SIZE(facts); j++)
            found = !strcmp(facts[j].version, version) && !strcmp(facts[j].kind, kinds[i]->kind);
        if (!found)
            fail_msg("no facts of %s %s", version, kinds[i]->kind);
    }
}

#define DEFINITION(schema)                                                                                             \
    "{\"apiVersion\":\"apiextensions.k8s.io/"                                                                          \
    "v1\",\"kind\":\"CustomResourceDefinition\",\"spec\":{\"versions\":[{\"name\":"                                    \
    "\"v1\",\"schema\":{\"openAPIV3Schema\":{" schema "}}}]}}"

/* A value that is one of several things, without a name for which: as it came, through JSON and protobuf. */
static void test_alternatives(void **state)
{
    static const char *const schemas[] = {
        "\"items\":{\"type\":\"string\"}",
        "\"items\":[{\"type\":\"string\"},{\"minimum\":1.5}]",
        "\"additionalProperties\":true",
        "\"additionalProperties\":false",
        "\"additionalProperties\":{\"type\":\"object\",\"properties\":{\"a\":{\"not\":{\"type\":\"null\"}}}}",
        "\"dependencies\":{\"a\":[\"b\",\"c\"],\"d\":{\"type\":\"string\"}}",
    };
    const struct schema_kind *kind =
        schema_find_kind(SLICE_LIT("apiextensions.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("CustomResourceDefinition"));

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
        char *text CLEANUP_FREE = mem_printf(DEFINITION("%s"), schemas[i]);
        struct codec_findings findings = {0};
        ERROR_LOCAL(err);
        BUF_LOCAL(bytes);
        BUF_LOCAL(json);
        struct value *first CLEANUP_VALUE =
            codec_decode(kind, CODEC_JSON, slice_str(text), CODEC_STRICT, &findings, &err);

        if (!first)
            fail_msg("%s: %s", schemas[i], error_text(&err));
        value_write(first, &json);
        if (!strstr(buf_cstr(&json), schemas[i]))
            fail_msg("%s: %s", schemas[i], buf_cstr(&json));
        assert_int_equal(codec_encode_protobuf(kind, first, &bytes, &err), 0);
        struct value *second CLEANUP_VALUE =
            codec_decode(kind, CODEC_PROTOBUF, buf_slice(&bytes), CODEC_STRICT, &findings, &err);
        assert_true(value_equal(first, second));
    }
}

static void test_alternatives_that_do_not_fit(void **state)
{
    static const char *const rows[][2] = {
        {"\"items\":3", "cannot unmarshal number into Go struct field"},
        {"\"additionalProperties\":[]", "cannot unmarshal array into Go struct field"},
        {"\"items\":{\"typ\":\"string\"}", "unknown field \"spec.versions[0].schema.openAPIV3Schema.items.typ\""},
    };
    const struct schema_kind *kind =
        schema_find_kind(SLICE_LIT("apiextensions.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("CustomResourceDefinition"));

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *text CLEANUP_FREE = mem_printf(DEFINITION("%s"), rows[i][0]);
        struct codec_findings findings = {0};
        ERROR_LOCAL(err);
        struct value *v CLEANUP_VALUE = codec_decode(kind, CODEC_JSON, slice_str(text), CODEC_STRICT, &findings, &err);

        codec_findings_clear(&findings);
        if (v || !strstr(error_text(&err), rows[i][1]))
            fail_msg("%s: %s", rows[i][0], error_text(&err));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_every_kind_has_facts),
        cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_alternatives_that_do_not_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
