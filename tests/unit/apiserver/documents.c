/* SPDX-License-Identifier: Apache-2.0 */
/* Documents about the API: made when asked for, given back when nobody asks, the same when they are made again. */
#include "tests/unit/test.h"

#include "apiserver/documents.h"

static struct documents *make(void)
{
    struct documents_options options = {.server_address = "127.0.0.1:6443"};

    options.kinds = schema_kinds(&options.count);
    return documents_make(&options);
}

static struct document get(struct documents *docs, const char *name, const char *known)
{
    struct document d = {0};

    assert_true(documents_get(docs, slice_str(name), slice_str(known), &d));
    return d;
}

static void test_large_ones_are_given_back(void **state)
{
    static const char *const names[] = {"openapi/v2", "openapi/v2#protobuf", "openapi/v3/apis/apps/v1"};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct documents *docs = make();
        struct document first, again, known;

        assert_int_equal(documents_is_long(docs, slice_str(names[i])), i < 2);
        first = get(docs, names[i], "");
        assert_non_null(first.body);
        assert_false(documents_is_long(docs, slice_str(names[i])));
        for (unsigned r = 0; r < DOCUMENTS_KEPT; r++) {
            again = get(docs, names[i], "");
            assert_ptr_equal(again.body, first.body); /* somebody asks: it stays */
            refbuf_unref(again.body);
            documents_tidy(docs);
        }
        for (unsigned r = 0; r < DOCUMENTS_KEPT; r++)
            documents_tidy(docs);
        assert_int_equal(documents_is_long(docs, slice_str(names[i])), i < 2);
        /* Who has it needs no body, so none is made. */
        known = get(docs, names[i], first.etag);
        assert_null(known.body);
        assert_string_equal(known.etag, first.etag);
        again = get(docs, names[i], "\"other\"");
        assert_string_equal(again.etag, first.etag);
        assert_true(slice_equal(refbuf_slice(again.body), refbuf_slice(first.body)));
        refbuf_unref(again.body);
        refbuf_unref(first.body);
        documents_free(docs);
    }
}

static void test_packed(void **state)
{
    const struct slice core = SLICE_LIT("openapi/v3/api/v1");
    struct documents *docs = make();
    struct document d = get(docs, "openapi/v3/api/v1", "");
    struct document small = get(docs, "apis/apps/v1", "");
    struct refbuf *plain = d.body;

    (void)state;
    assert_true(documents_pack(docs, SLICE_LIT("apis/apps/v1"), false, &small)); /* not worth it */
    assert_false(small.gzip);
    assert_false(documents_pack(docs, core, false, &d));
    assert_ptr_equal(d.body, plain);
    assert_true(documents_pack(docs, core, true, &d));
    assert_true(d.gzip);
    assert_memory_equal(d.body->data, "\x1f\x8b", 2);
    refbuf_unref(d.body);
    d = get(docs, "openapi/v3/api/v1", "");
    assert_true(d.body->len > 128u << 10);
    assert_true(documents_pack(docs, core, false, &d)); /* it is kept */
    assert_true(d.gzip && d.body->len < 128u << 10);
    refbuf_unref(d.body);
    for (unsigned r = 0; r < DOCUMENTS_KEPT; r++)
        documents_tidy(docs);
    d = get(docs, "openapi/v3/api/v1", "");
    assert_false(documents_pack(docs, core, false, &d));
    refbuf_unref(d.body);
    refbuf_unref(small.body);
    documents_free(docs);
}

static void test_what_is_not_there(void **state)
{
    struct documents *docs = make();
    struct document d = {0};

    (void)state;
    assert_false(documents_get(docs, SLICE_LIT("openapi/v3/apis/nothing/v1"), SLICE_NONE, &d));
    assert_false(documents_is_long(docs, SLICE_LIT("openapi/v3/apis/nothing/v1")));
    documents_free(docs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_ones_are_given_back),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_what_is_not_there),
    };

    return cmocka_run_group_tests_name("documents", tests, NULL, NULL);
}
