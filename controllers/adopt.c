/* SPDX-License-Identifier: Apache-2.0 */
/* Adoption and release, as upstream's controller reference manager does them. */
#include "controllers/adopt.h"

#include "api/selector.h"

struct selector *adopt_selector(struct slice label_selector)
{
    struct value *object CLEANUP_VALUE = label_selector.len ? value_parse(label_selector, NULL) : NULL;
    struct selector *selector = NULL;

    if (!object || selector_from_object(object, &selector, NULL) < 0)
        return NULL;
    if (selector_is_empty(selector)) {
        selector_free(selector);
        return NULL;
    }
    return selector;
}

enum adopt_claim adopt_judge(const struct view *owner, const struct selector *selector, const struct view *object)
{
    struct slice labels = view_raw(object, VIEW_LABELS);
    bool selected = selector_matches_bytes(selector, labels.len ? labels : SLICE_LIT("{}"));
    struct view_owner controller;

    if (view_controller(object, &controller)) {
        if (!slice_equal(controller.uid, view_text(owner, VIEW_UID)))
            return ADOPT_OTHER;
        if (selected)
            return ADOPT_MINE;
        return view_deleting(owner) ? ADOPT_OTHER : ADOPT_RELEASE;
    }
    if (!selected || view_deleting(owner) || view_deleting(object))
        return ADOPT_OTHER;
    return ADOPT_TAKE;
}

void adopt_write_owner(struct buf *out, const struct view *owner)
{
    buf_append_byte(out, '{');
    plan_member(out, "apiVersion", slice_str(owner->kind->api_version));
    plan_member(out, "kind", slice_str(owner->kind->kind));
    plan_member(out, "name", view_text(owner, VIEW_NAME));
    plan_member(out, "uid", view_text(owner, VIEW_UID));
    buf_append_str(out, ",\"controller\":true,\"blockOwnerDeletion\":true}");
}

void adopt_plan(struct plan *plan, const struct view *owner, const struct view *object, enum adopt_claim claim)
{
    struct action *action =
        plan_add(plan, ACTION_PATCH, object->kind, view_text(object, VIEW_NAMESPACE), view_text(object, VIEW_NAME));

    /* Strategic merge: owner references are merged by uid. The uid beside them makes the patch fail on another object
     * of that name. */
    action->patch_type = "application/strategic-merge-patch+json";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(object, VIEW_UID));
    buf_append_str(&action->body, ",\"ownerReferences\":[");
    if (claim == ADOPT_TAKE) {
        adopt_write_owner(&action->body, owner);
    } else {
        buf_append_str(&action->body, "{\"$patch\":\"delete\"");
        plan_member(&action->body, "uid", view_text(owner, VIEW_UID));
        buf_append_byte(&action->body, '}');
    }
    buf_append_str(&action->body, "]}}");
}
