/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Strategic merge: a merge patch that knows from the schema which lists are sets or keyed by a field, and that carries
 * directives in member names and list items:
 *
 *     "$patch": "replace" | "delete" | "merge"     of the object, or of the list item, it stands in
 *     {"$patch": "replace"}                        as a list item: the rest of the patch's list replaces the list
 *     "$setElementOrder/LIST": [...]               the order that the merged list gets
 *     "$deleteFromPrimitiveList/LIST": [...]       values to take out of a set
 *     "$retainKeys": [...]                         members to keep; others go
 *     null                                         removes the member
 *
 * The merge works on a private copy of the patch, which is taken apart on the way. Lists are patch_order.c's business.
 */
#include "api/patch_internal.h"

struct patch_scope patch_scope_of(const struct schema_field *field)
{
    struct patch_scope s = {0};

    if (field && field->shape == SCHEMA_MAP)
        s.values = field;
    else if (field && field->base == SCHEMA_OBJECT)
        s.type = field->type;
    return s;
}

/* Inside a map every member is one of the map's values. */
static struct patch_scope scope_of_value(const struct schema_field *map)
{
    return (struct patch_scope){.type = map->base == SCHEMA_OBJECT ? map->type : NULL};
}

/* The row of a member; NULL where the schema says nothing (unknown fields, values of maps). */
static const struct schema_field *scope_field(const struct patch_scope *scope, struct slice name)
{
    return scope->type ? schema_find_field(scope->type, name) : NULL;
}

static bool is_merged_list(const struct schema_field *field)
{
    return field && field->shape == SCHEMA_LIST && (field->flags & SCHEMA_PATCH_MERGE);
}

bool patch_is_directive(struct slice name)
{
    return slice_is(name, PATCH_DIRECTIVE) || slice_is(name, PATCH_RETAIN_KEYS) ||
           slice_starts(name, SLICE_LIT(PATCH_SET_ORDER)) || slice_starts(name, SLICE_LIT(PATCH_DELETE_FROM));
}

/* Where nothing stood, directives and nulls mean nothing. */
void patch_strip(struct value *patch)
{
    struct value_iter it = value_iter_start(value_is(patch, VALUE_OBJECT) ? patch : NULL);
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member)) {
        if (value_is(member, VALUE_NULL) || patch_is_directive(name))
            value_iter_remove(&it);
        else
            patch_strip(member);
    }
    for (size_t i = 0; value_is(patch, VALUE_ARRAY) && i < value_count(patch);) {
        struct value *item = value_at(patch, i);
        bool gone = value_is(value_get(item, PATCH_DIRECTIVE), VALUE_STRING) && value_count(item) == 1;

        gone = gone || slice_is(value_string(value_get(item, PATCH_DIRECTIVE)), "delete");
        if (gone) {
            value_remove_at(patch, i);
            continue;
        }
        patch_strip(item);
        i++;
    }
}

/* Error texts show the piece of the patch that is wrong, cut where it gets long. */
int patch_bad(struct error *err, const char *before, const struct value *piece, const char *after)
{
    BUF_LOCAL(text);

    value_write(piece, &text);
    return error_set(err, ERROR_BAD_REQUEST, "%s%.*s%s", before, (int)(text.len > 512 ? 512 : text.len), text.data,
                     after);
}

/* $retainKeys names all that may stay; the patch itself may not bring anything else. */
static int apply_retain_keys(struct value *target, struct value *patch, struct error *err)
{
    struct value *keys CLEANUP_VALUE = value_take(patch, PATCH_RETAIN_KEYS);
    struct value_iter it;
    struct slice name;
    struct value *member;

    if (!keys)
        return 0;
    if (!value_is(keys, VALUE_ARRAY))
        return error_set(err, ERROR_BAD_REQUEST, "invalid patch format of retainKeys");
    it = value_iter_start(patch);
    while (value_iter_next(&it, &name, &member))
        if (!value_is(member, VALUE_NULL) && !patch_is_directive(name) && !patch_list_has_text(keys, name))
            return error_set(err, ERROR_BAD_REQUEST, "invalid patch format of retainKeys");
    it = value_iter_start(target);
    while (value_iter_next(&it, &name, &member))
        if (!patch_list_has_text(keys, name))
            value_iter_remove(&it);
    return 0;
}

/* One $setElementOrder/LIST, together with the patch of that list, if there is one. Both go from the patch. */
static int apply_order(const struct patch_scope *scope, struct value *target, struct value *patch, struct slice list,
                       const struct value *order, struct error *err)
{
    const struct schema_field *field = scope_field(scope, list);
    char *name CLEANUP_FREE = slice_dup(list);
    struct patch_index places CLEANUP(patch_index_free) = {0};
    struct patch_index had CLEANUP(patch_index_free) = {0};
    struct value *items CLEANUP_VALUE = NULL;
    struct value *have = value_get(target, name);
    int rc;

    if (!value_is(order, VALUE_ARRAY))
        return error_set(err, ERROR_BAD_REQUEST, "invalid patch format of setElementOrder list");
    if (!is_merged_list(field) || (have && !value_is(have, VALUE_ARRAY)))
        return 0; /* no list whose order we keep: what stands in the patch replaces it */
    if (value_get(patch, name) && !value_is(value_get(patch, name), VALUE_ARRAY))
        return 0;
    items = value_take(patch, name);
    if (!have && !items)
        return 0;
    if (items && (rc = patch_check_order(field, items, order, err)) < 0)
        return rc;
    patch_index_build(field, &places, order);
    patch_index_build(field, &had, have);
    if (!have) {
        patch_strip(items);
        value_set(target, name, STEAL(items));
    } else if (items && (rc = patch_merge_list(field, have, items, false, err)) < 0) {
        return rc;
    }
    patch_sort_list(field, value_get(target, name), &places, &had);
    return 0;
}

static int apply_orders(const struct patch_scope *scope, struct value *target, struct value *patch, struct error *err)
{
    bool found = true;

    while (found) { /* each round changes the patch, so that the walk starts anew */
        struct value_iter it = value_iter_start(patch);
        struct slice name;
        struct value *member;

        found = false;
        while (!found && value_iter_next(&it, &name, &member))
            found = slice_starts(name, SLICE_LIT(PATCH_SET_ORDER));
        if (found) {
            char *directive CLEANUP_FREE = slice_dup(name);
            struct value *order CLEANUP_VALUE = value_take(patch, directive);
            int rc = apply_order(scope, target, patch, slice_str(directive + strlen(PATCH_SET_ORDER)), order, err);

            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int apply_deletion(const struct patch_scope *scope, struct value *target, struct slice list, struct value *items,
                          struct error *err)
{
    const struct schema_field *field = scope_field(scope, list);
    struct value *have = value_get_slice(target, list);

    if (!value_is(items, VALUE_ARRAY))
        return error_set(err, ERROR_BAD_REQUEST, "invalid patch format of primitive list");
    if (!is_merged_list(field) || !value_is(have, VALUE_ARRAY))
        return 0;
    return patch_merge_list(field, have, items, true, err);
}

static int merge_member(const struct patch_scope *scope, struct value *target, struct slice name, struct value *member,
                        struct error *err)
{
    struct value *have = value_get_slice(target, name);
    const struct schema_field *field = scope_field(scope, name);

    if (value_is(member, VALUE_OBJECT) && value_is(have, VALUE_OBJECT) &&
        !(field && (field->flags & SCHEMA_PATCH_REPLACE))) {
        struct patch_scope inner = scope->values ? scope_of_value(scope->values) : patch_scope_of(field);

        return patch_merge_object(&inner, have, member, err);
    }
    if (value_is(member, VALUE_ARRAY) && value_is(have, VALUE_ARRAY) && is_merged_list(field))
        return patch_merge_list(field, have, member, false, err);
    patch_strip(member);
    value_set_slice(target, name, value_copy(member));
    return 0;
}

/* "$patch" of an object: true when it settled everything. */
static int apply_directive(struct value *target, struct value *patch, bool *ret_done, struct error *err)
{
    struct value *directive CLEANUP_VALUE = value_take(patch, PATCH_DIRECTIVE);
    struct slice name = value_string(directive);
    struct value_iter it = value_iter_start(target);
    struct slice key;
    struct value *member;

    *ret_done = false;
    if (!directive || slice_is(name, "merge"))
        return 0;
    if (!slice_is(name, "replace") && !slice_is(name, "delete")) {
        BUF_LOCAL(before);

        buf_printf(&before, "unknown patch type: %.*s in map: ", SLICE_ARGS(name));
        value_set(patch, PATCH_DIRECTIVE, STEAL(directive));
        return patch_bad(err, buf_cstr(&before), patch, "");
    }
    *ret_done = true;
    while (value_iter_next(&it, &key, &member))
        value_iter_remove(&it);
    patch_strip(patch);
    it = value_iter_start(slice_is(name, "replace") ? patch : NULL);
    while (value_iter_next(&it, &key, &member))
        value_set_slice(target, key, value_copy(member));
    return 0;
}

int patch_merge_object(const struct patch_scope *scope, struct value *target, struct value *patch, struct error *err)
{
    struct value_iter it;
    struct slice name;
    struct value *member;
    bool done;
    int rc = apply_directive(target, patch, &done, err);

    if (rc < 0 || done)
        return rc;
    if ((rc = apply_retain_keys(target, patch, err)) < 0 || (rc = apply_orders(scope, target, patch, err)) < 0)
        return rc;
    it = value_iter_start(patch);
    while (rc == 0 && value_iter_next(&it, &name, &member)) {
        if (value_is(member, VALUE_NULL)) {
            char *text CLEANUP_FREE = slice_dup(name);

            value_remove(target, text);
        } else if (slice_starts(name, SLICE_LIT(PATCH_DELETE_FROM))) {
            size_t skip = strlen(PATCH_DELETE_FROM);

            rc = apply_deletion(scope, target, slice_from(name, skip), member, err);
        } else {
            rc = merge_member(scope, target, name, member, err);
        }
    }
    return rc;
}

int patch_strategic(const struct schema_type *type, const struct value *current, const struct value *patch,
                    struct value **ret_result, struct error *err)
{
    struct patch_scope scope = {.type = type};
    struct value *result CLEANUP_VALUE = NULL;
    struct value *work CLEANUP_VALUE = NULL;
    int rc;

    if (!value_is(patch, VALUE_OBJECT))
        return error_set(err, ERROR_BAD_REQUEST,
                         "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         value_is(patch, VALUE_ARRAY) ? "array" : "value");
    result = value_is(current, VALUE_OBJECT) ? value_copy(current) : value_new_object();
    work = value_copy(patch);
    if ((rc = patch_merge_object(&scope, result, work, err)) < 0)
        return rc;
    *ret_result = STEAL(result);
    return 0;
}
