/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of one pod. Order: init containers one after the other, then all others in the order of the spec, one
 * start at a time; ephemeral containers whenever they are added. See pod_internal.h for the drawing of a container's
 * states; pod_start.c has the way up, pod_end.c the way down.
 */
#include "agent/pod_internal.h"

#include "agent/fs.h"
#include "agent/pod_spec.h"
#include "agent/text.h"

#define MESSAGE_MAX 4096

void pod_earliest(uint64_t *next, uint64_t at)
{
    if (at && (!*next || at < *next))
        *next = at;
}

const struct value *pod_container_spec(const struct pod *pod, const struct pod_container *c)
{
    return value_at(value_path(pod->object->tree, "spec", container_list(c->kind), NULL), c->index);
}

bool pod_container_is_sidecar(const struct pod_container *c)
{
    return c->kind == CONTAINER_INIT && container_is_sidecar(pod_container_spec(c->pod, c));
}

bool pod_container_is_up(const struct pod_container *c)
{
    return c->state == CONTAINER_RUNNING || c->state == CONTAINER_POST_START;
}

bool pod_containers_at_rest(const struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++)
        if (pod->containers[i]->state != CONTAINER_WAITING && pod->containers[i]->state != CONTAINER_ENDED)
            return false;
    return true;
}

static void replace_text(char **place, const char *text)
{
    char *copy = text ? text_clean(slice_str(text), MESSAGE_MAX) : NULL;

    free(*place);
    *place = copy;
}

void pod_container_set_waiting(struct pod_container *c, const char *reason, const char *message)
{
    replace_text(&c->waiting_reason, reason);
    replace_text(&c->waiting_message, message);
    replace_text(&c->pending_reason, NULL);
    replace_text(&c->pending_message, NULL);
    c->announce_ms = 0;
}

/* ---- making, adopting, freeing ---- */

/* What the API server has of it. */
static const struct value *container_status(const struct pod_container *c)
{
    return container_named(value_path(c->pod->object->tree, "status", container_status_list(c->kind), NULL), c->name);
}

static unsigned attempts_before(const struct pod_container *c)
{
    const struct value *status = container_status(c);
    const char *id = object_text(status, "containerID");

    return (unsigned)value_int(value_get(status, "restartCount")) + (id && *id ? 1 : 0);
}

static void container_add(struct pod *pod, enum container_kind kind, size_t index)
{
    struct pod_container *c = mem_zalloc(sizeof(*c));
    const char *name;

    c->pod = pod;
    c->kind = kind;
    c->index = index;
    name = object_text(pod_container_spec(pod, c), "name");
    c->name = mem_strdup(name ? name : "");
    c->next_attempt = attempts_before(c);
    pod_resize_container_make(c);
    pod->containers = mem_grow(pod->containers, &pod->cap, pod->count + 1, sizeof(*pod->containers));
    pod->containers[pod->count++] = c;
}

void pod_containers_make(struct pod *pod)
{
    const struct value *spec = value_get(pod->object->tree, "spec");

    for (int kind = 0; kind < CONTAINER_KINDS; kind++)
        for (size_t i = 0; i < value_count(value_get(spec, container_list((enum container_kind)kind))); i++)
            container_add(pod, (enum container_kind)kind, i);
}

static struct pod_container *container_find(const struct pod *pod, const char *name)
{
    for (size_t i = 0; i < pod->count; i++)
        if (!strcmp(pod->containers[i]->name, name))
            return pod->containers[i];
    return NULL;
}

static void container_detach(struct pod_container *c)
{
    runtime_watch_free(c->watch);
    c->watch = NULL;
    images_request_cancel(c->request);
    c->request = NULL;
    pod_probes_stop(c, true);
    /* What a hook has begun it may finish. */
    handler_leave(c->hook);
    c->hook = NULL;
}

void pod_containers_detach(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++)
        container_detach(pod->containers[i]);
}

void pod_containers_free(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];

        container_detach(c);
        image_free(c->image);
        runtime_container_free(c->current);
        runtime_container_free(c->last);
        pod_resize_container_free(c);
        pod_container_set_waiting(c, NULL, NULL);
        free(c->name);
        free(c);
    }
    free(pod->containers);
    pod->containers = NULL;
    pod->count = pod->cap = 0;
}

/* Removes a container that is two attempts old, with its log. */
struct discard {
    struct pod *pod;
    struct runtime_container *c;
};

static void discard_work(void *arg)
{
    struct discard *d = arg;

    (void)runtime_remove(&d->pod->agent->config.runtime, d->c->id, NULL);
    (void)fs_remove_tree(d->c->log_path, NULL);
    (void)fs_remove_tree(d->c->termination_path, NULL);
}

static void discard_done(void *arg)
{
    struct discard *d = arg;
    struct pod *pod = d->pod;

    pod_work_done(pod);
    runtime_container_free(d->c);
    free(d);
    pod_tick(pod);
}

static void container_discard(struct pod *pod, struct runtime_container *c)
{
    struct discard *d;

    if (!c)
        return;
    d = mem_zalloc(sizeof(*d));
    d->pod = pod;
    d->c = c;
    pod_work(pod, discard_work, discard_done, d);
}

void pod_container_set_current(struct pod_container *c, struct runtime_container *fresh)
{
    container_discard(c->pod, c->last);
    c->last = c->current;
    c->current = fresh;
    c->next_attempt = fresh->attempt + 1;
}

void pod_container_adopt(struct pod *pod, struct runtime_container *found)
{
    struct pod_container *c = container_find(pod, found->name);

    /* Half made, or no longer in the spec. */
    if (!c || found->state == RUNTIME_CREATED) {
        container_discard(pod, found);
        return;
    }
    /* They come in any order: the two newest are kept. */
    if (!c->current || c->current->attempt < found->attempt) {
        pod_container_set_current(c, found);
        pod_resize_container_set(c, true);
    } else if (!c->last || c->last->attempt < found->attempt) {
        container_discard(pod, c->last);
        c->last = found;
    } else {
        container_discard(pod, found);
    }
    if (c->kind == CONTAINER_APP)
        pod->initialized = true;
}

static char *text_or_empty(const struct value *object, const char *name)
{
    const char *text = object_text(object, name);

    return mem_strdup(text ? text : "");
}

/* An ephemeral container that the host forgot (a reboot): it ran, so it does not run again. What was published of its
 * end is all that is known. */
static void container_lost(struct pod_container *c)
{
    const struct value *status = container_status(c);
    const struct value *end = value_path(status, "state", "terminated", NULL);
    const char *id = object_text(status, "containerID");
    const char *bare = id ? strstr(id, "://") : NULL;
    char *logs CLEANUP_FREE = container_log_dir(c->pod->agent->config.log_dir, c->pod->object->tree);
    struct runtime_container *r = mem_zalloc(sizeof(*r));

    r->id = mem_strdup(bare ? bare + 3 : "");
    r->image_id = text_or_empty(status, "imageID");
    r->log_path = mem_printf("%s/%s/0.log", logs, c->name);
    r->state = RUNTIME_EXITED;
    r->exit_code = end ? (int)value_int(value_get(end, "exitCode")) : 137;
    r->reason = end ? text_or_empty(end, "reason") : mem_strdup("ContainerStatusUnknown");
    r->message = text_or_empty(end, "message");
    (void)time_parse(value_string(value_get(end, "startedAt")), &r->started_ns);
    if (!time_parse(value_string(value_get(end, "finishedAt")), &r->finished_ns))
        r->finished_ns = clock_wall_ns(c->pod->agent->clock);
    c->current = r;
    c->lost = true;
    c->state = CONTAINER_ENDED;
}

void pod_containers_resume(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];

        if (c->kind == CONTAINER_EPHEMERAL && !c->current && c->next_attempt) {
            container_lost(c);
            continue;
        }
        pod->start_counted = pod->start_counted || c->current; /* by an earlier run */
        if (c->current && c->current->state == RUNTIME_RUNNING) {
            pod_container_watch(c);
            pod_container_run(c, true);
        } else if (c->current)
            pod_container_ending(c);
    }
}

/* ---- the pod's containers together ---- */

static bool ended_well(const struct pod_container *c)
{
    return c->state == CONTAINER_ENDED && c->current->exit_code == 0;
}

/* The init containers' turn; true when the others may run. */
static bool init_tick(struct pod *pod, uint64_t *next)
{
    for (size_t i = 0; i < pod->count && pod->containers[i]->kind == CONTAINER_INIT; i++) {
        struct pod_container *c = pod->containers[i];

        if (pod_container_is_sidecar(c) ? pod_container_started(c) : ended_well(c))
            continue;
        if (c->state == CONTAINER_ENDED)
            pod->complete = true; /* it failed for good, and the pod with it */
        else
            pod_container_tick(c, next);
        return false;
    }
    return true;
}

/* Those that are up are probed, and ended when there is a cause. */
static void up_tick(struct pod *pod, uint64_t *next)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];

        if (!pod_container_is_up(c))
            continue;
        pod_probes_tick(c, next);
        if (c->cause)
            pod_container_stop(c, true, next);
    }
}

/* They wait for nothing that the pod waits for. */
static void ephemeral_tick(struct pod *pod, uint64_t *next)
{
    for (size_t i = 0; i < pod->count; i++)
        if (pod->containers[i]->kind == CONTAINER_EPHEMERAL)
            pod_container_tick(pod->containers[i], next);
}

uint64_t pod_containers_tick(struct pod *pod)
{
    uint64_t next = 0;
    bool running = false;

    up_tick(pod, &next);
    ephemeral_tick(pod, &next);
    if (!pod->initialized && !init_tick(pod, &next))
        return next;
    pod->initialized = true;
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];

        if (c->kind != CONTAINER_APP && !pod_container_is_sidecar(c))
            continue;
        pod_container_tick(c, &next);
        running = running || (c->kind == CONTAINER_APP && c->state != CONTAINER_ENDED);
    }
    pod->complete = !running;
    return next;
}

/* Ephemeral containers come in any order, those that are there already among the new. */
static void take_ephemeral(struct pod *pod)
{
    const struct value *list = value_path(pod->object->tree, "spec", container_list(CONTAINER_EPHEMERAL), NULL);

    for (size_t i = 0; i < value_count(list); i++) {
        const char *name = object_text(value_at(list, i), "name");
        struct pod_container *c = container_find(pod, name ? name : "");

        if (c && c->kind == CONTAINER_EPHEMERAL) {
            c->index = i;
        } else if (!c && !pod->stop && pod->state <= POD_RUNNING) {
            container_add(pod, CONTAINER_EPHEMERAL, i);
            pod->refs_ms = 0; /* what it refers to has not been read */
        }
    }
}

void pod_containers_changed(struct pod *pod)
{
    take_ephemeral(pod);
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = pod->containers[i];
        char hash[17];

        if (!pod_container_is_up(c) || c->cause || c->kind == CONTAINER_EPHEMERAL)
            continue;
        container_hash(pod_container_spec(pod, c), hash);
        if (!strcmp(hash, c->current->hash))
            continue;
        pod_container_condemn(c, STOP_BY_CHANGE, -1);
    }
}

char *pod_log_path(const struct pod *pod, const char *container, bool previous, bool *ret_running, struct error *err)
{
    const struct value *o = pod->object->tree;

    for (size_t i = 0; i < pod->count; i++) {
        const struct pod_container *c = pod->containers[i];
        const struct runtime_container *r = previous ? c->last : c->current ? c->current : c->last;

        if (strcmp(c->name, container) != 0)
            continue;
        /* While the next start waits, the one before is `current`, and `previous` means it too. */
        if (previous && c->state == CONTAINER_WAITING && c->current)
            r = c->current;
        *ret_running = pod_container_is_up(c) && r == c->current;
        if (r)
            return mem_strdup(r->log_path);
        if (previous)
            (void)error_set(err, ERROR_BAD_REQUEST, "previous terminated container \"%s\" in pod \"%s\" not found",
                            container, pod_name(o));
        else
            (void)error_set(err, ERROR_BAD_REQUEST, "container \"%s\" in pod \"%s\" is waiting to start: %s", container,
                            pod_name(o), c->waiting_reason ? c->waiting_reason : "ContainerCreating");
        return NULL;
    }
    (void)error_set(err, ERROR_BAD_REQUEST, "container %s is not valid for pod %s", container, pod_name(o));
    return NULL;
}

void pod_each_running(const struct pod *pod, void (*fn)(void *arg, const struct runtime_container *c), void *arg)
{
    for (size_t i = 0; i < pod->count; i++)
        if (pod_container_is_up(pod->containers[i]))
            fn(arg, pod->containers[i]->current);
}

int pod_find_target(const struct pod *pod, const char *container, struct pod_target *ret_target, struct error *err)
{
    for (size_t i = 0; i < pod->count; i++) {
        const struct pod_container *c = pod->containers[i];
        const struct value *spec;

        if (strcmp(c->name, container) != 0 || c->state != CONTAINER_RUNNING)
            continue;
        spec = pod_container_spec(pod, c);
        *ret_target = (struct pod_target){.id = c->current->id,
                                          .stdin_open = value_bool(value_get(spec, "stdin")),
                                          .tty = value_bool(value_get(spec, "tty"))};
        return 0;
    }
    return error_set(err, ERROR_INTERNAL, "container not found (\"%s\")", container);
}

int pod_find_network(const struct pod *pod, const char **ret_network, struct error *err)
{
    if (pod->state != POD_RUNNING || !pod->sandbox_ready)
        return error_set(err, ERROR_INTERNAL, "pod %s does not run", pod_name(pod->object->tree));
    *ret_network = pod->sandbox.network;
    return 0;
}

int pod_find_address(const struct pod *pod, const char **ret_address, struct error *err)
{
    const char *network;
    int r = pod_find_network(pod, &network, err);

    if (r < 0)
        return r;
    if (!pod->facts.pod_ip)
        return error_set(err, ERROR_INTERNAL, "pod %s has no address", pod_name(pod->object->tree));
    *ret_address = pod->facts.pod_ip;
    return 0;
}

void pod_each_log(const struct pod *pod, struct str_list *out)
{
    for (size_t i = 0; i < pod->count; i++) {
        const struct pod_container *c = pod->containers[i];

        if (!pod_container_is_up(c))
            continue;
        str_list_add(out, c->current->log_path);
        str_list_take(out, mem_printf("%s/containers/%s/ctl", pod->agent->config.run_dir, c->current->id));
    }
}
