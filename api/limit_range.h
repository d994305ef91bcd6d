/* SPDX-License-Identifier: Apache-2.0 */
/* LimitRanges: what they add to a pod that states nothing, and what they refuse. Pure. */
#ifndef KNARR_API_LIMIT_RANGE_H
#define KNARR_API_LIMIT_RANGE_H

#include "api/value.h"
#include "lib/pool.h"

/* Fills in the requests and limits that containers of the pod lack, and notes in an annotation what was set. */
void limit_range_apply_defaults(const struct value *range, struct value *pod);
/* Whether the object (JSON; kind "Pod" or "PersistentVolumeClaim") keeps to the range (JSON). False: `why` has the
 * findings in upstream's words and form, "[a, b]" when there are several. */
bool limit_range_check(struct pool *pool, struct slice range, const char *kind, struct slice object, struct buf *why);

#endif
