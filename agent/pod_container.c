/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The containers of one pod. Order: init containers one after the other, then all others in the order of the spec, one
 * start at a time. What happens after an end follows restartPolicy; restarts wait for a back-off that doubles
 * (CrashLoopBackOff). See pod_internal.h for the drawing of a container's states.
 */
#include "agent/pod_internal.h"

#include <signal.h>

#include "agent/fs.h"
#include "agent/log_stream.h"
#include "agent/pod_spec.h"
#include "agent/text.h"

#define RETRY_CONFIG_MS 10000 /* after CreateContainerConfigError and its like */
#define REFS_FRESH_MS   5000  /* what was read so recently is not read again before a start */
#define MESSAGE_MAX     4096
#define ANNOUNCE_MS     2000 /* how long ErrImagePull is shown before ImagePullBackOff */

static void earliest(uint64_t *next, uint64_t at)
{
    if (at && (!*next || at < *next))
        *next = at;
}

const struct value *pod_container_spec(const struct pod *pod, const struct pod_container *c)
{
    return value_at(value_path(pod->object->tree, "spec", c->init ? "initContainers" : "containers", NULL), c->index);
}

static bool is_sidecar(const struct pod_container *c)
{
    return c->init && container_is_sidecar(pod_container_spec(c->pod, c));
}

static void replace_text(char **place, const char *text)
{
    char *copy = text ? text_clean(slice_str(text), MESSAGE_MAX) : NULL;

    free(*place);
    *place = copy;
}

static void set_waiting(struct pod_container *c, const char *reason, const char *message)
{
    replace_text(&c->waiting_reason, reason);
    replace_text(&c->waiting_message, message);
    replace_text(&c->pending_reason, NULL);
    replace_text(&c->pending_message, NULL);
    c->announce_ms = 0;
}

/* ---- making, adopting, freeing ---- */

static unsigned attempts_before(const struct pod *pod, const struct pod_container *c)
{
    const struct value *list =
        value_path(pod->object->tree, "status", c->init ? "initContainerStatuses" : "containerStatuses", NULL);

    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *status = value_at(list, i);
        const char *id = object_text(status, "containerID");

        if (slice_is(value_string(value_get(status, "name")), c->name))
            return (unsigned)value_int(value_get(status, "restartCount")) + (id && *id ? 1 : 0);
    }
    return 0;
}

void pod_containers_make(struct pod *pod)
{
    const struct value *spec = value_get(pod->object->tree, "spec");
    size_t init = value_count(value_get(spec, "initContainers"));

    pod->count = init + value_count(value_get(spec, "containers"));
    pod->containers = mem_calloc(pod->count + 1, sizeof(*pod->containers));
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = &pod->containers[i];
        const char *name;

        c->pod = pod;
        c->init = i < init;
        c->index = c->init ? i : i - init;
        name = object_text(pod_container_spec(pod, c), "name");
        c->name = mem_strdup(name ? name : "");
        c->next_attempt = attempts_before(pod, c);
    }
}

static void container_detach(struct pod_container *c)
{
    runtime_watch_free(c->watch);
    c->watch = NULL;
    images_request_cancel(c->request);
    c->request = NULL;
}

void pod_containers_detach(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++)
        container_detach(&pod->containers[i]);
}

void pod_containers_free(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = &pod->containers[i];

        container_detach(c);
        image_free(c->image);
        runtime_container_free(c->current);
        runtime_container_free(c->last);
        set_waiting(c, NULL, NULL);
        free(c->name);
    }
    free(pod->containers);
    pod->containers = NULL;
    pod->count = 0;
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

static void set_current(struct pod_container *c, struct runtime_container *fresh)
{
    container_discard(c->pod, c->last);
    c->last = c->current;
    c->current = fresh;
    c->next_attempt = fresh->attempt + 1;
}

/* ---- the end of a container ---- */

static bool wants_restart(const struct pod_container *c)
{
    const char *policy = pod_restart_policy(c->pod->object->tree);

    if (c->pod->stop)
        return false;
    if (is_sidecar(c) || c->replace)
        return true;
    if (!strcmp(policy, "Never") || (c->current->exit_code == 0 && (c->init || strcmp(policy, "Always") != 0)))
        return false;
    return true;
}

static void back_off(struct pod_container *c)
{
    char *pod_name_ CLEANUP_FREE = pod_display_name(c->pod->object->tree);
    char *message CLEANUP_FREE = NULL;
    char delay[24];

    backoff_text(c->restart.delay_ms, delay);
    message = mem_printf("back-off %s restarting failed container=%s pod=%s", delay, c->name, pod_name_);
    set_waiting(c, "CrashLoopBackOff", message);
    pod_event(c->pod, c, true, "BackOff", "Back-off restarting failed container %s in pod %s", c->name, pod_name_);
}

/* `current` has ended: what now? */
static void container_ended(struct pod_container *c)
{
    int64_t ran = c->current->started_ns ? c->current->finished_ns - c->current->started_ns : 0;

    c->state = CONTAINER_ENDED;
    c->stop_ms = 0;
    c->killed = false;
    log_streams_poke(c->pod->agent);
    if (!wants_restart(c))
        return;
    c->state = CONTAINER_WAITING;
    c->start_after_ms = 0;
    if (c->replace) {
        c->replace = false;
        return;
    }
    backoff_fail(&c->restart, pod_now_ms(c->pod), ran > 0 ? (uint64_t)(ran / NS_PER_MS) : 0, true);
    c->start_after_ms = c->restart.until_ms;
    if (c->restart.delay_ms)
        back_off(c);
}

struct ending {
    struct pod *pod;
    struct pod_container *c;
    char *id;
    struct runtime_container *fresh;
    struct error err;
};

static void ending_work(void *arg)
{
    struct ending *e = arg;
    const struct runtime *rt = &e->pod->agent->config.runtime;

    e->fresh = runtime_load(rt, e->id, &e->err);
    if (e->fresh && e->fresh->state == RUNTIME_EXITED)
        (void)runtime_release(rt, e->id, &e->err);
}

static void ending_done(void *arg)
{
    struct ending *e = arg;
    struct pod *pod = e->pod;
    struct pod_container *c = e->c;

    pod_work_done(pod);
    if (error_is_set(&e->err))
        pod_event(pod, c, true, "FailedKillPod", "cleaning up after container %s: %s", c->name, error_text(&e->err));
    if (e->fresh) {
        runtime_container_free(c->current);
        c->current = e->fresh;
    } else {
        /* The record is gone: somebody removed it behind our back. */
        c->current->state = RUNTIME_EXITED;
        c->current->exit_code = 137;
        c->current->finished_ns = clock_wall_ns(pod->agent->clock);
        replace_text(&c->current->reason, "ContainerStatusUnknown");
    }
    if (!pod->abandoned)
        container_ended(c);
    error_clear(&e->err);
    free(e->id);
    free(e);
    pod_tick(pod);
}

static void container_ending(struct pod_container *c)
{
    struct ending *e = mem_zalloc(sizeof(*e));

    c->state = CONTAINER_ENDING;
    e->pod = c->pod;
    e->c = c;
    e->id = mem_strdup(c->current->id);
    pod_work(c->pod, ending_work, ending_done, e);
}

static void on_ended(void *arg)
{
    struct pod_container *c = arg;

    runtime_watch_free(c->watch);
    c->watch = NULL;
    container_ending(c);
    pod_tick(c->pod);
}

static void watch(struct pod_container *c)
{
    c->state = CONTAINER_RUNNING;
    c->watch = runtime_watch_start(c->pod->agent->loop, c->current, on_ended, c);
}

void pod_container_adopt(struct pod *pod, struct runtime_container *found)
{
    struct pod_container *c = NULL;

    for (size_t i = 0; i < pod->count; i++)
        if (!strcmp(pod->containers[i].name, found->name))
            c = &pod->containers[i];
    /* Half made, or no longer in the spec. */
    if (!c || found->state == RUNTIME_CREATED) {
        container_discard(pod, found);
        return;
    }
    /* They come in any order: the two newest are kept. */
    if (!c->current || c->current->attempt < found->attempt) {
        set_current(c, found);
    } else if (!c->last || c->last->attempt < found->attempt) {
        container_discard(pod, c->last);
        c->last = found;
    } else {
        container_discard(pod, found);
    }
    if (!c->init)
        pod->initialized = true;
}

void pod_containers_resume(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = &pod->containers[i];

        if (c->current && c->current->state == RUNTIME_RUNNING)
            watch(c);
        else if (c->current)
            container_ending(c);
    }
}

/* ---- the start of a container ---- */

struct starting {
    struct pod *pod;
    struct pod_container *c;
    struct pod_tree *object;
    struct references *refs;
    struct image *image;
    struct pod_facts facts;
    struct container_start start;
    enum container_result result;
    struct runtime_container *fresh;
    struct error err;
};

static void starting_work(void *arg)
{
    struct starting *s = arg;

    s->result = container_start(&s->start, &s->fresh, &s->err);
}

static void start_failed(struct pod_container *c, const char *reason, const char *message)
{
    pod_event(c->pod, c, true, "Failed", "Error: %s", message);
    set_waiting(c, reason, message);
    c->state = CONTAINER_WAITING;
    c->start_after_ms = pod_now_ms(c->pod) + RETRY_CONFIG_MS;
}

static void start_finished(struct starting *s)
{
    struct pod_container *c = s->c;

    switch (s->result) {
    case CONTAINER_STARTED:
        set_waiting(c, NULL, NULL);
        set_current(c, s->fresh);
        pod_event(c->pod, c, false, "Created", "Created container: %s", c->name);
        pod_event(c->pod, c, false, "Started", "Started container %s", c->name);
        watch(c);
        break;
    case CONTAINER_FAILED:
        set_waiting(c, NULL, NULL);
        set_current(c, s->fresh);
        pod_event(c->pod, c, true, "Failed", "Error: %s", error_text(&s->err));
        container_ended(c);
        if (c->state == CONTAINER_WAITING && !c->waiting_reason)
            set_waiting(c, "RunContainerError", error_text(&s->err));
        break;
    case CONTAINER_BAD_CONFIG:
        start_failed(c, "CreateContainerConfigError", error_text(&s->err));
        break;
    default:
        start_failed(c, "CreateContainerError", error_text(&s->err));
    }
}

static void starting_done(void *arg)
{
    struct starting *s = arg;
    struct pod *pod = s->pod;

    pod_work_done(pod);
    pod->starting = false;
    if (!pod->abandoned)
        start_finished(s);
    else
        runtime_container_free(s->fresh);
    pod_tree_free(s->object);
    references_free(s->refs);
    image_free(s->image);
    error_clear(&s->err);
    free(s);
    pod_tick(pod);
}

static void container_make(struct pod_container *c)
{
    struct pod *pod = c->pod;
    struct starting *s = mem_zalloc(sizeof(*s));

    s->pod = pod;
    s->c = c;
    s->object = pod_tree_hold(pod->object);
    s->refs = references_hold(pod->refs);
    s->image = STEAL(c->image);
    s->facts = pod->facts;
    s->facts.find = references_find;
    s->facts.find_arg = s->refs;
    s->start = (struct container_start){
        .runtime = &pod->agent->config.runtime,
        .pod = s->object->tree,
        .container = pod_container_spec(pod, c),
        .image = s->image,
        .sandbox = &pod->sandbox,
        .facts = &s->facts,
        .pod_dir = pod->dir,
        .pod_cgroup = pod->cgroup,
        .log_dir = pod->agent->config.log_dir,
        .attempt = c->next_attempt,
    };
    c->state = CONTAINER_STARTING;
    pod->starting = true;
    pod_work(pod, starting_work, starting_done, s);
}

/* ---- its image ---- */

static void image_asked(void *arg)
{
    struct pod_container *c = arg;

    pod_event(c->pod, c, false, "Pulling", "Pulling image \"%s\"", object_text(pod_container_spec(c->pod, c), "image"));
}

static void image_failed(struct pod_container *c, const struct images_result *r, const char *name)
{
    bool pulling = !strcmp(r->reason, "ErrImagePull");

    if (pulling)
        pod_event(c->pod, c, true, "Failed", "Failed to pull image \"%s\": %s", name, error_text(r->err));
    else
        pod_event(c->pod, c, true, r->reason, "%s", error_text(r->err));
    pod_event(c->pod, c, true, "Failed", "Error: %s", r->reason);
    set_waiting(c, r->reason, error_text(r->err));
    backoff_fail(&c->pull, pod_now_ms(c->pod), 0, false);
    c->state = CONTAINER_WAITING;
    c->start_after_ms = c->pull.until_ms;
    if (!pulling)
        return;
    c->pending_reason = mem_strdup("ImagePullBackOff");
    c->pending_message = mem_printf("Back-off pulling image \"%s\": ErrImagePull: %s", name, error_text(r->err));
    c->announce_ms = pod_now_ms(c->pod) + ANNOUNCE_MS;
}

static void image_got(void *arg, const struct images_result *r)
{
    struct pod_container *c = arg;
    const char *name = object_text(pod_container_spec(c->pod, c), "image");

    c->request = NULL;
    if (!r->image) {
        image_failed(c, r, name);
        pod_tick(c->pod);
        return;
    }
    c->image = image_hold(r->image);
    backoff_clear(&c->pull);
    if (r->pulled)
        pod_event(c->pod, c, false, "Pulled",
                  "Successfully pulled image \"%s\" in %lldms (%lldms including waiting). Image size: %lld bytes.",
                  name, (long long)(r->pull_ns / NS_PER_MS), (long long)(r->pull_ns / NS_PER_MS),
                  (long long)r->image->size);
    else
        pod_event(c->pod, c, false, "Pulled", "Container image \"%s\" already present on machine", name);
    pod_tick(c->pod);
}

static void container_want_image(struct pod_container *c)
{
    const struct value *spec = pod_container_spec(c->pod, c);
    const char *name = object_text(spec, "image");
    const char *policy = object_text(spec, "imagePullPolicy");

    c->state = CONTAINER_IMAGE;
    c->request =
        images_ensure(c->pod->agent->images, name ? name : "", policy ? policy : "", image_asked, image_got, c);
}

void pod_containers_references(struct pod *pod, struct pod_container *c, const struct error *err)
{
    if (c->state != CONTAINER_REFERENCES)
        return;
    if (err)
        start_failed(c, "CreateContainerConfigError", error_text(err));
    else
        container_want_image(c);
}

static void container_begin(struct pod_container *c)
{
    struct pod *pod = c->pod;

    if (!references_needed(pod->object->tree) || pod_now_ms(pod) < pod->refs_ms + REFS_FRESH_MS) {
        container_want_image(c);
    } else if (!pod->fetch) {
        c->state = CONTAINER_REFERENCES;
        pod_references_read(pod, c);
    }
}

/* Does what can be done for one container now. */
static void container_tick(struct pod_container *c, uint64_t *next)
{
    uint64_t now = pod_now_ms(c->pod);

    if (c->announce_ms && c->announce_ms <= now) {
        char *reason CLEANUP_FREE = STEAL(c->pending_reason);
        char *message CLEANUP_FREE = STEAL(c->pending_message);

        pod_event(c->pod, c, false, "BackOff", "Back-off pulling image \"%s\"",
                  object_text(pod_container_spec(c->pod, c), "image"));
        pod_event(c->pod, c, true, "Failed", "Error: ImagePullBackOff");
        set_waiting(c, reason, message);
    }
    earliest(next, c->announce_ms);
    if (c->state == CONTAINER_WAITING && c->start_after_ms > now)
        earliest(next, c->start_after_ms);
    else if (c->state == CONTAINER_WAITING)
        container_begin(c);
    else if (c->state == CONTAINER_IMAGE && c->image && !c->pod->starting)
        container_make(c);
}

/* ---- ending them ---- */

struct signalling {
    struct pod *pod;
    char *id;
    int signal;
    struct error err;
};

static void signalling_work(void *arg)
{
    struct signalling *s = arg;

    (void)runtime_signal(&s->pod->agent->config.runtime, s->id, s->signal, &s->err);
}

static void signalling_done(void *arg)
{
    struct signalling *s = arg;
    struct pod *pod = s->pod;

    pod_work_done(pod);
    if (error_is_set(&s->err))
        pod_event(pod, NULL, true, "FailedKillPod", "error killing pod: %s", error_text(&s->err));
    error_clear(&s->err);
    free(s->id);
    free(s);
    pod_tick(pod);
}

static void container_send(struct pod_container *c, int signal)
{
    struct signalling *s = mem_zalloc(sizeof(*s));

    s->pod = c->pod;
    s->id = mem_strdup(c->current->id);
    s->signal = signal;
    pod_work(c->pod, signalling_work, signalling_done, s);
}

/* SIGTERM once, SIGKILL when the grace is over; the grace may shrink meanwhile. */
static void container_stop(struct pod_container *c, uint64_t *next)
{
    uint64_t now = pod_now_ms(c->pod);
    uint64_t grace = (uint64_t)pod_grace_seconds(c->pod->object->tree) * 1000;
    int signal = container_signal(c->current->stop_signal);

    if (!c->stop_ms) {
        c->stop_ms = now;
        pod_event(c->pod, c, false, "Killing", "Stopping container %s", c->name);
        if (grace)
            container_send(c, signal ? signal : SIGTERM);
    }
    if (c->killed)
        return;
    if (now < c->stop_ms + grace) {
        earliest(next, c->stop_ms + grace);
        return;
    }
    c->killed = true;
    container_send(c, SIGKILL);
}

/* Forgets what had not begun; true when nothing of it runs. */
static bool container_quiet(struct pod_container *c)
{
    switch (c->state) {
    case CONTAINER_REFERENCES:
    case CONTAINER_IMAGE:
        images_request_cancel(c->request);
        c->request = NULL;
        image_free(c->image);
        c->image = NULL;
        c->state = CONTAINER_WAITING;
        break;
    case CONTAINER_WAITING:
    case CONTAINER_ENDED:
        break;
    default:
        return false;
    }
    if (c->state == CONTAINER_WAITING && c->current) {
        set_waiting(c, NULL, NULL);
        c->state = CONTAINER_ENDED;
    }
    return true;
}

bool pod_containers_stop(struct pod *pod, uint64_t *ret_next_ms)
{
    bool quiet = true;

    /* Sidecars serve the others to their end. */
    for (int sidecars = 0; sidecars < 2 && quiet; sidecars++) {
        for (size_t i = 0; i < pod->count; i++) {
            struct pod_container *c = &pod->containers[i];

            if (is_sidecar(c) != (sidecars == 1) || container_quiet(c))
                continue;
            quiet = false;
            if (c->state == CONTAINER_RUNNING)
                container_stop(c, ret_next_ms);
        }
    }
    return quiet;
}

/* ---- the pod's containers together ---- */

static bool ended_well(const struct pod_container *c)
{
    return c->state == CONTAINER_ENDED && c->current->exit_code == 0;
}

/* The init containers' turn; true when the others may run. */
static bool init_tick(struct pod *pod, uint64_t *next)
{
    for (size_t i = 0; i < pod->count && pod->containers[i].init; i++) {
        struct pod_container *c = &pod->containers[i];

        if (is_sidecar(c) ? c->state == CONTAINER_RUNNING : ended_well(c))
            continue;
        if (c->state == CONTAINER_ENDED)
            pod->complete = true; /* it failed for good, and the pod with it */
        else
            container_tick(c, next);
        return false;
    }
    return true;
}

static void replace_tick(struct pod_container *c, uint64_t *next)
{
    if (c->replace && c->state == CONTAINER_RUNNING)
        container_stop(c, next);
}

uint64_t pod_containers_tick(struct pod *pod)
{
    uint64_t next = 0;
    bool running = false;

    if (!pod->initialized && !init_tick(pod, &next))
        return next;
    pod->initialized = true;
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = &pod->containers[i];

        if (c->init && !is_sidecar(c))
            continue;
        container_tick(c, &next);
        replace_tick(c, &next);
        running = running || (!c->init && c->state != CONTAINER_ENDED);
    }
    pod->complete = !running;
    return next;
}

void pod_containers_changed(struct pod *pod)
{
    for (size_t i = 0; i < pod->count; i++) {
        struct pod_container *c = &pod->containers[i];
        char hash[17];

        if (c->state != CONTAINER_RUNNING || c->replace)
            continue;
        container_hash(pod_container_spec(pod, c), hash);
        if (!strcmp(hash, c->current->hash))
            continue;
        c->replace = true;
        pod_event(pod, c, false, "Killing", "Container %s definition changed, will be restarted", c->name);
    }
}

char *pod_log_path(const struct pod *pod, const char *container, bool previous, bool *ret_running, struct error *err)
{
    const struct value *o = pod->object->tree;

    for (size_t i = 0; i < pod->count; i++) {
        const struct pod_container *c = &pod->containers[i];
        const struct runtime_container *r = previous ? c->last : c->current ? c->current : c->last;

        if (strcmp(c->name, container) != 0)
            continue;
        /* While the next start waits, the one before is `current`, and `previous` means it too. */
        if (previous && c->state == CONTAINER_WAITING && c->current)
            r = c->current;
        *ret_running = c->state == CONTAINER_RUNNING && r == c->current;
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
