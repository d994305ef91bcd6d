/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/env.h"

static struct value *json(const char *text)
{
    struct value *v = value_parse(slice_str(text), NULL);

    assert_non_null(v);
    return v;
}

/* Objects by "resource/name" in one JSON object. */
static const struct value *find(const void *arg, const char *resource, const char *name)
{
    char *key CLEANUP_FREE = mem_printf("%s/%s", resource, name);

    return value_get(arg, key);
}

static void expands_like_upstream(void **state)
{
    static const char *const cases[][2] = {
        {"$(A)", "1"},      {"x$(A)$(B)y", "x1two wordsy"},
        {"$$(A)", "$(A)"},  {"$(NOPE)", "$(NOPE)"},
        {"$(A", "$(A"},     {"$", "$"},
        {"$$", "$"},        {"$x", "$x"},
        {"$()", "$()"},     {"$$$(A)", "$1"},
        {"100%", "100%"},   {"", ""},
        {"$(EMPTY)|", "|"},
    };
    STR_LIST_LOCAL(env);

    str_list_add(&env, "A=1");
    str_list_add(&env, "B=two words");
    str_list_add(&env, "EMPTY=");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        BUF_LOCAL(out);

        env_expand(slice_str(cases[i][0]), &env, &out);
        assert_string_equal(buf_cstr(&out), cases[i][1]);
    }
}

#define POD                                                                                                            \
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u\",\"labels\":{\"app\":\"web\",\"q\":\"a\\\"b\"}}," \
    "\"spec\":{\"serviceAccountName\":\"sa\",\"containers\":[{\"name\":\"c\",\"resources\":{\"limits\":"               \
    "{\"memory\":\"100Mi\",\"cpu\":\"1500m\"}}}]}}"

static void fill_facts(struct pod_facts *f, const struct value *objects)
{
    *f = (struct pod_facts){.node_name = "n1",
                            .host_ip = "192.0.2.1",
                            .pod_ip = "10.0.0.2",
                            .node_cpu_milli = 4000,
                            .node_memory = 8LL << 30,
                            .find = find,
                            .find_arg = objects};
}

static void downward_api_tells_of_the_pod(void **state)
{
    static const char *const fields[][2] = {
        {"metadata.name", "p"},
        {"metadata.namespace", "ns"},
        {"metadata.uid", "u"},
        {"metadata.labels['app']", "web"},
        {"metadata.labels['no']", ""},
        {"spec.nodeName", "n1"},
        {"spec.serviceAccountName", "sa"},
        {"status.hostIP", "192.0.2.1"},
        {"status.podIP", "10.0.0.2"},
        {"metadata.labels", "app=\"web\"\nq=\"a\\\"b\""},
    };
    static const char *const resources[][2] = {
        {"{\"resource\":\"limits.memory\"}", "104857600"},
        {"{\"resource\":\"limits.memory\",\"divisor\":\"1Mi\"}", "100"},
        {"{\"resource\":\"limits.cpu\"}", "2"},
        {"{\"resource\":\"limits.cpu\",\"divisor\":\"1m\"}", "1500"},
        {"{\"resource\":\"requests.cpu\"}", "0"},
        {"{\"resource\":\"limits.memory\",\"containerName\":\"c\",\"divisor\":\"0\"}", "104857600"},
    };
    struct value *pod CLEANUP_VALUE = json(POD);
    struct pod_facts facts;
    BUF_LOCAL(bad);

    fill_facts(&facts, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        BUF_LOCAL(out);

        assert_true(downward_field(pod, &facts, fields[i][0], &out));
        assert_string_equal(buf_cstr(&out), fields[i][1]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(resources); i++) {
        struct value *ref CLEANUP_VALUE = json(resources[i][0]);
        BUF_LOCAL(out);

        assert_true(downward_resource(pod, &facts, "c", ref, &out));
        assert_string_equal(buf_cstr(&out), resources[i][1]);
    }
    assert_false(downward_field(pod, &facts, "spec.secretThing", &bad));
    assert_false(downward_field(pod, &facts, "metadata.labels['app'", &bad));
}

static void later_variables_replace_earlier_ones(void **state)
{
    struct value *pod CLEANUP_VALUE = json(POD);
    struct value *objects CLEANUP_VALUE = json(
        "{\"configmaps/m\":{\"data\":{\"A\":\"from map\",\"B\":\"b\"}},\"secrets/s\":{\"data\":{\"K\":\"a2V5\"}}}");
    struct value *image CLEANUP_VALUE = json("{\"Env\":[\"PATH=/bin\",\"B=image\"]}");
    struct value *container CLEANUP_VALUE = json(
        "{\"name\":\"c\",\"envFrom\":[{\"prefix\":\"P_\",\"configMapRef\":{\"name\":\"m\"}},{\"configMapRef\":"
        "{\"name\":\"m\"}},{\"secretRef\":{\"name\":\"none\",\"optional\":true}}],\"env\":[{\"name\":\"A\",\"value\":"
        "\"own $(B) $(PATH)\"},{\"name\":\"K\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"K\"}}},"
        "{\"name\":\"O\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"m\",\"key\":\"x\",\"optional\":true}}}]}");
    struct pod_facts facts;
    STR_LIST_LOCAL(env);

    fill_facts(&facts, objects);
    assert_int_equal(env_build(pod, container, image, &facts, &env, NULL), 0);
    assert_int_equal(env.count, 6);
    assert_string_equal(env.items[0], "PATH=/bin");
    assert_string_equal(env.items[1], "B=b");
    assert_string_equal(env.items[2], "P_A=from map");
    assert_string_equal(env.items[3], "P_B=b");
    /* The image's PATH is not seen by $(PATH). */
    assert_string_equal(env.items[4], "A=own b $(PATH)");
    assert_string_equal(env.items[5], "K=key");
}

static void missing_references_are_named(void **state)
{
    static const char *const cases[][2] = {
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"no\",\"key\":\"k\"}}}]}",
         "configmap \"no\" not found"},
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"no\",\"key\":\"k\"}}}]}",
         "secret \"no\" not found"},
        {"{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"configMapKeyRef\":{\"name\":\"m\",\"key\":\"k\"}}}]}",
         "couldn't find key k in ConfigMap ns/m"},
        {"{\"envFrom\":[{\"configMapRef\":{\"name\":\"no\"}}]}", "configmap \"no\" not found"},
    };
    struct value *pod CLEANUP_VALUE = json(POD);
    struct value *objects CLEANUP_VALUE = json("{\"configmaps/m\":{\"data\":{}}}");
    struct pod_facts facts;

    fill_facts(&facts, objects);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct value *container CLEANUP_VALUE = json(cases[i][0]);
        STR_LIST_LOCAL(env);
        ERROR_LOCAL(err);

        assert_true(env_build(pod, container, NULL, &facts, &env, &err) < 0);
        assert_int_equal(err.code, ERROR_NOT_FOUND);
        assert_string_equal(error_text(&err), cases[i][1]);
    }
}

static void variables_from_files_are_refused(void **state)
{
#define FROM_FILE(more)                                                                                                \
    "{\"env\":[{\"name\":\"A\",\"valueFrom\":{\"fileKeyRef\":{\"volumeName\":\"v\",\"path\":\"p\",\"key\":\"k\"" more  \
    "}}}]}"
    struct value *pod CLEANUP_VALUE = json(POD);
    struct value *strict CLEANUP_VALUE = json(FROM_FILE(""));
    struct value *optional CLEANUP_VALUE = json(FROM_FILE(",\"optional\":true"));
    struct pod_facts facts;
    STR_LIST_LOCAL(env);
    ERROR_LOCAL(err);

    fill_facts(&facts, NULL);
    assert_int_equal(env_build(pod, optional, NULL, &facts, &env, &err), 0);
    assert_int_equal(env.count, 0);
    assert_true(env_build(pod, strict, NULL, &facts, &env, &err) < 0);
    assert_int_equal(err.code, ERROR_INVALID);
}

static void commands_replace_the_images(void **state)
{
    static const char *const cases[][3] = {
        /* container, image, what is run */
        {"{}", "{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\",\"$$\"]}", "e c $$"},
        {"{\"args\":[\"a\"]}", "{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}", "e a"},
        {"{\"command\":[\"x\"]}", "{\"Entrypoint\":[\"e\"],\"Cmd\":[\"c\"]}", "x"},
        {"{\"command\":[\"x\"],\"args\":[\"$(V)\"],\"env\":[{\"name\":\"V\",\"value\":\"1\"}]}", "{\"Cmd\":[\"c\"]}",
         "x 1"},
    };
    struct value *pod CLEANUP_VALUE = json(POD);
    struct value *nothing CLEANUP_VALUE = json("{}");
    struct pod_facts facts;
    STR_LIST_LOCAL(none);

    fill_facts(&facts, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct value *container CLEANUP_VALUE = json(cases[i][0]);
        struct value *image CLEANUP_VALUE = json(cases[i][1]);
        STR_LIST_LOCAL(args);
        BUF_LOCAL(joined);

        assert_int_equal(env_command(pod, container, image, &facts, &args, NULL), 0);
        for (size_t a = 0; a < args.count; a++)
            buf_printf(&joined, "%s%s", a ? " " : "", args.items[a]);
        assert_string_equal(buf_cstr(&joined), cases[i][2]);
    }
    assert_true(env_command(pod, nothing, nothing, &facts, &none, NULL) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(expands_like_upstream),
                                       cmocka_unit_test(downward_api_tells_of_the_pod),
                                       cmocka_unit_test(later_variables_replace_earlier_ones),
                                       cmocka_unit_test(missing_references_are_named),
                                       cmocka_unit_test(variables_from_files_are_refused),
                                       cmocka_unit_test(commands_replace_the_images)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
