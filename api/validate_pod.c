/* SPDX-License-Identifier: Apache-2.0 */
/* PodSpec as a whole: what its containers, volumes and ports must be to each other; and what an update may change. */
#include "api/validate_internal.h"

#include "lib/map.h"

#define DNS_SERVERS_MAX  3
#define DNS_SEARCHES_MAX 32
#define HOSTNAME_MAX     64 /* what the kernel takes */

static void map_free_keys(struct map *m)
{
    map_clear(m, NULL);
}

/* Puts the name in; false when it is there already. */
static bool map_take_name(struct map *names, struct slice name)
{
    if (map_get(names, name))
        return false;
    (void)map_put(names, name, names);
    return true;
}

static void check_volume_names(const struct rule_site *s)
{
    struct map names CLEANUP(map_free_keys) = {0};

    for (size_t i = 0; i < value_count(s->value); i++) {
        struct slice name = value_string(value_get(value_at(s->value, i), "name"));

        if (name.len && !map_take_name(&names, name))
            report_duplicate_text(s->v, VFIELD(VINDEX(s->at, i), "name"), name);
    }
}

static void check_mounted_volumes(const struct rule_site *s, const struct map *volumes, const struct vpath *at,
                                  const struct value *container)
{
    const struct value *mounts = value_get(container, "volumeMounts");

    for (size_t i = 0; i < value_count(mounts); i++) {
        struct slice name = value_string(value_get(value_at(mounts, i), "name"));

        if (name.len && !map_get(volumes, name))
            report_not_found(s->v, VFIELD(VINDEX(VFIELD(at, "volumeMounts"), i), "name"), name);
    }
}

/* The pods of a StatefulSet get a volume of each of its claims. */
static void take_claim_templates(const struct value *object, struct map *volumes)
{
    const struct value *claims = value_path(object, "spec", "volumeClaimTemplates", NULL);

    for (size_t i = 0; i < value_count(claims); i++)
        (void)map_take_name(volumes, value_string(value_path(value_at(claims, i), "metadata", "name", NULL)));
}

static bool is_claim_template(const struct value *object, struct slice name)
{
    const struct value *claims = value_path(object, "spec", "volumeClaimTemplates", NULL);

    for (size_t i = 0; i < value_count(claims); i++)
        if (slice_equal(value_string(value_path(value_at(claims, i), "metadata", "name", NULL)), name))
            return true;
    return false;
}

/* A device is a claim, never a directory. */
static void check_devices(const struct rule_site *s, const struct vpath *at, const struct value *container)
{
    const struct value *devices = value_get(container, "volumeDevices");
    const struct value *volumes = value_get(s->object, "volumes");

    for (size_t i = 0; i < value_count(devices); i++) {
        struct slice name = value_string(value_get(value_at(devices, i), "name"));
        const struct vpath *here = VFIELD(VINDEX(VFIELD(at, "volumeDevices"), i), "name");
        const struct value *volume = NULL;

        for (size_t j = 0; !volume && j < value_count(volumes); j++)
            if (slice_equal(value_string(value_get(value_at(volumes, j), "name")), name))
                volume = value_at(volumes, j);
        if (name.len && !volume && !is_claim_template(s->v->object, name))
            report_not_found(s->v, here, name);
        else if (volume && !value_get(volume, "persistentVolumeClaim") && !value_get(volume, "ephemeral"))
            report_invalid_text(s->v, here, name,
                                "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode");
    }
}

/* Init containers run once, in order, unless restartPolicy Always makes a sidecar of one. */
static void check_init_container(const struct rule_site *s, const struct vpath *at, const struct value *container)
{
    static const char *const fields[] = {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"};
    struct slice restart = value_string(value_get(container, "restartPolicy"));

    if (slice_is(restart, "Always"))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (value_get(container, fields[i]))
            report_forbidden(s->v, VFIELD(at, fields[i]),
                             "may not be set for init containers without restartPolicy=Always");
}

static void check_stop_signal(const struct rule_site *s, const struct vpath *at, struct slice signal)
{
    static const char *const on_windows[] = {"SIGKILL", "SIGTERM", NULL};
    static const char *const on_linux[] = {
        "SIGABRT",     "SIGALRM",     "SIGBUS",      "SIGCHLD",     "SIGCLD",      "SIGCONT",     "SIGFPE",
        "SIGHUP",      "SIGILL",      "SIGINT",      "SIGIO",       "SIGIOT",      "SIGKILL",     "SIGPIPE",
        "SIGPOLL",     "SIGPROF",     "SIGPWR",      "SIGQUIT",     "SIGRTMAX",    "SIGRTMAX-1",  "SIGRTMAX-10",
        "SIGRTMAX-11", "SIGRTMAX-12", "SIGRTMAX-13", "SIGRTMAX-14", "SIGRTMAX-2",  "SIGRTMAX-3",  "SIGRTMAX-4",
        "SIGRTMAX-5",  "SIGRTMAX-6",  "SIGRTMAX-7",  "SIGRTMAX-8",  "SIGRTMAX-9",  "SIGRTMIN",    "SIGRTMIN+1",
        "SIGRTMIN+10", "SIGRTMIN+11", "SIGRTMIN+12", "SIGRTMIN+13", "SIGRTMIN+14", "SIGRTMIN+15", "SIGRTMIN+2",
        "SIGRTMIN+3",  "SIGRTMIN+4",  "SIGRTMIN+5",  "SIGRTMIN+6",  "SIGRTMIN+7",  "SIGRTMIN+8",  "SIGRTMIN+9",
        "SIGSEGV",     "SIGSTKFLT",   "SIGSTOP",     "SIGSYS",      "SIGTERM",     "SIGTRAP",     "SIGTSTP",
        "SIGTTIN",     "SIGTTOU",     "SIGURG",      "SIGUSR1",     "SIGUSR2",     "SIGVTALRM",   "SIGWINCH",
        "SIGXCPU",     "SIGXFSZ",     NULL};
    struct slice os = value_string(value_path(s->object, "os", "name", NULL));

    if (!signal.len)
        return;
    if (!os.len)
        report_forbidden(s->v, at, "may not be set for containers with empty `spec.os.name`");
    else
        (void)check_one_of(s->v, at, signal, slice_is(os, "windows") ? on_windows : on_linux);
}

/* What a container's hooks say must fit what the pod says. */
static void check_lifecycle(const struct rule_site *s, const struct vpath *at, const struct value *container)
{
    static const char *const hooks[] = {"postStart", "preStop"};
    const struct value *lifecycle = value_get(container, "lifecycle");
    const struct value *grace = value_get(s->object, "terminationGracePeriodSeconds");
    const struct vpath *here = VFIELD(at, "lifecycle");

    for (size_t i = 0; grace && i < ARRAY_SIZE(hooks); i++) {
        const struct value *seconds = value_path(lifecycle, hooks[i], "sleep", "seconds", NULL);
        char *why CLEANUP_FREE = NULL;

        if (!seconds || (value_int(seconds) >= 0 && value_int(seconds) <= value_int(grace)))
            continue;
        why = mem_printf("must be non-negative and less than terminationGracePeriodSeconds (%lld)",
                         (long long)value_int(grace));
        report_invalid(s->v, VFIELD(VFIELD(here, hooks[i]), "sleep"), seconds, why);
    }
    check_stop_signal(s, VFIELD(here, "stopSignal"), value_string(value_get(lifecycle, "stopSignal")));
}

/* host ports are taken on the node: the same twice in one pod cannot work. */
static void check_host_port(const struct rule_site *s, struct map *taken, const struct vpath *at,
                            const struct value *port, int64_t host)
{
    char *key CLEANUP_FREE = mem_printf("%.*s/%.*s/%lld", SLICE_ARGS(value_string(value_get(port, "protocol"))),
                                        SLICE_ARGS(value_string(value_get(port, "hostIP"))), (long long)host);

    if (!map_take_name(taken, slice_str(key)))
        report_duplicate_text(s->v, VFIELD(at, "hostPort"), slice_str(key));
    if (value_bool(value_get(s->object, "hostNetwork")) && host != value_int(value_get(port, "containerPort")))
        report_invalid(s->v, VFIELD(at, "containerPort"), value_get(port, "containerPort"),
                       "must match `hostPort` when `hostNetwork` is true");
}

static void check_host_ports(const struct rule_site *s, struct map *taken, const struct vpath *at,
                             const struct value *container)
{
    const struct value *ports = value_get(container, "ports");

    for (size_t i = 0; i < value_count(ports); i++) {
        int64_t host = value_int(value_get(value_at(ports, i), "hostPort"));

        if (host)
            check_host_port(s, taken, VINDEX(VFIELD(at, "ports"), i), value_at(ports, i), host);
    }
}

static void check_containers(const struct rule_site *s)
{
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    struct map names CLEANUP(map_free_keys) = {0};
    struct map targets CLEANUP(map_free_keys) = {0}; /* whom an ephemeral one may look into */
    struct map volumes CLEANUP(map_free_keys) = {0};
    struct map ports CLEANUP(map_free_keys) = {0};
    const struct value *list = value_get(s->object, "volumes");

    for (size_t i = 0; i < value_count(list); i++)
        (void)map_take_name(&volumes, value_string(value_get(value_at(list, i), "name")));
    take_claim_templates(s->v->object, &volumes);
    for (size_t n = 0; n < ARRAY_SIZE(lists); n++) {
        list = value_get(s->object, lists[n]);
        for (size_t i = 0; i < value_count(list); i++) {
            const struct value *container = value_at(list, i);
            const struct vpath *at = VINDEX(VFIELD(s->at->up, lists[n]), i);
            struct slice name = value_string(value_get(container, "name"));

            if (name.len && !map_take_name(&names, name))
                report_duplicate_text(s->v, VFIELD(at, "name"), name);
            if (n < 2)
                (void)map_take_name(&targets, name);
            check_mounted_volumes(s, &volumes, at, container);
            check_devices(s, at, container);
            check_lifecycle(s, at, container);
            if (n < 2)
                check_resize_policy(s->v, at, container, value_string(value_get(s->object, "restartPolicy")));
            if (n == 0)
                check_host_ports(s, &ports, at, container);
            if (n == 1)
                check_init_container(s, at, container);
            if (n == 2)
                check_ephemeral_container(s, &targets, at, container);
        }
    }
}

static void check_container_restart(const struct rule_site *s)
{
    static const char *const values[] = {"Always", "Never", "OnFailure", NULL};

    if (value_string(s->value).len)
        (void)check_one_of(s->v, s->at, value_string(s->value), values);
}

static void check_deadline(const struct rule_site *s)
{
    (void)check_range(s->v, s->at, s->value, 1, INT32_MAX);
}

static void check_dns_policy(const struct rule_site *s)
{
    const struct value *servers = value_path(s->object, "dnsConfig", "nameservers", NULL);

    if (!slice_is(value_string(s->value), "None"))
        return;
    if (!value_get(s->object, "dnsConfig"))
        report_required(s->v, VFIELD(s->at->up, "dnsConfig"), "must provide `dnsConfig` when `dnsPolicy` is None");
    else if (!value_count(servers))
        report_required(s->v, VFIELD(VFIELD(s->at->up, "dnsConfig"), "nameservers"),
                        "must provide at least one DNS nameserver when `dnsPolicy` is None");
}

static void check_dns_config(const struct rule_site *s)
{
    const struct value *servers = value_get(s->object, "nameservers");
    const struct value *searches = value_get(s->object, "searches");
    const struct value *options = value_get(s->object, "options");

    if (value_count(servers) > DNS_SERVERS_MAX)
        report_invalid(s->v, VFIELD(s->at, "nameservers"), servers, "must not have more than 3 nameservers");
    for (size_t i = 0; i < value_count(servers); i++)
        (void)check_ip(s->v, VINDEX(VFIELD(s->at, "nameservers"), i), value_string(value_at(servers, i)));
    if (value_count(searches) > DNS_SEARCHES_MAX)
        report_invalid(s->v, VFIELD(s->at, "searches"), searches, "must not have more than 32 search paths");
    for (size_t i = 0; i < value_count(searches); i++) {
        struct slice search = value_string(value_at(searches, i));

        if (slice_ends(search, SLICE_LIT(".")))
            search.len--;
        if (search.len)
            (void)check_name(s->v, VINDEX(VFIELD(s->at, "searches"), i), search, validate_dns1123_subdomain);
    }
    for (size_t i = 0; i < value_count(options); i++)
        if (!value_string(value_get(value_at(options, i), "name")).len)
            report_required(s->v, VINDEX(VFIELD(s->at, "options"), i), "must not be empty");
}

static void check_subdomain_field(const struct rule_site *s)
{
    if (value_string(s->value).len)
        (void)check_name(s->v, s->at, value_string(s->value), validate_dns1123_subdomain);
}

static void check_label_field(const struct rule_site *s)
{
    if (value_string(s->value).len)
        (void)check_name(s->v, s->at, value_string(s->value), validate_dns1123_label);
}

static void check_node_selector(const struct rule_site *s)
{
    check_labels(s->v, s->at, s->value);
}

static void check_host_alias(const struct rule_site *s)
{
    const struct value *names = value_get(s->object, "hostnames");

    if (value_string(value_get(s->object, "ip")).len)
        (void)check_ip(s->v, VFIELD(s->at, "ip"), value_string(value_get(s->object, "ip")));
    for (size_t i = 0; i < value_count(names); i++)
        (void)check_name(s->v, VINDEX(VFIELD(s->at, "hostnames"), i), value_string(value_at(names, i)),
                         validate_dns1123_subdomain);
}

static void check_readiness_gate(const struct rule_site *s)
{
    struct slice type = value_string(value_get(s->object, "conditionType"));

    if (type.len)
        (void)check_name(s->v, VFIELD(s->at, "conditionType"), type, validate_qualified_name);
}

static void check_namespaces(const struct rule_site *s)
{
    const struct value *shared = value_get(s->object, "shareProcessNamespace");

    if (value_bool(shared) && value_bool(value_get(s->object, "hostPID")))
        report_invalid(s->v, VFIELD(VFIELD(s->at, "securityContext"), "shareProcessNamespace"), shared,
                       "ShareProcessNamespace and HostPID cannot both be enabled");
}

/* Root of such a pod is nobody on the node; namespaces of the node are root's. */
static void check_own_users(const struct rule_site *s)
{
    static const char *const shared[] = {"hostNetwork", "hostPID", "hostIPC"};
    static const char *const lists[] = {"containers", "initContainers", "ephemeralContainers"};
    const struct value *host = value_get(s->object, "hostUsers");
    bool own = value_is(host, VALUE_BOOL) && !value_bool(host);

    for (size_t i = 0; own && i < ARRAY_SIZE(shared); i++)
        if (value_bool(value_get(s->object, shared[i])))
            report_forbidden(s->v, VFIELD(s->at, shared[i]), "when `hostUsers` is false");
    for (size_t l = 0; !own && l < ARRAY_SIZE(lists); l++)
        for (size_t i = 0; i < value_count(value_get(s->object, lists[l])); i++) {
            const struct value *mount =
                value_path(value_at(value_get(s->object, lists[l]), i), "securityContext", "procMount", NULL);

            if (slice_is(value_string(mount), "Unmasked"))
                report_invalid(s->v, VFIELD(VFIELD(VINDEX(VFIELD(s->at, lists[l]), i), "securityContext"), "procMount"),
                               mount, "`hostUsers` must be false to use `Unmasked`");
        }
}

static void check_hostname_override(const struct rule_site *s)
{
    struct slice name = value_string(s->value);

    if (!name.len)
        return;
    if (name.len > HOSTNAME_MAX)
        report_too_long(s->v, s->at, HOSTNAME_MAX);
    else
        (void)check_name(s->v, s->at, name, validate_dns1123_subdomain);
    if (value_bool(value_get(s->object, "hostNetwork")))
        report_forbidden(s->v, s->at, "may not be specified when hostNetwork is true");
    if (value_bool(value_get(s->object, "setHostnameAsFQDN")))
        report_forbidden(s->v, s->at, "may not be specified when setHostnameAsFQDN is true");
}

static void check_template(const struct rule_site *s)
{
    const struct value *meta = value_get(s->object, "metadata");

    check_labels(s->v, VFIELD(s->at, "labels"), value_get(meta, "labels"));
    check_annotations(s->v, VFIELD(s->at, "annotations"), value_get(meta, "annotations"));
    if (value_count(value_path(s->object, "spec", "ephemeralContainers", NULL)))
        report_forbidden(s->v, VFIELD(VFIELD(s->at, "spec"), "ephemeralContainers"),
                         "ephemeral containers not allowed in pod template");
}

/* Only the node that runs a mirrored pod shows it. */
static void check_mirror(const struct rule_site *s)
{
    static const char name[] = "kubernetes.io/config.mirror";
    const struct value *mirror = value_path(s->object, "metadata", "annotations", name, NULL);

    if (mirror && !value_string(value_path(s->object, "spec", "nodeName", NULL)).len)
        report_invalid(s->v, VKEY(VFIELD(VFIELD(NULL, "metadata"), "annotations"), slice_str(name)), mirror,
                       "must set spec.nodeName if mirror pod annotation is set");
}

static void check_pod(const struct rule_site *s)
{
    check_mirror(s);
    if (s->v->old)
        check_pod_update(s->v);
    else if (value_count(value_path(s->object, "spec", "ephemeralContainers", NULL)))
        report_forbidden(s->v, VFIELD(VFIELD(NULL, "spec"), "ephemeralContainers"), "cannot be set on create");
}

static const struct rule rules[] = {
    {"Pod", NULL, check_pod},
    {"PodTemplateSpec", NULL, check_template},
    {"PodSpec", "volumes", check_volume_names},
    {"PodSpec", "containers", check_containers},
    {"PodSpec", "activeDeadlineSeconds", check_deadline},
    {"PodSpec", "dnsPolicy", check_dns_policy},
    {"PodSpec", "nodeSelector", check_node_selector},
    {"PodSpec", "serviceAccountName", check_subdomain_field},
    {"PodSpec", "nodeName", check_subdomain_field},
    {"PodSpec", "hostname", check_label_field},
    {"PodSpec", "subdomain", check_label_field},
    {"PodSpec", "schedulerName", check_subdomain_field},
    {"PodSpec", "priorityClassName", check_subdomain_field},
    {"PodSpec", "runtimeClassName", check_subdomain_field},
    {"PodSpec", "hostnameOverride", check_hostname_override},
    {"PodSpec", NULL, check_namespaces},
    {"PodSpec", NULL, check_own_users},
    {"PodDNSConfig", NULL, check_dns_config},
    {"HostAlias", NULL, check_host_alias},
    {"PodReadinessGate", NULL, check_readiness_gate},
    {"Container", "restartPolicy", check_container_restart},
};
const struct rule_set validate_rules_pod = {rules, ARRAY_SIZE(rules)};
