/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ReplicaSet: pods are claimed (adopted, released), then made in batches that double while they succeed, or deleted in
 * upstream's order of preference, then the status is written. The runner sees to it that a plan never starts before the
 * last one's pods are seen, so that counting pods is enough.
 */
#include "controllers/replicaset.h"

#include "api/selector.h"
#include "controllers/adopt.h"
#include "lib/map.h"

/* Owned pods of one set. */
struct replicaset_pods {
    const struct view **active;
    size_t count;
};

/* Sorts pods into what is ours; adoptions and releases go into the plan. */
static void replicaset_claim(const struct replicaset_view *in, const struct selector *selector, struct plan *plan,
                             struct replicaset_pods *mine)
{
    mine->active = mem_calloc(in->pod_count ? in->pod_count : 1, sizeof(*mine->active));
    for (size_t i = 0; i < in->pod_count; i++) {
        const struct view *pod = in->pods[i];
        enum adopt_claim claim = pod_is_active(pod) ? adopt_judge(in->set, selector, pod) : ADOPT_OTHER;

        if (claim == ADOPT_MINE || claim == ADOPT_TAKE)
            mine->active[mine->count++] = pod;
        if (claim == ADOPT_TAKE || claim == ADOPT_RELEASE)
            adopt_plan(plan, in->set, pod, claim);
    }
}

/* The pod to be made: the template with its owner. */
static void replicaset_write_pod(const struct view *set, struct buf *out)
{
    struct slice template = view_raw(set, RS_TEMPLATE);
    struct slice metadata = scan_get(template, "metadata");
    struct slice name = view_text(set, VIEW_NAME);
    static const char *const copied[] = {"labels", "annotations", "finalizers"};

    buf_append_str(out, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{");
    /* Generated names are cut so that they stay within a label's 63 characters. */
    if (name.len > 57)
        name.len = 57;
    {
        char *prefix CLEANUP_FREE = mem_printf("%.*s-", SLICE_ARGS(name));

        plan_member(out, "generateName", slice_str(prefix));
    }
    plan_member(out, "namespace", view_text(set, VIEW_NAMESPACE));
    for (size_t i = 0; i < ARRAY_SIZE(copied); i++) {
        struct slice value = scan_get(metadata, copied[i]);

        if (value.len && !slice_is(value, "null"))
            plan_member_raw(out, copied[i], value);
    }
    buf_append_str(out, ",\"ownerReferences\":[");
    adopt_write_owner(out, set);
    buf_append_str(out, "]}");
    plan_member_raw(out, "spec", scan_get(template, "spec"));
    buf_append_byte(out, '}');
}

static void replicaset_plan_creates(const struct view *set, size_t count, struct plan *plan)
{
    BUF_LOCAL(pod);
    size_t batch = 1;
    unsigned group = 1;

    if (count > REPLICASET_BURST)
        count = REPLICASET_BURST;
    replicaset_write_pod(set, &pod);
    /* Slow start: a template that is refused is refused once, not five hundred times. */
    for (size_t made = 0; made < count; group++, batch *= 2)
        for (size_t i = 0; i < batch && made < count; i++, made++) {
            struct action *action =
                plan_add(plan, ACTION_CREATE, &view_pods, view_text(set, VIEW_NAMESPACE), SLICE_NONE);

            buf_append_slice(&action->body, buf_slice(&pod));
            action->group = group;
            action->reason = "SuccessfulCreate";
            action->message = mem_strdup("Created pod: {name}");
            action->failure_reason = "FailedCreate";
            action->failure_message = "Error creating: {error}";
        }
}

/* How crowded its node is, for each pod. */
static void replicaset_rank(const struct replicaset_view *in, const struct replicaset_pods *mine, size_t *ret_ranks)
{
    struct map nodes = {0}; /* node -> number of active related pods */

    for (size_t i = 0; i < in->related_count; i++) {
        struct slice node = view_text(in->related[i], POD_NODE);

        if (node.len && pod_is_active(in->related[i]))
            (void)map_put(&nodes, node, (void *)((uintptr_t)map_get(&nodes, node) + 1));
    }
    for (size_t i = 0; i < mine->count; i++)
        ret_ranks[i] = (uintptr_t)map_get(&nodes, view_text(mine->active[i], POD_NODE));
    map_clear(&nodes, NULL);
}

static void replicaset_plan_deletes(const struct replicaset_view *in, const struct replicaset_pods *mine, size_t count,
                                    struct plan *plan)
{
    size_t *ranks CLEANUP_FREE = mem_calloc(mine->count, sizeof(*ranks));

    if (count < mine->count) { /* where all go, the order does not matter */
        replicaset_rank(in, mine, ranks);
        pods_sort_for_deletion(mine->active, ranks, mine->count, in->now);
    }
    if (count > REPLICASET_BURST)
        count = REPLICASET_BURST;
    for (size_t i = 0; i < count; i++) {
        struct action *action = plan_delete(plan, mine->active[i]);

        action->group = 1;
        action->reason = "SuccessfulDelete";
        action->message = mem_printf("Deleted pod: %s", action->name);
        action->failure_reason = "FailedDelete";
        action->failure_message = "Error deleting: {error}";
    }
}

struct replicaset_counts {
    int64_t replicas;
    int64_t fully_labeled;
    int64_t ready;
    int64_t available;
};

static struct replicaset_counts replicaset_count(const struct replicaset_view *in, const struct replicaset_pods *mine,
                                                 struct plan *plan)
{
    struct slice labels = scan_get(view_raw(in->set, RS_TEMPLATE), "metadata.labels");
    int64_t min_ready = view_int(in->set, RS_MIN_READY, 0);
    struct replicaset_counts counts = {.replicas = (int64_t)mine->count};

    for (size_t i = 0; i < mine->count; i++) {
        const struct view *pod = mine->active[i];
        uint64_t wait_ms;

        counts.fully_labeled += view_has_members(view_raw(pod, VIEW_LABELS), labels);
        counts.ready += pod_is_ready(pod);
        if (pod_is_available(pod, min_ready, in->now, &wait_ms))
            counts.available++;
        else if (wait_ms)
            plan_again(plan, wait_ms);
    }
    return counts;
}

static bool replicaset_has_failure(struct slice status)
{
    struct scan_cursor at = scan_open(scan_get(status, "conditions"));
    struct slice condition;

    while (scan_element(&at, &condition))
        if (scan_text_is(scan_get(condition, "type"), "ReplicaFailure"))
            return true;
    return false;
}

/* The list of conditions: ReplicaFailure is the only one a ReplicaSet has. */
static void replicaset_write_failure(const struct replicaset_view *in, bool failing, struct buf *out)
{
    char now[TIME_TEXT_MAX];

    if (!failing) {
        plan_member_raw(out, "conditions", SLICE_LIT("null"));
        return;
    }
    time_format_seconds(in->now, now);
    buf_append_str(out, ",\"conditions\":[{\"type\":\"ReplicaFailure\",\"status\":\"True\"");
    plan_member(out, "lastTransitionTime", slice_str(now));
    plan_member(out, "reason", slice_str(in->refusal));
    plan_member(out, "message", slice_str(in->refusal_message));
    buf_append_str(out, "}]");
}

/* failing: pods are missing or too many, and the API refused the last attempt. */
static void replicaset_plan_status(const struct replicaset_view *in, const struct replicaset_counts *now, bool failing,
                                   struct plan *plan)
{
    const struct view *set = in->set;
    const struct {
        const char *name;
        int64_t value;
    } rows[] = {
        {"replicas", now->replicas},
        {"fullyLabeledReplicas", now->fully_labeled},
        {"readyReplicas", now->ready},
        {"availableReplicas", now->available},
        {"observedGeneration", view_int(set, VIEW_GENERATION, 0)},
    };
    struct slice status = view_raw(set, RS_STATUS);
    struct action *action;
    bool same = status.len > 0 && replicaset_has_failure(status) == failing;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        same = same && scan_int(scan_get(status, rows[i].name), 0) == rows[i].value;
    if (same)
        return;
    action = plan_add(plan, ACTION_PATCH, set->kind, view_text(set, VIEW_NAMESPACE), view_text(set, VIEW_NAME));
    action->sub = "status";
    action->flags = ACTION_ALWAYS | ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(set, VIEW_UID));
    buf_append_str(&action->body, "},\"status\":{");
    /* Upstream leaves zero counts out, but for `replicas`. */
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].value || !i)
            plan_member_int(&action->body, rows[i].name, rows[i].value);
        else
            plan_member_raw(&action->body, rows[i].name, SLICE_LIT("null"));
    if (replicaset_has_failure(status) != failing)
        replicaset_write_failure(in, failing, &action->body);
    buf_append_str(&action->body, "}}");
}

void replicaset_plan(const struct replicaset_view *in, struct plan *plan)
{
    struct selector *selector = adopt_selector(view_raw(in->set, RS_SELECTOR));
    struct replicaset_pods mine = {0};
    struct replicaset_counts counts;
    int64_t wanted = view_int(in->set, RS_REPLICAS, 1);

    if (!selector)
        return;
    plan_about(plan, in->set);
    replicaset_claim(in, selector, plan, &mine);
    counts = replicaset_count(in, &mine, plan);
    if (!view_deleting(in->set) && wanted > counts.replicas)
        replicaset_plan_creates(in->set, (size_t)(wanted - counts.replicas), plan);
    else if (!view_deleting(in->set) && wanted < counts.replicas)
        replicaset_plan_deletes(in, &mine, (size_t)(counts.replicas - wanted), plan);
    replicaset_plan_status(in, &counts, in->refusal && wanted != counts.replicas, plan);
    selector_free(selector);
    free(mine.active);
}

/* ---- reconcile ---- */

struct replicaset_match {
    struct run *run;
    const struct view *pod;
};

/* A pod without a controller may be for any set of its namespace that selects it. */
static void replicaset_match(void *arg, const struct view *set)
{
    const struct replicaset_match *match = arg;
    struct selector *selector;

    if (!slice_equal(view_text(set, VIEW_NAMESPACE), view_text(match->pod, VIEW_NAMESPACE)))
        return;
    selector = adopt_selector(view_raw(set, RS_SELECTOR));
    if (selector && adopt_judge(set, selector, match->pod) == ADOPT_TAKE)
        map_own(match->run, NULL, set);
    selector_free(selector);
}

static void replicaset_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    struct replicaset_match match = {run, now};
    struct view_owner owner;

    map_owner(run, before, now);
    if (now && !view_controller(now, &owner))
        run_each_selecting(run, &view_replicasets, NULL, now, replicaset_match, &match);
}

static void replicaset_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct replicaset_view in = {.set = run_get_key(run, &view_replicasets, key), .now = run_now(run)};
    struct view_array pods = {0};
    struct view_array related = {0};
    struct run_refusal refusal = run_last_refusal(run, key);
    struct view_owner owner;

    if (!in.set)
        return;
    in.refusal = refusal.reason;
    in.refusal_message = refusal.message;
    view_array_add(&pods, run_owned(run, &view_pods, view_text(in.set, VIEW_UID)));
    run_add_unowned(run, &view_pods, in.set, &pods);
    if (view_controller(in.set, &owner)) {
        struct view_list sets = run_owned(run, &view_replicasets, owner.uid);

        for (size_t i = 0; i < sets.count; i++)
            view_array_add(&related, run_owned(run, &view_pods, view_text(sets.items[i], VIEW_UID)));
    }
    in.pods = pods.items;
    in.pod_count = pods.count;
    in.related = related.items;
    in.related_count = related.count;
    replicaset_plan(&in, plan);
    free(pods.items);
    free(related.items);
}

const struct controller replicaset_controller = {
    .name = "replicaset-controller",
    .component = "replicaset-controller",
    .parallel = 8,
    .watches = {{&view_replicasets, map_own}, {&view_pods, replicaset_map_pod}},
    .reconcile = replicaset_reconcile,
};
