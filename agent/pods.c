/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All pods of this node, by uid: a pod that is deleted and made again under the same name is another pod, and both may
 * be here for a while. What is found on disk waits for its pod; what has none after the first complete list is removed.
 */
#include "agent/pods.h"

#include "agent/fs.h"
#include "agent/pod_spec.h"
#include "agent/services.h"
#include "api/scan.h"
#include "client/informer.h"
#include "lib/log.h"

/* Containers of one pod, found at start. */
struct found {
    struct runtime_container **containers;
    size_t count;
    size_t cap;
};

struct pods {
    struct agent *agent;
    struct informer *informer;
    struct map pods;         /* uid -> struct pod */
    struct map found;        /* uid -> struct found, until claimed */
    struct loop_timer *room; /* due: resizes that wait are judged */
    bool synced;
    bool closing;
};

/* What the informer keeps of a pod. */
struct item {
    char *uid;
    char *json;
    size_t len;
};

static void found_free(void *arg)
{
    struct found *f = arg;

    for (size_t i = 0; i < f->count; i++)
        runtime_container_free(f->containers[i]);
    free(f->containers);
    free(f);
}

/* ---- the informer's side ---- */

static void *project(void *arg, struct slice key, struct slice json)
{
    struct item *item;
    char *uid = scan_text_dup(scan_get(json, "metadata.uid"));

    if (!uid)
        return NULL;
    item = mem_zalloc(sizeof(*item));
    item->uid = uid;
    item->json = mem_dup(json.data, json.len);
    item->len = json.len;
    return item;
}

static void item_free(void *arg)
{
    struct item *item = arg;

    free(item->uid);
    free(item->json);
    free(item);
}

static void pod_left(void *arg, struct pod *pod)
{
    struct pods *pods = arg;

    (void)map_remove(&pods->pods, slice_str(pod_id(pod)));
}

static void pod_add(struct pods *pods, struct value *object)
{
    char *uid CLEANUP_FREE = mem_strdup(pod_uid(object));
    struct found *found = map_remove(&pods->found, slice_str(uid));
    struct pod *pod = pod_new(pods->agent, object, pod_left, pods);

    map_put(&pods->pods, slice_str(uid), pod);
    for (size_t i = 0; found && i < found->count; i++)
        pod_adopt(pod, STEAL(found->containers[i]));
    if (found)
        found_free(found);
    pod_run(pod);
}

static void changed(void *arg, struct slice key, const void *before, const void *now)
{
    struct pods *pods = arg;
    const struct item *old = before;
    const struct item *item = now;
    struct pod *pod;
    struct value *object;
    ERROR_LOCAL(err);

    if (old && (!item || strcmp(old->uid, item->uid) != 0)) {
        pod = map_get(&pods->pods, slice_str(old->uid));
        if (pod)
            pod_vanished(pod);
        services_pod(pods->agent->services, old->uid, SLICE_NONE);
    }
    if (!item)
        return;
    services_pod(pods->agent->services, item->uid, slice_make(item->json, item->len));
    object = value_parse(slice_make(item->json, item->len), &err);
    if (!object) {
        log_error("agent", "pod %.*s cannot be read: %s; it is left as it is", SLICE_ARGS(key), error_text(&err));
        return;
    }
    pod = map_get(&pods->pods, slice_str(item->uid));
    if (pod)
        pod_update(pod, object);
    else
        pod_add(pods, object);
}

/* ---- room for resizes ---- */

bool pods_others(const struct pods *pods, const struct pod *except, struct resize_amounts *ret_amounts)
{
    *ret_amounts = (struct resize_amounts){0};
    map_for_each (e, &pods->pods) {
        struct resize_amounts own;

        if (e->value == except || !pod_holds(e->value, &own))
            continue;
        ret_amounts->cpu_milli += own.cpu_milli;
        ret_amounts->memory += own.memory;
    }
    return pods->synced;
}

void pods_room(struct pods *pods)
{
    if (!pods->closing)
        loop_timer_start(pods->room, 0, 0);
}

static int waiting_order(const void *a, const void *b)
{
    return pod_compare_waiting(*(struct pod *const *)a, *(struct pod *const *)b);
}

static void judge_waiting(void *arg)
{
    struct pods *pods = arg;
    struct pod **waiting CLEANUP_FREE = mem_calloc(pods->pods.count + 1, sizeof(struct pod *));
    size_t count = 0;

    map_for_each (e, &pods->pods) {
        if (pod_waits_for_room(e->value))
            waiting[count++] = e->value;
    }
    qsort(waiting, count, sizeof(struct pod *), waiting_order);
    for (size_t i = 0; i < count; i++)
        pod_judge_resize(waiting[i]);
}

/* ---- leftovers ---- */

struct leftovers {
    struct agent *agent;
    struct str_list known;  /* uids that are pods */
    struct str_list remove; /* uids that are not */
    struct str_list containers;
};

static int look_at_sandbox(void *arg, const char *name, struct error *err)
{
    struct leftovers *l = arg;
    char *uid CLEANUP_FREE = mem_strndup(name, strcspn(name, "."));

    if (!str_list_has(&l->known, uid) && !str_list_has(&l->remove, uid))
        str_list_add(&l->remove, uid);
    return 0;
}

static void remove_pod(struct agent *agent, const char *uid)
{
    const struct agent_config *config = &agent->config;
    const struct sandbox_config sandbox_config = agent_sandbox_config(config);
    char *dir CLEANUP_FREE = mem_printf("%s/pods/%s", config->home, uid);
    ERROR_LOCAL(err);

    for (int qos = CGROUP_GUARANTEED; qos <= CGROUP_BESTEFFORT; qos++) {
        char *path CLEANUP_FREE = cgroup_pod_path(config->cgroup_parent, (enum cgroup_qos)qos, uid);

        if (cgroup_remove(config->cgroup_version, path, &err) < 0)
            log_warning("agent", "removing what is left of pod %s: %s", uid, error_text(&err));
    }
    if (sandbox_remove(&sandbox_config, uid, &err) < 0 || fs_unmount_below(dir, &err) < 0 ||
        fs_remove_tree(dir, &err) < 0)
        log_warning("agent", "removing what is left of pod %s: %s", uid, error_text(&err));
}

/* A writable layer whose container is gone: a reboot empties run_dir, not home. */
static int look_at_layer(void *arg, const char *id, struct error *err)
{
    struct leftovers *l = arg;
    char *record CLEANUP_FREE = mem_printf("%s/containers/%s", l->agent->config.run_dir, id);
    ERROR_LOCAL(why);

    if (!fs_exists(record) && runtime_remove(&l->agent->config.runtime, id, &why) < 0)
        log_warning("agent", "%s", error_text(&why));
    return 0;
}

static void leftovers_work(void *arg)
{
    struct leftovers *l = arg;
    char *sandboxes CLEANUP_FREE = mem_printf("%s/sandboxes", l->agent->config.run_dir);
    char *dirs CLEANUP_FREE = mem_printf("%s/pods", l->agent->config.home);
    char *layers CLEANUP_FREE = mem_printf("%s/containers", l->agent->config.home);
    ERROR_LOCAL(err);

    for (size_t i = 0; i < l->containers.count; i++)
        if (runtime_remove(&l->agent->config.runtime, l->containers.items[i], &err) < 0)
            log_warning("agent", "%s", error_text(&err));
    (void)fs_each_name(layers, look_at_layer, l, NULL);
    (void)fs_each_name(sandboxes, look_at_sandbox, l, NULL);
    (void)fs_each_name(dirs, look_at_sandbox, l, NULL);
    for (size_t i = 0; i < l->remove.count; i++)
        remove_pod(l->agent, l->remove.items[i]);
}

static void leftovers_done(void *arg)
{
    struct leftovers *l = arg;

    str_list_clear(&l->known);
    str_list_clear(&l->remove);
    str_list_clear(&l->containers);
    free(l);
}

/* The first list is complete: containers that belong to no pod of this node have no business here. A pod that is
 * assigned while the job runs has made nothing yet under a uid of the past. */
static void synced(void *arg)
{
    struct pods *pods = arg;
    struct leftovers *l = mem_zalloc(sizeof(*l));

    services_pods_listed(pods->agent->services);
    pods->synced = true;
    pods_room(pods);
    l->agent = pods->agent;
    map_for_each (e, &pods->pods) {
        str_list_add(&l->known, e->key);
    }
    map_for_each (e, &pods->found) {
        const struct found *f = e->value;

        str_list_add(&l->remove, e->key);
        for (size_t i = 0; i < f->count; i++) {
            log_info("agent", "container %s of pod %s/%s belongs to no pod any more; it is removed",
                     f->containers[i]->name, f->containers[i]->pod_namespace, f->containers[i]->pod_name);
            str_list_add(&l->containers, f->containers[i]->id);
        }
    }
    map_clear(&pods->found, found_free);
    agent_work(pods->agent, leftovers_work, leftovers_done, l);
}

/* ---- start ---- */

struct loading {
    struct pods *pods;
    struct error err;
};

static void load_one(void *arg, struct runtime_container *c)
{
    struct pods *pods = arg;
    struct found *f = map_get(&pods->found, slice_str(c->pod_uid));

    if (!f) {
        f = mem_zalloc(sizeof(*f));
        map_put(&pods->found, slice_str(c->pod_uid), f);
    }
    f->containers = mem_grow(f->containers, &f->cap, f->count + 1, sizeof(*f->containers));
    f->containers[f->count++] = c;
}

static void loading_work(void *arg)
{
    struct loading *l = arg;

    /* Nobody else looks at pods->found before this is done. */
    (void)runtime_each(&l->pods->agent->config.runtime, load_one, l->pods, &l->err);
}

static void pods_close(struct pods *pods)
{
    loop_timer_free(pods->room);
    map_clear(&pods->found, found_free);
    map_clear(&pods->pods, NULL);
    free(pods);
}

static void loading_done(void *arg)
{
    struct loading *l = arg;
    struct pods *pods = l->pods;
    struct agent *agent = pods->agent;
    char *selector CLEANUP_FREE = mem_printf("spec.nodeName=%s", agent->config.node_name);

    if (error_is_set(&l->err))
        log_warning("agent", "reading the containers of an earlier run: %s", error_text(&l->err));
    error_clear(&l->err);
    free(l);
    if (pods->closing) {
        pods_close(pods);
        return;
    }
    pods->informer = informer_start(
        agent->client,
        &(struct informer_options){.kind = schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("pods")),
                                   .field_selector = selector,
                                   .project = project,
                                   .free_item = item_free,
                                   .changed = changed,
                                   .synced = synced,
                                   .arg = pods});
}

struct pods *pods_start(struct agent *agent)
{
    struct pods *pods = mem_zalloc(sizeof(*pods));
    struct loading *l = mem_zalloc(sizeof(*l));

    pods->agent = agent;
    pods->room = loop_timer_new(agent->loop, judge_waiting, pods);
    l->pods = pods;
    agent_work(agent, loading_work, loading_done, l);
    return pods;
}

void pods_free(struct pods *pods)
{
    if (!pods)
        return;
    if (!pods->informer) {
        pods->closing = true; /* loading_done ends it */
        return;
    }
    informer_free(pods->informer);
    pods->closing = true;
    map_for_each (e, &pods->pods) {
        pod_abandon(e->value);
    }
    pods_close(pods);
}

const struct pod *pods_find(const struct pods *pods, const char *ns, const char *name)
{
    map_for_each (e, &pods->pods) {
        const struct value *o = pod_object(e->value);

        if (!strcmp(pod_namespace(o), ns) && !strcmp(pod_name(o), name))
            return e->value;
    }
    return NULL;
}

void pods_each(const struct pods *pods, void (*fn)(void *arg, const struct pod *pod), void *arg)
{
    map_for_each (e, &pods->pods) {
        fn(arg, e->value);
    }
}
