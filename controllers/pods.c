/* SPDX-License-Identifier: Apache-2.0 */
/* What controllers need to know of pods: whether one counts, and which ones to delete first. */
#include "controllers/replicaset.h"

bool pod_is_active(const struct view *pod)
{
    struct slice phase = view_text(pod, POD_PHASE);

    return !slice_is(phase, "Succeeded") && !slice_is(phase, "Failed") && !view_deleting(pod);
}

bool pod_is_ready(const struct view *pod)
{
    return scan_text_is(scan_get(view_raw(pod, POD_READY), "status"), "True");
}

/* When the pod became ready; 0 = unknown. */
static int64_t pod_ready_since(const struct view *pod)
{
    int64_t ns = 0;

    (void)time_parse(view_unquote(scan_get(view_raw(pod, POD_READY), "lastTransitionTime")), &ns);
    return ns;
}

bool pod_is_available(const struct view *pod, int64_t min_ready_s, int64_t now, uint64_t *ret_wait_ms)
{
    int64_t since;
    int64_t due;

    *ret_wait_ms = 0;
    if (!pod_is_ready(pod))
        return false;
    if (min_ready_s <= 0)
        return true;
    since = pod_ready_since(pod);
    if (!since)
        return false;
    due = since + min_ready_s * NS_PER_S;
    if (due <= now)
        return true;
    *ret_wait_ms = (uint64_t)((due - now) / NS_PER_MS) + 1;
    return false;
}

/* ---- order of deletion ---- */

static int pod_phase_order(const struct view *pod)
{
    struct slice phase = view_text(pod, POD_PHASE);

    if (slice_is(phase, "Running"))
        return 2;
    return slice_is(phase, "Unknown") ? 1 : 0;
}

static int64_t pod_deletion_cost(const struct view *pod)
{
    int64_t cost = 0;

    (void)slice_to_int64(view_text(pod, POD_DELETION_COST), &cost);
    return cost;
}

static int64_t pod_restarts(const struct view *pod)
{
    struct scan_cursor at = scan_open(view_raw(pod, POD_RESTARTS));
    struct slice container;
    int64_t most = 0;

    while (scan_element(&at, &container)) {
        int64_t restarts = scan_int(scan_get(container, "restartCount"), 0);

        most = restarts > most ? restarts : most;
    }
    return most;
}

/* The power of two of an age: ages of one magnitude count as equal. */
static int pod_age_magnitude(int64_t since, int64_t now)
{
    return now > since ? 63 - __builtin_clzll((unsigned long long)(now - since)) : -1;
}

/* Younger first by magnitude, unknown times before all; 0 = no difference. */
static int pod_compare_ages(int64_t a, int64_t b, int64_t now)
{
    if (a == b)
        return 0;
    if (!a || !b)
        return !a ? -1 : 1;
    return pod_age_magnitude(a, now) - pod_age_magnitude(b, now);
}

struct pod_rank {
    const struct view *pod;
    size_t rank;
};

static int pod_order(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Upstream's order: unassigned, pending, unknown, not ready, cheap, crowded, ready for less time, more restarts, newer.
 */
static int pod_compare(const void *left, const void *right, void *arg)
{
    const struct pod_rank *a = left;
    const struct pod_rank *b = right;
    int64_t now = *(const int64_t *)arg;
    bool ready = pod_is_ready(a->pod) && pod_is_ready(b->pod);
    int by[] = {
        pod_order(view_text(a->pod, POD_NODE).len > 0, view_text(b->pod, POD_NODE).len > 0),
        pod_order(pod_phase_order(a->pod), pod_phase_order(b->pod)),
        pod_order(pod_is_ready(a->pod), pod_is_ready(b->pod)),
        pod_order(pod_deletion_cost(a->pod), pod_deletion_cost(b->pod)),
        pod_order((int64_t)b->rank, (int64_t)a->rank),
        ready ? pod_compare_ages(pod_ready_since(a->pod), pod_ready_since(b->pod), now) : 0,
        pod_order(pod_restarts(b->pod), pod_restarts(a->pod)),
        pod_compare_ages(view_time(a->pod, VIEW_CREATED), view_time(b->pod, VIEW_CREATED), now),
        slice_compare(view_text(a->pod, VIEW_UID), view_text(b->pod, VIEW_UID)),
    };

    for (size_t i = 0; i < ARRAY_SIZE(by); i++)
        if (by[i])
            return by[i];
    return 0;
}

void pods_sort_for_deletion(const struct view **pods, size_t *ranks, size_t count, int64_t now)
{
    struct pod_rank *sorted CLEANUP_FREE = mem_calloc(count ? count : 1, sizeof(*sorted));

    for (size_t i = 0; i < count; i++)
        sorted[i] = (struct pod_rank){pods[i], ranks[i]};
    qsort_r(sorted, count, sizeof(*sorted), pod_compare, &now);
    for (size_t i = 0; i < count; i++) {
        pods[i] = sorted[i].pod;
        ranks[i] = sorted[i].rank;
    }
}
