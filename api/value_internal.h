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

/* Puts `v` in the place of what is there and gives that to the caller. */
struct value *value_swap_at(struct value *array, size_t index, struct value *v);
struct value *value_iter_swap(struct value_iter *it, struct value *v); /* of the member that value_iter_next gave */
/* Moves all members to the end of another object; `from` is empty afterwards. */
void value_move_members(struct value *to, struct value *from);

#endif
