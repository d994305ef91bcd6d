/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Disruption: keeps the status of PodDisruptionBudgets. The API server takes one from disruptionsAllowed with every
 * eviction and notes the pod in disruptedPods; here the sum is made anew from what pods there are, and a noted pod
 * counts as gone until it is, or until two minutes later it still is not.
 *
 *     expected = what the pods' controllers want        (minAvailable as a number: the pods that there are)
 *     desired  = minAvailable, or expected - maxUnavailable     (percentages of expected, rounded up)
 *     allowed  = healthy - desired, never below 0
 */
#include "controllers/disruption.h"

#include "api/selector.h"
#include "controllers/replicaset.h"

#define DISRUPTION_CONFIRM_S 120 /* for an evicted pod to be seen going, as upstream */

struct disruption_counts {
    int64_t expected;
    int64_t desired;
    int64_t healthy;
    int64_t allowed;
    struct buf disrupted; /* members of disruptedPods */
};

static struct slice disruption_spec(const struct disruption_view *in, const char *name)
{
    return scan_get(view_raw(in->budget, BUDGET_SPEC), name);
}

static struct slice disruption_status(const struct disruption_view *in, const char *name)
{
    return scan_get(view_raw(in->budget, BUDGET_STATUS), name);
}

static bool disruption_is_percent(struct slice raw)
{
    return scan_is_string(raw);
}

/* An int-or-percent of `total`, rounded up. */
static int64_t disruption_share(struct slice raw, int64_t total)
{
    struct slice text = view_unquote(raw);
    int64_t percent = 0;

    if (!disruption_is_percent(raw))
        return scan_int(raw, 0);
    if (!text.len || !slice_to_int64(slice_make(text.data, text.len - 1), &percent) || percent < 0 || percent > 100)
        return 0;
    return (percent * total + 99) / 100;
}

/* Whether the number depends on what the controllers want. */
static bool disruption_needs_scale(const struct disruption_view *in)
{
    struct slice least = disruption_spec(in, "minAvailable");

    return disruption_spec(in, "maxUnavailable").data || disruption_is_percent(least);
}

static void disruption_count_wanted(const struct disruption_view *in, struct disruption_counts *c)
{
    struct slice most = disruption_spec(in, "maxUnavailable");
    struct slice least = disruption_spec(in, "minAvailable");

    c->expected = disruption_needs_scale(in) ? in->scale : (int64_t)in->pod_count;
    if (most.data)
        c->desired = c->expected - disruption_share(most, c->expected);
    else
        c->desired = disruption_share(least, c->expected);
    if (c->desired < 0)
        c->desired = 0;
}

/* When the eviction of a pod was allowed, if it has not been seen going and may still; else 0. */
static int64_t disruption_noted(const struct disruption_view *in, const struct view *pod, struct plan *plan)
{
    char *name CLEANUP_FREE = slice_dup(view_text(pod, VIEW_NAME));
    struct slice raw = view_member(disruption_status(in, "disruptedPods"), name);
    int64_t at = 0;
    int64_t due;

    if (view_deleting(pod) || !time_parse(view_unquote(raw), &at))
        return 0;
    due = at + DISRUPTION_CONFIRM_S * NS_PER_S;
    if (due < in->now)
        return 0;
    plan_again(plan, (uint64_t)((due - in->now) / NS_PER_MS) + 1000);
    return at;
}

static void disruption_count_pods(const struct disruption_view *in, struct disruption_counts *c, struct plan *plan)
{
    for (size_t i = 0; i < in->pod_count; i++) {
        const struct view *pod = in->pods[i];
        int64_t noted = disruption_noted(in, pod, plan);

        if (noted) {
            char *name CLEANUP_FREE = slice_dup(view_text(pod, VIEW_NAME));
            char text[TIME_TEXT_MAX];

            time_format_seconds(noted, text);
            plan_member(&c->disrupted, name, slice_str(text));
        } else if (!view_deleting(pod) && pod_is_ready(pod)) {
            c->healthy++;
        }
    }
    c->allowed = c->healthy - c->desired;
    if (c->expected <= 0 || c->allowed < 0)
        c->allowed = 0;
}

/* ---- the status ---- */

static struct slice disruption_condition(const struct disruption_view *in)
{
    struct scan_cursor at = scan_open(disruption_status(in, "conditions"));
    struct slice condition;

    while (scan_element(&at, &condition))
        if (scan_text_is(scan_get(condition, "type"), "DisruptionAllowed"))
            return condition;
    return SLICE_NONE;
}

static void disruption_write_condition(const struct disruption_view *in, const struct disruption_counts *c,
                                       struct buf *out)
{
    struct slice before = disruption_condition(in);
    const char *status = c->allowed > 0 ? "True" : "False";
    const char *reason = c->allowed > 0 ? "SufficientPods" : "InsufficientPods";
    char now[TIME_TEXT_MAX];
    bool same = scan_text_is(scan_get(before, "status"), status);

    time_format_seconds(in->now, now);
    buf_append_byte(out, '{');
    plan_member(out, "type", SLICE_LIT("DisruptionAllowed"));
    plan_member(out, "status", slice_str(status));
    plan_member_int(out, "observedGeneration", view_int(in->budget, VIEW_GENERATION, 0));
    plan_member(out, "lastTransitionTime",
                same ? view_unquote(scan_get(before, "lastTransitionTime")) : slice_str(now));
    plan_member(out, "reason", in->unsure ? SLICE_LIT("SyncFailed") : slice_str(reason));
    plan_member(out, "message", slice_str(in->unsure ? in->unsure : ""));
    buf_append_byte(out, '}');
}

static void disruption_write_status(const struct disruption_view *in, const struct disruption_counts *c,
                                    struct buf *out)
{
    buf_append_byte(out, '{');
    plan_member_int(out, "observedGeneration", view_int(in->budget, VIEW_GENERATION, 0));
    if (c->disrupted.len)
        buf_printf(out, ",\"disruptedPods\":{%.*s}", SLICE_ARGS(buf_slice(&c->disrupted)));
    plan_member_int(out, "disruptionsAllowed", c->allowed);
    plan_member_int(out, "currentHealthy", c->healthy);
    plan_member_int(out, "desiredHealthy", c->desired);
    plan_member_int(out, "expectedPods", c->expected);
    buf_append_str(out, ",\"conditions\":[");
    disruption_write_condition(in, c, out);
    buf_append_str(out, "]}");
}

static void disruption_plan_status(const struct disruption_view *in, const struct disruption_counts *c,
                                   struct plan *plan)
{
    struct action *action;
    BUF_LOCAL(status);

    disruption_write_status(in, c, &status);
    if (slice_equal(buf_slice(&status), view_raw(in->budget, BUDGET_STATUS)))
        return;
    action = plan_add(plan, ACTION_UPDATE, in->budget->kind, view_text(in->budget, VIEW_NAMESPACE),
                      view_text(in->budget, VIEW_NAME));
    action->sub = "status";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"apiVersion\":\"policy/v1\",\"kind\":\"PodDisruptionBudget\",\"metadata\":");
    buf_append_slice(&action->body, view_raw(in->budget, BUDGET_METADATA));
    buf_append_str(&action->body, ",\"spec\":");
    buf_append_slice(&action->body, view_raw(in->budget, BUDGET_SPEC));
    buf_printf(&action->body, ",\"status\":%s}", buf_cstr(&status));
    if (in->unsure && !scan_text_is(scan_get(disruption_condition(in), "reason"), "SyncFailed")) {
        action->reason = "CalculateExpectedPodCountFailed";
        action->message = mem_printf("Failed to calculate the number of expected pods: %s", in->unsure);
    }
}

void disruption_plan(const struct disruption_view *in, struct plan *plan)
{
    struct disruption_view sure = *in;
    struct disruption_counts counts = {0};

    plan_about(plan, in->budget);
    if (!disruption_needs_scale(in))
        sure.unsure = NULL;
    disruption_count_wanted(&sure, &counts);
    disruption_count_pods(&sure, &counts, plan);
    if (sure.unsure)
        counts.allowed = 0;
    disruption_plan_status(&sure, &counts, plan);
    buf_free(&counts.disrupted);
}

/* ---- reconcile ---- */

static struct selector *disruption_selector(const struct view *budget)
{
    struct slice raw = scan_get(view_raw(budget, BUDGET_SPEC), "selector");
    struct value *object CLEANUP_VALUE = raw.data ? value_parse(raw, NULL) : NULL;
    struct selector *selector = NULL;

    if (object)
        (void)selector_from_object(object, &selector, NULL);
    return selector;
}

struct disruption_gather {
    struct slice ns;
    struct selector *selector;
    struct view_array pods;
};

static bool disruption_selects(const struct selector *selector, const struct view *pod)
{
    return pod && selector_matches_bytes(selector, view_raw(pod, VIEW_LABELS));
}

static void disruption_gather(void *arg, const struct view *pod)
{
    struct disruption_gather *gather = arg;

    if (slice_equal(view_text(pod, VIEW_NAMESPACE), gather->ns) && disruption_selects(gather->selector, pod))
        view_array_add(&gather->pods, (struct view_list){&pod, 1});
}

static int disruption_by_name(const void *a, const void *b)
{
    const struct view *const *x = a;
    const struct view *const *y = b;

    return slice_compare(view_text(*x, VIEW_NAME), view_text(*y, VIEW_NAME));
}

/* Where the kinds that own pods say how many they want. */
static const struct {
    const struct view_kind *kind;
    unsigned field;
    const char *path; /* in the field; NULL = the field itself */
} disruption_scales[] = {
    {&view_replicasets, RS_REPLICAS, NULL},
    {&view_deployments, DEPLOYMENT_SPEC, "replicas"},
};

/* The topmost controller of a pod that says how many it wants; NULL = there is none. */
static const struct view *disruption_owner(struct run *run, const struct view *pod, int64_t *ret_scale)
{
    const struct view *at = pod;
    const struct view *found = NULL;
    struct view_owner owner;

    for (unsigned depth = 0; depth < 4 && at && view_controller(at, &owner); depth++) {
        const struct view *up = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(disruption_scales); i++) {
            struct slice raw;

            if (!slice_is(owner.kind, disruption_scales[i].kind->kind) ||
                !slice_is(owner.api_version, disruption_scales[i].kind->api_version))
                continue;
            up = run_get(run, disruption_scales[i].kind, view_text(pod, VIEW_NAMESPACE), owner.name);
            if (!up || !slice_equal(view_text(up, VIEW_UID), owner.uid))
                return found;
            raw = view_raw(up, disruption_scales[i].field);
            *ret_scale = scan_int(disruption_scales[i].path ? scan_get(raw, disruption_scales[i].path) : raw, 1);
            found = up;
        }
        at = up;
    }
    return found;
}

/* What the controllers of the pods want together; each is counted once. */
static const char *disruption_scale(struct run *run, const struct view_array *pods, int64_t *ret_scale)
{
    struct view_array owners = {0};
    const char *unsure = NULL;

    *ret_scale = 0;
    for (size_t i = 0; i < pods->count; i++) {
        struct view_owner owner;
        int64_t scale = 0;
        const struct view *top = disruption_owner(run, pods->items[i], &scale);
        bool counted = false;

        if (!view_controller(pods->items[i], &owner))
            continue; /* nobody wants more of it */
        if (!top) {
            unsure = "a pod's controller does not say how many pods it wants";
            continue;
        }
        for (size_t k = 0; k < owners.count; k++)
            counted = counted || owners.items[k] == top;
        if (counted)
            continue;
        view_array_add(&owners, (struct view_list){&top, 1});
        *ret_scale += scale;
    }
    free(owners.items);
    return unsure;
}

static void disruption_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *budget = run_get_key(run, &view_budgets, key);
    struct disruption_gather gather = {0};
    struct disruption_view in = {.budget = budget, .now = run_now(run)};

    if (!budget || view_deleting(budget))
        return;
    gather.ns = view_text(budget, VIEW_NAMESPACE);
    gather.selector = disruption_selector(budget);
    if (gather.selector)
        run_each_selected(run, &view_pods, budget, disruption_gather, &gather);
    if (gather.pods.count)
        qsort(gather.pods.items, gather.pods.count, sizeof(*gather.pods.items), disruption_by_name);
    in.unsure = disruption_scale(run, &gather.pods, &in.scale);
    in.pods = gather.pods.items;
    in.pod_count = gather.pods.count;
    disruption_plan(&in, plan);
    selector_free(gather.selector);
    free(gather.pods.items);
}

/* ---- what wakes it ---- */

struct disruption_wake {
    struct run *run;
    struct slice ns;
    const struct view *before; /* of the pod; both NULL = every budget of the namespace */
    const struct view *now;
};

static void disruption_wake(void *arg, const struct view *budget)
{
    const struct disruption_wake *wake = arg;
    struct selector *selector;

    if (!slice_equal(view_text(budget, VIEW_NAMESPACE), wake->ns))
        return;
    if (wake->before || wake->now) {
        bool concerns;

        selector = disruption_selector(budget);
        concerns = selector && (disruption_selects(selector, wake->before) || disruption_selects(selector, wake->now));
        selector_free(selector);
        if (!concerns)
            return;
    }
    map_own(wake->run, NULL, budget);
}

static void disruption_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    struct disruption_wake wake = {run, view_text(now ? now : before, VIEW_NAMESPACE), before, now};

    if (before && now && slice_equal(view_raw(before, VIEW_LABELS), view_raw(now, VIEW_LABELS)) &&
        slice_equal(view_raw(before, VIEW_OWNERS), view_raw(now, VIEW_OWNERS)) &&
        pod_is_ready(before) == pod_is_ready(now) && view_deleting(before) == view_deleting(now))
        return;
    run_each_selecting(run, &view_budgets, before, now, disruption_wake, &wake);
}

static void disruption_map_scale(struct run *run, const struct view *before, const struct view *now)
{
    struct disruption_wake wake = {.run = run, .ns = view_text(now ? now : before, VIEW_NAMESPACE)};

    if (!before || !now || view_int(before, VIEW_GENERATION, 0) != view_int(now, VIEW_GENERATION, 0))
        run_each(run, &view_budgets, disruption_wake, &wake);
}

const struct controller disruption_controller = {
    .name = "disruption-controller",
    .component = "controllermanager",
    .parallel = 4,
    .watches = {{&view_budgets, map_own},
                {&view_pods, disruption_map_pod},
                {&view_replicasets, disruption_map_scale},
                {&view_deployments, disruption_map_scale}},
    .reconcile = disruption_reconcile,
};
