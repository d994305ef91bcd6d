/* SPDX-License-Identifier: Apache-2.0 */
/* Which fields of an object differ between two of its versions. */
#ifndef KNARR_CLI_CHANGED_H
#define KNARR_CLI_CHANGED_H

#include "api/value.h"

/* Appends ".spec.replicas, .metadata.labels.app": the smallest fields whose values differ, lists as one field, at most
 * `most` of them and then "and N more". What every write changes (resourceVersion, generation, managedFields) is left
 * out.
 */
void changed_fields(const struct value *before, const struct value *now, size_t most, struct buf *out);

#endif
