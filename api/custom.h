/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Custom: a CustomResourceDefinition's version as the same structures that built-in kinds are made of. Reference
 * counted and immutable: whoever uses the kind holds it, also when the definition changes or goes meanwhile.
 */
#ifndef KNARR_API_CUSTOM_H
#define KNARR_API_CUSTOM_H

#include "api/schema.h"
#include "api/value.h"

struct custom_kind;

/* The names of a definition: those that were accepted, else those that it wishes for. Borrowed from the object. */
const struct value *custom_names(const struct value *definition);
/* Whether it is served: its condition Established. */
bool custom_is_established(const struct value *definition);
/* The entry of spec.versions with that name, or NULL. */
const struct value *custom_version(const struct value *definition, struct slice version);

/* What discovery, informers and routes need of a version: names, verbs, subresources. */
struct custom_kind *custom_kind_head(const struct value *definition, const struct value *version);
/* The same with everything: its schema compiled, columns, selectable fields. */
struct custom_kind *custom_kind_whole(const struct value *definition, const struct value *version);

/* As documents of which version of OpenAPI have it. */
enum custom_form { CUSTOM_V3, CUSTOM_V2 };

/* A head with the OpenAPI schema of its objects, for documents about it. */
struct custom_kind *custom_kind_documented(const struct value *definition, const struct value *version,
                                           enum custom_form form);
/* An openAPIV3Schema (NULL = none) as documents show it, with what every object has: a new tree. */
struct value *custom_document(const struct value *schema, enum custom_form form);

/* Lives as long as the reference. */
const struct schema_kind *custom_kind_schema(const struct custom_kind *kind);
/* Whose schema that is. */
struct custom_kind *custom_kind_of(const struct schema_kind *schema);
struct custom_kind *custom_kind_ref(struct custom_kind *kind);
void custom_kind_unref(struct custom_kind *kind); /* NULL is allowed */

#endif
