/* SPDX-License-Identifier: Apache-2.0 */
/* Documents are checked by reading them back: as trees where the shape matters, as text where bytes do. */
#include "tests/unit/test.h"

#include "api/openapi.h"
#include "api/value.h"

static const char *const name_key[] = {"name", NULL};
static const char *const colours[] = {"red", "blue", NULL};

static const struct schema_field part_fields[] = {
    {.name = "name", .description = "", .flags = SCHEMA_REQUIRED},
    {.name = "size", .description = "", .base = SCHEMA_QUANTITY},
};
static const struct schema_type part = {
    .name = "Part", .openapi_name = "x.Part", .description = "A part.", .fields = part_fields, .field_count = 2};
static const struct schema_field source_fields[] = {{.name = "from", .description = "", .flags = SCHEMA_REQUIRED}};
static const struct schema_type source = {
    .name = "Source", .openapi_name = "x.Source", .description = "", .fields = source_fields, .field_count = 1};
static const struct schema_type nameless = {
    .name = "Nameless", .description = "", .fields = part_fields, .field_count = 1, .preserve_unknown = true};
static const struct schema_field thing_fields[] = {
    {.name = "parts",
     .description = "Its parts.",
     .type = &part,
     .base = SCHEMA_OBJECT,
     .shape = SCHEMA_LIST,
     .flags = SCHEMA_LIST_MAP | SCHEMA_PATCH_MERGE | SCHEMA_PATCH_RETAIN,
     .map_keys = name_key,
     .merge_key = "name"},
    {.name = "main", .description = "The \"main\" one.", .type = &part, .base = SCHEMA_OBJECT},
    {.name = "spare", .description = "", .type = &part, .base = SCHEMA_OBJECT, .flags = SCHEMA_POINTER},
    {.name = "source", .description = "", .type = &source, .base = SCHEMA_OBJECT, .flags = SCHEMA_INLINE},
    {.name = "free", .description = "", .type = &nameless, .base = SCHEMA_OBJECT, .flags = SCHEMA_ATOMIC},
    {.name = "colour", .description = "", .default_json = "\"red\"", .enum_values = colours, .format = "dns1123-label"},
    {.name = "count",
     .description = "",
     .base = SCHEMA_INT32,
     .has_minimum = 1,
     .minimum = -1,
     .has_maximum = 1,
     .maximum = 9},
    {.name = "data", .description = "", .base = SCHEMA_BYTES, .shape = SCHEMA_MAP},
    {.name = "any", .description = "", .base = SCHEMA_ANY},
    {.name = "tags", .description = "", .shape = SCHEMA_LIST, .flags = SCHEMA_LIST_SET},
};
static const struct schema_type thing_type = {.name = "Thing",
                                              .openapi_name = "x.Thing",
                                              .description = "",
                                              .fields = thing_fields,
                                              .field_count = ARRAY_SIZE(thing_fields)};
static const struct schema_type box_type = {
    .name = "Box", .openapi_name = "x.Box", .description = "", .fields = source_fields, .field_count = 1};
static const struct schema_subresource subs[] = {
    {.name = "status", .verbs = SCHEMA_VERB_GET | SCHEMA_VERB_PATCH},
    {.name = "log", .group = "x", .version = "v1", .kind = "Log", .verbs = SCHEMA_VERB_GET},
};
static const struct schema_kind thing = {.group = "x.example.com",
                                         .version = "v1",
                                         .kind = "Thing",
                                         .plural = "things",
                                         .singular = "thing",
                                         .type = &thing_type,
                                         .subresources = subs,
                                         .subresource_count = 2,
                                         .verbs = SCHEMA_VERBS_ALL,
                                         .namespaced = true};
static const struct schema_kind box = {.group = "x.example.com",
                                       .version = "v2",
                                       .kind = "Box",
                                       .plural = "boxes",
                                       .singular = "box",
                                       .type = &box_type,
                                       .verbs = SCHEMA_VERB_CREATE};
static const struct schema_kind *const kinds[] = {&thing, &box};

static struct value *parse(struct buf *text)
{
    ERROR_LOCAL(err);
    struct value *v = value_parse(buf_slice(text), &err);
    if (!v)
        fail_msg("%s", error_text(&err));
    return v;
}

static struct value *document(const struct schema_kind *kind)
{
    BUF_LOCAL(out);
    assert_true(openapi_write_v3(&out, kinds, 2, slice_str(kind->group), slice_str(kind->version), NULL));
    return parse(&out);
}

static void assert_json(const struct value *v, const char *wanted)
{
    BUF_LOCAL(out);
    assert_non_null(v);
    value_write(v, &out);
    assert_string_equal(buf_cstr(&out), wanted);
}

static void test_fields(void **state)
{
    (void)state;
    CLEANUP_VALUE struct value *doc = document(&thing);
    struct value *type = value_path(doc, "components", "schemas", "x.Thing", NULL);
    struct value *fields = value_get(type, "properties");
    assert_json(value_get(fields, "parts"),
                "{\"description\":\"Its parts.\",\"type\":\"array\",\"items\":{\"allOf\":[{\"$ref\":"
                "\"#/components/schemas/x.Part\"}],\"default\":{}},\"x-kubernetes-list-map-keys\":[\"name\"],"
                "\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-patch-merge-key\":\"name\","
                "\"x-kubernetes-patch-strategy\":\"merge,retainKeys\"}");
    assert_json(value_get(fields, "main"), "{\"description\":\"The \\\"main\\\" one.\",\"allOf\":[{\"$ref\":"
                                           "\"#/components/schemas/x.Part\"}],\"default\":{}}");
    assert_json(value_get(fields, "spare"), "{\"allOf\":[{\"$ref\":\"#/components/schemas/x.Part\"}]}");
    assert_json(value_get(fields, "free"),
                "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}},\"required\":[\"name\"],"
                "\"x-kubernetes-preserve-unknown-fields\":true,\"x-kubernetes-map-type\":\"atomic\"}");
    /* Names of our own rules are not OpenAPI's formats. */
    assert_json(value_get(fields, "colour"), "{\"type\":\"string\",\"enum\":[\"red\",\"blue\"],\"default\":\"red\"}");
    assert_json(value_get(fields, "count"), "{\"type\":\"integer\",\"format\":\"int32\",\"minimum\":-1,\"maximum\":9}");
    assert_json(value_get(fields, "data"), "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\","
                                           "\"format\":\"byte\"}}");
    assert_json(value_get(fields, "any"),
                "{\"allOf\":[{\"$ref\":\"#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension\"}]}");
    assert_json(value_get(fields, "tags"),
                "{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"x-kubernetes-list-type\":\"set\"}");
    /* Members of an inline field belong to the parent, its required ones too. */
    assert_json(value_get(fields, "from"), "{\"type\":\"string\"}");
    assert_null(value_get(fields, "source"));
    assert_json(value_get(type, "required"), "[\"from\"]");
    assert_json(value_get(type, "x-kubernetes-group-version-kind"),
                "[{\"group\":\"x.example.com\",\"kind\":\"Thing\",\"version\":\"v1\"}]");
}

/* Every $ref of a tree must be there. */
static void check_refs(const struct value *v, const struct value *schemas, const char *prefix)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *member;
    for (size_t i = 0; value_is(v, VALUE_ARRAY) && i < value_count(v); i++)
        check_refs(value_at(v, i), schemas, prefix);
    while (value_is(v, VALUE_OBJECT) && value_iter_next(&it, &name, &member)) {
        struct slice ref = value_string(member);
        if (slice_is(name, "$ref") && value_is(member, VALUE_STRING)) {
            assert_true(slice_starts(ref, slice_str(prefix)));
            if (!value_get_slice(schemas, slice_from(ref, strlen(prefix))))
                fail_msg("%.*s is not there", SLICE_ARGS(ref));
        }
        check_refs(member, schemas, prefix);
    }
}

static void test_references(void **state)
{
    (void)state;
    size_t count;
    const struct schema_kind *const *all = schema_kinds(&count);
    BUF_LOCAL(out);
    for (size_t k = 0; k < count; k++) {
        buf_reset(&out);
        if (!openapi_write_v3(&out, all, count, slice_str(all[k]->group), slice_str(all[k]->version), NULL))
            continue;
        CLEANUP_VALUE struct value *doc = parse(&out);
        check_refs(doc, value_path(doc, "components", "schemas", NULL), "#/components/schemas/");
    }
    buf_reset(&out);
    openapi_write_v2(&out, all, count, NULL);
    CLEANUP_VALUE struct value *doc = parse(&out);
    check_refs(doc, value_get(doc, "definitions"), "#/definitions/");
    assert_true(value_count(value_get(doc, "paths")) > count);
}

static bool has_parameter(const struct value *operation, const char *name)
{
    struct value *list = value_get(operation, "parameters");
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "name")), name))
            return true;
    return false;
}

static void test_paths(void **state)
{
    (void)state;
    CLEANUP_VALUE struct value *doc = document(&thing);
    struct value *paths = value_get(doc, "paths");
    const char *base = "/apis/x.example.com/v1/namespaces/{namespace}/things/{name}";
    struct value *patch = value_path(paths, base, "patch", NULL);
    assert_json(value_get(patch, "x-kubernetes-group-version-kind"),
                "{\"group\":\"x.example.com\",\"kind\":\"Thing\",\"version\":\"v1\"}");
    assert_json(value_get(patch, "x-kubernetes-action"), "\"patch\"");
    assert_true(has_parameter(patch, "fieldValidation"));
    assert_true(has_parameter(patch, "dryRun"));
    /* Not a built-in kind: no strategic merge. */
    assert_int_equal(value_count(value_path(patch, "requestBody", "content", NULL)), 3);
    struct value *all = value_get(paths, "/apis/x.example.com/v1/things");
    assert_non_null(value_get(all, "get"));
    assert_null(value_get(all, "post"));
    struct value *some = value_get(paths, "/apis/x.example.com/v1/namespaces/{namespace}/things");
    assert_true(has_parameter(value_get(some, "post"), "fieldValidation"));
    assert_non_null(value_path(some, "delete", NULL));
    assert_non_null(
        value_path(paths, "/apis/x.example.com/v1/namespaces/{namespace}/things/{name}/status", "patch", NULL));
    struct value *log =
        value_path(paths, "/apis/x.example.com/v1/namespaces/{namespace}/things/{name}/log", "get", NULL);
    assert_non_null(value_path(log, "responses", "200", "content", "text/plain", NULL));
    CLEANUP_VALUE struct value *boxes = document(&box);
    assert_json(value_path(boxes, "paths", "/apis/x.example.com/v2/boxes", "post", "operationId", NULL),
                "\"createXExampleComV2Box\"");
    assert_int_equal(value_count(value_get(boxes, "paths")), 1);
    assert_null(value_path(boxes, "components", "schemas", "x.Thing", NULL));
}

static void test_builtin_patch(void **state)
{
    (void)state;
    size_t count;
    const struct schema_kind *const *all = schema_kinds(&count);
    BUF_LOCAL(out);
    assert_true(openapi_write_v3(&out, all, count, SLICE_LIT(""), SLICE_LIT("v1"), NULL));
    CLEANUP_VALUE struct value *doc = parse(&out);
    assert_non_null(value_path(doc, "paths", "/api/v1/namespaces/{namespace}/pods/{name}", "patch", "requestBody",
                               "content", "application/strategic-merge-patch+json", NULL));
    assert_non_null(value_path(doc, "paths", "/api/v1/namespaces/{name}", "get", NULL));
    assert_non_null(value_path(doc, "components", "schemas", "io.k8s.api.core.v1.PodList", NULL));
}

static struct value *builtin_document(const char *group, const char *version)
{
    size_t count;
    const struct schema_kind *const *all = schema_kinds(&count);
    BUF_LOCAL(out);
    assert_true(openapi_write_v3(&out, all, count, slice_str(group), slice_str(version), NULL));
    return parse(&out);
}

/* Names that client generators make functions and classes of, and the answers that they unpack. */
static void test_for_generators(void **state)
{
    (void)state;
    CLEANUP_VALUE struct value *core = builtin_document("", "v1");
    CLEANUP_VALUE struct value *rbac = builtin_document("rbac.authorization.k8s.io", "v1");
    const struct value *paths = value_get(core, "paths");
    const struct value *pods = value_get(paths, "/api/v1/namespaces/{namespace}/pods");
    const struct value *pod = value_get(paths, "/api/v1/namespaces/{namespace}/pods/{name}");
    const struct value *exec = value_path(paths, "/api/v1/namespaces/{namespace}/pods/{name}/exec", "post", NULL);
    assert_json(value_path(pods, "delete", "operationId", NULL), "\"deleteCoreV1CollectionNamespacedPod\"");
    assert_false(has_parameter(value_get(pods, "delete"), "watch"));
    assert_true(has_parameter(value_get(pods, "delete"), "propagationPolicy"));
    assert_non_null(value_path(pods, "post", "responses", "202", NULL));
    assert_non_null(value_path(pod, "patch", "responses", "201", NULL));
    assert_non_null(value_path(pod, "get", "responses", "401", NULL));
    assert_json(value_path(pod, "delete", "responses", "200", "content", "application/json", "schema", "$ref", NULL),
                "\"#/components/schemas/io.k8s.api.core.v1.Pod\"");
    assert_json(value_get(exec, "operationId"), "\"connectCoreV1PostNamespacedPodExec\"");
    assert_json(value_get(exec, "x-kubernetes-action"), "\"connect\"");
    assert_json(value_path(exec, "x-kubernetes-group-version-kind", "kind", NULL), "\"PodExecOptions\"");
    assert_true(has_parameter(exec, "command"));
    assert_json(value_path(paths, "/api/v1/watch/namespaces/{namespace}/pods", "get", "operationId", NULL),
                "\"watchCoreV1NamespacedPodList\"");
    assert_json(value_path(paths, "/api/v1/watch/pods", "get", "operationId", NULL),
                "\"watchCoreV1PodListForAllNamespaces\"");
    assert_json(value_path(rbac, "paths", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "get", "tags", NULL),
                "[\"rbacAuthorization_v1\"]");
}

/* What is atomic says so at its type; who holds one and merges it says that. */
static void test_for_apply(void **state)
{
    (void)state;
    CLEANUP_VALUE struct value *core = builtin_document("", "v1");
    CLEANUP_VALUE struct value *policy = builtin_document("policy", "v1");
    const struct value *schemas = value_path(core, "components", "schemas", NULL);
    const struct value *claim =
        value_path(schemas, "io.k8s.api.core.v1.PersistentVolumeSpec", "properties", "claimRef", NULL);
    const struct value *key =
        value_path(schemas, "io.k8s.api.core.v1.EnvVarSource", "properties", "secretKeyRef", NULL);
    assert_json(value_path(schemas, "io.k8s.api.core.v1.ObjectReference", "x-kubernetes-map-type", NULL), "\"atomic\"");
    assert_json(value_get(claim, "x-kubernetes-map-type"), "\"granular\"");
    assert_non_null(key);
    assert_null(value_get(key, "x-kubernetes-map-type"));
    assert_json(value_path(policy, "components", "schemas", "io.k8s.api.policy.v1.PodDisruptionBudgetSpec",
                           "properties", "selector", "x-kubernetes-patch-strategy", NULL),
                "\"replace\"");
    assert_json(value_path(schemas, "io.k8s.api.core.v1.NodeAddress", "required", NULL), "[\"type\",\"address\"]");
    /* Types that are only ever inline are no schemas of their own. */
    assert_null(value_get(schemas, "io.k8s.api.core.v1.VolumeSource"));
    assert_non_null(value_path(schemas, "io.k8s.api.core.v1.PodList", "properties", "items", "description", NULL));
}

/* Values of any form have upstream's names, and say no type. */
static void test_values_of_any_form(void **state)
{
#define EXTENSIONS "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."
    static const char *const free[] = {"JSON", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrBool",
                                       "JSONSchemaPropsOrStringArray"};
    CLEANUP_VALUE struct value *doc = builtin_document("apiextensions.k8s.io", "v1");
    CLEANUP_VALUE struct value *apps = builtin_document("apps", "v1");
    const struct value *schemas = value_path(doc, "components", "schemas", NULL);
    const struct value *props = value_path(schemas, EXTENSIONS "JSONSchemaProps", "properties", NULL);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(free); i++) {
        char *name CLEANUP_FREE = mem_printf(EXTENSIONS "%s", free[i]);
        const struct value *schema = value_get(schemas, name);

        assert_non_null(schema);
        assert_non_null(value_get(schema, "description"));
        assert_int_equal(value_count(schema), 1);
    }
    assert_json(value_path(props, "items", "allOf", NULL),
                "[{\"$ref\":\"#/components/schemas/" EXTENSIONS "JSONSchemaPropsOrArray\"}]");
    assert_json(value_path(props, "enum", "items", NULL),
                "{\"allOf\":[{\"$ref\":\"#/components/schemas/" EXTENSIONS "JSON\"}]}");
    assert_json(value_path(apps, "components", "schemas", "io.k8s.api.apps.v1.ControllerRevision", "properties", "data",
                           "allOf", NULL),
                "[{\"$ref\":\"#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension\"}]");
    assert_json(value_path(apps, "components", "schemas", "io.k8s.apimachinery.pkg.runtime.RawExtension", "type", NULL),
                "\"object\"");
}

/* What is behind a proxy has paths, and methods, of its own. */
static void test_paths_behind_proxies(void **state)
{
#define PROXY "/api/v1/namespaces/{namespace}/pods/{name}/proxy"
    static const char *const methods[] = {"delete", "get", "head", "options", "patch", "post", "put"};
    CLEANUP_VALUE struct value *doc = builtin_document("", "v1");
    const struct value *paths = value_get(doc, "paths");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        assert_json(value_path(paths, PROXY, methods[i], "x-kubernetes-action", NULL), "\"connect\"");
        assert_json(value_path(paths, PROXY "/{path}", methods[i], "x-kubernetes-action", NULL), "\"connect\"");
    }
    assert_json(value_path(paths, PROXY "/{path}", "head", "operationId", NULL),
                "\"connectCoreV1HeadNamespacedPodProxyWithPath\"");
    assert_int_equal(value_count(value_path(paths, PROXY "/{path}", "parameters", NULL)), 3);
    assert_non_null(value_path(paths, "/api/v1/nodes/{name}/proxy/{path}", "get", NULL));
    assert_null(value_path(paths, "/api/v1/nodes/{name}/proxy/{path}", "post", NULL));
    assert_null(value_path(paths, "/api/v1/namespaces/{namespace}/pods/{name}/exec/{path}", NULL));
}

static void test_index(void **state)
{
    (void)state;
    BUF_LOCAL(first);
    BUF_LOCAL(second);
    openapi_write_v3_index(&first, kinds, 2, NULL);
    openapi_write_v3_index(&second, kinds, 1, NULL);
    CLEANUP_VALUE struct value *one = parse(&first);
    CLEANUP_VALUE struct value *two = parse(&second);
    const char *url = value_str(value_path(one, "paths", "apis/x.example.com/v1", "serverRelativeURL", NULL));
    assert_non_null(url);
    assert_true(!strncmp(url, "/openapi/v3/apis/x.example.com/v1?hash=", 39));
    assert_int_equal(strlen(url), 39 + 64);
    /* The hash is of the document: the other kind's group version does not change it. */
    assert_string_equal(url, value_str(value_path(two, "paths", "apis/x.example.com/v1", "serverRelativeURL", NULL)));
    assert_null(value_path(two, "paths", "apis/x.example.com/v2", NULL));
    buf_reset(&first);
    assert_false(openapi_write_v3(&first, kinds, 2, SLICE_LIT("x.example.com"), SLICE_LIT("v3"), NULL));
    assert_int_equal(first.len, 0);
}

/* What is built in is not looked at again. */
static void test_index_hashes_once(void **state)
{
    struct openapi_hashes *hashes = openapi_hashes_new();
    size_t count;
    const struct schema_kind *const *builtin = schema_kinds(&count);
    BUF_LOCAL(first);
    BUF_LOCAL(second);
    BUF_LOCAL(fresh);

    (void)state;
    openapi_write_v3_index(&first, builtin, count, hashes);
    openapi_write_v3_index(&fresh, builtin, count, NULL);
    assert_string_equal(buf_cstr(&first), buf_cstr(&fresh));
    openapi_write_v3_index(&second, builtin, count - 1, hashes); /* its version has others */
    assert_string_equal(buf_cstr(&first), buf_cstr(&second));
    buf_reset(&fresh);
    openapi_write_v3_index(&fresh, builtin, count - 1, NULL);
    assert_string_not_equal(buf_cstr(&first), buf_cstr(&fresh));
    openapi_hashes_free(hashes);
}

/* Reads one protobuf field at *at; bytes fields only. */
static struct slice next_field(struct slice *rest, unsigned *ret_number)
{
    size_t at = 0;
    uint64_t numbers[2] = {0, 0};
    for (int n = 0; n < 2; n++) {
        unsigned shift = 0;
        unsigned char c;
        do {
            assert_true(at < rest->len);
            c = (unsigned char)rest->data[at++];
            numbers[n] |= (uint64_t)(c & 0x7f) << shift;
            shift += 7;
        } while (c & 0x80);
    }
    *ret_number = (unsigned)(numbers[0] >> 3);
    assert_int_equal(numbers[0] & 7, 2);
    assert_true(numbers[1] <= rest->len - at);
    struct slice field = slice_make(rest->data + at, numbers[1]);
    *rest = slice_make(field.data + field.len, rest->len - at - field.len);
    return field;
}

static bool contains(struct slice bytes, const char *text)
{
    return memmem(bytes.data, bytes.len, text, strlen(text)) != NULL;
}

static void test_protobuf(void **state)
{
    (void)state;
    BUF_LOCAL(out);
    openapi_write_v2_protobuf(&out, kinds, 2, NULL);
    struct slice rest = buf_slice(&out), field, definitions;
    unsigned number;
    field = next_field(&rest, &number);
    assert_int_equal(number, 1);
    assert_slice_equal(field, "2.0");
    field = next_field(&rest, &number);
    assert_int_equal(number, 2);
    field = next_field(&rest, &number);
    assert_int_equal(number, 8); /* paths */
    assert_true(contains(field, "fieldValidation"));
    /* NamedAny{name, Any{yaml}} */
    assert_true(contains(field, "\x0a\x13x-kubernetes-action\x12\x09\x12\x07\"patch\""));
    definitions = next_field(&rest, &number);
    assert_int_equal(number, 9);
    assert_int_equal(rest.len, 0);
    /* NamedSchema{name=1, value=2{description=4 ...}} */
    struct slice part_definition;
    do {
        part_definition = next_field(&definitions, &number);
        assert_int_equal(number, 1);
    } while (!slice_is(next_field(&part_definition, &number), "x.Part"));
    struct slice body = next_field(&part_definition, &number);
    assert_int_equal(number, 2);
    assert_slice_equal(next_field(&body, &number), "A part.");
    assert_int_equal(number, 4);
    assert_slice_equal(next_field(&body, &number), "\x0a\x06object");
    assert_int_equal(number, 22);
    next_field(&body, &number);
    assert_int_equal(number, 25);
    assert_slice_equal(next_field(&body, &number), "name");
    assert_int_equal(number, 19);
}

/* A definition's kind, whose schema comes for the time that it is written. */
struct giver {
    struct schema_kind whole;
    struct schema_type type;
    struct buf text;
    size_t out;
    size_t given;
};

static const struct schema_kind *give(void *arg, const struct schema_kind *kind, bool v2)
{
    struct giver *g = arg;
    assert_true(v2);
    assert_int_equal(g->out, 0);
    g->out++;
    g->given++;
    g->whole = *kind;
    g->type = *kind->type;
    g->type.openapi = buf_cstr(&g->text);
    g->whole.type = &g->type;
    return &g->whole;
}

static void take_back(void *arg, const struct schema_kind *kind)
{
    struct giver *g = arg;
    assert_ptr_equal(kind, &g->whole);
    g->out--;
}

/* Version 2 tells of what users define, one schema in memory at a time, until the document is large enough. */
static void test_custom_kinds_in_v2(void **state)
{
    (void)state;
    struct giver g = {0};
    struct schema_type types[3];
    struct schema_kind made[3];
    const struct schema_kind *list[3];
    static const char *const names[] = {"x.Thing1", "x.Thing2", "x.Thing3"};
    static const char *const plurals[] = {"things1", "things2", "things3"};
    BUF_LOCAL(out);
    buf_append_str(&g.text, "{\"type\":\"object\",\"description\":\"");
    while (g.text.len < OPENAPI_V2_SCHEMAS_MAX / 2)
        buf_append_str(&g.text, "A word after another, until it is a large schema. ");
    buf_append_str(&g.text, "\"}");
    for (size_t i = 0; i < 3; i++) {
        types[i] = thing_type;
        types[i].openapi_name = names[i];
        types[i].custom = true;
        made[i] = thing;
        made[i].type = &types[i];
        made[i].plural = plurals[i];
        made[i].custom = true;
        list[i] = &made[i];
    }
    openapi_write_v2(&out, list, 3, &(struct openapi_describer){give, take_back, &g});
    assert_int_equal(g.out, 0);
    assert_int_equal(g.given, 2);
    assert_true(out.len < 2 * OPENAPI_V2_SCHEMAS_MAX);
    CLEANUP_VALUE struct value *doc = parse(&out);
    struct value *last = value_path(doc, "definitions", "x.Thing3", NULL);
    assert_json(value_get(last, "x-kubernetes-preserve-unknown-fields"), "true");
    assert_null(value_get(last, "properties"));
    assert_json(value_path(last, "x-kubernetes-group-version-kind", NULL),
                "[{\"group\":\"x.example.com\",\"kind\":\"Thing\",\"version\":\"v1\"}]");
    assert_non_null(value_path(doc, "paths", "/apis/x.example.com/v1/things3", NULL));
    buf_free(&g.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_builtin_patch),
        cmocka_unit_test(test_values_of_any_form),
        cmocka_unit_test(test_paths_behind_proxies),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_index_hashes_once),
        cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_for_generators),
        cmocka_unit_test(test_for_apply),
        cmocka_unit_test(test_custom_kinds_in_v2),
    };
    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
