/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of value.h: a thin skin over jansson's nodes, so that nobody else sees them. Invariants: every node in a
 * tree has exactly one owner (reference counts stay at one), strings are valid UTF-8, reals are finite.
 */
#include "api/value_alloc.h"
#include "api/value_internal.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>

#include "lib/encoding.h"
#include "lib/random.h"

static json_t *node(const struct value *v)
{
    return (json_t *)(uintptr_t)v;
}

static struct value *owned(json_t *j)
{
    if (!j)
        mem_die(sizeof(json_t));
    return (struct value *)j;
}

static struct value *borrowed(json_t *j)
{
    return (struct value *)j;
}

void value_init(void)
{
    size_t seed = 0;

    while (!seed) /* 0 would make jansson draw one itself */
        random_bytes(&seed, sizeof seed);
    json_object_seed(seed);
    json_set_alloc_funcs(value_alloc, value_release);
}

void value_free(struct value *v)
{
    json_decref(node(v));
}

/* jansson's own copy and comparison look out for circles, which no tree of ours has, and look up every member. */

static json_t *copy_object(json_t *from)
{
    json_t *to = json_object();

    for (void *at = json_object_iter(from); to && at; at = json_object_iter_next(from, at))
        value_set_slice(borrowed(to), slice_make(json_object_iter_key(at), json_object_iter_key_len(at)),
                        value_copy(borrowed(json_object_iter_value(at))));
    return to;
}

static json_t *copy_array(json_t *from)
{
    json_t *to = json_array();

    for (size_t i = 0; to && i < json_array_size(from); i++)
        value_append(borrowed(to), value_copy(borrowed(json_array_get(from, i))));
    return to;
}

struct value *value_copy(const struct value *v)
{
    json_t *from = node(v);

    if (!from)
        return NULL;
    switch (json_typeof(from)) {
    case JSON_OBJECT:
        return owned(copy_object(from));
    case JSON_ARRAY:
        return owned(copy_array(from));
    case JSON_STRING:
        return owned(json_stringn_nocheck(json_string_value(from), json_string_length(from)));
    case JSON_INTEGER:
        return owned(json_integer(json_integer_value(from)));
    case JSON_REAL:
        return owned(json_real(json_real_value(from)));
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return owned(json_incref(from)); /* there is one of each */
}

/* Members mostly stand in the same order; `at_b` is where the next one is likely to be. */
static bool equal_objects(json_t *a, json_t *b)
{
    void *at_b = json_object_iter(b);

    if (json_object_size(a) != json_object_size(b))
        return false;
    for (void *at = json_object_iter(a); at; at = json_object_iter_next(a, at)) {
        const char *key = json_object_iter_key(at);
        void *other = at_b && !strcmp(json_object_iter_key(at_b), key) ? at_b : json_object_iter_at(b, key);

        if (!other || !value_equal(borrowed(json_object_iter_value(at)), borrowed(json_object_iter_value(other))))
            return false;
        at_b = json_object_iter_next(b, other);
    }
    return true;
}

static bool equal_arrays(json_t *a, json_t *b)
{
    if (json_array_size(a) != json_array_size(b))
        return false;
    for (size_t i = 0; i < json_array_size(a); i++)
        if (!value_equal(borrowed(json_array_get(a, i)), borrowed(json_array_get(b, i))))
            return false;
    return true;
}

/* 1.0 is 1, which it also becomes when it is written and read. A whole number too large for a real is none. */
static bool equal_whole(const json_t *real, const json_t *whole)
{
    double r = json_real_value(real);

    return r == floor(r) && fabs(r) < 0x1p63 && (json_int_t)r == json_integer_value(whole);
}

bool value_equal(const struct value *a, const struct value *b)
{
    json_t *x = node(a);
    json_t *y = node(b);

    if (!x || !y || x == y)
        return x == y;
    if (json_is_real(x) && json_is_integer(y))
        return equal_whole(x, y);
    if (json_is_integer(x) && json_is_real(y))
        return equal_whole(y, x);
    if (json_typeof(x) != json_typeof(y))
        return false;
    switch (json_typeof(x)) {
    case JSON_OBJECT:
        return equal_objects(x, y);
    case JSON_ARRAY:
        return equal_arrays(x, y);
    case JSON_STRING:
        return slice_equal(value_string(a), value_string(b));
    case JSON_INTEGER:
        return json_integer_value(x) == json_integer_value(y);
    case JSON_REAL:
        return json_real_value(x) == json_real_value(y);
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
        break;
    }
    return true;
}

size_t value_depth(const struct value *v)
{
    size_t deepest = 0, depth;
    struct slice name;
    struct value *child;

    for (size_t i = 0; value_is(v, VALUE_ARRAY) && i < value_count(v); i++) {
        depth = value_depth(value_at(v, i));
        deepest = depth > deepest ? depth : deepest;
    }
    if (value_is(v, VALUE_OBJECT)) {
        struct value_iter it = value_iter_start(v);

        while (value_iter_next(&it, &name, &child)) {
            depth = value_depth(child);
            deepest = depth > deepest ? depth : deepest;
        }
    }
    return deepest + 1;
}

enum value_kind value_kind(const struct value *v)
{
    static const uint8_t kinds[] = {
        [JSON_OBJECT] = VALUE_OBJECT, [JSON_ARRAY] = VALUE_ARRAY, [JSON_STRING] = VALUE_STRING,
        [JSON_INTEGER] = VALUE_INT,   [JSON_REAL] = VALUE_REAL,   [JSON_TRUE] = VALUE_BOOL,
        [JSON_FALSE] = VALUE_BOOL,    [JSON_NULL] = VALUE_NULL,
    };

    return v ? (enum value_kind)kinds[json_typeof(node(v))] : VALUE_NULL;
}

bool value_is(const struct value *v, enum value_kind kind)
{
    return value_kind(v) == kind;
}

struct value *value_new_null(void)
{
    return owned(json_null());
}

struct value *value_new_bool(bool b)
{
    return owned(json_boolean(b));
}

struct value *value_new_int(int64_t i)
{
    return owned(json_integer(i));
}

struct value *value_new_real(double d)
{
    return isfinite(d) ? owned(json_real(d)) : value_new_null();
}

struct value *value_new_string(struct slice s)
{
    return owned(json_stringn_nocheck(s.data ? s.data : "", s.len));
}

struct value *value_new_str(const char *s)
{
    return value_new_string(slice_str(s));
}

struct value *value_new_array(void)
{
    return owned(json_array());
}

struct value *value_new_object(void)
{
    return owned(json_object());
}

bool value_bool(const struct value *v)
{
    return v && json_is_true(node(v));
}

int64_t value_int(const struct value *v)
{
    return v ? json_integer_value(node(v)) : 0;
}

double value_real(const struct value *v)
{
    return v ? json_number_value(node(v)) : 0;
}

struct slice value_string(const struct value *v)
{
    if (!v || !json_is_string(node(v)))
        return SLICE_NONE;
    return slice_make(json_string_value(node(v)), json_string_length(node(v)));
}

const char *value_str(const struct value *v)
{
    return v ? json_string_value(node(v)) : NULL;
}

size_t value_count(const struct value *v)
{
    if (value_is(v, VALUE_OBJECT))
        return json_object_size(node(v));
    return value_is(v, VALUE_ARRAY) ? json_array_size(node(v)) : 0;
}

struct value *value_get(const struct value *object, const char *name)
{
    return object ? borrowed(json_object_get(node(object), name)) : NULL;
}

struct value *value_get_slice(const struct value *object, struct slice name)
{
    return object && name.data ? borrowed(json_object_getn(node(object), name.data, name.len)) : NULL;
}

struct value *value_path(const struct value *object, ...)
{
    struct value *v = borrowed(node(object));
    const char *name;
    va_list names;

    va_start(names, object);
    while (v && (name = va_arg(names, const char *)))
        v = value_get(v, name);
    va_end(names);
    return v;
}

void value_set_slice(struct value *object, struct slice name, struct value *v)
{
    if (json_object_setn_new_nocheck(node(object), name.data ? name.data : "", name.len, node(v)) < 0)
        mem_die(name.len);
}

void value_set(struct value *object, const char *name, struct value *v)
{
    value_set_slice(object, slice_str(name), v);
}

void value_set_str(struct value *object, const char *name, const char *s)
{
    value_set(object, name, value_new_str(s));
}

bool value_remove(struct value *object, const char *name)
{
    return object && json_object_del(node(object), name) == 0;
}

uint64_t value_names(const struct value *object)
{
    void *at = object ? json_object_iter(node(object)) : NULL;
    uint64_t names = 0;

    for (; at; at = json_object_iter_next(node(object), at))
        names |= value_name_bit(json_object_iter_key(at));
    return names;
}

struct value_sequence value_sequence_start(const struct value *object)
{
    struct value_sequence s = {object, object ? json_object_iter(node(object)) : NULL, 0};

    for (void *at = s.next; at; at = json_object_iter_next(node(object), at))
        s.names |= value_name_bit(json_object_iter_key(at));
    return s;
}

struct value *value_sequence_find(struct value_sequence *s, const char *name)
{
    void *at = s->next;

    if (!at || strcmp(json_object_iter_key(at), name) != 0)
        at = json_object_iter_at(node(s->object), name);
    if (!at)
        return NULL;
    s->next = json_object_iter_next(node(s->object), at);
    return borrowed(json_object_iter_value(at));
}

struct value *value_take(struct value *object, const char *name)
{
    json_t *found = object ? json_object_get(node(object), name) : NULL;

    if (!found)
        return NULL;
    json_incref(found);
    json_object_del(node(object), name);
    return owned(found);
}

struct value *value_need_object(struct value *object, const char *name)
{
    struct value *v = value_get(object, name);

    if (!value_is(v, VALUE_OBJECT)) {
        v = value_new_object();
        value_set(object, name, v);
    }
    return v;
}

struct value *value_need_array(struct value *object, const char *name)
{
    struct value *v = value_get(object, name);

    if (!value_is(v, VALUE_ARRAY)) {
        v = value_new_array();
        value_set(object, name, v);
    }
    return v;
}

struct value_iter value_iter_start(const struct value *object)
{
    return (struct value_iter){object, object ? json_object_iter(node(object)) : NULL, NULL};
}

bool value_iter_next(struct value_iter *it, struct slice *ret_name, struct value **ret_value)
{
    if (!it->state)
        return false;
    it->current = it->state;
    it->state = json_object_iter_next(node(it->object), it->state);
    *ret_name = slice_make(json_object_iter_key(it->current), json_object_iter_key_len(it->current));
    *ret_value = borrowed(json_object_iter_value(it->current));
    return true;
}

void value_iter_remove(struct value_iter *it)
{
    json_object_deln(node(it->object), json_object_iter_key(it->current), json_object_iter_key_len(it->current));
    it->current = NULL;
}

struct value *value_iter_swap(struct value_iter *it, struct value *v)
{
    json_t *old = json_incref(json_object_iter_value(it->current));

    json_object_iter_set_new(node(it->object), it->current, node(v));
    return owned(old);
}

struct value *value_iter_value(const struct value_iter *it)
{
    return borrowed(json_object_iter_value(it->current));
}

void value_move_members(struct value *to, struct value *from)
{
    if (json_object_update(node(to), node(from)) < 0)
        mem_die(sizeof to);
    json_object_clear(node(from));
}

struct value *value_swap_at(struct value *array, size_t index, struct value *v)
{
    json_t *old = json_incref(json_array_get(node(array), index));

    value_replace_at(array, index, v);
    return owned(old);
}

struct value *value_at(const struct value *array, size_t index)
{
    return array ? borrowed(json_array_get(node(array), index)) : NULL;
}

void value_append(struct value *array, struct value *v)
{
    if (json_array_append_new(node(array), node(v)) < 0)
        mem_die(sizeof v);
}

void value_insert(struct value *array, size_t index, struct value *v)
{
    if (json_array_insert_new(node(array), index, node(v)) < 0)
        mem_die(sizeof v);
}

void value_replace_at(struct value *array, size_t index, struct value *v)
{
    if (json_array_set_new(node(array), index, node(v)) < 0)
        mem_die(sizeof v);
}

void value_remove_at(struct value *array, size_t index)
{
    json_array_remove(node(array), index);
}

/* The shortest decimal that reads back as the same double; whole numbers without a fraction, as Go prints them. */
static void write_real(double d, struct buf *out)
{
    char text[40];

    if (d == floor(d) && fabs(d) < 1e15) {
        snprintf(text, sizeof text, "%.0f", d);
    } else {
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, d);
            if (strtod(text, NULL) == d)
                break;
        }
    }
    buf_append_str(out, text);
}

static void write_value(const struct value *v, struct buf *out, size_t end);

static void write_object(const struct value *v, struct buf *out, size_t end)
{
    struct value_iter it = value_iter_start(v);
    struct slice name;
    struct value *child;
    char before = '{';

    while (out->len < end && value_iter_next(&it, &name, &child)) {
        buf_append_byte(out, before);
        json_write_string(out, name);
        buf_append_byte(out, ':');
        write_value(child, out, end);
        before = ',';
    }
    if (before == '{')
        buf_append_byte(out, '{');
    buf_append_byte(out, '}');
}

static void write_array(const struct value *v, struct buf *out, size_t end)
{
    size_t count = value_count(v);

    buf_append_byte(out, '[');
    for (size_t i = 0; i < count && out->len < end; i++) {
        if (i)
            buf_append_byte(out, ',');
        write_value(value_at(v, i), out, end);
    }
    buf_append_byte(out, ']');
}

/* No member is begun once the text has `end` bytes. */
static void write_value(const struct value *v, struct buf *out, size_t end)
{
    struct slice text;

    switch (value_kind(v)) {
    case VALUE_NULL:
        buf_append_str(out, "null");
        break;
    case VALUE_BOOL:
        buf_append_str(out, value_bool(v) ? "true" : "false");
        break;
    case VALUE_INT:
        buf_append_int64(out, value_int(v));
        break;
    case VALUE_REAL:
        write_real(value_real(v), out);
        break;
    case VALUE_STRING:
        text = value_string(v);
        json_write_string(out, text.len > end ? slice_make(text.data, end) : text);
        break;
    case VALUE_ARRAY:
        write_array(v, out, end);
        break;
    case VALUE_OBJECT:
        write_object(v, out, end);
        break;
    }
}

void value_write(const struct value *v, struct buf *out)
{
    write_value(v, out, SIZE_MAX);
}

void value_write_start(const struct value *v, struct buf *out, size_t max)
{
    size_t end = out->len + max;

    write_value(v, out, end);
    if (out->len <= end)
        return;
    while (end && ((unsigned char)out->data[end] & 0xc0) == 0x80)
        end--;
    out->len = end;
}
