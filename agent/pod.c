/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pod's states. See pod_internal.h for the drawing. Each state has one function that does what can be done now and
 * returns when it wants to be called again; events (a job's end, a container's end, a change of the object, the timer)
 * only note what happened and call pod_tick.
 */
#include "agent/pod_internal.h"

#include "agent/fs.h"
#include "agent/pod_spec.h"
#include "agent/pods.h"
#include "agent/services.h"
#include "agent/text.h"
#include "agent/volumes.h"
#include "lib/log.h"

#define REFRESH_MS  60000
#define MESSAGE_MAX 1024 /* of an event, as the API server takes it */

/* Allowed moves: bit n of moves[s] = from s to n. */
#define TO(state) (1u << POD_##state)
static const unsigned moves[POD_STATES] = {
    [POD_REFERENCES] = TO(VOLUMES) | TO(STOPPING),
    [POD_VOLUMES] = TO(SANDBOX) | TO(REFERENCES) | TO(STOPPING),
    [POD_SANDBOX] = TO(RUNNING) | TO(REFERENCES) | TO(STOPPING),
    [POD_RUNNING] = TO(STOPPING),
    [POD_STOPPING] = TO(CLEANING),
    [POD_CLEANING] = TO(FINISHED) | TO(DELETING) | TO(GONE),
    [POD_FINISHED] = TO(CLEANING),
    [POD_DELETING] = TO(GONE),
};
static const char *const state_names[POD_STATES] = {"references", "volumes",  "sandbox",  "running", "stopping",
                                                    "cleaning",   "finished", "deleting", "gone"};

static void pod_move(struct pod *pod, enum pod_state to)
{
    const struct value *o = pod->object->tree;

    if (!(moves[pod->state] & (1u << to))) {
        log_error("agent", "pod %s/%s: no way from %s to %s", pod_namespace(o), pod_name(o), state_names[pod->state],
                  state_names[to]);
        abort();
    }
    log_debug("agent", "pod %s/%s: %s -> %s", pod_namespace(o), pod_name(o), state_names[pod->state], state_names[to]);
    pod->state = to;
}

static bool can_stop(enum pod_state state)
{
    return (moves[state] & TO(STOPPING)) != 0;
}

uint64_t pod_now_ms(const struct pod *pod)
{
    return loop_now_ms(pod->agent->loop);
}

struct pod_tree *pod_tree_hold(struct pod_tree *t)
{
    t->refs++;
    return t;
}

void pod_tree_free(struct pod_tree *t)
{
    if (!t || --t->refs > 0)
        return;
    value_free(t->tree);
    free(t);
}

struct pod_tree *pod_tree_new(struct value *tree)
{
    struct pod_tree *t = mem_zalloc(sizeof(*t));

    t->refs = 1;
    t->tree = tree;
    return t;
}

void pod_event(struct pod *pod, const struct pod_container *c, bool warning, const char *reason, const char *fmt, ...)
{
    const struct value *o = pod->object->tree;
    char *field CLEANUP_FREE = c ? mem_printf("spec.%s{%s}", container_list(c->kind), c->name) : NULL;
    struct event_object object = {.api_version = "v1",
                                  .kind = "Pod",
                                  .namespace_ = pod_namespace(o),
                                  .name = pod_name(o),
                                  .uid = pod_uid(o),
                                  .field_path = field};
    char *raw CLEANUP_FREE = NULL;
    char *text CLEANUP_FREE = NULL;
    va_list args;

    if (pod->abandoned)
        return;
    va_start(args, fmt);
    raw = mem_vprintf(fmt, args);
    va_end(args);
    text = text_clean(slice_str(raw), MESSAGE_MAX);
    event_record(pod->agent->events, &object, warning, reason, "%s", text);
}

/* ---- work on the pool ---- */

void pod_work(struct pod *pod, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    pod->pending++;
    agent_work(pod->agent, work, done, arg);
}

void pod_work_done(struct pod *pod)
{
    pod->pending--;
}

/* One step of the pod itself: preparing or cleaning. */
struct pod_step {
    struct pod *pod;
    struct pod_tree *object;
    struct references *refs;
    struct pod_facts facts;
    struct sandbox sandbox;
    struct cgroup_limits limits; /* of its group */
    char *cluster_dns;           /* as it was known at the start of the step */
    struct str_list warnings;    /* about the pod's name servers */
    bool purge;                  /* cleaning: logs and records too */
    struct error err;
    void (*finished)(struct pod *pod, struct pod_step *step);
};

static void step_done(void *arg)
{
    struct pod_step *s = arg;
    struct pod *pod = s->pod;

    pod->job = false;
    pod_work_done(pod);
    s->finished(pod, s);
    pod_tree_free(s->object);
    references_free(s->refs);
    sandbox_clear(&s->sandbox);
    free(s->cluster_dns);
    str_list_clear(&s->warnings);
    error_clear(&s->err);
    free(s);
    pod_tick(pod);
}

static void step_start(struct pod *pod, void (*work)(void *arg), void (*finished)(struct pod *, struct pod_step *))
{
    struct pod_step *s = mem_zalloc(sizeof(*s));

    s->pod = pod;
    s->object = pod_tree_hold(pod->allocated);
    s->refs = references_hold(pod->refs);
    pod_resize_group(pod, &s->limits);
    s->facts = pod->facts;
    s->facts.find = references_find;
    s->facts.find_arg = s->refs;
    s->cluster_dns = services_dns_address(pod->agent->services);
    s->purge = pod->vanished || pod_deleting(pod->object->tree);
    s->finished = finished;
    pod->job = true;
    pod_work(pod, work, step_done, s);
}

/* A failed preparation starts over after a while. */
static void prepare_failed(struct pod *pod, const char *reason, const char *prefix, const struct error *err)
{
    pod_event(pod, NULL, true, reason, "%s%s", prefix, error_text(err));
    backoff_fail(&pod->backoff, pod_now_ms(pod), 0, false);
    /* A missing ConfigMap is often just late. */
    pod->retry_ms = pod_now_ms(pod) + (pod->backoff.delay_ms < 80000 ? pod->backoff.delay_ms / 10 : 8000);
    if (pod->state != POD_REFERENCES)
        pod_move(pod, POD_REFERENCES);
}

/* ---- REFERENCES ---- */

static void references_got(void *arg, struct references *refs, const struct error *err);
static void volumes_work(void *arg);
static void refresh_finished(struct pod *pod, struct pod_step *s);

void pod_references_read(struct pod *pod, struct pod_container *c)
{
    pod->fetch = references_fetch(pod->agent->client, pod->object->tree, pod->refs, references_got, pod);
    pod->fetch_for = c;
}

static void references_got(void *arg, struct references *refs, const struct error *err)
{
    struct pod *pod = arg;
    struct pod_container *c = pod->fetch_for;

    pod->fetch = NULL;
    pod->fetch_for = NULL;
    if (refs) {
        references_free(pod->refs);
        pod->refs = refs;
        pod->refs_ms = pod_now_ms(pod);
    }
    if (c)
        pod_containers_references(pod, c, err);
    else if (pod->state == POD_REFERENCES && err)
        prepare_failed(pod, "FailedMount", "reading what the pod refers to: ", err);
    else if (pod->state == POD_REFERENCES)
        pod_move(pod, POD_VOLUMES);
    else if (pod->state == POD_RUNNING && !err && !pod->job)
        step_start(pod, volumes_work, refresh_finished);
    pod_tick(pod);
}

static uint64_t tick_references(struct pod *pod)
{
    if (pod->retry_ms > pod_now_ms(pod))
        return pod->retry_ms;
    if (pod->fetch)
        return 0;
    if (references_needed(pod->object->tree))
        pod_references_read(pod, NULL);
    else
        pod_move(pod, POD_VOLUMES);
    return 0;
}

/* ---- VOLUMES ---- */

static void volumes_work(void *arg)
{
    struct pod_step *s = arg;

    (void)volumes_setup(s->object->tree, &s->facts, s->pod->dir, &s->err);
}

static void volumes_finished(struct pod *pod, struct pod_step *s)
{
    if (pod->state != POD_VOLUMES)
        return;
    if (error_is_set(&s->err))
        prepare_failed(pod, "FailedMount", "", &s->err);
    else
        pod_move(pod, POD_SANDBOX);
}

/* ---- SANDBOX ---- */

static void sandbox_work(void *arg)
{
    struct pod_step *s = arg;
    const struct agent_config *config = &s->pod->agent->config;
    const struct sandbox_config sandbox_config = agent_sandbox_config(config);
    const struct cluster_dns dns = {s->cluster_dns, config->cluster_domain};
    char *host_name CLEANUP_FREE = pod_kernel_name(s->object->tree, config->cluster_domain, &s->err);
    unsigned flags = pod_host_network(s->object->tree) ? SANDBOX_HOST_NETWORK : 0;

    if (value_bool(value_path(s->object->tree, "spec", "hostIPC", NULL)))
        flags |= SANDBOX_HOST_IPC;
    if (pod_own_users(s->object->tree))
        flags |= SANDBOX_USERS;
    if (!host_name || cgroup_pod_create(config->cgroup_version, s->pod->cgroup, &s->limits, &s->err) < 0 ||
        sandbox_create(&sandbox_config, pod_uid(s->object->tree), host_name, flags, &s->sandbox, &s->err) < 0)
        return;
    (void)container_write_etc(&(struct container_etc){.pod = s->object->tree,
                                                      .sandbox = &s->sandbox,
                                                      .pod_dir = s->pod->dir,
                                                      .resolv_conf = config->resolv_conf,
                                                      .dns = &dns},
                              &s->warnings, &s->err);
}

static void sandbox_finished(struct pod *pod, struct pod_step *s);

/* Its resolv.conf names the cluster's DNS, which is a Service. */
static uint64_t tick_sandbox(struct pod *pod)
{
    if (pod->job)
        return 0;
    if (!services_known(pod->agent->services))
        return pod_now_ms(pod) + SERVICES_MS;
    step_start(pod, sandbox_work, sandbox_finished);
    return 0;
}

static void sandbox_finished(struct pod *pod, struct pod_step *s)
{
    if (pod->state != POD_SANDBOX)
        return;
    if (error_is_set(&s->err)) {
        prepare_failed(pod, "FailedCreatePodSandBox", "Failed to create pod sandbox: ", &s->err);
        return;
    }
    for (size_t i = 0; i < s->warnings.count; i++)
        pod_event(pod, NULL, true, "DNSConfigForming", "%s", s->warnings.items[i]);
    sandbox_clear(&pod->sandbox);
    pod->sandbox = s->sandbox;
    s->sandbox = (struct sandbox){0};
    pod->sandbox_ready = true;
    pod->resize.group = s->limits;
    pod->facts.pod_ip = pod->sandbox.ip ? pod->sandbox.ip : pod->agent->config.node_ip;
    backoff_clear(&pod->backoff);
    pod->refresh_ms = volumes_change(pod->object->tree) ? pod_now_ms(pod) + REFRESH_MS : 0;
    pod_move(pod, POD_RUNNING);
}

/* ---- STOPPING, CLEANING ---- */

static int clean_files(const struct agent_config *config, const struct pod_step *s, struct error *err)
{
    const char *uid = pod_uid(s->object->tree);
    char *volumes CLEANUP_FREE = mem_printf("%s/volumes", s->pod->dir);
    char *logs CLEANUP_FREE = container_log_dir(config->log_dir, s->object->tree);

    if (fs_unmount_below(s->pod->dir, err) < 0 || fs_remove_tree(volumes, err) < 0)
        return error_wrap(err, "cleaning up pod %s", uid);
    if (!s->purge)
        return 0;
    return fs_remove_tree(s->pod->dir, err) < 0 ? -1 : fs_remove_tree(logs, err);
}

static void clean_work(void *arg)
{
    struct pod_step *s = arg;
    const struct agent_config *config = &s->pod->agent->config;
    const struct sandbox_config sandbox_config = agent_sandbox_config(config);
    struct runtime_container *c;

    /* Nothing else touches the containers while the pod is cleaned. */
    for (size_t i = 0; i < s->pod->count; i++) {
        c = s->pod->containers[i]->lost ? NULL : s->pod->containers[i]->current;
        if (c && (s->purge ? runtime_remove(&config->runtime, c->id, &s->err)
                           : runtime_release(&config->runtime, c->id, &s->err)) < 0)
            return;
        c = s->pod->containers[i]->last;
        if (c && s->purge && runtime_remove(&config->runtime, c->id, &s->err) < 0)
            return;
    }
    if (sandbox_remove(&sandbox_config, pod_uid(s->object->tree), &s->err) < 0 ||
        cgroup_remove(config->cgroup_version, s->pod->cgroup, &s->err) < 0)
        return;
    (void)clean_files(config, s, &s->err);
}

static void clean_finished(struct pod *pod, struct pod_step *s)
{
    if (error_is_set(&s->err)) {
        pod_event(pod, NULL, true, "FailedKillPod", "error killing pod: %s", error_text(&s->err));
        backoff_fail(&pod->backoff, pod_now_ms(pod), 0, false);
        pod->retry_ms = pod_now_ms(pod) + pod->backoff.delay_ms / 10;
        return;
    }
    pod->sandbox_ready = false;
    if (!pod->abandoned)
        pods_room(pod->agent->pods);
    if (pod->vanished)
        pod_move(pod, POD_GONE);
    else
        pod_move(pod, s->purge ? POD_DELETING : POD_FINISHED);
}

static uint64_t tick_stopping(struct pod *pod)
{
    uint64_t next = 0;

    /* The last status goes out before anything is removed, so that exit codes are not lost. */
    if (!pod_containers_stop(pod, &next) || pod->job || pod->starting || pod->pending)
        return next;
    pod->retry_ms = 0;
    pod_move(pod, POD_CLEANING);
    return 0;
}

static uint64_t tick_cleaning(struct pod *pod)
{
    if (pod->retry_ms > pod_now_ms(pod))
        return pod->retry_ms;
    if (!pod->job)
        step_start(pod, clean_work, clean_finished);
    return 0;
}

static uint64_t tick_deleting(struct pod *pod)
{
    if (pod->vanished) {
        pod_move(pod, POD_GONE);
        return 0;
    }
    if (!pod->call && pod->final_sent)
        pod_send_delete(pod);
    return pod->publish_after_ms;
}

/* ---- the tick ---- */

/* Files of ConfigMaps, Secrets and the downward API follow their source while the pod runs. */
static void refresh_finished(struct pod *pod, struct pod_step *s)
{
    if (error_is_set(&s->err))
        pod_event(pod, NULL, true, "FailedMount", "%s", error_text(&s->err));
}

static uint64_t tick_refresh(struct pod *pod)
{
    uint64_t now = pod_now_ms(pod);

    if (!pod->refresh_ms || pod->refresh_ms > now || pod->fetch || pod->job)
        return pod->refresh_ms > now ? pod->refresh_ms : 0;
    pod->refresh_ms = now + REFRESH_MS;
    if (references_needed(pod->object->tree))
        pod_references_read(pod, NULL);
    else
        step_start(pod, volumes_work, refresh_finished);
    return pod->refresh_ms;
}

/* spec.activeDeadlineSeconds counts from when the node took the pod; it may be set or shortened while it runs. */
static void tick_deadline(struct pod *pod, uint64_t *next)
{
    int64_t seconds = value_int(value_path(pod->object->tree, "spec", "activeDeadlineSeconds", NULL));
    int64_t left_ms = (pod->start_ns - clock_wall_ns(pod->agent->clock)) / NS_PER_MS + seconds * 1000;

    if (seconds <= 0 || pod->stop || !can_stop(pod->state))
        return;
    if (left_ms > 0) {
        pod_earliest(next, pod_now_ms(pod) + (uint64_t)left_ms);
        return;
    }
    pod->expired = true;
    pod->stop = true;
    pod_event(pod, NULL, false, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline");
}

static uint64_t tick_running(struct pod *pod)
{
    uint64_t next = pod_resize_tick(pod); /* first: it says whether containers may start, and which must end */

    pod_earliest(&next, pod_containers_tick(pod));
    pod_earliest(&next, tick_refresh(pod));

    if (pod->complete) {
        pod->stop = true;
        pod_move(pod, POD_STOPPING);
    }
    return next;
}

static uint64_t tick_state(struct pod *pod)
{
    switch (pod->state) {
    case POD_REFERENCES:
        return tick_references(pod);
    case POD_VOLUMES:
        if (!pod->job)
            step_start(pod, volumes_work, volumes_finished);
        return 0;
    case POD_SANDBOX:
        return tick_sandbox(pod);
    case POD_RUNNING:
        return tick_running(pod);
    case POD_STOPPING:
        return tick_stopping(pod);
    case POD_CLEANING:
        return tick_cleaning(pod);
    case POD_FINISHED:
        /* Deleted after it had finished: what was kept goes too. */
        if (pod->vanished || pod_deleting(pod->object->tree))
            pod_move(pod, POD_CLEANING);
        return 0;
    case POD_DELETING:
        return tick_deleting(pod);
    default:
        return 0;
    }
}

static void pod_free(struct pod *pod)
{
    references_fetch_cancel(pod->fetch);
    if (pod->call)
        client_call_cancel(pod->call);
    pod_containers_free(pod);
    loop_timer_free(pod->timer);
    references_free(pod->refs);
    sandbox_clear(&pod->sandbox);
    pod_tree_free(pod->object);
    pod_resize_free(pod);
    value_free(pod->status);
    buf_free(&pod->sent);
    buf_free(&pod->sending);
    free(pod->dir);
    free(pod->cgroup);
    free(pod->refused_message);
    free(pod);
}

void pod_tick(struct pod *pod)
{
    enum pod_state before;
    uint64_t next;
    uint64_t again;
    uint64_t deadline = 0;

    if (pod->abandoned) {
        if (!pod->pending)
            pod_free(pod);
        return;
    }
    tick_deadline(pod, &deadline);
    if (pod->stop && can_stop(pod->state)) {
        pod->retry_ms = 0;
        pod_move(pod, POD_STOPPING);
    }
    do {
        before = pod->state;
        next = tick_state(pod);
    } while (pod->state != before);
    again = pod->state == POD_GONE ? 0 : pod_publish(pod);
    if (pod->state == POD_GONE && !pod->pending) {
        pod->gone(pod->gone_arg, pod);
        pod_free(pod);
        return;
    }
    pod_earliest(&next, again);
    pod_earliest(&next, deadline);
    loop_timer_stop(pod->timer);
    if (next)
        loop_timer_start(pod->timer, next > pod_now_ms(pod) ? next - pod_now_ms(pod) : 0, 0);
}

static void on_timer(void *arg)
{
    pod_tick(arg);
}

/* ---- for the owner ---- */

struct pod *pod_new(struct agent *agent, struct value *object, void (*gone)(void *arg, struct pod *pod), void *arg)
{
    struct pod *pod = mem_zalloc(sizeof(*pod));
    int64_t started = 0;

    pod->agent = agent;
    pod->object = pod_tree_new(object);
    pod->gone = gone;
    pod->gone_arg = arg;
    pod->timer = loop_timer_new(agent->loop, on_timer, pod);
    pod->dir = mem_printf("%s/pods/%s", agent->config.home, pod_uid(object));
    pod->cgroup = cgroup_pod_path(agent->config.cgroup_parent, pod_qos(object), pod_uid(object));
    if (!time_parse(value_string(value_path(object, "status", "startTime", NULL)), &started))
        started = clock_wall_ns(agent->clock);
    pod->start_ns = started;
    pod->facts = (struct pod_facts){.node_name = agent->config.node_name,
                                    .cluster_domain = agent->config.cluster_domain,
                                    .host_ip = agent->config.node_ip,
                                    .node_cpu_milli = agent->config.cpu_milli,
                                    .node_memory = agent->config.memory};
    pod_containers_make(pod);
    return pod;
}

void pod_adopt(struct pod *pod, struct runtime_container *c)
{
    pod_container_adopt(pod, c);
}

static bool phase_is_final(const struct value *object)
{
    struct slice phase = value_string(value_path(object, "status", "phase", NULL));

    return slice_is(phase, "Succeeded") || slice_is(phase, "Failed");
}

/* What the spec asks for and this node never gives: the pod fails at once, as at the kubelet's admission. */
static void pod_refuse(struct pod *pod)
{
    struct slice os = value_string(value_path(pod->object->tree, "spec", "os", "name", NULL));
    char *why CLEANUP_FREE = pod_sysctl_forbidden(pod->object->tree);

    if (os.len && !slice_is(os, "linux")) {
        free(why);
        why = mem_strdup("Failed to admit pod as the OS field doesn't match node OS");
        pod->refused = "PodOSNotSupported";
    } else if (why) {
        pod->refused = "SysctlForbidden";
    } else {
        return;
    }
    pod->refused_message = mem_printf("Pod was rejected: %s", why);
    if (!phase_is_final(pod->object->tree))
        pod_event(pod, NULL, true, pod->refused, "%s", why);
}

void pod_run(struct pod *pod)
{
    pod_refuse(pod);
    pod->stop = pod_deleting(pod->object->tree) || phase_is_final(pod->object->tree) || pod->refused;
    pod_containers_resume(pod);
    pod_resize_begin(pod);
    pod_tick(pod);
}

void pod_update(struct pod *pod, struct value *object)
{
    const struct value *before = value_get(pod->object->tree, "metadata");
    const struct value *now = value_get(object, "metadata");
    bool changed = !value_equal(value_get(before, "labels"), value_get(now, "labels")) ||
                   !value_equal(value_get(before, "annotations"), value_get(now, "annotations"));

    pod_tree_free(pod->object);
    pod->object = pod_tree_new(object);
    if (pod_deleting(object))
        pod->stop = true;
    pod_containers_changed(pod);
    pod_resize_changed(pod);
    /* Labels and annotations may stand in files. */
    if (pod->refresh_ms && changed)
        pod->refresh_ms = pod_now_ms(pod);
    pod_tick(pod);
}

void pod_vanished(struct pod *pod)
{
    pod->vanished = true;
    pod->stop = true;
    pod_tick(pod);
}

void pod_abandon(struct pod *pod)
{
    pod->abandoned = true;
    references_fetch_cancel(pod->fetch);
    pod->fetch = NULL;
    if (pod->call)
        client_call_cancel(pod->call);
    pod->call = NULL;
    pod_containers_detach(pod);
    pod_tick(pod);
}

const char *pod_id(const struct pod *pod)
{
    return pod_uid(pod->object->tree);
}

const struct value *pod_object(const struct pod *pod)
{
    return pod->object->tree;
}

const char *pod_cgroup(const struct pod *pod)
{
    return pod->cgroup;
}

int64_t pod_start_ns(const struct pod *pod)
{
    return pod->start_ns;
}
