/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/manifest.h"

int manifest_read(struct session *s, const struct value *object, const char *fallback, struct manifest *ret_manifest,
                  struct error *err)
{
    const char *api_version = value_str(value_get(object, "apiVersion"));
    const char *kind = value_str(value_get(object, "kind"));
    const char *name = value_str(value_path(object, "metadata", "name", NULL));
    const char *ns = value_str(value_path(object, "metadata", "namespace", NULL));

    if (!api_version || !kind)
        return error_set(err, ERROR_BAD_REQUEST, "a document has no apiVersion or no kind");
    if (session_find_kind(s, api_version, kind, &ret_manifest->kind, err) < 0)
        return -(int)err->code;
    if (!name)
        return error_set(err, ERROR_BAD_REQUEST, "a %s has no metadata.name", kind);
    ret_manifest->name = name;
    ret_manifest->namespace_ = !ret_manifest->kind->namespaced ? NULL : ns ? ns : fallback;
    return 0;
}

static int name_order(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static struct value *sorted_object(const struct value *v)
{
    struct slice *names CLEANUP_FREE = mem_calloc(value_count(v) + 1, sizeof(*names));
    struct value_iter it = value_iter_start(v);
    struct value *out = value_new_object();
    struct value *member;
    size_t count = 0;

    while (value_iter_next(&it, &names[count], &member))
        count++;
    qsort(names, count, sizeof(*names), name_order);
    for (size_t i = 0; i < count; i++)
        value_set_slice(out, names[i], manifest_sorted(value_get_slice(v, names[i])));
    return out;
}

struct value *manifest_sorted(const struct value *v)
{
    struct value *out;

    if (value_is(v, VALUE_OBJECT))
        return sorted_object(v);
    if (!value_is(v, VALUE_ARRAY))
        return value_copy(v);
    out = value_new_array();
    for (size_t i = 0; i < value_count(v); i++)
        value_append(out, manifest_sorted(value_at(v, i)));
    return out;
}

/* Byte for byte what kubectl writes (Go's encoder: sorted names, <, > and & escaped), so that each of the two finds the
 * other's objects unchanged. */
void manifest_annotate(struct value *object)
{
    struct value *annotations = value_need_object(value_need_object(object, "metadata"), "annotations");
    struct value *sorted CLEANUP_VALUE = NULL;
    BUF_LOCAL(json);
    BUF_LOCAL(text);

    (void)value_remove(annotations, LAST_APPLIED);
    sorted = manifest_sorted(object);
    value_write(sorted, &json);
    for (size_t i = 0; i < json.len; i++) {
        if (strchr("<>&", json.data[i]))
            buf_printf(&text, "\\u%04x", (unsigned)json.data[i]);
        else
            buf_append_byte(&text, json.data[i]);
    }
    buf_append_byte(&text, '\n');
    value_set(annotations, LAST_APPLIED, value_new_string(buf_slice(&text)));
}

/* The element of a merged list with the same key. */
static const struct value *element_of(const struct value *list, const struct value *like, const char *key)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (value_equal(value_get(value_at(list, i), key), value_get(like, key)))
            return value_at(list, i);
    return NULL;
}

static struct value *list_patch(const struct schema_field *field, const struct value *last, const struct value *live,
                                const struct value *wanted)
{
    struct value *patch = value_new_array();

    for (size_t i = 0; i < value_count(wanted); i++) {
        const struct value *w = value_at(wanted, i);
        const struct value *have = element_of(live, w, field->merge_key);
        struct value *change = have ? manifest_three_way(field->type, element_of(last, w, field->merge_key), have, w)
                                    : value_copy(w);

        if (!change)
            continue;
        if (!value_get(change, field->merge_key))
            value_set(change, field->merge_key, value_copy(value_get(w, field->merge_key)));
        value_append(patch, change);
    }
    for (size_t i = 0; i < value_count(last); i++) {
        const struct value *l = value_at(last, i);

        if (element_of(wanted, l, field->merge_key) || !element_of(live, l, field->merge_key))
            continue;
        struct value *gone = value_new_object();
        value_set_str(gone, "$patch", "delete");
        value_set(gone, field->merge_key, value_copy(value_get(l, field->merge_key)));
        value_append(patch, gone);
    }
    if (value_count(patch))
        return patch;
    value_free(patch);
    return NULL;
}

static struct value *member_patch(const struct schema_field *field, const struct value *last, const struct value *live,
                                  const struct value *wanted)
{
    if (!live)
        return value_copy(wanted);
    if (field && field->shape == SCHEMA_LIST && field->merge_key && (field->flags & SCHEMA_PATCH_MERGE) &&
        value_is(wanted, VALUE_ARRAY))
        return list_patch(field, last, live, wanted);
    if (value_is(wanted, VALUE_OBJECT) && value_is(live, VALUE_OBJECT))
        return manifest_three_way(field && field->shape == SCHEMA_ONE ? field->type : NULL, last, live, wanted);
    return value_equal(live, wanted) ? NULL : value_copy(wanted);
}

struct value *manifest_three_way(const struct schema_type *type, const struct value *last, const struct value *live,
                                 const struct value *wanted)
{
    struct value *patch = value_new_object();
    struct value_iter it = value_iter_start(wanted);
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member)) {
        const struct schema_field *field = type ? schema_find_field(type, name) : NULL;
        struct value *change = member_patch(field, value_get_slice(last, name), value_get_slice(live, name), member);

        if (change)
            value_set_slice(patch, name, change);
    }
    it = value_iter_start(last);
    while (last && value_iter_next(&it, &name, &member))
        if (!value_get_slice(wanted, name) && value_get_slice(live, name))
            value_set_slice(patch, name, value_new_null());
    if (value_count(patch))
        return patch;
    value_free(patch);
    return NULL;
}
