/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Carrying out what is allocated to a pod, on a pool thread: its group is made wide enough for what its containers have
 * and are to have, they get their new limits or are started anew, as they want it, and in the end the group gets what
 * it is to have. Every step may be done twice; what fails is tried again. While this goes on no container is started,
 * whose limits the group might not hold yet.
 */
#include "agent/pod_internal.h"

#define RETRY_MS 10000 /* memory that is in use may have become less by then */

static void replace_text(char **place, const char *text)
{
    char *copy = text ? mem_strdup(text) : NULL;

    free(*place);
    *place = copy;
}

struct resizing_entry {
    char *id;
    char *name;
    char *group;
    char *resources; /* JSON */
    struct cgroup_limits from;
    struct cgroup_limits to;
    bool in_place; /* else it is only noted: a start follows */
    bool done;
};

struct resizing {
    struct pod *pod;
    struct resizing_entry *entries;
    size_t count;
    struct cgroup_limits before; /* of the pod's group */
    struct cgroup_limits wide;
    struct cgroup_limits after;
    struct cgroup_limits reached;
    const struct resizing_entry *failed; /* the container that it was; NULL = the pod */
    bool in_use;                         /* ... because it uses the memory that it is to give */
    struct error err;
};

static int resizing_check_memory(struct resizing *r, const struct resizing_entry *e)
{
    enum cgroup_version version = r->pod->agent->config.cgroup_version;
    const struct cgroup_limits *to = e ? &e->to : &r->after;
    int64_t usage;

    if (!resize_narrows_memory(e ? &e->from : &r->before, to))
        return 0;
    usage = cgroup_memory_usage(version, e ? e->group : r->pod->cgroup);
    if (usage < to->memory_limit)
        return 0;
    r->in_use = true;
    if (e)
        return error_set(&r->err, ERROR_CONFLICT,
                         "attempting to set container \"%s\" memory limit (%lld) below current usage (%lld)", e->name,
                         (long long)to->memory_limit, (long long)usage);
    return error_set(&r->err, ERROR_CONFLICT, "attempting to set pod memory limit (%lld) below current usage (%lld)",
                     (long long)to->memory_limit, (long long)usage);
}

static int resizing_entry_work(struct resizing *r, struct resizing_entry *e)
{
    const struct runtime *rt = &r->pod->agent->config.runtime;

    r->failed = e;
    if (runtime_note(rt, e->id, e->resources, NULL, &r->err) < 0)
        return -1;
    if (!e->in_place)
        return 0;
    if (resizing_check_memory(r, e) < 0 || runtime_limit(rt, e->id, &e->to, &r->err) < 0 ||
        runtime_note(rt, e->id, NULL, e->resources, &r->err) < 0)
        return -1;
    e->done = true;
    return 0;
}

static void resizing_work(void *arg)
{
    struct resizing *r = arg;
    const struct agent_config *config = &r->pod->agent->config;

    r->reached = r->before;
    if (cgroup_pod_update(config->cgroup_version, r->pod->cgroup, &r->wide, &r->err) < 0)
        return;
    r->reached = r->wide;
    for (size_t i = 0; i < r->count; i++)
        if (resizing_entry_work(r, &r->entries[i]) < 0)
            return;
    r->failed = NULL;
    if (resizing_check_memory(r, NULL) < 0 ||
        cgroup_pod_update(config->cgroup_version, r->pod->cgroup, &r->after, &r->err) < 0)
        return;
    r->reached = r->after;
}

static struct pod_container *find_current(const struct pod *pod, const char *id)
{
    for (size_t i = 0; i < pod->count; i++)
        if (pod->containers[i]->current && pod_container_is_up(pod->containers[i]) &&
            !strcmp(pod->containers[i]->current->id, id))
            return pod->containers[i];
    return NULL;
}

static void resizing_failed(struct resizing *r)
{
    struct pod *pod = r->pod;
    const char *text = error_text(&r->err);

    if (r->failed && !find_current(pod, r->failed->id))
        return; /* it has ended meanwhile, and gets what it is to have when it starts again */
    pod->resize.retry_ms = pod_now_ms(pod) + RETRY_MS;
    /* How much it uses by now is no news. */
    if (pod->resize.error && (r->in_use ? pod->resize.in_use : !strcmp(pod->resize.error, text)))
        return;
    replace_text(&pod->resize.error, text);
    pod->resize.in_use = r->in_use;
    pod_resize_say(pod, false, "ResizeError", "error", text);
}

static void resizing_free(struct resizing *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->entries[i].id);
        free(r->entries[i].name);
        free(r->entries[i].group);
        free(r->entries[i].resources);
    }
    free(r->entries);
    error_clear(&r->err);
    free(r);
}

static void resizing_done(void *arg)
{
    struct resizing *r = arg;
    struct pod *pod = r->pod;

    pod->resize.job = false;
    pod->resize.group = r->reached;
    pod_work_done(pod);
    for (size_t i = 0; i < r->count; i++) {
        struct pod_container *c = r->entries[i].done ? find_current(pod, r->entries[i].id) : NULL;

        if (c) {
            value_free(c->actual);
            c->actual = value_parse(slice_str(r->entries[i].resources), NULL);
        }
    }
    if (error_is_set(&r->err))
        resizing_failed(r);
    else
        replace_text(&pod->resize.error, NULL);
    resizing_free(r);
    pod_tick(pod);
}

static void limits_of(const struct pod_container *c, const struct value *resources, struct cgroup_limits *ret_limits)
{
    struct value *copy CLEANUP_VALUE = value_copy(pod_container_spec(c->pod, c));
    int64_t memory_request;

    resize_set(copy, resources);
    container_limits(copy, ret_limits, &memory_request);
}

static void resizing_add(struct resizing *r, const struct pod_container *c, bool in_place)
{
    struct resizing_entry *e = &r->entries[r->count++];
    BUF_LOCAL(text);

    value_write(c->allocated, &text);
    e->id = mem_strdup(c->current->id);
    e->name = mem_strdup(c->name);
    e->group = mem_strdup(c->current->cgroup_path);
    e->resources = buf_steal_str(&text);
    e->in_place = in_place;
    limits_of(c, c->actual, &e->from);
    limits_of(c, c->allocated, &e->to);
}

static bool differs(const struct pod_container *c)
{
    return pod_container_is_resizable(c) && pod_container_is_up(c) && !resize_same(c->actual, c->allocated);
}

static bool wants_start(const struct pod_container *c)
{
    return resize_needs_restart(pod_container_spec(c->pod, c), c->actual, c->allocated);
}

static void resizing_start(struct pod *pod, const struct cgroup_limits *after)
{
    struct resizing *r = mem_zalloc(sizeof(*r));

    r->pod = pod;
    r->entries = mem_calloc(pod->count + 1, sizeof(*r->entries));
    for (size_t i = 0; i < pod->count; i++)
        if (differs(pod->containers[i]))
            resizing_add(r, pod->containers[i], !wants_start(pod->containers[i]));
    r->before = pod->resize.group;
    r->after = *after;
    r->wide = *after;
    resize_widen(&r->wide, &r->before);
    pod->resize.job = true;
    pod_work(pod, resizing_work, resizing_done, r);
}

static void resize_complete(struct pod *pod)
{
    pod->resize.in_progress = false;
    replace_text(&pod->resize.error, NULL);
    pod_resize_say(pod, false, "ResizeCompleted", "completed", NULL);
}

uint64_t pod_resize_tick(struct pod *pod)
{
    struct cgroup_limits after = {0};
    bool in_place = false;
    bool restarts = false;

    if (!pod->resize.in_progress || pod->resize.job || pod->stop)
        return 0;
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];

        /* One that is being made may get what was allocated before: it is waited for. */
        if (c->state == CONTAINER_STARTING)
            return 0;
        if (!differs(c))
            continue;
        if (wants_start(c)) {
            restarts = true;
            pod_container_condemn(c, STOP_BY_RESIZE, -1);
        } else {
            in_place = true;
        }
    }
    pod_resize_group(pod, &after); /* as wide as those need that are to be started anew */
    if (!restarts)
        pod_limits(pod->allocated->tree, &after);
    if (!in_place && resize_limits_equal(&pod->resize.group, &after)) {
        if (!restarts)
            resize_complete(pod);
        return 0;
    }
    if (pod->resize.retry_ms > pod_now_ms(pod))
        return pod->resize.retry_ms;
    resizing_start(pod, &after);
    return 0;
}
