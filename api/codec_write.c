/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees as JSON in the order of the schema. Decoding, defaults and admission put members where it costs least; here is
 * the one place that brings them into order, without touching the tree. Recursion is as deep as the tree.
 */
#include "api/codec_internal.h"

#include "api/value_internal.h"
#include "lib/encoding.h"

/* How many members were fields. */
static size_t each_field(const struct schema_type *type, struct value_sequence *members, codec_member_fn *fn, void *arg)
{
    size_t count = 0;

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];
        const struct value *v;

        if (f->flags & SCHEMA_INLINE) {
            count += each_field(f->type, members, fn, arg);
        } else if ((v = value_sequence_get(members, f->name)) != NULL) {
            fn(arg, f, slice_str(f->name), v);
            count++;
        }
    }
    return count;
}

void codec_each_member(const struct schema_type *type, const struct value *object, codec_member_fn *fn, void *arg)
{
    struct value_sequence members = value_sequence_start(object);
    struct value_iter it;
    struct slice name;
    struct value *v;

    if (type && each_field(type, &members, fn, arg) == value_count(object))
        return;
    it = value_iter_start(object);
    while (value_iter_next(&it, &name, &v))
        if (!type || !schema_find_field(type, name))
            fn(arg, NULL, name, v);
}

static void write_field(const struct schema_field *f, const struct value *v, struct buf *out);

static void write_one(const struct schema_field *f, const struct value *v, struct buf *out)
{
    const struct schema_field *alternative = f->base == SCHEMA_EITHER ? codec_alternative(f->type, v) : NULL;

    if (f->base == SCHEMA_OBJECT && value_is(v, VALUE_OBJECT))
        codec_write(f->type, v, out);
    else if (alternative)
        write_field(alternative, v, out);
    else
        value_write(v, out);
}

static void write_list(const struct schema_field *f, const struct value *list, struct buf *out)
{
    size_t count = value_count(list);

    buf_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_append_byte(out, ',');
        write_one(f, value_at(list, i), out);
    }
    buf_append_byte(out, ']');
}

static void write_map(const struct schema_field *f, const struct value *map, struct buf *out)
{
    struct value_iter it = value_iter_start(map);
    struct slice name;
    struct value *v;
    char before = '{';

    while (value_iter_next(&it, &name, &v)) {
        buf_append_byte(out, before);
        json_write_string(out, name);
        buf_append_byte(out, ':');
        write_one(f, v, out);
        before = ',';
    }
    buf_append_str(out, before == '{' ? "{}" : "}");
}

/* Below scalars there is nothing to order. */
static void write_field(const struct schema_field *f, const struct value *v, struct buf *out)
{
    bool typed = f->base == SCHEMA_OBJECT || f->base == SCHEMA_EITHER;

    if (typed && f->shape == SCHEMA_ONE)
        write_one(f, v, out);
    else if (typed && f->shape == SCHEMA_LIST && value_is(v, VALUE_ARRAY))
        write_list(f, v, out);
    else if (typed && f->shape == SCHEMA_MAP && value_is(v, VALUE_OBJECT))
        write_map(f, v, out);
    else
        value_write(v, out);
}

/* A field's name has nothing to escape. */
static void write_name(char before, struct slice name, struct buf *out)
{
    char *to = buf_reserve(out, name.len + 4);

    to[0] = before;
    to[1] = '"';
    memcpy(to + 2, name.data, name.len);
    to[name.len + 2] = '"';
    to[name.len + 3] = ':';
    out->len += name.len + 4;
}

void codec_write_member(const struct schema_field *f, char before, struct slice name, const struct value *v,
                        struct buf *out)
{
    if (f) {
        write_name(before, name, out);
        write_field(f, v, out);
        return;
    }
    buf_append_byte(out, before);
    json_write_string(out, name);
    buf_append_byte(out, ':');
    value_write(v, out);
}

struct written {
    struct buf *out;
    char before;
};

static void write_next(void *arg, const struct schema_field *f, struct slice name, const struct value *v)
{
    struct written *w = arg;

    codec_write_member(f, w->before, name, v, w->out);
    w->before = ',';
}

void codec_write(const struct schema_type *type, const struct value *object, struct buf *out)
{
    struct written w = {out, '{'};

    codec_each_member(type, object, write_next, &w);
    buf_append_str(out, w.before == '{' ? "{}" : "}");
}
