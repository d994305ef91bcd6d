/* SPDX-License-Identifier: Apache-2.0 */
/* Trees and patches: "KIND DOCUMENT\nPATCH", KIND one of j, m, s. What parses prints and parses again as the same. */
#include "tests/fuzz/fuzz.h"

#include "api/patch.h"

static void check_round_trip(const struct value *v)
{
    BUF_LOCAL(text);
    struct value *again CLEANUP_VALUE = NULL;

    value_write(v, &text);
    again = value_parse(buf_slice(&text), NULL);
    FUZZ_CHECK(again);
    FUZZ_CHECK(value_depth(v) <= VALUE_DEPTH_MAX);
}

static void fuzz_one(struct slice input)
{
    const struct schema_kind *pod = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod"));
    struct slice first = fuzz_take(&input);
    char which = first.len ? first.data[0] : 'm';
    struct value *document CLEANUP_VALUE = NULL;
    struct value *patch CLEANUP_VALUE = NULL;
    struct value *result CLEANUP_VALUE = NULL;
    ERROR_LOCAL(err);
    int rc;

    if (!first.len)
        return;
    document = value_parse(slice_from(first, 1), NULL);
    patch = value_parse(input, NULL);
    if (!document || !patch)
        return;
    check_round_trip(document);
    if (which == 'j')
        rc = patch_json(document, patch, &result, &err);
    else if (which == 's')
        rc = patch_strategic(pod->type, document, patch, &result, &err);
    else
        rc = patch_merge(document, patch, &result, &err);
    FUZZ_CHECK((rc == 0) == (result != NULL));
    FUZZ_CHECK((rc < 0) == error_is_set(&err));
    if (result)
        check_round_trip(result);
}
