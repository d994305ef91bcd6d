/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec needs of trees and the JSON reader besides value.h. */
#ifndef KNARR_API_VALUE_INTERNAL_H
#define KNARR_API_VALUE_INTERNAL_H

#include "api/value.h"

/* Called for each key that an object has twice, with the path of the member ("spec.containers[0].name"), once per key.
 */
typedef void value_duplicate_fn(void *arg, const char *path);

/* The last of duplicate members wins. `duplicate` NULL = nobody wants to know. Errors are worded as encoding/json's. */
struct value *value_parse_reporting(struct slice json, value_duplicate_fn *duplicate, void *arg, struct error *err);

/* A bit for each name that an object has; others may share it. Most fields of a type are absent from an object of it,
 * and a pass over them learns that from the bits, without looking each of them up. */
uint64_t value_names(const struct value *object);
static inline uint64_t value_name_bit(const char *name)
{
    unsigned mix = (unsigned char)name[0];

    if (mix && name[1])
        mix += (unsigned char)name[1] * 5u + (unsigned char)name[2] * 11u;
    return (uint64_t)1 << (mix % 64);
}
/* The same of a name without a NUL behind it. */
static inline uint64_t value_slice_bit(struct slice name)
{
    unsigned mix = name.len ? (unsigned char)name.data[0] : 0;

    if (name.len > 1)
        mix += (unsigned char)name.data[1] * 5u;
    if (name.len > 2)
        mix += (unsigned char)name.data[2] * 11u;
    return (uint64_t)1 << (mix % 64);
}
/* As value_get of a name among `names`. */
static inline struct value *value_get_among(const struct value *object, uint64_t names, const char *name)
{
    return names & value_name_bit(name) ? value_get(object, name) : NULL;
}

/* Reads many members of an object that mostly stand in the order in which they are asked for: whoever does is not
 * looked up, but found behind the one before. The object must not change meanwhile. */
struct value_sequence {
    const struct value *object;
    void *next;     /* the member that is likely to be asked for; NULL = none */
    uint64_t names; /* value_names */
};
struct value_sequence value_sequence_start(const struct value *object);
struct value *value_sequence_find(struct value_sequence *s, const char *name);
/* As value_get. */
static inline struct value *value_sequence_get(struct value_sequence *s, const char *name)
{
    return s->names & value_name_bit(name) ? value_sequence_find(s, name) : NULL;
}

/* Puts `v` in the place of what is there and gives that to the caller. */
struct value *value_swap_at(struct value *array, size_t index, struct value *v);
struct value *value_iter_swap(struct value_iter *it, struct value *v); /* of the member that value_iter_next gave */
struct value *value_iter_value(const struct value_iter *it);           /* its value */
/* Moves all members to the end of another object; `from` is empty afterwards. */
void value_move_members(struct value *to, struct value *from);

#endif
