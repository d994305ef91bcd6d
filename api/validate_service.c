/* SPDX-License-Identifier: Apache-2.0 */
/* Services: ports, addresses, and which of them go with which type. */
#include "api/validate_internal.h"

#include "lib/map.h"

static bool is_type(const struct value *spec, const char *type)
{
    return slice_is(value_string(value_get(spec, "type")), type);
}

static bool is_headless(const struct value *spec)
{
    return slice_is(value_string(value_get(spec, "clusterIP")), "None");
}

static void check_port(struct validator *v, const struct vpath *at, const struct value *spec, const struct value *port,
                       bool name_needed)
{
    struct slice name = value_string(value_get(port, "name"));
    struct slice protocol = value_string(value_get(port, "appProtocol"));
    const struct value *node_port = value_get(port, "nodePort");
    struct value *zero CLEANUP_VALUE = value_new_int(0);

    if (name.len)
        (void)check_name(v, VFIELD(at, "name"), name, validate_dns1123_label);
    else if (name_needed)
        report_required(v, VFIELD(at, "name"), NULL);
    if (!value_get(port, "port"))
        (void)check_range(v, VFIELD(at, "port"), zero, 1, 65535);
    check_port_or_name(v, VFIELD(at, "targetPort"), value_get(port, "targetPort"));
    if (protocol.len)
        (void)check_name(v, VFIELD(at, "appProtocol"), protocol, validate_qualified_name);
    if (value_int(node_port)) {
        if (is_type(spec, "ClusterIP"))
            report_forbidden(v, VFIELD(at, "nodePort"), "may not be used when `type` is 'ClusterIP'");
        else
            (void)check_range(v, VFIELD(at, "nodePort"), node_port, 1, 65535);
    }
}

static void map_free_keys(struct map *m)
{
    map_clear(m, NULL);
}

static bool take(struct map *taken, const char *key)
{
    if (map_get(taken, slice_str(key)))
        return false;
    (void)map_put(taken, slice_str(key), taken);
    return true;
}

/* Names, port and protocol together, node port and protocol together are unique. */
static void check_unique_ports(struct validator *v, const struct vpath *at, const struct value *ports)
{
    struct map taken CLEANUP(map_free_keys) = {0};

    for (size_t i = 0; i < value_count(ports); i++) {
        const struct value *port = value_at(ports, i);
        struct slice name = value_string(value_get(port, "name"));
        struct slice protocol = value_string(value_get(port, "protocol"));
        const struct value *node_port = value_get(port, "nodePort");
        char *by_name CLEANUP_FREE = mem_printf("name/%.*s", SLICE_ARGS(name));
        char *by_port CLEANUP_FREE =
            mem_printf("port/%.*s/%lld", SLICE_ARGS(protocol), (long long)value_int(value_get(port, "port")));
        char *by_node CLEANUP_FREE =
            mem_printf("node/%.*s/%lld", SLICE_ARGS(protocol), (long long)value_int(node_port));

        if (name.len && !take(&taken, by_name))
            report_duplicate_text(v, VFIELD(VINDEX(at, i), "name"), name);
        if (!take(&taken, by_port)) {
            struct value *shown CLEANUP_VALUE = value_new_object();

            value_set(shown, "protocol", value_new_string(protocol));
            value_set(shown, "port", value_new_int(value_int(value_get(port, "port"))));
            report_duplicate(v, VINDEX(at, i), shown);
        }
        if (value_int(node_port) && !take(&taken, by_node))
            report_duplicate(v, VFIELD(VINDEX(at, i), "nodePort"), node_port);
    }
}

static void check_ports(const struct rule_site *s)
{
    bool optional = is_headless(s->object) || is_type(s->object, "ExternalName");
    size_t count = value_count(s->value);

    if (!count && !optional)
        report_required(s->v, s->at, NULL);
    for (size_t i = 0; i < count; i++)
        check_port(s->v, VINDEX(s->at, i), s->object, value_at(s->value, i), count > 1);
    check_unique_ports(s->v, s->at, s->value);
}

static void check_selector(const struct rule_site *s)
{
    check_labels(s->v, s->at, s->value);
}

/* clusterIP is the first of clusterIPs; a new Service may still be without. */
static void check_cluster_ips(const struct rule_site *s)
{
    const struct value *spec = s->object;
    const struct value *ips = value_get(spec, "clusterIPs");
    struct slice first = value_string(value_get(spec, "clusterIP"));
    const struct vpath *at = VFIELD(s->at->up, "clusterIPs");

    if (is_type(spec, "ExternalName")) {
        if (first.len || value_count(ips))
            report_forbidden(s->v, at, "may not be set for ExternalName services");
        return;
    }
    if (value_count(ips) && first.len && !slice_equal(value_string(value_at(ips, 0)), first))
        report_invalid(s->v, at, ips, "first value must match `clusterIP`");
    if (is_headless(spec) && (is_type(spec, "NodePort") || is_type(spec, "LoadBalancer"))) {
        char *why CLEANUP_FREE =
            mem_printf("may not be set to 'None' for %.*s services", SLICE_ARGS(value_string(value_get(spec, "type"))));

        report_invalid_text(s->v, VINDEX(at, 0), first, why);
    } else if (first.len && !is_headless(spec)) {
        (void)check_ip(s->v, VINDEX(at, 0), first);
    }
}

/* The first address stays while both old and new have one. */
static void check_cluster_ip_change(const struct rule_site *s)
{
    struct slice before = value_string(value_get(s->old, "clusterIP"));
    struct slice now = value_string(value_get(s->object, "clusterIP"));
    struct value *shown CLEANUP_VALUE = value_new_array();
    const struct vpath *at = VINDEX(VFIELD(s->at->up, "clusterIPs"), 0);

    if (!before.len || is_type(s->old, "ExternalName") || is_type(s->object, "ExternalName"))
        return;
    if (!now.len) {
        report_invalid(s->v, at, shown, "primary clusterIP can not be unset");
        return;
    }
    value_append(shown, value_new_string(now));
    if (!slice_equal(before, now))
        report_invalid(s->v, at, shown, "may not change once set");
}

static void check_cluster_ip(const struct rule_site *s)
{
    check_cluster_ips(s);
    if (s->old)
        check_cluster_ip_change(s);
}

static void check_external_name(const struct rule_site *s)
{
    struct slice name = value_string(s->value);

    if (!is_type(s->object, "ExternalName"))
        return;
    if (slice_ends(name, SLICE_LIT(".")))
        name.len--;
    if (name.len)
        (void)check_name(s->v, s->at, name, validate_dns1123_subdomain);
    else
        report_required(s->v, s->at, NULL);
}

static void check_external_ips(const struct rule_site *s)
{
    for (size_t i = 0; i < value_count(s->value); i++) {
        struct slice ip = value_string(value_at(s->value, i));

        if (check_ip(s->v, VINDEX(s->at, i), ip))
            check_usable_ip(s->v, VINDEX(s->at, i), ip);
    }
}

static void check_affinity_timeout(const struct rule_site *s)
{
    const struct value *seconds = value_path(s->object, "clientIP", "timeoutSeconds", NULL);

    if (seconds && (value_int(seconds) <= 0 || value_int(seconds) > 86400))
        report_invalid(s->v, VFIELD(VFIELD(s->at, "clientIP"), "timeoutSeconds"), seconds,
                       "must be greater than 0 and less than 86400");
}

static void check_traffic_policy(const struct rule_site *s)
{
    bool external = is_type(s->object, "NodePort") || is_type(s->object, "LoadBalancer") ||
                    value_count(value_get(s->object, "externalIPs"));

    if (value_string(s->value).len && !external)
        report_invalid(s->v, s->at, s->value, "may only be set for externally-accessible services");
}

static void check_health_port(const struct rule_site *s)
{
    bool local = slice_is(value_string(value_get(s->object, "externalTrafficPolicy")), "Local");

    if (value_int(s->value) && !(is_type(s->object, "LoadBalancer") && local))
        report_invalid(s->v, s->at, s->value,
                       "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'");
}

static void check_source_ranges(const struct rule_site *s)
{
    const struct vpath *at = VFIELD(s->at->up, "LoadBalancerSourceRanges"); /* upstream's spelling */

    if (value_count(s->value) && !is_type(s->object, "LoadBalancer"))
        report_forbidden(s->v, at, "may only be used when `type` is 'LoadBalancer'");
    for (size_t i = 0; i < value_count(s->value); i++)
        (void)check_range_text(s->v, VINDEX(at, i), slice_trim(value_string(value_at(s->value, i))));
}

static const struct rule rules[] = {
    {"ServiceSpec", "ports", check_ports},
    {"ServiceSpec", "selector", check_selector},
    {"ServiceSpec", "clusterIP", check_cluster_ip},
    {"ServiceSpec", "externalIPs", check_external_ips},
    {"ServiceSpec", "loadBalancerSourceRanges", check_source_ranges},
    {"ServiceSpec", "externalName", check_external_name},
    {"ServiceSpec", "externalTrafficPolicy", check_traffic_policy},
    {"ServiceSpec", "healthCheckNodePort", check_health_port},
    {"SessionAffinityConfig", NULL, check_affinity_timeout},
};
const struct rule_set validate_rules_service = {rules, ARRAY_SIZE(rules)};
