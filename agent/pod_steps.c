/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a pod itself needs, beside its containers, in the order of its states: what it refers to is read, its volumes
 * are made, its sandbox is; volumes are brought up to date while it runs; in the end all of it is cleaned up. Work goes
 * to the pool one step at a time (`job`); a step takes with it what may change meanwhile.
 */
#include "agent/pod_internal.h"

#include "agent/fs.h"
#include "agent/pod_spec.h"
#include "agent/pods.h"
#include "agent/services.h"
#include "agent/volumes.h"

#define REFRESH_MS 60000

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

/* ---- VOLUMES, and again while it is RUNNING ---- */

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

uint64_t pod_tick_volumes(struct pod *pod)
{
    if (!pod->job)
        step_start(pod, volumes_work, volumes_finished);
    return 0;
}

/* Files of ConfigMaps, Secrets and the downward API follow their source while the pod runs. */
static void refresh_finished(struct pod *pod, struct pod_step *s)
{
    if (error_is_set(&s->err))
        pod_event(pod, NULL, true, "FailedMount", "%s", error_text(&s->err));
}

/* ---- REFERENCES ---- */

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

void pod_references_read(struct pod *pod, struct pod_container *c)
{
    pod->fetch = references_fetch(pod->agent->client, pod->object->tree, pod->refs, references_got, pod);
    pod->fetch_for = c;
}

uint64_t pod_tick_references(struct pod *pod)
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

uint64_t pod_tick_refresh(struct pod *pod)
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

/* Its resolv.conf names the cluster's DNS, which is a Service. */
uint64_t pod_tick_sandbox(struct pod *pod)
{
    if (pod->job)
        return 0;
    if (!services_known(pod->agent->services))
        return pod_now_ms(pod) + SERVICES_MS;
    step_start(pod, sandbox_work, sandbox_finished);
    return 0;
}

/* ---- CLEANING ---- */

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
    if (!s->purge)
        pod_move(pod, POD_FINISHED); /* what was kept goes in another cleaning, if it was deleted meanwhile */
    else
        pod_move(pod, pod->vanished ? POD_GONE : POD_DELETING);
}

uint64_t pod_tick_cleaning(struct pod *pod)
{
    if (pod->retry_ms > pod_now_ms(pod))
        return pod->retry_ms;
    if (!pod->job)
        step_start(pod, clean_work, clean_finished);
    return 0;
}
