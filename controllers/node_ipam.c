/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node IPAM: each node gets a range of pod addresses. There is one key for the whole cluster, so that the runner's wait
 * for its own writes also keeps two nodes from being given the same range.
 */
#include "controllers/rows.h"

#include <stdio.h>

#include "lib/log.h"

#define NODE_IPAM_PREFIX "10.244."
#define NODE_IPAM_RANGES 256

/* The range's number; -1 = none of ours. */
static int node_ipam_range(struct slice cidr)
{
    struct slice prefix = SLICE_LIT(NODE_IPAM_PREFIX);
    struct slice suffix = SLICE_LIT(".0/24");
    uint64_t range;

    if (!slice_starts(cidr, prefix) || !slice_ends(cidr, suffix) || cidr.len <= prefix.len + suffix.len)
        return -1;
    if (!slice_to_uint64(slice_make(cidr.data + prefix.len, cidr.len - prefix.len - suffix.len), &range) ||
        range >= NODE_IPAM_RANGES)
        return -1;
    return (int)range;
}

static int node_ipam_by_name(const void *a, const void *b)
{
    return slice_compare(view_text(*(const struct view *const *)a, VIEW_NAME),
                         view_text(*(const struct view *const *)b, VIEW_NAME));
}

static void node_ipam_assign(struct plan *plan, const struct view *node, int range)
{
    struct action *action = plan_add(plan, ACTION_PATCH, &view_nodes, SLICE_NONE, view_text(node, VIEW_NAME));

    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(node, VIEW_UID));
    buf_printf(&action->body,
               "},\"spec\":{\"podCIDR\":\"" NODE_IPAM_PREFIX "%d.0/24\",\"podCIDRs\":[\"" NODE_IPAM_PREFIX
               "%d.0/24\"]}}",
               range, range);
}

bool node_ipam_plan(const struct view *const *nodes, size_t count, struct plan *plan)
{
    const struct view **sorted CLEANUP_FREE = mem_calloc(count ? count : 1, sizeof(*sorted));
    bool used[NODE_IPAM_RANGES] = {false};
    int next = 0;

    for (size_t i = 0; i < count; i++) {
        int range = node_ipam_range(view_text(nodes[i], NODE_POD_CIDR));

        sorted[i] = nodes[i];
        if (range >= 0)
            used[range] = true;
    }
    qsort(sorted, count, sizeof(*sorted), node_ipam_by_name);
    for (size_t i = 0; i < count; i++) {
        if (view_text(sorted[i], NODE_POD_CIDR).len || view_deleting(sorted[i]))
            continue;
        while (next < NODE_IPAM_RANGES && used[next])
            next++;
        if (next == NODE_IPAM_RANGES)
            return false;
        used[next] = true;
        node_ipam_assign(plan, sorted[i], next);
    }
    return true;
}

static void node_ipam_map(struct run *run, const struct view *before, const struct view *now)
{
    /* A range that comes free may be waited for. */
    if (!now || !view_text(now, NODE_POD_CIDR).len)
        run_add(run, SLICE_LIT("cluster"));
    (void)before;
}

static void node_ipam_gather(void *arg, const struct view *v)
{
    view_array_add(arg, (struct view_list){&v, 1});
}

static void node_ipam_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct view_array nodes = {0};

    (void)key;
    run_each(run, &view_nodes, node_ipam_gather, &nodes);
    if (!node_ipam_plan(nodes.items, nodes.count, plan))
        log_warning("node-ipam", "all %d pod ranges are given out: new nodes wait until one comes free",
                    NODE_IPAM_RANGES);
    free(nodes.items);
}

const struct controller node_ipam_controller = {
    .name = "node-ipam-controller",
    .account = "node-controller",
    .watches = {{&view_nodes, node_ipam_map}},
    .reconcile = node_ipam_reconcile,
};
