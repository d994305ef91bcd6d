/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec needs of the JSON reader besides value.h. */
#ifndef KNARR_API_VALUE_INTERNAL_H
#define KNARR_API_VALUE_INTERNAL_H

#include "api/value.h"

/* Called for each key that an object has twice, with the path of the member ("spec.containers[0].name"), once per key.
 */
typedef void value_duplicate_fn(void *arg, const char *path);

/* The last of duplicate members wins. `duplicate` NULL = nobody wants to know. Errors are worded as encoding/json's. */
struct value *value_parse_reporting(struct slice json, value_duplicate_fn *duplicate, void *arg, struct error *err);

#endif
