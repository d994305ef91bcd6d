/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resource quotas: the API server keeps their `used` with every write; here is seen to that it is counted anew, from
 * all there is, when the limits have changed, and now and then: a pod whose node never says that it is gone stops
 * counting with time only, and what was made just before the quota was did not know of it.
 */
#include "controllers/rows.h"

#include "lib/map.h"

#define QUOTA_RESYNC_S 300 /* as upstream */
#define QUOTA_SETTLE_S 10  /* after which whatever was under way when the quota was made is over */

void resourcequota_plan(const struct view *quota, int64_t due, int64_t now, struct plan *plan)
{
    bool stale;

    if (!quota || view_deleting(quota))
        return;
    stale = !slice_equal(view_raw(quota, QUOTA_HARD), view_raw(quota, QUOTA_STATUS_HARD)) ||
            !view_raw(quota, QUOTA_USED).len;
    if (stale || now >= due) {
        struct action *action =
            plan_add(plan, ACTION_PATCH, &view_quotas, view_text(quota, VIEW_NAMESPACE), view_text(quota, VIEW_NAME));

        action->sub = "status";
        action->patch_type = PATCH_MERGE;
        action->flags = ACTION_MISSING_IS_FINE;
        buf_append_str(&action->body, "{\"status\":null}"); /* what is left out is counted */
        due =
            now + (now - view_time(quota, VIEW_CREATED) < QUOTA_SETTLE_S * NS_PER_S ? QUOTA_SETTLE_S : QUOTA_RESYNC_S) *
                      NS_PER_S;
    }
    plan_again(plan, (uint64_t)((due - now) / NS_PER_MS) + 1);
}

/* When each quota is to be counted again, by key. */
static struct map *quota_due(struct run *run)
{
    void **state = run_state(run);

    if (!*state)
        *state = mem_zalloc(sizeof(struct map));
    return *state;
}

static void resourcequota_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *quota = run_get_key(run, &view_quotas, key);
    struct map *all = quota_due(run);
    int64_t now = run_now(run);
    int64_t *due = map_get(all, key);

    resourcequota_plan(quota, due ? *due : 0, now, plan);
    if (!quota) {
        free(map_remove(all, key));
        return;
    }
    if (!due) {
        due = mem_zalloc(sizeof(*due));
        (void)map_put(all, key, due);
    }
    if (plan->again_ms)
        *due = now + (int64_t)(plan->again_ms - 1) * NS_PER_MS;
}

static void resourcequota_free(void *state)
{
    if (state)
        map_clear(state, free);
    free(state);
}

const struct controller resourcequota_controller = {
    .name = "resourcequota-controller",
    .parallel = 4,
    .watches = {{&view_quotas, map_own}},
    .reconcile = resourcequota_reconcile,
    .free_state = resourcequota_free,
};
