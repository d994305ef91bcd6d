/* SPDX-License-Identifier: Apache-2.0 */
/* What the codec's files share. Private to api/. */
#ifndef KNARR_API_CODEC_INTERNAL_H
#define KNARR_API_CODEC_INTERNAL_H

#include "api/codec.h"
#include "lib/error.h"

/* Brings one scalar (not OBJECT, not null) into the form in which it is stored: quantities and times canonical, base64
 * without line breaks. Takes *v and may replace it. On a wrong type *ret_problem says so: either a whole message, or,
 * when it starts with "cannot unmarshal", one that wants the field's place ("cannot unmarshal string"). The text is
 * the caller's. False on a problem. */
bool codec_normalise_scalar(enum schema_base base, struct value **v, char **ret_problem);
/* What Go calls the JSON type: "number", "object". */
const char *codec_kind_name(const struct value *v);
/* The name Go has for the type of a field's single value: "int32", "v1.Container". Into the buffer. */
const char *codec_go_type(const struct schema_field *f, bool element, struct buf *scratch);

/* Which alternative of a SCHEMA_EITHER's type the value is; NULL = none. */
const struct schema_field *codec_alternative(const struct schema_type *type, const struct value *v);
/* The value of an absent field that upstream writes all the same. */
struct value *codec_zero(const struct schema_field *f);
/* Whether upstream leaves this value out: the zero of a field that is no pointer and has omitempty. */
bool codec_is_omitted(const struct schema_field *f, const struct value *v);

/* The message inside the envelope as a tree, not yet normalised; *ret_api_version and *ret_kind as stated. */
struct value *codec_decode_protobuf(const struct schema_kind *kind, struct slice body, char **ret_api_version,
                                    char **ret_kind, struct error *err);
int codec_peek_protobuf(struct slice body, char **ret_api_version, char **ret_kind, struct error *err);

/* Calls `fn` for each member, fields in the order of the schema and then the others, which have no field (`f` NULL).
 * With `type` NULL none has one. */
typedef void codec_member_fn(void *arg, const struct schema_field *f, struct slice name, const struct value *v);
void codec_each_member(const struct schema_type *type, const struct value *object, codec_member_fn *fn, void *arg);
/* A member as JSON: `before`, its name, a colon, its value. */
void codec_write_member(const struct schema_field *f, char before, struct slice name, const struct value *v,
                        struct buf *out);

/* A message without its envelope, and the envelope around one. */
void codec_write_message(const struct schema_type *type, const struct value *object, struct buf *out);
void codec_write_envelope(const char *api_version, const char *kind, struct slice raw, struct buf *out);

/* Applies the rules of defaulting_rules.c for a type and its inline ones. */
void default_by_rule(const struct schema_type *type, struct value *object);
bool default_has_rule(const struct schema_type *type);
/* A default that a row cannot say. */
struct default_rule {
    const char *type; /* schema_long_name: "core.v1.Pod" */
    void (*apply)(struct value *object);
};
/* All of them; NULL after the last. */
const struct default_rule *default_rule_at(size_t index);
extern const struct default_rule default_kinds[]; /* defaulting_kinds.c */
extern const size_t default_kinds_count;

#endif
