/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of the pods of a node that is silent, or that tells them to go. */
#include "controllers/node_lifecycle.h"

void node_plan_pods_not_ready(const struct node_view *in, struct plan *plan)
{
    char now[TIME_TEXT_MAX];

    time_format_seconds(in->now, now);
    for (size_t i = 0; i < in->pod_count; i++) {
        const struct view *pod = in->pods[i];
        struct action *action;

        if (!scan_text_is(scan_get(view_raw(pod, POD_READY), "status"), "True"))
            continue;
        action = plan_add(plan, ACTION_PATCH, &view_pods, view_text(pod, VIEW_NAMESPACE), view_text(pod, VIEW_NAME));
        action->sub = "status";
        action->patch_type = "application/strategic-merge-patch+json";
        action->flags = ACTION_MISSING_IS_FINE | ACTION_EVENT_OF_OBJECT | ACTION_EVENT_WARNS;
        action->uid = slice_dup(view_text(pod, VIEW_UID));
        action->reason = "NodeNotReady";
        action->message = mem_strdup("Node is not ready");
        action->group = 1;
        buf_append_str(&action->body, "{\"metadata\":{");
        plan_member(&action->body, "uid", view_text(pod, VIEW_UID));
        buf_printf(
            &action->body,
            "},\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"lastTransitionTime\":\"%s\"}]}}",
            now);
    }
}

/* The pod says why it ended, then it goes. */
static void node_plan_eviction(const struct node_view *in, const struct view *pod, struct plan *plan)
{
    struct action *action =
        plan_disruption(plan, pod, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", in->now);

    action->group = 2;
    action = plan_delete(plan, pod);
    action->group = 3;
    action->flags |= ACTION_EVENT_OF_OBJECT;
    action->reason = "TaintManagerEviction";
    action->message =
        mem_printf("Marking for deletion Pod %.*s/%s", SLICE_ARGS(view_text(pod, VIEW_NAMESPACE)), action->name);
}

void node_plan_evictions(const struct node_view *in, struct plan *plan)
{
    struct slice taints = view_raw(in->node, NODE_TAINTS);

    for (size_t i = 0; i < in->pod_count && !in->all_lost; i++) {
        int64_t stay = taint_stay(taints, view_raw(in->pods[i], POD_TOLERATIONS));

        if (stay < 0 || view_deleting(in->pods[i]))
            continue;
        if (stay > in->taints_s)
            plan_again(plan, (uint64_t)(stay - in->taints_s) * 1000);
        else
            node_plan_eviction(in, in->pods[i], plan);
    }
}
