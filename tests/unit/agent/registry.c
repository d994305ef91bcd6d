/* SPDX-License-Identifier: Apache-2.0 */
/* Logins: what Secrets say, which image gets which, and who is told of them. */
#include "tests/unit/test.h"

#include "agent/registry_auth.h"
#include "agent/text.h"
#include "lib/encoding.h"

#define LOGINS(name) struct registry_logins name CLEANUP(registry_logins_clear) = {0}

static void read_logins(struct registry_logins *out, const char *json)
{
    ERROR_LOCAL(err);

    if (registry_logins_read(out, slice_str(json), false, &err) < 0)
        fail_msg("%s", error_text(&err));
}

/* The users of the logins that an image gets, in the order in which they are tried. */
static void picked(const char *json, const char *image, const char *want)
{
    LOGINS(all);
    LOGINS(some);
    IMAGE_REF_LOCAL(ref);
    BUF_LOCAL(users);

    read_logins(&all, json);
    assert_int_equal(image_ref_parse(slice_str(image), &ref, NULL), 0);
    registry_logins_pick(&all, &ref, &some);
    for (size_t i = 0; i < some.count; i++)
        buf_printf(&users, "%s%s", i ? " " : "", some.items[i].user);
    if (strcmp(buf_cstr(&users), want) != 0)
        fail_msg("%s with %s: got \"%s\", want \"%s\"", image, json, buf_cstr(&users), want);
}

#define ENTRY(place, user) "\"" place "\":{\"username\":\"" user "\",\"password\":\"p\"}"
#define CONFIG(entries)    "{\"auths\":{" entries "}}"

static void places_are_matched_as_upstream(void **state)
{
    static const struct {
        const char *place;
        const char *image;
        bool matches;
    } cases[] = {
        {"reg.example.com", "reg.example.com/a/b:1", true},
        {"https://reg.example.com", "reg.example.com/a/b:1", true},
        {"http://reg.example.com/v2/", "reg.example.com/a/b:1", true},
        {"https://reg.example.com/v1/a", "reg.example.com/a/b:1", true},
        {"reg.example.com/a", "reg.example.com/a/b:1", true},
        {"reg.example.com/a/b",
         "reg.example.com/a/b@sha256:"
         "0000000000000000000000000000000000000000000000000000000000000000",
         true},
        {"reg.example.com/c", "reg.example.com/a/b:1", false},
        {"reg.example.com", "reg.example.com:5000/a", false},
        {"reg.example.com:5000", "reg.example.com:5000/a", true},
        {"reg.example.com:5000", "reg.example.com:5001/a", false},
        {"reg.example.com:5000", "reg.example.com/a", false},
        {"*.example.com", "reg.example.com/a", true},
        {"*.example.com", "a.b.example.com/a", false},
        {"*.*.example.com", "a.b.example.com/a", true},
        {"*.example.com", "example.com/a", false},
        {"reg*.example.com", "reg-1.example.com/a", true},
        {"reg.*.com:5000/team", "reg.example.com:5000/team/x", true},
        {"*.example.com", "reg.example.com.evil.net/a", false},
        {"example.com", "reg.example.com/a", false},
        {"https://index.docker.io/v1/", "busybox", true},
        {"https://index.docker.io/v1/", "docker.io/team/x", true},
        {"index.docker.io", "index.docker.io/team/x", true},
        {"docker.io", "busybox", true},
        {"docker.io/library", "busybox", true},
        {"docker.io/other", "busybox", false},
        {"https://index.docker.io/v1/", "quay.io/team/x", false},
        {"[::1]:5000", "[::1]:5000/x", true},
        {"[::1]:5000", "[::1]:5001/x", false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *json CLEANUP_FREE = mem_printf(CONFIG(ENTRY("%s", "u")), cases[i].place);

        picked(json, cases[i].image, cases[i].matches ? "u" : "");
    }
}

static void longer_places_come_first(void **state)
{
    picked(CONFIG(ENTRY("r.io", "host") "," ENTRY("r.io/a/b", "deep") "," ENTRY("r.io/a", "team")), "r.io/a/b/c",
           "deep team host");
    picked(CONFIG(ENTRY("docker.io", "new") "," ENTRY("https://index.docker.io/v1/", "old")), "busybox", "new");
    /* The same login under two names is tried once. */
    picked(CONFIG(ENTRY("r.io", "u") "," ENTRY("https://r.io/v1/", "u")), "r.io/a", "u");
}

static void entries_are_read_in_every_form(void **state)
{
    static const char json[] =
        CONFIG("\"a.io\":{\"auth\":\"dTpwOnc=\"},\"b.io\":{\"auth\":\"dTpwOnc\",\"username\":\"x\",\"password\":\"y\"},"
               "\"c.io\":{\"identitytoken\":\"t\"},\"d.io\":{\"registrytoken\":\"r\"},\"e.io\":{},"
               "\"f.io\":{\"username\":\"u\",\"email\":\"e\"}");
    LOGINS(l);

    read_logins(&l, json);
    assert_int_equal(l.count, 5);
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(l.items[i].user, "u");
        assert_string_equal(l.items[i].password, "p:w");
    }
    assert_string_equal(l.items[2].identity_token, "t");
    assert_string_equal(l.items[3].registry_token, "r");
    assert_string_equal(l.items[4].password, "");
}

static void bad_entries_are_refused_without_quoting(void **state)
{
    static const char *const bad[] = {"secretword", "{\"auths\":[\"secretword\"]}",
                                      "{\"auths\":{\"a.io\":{\"auth\":\"c2VjcmV0d29yZA==\"}}}",
                                      "{\"auths\":{\"a.io\":{\"auth\":\"secretword!\"}}}",
                                      "{\"auths\":{\"a.io\":{\"registrytoken\":\"secretword\\n\"}}}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        LOGINS(l);
        ERROR_LOCAL(err);

        assert_true(registry_logins_read(&l, slice_str(bad[i]), false, &err) < 0);
        assert_int_equal(err.code, ERROR_INVALID);
        assert_null(strstr(error_text(&err), "secretword"));
        assert_null(strstr(error_text(&err), "c2VjcmV0"));
    }
}

static void secrets_of_both_types(void **state)
{
    static const char *const texts[][3] = {
        {"kubernetes.io/dockerconfigjson", ".dockerconfigjson", CONFIG(ENTRY("a.io", "u"))},
        {"kubernetes.io/dockercfg", ".dockercfg", "{" ENTRY("a.io", "u") "}"},
        {"Opaque", ".dockerconfigjson", CONFIG(ENTRY("a.io", "u"))}};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct value *secret CLEANUP_VALUE = value_new_object();
        LOGINS(l);
        BUF_LOCAL(data);

        base64_encode(&data, slice_str(texts[i][2]));
        value_set_str(secret, "type", texts[i][0]);
        value_set_str(value_need_object(secret, "data"), texts[i][1], buf_cstr(&data));
        assert_int_equal(registry_logins_add_secret(&l, secret, NULL), 0);
        assert_int_equal(l.count, i < 2 ? 1 : 0);
    }
}

static void hashes_tell_logins_apart(void **state)
{
    LOGINS(l);
    char a[REGISTRY_LOGIN_HASH_LEN + 1];
    char b[REGISTRY_LOGIN_HASH_LEN + 1];

    read_logins(&l, "{\"auths\":{\"a.io\":{\"username\":\"ab\",\"password\":\"c\"},\"b.io\":{\"username\":\"a\","
                    "\"password\":\"bc\"},"
                    "\"c.io\":{\"username\":\"ab\",\"password\":\"c\"}}}");
    registry_login_hash(&l.items[0], a);
    registry_login_hash(&l.items[1], b);
    assert_string_not_equal(a, b);
    registry_login_hash(&l.items[2], b);
    assert_string_equal(a, b);
}

/* ---- who is told ---- */

static char user[] = "u";
static char password[] = "p";
static char token[] = "t&";
static const struct registry_login login = {.user = user, .password = password};

static void token_services_are_asked(void **state)
{
    static const struct registry_login refresh = {.identity_token = token};
    struct registry_challenge c CLEANUP(registry_challenge_clear) = {0};
    struct registry_token_request r = {0};

    registry_challenge_add(&c, SLICE_LIT("Negotiate"));
    assert_false(c.basic || c.bearer);
    registry_challenge_add(
        &c, SLICE_LIT("Bearer realm=\"https://auth.example/token\",service=\"reg\",scope=\"repository:a/b:pull\""));
    registry_challenge_add(&c, SLICE_LIT("basic realm=\"x\""));
    assert_true(c.basic && c.bearer);
    assert_int_equal(registry_token_request_make(&c, "q", NULL, false, &r, NULL), 0);
    assert_string_equal(r.url, "https://auth.example/token?service=reg&scope=repository%3Aa%2Fb%3Apull");
    assert_null(r.authorization);
    registry_token_request_clear(&r);
    assert_int_equal(registry_token_request_make(&c, "q", &login, false, &r, NULL), 0);
    assert_string_equal(r.authorization, "Basic dTpw");
    assert_string_equal(r.method, "GET");
    registry_token_request_clear(&r);
    assert_int_equal(registry_token_request_make(&c, "q", &refresh, false, &r, NULL), 0);
    assert_string_equal(r.method, "POST");
    assert_null(r.authorization);
    assert_string_equal(r.url, "https://auth.example/token");
    assert_non_null(strstr(r.body, "grant_type=refresh_token&service=reg&"));
    assert_non_null(strstr(r.body, "&refresh_token=t%26"));
    registry_token_request_clear(&r);
}

static void realms_with_a_query_and_without_a_scope(void **state)
{
    struct registry_challenge c CLEANUP(registry_challenge_clear) = {0};
    struct registry_token_request r = {0};

    registry_challenge_add(&c, SLICE_LIT("bearer realm=\"https://auth.example/t?x=1\""));
    assert_int_equal(registry_token_request_make(&c, "q", NULL, false, &r, NULL), 0);
    assert_string_equal(r.url, "https://auth.example/t?x=1&scope=repository%3Aq%3Apull");
    registry_token_request_clear(&r);
}

static void bad_challenges_get_nothing(void **state)
{
    static const char *const bad[] = {"",
                                      "Basic realm=\"x\"",
                                      "Bearer service=\"s\"",
                                      "Bearer realm=\"ftp://x\"",
                                      "Bearer realm=\"https://x",
                                      "Bearer xrealm=\"https://x\"",
                                      "Bearer realm=\"http://auth.example/token\""};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct registry_challenge c CLEANUP(registry_challenge_clear) = {0};
        struct registry_token_request r = {0};
        ERROR_LOCAL(err);

        registry_challenge_add(&c, slice_str(bad[i]));
        assert_true(registry_token_request_make(&c, "q", &login, false, &r, &err) < 0);
        assert_int_equal(err.code, ERROR_UNAUTHORIZED);
        assert_null(r.url);
    }
}

static void an_insecure_registry_may_name_a_plain_service(void **state)
{
    struct registry_challenge c CLEANUP(registry_challenge_clear) = {0};
    struct registry_token_request r = {0};

    registry_challenge_add(&c, SLICE_LIT("Bearer realm=\"http://10.0.0.1:5001/token\""));
    assert_int_equal(registry_token_request_make(&c, "q", NULL, true, &r, NULL), 0);
    registry_token_request_clear(&r);
}

static void answers_of_other_hosts_are_told_apart(void **state)
{
    assert_true(registry_url_within("https://r.io/v2/x", "https://r.io"));
    assert_true(registry_url_within("https://R.io", "https://r.io"));
    assert_false(registry_url_within("http://r.io/v2/x", "https://r.io"));
    assert_false(registry_url_within("https://r.io:444/", "https://r.io"));
    assert_false(registry_url_within("https://r.io.evil.net/", "https://r.io"));
    assert_false(registry_url_within("https://r.io@evil.net/", "https://r.io"));
}

static void durations_are_written_as_go_does(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {{0, "0s"},      {7, "7ms"},        {999, "999ms"},      {1000, "1s"},    {1050, "1.05s"},
                 {10000, "10s"}, {62500, "1m2.5s"}, {3600000, "1h0m0s"}, {60000, "1m0s"}, {3661001, "1h1m1.001s"}};
    char out[TEXT_DURATION_MAX];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(text_duration(cases[i].ms * 1000000 + 999, out), cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_matched_as_upstream),
        cmocka_unit_test(longer_places_come_first),
        cmocka_unit_test(entries_are_read_in_every_form),
        cmocka_unit_test(bad_entries_are_refused_without_quoting),
        cmocka_unit_test(secrets_of_both_types),
        cmocka_unit_test(hashes_tell_logins_apart),
        cmocka_unit_test(token_services_are_asked),
        cmocka_unit_test(realms_with_a_query_and_without_a_scope),
        cmocka_unit_test(bad_challenges_get_nothing),
        cmocka_unit_test(an_insecure_registry_may_name_a_plain_service),
        cmocka_unit_test(answers_of_other_hosts_are_told_apart),
        cmocka_unit_test(durations_are_written_as_go_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
