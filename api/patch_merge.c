/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merge patches (RFC 7386): members replace members, null removes, objects merge, everything else (lists too) is taken
 * as a whole. Depth is bounded by the two parsed documents.
 */
#include "api/patch.h"

static void merge_into(struct value *target, const struct value *patch);

/* What a member of a patch stands for where nothing stood: the same without its nulls. */
static struct value *without_nulls(const struct value *patch)
{
    struct value *made;

    if (!value_is(patch, VALUE_OBJECT))
        return value_copy(patch);
    made = value_new_object();
    merge_into(made, patch);
    return made;
}

static void merge_into(struct value *target, const struct value *patch)
{
    struct value_iter it = value_iter_start(patch);
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member)) {
        struct value *have = value_get_slice(target, name);

        if (value_is(member, VALUE_NULL)) {
            char *text CLEANUP_FREE = slice_dup(name);

            value_remove(target, text);
        } else if (value_is(member, VALUE_OBJECT) && value_is(have, VALUE_OBJECT)) {
            merge_into(have, member);
        } else {
            value_set_slice(target, name, without_nulls(member));
        }
    }
}

int patch_merge(const struct value *current, const struct value *patch, struct value **ret_result, struct error *err)
{
    struct value *result;

    if (!value_is(patch, VALUE_OBJECT))
        return error_set(err, ERROR_BAD_REQUEST, "Invalid JSON Patch");
    result = value_is(current, VALUE_OBJECT) ? value_copy(current) : value_new_object();
    merge_into(result, patch);
    *ret_result = result;
    return 0;
}
