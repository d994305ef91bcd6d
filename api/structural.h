/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Structural: the schema of a custom resource's version, compiled: what schema.h's rows are for a built-in kind. Source
 * of the rules: "structural schemas" of apiextensions.k8s.io/v1 (JSON Schema, restricted so that every place has one
 * type). Immutable once made, so any thread may use it.
 *
 * apiVersion, kind and metadata of the object itself are not described here: those every object has.
 */
#ifndef KNARR_API_STRUCTURAL_H
#define KNARR_API_STRUCTURAL_H

#include "api/codec.h"
#include "api/schema.h"
#include "api/value.h"
#include "lib/pool.h"

struct structural;

/* Compiles an openAPIV3Schema that validation of the CustomResourceDefinition took; what is not understood in it says
 * nothing. All memory is the pool's. NULL or not an object: a schema that keeps everything and refuses nothing. */
const struct structural *structural_compile(struct pool *pool, const struct value *schema);

/* Whether a pattern can be used: NULL, or what is wrong with it (static or in the pool). *total counts the memory that
 * all patterns of a schema take: they may not be too many. */
const char *structural_check_pattern(struct pool *pool, struct slice pattern, size_t *total);

/* Takes out of the object what the schema does not know (`unknown field "spec.bogus"` goes to findings, which may be
 * NULL), and nulls where null is no value. */
void structural_prune(const struct structural *s, struct value *object, struct codec_findings *findings);
/* What metadata is of any object, also of one inside another (x-kubernetes-embedded-resource). */
const struct schema_type *structural_metadata_type(void);
/* Fills in defaults, parents before children. Those that would make the object larger than can be stored are left out:
 * it is too large already. */
void structural_default(const struct structural *s, struct value *object);

#endif
