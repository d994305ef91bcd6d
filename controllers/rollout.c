/* SPDX-License-Identifier: Apache-2.0 */
/* The working copy of one Deployment: read from views, written out as one patch per ReplicaSet. */
#include "controllers/rollout.h"

#include <stdio.h>

#include "api/selector.h"
#include "controllers/adopt.h"

/* An int-or-percent of `total`, percentages rounded up or down. */
static int64_t rollout_share(struct slice raw, int64_t total, bool up)
{
    struct slice text = view_unquote(raw);
    int64_t percent = 0;

    if (!scan_is_string(raw))
        return scan_int(raw, 0);
    if (!slice_ends(text, SLICE_LIT("%")))
        return 0;
    text.len--;
    if (!slice_to_int64(text, &percent) || percent < 0 || percent > 1000000)
        return 0;
    return (percent * total + (up ? 99 : 0)) / 100;
}

static void rollout_read_strategy(struct rollout *r)
{
    struct slice strategy = scan_get(r->spec, "strategy");
    struct slice surge = scan_get(strategy, "rollingUpdate.maxSurge");
    struct slice unavailable = scan_get(strategy, "rollingUpdate.maxUnavailable");

    r->rolling = !scan_text_is(scan_get(strategy, "type"), "Recreate");
    if (!r->rolling)
        return;
    r->max_surge = rollout_share(surge.len ? surge : SLICE_LIT("\"25%\""), r->replicas, true);
    r->max_unavailable = rollout_share(unavailable.len ? unavailable : SLICE_LIT("\"25%\""), r->replicas, false);
    /* Rounding may leave no room to move at all; validation forbids two literal zeroes. */
    if (!r->max_surge && !r->max_unavailable)
        r->max_unavailable = 1;
    if (r->max_unavailable > r->replicas)
        r->max_unavailable = r->replicas;
}

static int64_t rollout_optional(struct slice raw)
{
    return raw.len && !slice_is(raw, "null") ? scan_int(raw, -1) : -1;
}

static int rollout_by_age(const void *a, const void *b)
{
    const struct rollout_set *x = a;
    const struct rollout_set *y = b;

    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return slice_compare(view_text(x->view, VIEW_NAME), view_text(y->view, VIEW_NAME));
}

static void rollout_add_set(struct rollout *r, const struct view *view)
{
    struct rollout_set *set = &r->sets[r->set_count++];
    struct slice status = view_raw(view, RS_STATUS);

    set->view = view;
    set->replicas = view_int(view, RS_REPLICAS, 1);
    set->actual = scan_int(scan_get(status, "replicas"), 0);
    set->ready = scan_int(scan_get(status, "readyReplicas"), 0);
    set->available = scan_int(scan_get(status, "availableReplicas"), 0);
    set->created = view_time(view, VIEW_CREATED);
    set->revision = rollout_annotation_int(set, ROLLOUT_REVISION, 0);
}

static void rollout_claim(struct rollout *r)
{
    const struct deployment_view *in = r->in;
    struct selector *selector = adopt_selector(scan_get(r->spec, "selector"));

    r->sets = mem_calloc(in->set_count ? in->set_count : 1, sizeof(*r->sets));
    for (size_t i = 0; selector && i < in->set_count; i++) {
        enum adopt_claim claim = adopt_judge(in->deployment, selector, in->sets[i]);

        if (claim == ADOPT_TAKE || claim == ADOPT_RELEASE)
            adopt_plan(r->plan, in->deployment, in->sets[i], claim);
        if (claim == ADOPT_MINE || claim == ADOPT_TAKE)
            rollout_add_set(r, in->sets[i]);
    }
    selector_free(selector);
    if (r->set_count)
        qsort(r->sets, r->set_count, sizeof(*r->sets), rollout_by_age);
}

void rollout_init(struct rollout *r, const struct deployment_view *in, struct plan *plan)
{
    memset(r, 0, sizeof(*r));
    r->in = in;
    r->plan = plan;
    r->spec = view_raw(in->deployment, DEPLOYMENT_SPEC);
    r->template = scan_get(r->spec, "template");
    r->replicas = scan_int(scan_get(r->spec, "replicas"), 1);
    r->generation = view_int(in->deployment, VIEW_GENERATION, 0);
    r->min_ready = scan_int(scan_get(r->spec, "minReadySeconds"), 0);
    r->deadline_s = rollout_optional(scan_get(r->spec, "progressDeadlineSeconds"));
    if (r->deadline_s == INT32_MAX)
        r->deadline_s = -1;
    r->history_limit = rollout_optional(scan_get(r->spec, "revisionHistoryLimit"));
    if (r->history_limit == INT32_MAX)
        r->history_limit = -1;
    r->paused = scan_bool(scan_get(r->spec, "paused"), false);
    r->collisions = scan_int(scan_get(view_raw(in->deployment, DEPLOYMENT_STATUS), "collisionCount"), 0);
    time_format_seconds(in->now, r->now);
    rollout_read_strategy(r);
    rollout_claim(r);
    rollout_read_conditions(r);
}

void rollout_clear(struct rollout *r)
{
    for (size_t i = 0; i < r->set_count; i++)
        buf_free(&r->sets[i].annotations);
    free(r->sets);
    for (size_t i = 0; i < r->condition_count; i++) {
        struct rollout_condition *c = &r->conditions[i];

        free(c->type);
        free(c->status);
        free(c->reason);
        free(c->message);
        free(c->updated);
        free(c->transitioned);
    }
}

int64_t rollout_annotation_int(const struct rollout_set *set, const char *name, int64_t fallback)
{
    int64_t value = fallback;

    (void)slice_to_int64(view_unquote(view_member(view_raw(set->view, RS_ANNOTATIONS), name)), &value);
    return value;
}

bool rollout_is_old(const struct rollout *r, const struct rollout_set *set)
{
    return set != r->fresh;
}

int64_t rollout_wanted(const struct rollout *r)
{
    int64_t sum = 0;

    for (size_t i = 0; i < r->set_count; i++)
        sum += r->sets[i].replicas;
    return sum;
}

static void rollout_mark(struct rollout_set *set, const char *name, int64_t value)
{
    char text[24];

    if (rollout_annotation_int(set, name, -1) == value)
        return;
    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    plan_member(&set->annotations, name, slice_str(text));
}

void rollout_mark_size(struct rollout *r, struct rollout_set *set)
{
    rollout_mark(set, ROLLOUT_DESIRED, r->replicas);
    rollout_mark(set, ROLLOUT_MAX, r->replicas + r->max_surge);
}

bool rollout_scale(struct rollout *r, struct rollout_set *set, int64_t replicas)
{
    if (set->replicas == replicas)
        return false;
    set->replicas = replicas;
    rollout_mark_size(r, set);
    return true;
}

static void rollout_emit_set(struct rollout *r, struct rollout_set *set)
{
    int64_t before = view_int(set->view, RS_REPLICAS, 1);
    struct action *action;
    struct buf *body;

    if (!set->annotations.len && set->replicas == before && !set->min_ready_differs)
        return;
    action = plan_add(r->plan, ACTION_PATCH, set->view->kind, view_text(set->view, VIEW_NAMESPACE),
                      view_text(set->view, VIEW_NAME));
    body = &action->body;
    buf_append_str(body, "{\"metadata\":{");
    plan_member(body, "uid", view_text(set->view, VIEW_UID));
    plan_member(body, "resourceVersion", view_text(set->view, VIEW_REVISION));
    if (set->annotations.len)
        buf_printf(body, ",\"annotations\":{%s}", buf_cstr(&set->annotations));
    buf_append_str(body, "},\"spec\":{");
    if (set->replicas != before)
        plan_member_int(body, "replicas", set->replicas);
    if (set->min_ready_differs)
        plan_member_int(body, "minReadySeconds", r->min_ready);
    buf_append_str(body, "}}");
    if (set->replicas == before)
        return;
    action->reason = "ScalingReplicaSet";
    action->message = mem_printf("Scaled %s replica set %s from %lld to %lld", set->replicas > before ? "up" : "down",
                                 action->name, (long long)before, (long long)set->replicas);
}

void rollout_emit_sets(struct rollout *r)
{
    for (size_t i = 0; i < r->set_count; i++)
        rollout_emit_set(r, &r->sets[i]);
}
