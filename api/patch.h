/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Patches of an object: JSON Patch (RFC 6902), merge (RFC 7386), strategic merge with all its directives. Each takes
 * the current object and leaves a new tree; the caller normalises, defaults and validates it. Bounds: operations,
 * copied bytes, depth.
 */
#ifndef KNARR_API_PATCH_H
#define KNARR_API_PATCH_H

#include "api/schema.h"
#include "api/value.h"

#define PATCH_OPERATIONS_MAX 10000      /* as upstream */
#define PATCH_COPY_MAX       (3u << 20) /* bytes that copy operations may add */

/* ERROR_BAD_REQUEST: malformed; ERROR_INVALID: a path that is not there or a test that failed (upstream's 422). */
int patch_json(const struct value *current, const struct value *patch, struct value **ret_result, struct error *err);
int patch_merge(const struct value *current, const struct value *patch, struct value **ret_result, struct error *err);
int patch_strategic(const struct schema_type *type, const struct value *current, const struct value *patch,
                    struct value **ret_result, struct error *err);

#endif
