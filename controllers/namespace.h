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
void namespace_plan(const struct view *ns, const struct namespace_content *contents, size_t count, struct plan *plan);

extern const struct controller namespace_controller;

#endif
