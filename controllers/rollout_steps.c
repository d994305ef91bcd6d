/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How pods move from old ReplicaSets to the current one: rolling update, recreate, and proportional scaling of a
 * Deployment that is resized in the middle of a rollout or while paused.
 */
#include "controllers/rollout.h"

static int64_t rollout_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- resizing ---- */

/* The size of the Deployment was changed since its active sets were last scaled. */
bool rollout_needs_scaling(const struct rollout *r)
{
    for (size_t i = 0; i < r->set_count; i++) {
        int64_t desired = rollout_annotation_int(&r->sets[i], ROLLOUT_DESIRED, -1);

        if (r->sets[i].replicas > 0 && desired >= 0 && desired != r->replicas)
            return true;
    }
    return false;
}

/* The only active set, or the latest when none is; NULL when several are. */
static struct rollout_set *rollout_only(struct rollout *r)
{
    struct rollout_set *only = NULL;

    for (size_t i = 0; i < r->set_count; i++) {
        if (r->sets[i].replicas <= 0)
            continue;
        if (only)
            return NULL;
        only = &r->sets[i];
    }
    if (only)
        return only;
    if (r->fresh)
        return r->fresh;
    return r->set_count ? &r->sets[r->set_count - 1] : NULL;
}

static bool rollout_is_saturated(const struct rollout *r)
{
    return r->fresh && r->fresh->replicas == r->replicas &&
           rollout_annotation_int(r->fresh, ROLLOUT_DESIRED, -1) == r->replicas && r->fresh->available == r->replicas;
}

/* Larger first; equal ones newer first when growing, older first when shrinking. */
static int rollout_by_size(const void *a, const void *b, void *grow)
{
    const struct rollout_set *x = *(const struct rollout_set *const *)a;
    const struct rollout_set *y = *(const struct rollout_set *const *)b;

    if (x->replicas != y->replicas)
        return x->replicas > y->replicas ? -1 : 1;
    return (x < y ? -1 : 1) * (*(const bool *)grow ? -1 : 1);
}

/* By how much a set changes so that it keeps its share of the whole. */
static int64_t rollout_proportion(const struct rollout *r, const struct rollout_set *set, int64_t add, int64_t added)
{
    int64_t before = rollout_annotation_int(set, ROLLOUT_MAX, 0);
    int64_t most = r->replicas + r->max_surge;
    int64_t left = add - added;
    int64_t share;

    if (!set->replicas || !left)
        return 0;
    if (before <= 0)
        before = scan_int(scan_get(view_raw(r->in->deployment, DEPLOYMENT_STATUS), "replicas"), 0);
    if (!r->replicas)
        share = -set->replicas;
    else if (before <= 0)
        return 0;
    else
        share = (2 * set->replicas * most + before) / (2 * before) - set->replicas; /* rounded half up */
    if (add > 0)
        return share < left ? share : left;
    return share > left ? share : left;
}

static void rollout_scale_proportionally(struct rollout *r)
{
    struct rollout_set **active CLEANUP_FREE = mem_calloc(r->set_count, sizeof(struct rollout_set *));
    int64_t *sizes CLEANUP_FREE = mem_calloc(r->set_count, sizeof(*sizes));
    size_t count = 0;
    int64_t allowed = r->replicas > 0 ? r->replicas + r->max_surge : 0;
    int64_t add;
    int64_t added = 0;
    bool grow;

    for (size_t i = 0; i < r->set_count; i++)
        if (r->sets[i].replicas > 0)
            active[count++] = &r->sets[i];
    add = allowed - rollout_wanted(r);
    grow = add > 0;
    qsort_r(active, count, sizeof(struct rollout_set *), rollout_by_size, &grow);
    for (size_t i = 0; i < count; i++) {
        int64_t share = add ? rollout_proportion(r, active[i], add, added) : 0;

        sizes[i] = active[i]->replicas + share;
        added += share;
    }
    for (size_t i = 0; i < count; i++) {
        if (!i && add) {
            sizes[0] += add - added;
            sizes[0] = sizes[0] < 0 ? 0 : sizes[0];
        }
        if (!rollout_scale(r, active[i], sizes[i]))
            rollout_mark_size(r, active[i]);
    }
}

void rollout_scale_all(struct rollout *r)
{
    struct rollout_set *only = rollout_only(r);

    if (only) {
        if (!rollout_scale(r, only, r->replicas))
            rollout_mark_size(r, only);
        return;
    }
    if (rollout_is_saturated(r)) {
        for (size_t i = 0; i < r->set_count; i++)
            if (rollout_is_old(r, &r->sets[i]))
                (void)rollout_scale(r, &r->sets[i], 0);
        return;
    }
    if (r->rolling && r->set_count)
        rollout_scale_proportionally(r);
    /* Recreate does not share: the strategy empties the old sets; it must not take the size for news again. */
    for (size_t i = 0; !r->rolling && i < r->set_count; i++)
        if (r->sets[i].replicas > 0)
            rollout_mark_size(r, &r->sets[i]);
}

/* ---- rolling update ---- */

static bool rollout_grow_fresh(struct rollout *r)
{
    if (!r->fresh)
        return false;
    if (r->fresh->replicas > r->replicas)
        return rollout_scale(r, r->fresh, r->replicas);
    return rollout_scale(r, r->fresh, rollout_fresh_size(r));
}

/* Takes pods that do not work first; returns how many. */
static int64_t rollout_drop_unhealthy(struct rollout *r, int64_t most)
{
    int64_t dropped = 0;

    for (size_t i = 0; i < r->set_count && dropped < most; i++) {
        struct rollout_set *set = &r->sets[i];
        int64_t count;

        if (!rollout_is_old(r, set) || set->replicas <= set->available)
            continue;
        count = rollout_least(most - dropped, set->replicas - set->available);
        (void)rollout_scale(r, set, set->replicas - count);
        dropped += count;
    }
    return dropped;
}

static int64_t rollout_drop_available(struct rollout *r)
{
    int64_t least = r->replicas - r->max_unavailable;
    int64_t spare = -least;
    int64_t dropped = 0;

    for (size_t i = 0; i < r->set_count; i++)
        spare += r->sets[i].available;
    for (size_t i = 0; i < r->set_count && dropped < spare; i++) {
        struct rollout_set *set = &r->sets[i];
        int64_t count;

        if (!rollout_is_old(r, set) || !set->replicas)
            continue;
        count = rollout_least(spare - dropped, set->replicas);
        (void)rollout_scale(r, set, set->replicas - count);
        dropped += count;
    }
    return dropped;
}

static bool rollout_shrink_old(struct rollout *r)
{
    int64_t wanted = rollout_wanted(r);
    int64_t fresh = r->fresh ? r->fresh->replicas : 0;
    int64_t not_yet = fresh - (r->fresh ? r->fresh->available : 0);
    int64_t most;

    if (wanted == fresh)
        return false;
    most = wanted - (r->replicas - r->max_unavailable) - not_yet;
    if (most <= 0)
        return false;
    return rollout_drop_unhealthy(r, most) + rollout_drop_available(r) > 0;
}

void rollout_rolling(struct rollout *r)
{
    if (!r->fresh)
        return; /* it is being made */
    if (!rollout_grow_fresh(r) && !rollout_shrink_old(r) && rollout_is_complete(r))
        rollout_clean_up(r);
}

/* ---- recreate ---- */

static bool rollout_old_pods_run(const struct rollout *r)
{
    struct slice fresh = r->fresh ? view_text(r->fresh->view, VIEW_UID) : SLICE_NONE;

    for (size_t i = 0; i < r->set_count; i++)
        if (rollout_is_old(r, &r->sets[i]) && r->sets[i].actual > 0)
            return true;
    for (size_t i = 0; i < r->in->pod_count; i++) {
        const struct view *pod = r->in->pods[i];
        struct slice phase = view_text(pod, POD_PHASE);
        struct view_owner owner;

        if (slice_is(phase, "Failed") || slice_is(phase, "Succeeded") || !view_controller(pod, &owner))
            continue;
        if (!fresh.len || !slice_equal(owner.uid, fresh))
            return true;
    }
    return false;
}

void rollout_recreate(struct rollout *r)
{
    bool scaled = false;

    rollout_sync_revision(r, false);
    for (size_t i = 0; i < r->set_count; i++)
        if (rollout_is_old(r, &r->sets[i]))
            scaled = rollout_scale(r, &r->sets[i], 0) || scaled;
    if (scaled || rollout_old_pods_run(r))
        return;
    if (!r->fresh) {
        rollout_sync_revision(r, true);
        return;
    }
    if (!rollout_scale(r, r->fresh, r->replicas) && rollout_is_complete(r))
        rollout_clean_up(r);
}
