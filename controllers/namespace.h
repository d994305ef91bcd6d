/* SPDX-License-Identifier: Apache-2.0 */
/* Namespace deletion. */
#ifndef KNARR_CONTROLLERS_NAMESPACE_H
#define KNARR_CONTROLLERS_NAMESPACE_H

#include "controllers/runner.h"

/* What a namespace holds of one kind. */
struct namespace_content {
    const struct view_kind *kind;
    size_t staying; /* not being deleted yet */
    size_t going;
};
/* A finalizer, and how many objects wait for it. */
struct namespace_finalizer {
    struct slice name;
    size_t count;
};
struct namespace_view {
    const struct view *ns;
    const struct namespace_content *contents;
    size_t count;
    const struct namespace_finalizer *finalizers;
    size_t finalizer_count;
    const char *failure; /* why deleting content failed the last time; NULL = it did not */
    bool may_tell;       /* the conditions were not written a moment ago */
    int64_t now;         /* nanoseconds */
};
void namespace_plan(const struct namespace_view *in, struct plan *plan);

extern const struct controller namespace_controller;

#endif
