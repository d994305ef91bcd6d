/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions: one stored object that is served in several forms. A kind with a `stored` row is such a form. What stands
 * under another name there is rows (`move`); what rows cannot say is a function in the table of version.c. Everything
 * behind the edge of the API server (validation, defaults, managed fields, keys, watches, the garbage collector) knows
 * the stored kind only.
 */
#ifndef KNARR_API_VERSION_H
#define KNARR_API_VERSION_H

#include "api/schema.h"
#include "api/value.h"

/* Turns an object of `kind` into its stored kind's, in place; nothing happens to a kind that is stored as it is.
 * `whole`: a complete object, which gets the zeros that the stored kind writes; else a part of one, as somebody applies
 * it. BAD_REQUEST when what came from elsewhere in it (annotations) is of wrong types; the object is no good then. */
int version_to_stored(const struct schema_kind *kind, struct value *object, bool whole, struct error *err);
/* The way back, of a complete object. */
void version_from_stored(const struct schema_kind *kind, struct value *object);
/* An object of `kind` as its definition of today has it (custom resources; upstream does so whenever one is read from
 * storage): without what its stored version does not know, with its defaults. In place. */
void version_read(const struct schema_kind *kind, struct value *object);
/* The same of bytes, and: the stored bytes as those of an object of `kind`: `stored` itself when it is stored as it is,
 * else in `scratch`. */
struct slice version_show(const struct schema_kind *kind, struct slice stored, struct buf *scratch);
/* The stored name of a dotted field of `kind`: `field` itself or text in `scratch`. */
struct slice version_field(const struct schema_kind *kind, struct slice field, struct buf *scratch);

#endif
