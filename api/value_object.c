/* SPDX-License-Identifier: Apache-2.0 */
#include "api/value_object.h"

#include "lib/map.h"

#define MEMBERS_FIRST 4  /* places of a new object */
#define INDEX_FROM    16 /* places beyond which there is an index */
#define NAMES_FIRST   88 /* bytes for names */

struct value_names {
    struct value_names *before;
    size_t used;
    size_t size;
    char bytes[];
};

static size_t index_home(const struct value_object *o, struct slice name)
{
    return map_hash(name) & (o->index_size - 1);
}

static void index_add(struct value_object *o, size_t place)
{
    size_t at = index_home(o, slice_make(o->members[place].name, o->members[place].name_len));

    while (o->index[at])
        at = (at + 1) & (o->index_size - 1);
    o->index[at] = (uint32_t)place + 1;
}

static void index_make(struct value_object *o)
{
    free(o->index);
    o->index_size = INDEX_FROM;
    while (o->index_size < 2 * o->cap)
        o->index_size *= 2;
    o->index = mem_calloc(o->index_size, sizeof(*o->index));
    for (size_t i = 0; i < o->used; i++)
        if (o->members[i].value)
            index_add(o, i);
}

static bool member_is(const struct value_member *m, struct slice name)
{
    return m->value && m->name_len == name.len && !memcmp(m->name, name.data, name.len);
}

struct value_member *value_object_find(const struct value_object *o, struct slice name)
{
    if (!o->index) {
        for (size_t i = 0; i < o->used; i++)
            if (member_is(&o->members[i], name))
                return &o->members[i];
        return NULL;
    }
    for (size_t at = index_home(o, name); o->index[at]; at = (at + 1) & (o->index_size - 1))
        if (member_is(&o->members[o->index[at] - 1], name))
            return &o->members[o->index[at] - 1];
    return NULL;
}

/* Room for one more: empty places go, or there are twice as many. */
static void members_grow(struct value_object *o)
{
    size_t kept = 0;

    if (o->count <= o->cap / 2) {
        for (size_t i = 0; i < o->used; i++)
            if (o->members[i].value)
                o->members[kept++] = o->members[i];
        o->used = kept;
    }
    if (o->used == o->cap) {
        o->cap = o->cap ? o->cap * 2 : MEMBERS_FIRST;
        o->members = mem_realloc(o->members, o->cap * sizeof(*o->members));
    }
    if (o->cap > INDEX_FROM)
        index_make(o);
}

static const char *name_keep(struct value_object *o, struct slice name)
{
    struct value_names *n = o->names;
    char *at;

    if (!n || n->size - n->used < name.len + 1) {
        size_t size = n ? n->size * 2 : NAMES_FIRST;

        if (size < name.len + 1)
            size = name.len + 1;
        n = mem_alloc(sizeof(*n) + size);
        *n = (struct value_names){.before = o->names, .size = size};
        o->names = n;
    }
    at = n->bytes + n->used;
    if (name.len)
        memcpy(at, name.data, name.len);
    at[name.len] = '\0';
    n->used += name.len + 1;
    return at;
}

void value_object_add(struct value_object *o, struct slice name, struct value *v)
{
    if (o->used == o->cap)
        members_grow(o);
    o->members[o->used] = (struct value_member){name_keep(o, name), name.len, v};
    if (o->index)
        index_add(o, o->used);
    o->used++;
    o->count++;
}

struct value *value_object_empty(struct value_object *o, struct value_member *m)
{
    struct value *v = m->value;

    m->value = NULL;
    o->count--;
    return v;
}

void value_object_clear(struct value_object *o)
{
    for (size_t i = 0; i < o->used; i++)
        value_free(o->members[i].value);
    for (struct value_names *n = o->names, *before; n; n = before) {
        before = n->before;
        free(n);
    }
    free(o->members);
    free(o->index);
    *o = (struct value_object){0};
}

void value_object_reserve(struct value_object *o, size_t count)
{
    if (!count)
        return;
    o->cap = count < MEMBERS_FIRST ? MEMBERS_FIRST : count;
    o->members = mem_alloc(o->cap * sizeof(*o->members));
    if (o->cap > INDEX_FROM)
        index_make(o);
}
