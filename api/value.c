/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of value.h.
 *
 * A request's body and the object that it changes are trees for some microseconds, so what counts is to build, look up
 * and free them with few calls for memory: a string is one block; an object is its node, its members and their names.
 *
 * Invariants: every node in a tree has exactly one owner, strings are valid UTF-8, reals are finite.
 */
#include "api/value_internal.h"

#include <math.h>

#include "api/value_object.h"
#include "lib/map.h"

struct array {
    struct value **items;
    size_t count;
    size_t cap;
};

struct value {
    enum value_kind kind;
    bool is_true;
    union {
        int64_t number;
        double real;
        size_t text_len; /* the text follows the node */
        struct value_object object;
        struct array array;
    };
};

/* Never changed, never freed. */
static struct value value_null = {.kind = VALUE_NULL};
static struct value value_false = {.kind = VALUE_BOOL};
static struct value value_true = {.kind = VALUE_BOOL, .is_true = true};

/* A node with room for what its kind needs. */
static struct value *node_new(enum value_kind kind, size_t rest)
{
    struct value *v = mem_alloc(offsetof(struct value, number) + rest);

    v->kind = kind;
    v->is_true = false;
    return v;
}

static char *text_of(const struct value *v)
{
    return (char *)(uintptr_t)v + offsetof(struct value, text_len) + sizeof(v->text_len);
}

void value_init(void)
{
    (void)map_hash(SLICE_LIT(""));
}

void value_free(struct value *v)
{
    if (!v || v->kind == VALUE_NULL || v->kind == VALUE_BOOL)
        return;
    if (v->kind == VALUE_OBJECT)
        value_object_clear(&v->object);
    if (v->kind == VALUE_ARRAY) {
        for (size_t i = 0; i < v->array.count; i++)
            value_free(v->array.items[i]);
        free(v->array.items);
    }
    free(v);
}

static struct value *copy_object(const struct value_object *from)
{
    struct value *v = value_new_object();
    struct value_object *o = &v->object;

    value_object_reserve(o, from->count);
    for (size_t i = 0; i < from->used; i++)
        if (from->members[i].value)
            value_object_add(o, slice_make(from->members[i].name, from->members[i].name_len),
                             value_copy(from->members[i].value));
    return v;
}

static struct value *copy_array(const struct array *from)
{
    struct value *v = value_new_array();

    for (size_t i = 0; i < from->count; i++)
        value_append(v, value_copy(from->items[i]));
    return v;
}

struct value *value_copy(const struct value *v)
{
    switch (value_kind(v)) {
    case VALUE_INT:
        return value_new_int(v->number);
    case VALUE_REAL:
        return value_new_real(v->real);
    case VALUE_STRING:
        return value_new_string(value_string(v));
    case VALUE_ARRAY:
        return copy_array(&v->array);
    case VALUE_OBJECT:
        return copy_object(&v->object);
    case VALUE_NULL:
    case VALUE_BOOL:
        break;
    }
    return (struct value *)(uintptr_t)v;
}

static bool equal_objects(const struct value_object *a, const struct value_object *b)
{
    for (size_t i = 0; a->count == b->count && i < a->used; i++) {
        const struct value_member *m = &a->members[i];
        const struct value_member *other = m->value ? value_object_find(b, slice_make(m->name, m->name_len)) : NULL;

        if (m->value && (!other || !value_equal(m->value, other->value)))
            return false;
    }
    return a->count == b->count;
}

static bool equal_arrays(const struct array *a, const struct array *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (!value_equal(a->items[i], b->items[i]))
            return false;
    return a->count == b->count;
}

bool value_equal(const struct value *a, const struct value *b)
{
    if (!a || !b || a->kind != b->kind)
        return a == b;
    switch (a->kind) {
    case VALUE_NULL:
        break;
    case VALUE_BOOL:
        return a->is_true == b->is_true;
    case VALUE_INT:
        return a->number == b->number;
    case VALUE_REAL:
        return a->real == b->real;
    case VALUE_STRING:
        return slice_equal(value_string(a), value_string(b));
    case VALUE_ARRAY:
        return equal_arrays(&a->array, &b->array);
    case VALUE_OBJECT:
        return equal_objects(&a->object, &b->object);
    }
    return true;
}

size_t value_depth(const struct value *v)
{
    size_t deepest = 0, depth;

    for (size_t i = 0; value_is(v, VALUE_ARRAY) && i < v->array.count; i++) {
        depth = value_depth(v->array.items[i]);
        deepest = depth > deepest ? depth : deepest;
    }
    for (size_t i = 0; value_is(v, VALUE_OBJECT) && i < v->object.used; i++) {
        depth = v->object.members[i].value ? value_depth(v->object.members[i].value) : 0;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

enum value_kind value_kind(const struct value *v)
{
    return v ? v->kind : VALUE_NULL;
}

bool value_is(const struct value *v, enum value_kind kind)
{
    return value_kind(v) == kind;
}

struct value *value_new_null(void)
{
    return &value_null;
}

struct value *value_new_bool(bool b)
{
    return b ? &value_true : &value_false;
}

struct value *value_new_int(int64_t i)
{
    struct value *v = node_new(VALUE_INT, sizeof(v->number));

    v->number = i;
    return v;
}

struct value *value_new_real(double d)
{
    struct value *v;

    if (!isfinite(d))
        return value_new_null();
    v = node_new(VALUE_REAL, sizeof(v->real));
    v->real = d;
    return v;
}

struct value *value_new_string(struct slice s)
{
    struct value *v = node_new(VALUE_STRING, sizeof(v->text_len) + s.len + 1);
    char *text = text_of(v);

    v->text_len = s.len;
    if (s.len)
        memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return v;
}

struct value *value_new_str(const char *s)
{
    return value_new_string(slice_str(s));
}

struct value *value_new_array(void)
{
    struct value *v = node_new(VALUE_ARRAY, sizeof(v->array));

    v->array = (struct array){0};
    return v;
}

struct value *value_new_object(void)
{
    struct value *v = node_new(VALUE_OBJECT, sizeof(v->object));

    v->object = (struct value_object){0};
    return v;
}

bool value_bool(const struct value *v)
{
    return v && v->is_true;
}

int64_t value_int(const struct value *v)
{
    return value_is(v, VALUE_INT) ? v->number : 0;
}

double value_real(const struct value *v)
{
    return value_is(v, VALUE_REAL) ? v->real : (double)value_int(v);
}

struct slice value_string(const struct value *v)
{
    if (!value_is(v, VALUE_STRING))
        return SLICE_NONE;
    return slice_make(text_of(v), v->text_len);
}

const char *value_str(const struct value *v)
{
    return value_is(v, VALUE_STRING) ? text_of(v) : NULL;
}

/* ---- objects ---- */

size_t value_count(const struct value *v)
{
    if (value_is(v, VALUE_OBJECT))
        return v->object.count;
    return value_is(v, VALUE_ARRAY) ? v->array.count : 0;
}

struct value *value_get_slice(const struct value *object, struct slice name)
{
    struct value_member *m = value_is(object, VALUE_OBJECT) && name.data ? value_object_find(&object->object, name)
                                                                         : NULL;

    return m ? m->value : NULL;
}

struct value *value_get(const struct value *object, const char *name)
{
    return value_get_slice(object, slice_str(name));
}

struct value *value_path(const struct value *object, ...)
{
    struct value *v = (struct value *)(uintptr_t)object;
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
    struct slice known = name.data ? name : SLICE_LIT("");
    struct value_member *m;

    if (!value_is(object, VALUE_OBJECT))
        mem_die(known.len);
    m = value_object_find(&object->object, known);
    if (!m) {
        value_object_add(&object->object, known, v);
        return;
    }
    if (m->value != v)
        value_free(m->value);
    m->value = v;
}

void value_set(struct value *object, const char *name, struct value *v)
{
    value_set_slice(object, slice_str(name), v);
}

void value_set_str(struct value *object, const char *name, const char *s)
{
    value_set(object, name, value_new_str(s));
}

struct value *value_take(struct value *object, const char *name)
{
    struct value_member *m = value_is(object, VALUE_OBJECT) ? value_object_find(&object->object, slice_str(name))
                                                            : NULL;

    return m ? value_object_empty(&object->object, m) : NULL;
}

bool value_remove(struct value *object, const char *name)
{
    struct value *v = value_take(object, name);

    value_free(v);
    return v != NULL;
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
    return (struct value_iter){value_is(object, VALUE_OBJECT) ? object : NULL, 0};
}

bool value_iter_next(struct value_iter *it, struct slice *ret_name, struct value **ret_value)
{
    const struct value_object *o = it->object ? &it->object->object : NULL;

    while (o && it->next < o->used) {
        const struct value_member *m = &o->members[it->next++];

        if (!m->value)
            continue;
        *ret_name = slice_make(m->name, m->name_len);
        *ret_value = m->value;
        return true;
    }
    return false;
}

static struct value_member *iter_member(const struct value_iter *it)
{
    return &it->object->object.members[it->next - 1];
}

void value_iter_remove(struct value_iter *it)
{
    struct value *object = (struct value *)(uintptr_t)it->object;

    value_free(value_object_empty(&object->object, iter_member(it)));
}

struct value *value_iter_swap(struct value_iter *it, struct value *v)
{
    struct value_member *m = iter_member(it);
    struct value *old = m->value;

    m->value = v;
    return old;
}

void value_move_members(struct value *to, struct value *from)
{
    struct value_object *o = &from->object;

    for (size_t i = 0; i < o->used; i++) {
        struct value_member *m = &o->members[i];

        if (m->value)
            value_set_slice(to, slice_make(m->name, m->name_len), value_object_empty(o, m));
    }
    value_object_clear(o);
}

/* ---- arrays ---- */

static struct array *array_of(struct value *v, size_t index)
{
    if (!value_is(v, VALUE_ARRAY) || index > v->array.count)
        mem_die(index);
    return &v->array;
}

struct value *value_at(const struct value *array, size_t index)
{
    return value_is(array, VALUE_ARRAY) && index < array->array.count ? array->array.items[index] : NULL;
}

void value_insert(struct value *array, size_t index, struct value *v)
{
    struct array *a = array_of(array, index);

    a->items = mem_grow(a->items, &a->cap, a->count + 1, sizeof(struct value *));
    memmove(a->items + index + 1, a->items + index, (a->count - index) * sizeof(struct value *));
    a->items[index] = v;
    a->count++;
}

void value_append(struct value *array, struct value *v)
{
    value_insert(array, value_count(array), v);
}

struct value *value_swap_at(struct value *array, size_t index, struct value *v)
{
    struct array *a = array_of(array, index + 1);
    struct value *old = a->items[index];

    a->items[index] = v;
    return old;
}

void value_replace_at(struct value *array, size_t index, struct value *v)
{
    value_free(value_swap_at(array, index, v));
}

void value_remove_at(struct value *array, size_t index)
{
    struct array *a = array_of(array, index + 1);

    value_free(a->items[index]);
    a->count--;
    memmove(a->items + index, a->items + index + 1, (a->count - index) * sizeof(struct value *));
}
