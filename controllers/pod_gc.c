/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pods whose Node is gone: nobody is left to stop them, so they are deleted without grace, after a while in which the
 * Node may come back. And pods that have ended, when too many of them lie about. Keys are node names, and one that no
 * node can have for those that have ended.
 */
#include "controllers/rows.h"

#include "lib/map.h"

#define POD_GC_TERMINATED "/terminated" /* a key */
#define POD_GC_LIMIT      12500         /* as upstream */
#define POD_GC_REST_S     5             /* between two looks at all pods that have ended */

/* Ended, and whatever becomes of it now changes nothing. */
static bool pod_gc_is_over(const struct view *pod)
{
    struct slice phase = view_text(pod, POD_PHASE);

    return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

/* That very pod, at once. */
static void pod_gc_delete(const struct view *pod, struct plan *plan)
{
    struct action *action = plan_delete(plan, pod);

    action->group = 2;
    buf_reset(&action->body);
    buf_append_str(&action->body,
                   "{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,\"preconditions\":{");
    plan_member(&action->body, "uid", view_text(pod, VIEW_UID));
    buf_append_str(&action->body, "}}");
}

void pod_gc_plan(const struct view *node, const struct view *const *pods, size_t count, int64_t missing_s, int64_t now,
                 struct plan *plan)
{
    if (node || !count)
        return;
    if (missing_s < POD_GC_WAIT_S) {
        plan_again(plan, (uint64_t)(POD_GC_WAIT_S - missing_s) * 1000);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!pod_gc_is_over(pods[i]))
            plan_disruption(plan, pods[i], "DeletionByPodGC", "PodGC: node no longer exists", now)->group = 1;
        pod_gc_delete(pods[i], plan);
    }
}

/* Oldest first. */
static int pod_gc_by_age(const void *a, const void *b)
{
    const struct view *const *x = a;
    const struct view *const *y = b;
    int order = slice_compare(view_text(*x, VIEW_CREATED), view_text(*y, VIEW_CREATED));

    return order ? order : slice_compare(view_text(*x, VIEW_NAME), view_text(*y, VIEW_NAME));
}

void pod_gc_terminated_plan(const struct view **pods, size_t count, size_t limit, struct plan *plan)
{
    if (count <= limit)
        return;
    qsort(pods, count, sizeof(*pods), pod_gc_by_age);
    for (size_t i = 0; i < count - limit; i++)
        pod_gc_delete(pods[i], plan);
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

static bool pod_gc_has_ended(const struct view *pod)
{
    return !view_deleting(pod) && pod_gc_is_over(pod);
}

static void pod_gc_gather_ended(void *arg, const struct view *pod)
{
    if (pod_gc_has_ended(pod))
        view_array_add(arg, (struct view_list){&pod, 1});
}

/* Thousands may end at once: all of them are looked at now and then only. */
static void pod_gc_terminated(struct run *run, int64_t now, struct plan *plan)
{
    struct slice key = SLICE_LIT(POD_GC_TERMINATED);
    size_t limit = run_options(run)->terminated_pods;
    int64_t *last = map_get(pod_gc_state(run), key);
    struct view_array pods = {0};

    if (last && now - *last < POD_GC_REST_S * NS_PER_S) {
        plan_again(plan, (uint64_t)(*last + POD_GC_REST_S * NS_PER_S - now) / NS_PER_MS + 1);
        return;
    }
    if (last)
        *last = now;
    else
        (void)map_put(pod_gc_state(run), key, mem_dup(&now, sizeof(now)));
    run_each(run, &view_pods, pod_gc_gather_ended, &pods);
    pod_gc_terminated_plan(pods.items, pods.count, limit ? limit : POD_GC_LIMIT, plan);
    free(pods.items);
}

static void pod_gc_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *node = run_get_key(run, &view_nodes, key);
    struct pod_gc_gather gather = {.node = key};
    int64_t now = clock_monotonic_ns(run_clock(run));
    int64_t *since;

    if (slice_is(key, POD_GC_TERMINATED)) {
        pod_gc_terminated(run, now, plan);
        return;
    }
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
    pod_gc_plan(node, gather.pods.items, gather.pods.count, (now - *since) / NS_PER_S, run_now(run), plan);
    free(gather.pods.items);
}

static void pod_gc_map_node(struct run *run, const struct view *before, const struct view *now)
{
    if (!before || !now)
        map_own(run, before, now);
}

static void pod_gc_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    if (now && pod_gc_has_ended(now) && !(before && pod_gc_has_ended(before)))
        run_add(run, SLICE_LIT(POD_GC_TERMINATED));
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
