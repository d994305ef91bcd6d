/* SPDX-License-Identifier: Apache-2.0 */
/* YAML: what becomes JSON is valid JSON, and as YAML again it means the same. */
#include "tests/fuzz/fuzz.h"

#include "api/value.h"
#include "lib/yaml.h"

static void fuzz_one(struct slice input)
{
    BUF_LOCAL(json);
    BUF_LOCAL(text);
    BUF_LOCAL(again);
    struct value *first CLEANUP_VALUE = NULL;
    struct value *second CLEANUP_VALUE = NULL;

    if (yaml_to_json(input, &json, NULL) < 0)
        return;
    first = value_parse(buf_slice(&json), NULL);
    if (!first) /* deeper than trees may be, or a text that is no Unicode */
        return;
    if (yaml_from_json(buf_slice(&json), &text, NULL) < 0)
        return;
    FUZZ_CHECK(yaml_to_json(buf_slice(&text), &again, NULL) == 0);
    second = value_parse(buf_slice(&again), NULL);
    FUZZ_CHECK(second && value_equal(first, second));
}
