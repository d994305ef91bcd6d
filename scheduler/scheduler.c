/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loop around the pure parts: informers feed the node table and the queue; each turn takes pods off the queue,
 * decides, assumes the pod on its node at once (so that the next decision counts it) and binds it by a request. A
 * binding that fails takes the assumption back.
 *
 * A pod key is in exactly one place: the queue (wants a node), `binding` (assumed, request under way), or the node
 * table alone (bound, as the informer says).
 */
#include "scheduler/scheduler.h"

#include "api/schema.h"
#include "client/event.h"
#include "client/informer.h"
#include "lib/encoding.h"
#include "lib/log.h"
#include "lib/metrics.h"
#include "scheduler/decide.h"
#include "scheduler/queue.h"

#define DECISIONS_PER_TURN 64  /* so that events are not kept waiting by a long queue */
#define BINDINGS_MAX       256 /* requests under way */

static const char *const scheduler_attempt_labels[] = {"profile", "result", NULL};
static struct metric scheduler_attempts = {.name = "scheduler_schedule_attempts_total",
                                           .help = "Attempts to place a pod, by how they ended.",
                                           .type = METRIC_COUNTER,
                                           .labels = scheduler_attempt_labels};
static struct metric scheduler_seconds = {.name = "scheduler_scheduling_attempt_duration_seconds",
                                          .help = "From taking a pod to its being bound, or to no node for it.",
                                          .type = METRIC_HISTOGRAM,
                                          .unit = METRIC_NS,
                                          .labels = scheduler_attempt_labels,
                                          .bounds = metric_duration_bounds,
                                          .bound_count = METRIC_DURATION_BOUNDS};
static const char *const scheduler_pending_labels[] = {"queue", NULL};
static struct metric scheduler_pending = {.name = "scheduler_pending_pods",
                                          .help = "Pods without a node, by where they wait.",
                                          .type = METRIC_GAUGE,
                                          .labels = scheduler_pending_labels};

struct scheduler {
    struct client *client;
    const char *name;
    struct event_recorder *events;
    struct informer *nodes;
    struct informer *pods;
    struct node_table table;
    struct queue queue;
    struct map binding; /* "ns/name" -> struct binding */
    struct loop_timer *timer;
    uint64_t turn;
};

struct binding {
    struct scheduler *scheduler;
    char *key;
    struct pod_view *pod; /* name, namespace and uid of what is bound */
    char *node_name;
    struct client_call *call;
    int64_t start_ns;
};

static int64_t now_ns(const struct scheduler *s)
{
    return clock_monotonic_ns(loop_clock(client_loop(s->client)));
}

/* result: "scheduled", "unschedulable" or "error", as upstream. */
static void count_attempt(const struct scheduler *s, const char *result, int64_t start_ns)
{
    metric_add(metric_with(&scheduler_attempts, s->name, result), 1);
    metric_observe(&scheduler_seconds, metric_with(&scheduler_seconds, s->name, result), now_ns(s) - start_ns);
}

static void count_pending(const struct scheduler *s)
{
    size_t active = s->queue.active.count;
    size_t backoff = s->queue.backoff.count;
    size_t all = s->queue.items.count;
    size_t busy = active + backoff + s->binding.count;

    metric_set(metric_with(&scheduler_pending, "active"), (int64_t)active);
    metric_set(metric_with(&scheduler_pending, "backoff"), (int64_t)backoff);
    metric_set(metric_with(&scheduler_pending, "unschedulable"), all > busy ? (int64_t)(all - busy) : 0);
}

static uint64_t now_ms(const struct scheduler *s)
{
    return loop_now_ms(client_loop(s->client));
}

/* Runs the timer so that the next turn comes when there is something to do. */
static void arm(struct scheduler *s)
{
    uint64_t wait = queue_next_ms(&s->queue, now_ms(s));

    count_pending(s);
    if (wait == UINT64_MAX || s->binding.count >= BINDINGS_MAX)
        loop_timer_stop(s->timer);
    else
        loop_timer_start(s->timer, wait, 0);
}

static void wake(struct scheduler *s)
{
    queue_wake(&s->queue, now_ms(s));
    arm(s);
}

/* ---- telling ------------------------------------------------------------------------------------------------------
 */

static void record(struct scheduler *s, const struct pod_view *pod, bool warning, const char *reason, const char *text)
{
    struct event_object object = {
        .api_version = "v1", .kind = "Pod", .namespace_ = pod->namespace_, .name = pod->name, .uid = pod->uid};

    event_record(s->events, &object, warning, reason, "%s", text);
}

static void condition_patched(void *arg, int status, struct slice body, const struct error *err)
{
    (void)arg;
    (void)status;
    (void)body;
    /* The pod went away, or the next attempt will say it again. */
    if (err && err->code != ERROR_NOT_FOUND)
        log_warning("scheduler", "telling a pod that it is unschedulable: %s", error_text(err));
}

/* PodScheduled=False with upstream's reason; the strategic patch merges it into the list by its type. */
static void patch_condition(struct scheduler *s, const struct pod_view *pod, const char *message)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod"));
    char time[TIME_TEXT_MAX];
    BUF_LOCAL(body);

    if (pod->unschedulable_message && !strcmp(pod->unschedulable_message, message))
        return;
    buf_append_str(&body, "{\"status\":{\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\","
                          "\"reason\":\"Unschedulable\"");
    if (!pod->unschedulable_message) {
        time_format_seconds(clock_wall_ns(loop_clock(client_loop(s->client))), time);
        buf_printf(&body, ",\"lastTransitionTime\":\"%s\"", time);
    }
    buf_append_str(&body, ",\"message\":");
    json_write_string(&body, slice_str(message));
    buf_append_str(&body, "}]}}");
    (void)client_patch(s->client, kind, pod->namespace_, pod->name, "status", "application/strategic-merge-patch+json",
                       buf_slice(&body), condition_patched, s);
}

/* ---- binding ------------------------------------------------------------------------------------------------------
 */

static void binding_free(void *p)
{
    struct binding *b = p;

    pod_view_free(b->pod);
    free(b->node_name);
    free(b->key);
    free(b);
}

static void bind_failed(struct scheduler *s, struct binding *b, const struct error *err)
{
    struct slice key = slice_str(b->key);
    const struct pod_view *pod = informer_get(s->pods, key);

    node_table_take_away(&s->table, key);
    if (!pod || pod->node_name || pod->deleting || err->code == ERROR_NOT_FOUND) {
        queue_remove(&s->queue, key);
        if (pod && pod->node_name)
            node_table_place(&s->table, key, pod, pod->node_name);
        return;
    }
    log_warning("scheduler", "binding pod %s to node %s: %s; trying again", b->key, b->node_name, error_text(err));
    queue_failed(&s->queue, key, true, now_ms(s));
}

static void bind_done(void *arg, int status, struct slice body, const struct error *err)
{
    struct binding *b = arg;
    struct scheduler *s = b->scheduler;

    (void)status;
    (void)body;
    (void)map_remove(&s->binding, slice_str(b->key));
    count_attempt(s, err ? "error" : "scheduled", b->start_ns);
    if (err) {
        bind_failed(s, b, err);
    } else {
        char *text CLEANUP_FREE =
            mem_printf("Successfully assigned %s/%s to %s", b->pod->namespace_, b->pod->name, b->node_name);

        queue_remove(&s->queue, slice_str(b->key));
        record(s, b->pod, false, "Scheduled", text);
    }
    binding_free(b);
    arm(s);
}

/* What the done callback needs of the pod; the informer's view may be gone by then. */
static struct pod_view *identity_of(const struct pod_view *pod)
{
    struct pod_view *copy = mem_zalloc(sizeof(*copy));

    copy->namespace_ = mem_strdup(pod->namespace_);
    copy->name = mem_strdup(pod->name);
    copy->uid = mem_strdup(pod->uid);
    return copy;
}

static void bind_pod(struct scheduler *s, struct slice key, const struct pod_view *pod, const char *node_name,
                     int64_t start_ns)
{
    const struct schema_kind *kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod"));
    struct binding *b = mem_zalloc(sizeof(*b));
    BUF_LOCAL(body);

    b->scheduler = s;
    b->start_ns = start_ns;
    b->key = slice_dup(key);
    b->pod = identity_of(pod);
    b->node_name = mem_strdup(node_name);
    buf_append_str(&body, "{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":");
    json_write_string(&body, slice_str(pod->name));
    buf_append_str(&body, ",\"namespace\":");
    json_write_string(&body, slice_str(pod->namespace_));
    buf_append_str(&body, ",\"uid\":");
    json_write_string(&body, slice_str(pod->uid));
    buf_append_str(&body, "},\"target\":{\"apiVersion\":\"v1\",\"kind\":\"Node\",\"name\":");
    json_write_string(&body, slice_str(node_name));
    buf_append_str(&body, "}}");
    node_table_place(&s->table, key, pod, node_name);
    (void)map_put(&s->binding, key, b);
    b->call = client_create(s->client, kind, pod->namespace_, pod->name, "binding", buf_slice(&body), bind_done, b);
}

/* ---- deciding -----------------------------------------------------------------------------------------------------
 */

static bool wants_node(const struct scheduler *s, const struct pod_view *pod)
{
    return !pod->node_name && !pod->finished && !pod->deleting && !pod->gated && !strcmp(pod->scheduler_name, s->name);
}

static void decide_one(struct scheduler *s, struct slice key)
{
    const struct pod_view *pod = informer_get(s->pods, key);
    char *message CLEANUP_FREE = NULL;
    int64_t start_ns = now_ns(s);
    int32_t row;

    if (!pod || !wants_node(s, pod)) {
        queue_remove(&s->queue, key);
        return;
    }
    row = decide_node(&s->table, pod, s->turn++, &message);
    if (row >= 0) {
        bind_pod(s, key, pod, s->table.view[row]->name, start_ns);
        return;
    }
    count_attempt(s, "unschedulable", start_ns);
    record(s, pod, true, "FailedScheduling", message);
    patch_condition(s, pod, message);
    queue_failed(&s->queue, key, false, now_ms(s));
}

static void schedule_turn(void *arg)
{
    struct scheduler *s = arg;

    if (!informer_has_synced(s->nodes) || !informer_has_synced(s->pods))
        return;
    for (int i = 0; i < DECISIONS_PER_TURN && s->binding.count < BINDINGS_MAX; i++) {
        const struct queue_item *item = queue_pop(&s->queue, now_ms(s));

        if (!item)
            break;
        char *key CLEANUP_FREE = mem_strdup(item->key);
        decide_one(s, slice_str(key));
    }
    arm(s);
}

/* ---- what the informers tell --------------------------------------------------------------------------------------
 */

static void *project_node(void *arg, struct slice key, struct slice json)
{
    (void)arg;
    (void)key;
    return node_view_read(json);
}

static void free_node(void *item)
{
    node_view_free(item);
}

static void node_changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct scheduler *s = arg;

    if (!now) {
        node_table_remove(&s->table, key);
        return;
    }
    node_table_set(&s->table, now);
    if (node_view_may_help(before, now))
        wake(s);
}

static void *project_pod(void *arg, struct slice key, struct slice json)
{
    (void)arg;
    (void)key;
    return pod_view_read(json);
}

static void free_pod(void *item)
{
    pod_view_free(item);
}

static void pod_gone(struct scheduler *s, struct slice key)
{
    queue_remove(&s->queue, key);
    /* A binding under way keeps its assumption until its answer comes. */
    if (map_get(&s->binding, key))
        return;
    node_table_take_away(&s->table, key);
    wake(s);
}

/* Whether a waiting pod changed in a way that may help it. */
static bool pod_may_fit_now(const struct pod_view *before, const struct pod_view *now)
{
    return before->toleration_count != now->toleration_count || before->gated != now->gated;
}

/* It was made smaller on its node: others may fit beside it now. */
static bool pod_shrank(const struct pod_view *before, const struct pod_view *now)
{
    for (int r = 0; before && before->node_name && r < RESOURCE_COUNT; r++)
        if (now->requests.amount[r] < before->requests.amount[r])
            return true;
    return false;
}

static void pod_changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct scheduler *s = arg;
    const struct pod_view *pod = now;
    const struct pod_view *old = before;

    if (!pod || pod->finished) {
        pod_gone(s, key);
    } else if (pod->node_name) {
        if (!map_get(&s->binding, key))
            queue_remove(&s->queue, key);
        node_table_place(&s->table, key, pod, pod->node_name);
        if (pod_shrank(old, pod))
            wake(s);
    } else if (!wants_node(s, pod)) {
        queue_remove(&s->queue, key);
    } else if (!map_get(&s->binding, key) && (!old || !wants_node(s, old) || pod_may_fit_now(old, pod))) {
        queue_add(&s->queue, key, pod->priority);
    }
    arm(s);
}

static void synced(void *arg)
{
    arm(arg);
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

struct scheduler *scheduler_start(const struct scheduler_options *options)
{
    struct scheduler *s = mem_zalloc(sizeof(*s));
    struct informer_options nodes = {.kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Node")),
                                     .project = project_node,
                                     .free_item = free_node,
                                     .changed = node_changed,
                                     .synced = synced,
                                     .arg = s};
    struct informer_options pods = {.kind = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod")),
                                    .project = project_pod,
                                    .free_item = free_pod,
                                    .changed = pod_changed,
                                    .synced = synced,
                                    .arg = s};

    s->client = options->client;
    s->name = options->name ? options->name : "default-scheduler";
    s->events = event_recorder_new(s->client, s->name, NULL);
    s->timer = loop_timer_new(client_loop(s->client), schedule_turn, s);
    s->nodes = informer_start(s->client, &nodes);
    s->pods = informer_start(s->client, &pods);
    return s;
}

void scheduler_free(struct scheduler *s)
{
    if (!s)
        return;
    map_for_each (e, &s->binding) {
        struct binding *b = e->value;

        client_call_cancel(b->call);
    }
    map_clear(&s->binding, binding_free);
    informer_free(s->pods);
    informer_free(s->nodes);
    event_recorder_free(s->events);
    loop_timer_free(s->timer);
    queue_free(&s->queue);
    node_table_free(&s->table);
    free(s);
}
