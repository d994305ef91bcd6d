/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Field sets: which places of an object somebody owns, as server-side apply counts them. A set is a tree of steps: a
 * field of a struct or a key of a map, an item of a list by its keys, an item by its value. Written it is upstream's
 * FieldsV1, {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{}}}}}.
 *
 * Sets live in a pool and are never changed once they are made, so that operations share what stays the same. Texts
 * are borrowed from the trees and texts they come from, or stand in the pool.
 */
#ifndef KNARR_API_FIELDSET_H
#define KNARR_API_FIELDSET_H

#include "api/schema.h"
#include "api/value.h"
#include "lib/pool.h"

enum fieldset_kind { FIELDSET_FIELD = 'f', FIELDSET_INDEX = 'i', FIELDSET_KEYS = 'k', FIELDSET_VALUE = 'v' };

struct fieldset_step {
    enum fieldset_kind kind;
    struct slice text; /* the name; {"name":"a"} with sorted keys; the value as JSON; the number */
};

struct fieldset_entry {
    struct fieldset_step step;
    bool member;                  /* the place itself is in the set */
    const struct fieldset *below; /* what is in the set below it; NULL = nothing */
};

/* All zero is the empty set. Entries are sorted; none of them is without meaning (not a member, nothing below). */
struct fieldset {
    struct fieldset_entry *entries;
    size_t count;
    size_t cap;
};

static inline bool fieldset_is_empty(const struct fieldset *set)
{
    return !set || !set->count;
}

/* NULL when there is none. `set` may be NULL. */
const struct fieldset_entry *fieldset_find(const struct fieldset *set, struct fieldset_step step);
/* While a set is being made: adds a place, or adds to it. Nothing happens when it is no member and has nothing below.
 */
void fieldset_add(struct pool *pool, struct fieldset *set, struct fieldset_step step, bool member,
                  const struct fieldset *below);

/* NULL counts as empty. What comes back may share entries with its arguments; it is never NULL. */
const struct fieldset *fieldset_union(struct pool *pool, const struct fieldset *a, const struct fieldset *b);
/* Of all of them, for no more than their size times the logarithm of their number. */
const struct fieldset *fieldset_union_all(struct pool *pool, const struct fieldset *const *sets, size_t count);
const struct fieldset *fieldset_difference(struct pool *pool, const struct fieldset *a, const struct fieldset *b);
const struct fieldset *fieldset_intersection(struct pool *pool, const struct fieldset *a, const struct fieldset *b);
bool fieldset_equal(const struct fieldset *a, const struct fieldset *b);

/* Reads FieldsV1, which is valid JSON and outlives the set. ERROR_BAD_REQUEST on what is none. */
int fieldset_parse(struct pool *pool, struct slice fields_v1, const struct fieldset **ret_set, struct error *err);
void fieldset_write(const struct fieldset *set, struct buf *out);
/* Each member with its path, `.spec.containers[name="a"].image`; members of a place before what is below them. */
void fieldset_each(const struct fieldset *set, void (*fn)(void *arg, const char *path), void *arg);

/* ---- sets of objects ----------------------------------------------------------------------------------------------
 */

/* Which of an object's own members a write is about: all; all but the status; metadata and status alone. */
enum fieldset_part { FIELDSET_ALL, FIELDSET_MAIN, FIELDSET_STATUS };
bool fieldset_part_has(enum fieldset_part part, struct slice name);

struct fieldset_change {
    struct fieldset touched; /* added or set to another value */
    struct fieldset removed;
};
/* What makes `to` of `from`, place by place. */
void fieldset_compare(struct pool *pool, const struct schema_type *type, enum fieldset_part part,
                      const struct value *from, const struct value *to, struct fieldset_change *ret_change);

/* The places that a configuration sets. It is judged on the way: unknown fields, wrong types and items that say the
 * same twice are ERROR_BAD_REQUEST, with the place in the message (".spec.bogus: field not declared in schema"). */
int fieldset_of(struct pool *pool, const struct schema_type *type, const struct value *config,
                const struct fieldset **ret_set, struct error *err);

#endif
