/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. The tree has been validated and defaulted by the API server; what is absent all the same reads as 0.
 */
#include "agent/pod_spec.h"

#include <limits.h>
#include <stdio.h>

#include "agent/token.h"
#include "api/quantity.h"

#define PIDS_DEFAULT 4096 /* of a pod, and of each of its containers: a fork bomb stays in its pod */

const char *object_text(const struct value *object, const char *name)
{
    return value_str(value_get(object, name));
}

static const char *const lists[CONTAINER_KINDS] = {
    [CONTAINER_INIT] = "initContainers",
    [CONTAINER_APP] = "containers",
    [CONTAINER_EPHEMERAL] = "ephemeralContainers",
};
static const char *const status_lists[CONTAINER_KINDS] = {
    [CONTAINER_INIT] = "initContainerStatuses",
    [CONTAINER_APP] = "containerStatuses",
    [CONTAINER_EPHEMERAL] = "ephemeralContainerStatuses",
};

const char *container_list(enum container_kind kind)
{
    return lists[kind];
}

const char *container_status_list(enum container_kind kind)
{
    return status_lists[kind];
}

const struct value *container_named(const struct value *list, const char *name)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "name")), name))
            return value_at(list, i);
    return NULL;
}

static const char *metadata_text(const struct value *pod, const char *name)
{
    const char *text = value_str(value_path(pod, "metadata", name, NULL));

    return text ? text : "";
}

const char *pod_uid(const struct value *pod)
{
    return metadata_text(pod, "uid");
}

const char *pod_name(const struct value *pod)
{
    return metadata_text(pod, "name");
}

const char *pod_namespace(const struct value *pod)
{
    return metadata_text(pod, "namespace");
}

char *pod_display_name(const struct value *pod)
{
    return mem_printf("%s_%s(%s)", pod_name(pod), pod_namespace(pod), pod_uid(pod));
}

char *pod_host_name(const struct value *pod)
{
    const char *name = value_str(value_path(pod, "spec", "hostnameOverride", NULL));
    char *text;
    size_t len;

    if (name && *name)
        return mem_strdup(name);
    name = value_str(value_path(pod, "spec", "hostname", NULL));
    if (!name || !*name)
        name = pod_name(pod);
    len = strnlen(name, 63);
    text = mem_strndup(name, len);
    while (len && (text[len - 1] == '-' || text[len - 1] == '.'))
        text[--len] = '\0';
    return text;
}

char *pod_full_name(const struct value *pod, const char *domain)
{
    const char *subdomain = value_str(value_path(pod, "spec", "subdomain", NULL));
    char *host_name CLEANUP_FREE = pod_host_name(pod);

    if (!subdomain || !*subdomain)
        return NULL;
    return mem_printf("%s.%s.%s.svc.%s", host_name, subdomain, pod_namespace(pod), domain);
}

char *pod_kernel_name(const struct value *pod, const char *domain, struct error *err)
{
    bool whole = value_bool(value_path(pod, "spec", "setHostnameAsFQDN", NULL));
    char *full CLEANUP_FREE = whole ? pod_full_name(pod, domain) : NULL;

    if (!full)
        return pod_host_name(pod);
    if (strlen(full) <= HOST_NAME_MAX)
        return STEAL(full);
    (void)error_set(err, ERROR_INVALID,
                    "failed to construct FQDN from pod hostname and cluster domain, FQDN %s is too long (%d is the "
                    "max, %zu characters requested)",
                    full, HOST_NAME_MAX, strlen(full));
    return NULL;
}

bool pod_host_network(const struct value *pod)
{
    return value_bool(value_path(pod, "spec", "hostNetwork", NULL));
}

bool pod_own_users(const struct value *pod)
{
    const struct value *host = value_path(pod, "spec", "hostUsers", NULL);

    return value_is(host, VALUE_BOOL) && !value_bool(host);
}

const char *pod_restart_policy(const struct value *pod)
{
    const char *policy = value_str(value_path(pod, "spec", "restartPolicy", NULL));

    return policy ? policy : "Always";
}

bool container_is_sidecar(const struct value *container)
{
    return slice_is(value_string(value_get(container, "restartPolicy")), "Always");
}

bool pod_deleting(const struct value *pod)
{
    return value_str(value_path(pod, "metadata", "deletionTimestamp", NULL)) != NULL;
}

int64_t pod_grace_seconds(const struct value *pod)
{
    const struct value *grace = value_path(pod, "metadata", "deletionGracePeriodSeconds", NULL);

    if (!value_is(grace, VALUE_INT))
        grace = value_path(pod, "spec", "terminationGracePeriodSeconds", NULL);
    if (value_int(grace) < 0)
        return 1; /* as upstream: allowed, and as short as it gets */
    return value_is(grace, VALUE_INT) ? value_int(grace) : 30;
}

static bool quantity_read(const struct value *object, const char *name, struct quantity *ret_quantity)
{
    const struct value *v = value_get(object, name);
    char number[32];

    if (value_is(v, VALUE_INT)) {
        (void)snprintf(number, sizeof(number), "%lld", (long long)value_int(v));
        return quantity_parse(slice_str(number), ret_quantity, NULL) == 0;
    }
    return value_str(v) && quantity_parse(value_string(v), ret_quantity, NULL) == 0;
}

int64_t object_quantity(const struct value *object, const char *name)
{
    struct quantity q;

    return quantity_read(object, name, &q) ? quantity_value(&q) : 0;
}

int64_t object_quantity_milli(const struct value *object, const char *name)
{
    struct quantity q;

    return quantity_read(object, name, &q) ? quantity_milli(&q) : 0;
}

static void resources_read(const struct value *resources, struct cgroup_limits *ret_limits, int64_t *ret_memory_request)
{
    const struct value *limits = value_get(resources, "limits");
    const struct value *requests = value_get(resources, "requests");

    ret_limits->cpu_limit_milli = object_quantity_milli(limits, "cpu");
    ret_limits->cpu_request_milli = object_quantity_milli(requests, "cpu");
    if (!value_get(requests, "cpu"))
        ret_limits->cpu_request_milli = ret_limits->cpu_limit_milli;
    ret_limits->memory_limit = object_quantity(limits, "memory");
    ret_limits->pids_limit = PIDS_DEFAULT;
    *ret_memory_request = value_get(requests, "memory") ? object_quantity(requests, "memory")
                                                        : ret_limits->memory_limit;
}

void container_limits(const struct value *container, struct cgroup_limits *ret_limits, int64_t *ret_memory_request)
{
    resources_read(value_get(container, "resources"), ret_limits, ret_memory_request);
}

struct limits_sum {
    struct cgroup_limits sum;
    bool all_cpu;
    bool all_memory;
};

static void limits_add(struct limits_sum *s, const struct value *containers)
{
    for (size_t i = 0; i < value_count(containers); i++) {
        struct cgroup_limits l = {0};
        int64_t memory_request;

        container_limits(value_at(containers, i), &l, &memory_request);
        s->sum.cpu_request_milli += l.cpu_request_milli;
        s->sum.cpu_limit_milli += l.cpu_limit_milli;
        s->sum.memory_limit += l.memory_limit;
        s->all_cpu = s->all_cpu && l.cpu_limit_milli > 0;
        s->all_memory = s->all_memory && l.memory_limit > 0;
    }
}

/* What the pod as a whole is given counts, not the sum of its parts (spec.resources). */
static void limits_of_whole(const struct value *pod, struct cgroup_limits *l)
{
    const struct value *whole = value_path(pod, "spec", "resources", NULL);
    struct cgroup_limits own = {0};
    int64_t memory_request;

    resources_read(whole, &own, &memory_request);
    if (own.cpu_limit_milli > 0)
        l->cpu_limit_milli = own.cpu_limit_milli;
    if (own.memory_limit > 0)
        l->memory_limit = own.memory_limit;
    if (own.cpu_request_milli > 0)
        l->cpu_request_milli = own.cpu_request_milli;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

void pod_limits(const struct value *pod, struct cgroup_limits *ret_limits)
{
    const struct value *init = value_path(pod, "spec", "initContainers", NULL);
    struct limits_sum s = {.all_cpu = true, .all_memory = true};

    limits_add(&s, value_path(pod, "spec", "containers", NULL));
    for (size_t i = 0; i < value_count(init); i++) {
        struct cgroup_limits l = {0};
        int64_t memory_request;

        container_limits(value_at(init, i), &l, &memory_request);
        /* A sidecar runs beside the others, any other init container alone. */
        if (container_is_sidecar(value_at(init, i))) {
            s.sum.cpu_request_milli += l.cpu_request_milli;
            s.sum.cpu_limit_milli += l.cpu_limit_milli;
            s.sum.memory_limit += l.memory_limit;
        } else {
            s.sum.cpu_request_milli = max64(s.sum.cpu_request_milli, l.cpu_request_milli);
            s.sum.cpu_limit_milli = max64(s.sum.cpu_limit_milli, l.cpu_limit_milli);
            s.sum.memory_limit = max64(s.sum.memory_limit, l.memory_limit);
        }
        s.all_cpu = s.all_cpu && l.cpu_limit_milli > 0;
        s.all_memory = s.all_memory && l.memory_limit > 0;
    }
    if (!s.all_cpu)
        s.sum.cpu_limit_milli = 0;
    if (!s.all_memory)
        s.sum.memory_limit = 0;
    limits_of_whole(pod, &s.sum);
    s.sum.pids_limit = PIDS_DEFAULT;
    *ret_limits = s.sum;
}

/* Guaranteed: every container has limits for both and requests equal to them. BestEffort: none has anything. */
static void qos_look(const struct value *resources, bool *guaranteed, bool *nothing)
{
    static const char *const names[] = {"cpu", "memory"};
    const struct value *limits = value_get(resources, "limits");
    const struct value *requests = value_get(resources, "requests");

    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        int64_t limit = object_quantity_milli(limits, names[n]);
        int64_t request = value_get(requests, names[n]) ? object_quantity_milli(requests, names[n]) : limit;

        if (limit || request)
            *nothing = false;
        if (!limit || limit != request)
            *guaranteed = false;
    }
}

static void qos_look_all(const struct value *containers, bool *guaranteed, bool *nothing)
{
    for (size_t i = 0; i < value_count(containers); i++)
        qos_look(value_get(value_at(containers, i), "resources"), guaranteed, nothing);
}

enum cgroup_qos pod_qos(const struct value *pod)
{
    bool guaranteed = true;
    const struct value *whole = value_path(pod, "spec", "resources", NULL);
    bool nothing = true;

    if (value_count(value_get(whole, "limits")) || value_count(value_get(whole, "requests"))) {
        qos_look(whole, &guaranteed, &nothing);
    } else {
        qos_look_all(value_path(pod, "spec", "containers", NULL), &guaranteed, &nothing);
        qos_look_all(value_path(pod, "spec", "initContainers", NULL), &guaranteed, &nothing);
    }
    return nothing ? CGROUP_BESTEFFORT : guaranteed ? CGROUP_GUARANTEED : CGROUP_BURSTABLE;
}

static bool user_agrees(const struct value *pod, const struct value *containers, int64_t *user, bool *found)
{
    for (size_t i = 0; i < value_count(containers); i++) {
        const struct value *own = value_path(value_at(containers, i), "securityContext", "runAsUser", NULL);

        if (!own)
            own = value_path(pod, "spec", "securityContext", "runAsUser", NULL);
        if (!value_is(own, VALUE_INT) || (*found && value_int(own) != *user))
            return false;
        *user = value_int(own);
        *found = true;
    }
    return true;
}

bool pod_common_user(const struct value *pod, int64_t *ret_user)
{
    bool found = false;

    return user_agrees(pod, value_path(pod, "spec", "initContainers", NULL), ret_user, &found) &&
           user_agrees(pod, value_path(pod, "spec", "containers", NULL), ret_user, &found) && found;
}

/* ---- references ---- */

struct references {
    void (*fn)(void *arg, const char *resource, const char *name, bool optional);
    void *arg;
};

static void reference_report(const struct references *r, const char *resource, const struct value *ref,
                             const char *name_field)
{
    const char *name = object_text(ref, name_field);

    if (name && *name)
        r->fn(r->arg, resource, name, value_bool(value_get(ref, "optional")));
}

static void container_references(const struct references *r, const struct value *containers)
{
    for (size_t i = 0; i < value_count(containers); i++) {
        const struct value *env = value_get(value_at(containers, i), "env");
        const struct value *from = value_get(value_at(containers, i), "envFrom");

        for (size_t e = 0; e < value_count(env); e++) {
            const struct value *source = value_get(value_at(env, e), "valueFrom");

            reference_report(r, "configmaps", value_get(source, "configMapKeyRef"), "name");
            reference_report(r, "secrets", value_get(source, "secretKeyRef"), "name");
        }
        for (size_t e = 0; e < value_count(from); e++) {
            reference_report(r, "configmaps", value_get(value_at(from, e), "configMapRef"), "name");
            reference_report(r, "secrets", value_get(value_at(from, e), "secretRef"), "name");
        }
    }
}

static void volume_references(const struct references *r, const struct value *volumes)
{
    for (size_t i = 0; i < value_count(volumes); i++) {
        const struct value *v = value_at(volumes, i);
        const struct value *sources = value_path(v, "projected", "sources", NULL);

        reference_report(r, "configmaps", value_get(v, "configMap"), "name");
        reference_report(r, "secrets", value_get(v, "secret"), "secretName");
        for (size_t s = 0; s < value_count(sources); s++) {
            const struct value *token = value_get(value_at(sources, s), "serviceAccountToken");
            char *name CLEANUP_FREE = token ? token_reference_name(token) : NULL;

            reference_report(r, "configmaps", value_get(value_at(sources, s), "configMap"), "name");
            reference_report(r, "secrets", value_get(value_at(sources, s), "secret"), "name");
            if (name)
                r->fn(r->arg, TOKEN_RESOURCE, name, false);
        }
    }
}

void pod_each_reference(const struct value *pod,
                        void (*fn)(void *arg, const char *resource, const char *name, bool optional), void *arg)
{
    const struct references r = {fn, arg};
    const struct value *secrets = value_path(pod, "spec", "imagePullSecrets", NULL);

    for (int kind = 0; kind < CONTAINER_KINDS; kind++)
        container_references(&r, value_path(pod, "spec", lists[kind], NULL));
    volume_references(&r, value_path(pod, "spec", "volumes", NULL));
    for (size_t i = 0; i < value_count(secrets); i++)
        reference_report(&r, "secrets", value_at(secrets, i), "name");
}
