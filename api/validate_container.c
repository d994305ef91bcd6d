/* SPDX-License-Identifier: Apache-2.0 */
/* What is inside of a container: image, ports, environment, mounts, resources, probes, handlers. */
#include "api/validate_internal.h"

#include "api/quantity.h"

#define DIVISOR_BYTES " 1 1k 1M 1G 1T 1P 1E 1Ki 1Mi 1Gi 1Ti 1Pi 1Ei "

static void check_image(const struct rule_site *s)
{
    struct slice image = value_string(s->value);

    if (!image.len) {
        /* A template may leave it out, a pod may not; both are asked: nothing in Knarr fills it in later. */
        report_required(s->v, s->at, NULL);
        return;
    }
    if (slice_trim(image).len != image.len)
        report_invalid_text(s->v, s->at, image, "must not have leading or trailing whitespace");
}

static void check_container_port(const struct rule_site *s)
{
    const struct value *number = value_get(s->object, "containerPort");
    const struct value *host = value_get(s->object, "hostPort");
    struct slice name = value_string(value_get(s->object, "name"));
    struct slice host_ip = value_string(value_get(s->object, "hostIP"));

    if (name.len)
        (void)check_name(s->v, VFIELD(s->at, "name"), name, validate_port_name);
    if (!value_int(number))
        report_required(s->v, VFIELD(s->at, "containerPort"), NULL);
    else
        (void)check_range(s->v, VFIELD(s->at, "containerPort"), number, 1, 65535);
    if (value_int(host))
        (void)check_range(s->v, VFIELD(s->at, "hostPort"), host, 1, 65535);
    if (host_ip.len)
        (void)check_ip(s->v, VFIELD(s->at, "hostIP"), host_ip);
}

/* Names of ports are unique in a container. */
static void check_ports(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value) && i < 1000; i++) {
        struct slice name = value_string(value_get(value_at(s->value, i), "name"));

        for (size_t j = 0; name.len && j < i; j++)
            if (slice_equal(value_string(value_get(value_at(s->value, j), "name")), name)) {
                report_duplicate_text(s->v, VFIELD(VINDEX(s->at, i), "name"), name);
                break;
            }
    }
}

static void check_env_var(const struct rule_site *s)
{
    struct slice name = value_string(value_get(s->object, "name"));
    const struct value *from = value_get(s->object, "valueFrom");

    if (name.len)
        (void)check_name(s->v, VFIELD(s->at, "name"), name, validate_env_name);
    if (from && value_string(value_get(s->object, "value")).len)
        report_invalid_text(s->v, VFIELD(s->at, "valueFrom"), SLICE_LIT(""),
                            "may not be specified when `value` is not empty");
}

/* metadata.labels['key'] and metadata.annotations['key'] */
static bool is_subscript(struct slice path)
{
    ptrdiff_t open = slice_find(path, '[');

    if (open < 0 || !slice_ends(path, SLICE_LIT("']")) || path.len < (size_t)open + 5 || path.data[open + 1] != '\'')
        return false;
    path.len = (size_t)open;
    return slice_is(path, "metadata.labels") || slice_is(path, "metadata.annotations");
}

/* Paths that upstream's conversion knows, though an environment variable cannot have them all. */
static bool is_pod_path(struct slice path)
{
    static const char *const known[] = {
        "metadata.annotations", "metadata.labels",    "metadata.name",      "metadata.namespace",      "metadata.uid",
        "spec.nodeName",        "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.hostIP",
        "status.hostIPs",       "status.phase",       "status.podIP",       "status.podIPs",           "spec.host"};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (slice_is(path, known[i]))
            return true;
    return is_subscript(path);
}

void check_field_ref(struct validator *v, const struct vpath *at, const struct value *ref, const char *const *paths)
{
    struct slice path = value_string(value_get(ref, "fieldPath"));

    if (path.len && !is_pod_path(path)) {
        char *why CLEANUP_FREE =
            mem_printf("error converting fieldPath: field label not supported: %.*s", SLICE_ARGS(path));

        report_invalid_text(v, VFIELD(at, "fieldPath"), path, why);
    } else if (path.len && !is_subscript(path)) {
        (void)check_one_of(v, VFIELD(at, "fieldPath"), path, paths);
    }
}

static void check_env_field(struct validator *v, const struct vpath *at, const struct value *ref)
{
    static const char *const paths[] = {
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs", NULL};

    check_field_ref(v, at, ref, paths);
}

/* By what the amount may be divided: everyday units of the resource. */
static void check_divisor(struct validator *v, const struct vpath *at, const struct value *ref)
{
    static const struct {
        const char *resource; /* after "limits." or "requests." */
        const char *shown;
        const char *units;
        const char *allowed; /* between blanks */
    } rows[] = {
        {"cpu", "cpu", "1m and 1", " 1m 1 "},
        {"memory", "memory", "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei", DIVISOR_BYTES},
        {"ephemeral-storage", "local ephemeral storage", "1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei",
         DIVISOR_BYTES},
    };
    struct slice name = value_string(value_get(ref, "resource"));
    struct slice divisor = value_string(value_get(ref, "divisor"));
    ptrdiff_t dot = slice_find(name, '.');
    char *wanted CLEANUP_FREE = mem_printf(" %.*s ", SLICE_ARGS(divisor));

    if (!divisor.len || slice_is(divisor, "0") || dot < 0)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char *why CLEANUP_FREE = NULL;

        if (!slice_is(slice_from(name, (size_t)dot + 1), rows[i].resource) || strstr(rows[i].allowed, wanted))
            continue;
        why = mem_printf("only divisor's values %s are supported with the %s resource", rows[i].units, rows[i].shown);
        report_invalid_text(v, VFIELD(at, "divisor"), name, why);
    }
}

void check_resource_ref(struct validator *v, const struct vpath *at, const struct value *ref)
{
    static const char *const names[] = {"limits.cpu",
                                        "limits.ephemeral-storage",
                                        "limits.memory",
                                        "requests.cpu",
                                        "requests.ephemeral-storage",
                                        "requests.memory",
                                        NULL};
    struct slice name = value_string(value_get(ref, "resource"));

    if (name.len && slice_find_text(name, SLICE_LIT(".hugepages-")) < 0)
        (void)check_one_of(v, VFIELD(at, "resource"), name, names);
    check_divisor(v, at, ref);
}

static void check_env_source(const struct rule_site *s)
{
    if (!s->object)
        return;
    check_env_field(s->v, VFIELD(s->at, "fieldRef"), value_get(s->object, "fieldRef"));
    check_resource_ref(s->v, VFIELD(s->at, "resourceFieldRef"), value_get(s->object, "resourceFieldRef"));
    if (value_count(s->object) == 0)
        report_invalid_text(s->v, s->at, SLICE_LIT(""),
                            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
    else if (value_count(s->object) > 1)
        report_invalid_text(s->v, s->at, SLICE_LIT(""), "may not have more than one field specified at a time");
}

static void check_env_from(const struct rule_site *s)
{
    bool map = value_get(s->object, "configMapRef") != NULL;
    bool secret = value_get(s->object, "secretRef") != NULL;
    struct slice prefix = value_string(value_get(s->object, "prefix"));
    struct slice name = value_string(value_path(s->object, map ? "configMapRef" : "secretRef", "name", NULL));

    if (prefix.len)
        (void)check_name(s->v, VFIELD(s->at, "prefix"), prefix, validate_env_name);
    if (!map && !secret) /* upstream blames the list */
        report_invalid_text(s->v, s->at->up, SLICE_LIT(""), "must specify one of: `configMapRef` or `secretRef`");
    else if (map && secret)
        report_invalid_text(s->v, s->at->up, SLICE_LIT(""), "may not have more than one field specified at a time");
    else if (!name.len)
        report_required(s->v, VFIELD(VFIELD(s->at, map ? "configMapRef" : "secretRef"), "name"), NULL);
    else
        (void)check_name(s->v, VFIELD(VFIELD(s->at, map ? "configMapRef" : "secretRef"), "name"), name,
                         validate_dns1123_subdomain);
}

/* configMapKeyRef and secretKeyRef: a name and a key. */
static void check_key_ref(const struct rule_site *s)
{
    struct slice name = value_string(value_get(s->object, "name"));
    struct slice key = value_string(value_get(s->object, "key"));

    if (name.len)
        (void)check_name(s->v, VFIELD(s->at, "name"), name, validate_dns1123_subdomain);
    else
        report_required(s->v, VFIELD(s->at, "name"), NULL);
    if (key.len)
        (void)check_name(s->v, VFIELD(s->at, "key"), key, validate_config_key);
}

/* Mounts go to a volume of the pod or to a place of their own: volumes are looked at by the pod's rule. */
static void check_mounts(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value); i++) {
        const struct value *mount = value_at(s->value, i);
        struct slice path = value_string(value_get(mount, "mountPath"));
        const struct vpath *at = VINDEX(s->at, i);

        for (size_t j = 0; path.len && j < i && j < 1000; j++)
            if (slice_equal(value_string(value_get(value_at(s->value, j), "mountPath")), path)) {
                report_invalid_text(s->v, VFIELD(at, "mountPath"), path, "must be unique");
                break;
            }
        check_local_path(s->v, VFIELD(s->at, "subPath"), value_string(value_get(mount, "subPath")));
        check_local_path(s->v, VFIELD(s->at, "subPathExpr"), value_string(value_get(mount, "subPathExpr")));
        if (value_string(value_get(mount, "subPath")).len && value_string(value_get(mount, "subPathExpr")).len)
            report_invalid(s->v, VFIELD(at, "subPathExpr"), value_get(mount, "subPathExpr"),
                           "subPathExpr and subPath are mutually exclusive");
    }
}

bool resource_is_standard(struct slice name)
{
    return slice_is(name, "cpu") || slice_is(name, "memory") || slice_is(name, "ephemeral-storage") ||
           slice_starts(name, SLICE_LIT("hugepages-"));
}

/* Names that mean something elsewhere, in quotas. */
bool resource_is_of_quotas(struct slice name)
{
    static const char *const names[] = {"requests.cpu",
                                        "requests.memory",
                                        "requests.ephemeral-storage",
                                        "limits.cpu",
                                        "limits.memory",
                                        "limits.ephemeral-storage",
                                        "pods",
                                        "resourcequotas",
                                        "services",
                                        "replicationcontrollers",
                                        "secrets",
                                        "persistentvolumeclaims",
                                        "configmaps",
                                        "services.nodeports",
                                        "services.loadbalancers",
                                        "storage",
                                        "requests.storage"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_is(name, names[i]))
            return true;
    return false;
}

static bool is_extended_resource(struct slice name)
{
    return slice_find(name, '/') >= 0 && slice_find_text(name, SLICE_LIT("kubernetes.io/")) < 0;
}

static void check_resource_list(struct validator *v, const struct vpath *at, const struct value *list)
{
    struct value_iter it = value_iter_start(list);
    struct slice name;
    struct value *quantity;

    while (value_iter_next(&it, &name, &quantity)) {
        const struct vpath *here = VKEY(at, name);
        struct quantity q;

        bool good = check_name(v, here, name, validate_qualified_name);

        if (slice_find(name, '/') < 0 && !resource_is_standard(name)) {
            if (good && !resource_is_of_quotas(name))
                report_invalid_text(v, here, name, "must be a standard resource type or fully qualified");
            report_invalid_text(v, here, name, "must be a standard resource for containers");
        } else if (!good) {
            report_invalid_text(v, here, name, "doesn't follow extended resource name standard");
        } else if (is_extended_resource(name) && quantity_parse(value_string(quantity), &q, NULL) == 0 &&
                   q.nano % 1000000000 != 0) {
            report_invalid(v, here, quantity, "must be an integer");
        }
        check_quantity(v, here, quantity);
    }
}

static void check_request(struct validator *v, const struct vpath *at, struct slice name, const struct value *request,
                          const struct value *limit)
{
    struct quantity r, l;
    bool fixed = is_extended_resource(name) || slice_starts(name, SLICE_LIT("hugepages-"));
    char *why CLEANUP_FREE = NULL;

    if (!limit) {
        if (fixed)
            report_required(v, VFIELD(at, "limits"), "Limit must be set for non overcommitable resources");
        return;
    }
    if (quantity_parse(value_string(request), &r, NULL) < 0 || quantity_parse(value_string(limit), &l, NULL) < 0)
        return;
    if (fixed && quantity_compare(&r, &l) != 0)
        why = mem_printf("must be equal to %.*s limit of %.*s", SLICE_ARGS(name), SLICE_ARGS(value_string(limit)));
    else if (quantity_compare(&r, &l) > 0)
        why = mem_printf("must be less than or equal to %.*s limit of %.*s", SLICE_ARGS(name),
                         SLICE_ARGS(value_string(limit)));
    if (why)
        report_invalid(v, VFIELD(at, "requests"), request, why);
}

/* Huge pages are handed out beside ordinary memory or time, never alone. */
static void check_huge_pages(const struct rule_site *s, const struct value *limits)
{
    const struct value *const lists[] = {limits, value_get(s->object, "requests")};
    bool huge = false, ordinary = false;

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct value_iter it = value_iter_start(lists[i]);
        struct slice name;
        struct value *v;

        while (value_iter_next(&it, &name, &v)) {
            huge = huge || slice_starts(name, SLICE_LIT("hugepages-"));
            ordinary = ordinary || slice_is(name, "cpu") || slice_is(name, "memory");
        }
    }
    if (huge && !ordinary)
        report_forbidden(s->v, s->at, "HugePages require cpu or memory");
}

static void check_resources(const struct rule_site *s)
{
    const struct value *limits = value_get(s->object, "limits");
    struct value_iter it = value_iter_start(value_get(s->object, "requests"));
    struct slice name;
    struct value *request;

    check_resource_list(s->v, VFIELD(s->at, "limits"), limits);
    check_resource_list(s->v, VFIELD(s->at, "requests"), value_get(s->object, "requests"));
    while (value_iter_next(&it, &name, &request))
        check_request(s->v, s->at, name, request, value_get_slice(limits, name));
    check_huge_pages(s, limits);
}

/* Exactly one of the ways to probe or to hook. The members other than these do not count. */
static void check_handler(struct validator *v, const struct vpath *at, const struct value *object)
{
    static const char *const handlers[] = {"exec", "httpGet", "tcpSocket", "grpc", "sleep"};
    size_t found = 0;

    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
        if (value_get(object, handlers[i]) && found++ > 0)
            report_forbidden(v, VFIELD(at, handlers[i]), "may not specify more than 1 handler type");
    if (object && !found)
        report_required(v, at, "must specify a handler type");
}

static void check_probe(const struct rule_site *s)
{
    const struct value *grace = value_get(s->object, "terminationGracePeriodSeconds");

    check_handler(s->v, s->at, s->object);
    if (grace && value_int(grace) < 1)
        report_invalid(s->v, VFIELD(s->at, "terminationGracePeriodSeconds"), grace, "must be greater than 0");
}

static void check_success_threshold(const struct rule_site *s)
{
    const struct value *threshold = value_get(s->value, "successThreshold");

    if (threshold && value_int(threshold) != 1)
        report_invalid(s->v, VFIELD(s->at, "successThreshold"), threshold, "must be 1");
}

/* A container that is not ready is not ended. */
static void check_no_grace(const struct rule_site *s)
{
    const struct value *grace = value_get(s->value, "terminationGracePeriodSeconds");

    if (grace)
        report_invalid(s->v, VFIELD(s->at, "terminationGracePeriodSeconds"), grace,
                       "must not be set for readinessProbes");
}

static void check_lifecycle_handler(const struct rule_site *s)
{
    check_handler(s->v, s->at, s->object);
}

static void check_exec(const struct rule_site *s)
{
    if (s->object && !value_count(value_get(s->object, "command")))
        report_required(s->v, VFIELD(s->at, "command"), NULL);
}

static const char *header_name_rule(struct slice s)
{
    bool fits = s.len > 0;

    for (size_t i = 0; i < s.len; i++)
        fits = fits && (s.data[i] == '-' || (s.data[i] >= '0' && s.data[i] <= '9') ||
                        ((s.data[i] | 0x20) >= 'a' && (s.data[i] | 0x20) <= 'z'));
    return fits ? NULL
                : "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex "
                  "used for validation is '[-A-Za-z0-9]+')";
}

static void check_http_get(const struct rule_site *s)
{
    const struct value *headers = value_get(s->object, "httpHeaders");
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    const struct value *port = value_get(s->object, "port");

    check_port_or_name(s->v, VFIELD(s->at, "port"), port ? port : zero);
    for (size_t i = 0; i < value_count(headers); i++)
        (void)check_name(s->v, VFIELD(s->at, "httpHeaders"), value_string(value_get(value_at(headers, i), "name")),
                         header_name_rule);
}

static void check_tcp_socket(const struct rule_site *s)
{
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    const struct value *port = value_get(s->object, "port");

    check_port_or_name(s->v, VFIELD(s->at, "port"), port ? port : zero);
}

static void check_grpc(const struct rule_site *s)
{
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    const struct value *port = value_get(s->object, "port");

    (void)check_range(s->v, VFIELD(s->at, "port"), port ? port : zero, 1, 65535);
}

static const struct rule rules[] = {
    {"Container", "image", check_image},
    {"Container", "ports", check_ports},
    {"Container", "volumeMounts", check_mounts},
    {"Container", "livenessProbe", check_success_threshold},
    {"Container", "startupProbe", check_success_threshold},
    {"Container", "readinessProbe", check_no_grace},
    {"EphemeralContainerCommon", "image", check_image},
    {"EphemeralContainerCommon", "volumeMounts", check_mounts},
    {"ContainerPort", NULL, check_container_port},
    {"EnvVar", NULL, check_env_var},
    {"EnvVarSource", NULL, check_env_source},
    {"EnvFromSource", NULL, check_env_from},
    {"ConfigMapKeySelector", NULL, check_key_ref},
    {"SecretKeySelector", NULL, check_key_ref},
    {"ResourceRequirements", NULL, check_resources},
    {"Probe", NULL, check_probe},
    {"LifecycleHandler", NULL, check_lifecycle_handler},
    {"ExecAction", NULL, check_exec},
    {"HTTPGetAction", NULL, check_http_get},
    {"TCPSocketAction", NULL, check_tcp_socket},
    {"GRPCAction", NULL, check_grpc},
};
const struct rule_set validate_rules_container = {rules, ARRAY_SIZE(rules)};
