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
/* As value_get of a name among `names`. */
static inline struct value *value_get_among(const struct value *object, uint64_t names, const char *name)
{
    return names & value_name_bit(name) ? value_get(object, name) : NULL;
}

/* Puts `v` in the place of what is there and gives that to the caller. */
struct value *value_swap_at(struct value *array, size_t index, struct value *v);
struct value *value_iter_swap(struct value_iter *it, struct value *v); /* of the member that value_iter_next gave */
/* Moves all members to the end of another object; `from` is empty afterwards. */
void value_move_members(struct value *to, struct value *from);

#endif
