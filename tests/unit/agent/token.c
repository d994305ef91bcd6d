/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/pod_spec.h"
#include "agent/token.h"
#include "agent/volumes.h"

static struct value *json(const char *text)
{
    struct value *v = value_parse(slice_str(text), NULL);

    assert_non_null(v);
    return v;
}

static void names_say_what_is_asked_for(void **state)
{
    static const char *const rows[][2] = {
        {"{\"path\":\"t\"}", "3600/"},
        {"{\"path\":\"t\",\"expirationSeconds\":3607}", "3607/"},
        {"{\"path\":\"t\",\"expirationSeconds\":600,\"audience\":\"https://vault/x\"}", "600/https://vault/x"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct value *source CLEANUP_VALUE = json(rows[i][0]);
        char *name CLEANUP_FREE = token_reference_name(source);

        assert_string_equal(name, rows[i][1]);
    }
}

static void requests_are_bound_to_the_pod(void **state)
{
    struct value *pod CLEANUP_VALUE = json("{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"}}");
    BUF_LOCAL(with);
    BUF_LOCAL(without);

    token_request_write(pod, "600/https://vault/x", &with);
    assert_slice_equal(buf_slice(&with),
                       "{\"spec\":{\"audiences\":[\"https://vault/x\"],\"boundObjectRef\":{\"apiVersion\":\"v1\","
                       "\"kind\":\"Pod\",\"name\":\"p\",\"uid\":\"u\"},\"expirationSeconds\":600},\"apiVersion\":"
                       "\"authentication.k8s.io/v1\",\"kind\":\"TokenRequest\"}");
    token_request_write(pod, "3607/", &without);
    assert_true(slice_find_text(buf_slice(&without), SLICE_LIT("\"audiences\":[],")) > 0);
    assert_true(slice_find_text(buf_slice(&without), SLICE_LIT("\"expirationSeconds\":3607")) > 0);
}

static void a_token_serves_four_fifths_of_its_life(void **state)
{
    static const struct {
        const char *answer;
        uint64_t ms;
    } rows[] = {
        {"{\"spec\":{\"expirationSeconds\":600}}", 480000},
        {"{\"spec\":{\"expirationSeconds\":3607}}", 2884000},
        {"{\"spec\":{\"expirationSeconds\":4294967296}}", 86400000},
        {"{\"spec\":{}}", 0},
        {"{\"spec\":{\"expirationSeconds\":-5}}", 0},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct value *answer CLEANUP_VALUE = json(rows[i].answer);

        assert_int_equal(token_serves_ms(answer), rows[i].ms);
    }
}

static void note(void *arg, const char *resource, const char *name, bool optional)
{
    buf_printf(arg, "%s %s %d;", resource, name, optional);
}

static void tokens_are_references(void **state)
{
    struct value *pod CLEANUP_VALUE =
        json("{\"spec\":{\"volumes\":[{\"name\":\"v\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":"
             "\"t\",\"expirationSeconds\":3607}},{\"configMap\":{\"name\":\"m\"}}]}}]}}");
    BUF_LOCAL(seen);

    pod_each_reference(pod, note, &seen);
    assert_slice_equal(buf_slice(&seen), "tokens 3607/ 0;configmaps m 0;");
}

/* ---- the file ---- */

static const struct value *find(const void *arg, const char *resource, const char *name)
{
    return !strcmp(resource, TOKEN_RESOURCE) && !strcmp(name, "3600/") ? arg : NULL;
}

static int gather(const char *spec, const struct value *answer, struct payload *p, struct error *err)
{
    char *text CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"p\"},\"spec\":%s}", spec);
    struct value *pod CLEANUP_VALUE = json(text);
    struct value *volume CLEANUP_VALUE =
        json("{\"name\":\"v\",\"projected\":{\"sources\":[{\"serviceAccountToken\":{\"path\":\"token\"}}]}}");
    const struct pod_facts facts = {.find = find, .find_arg = answer};

    return payload_build(pod, &facts, volume, p, err);
}

static void only_its_user_reads_the_file(void **state)
{
    static const struct {
        const char *spec;
        unsigned mode;
        int owner; /* -1 = root's */
    } rows[] = {
        {"{\"containers\":[{}]}", 0644, -1},
        {"{\"containers\":[{}],\"securityContext\":{\"fsGroup\":7}}", 0600, -1},
        {"{\"containers\":[{},{}],\"securityContext\":{\"runAsUser\":1000}}", 0600, 1000},
        {"{\"containers\":[{\"securityContext\":{\"runAsUser\":5}},{}],\"securityContext\":{\"runAsUser\":1000}}", 0644,
         -1},
        {"{\"containers\":[{\"securityContext\":{\"runAsUser\":5}}],\"initContainers\":[{}]}", 0644, -1},
        {"{\"containers\":[{\"securityContext\":{\"runAsUser\":0}}]}", 0600, 0},
    };
    struct value *answer CLEANUP_VALUE = json("{\"status\":{\"token\":\"a.b.c\"}}");

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct payload p = {0};

        assert_int_equal(gather(rows[i].spec, answer, &p, NULL), 0);
        assert_int_equal(p.count, 1);
        assert_slice_equal(buf_slice(&p.files[0].data), "a.b.c");
        assert_int_equal(p.files[0].mode, rows[i].mode);
        assert_int_equal(p.files[0].owned ? (int)p.files[0].owner : -1, rows[i].owner);
        payload_clear(&p);
    }
}

static void without_an_answer_there_is_no_file(void **state)
{
    struct payload p = {0};
    ERROR_LOCAL(err);

    assert_true(gather("{\"containers\":[{}],\"serviceAccountName\":\"bot\"}", NULL, &p, &err) < 0);
    assert_string_equal(error_text(&err), "failed to fetch token: serviceaccounts \"bot\" not found");
    payload_clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_say_what_is_asked_for),
        cmocka_unit_test(requests_are_bound_to_the_pod),
        cmocka_unit_test(a_token_serves_four_fifths_of_its_life),
        cmocka_unit_test(tokens_are_references),
        cmocka_unit_test(only_its_user_reads_the_file),
        cmocka_unit_test(without_an_answer_there_is_no_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
