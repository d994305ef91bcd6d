/* SPDX-License-Identifier: Apache-2.0 */
/* What a manifest names, and the patch that makes the server's object match it. */
#ifndef KNARR_CLI_MANIFEST_H
#define KNARR_CLI_MANIFEST_H

#include "api/schema.h"
#include "api/value.h"
#include "cli/session.h"

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

struct manifest {
    const struct schema_kind *kind;
    const char *name;       /* borrowed from the tree */
    const char *namespace_; /* NULL for cluster-scoped kinds */
};

/* ERROR_BAD_REQUEST when the document is not a complete object of a known kind (session_find_kind). `fallback` is the
 * namespace of one that names none. */
int manifest_read(struct session *s, const struct value *object, const char *fallback, struct manifest *ret_manifest,
                  struct error *err);
/* The object with the annotation that records it (compact JSON and a line end, as kubectl writes it). */
void manifest_annotate(struct value *object);
/* A copy with the members of every object in the order of their names; the caller frees. */
struct value *manifest_sorted(const struct value *v);
/* A strategic merge patch from what was applied last time (may be NULL) and what the server has to what is wanted:
 * fields that were applied and are not wanted any more are removed, others' fields are left alone. NULL = nothing to
 * do. type NULL: a merge patch, which knows of no lists that are merged. */
struct value *manifest_three_way(const struct schema_type *type, const struct value *last, const struct value *live,
                                 const struct value *wanted);

#endif
