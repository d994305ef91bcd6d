/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewinding, the part that only thinks: from what a kind's objects were and what they are to the writes that lead back.
 * Pure; the requests are made by rewind.c and rewind_write.c.
 *
 * The rules. What is rewound is what somebody wanted: all of an object but its status and its metadata, and of the
 * metadata labels and annotations. Left alone are objects that have a controller (they follow it), then or now;
 * credentials that were taken away on purpose or belong to an identity that is gone; pods that had ended; and what lies
 * in a namespace that was made anew since, because what it held before was somebody else's. Kinds that the schema marks
 * as `observed`, or whose history it keeps more shortly, have no wishes at all.
 */
#ifndef KNARR_CLI_REWIND_PLAN_H
#define KNARR_CLI_REWIND_PLAN_H

#include "api/schema.h"
#include "api/value.h"
#include "lib/map.h"

enum rewind_action { REWIND_CREATE, REWIND_UPDATE, REWIND_DELETE, REWIND_LEAVE };

struct rewind_step {
    enum rewind_action action;
    const struct schema_kind *kind;
    const struct value *then; /* NULL = was not there; both borrowed from the plan */
    const struct value *now;  /* NULL = is not there */
    char *why;                /* REWIND_LEAVE; owned */
    bool failed;              /* REWIND_LEAVE: it differs, is nobody else's, and still cannot be rewound */
    size_t number;            /* in the order in which they were found */
};

struct rewind_plan {
    struct rewind_step *steps;
    size_t count;
    size_t cap;
    size_t unchanged;
    struct map namespaces; /* name -> enum rewind_namespace, of those that are not the same as then */
    struct value **trees;
    size_t tree_count;
    size_t tree_cap;
};

/* Whether objects of the kind are wishes, and can be listed and written. */
bool rewind_kind_fits(const struct schema_kind *kind);

/* All zero is an empty plan. What is known of all namespaces, before anything is added; the lists are looked at only.
 * `rewound`: namespaces are themselves rewound, so that what lies in a new one goes with it. */
void rewind_plan_namespaces(struct rewind_plan *plan, const struct value *then, const struct value *now, bool rewound);
/* Adds what leads from `now` back to `then` (arrays of objects of one kind); takes both over. */
void rewind_plan_add(struct rewind_plan *plan, const struct schema_kind *kind, struct value *then, struct value *now);
/* Puts the steps into the order in which they are to be taken: deletions, what others need last; then all others, what
 * others need first. */
void rewind_plan_sort(struct rewind_plan *plan);
void rewind_plan_clear(struct rewind_plan *plan);

const char *rewind_step_name(const struct rewind_step *step);
/* NULL for what lies in no namespace. */
const char *rewind_step_namespace(const struct rewind_step *step);

/* ---- what is compared and sent (rewind_shape.c) ---- */

/* What of an object is rewound, under its name; the caller frees. */
struct value *rewind_content(const struct schema_kind *kind, const struct value *object);
bool rewind_same(const struct schema_kind *kind, const struct value *a, const struct value *b);
/* The object to POST, and to PUT over `now`; the caller frees. */
struct value *rewind_body_create(const struct schema_kind *kind, const struct value *then);
struct value *rewind_body_update(const struct schema_kind *kind, const struct value *then, const struct value *now);
/* What the step changes, as a unified diff of YAML; the values of Secrets are hidden. `then_name` heads that side. */
int rewind_diff(const struct rewind_step *step, const char *then_name, struct buf *out, struct error *err);

#endif
