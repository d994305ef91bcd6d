/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node lifecycle. Life shows in a Lease that changes; how long ago it was seen to change is measured with our own
 * clock, because a node's clock may be wrong.
 *
 *     renewing, Ready True  -> no taint of ours
 *     renewing, Ready False -> node.kubernetes.io/not-ready
 *     silent for the grace  -> conditions Unknown, node.kubernetes.io/unreachable, its pods not Ready
 *
 * not-ready and unreachable come as NoSchedule, and as NoExecute when it is the node's turn (node_zones.c). Pods leave
 * when their tolerations of the NoExecute taints run out.
 */
#include "controllers/node_lifecycle.h"

#include "lib/map.h"

#define NODE_NOT_READY   "node.kubernetes.io/not-ready"
#define NODE_UNREACHABLE "node.kubernetes.io/unreachable"

#define NODE_LOOK_MS 10000 /* between two looks at a node that is not healthy */

enum node_health { NODE_READY, NODE_NOT_READY_SAID, NODE_SILENT };

static struct slice node_condition(const struct view *node, const char *type)
{
    struct scan_cursor at = scan_open(view_raw(node, NODE_CONDITIONS));
    struct slice condition;

    while (scan_element(&at, &condition))
        if (scan_text_is(scan_get(condition, "type"), type))
            return condition;
    return SLICE_NONE;
}

static bool node_condition_is(const struct view *node, const char *type, const char *status)
{
    return scan_text_is(scan_get(node_condition(node, type), "status"), status);
}

/* ---- conditions ---- */

static void node_write_unknown(const struct node_view *in, const char *type, const char *now, struct buf *out)
{
    if (out->data[out->len - 1] == '}')
        buf_append_byte(out, ',');
    buf_append_byte(out, '{');
    plan_member(out, "type", slice_str(type));
    plan_member(out, "status", SLICE_LIT("Unknown"));
    plan_member(out, "reason", in->never ? SLICE_LIT("NodeStatusNeverUpdated") : SLICE_LIT("NodeStatusUnknown"));
    plan_member(out, "message",
                in->never ? SLICE_LIT("Kubelet never posted node status.")
                          : SLICE_LIT("Kubelet stopped posting node status."));
    plan_member(out, "lastTransitionTime", slice_str(now));
    buf_append_byte(out, '}');
}

/* What is not known any more becomes Unknown. */
static void node_plan_unknown(const struct node_view *in, struct plan *plan)
{
    static const char *const types[] = {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"};
    char now[TIME_TEXT_MAX];
    struct action *action;
    BUF_LOCAL(list);

    time_format_seconds(in->now, now);
    buf_append_byte(&list, '[');
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (!node_condition_is(in->node, types[i], "Unknown"))
            node_write_unknown(in, types[i], now, &list);
    if (list.len == 1)
        return;
    action = plan_add(plan, ACTION_PATCH, &view_nodes, SLICE_NONE, view_text(in->node, VIEW_NAME));
    action->sub = "status";
    action->patch_type = "application/strategic-merge-patch+json";
    action->flags = ACTION_MISSING_IS_FINE;
    buf_printf(&action->body, "{\"status\":{\"conditions\":%s]}}", buf_cstr(&list));
    action->reason = "NodeNotReady";
    action->message = mem_printf("Node %s status is now: NodeNotReady", action->name);
}

/* ---- taints ---- */

struct node_taint_rule {
    const char *key;
    const char *condition; /* its type */
    const char *status;    /* the one that taints */
};

static const struct node_taint_rule node_pressure_rules[] = {
    {"node.kubernetes.io/memory-pressure", "MemoryPressure", "True"},
    {"node.kubernetes.io/disk-pressure", "DiskPressure", "True"},
    {"node.kubernetes.io/pid-pressure", "PIDPressure", "True"},
    {"node.kubernetes.io/network-unavailable", "NetworkUnavailable", "True"},
};

struct node_taint {
    const char *key;
    const char *effect;
    bool wanted;
    bool there;
    bool executes;
};

#define NODE_TAINTS_MAX 12

/* The taints that are ours to put and take away, and which of them the node should bear. */
static size_t node_taints(const struct node_view *in, enum node_health health, struct node_taint *taints)
{
    static const char *const effects[] = {"NoSchedule", "NoExecute"};
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(effects); i++) {
        bool executes = i == 1;
        bool held = executes && in->all_lost;

        taints[count++] =
            (struct node_taint){NODE_NOT_READY, effects[i], health == NODE_NOT_READY_SAID && !held, false, executes};
        taints[count++] =
            (struct node_taint){NODE_UNREACHABLE, effects[i], health == NODE_SILENT && !held, false, executes};
    }
    for (size_t i = 0; i < ARRAY_SIZE(node_pressure_rules); i++) {
        const struct node_taint_rule *rule = &node_pressure_rules[i];

        taints[count++] = (struct node_taint){rule->key, "NoSchedule",
                                              node_condition_is(in->node, rule->condition, rule->status), false, false};
    }
    taints[count++] = (struct node_taint){"node.kubernetes.io/unschedulable", "NoSchedule",
                                          view_bool(in->node, NODE_UNSCHEDULABLE), false, false};
    return count;
}

static struct node_taint *node_find_taint(struct node_taint *taints, size_t count, struct slice raw)
{
    for (size_t i = 0; i < count; i++)
        if (scan_text_is(scan_get(raw, "key"), taints[i].key) &&
            scan_text_is(scan_get(raw, "effect"), taints[i].effect))
            return &taints[i];
    return NULL;
}

static void node_write_taint(const struct node_taint *taint, const char *now, struct buf *out)
{
    if (out->len > 1)
        buf_append_byte(out, ',');
    buf_append_byte(out, '{');
    plan_member(out, "key", slice_str(taint->key));
    plan_member(out, "effect", slice_str(taint->effect));
    if (!strcmp(taint->effect, "NoExecute"))
        plan_member(out, "timeAdded", slice_str(now));
    buf_append_byte(out, '}');
}

/* Whether the node bears one of ours that sends pods away: it has had its turn. */
static bool node_executes(const struct view *node)
{
    struct scan_cursor at = scan_open(view_raw(node, NODE_TAINTS));
    struct slice raw;

    while (scan_element(&at, &raw))
        if (scan_text_is(scan_get(raw, "effect"), "NoExecute") &&
            (scan_text_is(scan_get(raw, "key"), NODE_NOT_READY) ||
             scan_text_is(scan_get(raw, "key"), NODE_UNREACHABLE)))
            return true;
    return false;
}

/* Writes the whole list when it differs, guarded by the resourceVersion: other people's taints stay as they are. */
static void node_plan_taints(const struct node_view *in, enum node_health health, struct plan *plan)
{
    struct node_taint taints[NODE_TAINTS_MAX];
    size_t count = node_taints(in, health, taints);
    struct scan_cursor at = scan_open(view_raw(in->node, NODE_TAINTS));
    struct slice raw;
    char now[TIME_TEXT_MAX];
    bool differs = false;
    bool turn = !in->pace_ms || node_executes(in->node);
    struct action *action;
    BUF_LOCAL(list);

    time_format_seconds(in->now, now);
    buf_append_byte(&list, '[');
    while (scan_element(&at, &raw)) {
        struct node_taint *taint = node_find_taint(taints, count, raw);

        if (taint && (!taint->wanted || taint->there)) {
            differs = true;
            continue;
        }
        if (taint)
            taint->there = true;
        if (list.len > 1)
            buf_append_byte(&list, ',');
        buf_append_slice(&list, raw);
    }
    for (size_t i = 0; i < count; i++)
        if (taints[i].wanted && !taints[i].there && taints[i].executes && !turn) {
            plan_again(plan, in->pace_ms);
        } else if (taints[i].wanted && !taints[i].there) {
            differs = true;
            node_write_taint(&taints[i], now, &list);
        }
    if (!differs)
        return;
    action = plan_add(plan, ACTION_PATCH, &view_nodes, SLICE_NONE, view_text(in->node, VIEW_NAME));
    action->flags = ACTION_MISSING_IS_FINE;
    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "resourceVersion", view_text(in->node, VIEW_REVISION));
    if (list.len > 1)
        buf_append_byte(&list, ']');
    buf_printf(&action->body, "},\"spec\":{\"taints\":%s}}", list.len > 1 ? buf_cstr(&list) : "null");
}

static enum node_health node_health(const struct node_view *in)
{
    if (in->silent_s >= in->grace_s)
        return NODE_SILENT;
    if (node_condition_is(in->node, "Ready", "True"))
        return NODE_READY;
    /* Unknown: it renews again, but has not said how it is. */
    return node_condition_is(in->node, "Ready", "Unknown") ? NODE_SILENT : NODE_NOT_READY_SAID;
}

void node_lifecycle_plan(const struct node_view *in, struct plan *plan)
{
    enum node_health health = node_health(in);

    plan_about(plan, in->node);
    if (in->silent_s >= in->grace_s) {
        node_plan_unknown(in, plan);
        node_plan_pods_not_ready(in, plan);
    } else {
        plan_again(plan, (uint64_t)(in->grace_s - in->silent_s) * 1000 + 500);
    }
    node_plan_taints(in, health, plan);
    node_plan_evictions(in, plan);
}

/* ---- reconcile ---- */

/* What was last seen of a node, by name. */
struct node_memory {
    char *life; /* text that changes while the node lives */
    int64_t life_ns;
    char *taints; /* the NoExecute ones */
    int64_t taints_ns;
};

static void node_memory_free(void *arg)
{
    struct node_memory *memory = arg;

    free(memory->life);
    free(memory->taints);
    free(memory);
}

struct node_state {
    struct map nodes; /* by name -> struct node_memory */
    struct map zones; /* by name -> struct node_zone_pace */
};

static void node_state_free(void *arg)
{
    struct node_state *state = arg;

    if (!state)
        return;
    map_clear(&state->nodes, node_memory_free);
    map_clear(&state->zones, free);
    free(state);
}

static struct node_state *node_state(struct run *run)
{
    void **state = run_state(run);

    if (!*state)
        *state = mem_zalloc(sizeof(struct node_state));
    return *state;
}

static struct node_memory *node_memory(struct run *run, struct slice name)
{
    struct node_memory *memory = map_get(&node_state(run)->nodes, name);

    if (!memory) {
        memory = mem_zalloc(sizeof(*memory));
        (void)map_put(&node_state(run)->nodes, name, memory);
    }
    return memory;
}

struct node_count {
    struct slice zone; /* of the node in question */
    struct slice node; /* counts as bad, whatever it said last */
    struct node_zone_counts all;
    struct node_zone_counts same;
};

static void node_count(void *arg, const struct view *node)
{
    struct node_count *count = arg;
    bool bad = slice_equal(view_text(node, VIEW_NAME), count->node) || !node_condition_is(node, "Ready", "True");
    BUF_LOCAL(zone);

    node_zone_name(node, &zone);
    count->all.total++;
    count->all.bad += bad;
    if (!slice_equal(buf_slice(&zone), count->zone))
        return;
    count->same.total++;
    count->same.bad += bad;
}

/* A node that is not healthy: what the others say about it, and whether it is its turn to be emptied. */
static void node_ask_zone(struct run *run, struct node_view *in)
{
    struct node_count count = {.node = view_text(in->node, VIEW_NAME)};
    struct node_zone_pace *pace;
    BUF_LOCAL(zone);

    node_zone_name(in->node, &zone);
    count.zone = buf_slice(&zone);
    run_each(run, &view_nodes, node_count, &count);
    in->all_lost = node_zones_all_lost(&count.all);
    if (in->all_lost || node_executes(in->node))
        return;
    pace = map_get(&node_state(run)->zones, count.zone);
    if (!pace) {
        pace = mem_zalloc(sizeof(*pace));
        (void)map_put(&node_state(run)->zones, count.zone, pace);
    }
    in->pace_ms = node_zone_ask(pace, node_zone_interval_ms(&count.same), clock_monotonic_ns(run_clock(run)));
}

/* Seconds since the text was first seen as it is. */
static int64_t node_seconds_same(char **last, int64_t *since, struct slice text, int64_t now)
{
    if (!*last || !slice_is(text, *last)) {
        free(*last);
        *last = slice_dup(text);
        *since = now;
    }
    return (now - *since) / NS_PER_S;
}

/* Key and effect of each NoExecute taint. */
static void node_write_executing(const struct view *node, struct buf *out)
{
    struct scan_cursor at = scan_open(view_raw(node, NODE_TAINTS));
    struct slice taint;

    while (scan_element(&at, &taint))
        if (scan_text_is(scan_get(taint, "effect"), "NoExecute")) {
            buf_append_slice(out, scan_get(taint, "key"));
            buf_append_slice(out, scan_get(taint, "value"));
        }
}

struct node_pods {
    struct slice node;
    struct view_array pods;
};

static void node_gather(void *arg, const struct view *pod)
{
    struct node_pods *gather = arg;

    if (slice_equal(view_text(pod, POD_NODE), gather->node))
        view_array_add(&gather->pods, (struct view_list){&pod, 1});
}

static void node_lifecycle_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    const struct view *node = run_get_key(run, &view_nodes, key);
    const struct view *lease = run_get(run, &view_leases, SLICE_LIT("kube-node-lease"), key);
    struct node_view in = {.node = node, .now = run_now(run), .grace_s = run_options(run)->node_grace_s};
    struct node_pods gather = {.node = key};
    int64_t now = clock_monotonic_ns(run_clock(run));
    struct node_memory *memory;
    BUF_LOCAL(life);
    BUF_LOCAL(executing);

    if (!node) {
        void *gone = map_remove(&node_state(run)->nodes, key);

        if (gone)
            node_memory_free(gone);
        return;
    }
    memory = node_memory(run, key);
    if (lease)
        buf_append_slice(&life, view_raw(lease, LEASE_RENEW));
    buf_append_slice(&life, scan_get(node_condition(node, "Ready"), "lastHeartbeatTime"));
    node_write_executing(node, &executing);
    in.never = !life.len;
    in.silent_s = node_seconds_same(&memory->life, &memory->life_ns, buf_slice(&life), now);
    in.taints_s = node_seconds_same(&memory->taints, &memory->taints_ns, buf_slice(&executing), now);
    if (node_health(&in) != NODE_READY) {
        node_ask_zone(run, &in);
        plan_again(plan, NODE_LOOK_MS); /* what is right for it depends on the others */
    }
    if (executing.len || in.silent_s >= in.grace_s)
        run_each(run, &view_pods, node_gather, &gather);
    in.pods = gather.pods.items;
    in.pod_count = gather.pods.count;
    node_lifecycle_plan(&in, plan);
    free(gather.pods.items);
}

static void node_lifecycle_map_lease(struct run *run, const struct view *before, const struct view *now)
{
    const struct view *v = now ? now : before;

    if (slice_is(view_text(v, VIEW_NAMESPACE), "kube-node-lease"))
        run_add(run, view_text(v, VIEW_NAME));
}

/* A pod that comes to a tainted node. */
static void node_lifecycle_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    const struct view *node;

    if (!now || !view_text(now, POD_NODE).len || (before && view_text(before, POD_NODE).len))
        return;
    node = run_get_key(run, &view_nodes, view_text(now, POD_NODE));
    if (node && view_raw(node, NODE_TAINTS).len)
        run_add(run, view_text(now, POD_NODE));
}

const struct controller node_lifecycle_controller = {
    .name = "node-controller",
    .component = "node-controller",
    .parallel = 4,
    .watches = {{&view_nodes, map_own}, {&view_leases, node_lifecycle_map_lease}, {&view_pods, node_lifecycle_map_pod}},
    .reconcile = node_lifecycle_reconcile,
    .free_state = node_state_free,
};
