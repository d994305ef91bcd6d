/* SPDX-License-Identifier: Apache-2.0 */
/* Garbage collection: objects whose owners are gone go too. */
#ifndef KNARR_CONTROLLERS_GARBAGE_COLLECTOR_H
#define KNARR_CONTROLLERS_GARBAGE_COLLECTOR_H

#include "controllers/runner.h"

enum garbage_owner_state {
    GARBAGE_OWNER_HERE,
    GARBAGE_OWNER_WAITS, /* being deleted in the foreground: waits for its dependents */
    GARBAGE_OWNER_GONE,
    GARBAGE_OWNER_UNKNOWN, /* of a kind that is not stored here: left alone */
};

struct garbage_owner {
    struct view_owner ref;
    const struct view_kind *kind; /* NULL = unknown */
    struct slice ns;
    enum garbage_owner_state state;
    bool elsewhere; /* GONE here, but there is one of that uid in another namespace: a mistake, which is told */
};

struct garbage_view {
    const struct view *object;
    const struct garbage_owner *owners;
    size_t owner_count;
    /* Objects with an owner reference to this one. */
    const struct view *const *dependents;
    size_t dependent_count;
};
void garbage_plan(const struct garbage_view *in, struct plan *plan);

extern const struct controller garbage_collector;

#endif
