/* SPDX-License-Identifier: Apache-2.0 */
/* What is inside of a container: image, ports, environment, mounts, resources, probes, handlers, security. */
#include "api/validate_internal.h"

#include "api/quantity.h"

#define USER_MAX 2147483647

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

static void check_env_field(struct validator *v, const struct vpath *at, const struct value *ref)
{
    static const char *const paths[] = {
        "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
        "status.hostIP", "status.hostIPs",     "status.podIP", "status.podIPs", NULL};
    struct slice path = value_string(value_get(ref, "fieldPath"));

    if (path.len && !is_subscript(path))
        (void)check_one_of(v, VFIELD(at, "fieldPath"), path, paths);
}

static void check_env_resource(struct validator *v, const struct vpath *at, const struct value *ref)
{
    static const char *const names[] = {"limits.cpu",
                                        "limits.ephemeral-storage",
                                        "limits.memory",
                                        "requests.cpu",
                                        "requests.ephemeral-storage",
                                        "requests.memory",
                                        NULL};
    struct slice name = value_string(value_get(ref, "resource"));

    if (name.len && memmem(name.data, name.len, ".hugepages-", 11) == NULL)
        (void)check_one_of(v, VFIELD(at, "resource"), name, names);
}

static void check_env_source(const struct rule_site *s)
{
    if (!s->object)
        return;
    check_env_field(s->v, VFIELD(s->at, "fieldRef"), value_get(s->object, "fieldRef"));
    check_env_resource(s->v, VFIELD(s->at, "resourceFieldRef"), value_get(s->object, "resourceFieldRef"));
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
    if (!map && !secret)
        report_invalid_text(s->v, s->at, SLICE_LIT(""), "must specify one of: `configMapRef` or `secretRef`");
    else if (map && secret)
        report_invalid_text(s->v, s->at, SLICE_LIT(""), "may not have more than one field specified at a time");
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
        check_local_path(s->v, VFIELD(at, "subPath"), value_string(value_get(mount, "subPath")));
        check_local_path(s->v, VFIELD(at, "subPathExpr"), value_string(value_get(mount, "subPathExpr")));
        if (value_string(value_get(mount, "subPath")).len && value_string(value_get(mount, "subPathExpr")).len)
            report_invalid(s->v, VFIELD(at, "subPathExpr"), value_get(mount, "subPathExpr"),
                           "subPathExpr and subPath are mutually exclusive");
    }
}

static bool is_standard_resource(struct slice name)
{
    return slice_is(name, "cpu") || slice_is(name, "memory") || slice_is(name, "ephemeral-storage") ||
           slice_starts(name, SLICE_LIT("hugepages-"));
}

static bool is_extended_resource(struct slice name)
{
    return slice_find(name, '/') >= 0 && memmem(name.data, name.len, "kubernetes.io/", 14) == NULL;
}

static void check_resource_list(struct validator *v, const struct vpath *at, const struct value *list)
{
    struct value_iter it = value_iter_start(list);
    struct slice name;
    struct value *quantity;

    while (value_iter_next(&it, &name, &quantity)) {
        const struct vpath *here = VKEY(at, name);
        struct quantity q;

        if (check_name(v, here, name, validate_qualified_name) && !is_standard_resource(name)) {
            if (slice_find(name, '/') < 0)
                report_invalid_text(v, here, name, "must be a standard resource for containers");
            else if (is_extended_resource(name) && quantity_parse(value_string(quantity), &q, NULL) == 0 &&
                     q.nano % 1000000000 != 0)
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

static void check_identity(const struct rule_site *s)
{
    (void)check_range(s->v, s->at, s->value, 0, USER_MAX);
}

static void check_groups(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value); i++)
        (void)check_range(s->v, VINDEX(s->at, i), value_at(s->value, i), 0, USER_MAX);
}

static void check_security_context(const struct rule_site *s)
{
    const struct value *escalation = value_get(s->object, "allowPrivilegeEscalation");
    const struct value *added = value_path(s->object, "capabilities", "add", NULL);
    bool admin = false;

    for (size_t i = 0; i < value_count(added); i++)
        admin = admin || slice_is(value_string(value_at(added, i)), "CAP_SYS_ADMIN");
    if (!escalation || value_bool(escalation))
        return;
    if (value_bool(value_get(s->object, "privileged")))
        report_invalid(s->v, s->at, s->object,
                       "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
    if (admin)
        report_invalid(s->v, s->at, s->object,
                       "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
}

static void check_local_profile(const struct rule_site *s)
{
    struct slice type = value_string(value_get(s->object, "type"));
    const struct value *profile = value_get(s->object, "localhostProfile");

    if (slice_is(type, "Localhost") && !value_string(profile).len)
        report_required(s->v, VFIELD(s->at, "localhostProfile"), "must be set when seccomp type is Localhost");
    else if (!slice_is(type, "Localhost") && profile)
        report_invalid(s->v, VFIELD(s->at, "localhostProfile"), profile,
                       "can only be set when seccomp type is Localhost");
    else
        check_local_path(s->v, VFIELD(s->at, "localhostProfile"), value_string(profile));
}

static const struct rule rules[] = {
    {"Container", "image", check_image},
    {"Container", "ports", check_ports},
    {"Container", "volumeMounts", check_mounts},
    {"Container", "livenessProbe", check_success_threshold},
    {"Container", "startupProbe", check_success_threshold},
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
    {"SecurityContext", "runAsUser", check_identity},
    {"SecurityContext", "runAsGroup", check_identity},
    {"SecurityContext", NULL, check_security_context},
    {"PodSecurityContext", "runAsUser", check_identity},
    {"PodSecurityContext", "runAsGroup", check_identity},
    {"PodSecurityContext", "fsGroup", check_identity},
    {"PodSecurityContext", "supplementalGroups", check_groups},
    {"SeccompProfile", NULL, check_local_profile},
};
const struct rule_set validate_rules_container = {rules, ARRAY_SIZE(rules)};
