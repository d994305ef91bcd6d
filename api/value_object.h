/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The members of an object of value.h: in order, with blocks that hold their names. Names of a small object are looked
 * for one by one, those of a larger one by an index.
 *
 * A member that was removed leaves an empty place (value NULL) until the object grows, so that the others stay where
 * they are.
 */
#ifndef KNARR_API_VALUE_OBJECT_H
#define KNARR_API_VALUE_OBJECT_H

#include "api/value.h"

struct value_member {
    const char *name; /* in a block of names; ends with NUL */
    size_t name_len;
    struct value *value; /* NULL = removed */
};

struct value_names;

struct value_object {
    struct value_member *members;
    size_t used; /* places, the empty ones included */
    size_t cap;
    size_t count; /* members */
    struct value_names *names;
    uint32_t *index; /* place + 1 of a member, 0 = free; NULL = small */
    size_t index_size;
};

/* NULL when it is not there. */
struct value_member *value_object_find(const struct value_object *o, struct slice name);
/* A name that is not there yet. */
void value_object_add(struct value_object *o, struct slice name, struct value *v);
/* Removes the member; its value is the caller's. */
struct value *value_object_empty(struct value_object *o, struct value_member *m);
/* Room for so many in an object without any. */
void value_object_reserve(struct value_object *o, size_t count);
/* Frees all. */
void value_object_clear(struct value_object *o);

#endif
