/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods whose Node is gone: nobody is left to stop them, so they are deleted without grace, after a while in which the
 * Node may come back. Keys are node names.
 */
#include "controllers/rows.h"

#include "lib/map.h"

void pod_gc_plan(const struct view *node, const struct view *const *pods, size_t count, int64_t missing_s,
                 struct plan *plan)
{
    if (node || !count)
        return;
    if (missing_s < POD_GC_WAIT_S) {
        plan_again(plan, (uint64_t)(POD_GC_WAIT_S - missing_s) * 1000);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct action *action = plan_delete(plan, pods[i]);

        action->group = 1;
        buf_reset(&action->body);
        buf_append_str(
            &action->body,
            "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,\"preconditions\":{");
        plan_member(&action->body, "uid", view_text(pods[i], VIEW_UID));
        buf_append_str(&action->body, "}}");
    }
}

struct pod_gc_gather {
    struct slice node;
    struct view_array pods;
};

static void pod_gc_gather(void *arg, const struct view *pod)
{
    struct pod_gc_gather *gather = arg;

    if (slice_equal(view_text(pod, POD_NODE), gather->node))
        view_array_add(&gather->pods, (struct view_list){&pod, 1});
}

/* When each missing node was first missed. */
static struct map *pod_gc_state(struct run *run)
{
    void **state = run_state(run);

    if (!*state)
        *state = mem_zalloc(sizeof(struct map));
    return *state;
}

static void pod_gc_state_free(void *state)
{
    if (state)
        map_clear(state, free);
    free(state);
}

static void pod_gc_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *node = run_get_key(run, &view_nodes, key);
    struct pod_gc_gather gather = {.node = key};
    int64_t now = clock_monotonic_ns(run_clock(run));
    int64_t *since;

    if (!node)
        run_each(run, &view_pods, pod_gc_gather, &gather);
    if (!gather.pods.count) {
        free(map_remove(pod_gc_state(run), key));
        free(gather.pods.items);
        return;
    }
    since = map_get(pod_gc_state(run), key);
    if (!since) {
        since = mem_dup(&now, sizeof(now));
        (void)map_put(pod_gc_state(run), key, since);
    }
    pod_gc_plan(node, gather.pods.items, gather.pods.count, (now - *since) / NS_PER_S, plan);
    free(gather.pods.items);
}

static void pod_gc_map_node(struct run *run, const struct view *before, const struct view *now)
{
    if (!before || !now)
        map_own(run, before, now);
}

static void pod_gc_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    if (now && view_text(now, POD_NODE).len && !(before && view_text(before, POD_NODE).len) &&
        !run_get_key(run, &view_nodes, view_text(now, POD_NODE)))
        run_add(run, view_text(now, POD_NODE));
}

const struct controller pod_gc_controller = {
    .name = "pod-garbage-collector",
    .watches = {{&view_nodes, pod_gc_map_node}, {&view_pods, pod_gc_map_pod}},
    .reconcile = pod_gc_reconcile,
    .free_state = pod_gc_state_free,
};
