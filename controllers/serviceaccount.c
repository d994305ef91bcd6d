/* SPDX-License-Identifier: Apache-2.0 */
/* Every namespace has a ServiceAccount named default; keys are namespaces. */
#include "controllers/rows.h"

#define SERVICEACCOUNT_NAME "default"

void serviceaccount_plan(const struct view *ns, const struct view *account, struct plan *plan)
{
    struct action *action;

    if (!ns || view_deleting(ns) || account)
        return;
    action =
        plan_add(plan, ACTION_CREATE, &view_serviceaccounts, view_text(ns, VIEW_NAME), SLICE_LIT(SERVICEACCOUNT_NAME));
    action->flags = ACTION_EXISTS_IS_FINE;
    buf_append_str(&action->body, "{\"apiVersion\":\"v1\",\"kind\":\"ServiceAccount\",\"metadata\":{\"name\":"
                                  "\"" SERVICEACCOUNT_NAME "\"");
    plan_member(&action->body, "namespace", view_text(ns, VIEW_NAME));
    buf_append_str(&action->body, "}}");
}

static void serviceaccount_map(struct run *run, const struct view *before, const struct view *now)
{
    if (!now && slice_is(view_text(before, VIEW_NAME), SERVICEACCOUNT_NAME))
        run_add(run, view_text(before, VIEW_NAMESPACE));
}

static void serviceaccount_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    serviceaccount_plan(run_get_key(run, &view_namespaces, key),
                        run_get(run, &view_serviceaccounts, key, SLICE_LIT(SERVICEACCOUNT_NAME)), plan);
}

const struct controller serviceaccount_controller = {
    .name = "service-account-controller",
    .watches = {{&view_namespaces, map_own}, {&view_serviceaccounts, serviceaccount_map}},
    .reconcile = serviceaccount_reconcile,
};
