/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From WAITING to RUNNING: what the container refers to, its image, the start itself. Each step may fail on its own and
 * then the container waits, with the reason that Kubernetes shows for it.
 */
#include "agent/pod_internal.h"

#include "agent/pod_spec.h"
#include "agent/services.h"
#include "agent/text.h"

#define RETRY_CONFIG_MS 10000 /* after CreateContainerConfigError and its like */
#define REFS_FRESH_MS   5000  /* what was read so recently is not read again before a start */
#define ANNOUNCE_MS     2000  /* how long ErrImagePull is shown before ImagePullBackOff */

/* ---- the start of a container ---- */

struct starting {
    struct pod *pod;
    struct pod_container *c;
    struct pod_tree *object;
    struct references *refs;
    struct image *image;
    struct pod_facts facts;
    struct str_list services;
    char *target; /* id */
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
    pod_container_set_waiting(c, reason, message);
    c->state = CONTAINER_WAITING;
    c->start_after_ms = pod_now_ms(c->pod) + RETRY_CONFIG_MS;
}

static void post_start_done(void *arg, enum handler_outcome outcome, const char *text)
{
    struct pod_container *c = arg;

    c->hook = NULL;
    c->pod->starting = false;
    if (outcome <= HANDLER_WARNING) {
        pod_container_run(c, false);
    } else {
        /* What it said may be secret: not in an event. */
        pod_event(c->pod, c, true, "FailedPostStartHook", "PostStartHook failed");
        pod_container_condemn(c, STOP_BY_HOOK, -1);
    }
    pod_tick(c->pod);
}

static void container_started(struct starting *s)
{
    struct pod_container *c = s->c;

    pod_container_set_waiting(c, NULL, NULL);
    pod_container_set_current(c, s->fresh);
    pod_resize_container_set(c, false);
    pod_event(c->pod, c, false, "Created", "Created container: %s", c->name);
    pod_event(c->pod, c, false, "Started", "Started container %s", c->name);
    pod_container_watch(c);
    if (!pod_hook_start(c, "postStart", post_start_done)) {
        pod_container_run(c, false);
        return;
    }
    c->state = CONTAINER_POST_START;
    c->pod->starting = true;
}

static void start_finished(struct starting *s)
{
    struct pod_container *c = s->c;

    switch (s->result) {
    case CONTAINER_STARTED:
        container_started(s);
        break;
    case CONTAINER_FAILED:
        pod_container_set_waiting(c, NULL, NULL);
        pod_container_set_current(c, s->fresh);
        pod_event(c->pod, c, true, "Failed", "Error: %s", error_text(&s->err));
        pod_container_ended(c);
        if (c->state == CONTAINER_WAITING && !c->waiting_reason)
            pod_container_set_waiting(c, "RunContainerError", error_text(&s->err));
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
    str_list_clear(&s->services);
    free(s->target);
    error_clear(&s->err);
    free(s);
    pod_tick(pod);
}

static void starting_add_services(struct starting *s)
{
    const struct value *links = value_path(s->object->tree, "spec", "enableServiceLinks", NULL);
    bool all = !value_is(links, VALUE_BOOL) || value_bool(links);

    services_environment(s->pod->agent->services, pod_namespace(s->object->tree), all, &s->services);
    s->facts.services = &s->services;
}

/* The container that an ephemeral one looks into: false when it does not run now, and is to be waited for. */
static bool container_target(const struct pod_container *c, const struct pod_container **ret_target)
{
    const char *name = object_text(pod_container_spec(c->pod, c), "targetContainerName");
    bool sees_all = value_bool(value_path(c->pod->object->tree, "spec", "hostPID", NULL));

    *ret_target = NULL;
    if (c->kind != CONTAINER_EPHEMERAL || !name || !*name || sees_all)
        return true;
    for (size_t i = 0; i < c->pod->count; i++)
        if (!strcmp(c->pod->containers[i]->name, name) && pod_container_is_up(c->pod->containers[i]))
            *ret_target = c->pod->containers[i];
    return *ret_target != NULL;
}

/* It waits for it with its image in hand, and says so once: who restarts again and again is up for a moment only, and
 * his start is an event. */
static void target_missing(struct pod_container *c)
{
    char *why CLEANUP_FREE = mem_printf("unable to find target container \"%s\"",
                                        object_text(pod_container_spec(c->pod, c), "targetContainerName"));

    if (c->waiting_message && !strcmp(c->waiting_message, why))
        return;
    pod_event(c->pod, c, true, "Failed", "Error: %s", why);
    pod_container_set_waiting(c, "CreateContainerConfigError", why);
}

static void container_make(struct pod_container *c)
{
    struct pod *pod = c->pod;
    const struct pod_container *target;
    struct starting *s;

    if (!container_target(c, &target)) {
        target_missing(c);
        return;
    }
    s = mem_zalloc(sizeof(*s));
    s->pod = pod;
    s->c = c;
    s->object = pod_tree_hold(pod->allocated);
    s->refs = references_hold(pod->refs);
    s->image = STEAL(c->image);
    s->facts = pod->facts;
    s->facts.find = references_find;
    s->facts.find_arg = s->refs;
    s->target = target ? mem_strdup(target->current->id) : NULL;
    starting_add_services(s);
    s->start = (struct container_start){
        .runtime = &pod->agent->config.runtime,
        .pod = s->object->tree,
        .container = value_at(value_path(s->object->tree, "spec", container_list(c->kind), NULL), c->index),
        .image = s->image,
        .sandbox = &pod->sandbox,
        .facts = &s->facts,
        .pod_dir = pod->dir,
        .pod_cgroup = pod->cgroup,
        .log_dir = pod->agent->config.log_dir,
        .target = s->target,
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
        pod_event(c->pod, c, true, strcmp(r->reason, "InvalidImageName") != 0 ? r->reason : "InspectFailed", "%s",
                  error_text(r->err));
    pod_event(c->pod, c, true, "Failed", "Error: %s", r->reason);
    pod_container_set_waiting(c, r->reason, error_text(r->err));
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
    char took[TEXT_DURATION_MAX];
    char waited[TEXT_DURATION_MAX];

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
                  "Successfully pulled image \"%s\" in %s (%s including waiting). Image size: %lld bytes.", name,
                  text_duration(r->pull_ns, took), text_duration(r->wait_ns, waited), (long long)r->image->size);
    else
        pod_event(c->pod, c, false, "Pulled",
                  "Container image \"%s\" already present on machine and can be accessed by the pod", name);
    pod_tick(c->pod);
}

/* What the pod's imagePullSecrets say. One that is missing or spoilt is told of; the image may do without. */
static void collect_logins(struct pod_container *c, struct registry_logins *ret_logins)
{
    const struct value *list = value_path(c->pod->object->tree, "spec", "imagePullSecrets", NULL);
    BUF_LOCAL(missing);

    for (size_t i = 0; i < value_count(list); i++) {
        const char *name = object_text(value_at(list, i), "name");
        const struct value *secret = references_find(c->pod->refs, "secrets", name ? name : "");
        ERROR_LOCAL(err);

        if (!secret)
            buf_printf(&missing, "%s%s", missing.len ? ", " : "", name ? name : "");
        else if (registry_logins_add_secret(ret_logins, secret, &err) < 0)
            pod_event(c->pod, NULL, true, "FailedToRetrieveImagePullSecret",
                      "Unable to use image pull secret %s: %s; attempting to pull the image may not succeed.", name,
                      error_text(&err));
    }
    if (missing.len)
        pod_event(c->pod, NULL, true, "FailedToRetrieveImagePullSecret",
                  "Unable to retrieve some image pull secrets (%s); attempting to pull the image may not succeed.",
                  buf_cstr(&missing));
}

static void container_want_image(struct pod_container *c)
{
    const struct value *spec = pod_container_spec(c->pod, c);
    const char *name = object_text(spec, "image");
    const char *policy = object_text(spec, "imagePullPolicy");
    struct registry_logins logins CLEANUP(registry_logins_clear) = {0};
    const struct images_wish wish = {.name = name ? name : "", .policy = policy ? policy : "", .logins = &logins};

    collect_logins(c, &logins);
    c->state = CONTAINER_IMAGE;
    c->request = images_ensure(c->pod->agent->images, &wish, image_asked, image_got, c);
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
void pod_container_tick(struct pod_container *c, uint64_t *next)
{
    uint64_t now = pod_now_ms(c->pod);

    if (c->announce_ms && c->announce_ms <= now) {
        char *reason CLEANUP_FREE = STEAL(c->pending_reason);
        char *message CLEANUP_FREE = STEAL(c->pending_message);

        pod_event(c->pod, c, false, "BackOff", "Back-off pulling image \"%s\"",
                  object_text(pod_container_spec(c->pod, c), "image"));
        pod_event(c->pod, c, true, "Failed", "Error: ImagePullBackOff");
        pod_container_set_waiting(c, reason, message);
    }
    pod_earliest(next, c->announce_ms);
    if (c->state == CONTAINER_WAITING && c->start_after_ms > now)
        pod_earliest(next, c->start_after_ms);
    else if (c->state == CONTAINER_WAITING)
        container_begin(c);
    else if (c->state == CONTAINER_IMAGE && c->image && !services_known(c->pod->agent->services))
        pod_earliest(next, now + SERVICES_MS);
    else if (c->state == CONTAINER_IMAGE && c->image && !c->pod->starting && !c->pod->resize.job)
        container_make(c);
}
