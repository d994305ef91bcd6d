/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Table: the server-side printing of `kubectl get`, made from stored bytes by the columns of the schema.
 *
 * What a column's `cell` may say:
 *   {.status.phase}             the value there; a path is .name ['name'] [2] [*] [?(@.type=="Ready")], \. keeps a dot
 *   {.status.readyReplicas|0}   with what to show when it is absent, null or "" (nothing said: ""; "null": JSON's)
 *   {.a|0}/{.b}                 text around several of them
 *   @age .status.startTime      a function with its argument; the lists are in table_cells.c (for any kind: age,
 *                               containers, images, selector, labels, count, join, bool), table_pod.c, table_core.c
 *                               and table_groups.c
 * A cell that is one {...} keeps the JSON type of a number or boolean; all others are strings. A custom resource's
 * jsonPath p becomes "{p|null}", or "@age p|null" for a column of type date.
 */
#ifndef KNARR_API_TABLE_H
#define KNARR_API_TABLE_H

#include "api/schema.h"

enum table_include { TABLE_INCLUDE_METADATA, TABLE_INCLUDE_NONE, TABLE_INCLUDE_OBJECT };

/* `"columnDefinitions":[...]` (the member with its value). */
void table_write_columns(struct buf *out, const struct schema_kind *kind);
/* One row: {"cells":[...],"conditions":...,"object":{...}}. `stored` without resourceVersion, `revision` spliced in;
 * 0 = it has none (a dry run). */
void table_write_row(struct buf *out, const struct schema_kind *kind, struct slice stored, uint64_t revision,
                     enum table_include include, int64_t now_ns);
/* The same for a kind that is served in several versions: the cells are of the stored form, the row's object (as far as
 * it is included) of another. */
struct table_shown {
    struct slice document;
    uint64_t revision;
    enum table_include include;
};
void table_write_row_as(struct buf *out, const struct schema_kind *kind, struct slice stored,
                        const struct table_shown *shown, int64_t now_ns);
/* Whether "@name" in a column would be found; an unknown one shows null. */
bool table_knows_function(struct slice name);
/* {"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{...}} of a stored object. */
void table_write_partial(struct buf *out, struct slice stored, uint64_t revision);

#endif
