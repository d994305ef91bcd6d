/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployment: one plan takes one step and the status that goes with it; what changes then brings the next plan.
 *
 *     being deleted            -> status
 *     paused                   -> resize in proportion, clean up history, status
 *     resized in mid-rollout   -> resize in proportion, status
 *     Recreate, RollingUpdate  -> the strategy's next step, status with progress
 */
#include "controllers/deployment.h"

#include "api/selector.h"
#include "controllers/adopt.h"
#include "controllers/rollout.h"

void deployment_plan(const struct deployment_view *in, struct plan *plan)
{
    struct rollout r;

    plan_about(plan, in->deployment);
    rollout_init(&r, in, plan);
    if (view_deleting(in->deployment)) {
        rollout_sync_revision(&r, false);
        rollout_emit_status(&r, false);
        rollout_clear(&r);
        return;
    }
    rollout_check_paused(&r);
    if (r.paused || rollout_needs_scaling(&r)) {
        rollout_sync_revision(&r, false);
        rollout_scale_all(&r);
        if (r.paused)
            rollout_clean_up(&r);
        rollout_emit_sets(&r);
        rollout_emit_status(&r, false);
    } else {
        if (r.rolling) {
            rollout_sync_revision(&r, true);
            rollout_rolling(&r);
        } else {
            rollout_recreate(&r);
        }
        rollout_emit_sets(&r);
        rollout_emit_status(&r, true);
    }
    rollout_clear(&r);
}

/* ---- reconcile ---- */

struct deployment_match {
    struct run *run;
    const struct view *set;
};

static void deployment_match(void *arg, const struct view *deployment)
{
    const struct deployment_match *match = arg;
    struct selector *selector;

    if (!slice_equal(view_text(deployment, VIEW_NAMESPACE), view_text(match->set, VIEW_NAMESPACE)))
        return;
    selector = adopt_selector(scan_get(view_raw(deployment, DEPLOYMENT_SPEC), "selector"));
    if (selector && adopt_judge(deployment, selector, match->set) == ADOPT_TAKE)
        map_own(match->run, NULL, deployment);
    selector_free(selector);
}

static void deployment_map_set(struct run *run, const struct view *before, const struct view *now)
{
    struct deployment_match match = {run, now};
    struct view_owner owner;

    map_owner(run, before, now);
    if (now && !view_controller(now, &owner))
        run_each_selecting(run, &view_deployments, NULL, now, deployment_match, &match);
}

/* Recreate waits for the last old pod to go. */
static void deployment_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    struct view_owner owner;
    const struct view *set;

    if (now || !view_controller(before, &owner) || !slice_is(owner.kind, "ReplicaSet"))
        return;
    set = run_get(run, &view_replicasets, view_text(before, VIEW_NAMESPACE), owner.name);
    map_owner(run, NULL, set);
}

struct deployment_find {
    struct run *run;
    struct slice ns;
};

static const struct view *deployment_find_set(void *arg, struct slice name)
{
    const struct deployment_find *find = arg;

    return run_get(find->run, &view_replicasets, find->ns, name);
}

static void deployment_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *deployment = run_get_key(run, &view_deployments, key);
    struct deployment_view in = {.deployment = deployment, .find = deployment_find_set, .now = run_now(run)};
    struct deployment_find find = {.run = run};
    struct view_array sets = {0};
    struct view_array pods = {0};

    if (!deployment)
        return;
    find.ns = view_text(deployment, VIEW_NAMESPACE);
    in.arg = &find;
    view_array_add(&sets, run_owned(run, &view_replicasets, view_text(deployment, VIEW_UID)));
    for (size_t i = 0; i < sets.count; i++)
        view_array_add(&pods, run_owned(run, &view_pods, view_text(sets.items[i], VIEW_UID)));
    run_add_unowned(run, &view_replicasets, deployment, &sets);
    in.sets = sets.items;
    in.set_count = sets.count;
    in.pods = pods.items;
    in.pod_count = pods.count;
    deployment_plan(&in, plan);
    free(sets.items);
    free(pods.items);
}

const struct controller deployment_controller = {
    .name = "deployment-controller",
    .component = "deployment-controller",
    .parallel = 8,
    .watches = {{&view_deployments, map_own},
                {&view_replicasets, deployment_map_set},
                {&view_pods, deployment_map_pod}},
    .reconcile = deployment_reconcile,
};
