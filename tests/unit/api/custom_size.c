/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a definition takes once it is compiled: no more than its text and 100 kB. An operator's definition is
 * made up: deep objects, most fields a type and a description, some with bounds. */
#include "tests/unit/api/validate_rows.h"

#include <malloc.h>

#include "api/custom.h"

#define SPARE (100u << 10)

static const char *const leaves[] = {
    "\"type\":\"string\"",
    "\"type\":\"boolean\"",
    "\"type\":\"integer\",\"format\":\"int32\"",
    "\"type\":\"string\",\"minLength\":1",
    "\"type\":\"string\",\"pattern\":\"^(0|([0-9]+(\\\\.[0-9]+)?(ms|s|m|h))+)$\"",
    "\"type\":\"array\",\"x-kubernetes-list-type\":\"atomic\",\"items\":{\"type\":\"string\"}",
    "\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}",
    "\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]",
    "\"type\":\"string\",\"enum\":[\"In\",\"NotIn\",\"Exists\"]",
    "\"type\":\"string\",\"default\":\"\"",
};

static void write_schema(struct buf *out, int depth)
{
    buf_append_str(
        out, "{\"type\":\"object\",\"description\":\"What stands here, told in a sentence or two as operators do: "
             "what it is for, and what happens when nothing is said.\",\"properties\":{");
    for (size_t i = 0; i < 14; i++)
        buf_printf(out,
                   "%s\"aFieldOfSome%zu\":{\"description\":\"How something is done. Defaults to what is usual; see the "
                   "documentation.\",%s}",
                   i ? "," : "", i, leaves[i % ARRAY_SIZE(leaves)]);
    for (size_t i = 0; depth && i < 4; i++) {
        buf_printf(out, ",\"child%zu\":", i);
        write_schema(out, depth - 1);
    }
    buf_append_str(out, "},\"required\":[\"aFieldOfSome0\",\"aFieldOfSome3\"]}");
}

static void test_memory(void **state)
{
    struct value *definition CLEANUP_VALUE = NULL;
    struct custom_kind *head;
    struct custom_kind *whole;
    size_t before, after;
    BUF_LOCAL(text);

    (void)state;
    buf_append_str(&text,
                   "{\"metadata\":{\"uid\":\"u\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\",\"names\":{"
                   "\"plural\":\"things\",\"kind\":\"Thing\"},\"versions\":[{\"name\":\"v1\",\"schema\":{"
                   "\"openAPIV3Schema\":");
    write_schema(&text, 4);
    buf_append_str(&text, "}}]}}");
    definition = json(buf_cstr(&text));
    before = mallinfo2().uordblks + mallinfo2().hblkhd;
    head = custom_kind_head(definition, custom_version(definition, SLICE_LIT("v1")));
    whole = custom_kind_whole(definition, custom_version(definition, SLICE_LIT("v1")));
    after = mallinfo2().uordblks + mallinfo2().hblkhd;
    print_message("%zu bytes of text, %zu of memory\n", text.len, after - before);
    assert_true(after - before <= text.len + SPARE);
    custom_kind_unref(head);
    custom_kind_unref(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_memory)};

    value_init();
    return cmocka_run_group_tests_name("custom_size", tests, NULL, NULL);
}
