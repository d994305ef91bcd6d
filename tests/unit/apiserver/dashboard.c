/* SPDX-License-Identifier: Apache-2.0 */
/* How the Dashboard's files are served: to everybody, whole or compressed or not again, and nothing beside them. */
#include "tests/unit/apiserver/harness.h"

#include <zlib.h>

#include "apiserver/dashboard.h"

static struct harness h;

/* As nobody, with one header more when `name` is given. */
static int get(const char *method, const char *path, const char *name, const char *value, struct answer *a)
{
    const struct ask ask = {
        .method = method, .path = path, .anonymous = true, .header_name = name, .header_value = value};

    harness_ask(&h, &ask, a);
    return a->status;
}

static void assert_header(const struct answer *a, const char *line)
{
    if (slice_find_text(buf_slice(&a->headers), slice_str(line)) < 0)
        fail_msg("no \"%s\" in:\n%s", line, buf_cstr(&((struct answer *)(uintptr_t)a)->headers));
}

static void test_every_file(void **state)
{
    for (size_t i = 0; i < dashboard_file_count; i++) {
        const struct dashboard_file *file = &dashboard_files[i];
        char *path CLEANUP_FREE = mem_printf("/dashboard/%s", file->name);
        struct answer a CLEANUP_ANSWER = {0};

        assert_int_equal(get("GET", path, NULL, NULL, &a), 200);
        assert_string_equal(a.content_type, file->content_type);
        assert_int_equal(a.body.len, file->len);
        assert_int_equal(get("HEAD", path, NULL, NULL, &a), 200);
        assert_int_equal(a.body.len, 0);
    }
}

static void test_headers(void **state)
{
    struct answer a CLEANUP_ANSWER = {0};

    assert_int_equal(get("GET", "/dashboard/", NULL, NULL, &a), 200);
    assert_header(&a,
                  "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    assert_header(&a, "x-content-type-options: nosniff\n");
    assert_header(&a, "referrer-policy: no-referrer\n");
    assert_header(&a, "cross-origin-opener-policy: same-origin\n");
    assert_header(&a, "cache-control: no-cache\n");
    assert_header(&a, "vary: Accept-Encoding\n");
    /* What the policy would stop anyway is not there to begin with. */
    assert_false(answer_has(&a, "<style"));
    assert_false(answer_has(&a, " style="));
    assert_false(answer_has(&a, " onclick"));
}

static void test_gzip(void **state)
{
    static const char *const takes[] = {"gzip", "br, gzip", "GZIP;q=0.5", "deflate;q=0, gzip ; q=1"};
    static const char *const refuses[] = {"", "br", "gzip;q=0", "gzip; q=0.0", "gzipped"};
    struct answer whole CLEANUP_ANSWER = {0};
    struct answer a CLEANUP_ANSWER = {0};

    assert_int_equal(get("GET", "/dashboard/app.js", NULL, NULL, &whole), 200);
    for (size_t i = 0; i < ARRAY_SIZE(takes); i++) {
        char *plain CLEANUP_FREE = mem_alloc(whole.body.len);
        z_stream z = {.next_out = (Bytef *)plain, .avail_out = (uInt)whole.body.len};

        assert_int_equal(get("GET", "/dashboard/app.js", "accept-encoding", takes[i], &a), 200);
        assert_header(&a, "content-encoding: gzip\n");
        assert_true(a.body.len < whole.body.len);
        z.next_in = (Bytef *)a.body.data;
        z.avail_in = (uInt)a.body.len;
        assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
        assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
        assert_int_equal(inflateEnd(&z), Z_OK);
        assert_memory_equal(plain, whole.body.data, whole.body.len);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refuses); i++) {
        assert_int_equal(get("GET", "/dashboard/app.js", "accept-encoding", refuses[i], &a), 200);
        assert_int_equal(a.body.len, whole.body.len);
    }
}

static void test_not_again(void **state)
{
    const char *etag = dashboard_files[0].etag;
    char *path CLEANUP_FREE = mem_printf("/dashboard/%s", dashboard_files[0].name);
    char *several CLEANUP_FREE = mem_printf("\"x\", %s", etag + 2);
    struct answer a CLEANUP_ANSWER = {0};

    assert_int_equal(get("GET", path, "if-none-match", etag, &a), 304);
    assert_int_equal(a.body.len, 0);
    assert_header(&a, etag);
    assert_header(&a, "cache-control: no-cache\n");
    assert_int_equal(get("HEAD", path, "if-none-match", several, &a), 304);
    assert_int_equal(get("GET", path, "if-none-match", "\"x\"", &a), 200);
}

static void test_paths(void **state)
{
    static const struct {
        const char *method;
        const char *path;
        int status;
    } rows[] = {
        {"GET", "/dashboard", 301},
        {"HEAD", "/dashboard", 301},
        {"GET", "/dashboard/index.html", 200},
        {"GET", "/dashboard/index.html/", 404},
        {"GET", "/dashboard/nothing", 404},
        {"GET", "/dashboard/app.js/app.js", 404},
        {"GET", "/dashboard/../version", 400},
        {"GET", "/dashboard/%2e%2e/version", 400},
        {"GET", "/dashboard/..%2fversion", 400},
        {"GET", "/dashboard//app.js", 400},
        {"GET", "/dashboard/app.js%00", 400},
        {"POST", "/dashboard/", 403},
        {"DELETE", "/dashboard/app.js", 403},
    };
    struct answer a CLEANUP_ANSWER = {0};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (get(rows[i].method, rows[i].path, NULL, NULL, &a) != rows[i].status)
            fail_msg("%s %s: %d", rows[i].method, rows[i].path, a.status);
    assert_int_equal(get("GET", "/dashboard", NULL, NULL, &a), 301);
    assert_header(&a, "location: /dashboard/\n");
    harness_expect(&h, 405, "POST", "/dashboard/", "{}", NULL); /* even an administrator */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_file), cmocka_unit_test(test_headers), cmocka_unit_test(test_gzip),
        cmocka_unit_test(test_not_again),  cmocka_unit_test(test_paths),
    };

    return harness_run_group(&h, tests, NULL);
}
