/* SPDX-License-Identifier: Apache-2.0 */
/* How a value is walked for apply: what is one piece, and how the items of a list are told apart. Private to api/. */
#ifndef KNARR_API_FIELDSET_INTERNAL_H
#define KNARR_API_FIELDSET_INTERNAL_H

#include "api/fieldset.h"

/* A place in an object: the field that describes it, or an element of that field's list or map; in a custom resource
 * the piece of its schema. With neither it is not described: objects are maps, all else is one piece. */
struct fieldset_place {
    const struct schema_field *field;
    const struct schema_type *type; /* of a struct; else NULL */
    bool element;
    const struct structural *structural;
};

enum fieldset_shape {
    FIELDSET_LEAF,   /* replaced as a whole */
    FIELDSET_STRUCT, /* members are fields of `type` */
    FIELDSET_MAP,    /* members are keys, each with an owner */
    FIELDSET_ITEMS   /* a list whose items are told apart */
};

/* A member that the schema names, not a key of a map or an item. */
static inline bool fieldset_is_named(const struct fieldset_place *member)
{
    return (member->field || member->structural) && !member->element;
}

struct fieldset_place fieldset_root(const struct schema_type *type);
enum fieldset_shape fieldset_shape(const struct fieldset_place *place, const struct value *v);
/* Below a struct or a map. False: a struct has no such field. */
bool fieldset_member(const struct fieldset_place *place, struct slice name, struct fieldset_place *ret_member);
struct fieldset_place fieldset_item(const struct fieldset_place *list);
/* How the item is named. False (with a reason in *ret_problem, which may be NULL) when it cannot be. */
bool fieldset_item_step(struct pool *pool, const struct fieldset_place *list, const struct value *item,
                        struct fieldset_step *ret_step, const char **ret_problem);
static inline struct fieldset_step fieldset_field_step(struct slice name)
{
    return (struct fieldset_step){FIELDSET_FIELD, name};
}
/* Puts an entry behind all others, whatever its order. */
void fieldset_append(struct pool *pool, struct fieldset *set, const struct fieldset_entry *entry);
/* A set that was made on the stack, for the tree; NULL when it is empty. */
const struct fieldset *fieldset_keep(struct pool *pool, const struct fieldset *set);
/* Brings entries that came in any order into theirs; none is lost. */
void fieldset_sort(struct fieldset *set);
/* The order of a set. */
int fieldset_step_compare(struct fieldset_step a, struct fieldset_step b);
static inline bool fieldset_step_equal(struct fieldset_step a, struct fieldset_step b)
{
    return a.kind == b.kind && slice_equal(a.text, b.text);
}
/* `.name`, `[name="a"]`, `[="x"]`. */
void fieldset_write_step(struct buf *out, struct fieldset_step step);

/* A member of an object or an item of a list, with the step that leads to it. */
struct fieldset_named {
    struct fieldset_step step;
    const struct value *value;
    size_t index; /* where it stood */
};
/* All members, by name. In the pool. */
struct fieldset_named *fieldset_members(struct pool *pool, const struct value *object, size_t *ret_count);
/* All items that can be named, by their steps; equal ones in their order. In the pool. */
struct fieldset_named *fieldset_items(struct pool *pool, const struct fieldset_place *list, const struct value *array,
                                      size_t *ret_count);
/* The index of the first of that step, and how many there are. */
size_t fieldset_find_named(const struct fieldset_named *all, size_t count, struct fieldset_step step, size_t *ret_same);

#endif
