/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation: rules attached to types (PodSpec's serve every kind that has one). Rows of the schema say required,
 * enums, ranges and formats; what a row cannot say is a function in the table of api/validate.c, keyed by the type's
 * name. Every finding is a cause of one ERROR_INVALID whose message upstream words `Kind.group "name" is invalid:
 * [field: cause, ...]`.
 */
#ifndef KNARR_API_VALIDATE_H
#define KNARR_API_VALIDATE_H

#include "api/schema.h"
#include "api/value.h"

/* Checks a complete, defaulted object. `old` is the stored one on an update (immutable fields), else NULL.
 * `subresource` is "" or "status" ... Returns 0, or ERROR_INVALID with causes. */
int validate_object(const struct schema_kind *kind, const struct value *object, const struct value *old,
                    const char *subresource, struct error *err);

/* What a version asks of a new object beyond its stored kind, of the stored form (the rules of the version's own type).
 */
int validate_version(const struct schema_kind *shown, const struct value *object, struct error *err);

/* Names, for callers that check one thing. Each returns NULL when it is fine, else upstream's sentence (static). */
const char *validate_dns1123_label(struct slice s);
const char *validate_dns1123_subdomain(struct slice s);
const char *validate_dns1035_label(struct slice s);
const char *validate_qualified_name(struct slice s);
const char *validate_label_value(struct slice s);
/* A path segment: not ".", "..", no '/' and no '%'. */
const char *validate_path_segment(struct slice s);
/* The name rule of a kind (most: subdomain; Namespace, Service: labels ...). */
const char *validate_name_of(const struct schema_kind *kind, struct slice name);
/* The first of `finalizers` that is not in `old` (either may be NULL), in time that grows with their number; NULL =
 * none. */
const char *validate_new_finalizer(const struct value *finalizers, const struct value *old);

#endif
