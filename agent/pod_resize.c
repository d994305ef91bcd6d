/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resizes of a pod, in two steps. First what its spec asks for is judged, here: it fits beside the other pods, and is
 * then allocated, or it waits (PodResizePending). Then what is allocated is carried out (PodResizeInProgress), in
 * pod_resize_apply.c. What was allocated, and what a container was given, stands in the records of the containers, so
 * that a new run of the agent goes on from there.
 *
 *     spec ──judged──> allocated ──carried out──> actual          pod->allocated is the object with `allocated` in it
 */
#include "agent/pod_internal.h"

#include "agent/node.h"
#include "agent/pods.h"

#define CONDITION_PENDING  "PodResizePending"
#define CONDITION_PROGRESS "PodResizeInProgress"
#define REASON_INFEASIBLE  "Infeasible"
#define REASON_DEFERRED    "Deferred"

bool pod_container_is_resizable(const struct pod_container *c)
{
    return c->kind != CONTAINER_EPHEMERAL &&
           resize_is_possible(pod_container_spec(c->pod, c), c->kind == CONTAINER_INIT);
}

static const struct value *spec_resources(const struct pod_container *c)
{
    return value_get(pod_container_spec(c->pod, c), "resources");
}

static int64_t object_generation(const struct pod *pod)
{
    return value_int(value_path(pod->object->tree, "metadata", "generation", NULL));
}

static void replace_text(char **place, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;

    free(*place);
    *place = copy;
}

static void replace_value(struct value **place, struct value *v)
{
    value_free(*place);
    *place = v;
}

/* The pod's object with these resources of its containers; `actual`: those that they were given, where they run. */
static struct pod_tree *tree_with(const struct pod *pod, bool actual)
{
    struct value *copy = NULL;

    for (size_t i = 0; i < pod->count; i++) {
        const struct pod_container *c = pod->containers[i];
        const struct value *resources = actual && pod_container_is_up(c) ? c->actual : c->allocated;

        if (!pod_container_is_resizable(c) || resize_same(resources, spec_resources(c)))
            continue;
        if (!copy)
            copy = value_copy(pod->object->tree);
        resize_set(value_at(value_path(copy, "spec", container_list(c->kind), NULL), c->index), resources);
    }
    return copy ? pod_tree_new(copy) : pod_tree_hold(pod->object);
}

static void keep_allocated(struct pod *pod)
{
    struct pod_tree *tree = tree_with(pod, false);

    pod_tree_free(pod->allocated);
    pod->allocated = tree;
}

void pod_resize_group(const struct pod *pod, struct cgroup_limits *ret_limits)
{
    struct pod_tree *tree = tree_with(pod, true);
    struct cgroup_limits now = {0};

    pod_limits(tree->tree, &now);
    pod_tree_free(tree);
    pod_limits(pod->allocated->tree, ret_limits);
    resize_widen(ret_limits, &now);
}

/* ---- what containers have ---- */

void pod_resize_container_make(struct pod_container *c)
{
    const struct value *statuses = value_path(c->pod->object->tree, "status", container_status_list(c->kind), NULL);
    const struct value *own = spec_resources(c);

    if (c->kind == CONTAINER_EPHEMERAL)
        return;
    c->allocated = resize_of_status(container_named(statuses, c->name), own);
    if (!c->allocated || !pod_container_is_resizable(c))
        replace_value(&c->allocated, own ? value_copy(own) : value_new_object());
}

void pod_resize_container_set(struct pod_container *c, bool adopted)
{
    struct value *allocated = value_parse(slice_str(c->current->allocated ? c->current->allocated : ""), NULL);
    struct value *actual = value_parse(slice_str(c->current->resources ? c->current->resources : ""), NULL);

    if (c->kind == CONTAINER_EPHEMERAL) {
        value_free(allocated);
        value_free(actual);
        return;
    }
    if (adopted && allocated && pod_container_is_resizable(c))
        replace_value(&c->allocated, STEAL(allocated));
    value_free(allocated);
    replace_value(&c->actual, actual ? actual : value_copy(c->allocated));
}

void pod_resize_container_free(struct pod_container *c)
{
    value_free(c->allocated);
    value_free(c->actual);
}

/* ---- the judgement ---- */

static const char *pending_reason(enum resize_verdict verdict)
{
    return verdict == RESIZE_FITS ? NULL : verdict == RESIZE_DEFERRED ? REASON_DEFERRED : REASON_INFEASIBLE;
}

void pod_resize_say(struct pod *pod, bool asked, const char *reason, const char *what, const char *error)
{
    const struct pod_tree *tree = asked ? pod->object : pod->allocated;
    BUF_LOCAL(text);

    resize_write_event(tree->tree, asked ? pod->resize.pending_generation : pod->resize.generation, error, &text);
    pod_event(pod, NULL, error != NULL, reason, "Pod resize %s: %s", what, buf_cstr(&text));
}

static bool is_wanted(const struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++)
        if (pod_container_is_resizable(pod->containers[i]) &&
            !resize_same(spec_resources(pod->containers[i]), pod->containers[i]->allocated))
            return true;
    return false;
}

static void set_pending(struct pod *pod, enum resize_verdict verdict, const char *why)
{
    struct pod_resize *r = &pod->resize;
    bool news = verdict != r->pending || !r->why || strcmp(r->why, why) != 0;

    if (r->pending == RESIZE_FITS)
        r->pending_since_ns = clock_wall_ns(pod->agent->clock);
    r->pending = verdict;
    r->pending_generation = object_generation(pod);
    replace_text(&r->why, why);
    if (!news)
        return;
    pod_resize_say(pod, true, verdict == RESIZE_DEFERRED ? "ResizeDeferred" : "ResizeInfeasible",
                   pending_reason(verdict), why);
}

static void set_allocated(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];
        const struct value *own = spec_resources(c);

        if (pod_container_is_resizable(c))
            replace_value(&c->allocated, own ? value_copy(own) : value_new_object());
    }
    keep_allocated(pod);
    pod->resize.in_progress = true;
    pod->resize.generation = object_generation(pod);
    pod->resize.retry_ms = 0;
    replace_text(&pod->resize.error, NULL);
    if (pod->refresh_ms)
        pod->refresh_ms = pod_now_ms(pod); /* files may tell of it */
    pod_resize_say(pod, false, "ResizeStarted", "started", NULL);
}

/* `others`: what all other pods hold. */
static enum resize_verdict judge(const struct pod *pod, const struct resize_amounts *others, bool *ret_shrinks,
                                 struct buf *why)
{
    const struct resize_amounts now = resize_pod_requests(pod->allocated->tree);
    const struct resize_amounts wanted = resize_pod_requests(pod->object->tree);
    const struct resize_amounts room = {pod->agent->config.cpu_milli,
                                        node_allocatable_memory(pod->agent->config.memory)};

    *ret_shrinks = wanted.cpu_milli < now.cpu_milli || wanted.memory < now.memory;
    return resize_judge(&now, &wanted, others, &room, why);
}

void pod_judge_resize(struct pod *pod)
{
    struct resize_amounts others;
    enum resize_verdict verdict;
    bool shrinks;
    BUF_LOCAL(why);

    if (pod->stop || !is_wanted(pod)) {
        pod->resize.pending = RESIZE_FITS;
        return;
    }
    if (!pods_others(pod->agent->pods, pod, &others))
        return; /* not all of them are known yet: pods.c asks again */
    verdict = judge(pod, &others, &shrinks, &why);
    if (verdict != RESIZE_FITS) {
        set_pending(pod, verdict, buf_cstr(&why));
    } else {
        pod->resize.pending = RESIZE_FITS;
        set_allocated(pod);
        if (shrinks)
            pods_room(pod->agent->pods);
    }
    loop_timer_start(pod->timer, 0, 0); /* what follows, and the status */
}

void pod_resize_changed(struct pod *pod)
{
    keep_allocated(pod);
    pod_judge_resize(pod);
}

/* What the API server was told before this run of the agent stays said until it is known better. */
static void take_up_conditions(struct pod *pod)
{
    const struct value *list = value_path(pod->object->tree, "status", "conditions", NULL);

    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *condition = value_at(list, i);
        const char *message = object_text(condition, "message");
        int64_t generation = value_int(value_get(condition, "observedGeneration"));

        if (slice_is(value_string(value_get(condition, "type")), CONDITION_PROGRESS))
            pod->resize.generation = generation;
        if (!slice_is(value_string(value_get(condition, "type")), CONDITION_PENDING) || !is_wanted(pod))
            continue;
        pod->resize.pending = slice_is(value_string(value_get(condition, "reason")), REASON_INFEASIBLE)
                                  ? RESIZE_INFEASIBLE
                                  : RESIZE_DEFERRED;
        pod->resize.pending_generation = generation;
        (void)time_parse(value_string(value_get(condition, "lastTransitionTime")), &pod->resize.pending_since_ns);
        replace_text(&pod->resize.why, message ? message : "");
    }
}

void pod_resize_begin(struct pod *pod)
{
    pod->resize.generation = object_generation(pod);
    take_up_conditions(pod);
    keep_allocated(pod);
    for (size_t i = 0; i < pod->count; i++) {
        const struct pod_container *c = pod->containers[i];

        if (pod_container_is_up(c) && pod_container_is_resizable(c) && !resize_same(c->actual, c->allocated))
            pod->resize.in_progress = true;
    }
    pod_judge_resize(pod);
}

/* ---- for others ---- */

void pod_resize_facts(const struct pod *pod, struct status_facts *facts)
{
    const struct pod_resize *r = &pod->resize;

    if (pod->state > POD_RUNNING)
        return;
    facts->resize_pending = pending_reason(r->pending);
    facts->resize_why = r->why;
    facts->resize_pending_generation = r->pending_generation;
    facts->resizing = r->in_progress;
    facts->resize_error = r->error;
    facts->resizing_generation = r->generation;
}

void pod_resize_free(struct pod *pod)
{
    pod_tree_free(pod->allocated);
    free(pod->resize.why);
    free(pod->resize.error);
}

bool pod_holds(const struct pod *pod, struct resize_amounts *ret_amounts)
{
    if (pod->state > POD_STOPPING || pod->refused)
        return false;
    *ret_amounts = resize_pod_requests(pod->allocated->tree);
    return true;
}

/* As the kubelet: who is more important, who is Guaranteed, who has waited longer. */
int pod_compare_waiting(const struct pod *a, const struct pod *b)
{
    int64_t x = value_int(value_path(a->object->tree, "spec", "priority", NULL));
    int64_t y = value_int(value_path(b->object->tree, "spec", "priority", NULL));
    bool first = pod_qos(a->object->tree) == CGROUP_GUARANTEED;
    bool second = pod_qos(b->object->tree) == CGROUP_GUARANTEED;

    if (x != y)
        return x > y ? -1 : 1;
    if (first != second)
        return first ? -1 : 1;
    if (a->resize.pending_since_ns != b->resize.pending_since_ns)
        return a->resize.pending_since_ns < b->resize.pending_since_ns ? -1 : 1;
    return 0;
}

bool pod_waits_for_room(const struct pod *pod)
{
    return !pod->stop && !pod->abandoned && pod->resize.pending != RESIZE_INFEASIBLE && is_wanted(pod);
}
