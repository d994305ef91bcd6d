/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups in the constant tables of the schema. Everything here is read only and safe from any thread. */
#include "api/schema_internal.h"

#include <stdio.h>

const struct schema_kind *const *schema_kinds(size_t *ret_count)
{
    *ret_count = schema_table_kind_count;
    return schema_table_kinds;
}

const struct schema_type *schema_types(size_t *ret_count)
{
    *ret_count = schema_table_type_count;
    return schema_table_types;
}

static bool in_version(const struct schema_kind *kind, struct slice group, struct slice version)
{
    return slice_is(group, kind->group) && slice_is(version, kind->version);
}

const struct schema_kind *schema_find_kind(struct slice group, struct slice version, struct slice kind)
{
    for (size_t i = 0; i < schema_table_kind_count; i++) {
        const struct schema_kind *k = schema_table_kinds[i];

        if (slice_is(kind, k->kind) && in_version(k, group, version))
            return k;
    }
    return NULL;
}

const struct schema_kind *schema_find_resource(struct slice group, struct slice version, struct slice plural)
{
    for (size_t i = 0; plural.len && i < schema_table_kind_count; i++) {
        const struct schema_kind *k = schema_table_kinds[i];

        if (slice_is(plural, k->plural) && in_version(k, group, version))
            return k;
    }
    return NULL;
}

void schema_split_api_version(struct slice api_version, struct slice *ret_group, struct slice *ret_version)
{
    ptrdiff_t slash = slice_find(api_version, '/');

    *ret_group = slice_make(api_version.data, slash < 0 ? 0 : (size_t)slash);
    *ret_version = slash < 0 ? api_version : slice_from(api_version, slash + 1);
}

const char *schema_api_version(const struct schema_kind *kind, char *buffer, size_t size)
{
    snprintf(buffer, size, "%s%s%s", kind->group, *kind->group ? "/" : "", kind->version);
    return buffer;
}

const char *schema_long_name(const struct schema_type *type)
{
    const char *start = type->openapi_name;
    const char *at = start + strlen(start);

    if (type->custom)
        return "";
    for (int dots = 0; at > start; at--)
        if (at[-1] == '.' && ++dots == 3)
            break;
    return at;
}

/* As slice_compare of the two, which would have to count the second one's letters first. */
static int order_name(struct slice name, const char *own)
{
    size_t i = 0;

    while (i < name.len && name.data[i] == own[i] && own[i])
        i++;
    if (i == name.len)
        return own[i] ? -1 : 0;
    return (unsigned char)name.data[i] < (unsigned char)own[i] ? -1 : 1;
}

/* The field of exactly this name, INLINE ones too. */
static const struct schema_field *find_own(const struct schema_type *type, struct slice name)
{
    size_t low = 0, high = type->field_count;

    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct schema_field *f = &type->fields[type->by_name[middle]];
        int order = order_name(name, f->name);

        if (!order)
            return f;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct schema_field *schema_find_owned(const struct schema_type *type, struct slice name,
                                             const struct schema_type **ret_owner)
{
    const struct schema_field *found = find_own(type, name);

    *ret_owner = type;
    if (found && !(found->flags & SCHEMA_INLINE))
        return found;
    for (size_t i = 0; i < type->field_count; i++) {
        if (!(type->fields[i].flags & SCHEMA_INLINE))
            continue;
        found = schema_find_owned(type->fields[i].type, name, ret_owner);
        if (found)
            return found;
    }
    return NULL;
}

const struct schema_field *schema_find_field(const struct schema_type *type, struct slice name)
{
    const struct schema_type *owner;

    return schema_find_owned(type, name, &owner);
}

const struct schema_field *schema_find_number(const struct schema_type *type, uint32_t number)
{
    size_t low = 0, high = type->field_count;

    while (number && low < high) {
        size_t middle = (low + high) / 2;

        if (type->fields[middle].number == number)
            return &type->fields[middle];
        if (type->fields[middle].number > number)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const struct schema_field *schema_find_path(const struct schema_type *type, const char *path)
{
    struct slice rest = slice_str(path);
    struct slice name;
    const struct schema_field *f = NULL;

    while (slice_split(&rest, '.', &name)) {
        f = type ? schema_find_field(type, name) : NULL;
        if (!f)
            return NULL;
        type = f->base == SCHEMA_OBJECT ? f->type : NULL;
    }
    return f;
}
