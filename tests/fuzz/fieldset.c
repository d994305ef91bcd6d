/* SPDX-License-Identifier: Apache-2.0 */
/* Field sets and applies of any bytes: "FIELDS\nLIVE\nCONFIG". What parses is written and parses again as the same;
 * merging and pruning by it leaves an object. */
#include "tests/fuzz/fuzz.h"

#include "api/apply.h"
#include "api/managed.h"

static void check_set(struct pool *pool, const struct fieldset *set)
{
    const struct fieldset *again = NULL;
    BUF_LOCAL(text);
    BUF_LOCAL(same);

    fieldset_write(set, &text);
    FUZZ_CHECK(fieldset_parse(pool, buf_slice(&text), &again, NULL) == 0);
    fieldset_write(again, &same);
    FUZZ_CHECK(slice_equal(buf_slice(&text), buf_slice(&same)));
    FUZZ_CHECK(fieldset_equal(set, again));
    FUZZ_CHECK(fieldset_is_empty(fieldset_difference(pool, set, again)));
}

static void check_apply(struct pool *pool, const struct schema_kind *pod, struct value *live, struct value *config,
                        const struct fieldset *fields)
{
    struct managed_writer who = {"m", "", "v1", "2026-01-01T00:00:00Z", FIELDSET_MAIN};
    struct managed_apply apply = {pod, "ns", "n", live, config, false};
    struct managed managed = {0};
    struct value *object CLEANUP_VALUE = NULL;
    struct value *all CLEANUP_VALUE = NULL;
    struct managed read = {0};
    BUF_LOCAL(list);
    ERROR_LOCAL(err);

    apply_drop_nulls(pod->type, config);
    if (managed_apply(pool, &managed, &who, &apply, &object, &err) < 0) {
        FUZZ_CHECK(error_is_set(&err) && !object);
        return;
    }
    managed_write(&managed, &list);
    all = list.len ? value_parse(buf_slice(&list), NULL) : NULL;
    FUZZ_CHECK(!list.len || value_count(all) == 1);
    FUZZ_CHECK(managed_parse(pool, buf_slice(&list), &read, NULL) == 0 && read.count == managed.count);
    apply_prune(pod->type, object, fields, NULL);
}

static void fuzz_one(struct slice input)
{
    const struct schema_kind *pod = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod"));
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice fields = fuzz_take(&input);
    struct value *valid CLEANUP_VALUE = value_parse(fields, NULL);
    struct value *live CLEANUP_VALUE = value_parse(fuzz_take(&input), NULL);
    struct value *config CLEANUP_VALUE = value_parse(input, NULL);
    const struct fieldset *set = NULL;

    if (fieldset_parse(pool, fields, &set, NULL) < 0)
        return;
    if (valid)
        check_set(pool, set);
    if (value_is(live, VALUE_OBJECT) && value_is(config, VALUE_OBJECT))
        check_apply(pool, pod, live, config, set);
}
