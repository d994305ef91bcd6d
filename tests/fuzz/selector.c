/* SPDX-License-Identifier: Apache-2.0 */
/* Selectors: what parses prints, parses again, and prints the same. */
#include "tests/fuzz/fuzz.h"

#include "api/selector.h"

static struct slice lookup(void *arg, struct slice key)
{
    (void)arg;
    return key.len % 2 ? key : SLICE_NONE;
}

static void check_labels(struct slice text)
{
    BUF_LOCAL(once);
    BUF_LOCAL(twice);
    struct selector *s = NULL, *again = NULL;

    if (selector_parse_labels(text, &s, NULL) < 0)
        return;
    selector_write(s, &once);
    FUZZ_CHECK(selector_parse_labels(buf_slice(&once), &again, NULL) == 0);
    selector_write(again, &twice);
    FUZZ_CHECK(slice_equal(buf_slice(&once), buf_slice(&twice)));
    FUZZ_CHECK(selector_matches(s, lookup, NULL) == selector_matches(again, lookup, NULL));
    selector_free(s);
    selector_free(again);
}

static void fuzz_one(struct slice input)
{
    struct slice labels = fuzz_take(&input);
    struct selector *fields = NULL;

    check_labels(labels);
    if (selector_parse_fields(NULL, input, &fields, NULL) == 0)
        (void)selector_matches(fields, lookup, NULL);
    selector_free(fields);
}
