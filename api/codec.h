/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Codec: request bodies to trees and back, driven by the schema. JSON, YAML and Kubernetes' protobuf envelope come in;
 * JSON goes out (object.h) and protobuf where a client accepts nothing else.
 */
#ifndef KNARR_API_CODEC_H
#define KNARR_API_CODEC_H

#include "api/schema.h"
#include "api/value.h"

enum codec_format { CODEC_JSON, CODEC_YAML, CODEC_PROTOBUF };

/* The format of a Content-Type ("" = JSON); false for one we do not take (415). Parameters are allowed. */
bool codec_format_of(struct slice content_type, enum codec_format *ret_format);

enum codec_strictness { CODEC_IGNORE, CODEC_WARN, CODEC_STRICT };

/* What fieldValidation found: `unknown field "spec.bogus"`, `duplicate field "spec.replicas"`. */
struct codec_findings {
    char **texts; /* owned */
    size_t count;
    size_t cap;
};
void codec_findings_clear(struct codec_findings *f);
void codec_findings_add(struct codec_findings *f, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Decodes a body of `kind` (apiVersion and kind inside may be missing, but must agree when there: ERROR_BAD_REQUEST).
 * Unknown fields are dropped and reported; wrong types are ERROR_BAD_REQUEST worded as upstream words them
 * (`Pod in version "v1" cannot be handled as a Pod: ...`). Nulls of optional fields are dropped. Members keep
 * the order of the body (codec_write has the schema's). STRICT turns findings into an error; WARN leaves them for
 * headers. `findings` may be NULL. Zeros are as upstream writes them: left out, or there (`status: {}`, `rules: null`).
 */
struct value *codec_decode(const struct schema_kind *kind, enum codec_format format, struct slice body,
                           enum codec_strictness strictness, struct codec_findings *findings, struct error *err);
/* The apiVersion and kind that a body of any format states ("" when missing), owned by the caller. */
int codec_peek_type(enum codec_format format, struct slice body, char **ret_api_version, char **ret_kind,
                    struct error *err);
/* The JSON of a patch: the last of duplicate members counts, and they are findings; so are, in the operations of a JSON
 * Patch, members that have no meaning. ERROR_BAD_REQUEST. */
struct value *codec_parse_patch(struct slice json, bool operations, struct codec_findings *findings, struct error *err);
/* Prunes, normalises and checks types of a tree that a patch produced, in place. Same findings and errors; what is
 * among the findings already counts. */
int codec_normalise(const struct schema_kind *kind, struct value *object, enum codec_strictness strictness,
                    struct codec_findings *findings, struct error *err);
/* Compact JSON of a tree of that type: members in schema order, apiVersion and kind first, and behind them what the
 * schema does not describe; so equal objects have equal bytes. With `type` NULL all stays where it is. */
void codec_write(const struct schema_type *type, const struct value *object, struct buf *out);
/* Makes a top-level field as if nothing had been said of it: absent, or the zeros that upstream writes. */
void codec_reset_field(const struct schema_kind *kind, struct value *object, const char *name);
/* Kubernetes' envelope with the object inside. */
int codec_encode_protobuf(const struct schema_kind *kind, const struct value *object, struct buf *out,
                          struct error *err);
/* Answers that are more than one object; trees as above. A list: one item after the other, then the whole, `metadata`
 * being its ListMeta. A Status. An event of a watch with its length, `object` in its envelope. */
void codec_write_protobuf_item(const struct schema_kind *kind, const struct value *object, struct buf *items);
void codec_write_protobuf_list(const struct schema_kind *kind, const struct value *metadata, struct slice items,
                               struct buf *out);
void codec_write_protobuf_status(const struct value *status, struct buf *out);
void codec_write_protobuf_event(const char *type, struct slice object, struct buf *out);

/* Fills in defaults where fields are absent: the schema's `=` rows first, then the type's rule functions of
 * api/defaulting_rules.c for what a row cannot say (a Service's targetPort, a Namespace's label of its name ...).
 * Expects a tree that codec_decode or codec_normalise made. A Secret's stringData goes into its data here. What
 * upstream's strategies and admission set is not here: phases of new pods, a Service's address, tolerations. */
void default_apply(const struct schema_kind *kind, struct value *object);

#endif
