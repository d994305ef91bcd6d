/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "apiserver/request_path.h"
#include "lib/encoding.h"

static struct request_info parse(struct pool *pool, const char *method, const char *path)
{
    struct request_info info;
    ERROR_LOCAL(err);

    if (request_path_parse(pool, slice_str(method), slice_str(path), &info, &err) < 0)
        fail_msg("%s: %s", path, error_text(&err));
    return info;
}

static void test_resources(void **state)
{
    static const struct {
        const char *method, *path, *verb, *group, *version, *ns, *resource, *name, *sub;
    } rows[] = {
        {"GET", "/api/v1/pods", "list", "", "v1", "", "pods", "", ""},
        {"GET", "/api/v1/namespaces/a/pods/", "list", "", "v1", "a", "pods", "", ""},
        {"GET", "/api/v1/namespaces/a/pods/p", "get", "", "v1", "a", "pods", "p", ""},
        {"POST", "/api/v1/namespaces/a/pods/p/binding", "create", "", "v1", "a", "pods", "p", "binding"},
        {"PUT", "/apis/apps/v1/namespaces/a/deployments/d/scale", "update", "apps", "v1", "a", "deployments", "d",
         "scale"},
        {"PATCH", "/api/v1/nodes/n/status", "patch", "", "v1", "", "nodes", "n", "status"},
        {"DELETE", "/api/v1/namespaces/a/configmaps", "deletecollection", "", "v1", "a", "configmaps", "", ""},
        {"DELETE", "/api/v1/namespaces/a", "delete", "", "v1", "a", "namespaces", "a", ""},
        {"PUT", "/api/v1/namespaces/a/finalize", "update", "", "v1", "a", "namespaces", "a", "finalize"},
        {"GET", "/api/v1/namespaces", "list", "", "v1", "", "namespaces", "", ""},
        {"GET", "/api/v1/watch/namespaces/a/pods/p", "watch", "", "v1", "a", "pods", "p", ""},
        {"GET", "/api/v1/nodes/system%3Ax", "get", "", "v1", "", "nodes", "system:x", ""},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct request_info info = parse(pool, rows[i].method, rows[i].path);

        assert_true(info.is_resource);
        assert_string_equal(info.verb_name, rows[i].verb);
        assert_string_equal(info.group, rows[i].group);
        assert_string_equal(info.version, rows[i].version);
        assert_string_equal(info.namespace_, rows[i].ns);
        assert_string_equal(info.resource, rows[i].resource);
        assert_string_equal(info.name, rows[i].name);
        assert_string_equal(info.subresource, rows[i].sub);
    }
}

static void test_proxies(void **state)
{
    static const struct {
        const char *path, *resource, *name, *rest;
    } rows[] = {
        {"/api/v1/namespaces/a/pods/p/proxy", "pods", "p", ""},
        {"/api/v1/namespaces/a/pods/p:80/proxy/", "pods", "p:80", "/"},
        {"/api/v1/namespaces/a/services/https%3As%3Aweb/proxy/x/", "services", "https:s:web", "/x/"},
        {"/api/v1/namespaces/a/services/s/proxy//a%2Fb//%41", "services", "s", "//a%2Fb//%41"},
        {"/api/v1/namespaces/a/services/s/proxy/%ff/api/v1/namespaces/b/pods/q/proxy/y", "services", "s",
         "/%ff/api/v1/namespaces/b/pods/q/proxy/y"},
        {"/api/v1/namespaces/a/pods/p/proxy/1/2/3/4/5/6/7/8/9/1/2/3/4/5/6/7/8/9/1/2/3/4/5/6/7/8/9/1/2/3/4/5", "pods",
         "p", "/1/2/3/4/5/6/7/8/9/1/2/3/4/5/6/7/8/9/1/2/3/4/5/6/7/8/9/1/2/3/4/5"},
    };
    static const char *const refused[] = {
        "/api/v1/namespaces/a/pods/p/proxy/..",        "/api/v1/namespaces/a/pods/p/proxy/x/%2e%2E/y",
        "/api/v1/namespaces/a/pods/p/proxy/./x",       "/api/v1/namespaces/a/pods/p/proxy/%0",
        "/api/v1/namespaces/a/pods/p/proxy/a%00b",     "/api/v1/namespaces//pods/p/proxy/x",
        "/api/v1/namespaces/a/pods/p%2fq/proxy/x",     "/api/v1/namespaces/../pods/p/proxy/x",
        "/api/v1/namespaces/a/services/%2e%2e/proxy/x"};
    static const char *const others[] = {"/api/v1/namespaces/a/pods/p/proxyx/y",
                                         "/api/v1/namespaces/a/pods/p/log",
                                         "/api/v1/nodes/n/proxy/metrics",
                                         "/api/v1/namespaces/a/secrets/p/proxy/y",
                                         "/apis/apps/v1/namespaces/a/pods/p/proxy/y",
                                         "/api/v1/namespaces/a/pods/proxy",
                                         "/api/v1/namespaces/a/pods/p/pro%78y/y"};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct request_info info = parse(pool, "POST", rows[i].path);

        assert_true(info.proxied && request_path_is_proxy(slice_str(rows[i].path)));
        assert_string_equal(info.verb_name, "create");
        assert_string_equal(info.subresource, "proxy");
        assert_string_equal(info.namespace_, "a");
        assert_string_equal(info.resource, rows[i].resource);
        assert_string_equal(info.name, rows[i].name);
        assert_true(slice_is(info.proxy_rest, rows[i].rest));
        assert_true(slice_ends(info.proxy_prefix, SLICE_LIT("/proxy")));
        assert_int_equal(info.proxy_prefix.len + info.proxy_rest.len, strlen(rows[i].path));
    }
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct request_info info;

        assert_int_equal(request_path_parse(pool, SLICE_LIT("GET"), slice_str(refused[i]), &info, NULL),
                         -(int)ERROR_BAD_REQUEST);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();

        assert_false(parse(pool, "GET", others[i]).proxied);
        assert_false(request_path_is_proxy(slice_str(others[i])));
    }
    assert_true(request_path_is_proxy(SLICE_LIT("/api/v1/namespaces/a/pods/p/proxy?x")));
    assert_false(request_path_is_proxy(SLICE_LIT("/x?/api/v1/namespaces/a/pods/p/proxy")));
}

static void test_not_resources(void **state)
{
    static const char *const paths[] = {
        "/",          "/api",          "/api/",     "/api/v1",       "/apis",
        "/apis/apps", "/apis/apps/v1", "/version/", "/healthz/ping", "/openapi/v3/apis/apps/v1"};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();

        assert_false(parse(pool, "GET", paths[i]).is_resource);
    }
}

/* Whatever could mean another path to a later reader is refused. */
static void test_tricks(void **state)
{
    static const char *const paths[] = {"",
                                        "api",
                                        "/api/v1/namespaces/a%2fb/pods",
                                        "/api/v1/namespaces/%2e%2e/pods",
                                        "/api/v1/../secrets",
                                        "/api/v1/./pods",
                                        "/api/v1//pods",
                                        "/api/v1/pods/%00",
                                        "/api/v1/pods/a%0ab",
                                        "/api/v1/pods/%zz",
                                        "/api/v1/pods/%ff",
                                        "/api/v1/pods/%c0%ae%c0%ae",
                                        "/api/v1/pods/\xed\xa0\x80",
                                        "/api/v1/pods/%2",
                                        ("/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18/19/20/21/22/23/24/25/26/27/28/"
                                         "29/30/31/32/33")};

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct request_info info;
        ERROR_LOCAL(err);

        assert_true(request_path_parse(pool, SLICE_LIT("GET"), slice_str(paths[i]), &info, &err) < 0);
        assert_int_equal(err.code, ERROR_BAD_REQUEST);
    }
}

static void test_watch(void **state)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct request_info list = parse(pool, "GET", "/api/v1/pods");
    struct request_info get = parse(pool, "GET", "/api/v1/nodes/n");

    request_path_set_watch(&list, true);
    request_path_set_watch(&get, true);
    assert_string_equal(list.verb_name, "watch");
    assert_string_equal(get.verb_name, "get");
}

/* A small generator of its own: the same paths in every run. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static void make_path(uint32_t *seed, struct buf *out)
{
    static const char *const pieces[] = {
        "/",       "/",       "/",        "api",   "apis",    "v1",     "apps", "namespaces", "kube-system",
        "default", "secrets", "pods",     "x",     "watch",   "status", "..",   ".",          "%2e",
        "%2E%2e",  "%2f",     "%00",      "%25",   "%2",      "%zz",    ";",    "?",          "#",
        "\\",      "%5c",     "%c0%ae",   "\x80",  "%",       "//",     "/./",  "/../",       "%252e",
        "%0d%0a",  " ",       "finalize", "nodes", "healthz", "+",      "@",    ":",
    };
    uint32_t count = 1 + next_random(seed) % 14;

    for (uint32_t i = 0; i < count; i++)
        buf_append_str(out, pieces[next_random(seed) % ARRAY_SIZE(pieces)]);
}

/* What a reader who knows nothing but the decoded text would find in it. */
static void check_path(struct pool *pool, const char *raw, const struct request_info *info)
{
    struct request_info again;
    BUF_LOCAL(encoded);
    ERROR_LOCAL(err);

    assert_null(strstr(info->path, "//"));
    assert_null(strstr(info->path, "/../"));
    assert_null(strstr(info->path, "/./"));
    for (size_t i = 0; i < info->segment_count; i++) {
        if (!*info->segments[i] || strchr(info->segments[i], '/') || !strcmp(info->segments[i], "..") ||
            !strcmp(info->segments[i], "."))
            fail_msg("%s: segment \"%s\"", raw, info->segments[i]);
        buf_append_byte(&encoded, '/');
        percent_encode(&encoded, slice_str(info->segments[i]));
    }
    if (!info->segment_count)
        return;
    /* Written canonically and read again it is the same question. */
    assert_int_equal(request_path_parse(pool, SLICE_LIT("GET"), buf_slice(&encoded), &again, &err), 0);
    assert_string_equal(again.path, info->path);
    assert_int_equal(again.is_resource, info->is_resource);
    assert_int_equal(again.verb, info->verb);
    assert_string_equal(again.verb_name, info->verb_name);
    assert_string_equal(again.group, info->group);
    assert_string_equal(again.namespace_, info->namespace_);
    assert_string_equal(again.resource, info->resource);
    assert_string_equal(again.name, info->name);
    assert_string_equal(again.subresource, info->subresource);
}

/* 100,000 mutated paths: what is let through means one thing only, to whoever reads it and however often. */
static void test_mutations(void **state)
{
    uint32_t seed = 1;
    size_t passed = 0;

    for (int i = 0; i < 100000; i++) {
        struct pool *pool CLEANUP_POOL = pool_new();
        struct request_info info;
        BUF_LOCAL(raw);

        buf_append_byte(&raw, '/');
        make_path(&seed, &raw);
        if (request_path_parse(pool, SLICE_LIT("GET"), buf_slice(&raw), &info, NULL) < 0)
            continue;
        passed++;
        check_path(pool, buf_cstr(&raw), &info);
    }
    assert_true(passed > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resources), cmocka_unit_test(test_not_resources), cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_tricks),    cmocka_unit_test(test_watch),         cmocka_unit_test(test_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
