/* SPDX-License-Identifier: Apache-2.0 */
/* Table: the server-side printing of `kubectl get`, made from stored bytes by the columns of the schema. */
#ifndef KNARR_API_TABLE_H
#define KNARR_API_TABLE_H

#include "api/schema.h"

enum table_include { TABLE_INCLUDE_METADATA, TABLE_INCLUDE_NONE, TABLE_INCLUDE_OBJECT };

/* `"columnDefinitions":[...]` (the member with its value). */
void table_write_columns(struct buf *out, const struct schema_kind *kind);
/* One row: {"cells":[...],"conditions":...,"object":{...}}. `stored` without resourceVersion, `revision` spliced in. */
void table_write_row(struct buf *out, const struct schema_kind *kind, struct slice stored, uint64_t revision,
                     enum table_include include, int64_t now_ns);
/* {"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{...}} of a stored object. */
void table_write_partial(struct buf *out, struct slice stored, uint64_t revision);

#endif
