/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of the strategic merge. Items are the same when their merge key is (objects) or when they are equal (sets).
 * After a merge, what the patch named stands in the patch's order and what only the server had keeps its place relative
 * to that: two sequences merged into one, where the server's item goes first only if it stood before in the old list.
 */
#include "api/patch_internal.h"
#include "api/value_internal.h"

/* What makes an item the same as another: its merge key's value, or itself. */
static const struct value *identity(const struct schema_field *field, const struct value *item)
{
    return field->merge_key && value_is(item, VALUE_OBJECT) ? value_get(item, field->merge_key) : item;
}

void patch_index_free(struct patch_index *x)
{
    map_clear(&x->map, NULL);
    buf_free(&x->scratch);
}

static struct slice index_key(const struct schema_field *field, struct patch_index *x, const struct value *item)
{
    buf_reset(&x->scratch);
    value_write(identity(field, item), &x->scratch);
    return buf_slice(&x->scratch);
}

/* The place of the first item that is the same as `item`, or -1. */
static ptrdiff_t index_of(const struct schema_field *field, struct patch_index *x, const struct value *item)
{
    return (ptrdiff_t)(uintptr_t)map_get(&x->map, index_key(field, x, item)) - 1;
}

static void index_add(const struct schema_field *field, struct patch_index *x, const struct value *item, size_t place)
{
    struct slice key = index_key(field, x, item);

    if (!map_get(&x->map, key))
        (void)map_put(&x->map, key, (void *)(uintptr_t)(place + 1));
}

void patch_index_build(const struct schema_field *field, struct patch_index *x, const struct value *list)
{
    for (size_t i = 0; i < value_count(list); i++)
        index_add(field, x, value_at(list, i), i);
}

bool patch_list_has_text(const struct value *list, struct slice text)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_equal(value_string(value_at(list, i)), text))
            return true;
    return false;
}

static void list_clear(struct value *list)
{
    while (value_count(list))
        value_remove_at(list, value_count(list) - 1);
}

/* An item with its place in the order (-1: the patch does not name it) and in the old list (-1: it is new). */
struct ranked {
    struct value *item;
    ptrdiff_t rank;
    ptrdiff_t had;
    size_t place;
};

/* Named ones by rank, then the others as they stood. */
static int compare_ranked(const void *a, const void *b)
{
    const struct ranked *x = a, *y = b;

    if ((x->rank < 0) != (y->rank < 0))
        return x->rank < 0 ? 1 : -1;
    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Appends to `list` the named items (the first `named` of them) and the server's, merged. */
static void merge_ranked(struct value *list, const struct ranked *items, size_t named, size_t count)
{
    size_t j = 0, i = named;

    while (j < named || i < count) {
        bool server = j >= named ||
                      (i < count && items[i].had >= 0 && items[j].had >= 0 && items[i].had < items[j].had);

        value_append(list, server ? items[i++].item : items[j++].item);
    }
}

void patch_sort_list(const struct schema_field *field, struct value *list, struct patch_index *order,
                     struct patch_index *had)
{
    size_t count = value_count(list), named = 0;
    struct ranked *items CLEANUP_FREE = mem_calloc(count + 1, sizeof(*items));

    for (size_t i = 0; i < count; i++) {
        items[i].item = value_swap_at(list, i, value_new_null());
        items[i].rank = index_of(field, order, items[i].item);
        items[i].had = index_of(field, had, items[i].item);
        items[i].place = i;
        named += items[i].rank >= 0;
    }
    qsort(items, count, sizeof(*items), compare_ranked);
    list_clear(list);
    merge_ranked(list, items, named, count);
}

int patch_check_order(const struct schema_field *field, const struct value *items, const struct value *order,
                      struct error *err)
{
    size_t at = 0;

    for (size_t i = 0; i < value_count(items); i++) {
        const struct value *item = value_at(items, i);

        if (value_get(value_is(item, VALUE_OBJECT) ? item : NULL, PATCH_DIRECTIVE))
            continue;
        while (at < value_count(order) && !value_equal(identity(field, value_at(order, at)), identity(field, item)))
            at++;
        if (at++ >= value_count(order)) {
            BUF_LOCAL(after);

            buf_append_str(&after, "\n doesn't match $setElementOrder list:\n");
            value_write(order, &after);
            buf_append_byte(&after, '\n');
            return patch_bad(err, "The order in patch list:\n", items, buf_cstr(&after));
        }
    }
    return 0;
}

/* Keeps the items of `list` that are not in `gone`. */
static void remove_items(const struct schema_field *field, struct value *list, struct patch_index *gone)
{
    for (size_t i = value_count(list); i > 0; i--)
        if (index_of(field, gone, value_at(list, i - 1)) >= 0)
            value_remove_at(list, i - 1);
}

static void merge_set(const struct schema_field *field, struct value *list, const struct value *patch, bool deletion)
{
    struct patch_index x CLEANUP(patch_index_free) = {0};

    if (deletion) {
        patch_index_build(field, &x, patch);
        remove_items(field, list, &x);
        return;
    }
    patch_index_build(field, &x, list);
    for (size_t i = 0; i < value_count(patch); i++)
        if (index_of(field, &x, value_at(patch, i)) < 0) {
            index_add(field, &x, value_at(patch, i), value_count(list));
            value_append(list, value_copy(value_at(patch, i)));
        }
}

static int no_merge_key(const struct schema_field *field, const struct value *item, struct error *err)
{
    BUF_LOCAL(after);

    buf_printf(&after, " does not contain declared merge key: %s", field->merge_key);
    return patch_bad(err, "map: ", item, buf_cstr(&after));
}

/* One item with a directive: what it says is noted; *ret_keep tells whether it is an item of the list besides. */
static int read_item(const struct schema_field *field, struct value *item, struct patch_index *gone, bool *ret_replace,
                     bool *ret_keep, struct error *err)
{
    struct slice directive = value_string(value_get(item, PATCH_DIRECTIVE));

    *ret_keep = false;
    if (slice_is(directive, "delete")) {
        if (!value_get(item, field->merge_key))
            return no_merge_key(field, item, err);
        index_add(field, gone, item, 0);
    } else if (slice_is(directive, "replace")) {
        *ret_replace = true;
    } else if (slice_is(directive, "merge")) {
        *ret_keep = value_count(item) > 1;
        value_remove(item, PATCH_DIRECTIVE);
    } else {
        BUF_LOCAL(before);

        buf_printf(&before, "unknown patch type: %.*s in map: ", SLICE_ARGS(directive));
        return patch_bad(err, buf_cstr(&before), item, "");
    }
    return 0;
}

/* Takes the items that only say something out of the patch, and does what they say to the list. */
static int apply_items(const struct schema_field *field, struct value *list, struct value *patch, struct error *err)
{
    struct patch_index gone CLEANUP(patch_index_free) = {0};
    bool replace = false, keep;
    int rc;

    for (size_t i = value_count(patch); i > 0; i--) {
        struct value *item = value_at(patch, i - 1);

        if (!value_get(item, PATCH_DIRECTIVE))
            continue;
        if ((rc = read_item(field, item, &gone, &replace, &keep, err)) < 0)
            return rc;
        if (!keep)
            value_remove_at(patch, i - 1);
    }
    remove_items(field, list, &gone);
    if (replace)
        list_clear(list);
    return 0;
}

static int merge_keyed(const struct schema_field *field, struct value *list, struct value *patch, struct error *err)
{
    struct patch_index x CLEANUP(patch_index_free) = {0};
    struct patch_scope scope = {.type = field->type};
    int rc;

    patch_index_build(field, &x, list);
    for (size_t i = 0; i < value_count(patch); i++) {
        struct value *item = value_at(patch, i);
        ptrdiff_t at;

        if (!value_get(item, field->merge_key))
            return no_merge_key(field, item, err);
        at = index_of(field, &x, item);
        if (at < 0) {
            struct value *fresh = value_copy(item);

            patch_strip(fresh);
            index_add(field, &x, item, value_count(list));
            value_append(list, fresh);
        } else if ((rc = patch_merge_object(&scope, value_at(list, (size_t)at), item, err)) < 0) {
            return rc;
        }
    }
    return 0;
}

static int check_items(const struct value *list, bool objects, struct error *err)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (value_is(value_at(list, i), VALUE_OBJECT) != objects || value_is(value_at(list, i), VALUE_ARRAY))
            return patch_bad(err, "list element types are not identical: ", list, "");
    return 0;
}

int patch_merge_list(const struct schema_field *field, struct value *list, struct value *patch, bool deletion,
                     struct error *err)
{
    bool keyed = field->merge_key && *field->merge_key;
    struct patch_index had CLEANUP(patch_index_free) = {0};
    struct patch_index order CLEANUP(patch_index_free) = {0};
    int rc = check_items(patch, keyed, err);

    if (rc < 0 || (rc = check_items(list, keyed, err)) < 0)
        return rc;
    patch_index_build(field, &had, list);
    if (keyed && (rc = apply_items(field, list, patch, err)) < 0)
        return rc;
    patch_index_build(field, &order, patch); /* the merge takes the patch apart */
    if (!keyed)
        merge_set(field, list, patch, deletion);
    else if ((rc = merge_keyed(field, list, patch, err)) < 0)
        return rc;
    patch_sort_list(field, list, &order, &had);
    return 0;
}
