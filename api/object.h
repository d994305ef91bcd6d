/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object: the form in which an object is stored and served. The stored value is the JSON document without
 * metadata.resourceVersion (compact, members in schema order, apiVersion and kind first); beside it stands the `meta`
 * header: format version, schema hash, uid, labels, selectable fields, deletion mark. Reading copies bytes and splices
 * the resourceVersion in; selectors are evaluated on the header alone.
 */
#ifndef KNARR_API_OBJECT_H
#define KNARR_API_OBJECT_H

#include "api/schema.h"
#include "api/value.h"

/* Writes the stored value (without resourceVersion) and the header of a complete object. `managers`: the text of its
 * metadata.managedFields, where the tree is without; data NULL = none. */
void object_encode(const struct schema_kind *kind, const struct value *object, struct slice managers,
                   struct buf *ret_value, struct buf *ret_meta);
/* Whether a field to select by is one that the header can have. */
bool object_field_is_known(const struct schema_kind *kind, const char *field);
/* The header alone from stored bytes, for a schema that changed. */
void object_encode_meta(const struct schema_kind *kind, struct slice stored, struct buf *ret_meta);
/* Stored bytes as the kind's version has them: as they are, or converted into `scratch`. */
struct slice object_as(const struct schema_kind *kind, struct slice stored, struct buf *scratch);
/* Appends the document as served: the stored bytes with "resourceVersion":"<revision>" in metadata. with_type: keep
 * apiVersion and kind (items of a built-in kind's list come without them). */
void object_write(struct buf *out, struct slice stored, uint64_t revision, bool with_type);
/* A tree of the same. */
struct value *object_decode(struct slice stored, uint64_t revision, struct error *err);
/* ... without metadata.managedFields, which is a third of most objects and seldom looked into; its text, a part of
 * `stored`, goes to *ret_managers. */
struct value *object_decode_apart(struct slice stored, uint64_t revision, struct slice *ret_managers,
                                  struct error *err);

/* The header, looked at in place. */
struct object_meta {
    uint32_t schema_hash;
    struct slice uid;
    bool deleting;       /* has a deletionTimestamp */
    struct slice labels; /* packed pairs: read with object_meta_label */
    struct slice fields; /* packed selectable fields, in the kind's order */
};
/* False when the bytes are not a header of a known format. */
bool object_meta_read(struct slice meta, struct object_meta *ret_meta);
/* The header as the present schema makes it: read in place, or, when it is of another schema or none, made again from
 * the stored value into `scratch`, which must outlive it. */
bool object_meta_need(const struct schema_kind *kind, struct slice meta, struct slice stored, struct buf *scratch,
                      struct object_meta *ret_meta);
/* Data NULL when the label is absent. */
struct slice object_meta_label(const struct object_meta *m, struct slice name);
/* The value of the i-th selectable field of the kind ("" when absent). */
struct slice object_meta_field(const struct object_meta *m, size_t index);

#endif
