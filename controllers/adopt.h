/* SPDX-License-Identifier: Apache-2.0 */
/* Adoption: which objects a controller manages, by owner reference and selector. */
#ifndef KNARR_CONTROLLERS_ADOPT_H
#define KNARR_CONTROLLERS_ADOPT_H

#include "controllers/plan.h"

enum adopt_claim {
    ADOPT_MINE,    /* owned and selected */
    ADOPT_TAKE,    /* selected, owned by nobody: an adoption is in the plan */
    ADOPT_RELEASE, /* owned, no longer selected: a release is in the plan */
    ADOPT_OTHER,
};

struct selector;
/* Judges one object. Owners that are being deleted neither adopt nor release. */
enum adopt_claim adopt_judge(const struct view *owner, const struct selector *selector, const struct view *object);
/* Adds the patch that adopts or releases; guarded by the object's uid and, for a release, harmless when repeated. */
void adopt_plan(struct plan *plan, const struct view *owner, const struct view *object, enum adopt_claim claim);
/* The selector of a raw LabelSelector; NULL when it selects nothing or everything, or is invalid. */
struct selector *adopt_selector(struct slice label_selector);
/* {"apiVersion":...,"controller":true,...} of the owner. */
void adopt_write_owner(struct buf *out, const struct view *owner);

#endif
