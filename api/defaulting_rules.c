/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Defaults that a row cannot say, because they look at other fields. The rules are facts of upstream's
 * pkg/apis/NAME/VERSION/defaults.go (and, for Secret, Pod and Node, of its conversions). A rule sees an object whose
 * rows were applied, and whose children were not.
 */
#include "api/codec_internal.h"

#include <pthread.h>

#include "api/quantity.h"
#include "lib/encoding.h"

#define RBAC_GROUP       "rbac.authorization.k8s.io"
#define NAME_LABEL       "kubernetes.io/metadata.name"
#define AFFINITY_SECONDS 10800

#define MILLI_IN_NANO 1000000
#define RULES_MAX     256

static bool text_is(const struct value *object, const char *name, const char *text)
{
    return slice_is(value_string(value_get(object, name)), text);
}

static bool has_text(const struct value *object, const char *name)
{
    return value_string(value_get(object, name)).len > 0;
}

static void default_text(struct value *object, const char *name, const char *text)
{
    if (!has_text(object, name))
        value_set_str(object, name, text);
}

/* The tag of an image's name: "latest" when it has neither tag nor digest, "" when only a digest. */
static struct slice image_tag(struct slice image)
{
    ptrdiff_t at = slice_find(image, '@');
    struct slice name = at < 0 ? image : slice_make(image.data, (size_t)at);

    for (size_t i = name.len; i > 0 && name.data[i - 1] != '/'; i--) {
        if (name.data[i - 1] == ':')
            return slice_from(name, i);
    }
    return at < 0 && name.len ? SLICE_LIT("latest") : SLICE_LIT("");
}

static void default_container(struct value *container)
{
    struct slice tag = image_tag(value_string(value_get(container, "image")));

    default_text(container, "imagePullPolicy", slice_is(tag, "latest") ? "Always" : "IfNotPresent");
}

/* What is limited and not requested is requested as limited. */
static void default_requests(struct value *container)
{
    struct value *resources = value_get(container, "resources");
    struct value *limits = value_get(resources, "limits");
    struct value_iter it;
    struct slice name;
    struct value *limit;

    if (!value_count(limits))
        return;
    it = value_iter_start(limits);
    while (value_iter_next(&it, &name, &limit)) {
        struct value *requests = value_need_object(resources, "requests");

        if (!value_get_slice(requests, name))
            value_set_slice(requests, name, value_copy(limit));
    }
}

/* On the host's network a port of the container is one of the host. */
static void default_host_ports(struct value *container)
{
    struct value *ports = value_get(container, "ports");

    for (size_t i = 0; i < value_count(ports); i++) {
        struct value *port = value_at(ports, i);

        if (!value_int(value_get(port, "hostPort")))
            value_set(port, "hostPort", value_new_int(value_int(value_get(port, "containerPort"))));
    }
}

/* Of pods only, not of templates. */
static void default_pod(struct value *pod)
{
    static const char *const lists[] = {"initContainers", "containers"};
    struct value *spec = value_get(pod, "spec");
    bool host_network = value_bool(value_get(spec, "hostNetwork"));

    if (!spec)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        struct value *containers = value_get(spec, lists[i]);

        for (size_t j = 0; j < value_count(containers); j++) {
            default_requests(value_at(containers, j));
            if (host_network)
                default_host_ports(value_at(containers, j));
        }
    }
    if (!value_get(spec, "enableServiceLinks"))
        value_set(spec, "enableServiceLinks", value_new_bool(true));
}

/* The old and the new name of the same field agree. */
static void default_pod_spec(struct value *spec)
{
    if (has_text(spec, "serviceAccountName"))
        value_set(spec, "serviceAccount", value_copy(value_get(spec, "serviceAccountName")));
    else if (has_text(spec, "serviceAccount"))
        value_set(spec, "serviceAccountName", value_copy(value_get(spec, "serviceAccount")));
}

/* A volume of no kind is an empty directory. */
static void default_volume(struct value *volume)
{
    struct value_iter it = value_iter_start(volume);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        if (!slice_is(name, "name"))
            return;
    }
    value_set(volume, "emptyDir", value_new_object());
}

static void default_service_port(struct value *port)
{
    const struct value *target = value_get(port, "targetPort");

    if (!value_int(target) && !value_string(target).len)
        value_set(port, "targetPort", value_new_int(value_int(value_get(port, "port"))));
}

static void default_session_affinity(struct value *spec)
{
    struct value *client_ip;

    if (text_is(spec, "sessionAffinity", "None")) {
        value_remove(spec, "sessionAffinityConfig");
    } else if (text_is(spec, "sessionAffinity", "ClientIP") && !value_get(spec, "sessionAffinityConfig")) {
        client_ip = value_need_object(value_need_object(spec, "sessionAffinityConfig"), "clientIP");
        value_set(client_ip, "timeoutSeconds", value_new_int(AFFINITY_SECONDS));
    }
}

/* A headless service that selects nothing may have endpoints of both families; all others are of the cluster's. */
static void default_ip_families(struct value *spec)
{
    bool both = text_is(spec, "clusterIP", "None") && !value_count(value_get(spec, "selector"));
    struct value *families;

    default_text(spec, "ipFamilyPolicy", both ? "RequireDualStack" : "SingleStack");
    if (value_count(value_get(spec, "ipFamilies")))
        return;
    families = value_need_array(spec, "ipFamilies");
    value_append(families, value_new_str("IPv4"));
    if (!text_is(spec, "ipFamilyPolicy", "SingleStack") && both)
        value_append(families, value_new_str("IPv6"));
}

static void default_service_spec(struct value *spec)
{
    bool balanced = text_is(spec, "type", "LoadBalancer");
    bool inside = balanced || text_is(spec, "type", "ClusterIP") || text_is(spec, "type", "NodePort");
    bool outside = inside && (!text_is(spec, "type", "ClusterIP") || value_count(value_get(spec, "externalIPs")));

    default_session_affinity(spec);
    if (outside)
        default_text(spec, "externalTrafficPolicy", "Cluster");
    if (inside) {
        default_text(spec, "internalTrafficPolicy", "Cluster");
        default_ip_families(spec);
    }
    if (balanced && !value_get(spec, "allocateLoadBalancerNodePorts"))
        value_set(spec, "allocateLoadBalancerNodePorts", value_new_bool(true));
    if (inside && has_text(spec, "clusterIP") && !value_count(value_get(spec, "clusterIPs")))
        value_append(value_need_array(spec, "clusterIPs"), value_copy(value_get(spec, "clusterIP")));
}

static void default_deployment_strategy(struct value *strategy)
{
    if (text_is(strategy, "type", "RollingUpdate"))
        value_need_object(strategy, "rollingUpdate");
}

static void default_namespace(struct value *object)
{
    const struct value *name = value_path(object, "metadata", "name", NULL);

    if (value_string(name).len)
        value_set(value_need_object(value_need_object(object, "metadata"), "labels"), NAME_LABEL, value_copy(name));
}

/* What was written as text joins the data; it is never read back. */
static void default_secret(struct value *secret)
{
    struct value *texts CLEANUP_VALUE = value_take(secret, "stringData");
    struct value_iter it = value_iter_start(texts);
    struct slice name;
    struct value *text;

    while (value_iter_next(&it, &name, &text)) {
        BUF_LOCAL(encoded);

        base64_encode(&encoded, value_string(text));
        value_set_slice(value_need_object(secret, "data"), name, value_new_string(buf_slice(&encoded)));
    }
}

static void default_node_spec(struct value *spec)
{
    if (has_text(spec, "podCIDR") && !value_count(value_get(spec, "podCIDRs")))
        value_append(value_need_array(spec, "podCIDRs"), value_copy(value_get(spec, "podCIDR")));
}

/* Amounts are kept to the thousandth, rounded up. */
static void round_up(struct value *amounts)
{
    struct value_iter it = value_iter_start(amounts);
    struct slice name;
    struct value *amount;
    struct quantity q;

    while (value_iter_next(&it, &name, &amount)) {
        BUF_LOCAL(text);
        __int128 rest;

        if (quantity_parse(value_string(amount), &q, NULL) < 0)
            continue;
        rest = q.nano % MILLI_IN_NANO;
        if (!rest)
            continue;
        q.nano += rest > 0 ? MILLI_IN_NANO - rest : -rest;
        quantity_write(&q, &text);
        value_set_slice(amounts, name, value_new_string(buf_slice(&text)));
    }
}

static void default_resources(struct value *resources)
{
    round_up(value_get(resources, "limits"));
    round_up(value_get(resources, "requests"));
}

static void default_node_status(struct value *status)
{
    struct value *capacity = value_get(status, "capacity");

    round_up(capacity);
    round_up(value_get(status, "allocatable"));
    if (!value_get(status, "allocatable") && value_count(capacity))
        value_set(status, "allocatable", value_copy(capacity));
}

/* What `from` has and `to` has not. */
static void default_amounts(struct value *object, const char *to, const char *from)
{
    struct value_iter it = value_iter_start(value_get(object, from));
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount))
        if (!value_get_slice(value_get(object, to), name))
            value_set_slice(value_need_object(object, to), name, value_copy(amount));
}

static void default_limit_range_item(struct value *item)
{
    if (!text_is(item, "type", "Container"))
        return;
    default_amounts(item, "default", "max");
    default_amounts(item, "defaultRequest", "default");
    default_amounts(item, "defaultRequest", "min");
}

static void default_network_policy(struct value *spec)
{
    struct value *types;

    if (value_count(value_get(spec, "policyTypes")))
        return;
    types = value_need_array(spec, "policyTypes");
    value_append(types, value_new_str("Ingress"));
    if (value_count(value_get(spec, "egress")))
        value_append(types, value_new_str("Egress"));
}

static void default_subject(struct value *subject)
{
    if (text_is(subject, "kind", "User") || text_is(subject, "kind", "Group"))
        default_text(subject, "apiGroup", RBAC_GROUP);
}

/* The names that follow from the kind. */
static void default_custom_names(struct value *names)
{
    struct slice kind = value_string(value_get(names, "kind"));
    char *singular CLEANUP_FREE = slice_dup(kind);
    char *list CLEANUP_FREE = mem_printf("%.*sList", SLICE_ARGS(kind));

    for (char *c = singular; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    if (!kind.len)
        return;
    default_text(names, "singular", singular);
    default_text(names, "listKind", list);
}

static void default_custom_spec(struct value *spec)
{
    if (!value_get(spec, "conversion"))
        value_set_str(value_need_object(spec, "conversion"), "strategy", "None");
}

static void default_custom_definition(struct value *definition)
{
    const struct value *versions = value_path(definition, "spec", "versions", NULL);
    struct value *status = value_need_object(definition, "status");

    for (size_t i = 0; i < value_count(versions) && !value_count(value_get(status, "storedVersions")); i++) {
        const struct value *name = value_get(value_at(versions, i), "name");

        if (name && value_bool(value_get(value_at(versions, i), "storage")))
            value_append(value_need_array(status, "storedVersions"), value_copy(name));
    }
}

static const struct default_rule rules[] = {
    {"apiextensions.v1.CustomResourceDefinition", default_custom_definition},
    {"apiextensions.v1.CustomResourceDefinitionNames", default_custom_names},
    {"apiextensions.v1.CustomResourceDefinitionSpec", default_custom_spec},
    {"apps.v1.DeploymentStrategy", default_deployment_strategy},
    {"core.v1.Container", default_container},
    {"core.v1.EphemeralContainerCommon", default_container},
    {"core.v1.LimitRangeItem", default_limit_range_item},
    {"core.v1.Namespace", default_namespace},
    {"core.v1.NodeSpec", default_node_spec},
    {"core.v1.NodeStatus", default_node_status},
    {"core.v1.Pod", default_pod},
    {"core.v1.PodSpec", default_pod_spec},
    {"core.v1.ResourceRequirements", default_resources},
    {"core.v1.Secret", default_secret},
    {"core.v1.ServicePort", default_service_port},
    {"core.v1.ServiceSpec", default_service_spec},
    {"core.v1.Volume", default_volume},
    {"core.v1.VolumeResourceRequirements", default_resources},
    {"networking.v1.NetworkPolicySpec", default_network_policy},
    {"rbac.v1.Subject", default_subject},
};

/* All rules by type; those of one type in their order. Made once. */
static const struct default_rule *rule_index[RULES_MAX];
static size_t rule_count;
static pthread_once_t rule_once = PTHREAD_ONCE_INIT;

/* Those of one type, and of every built-in type in the order of schema_types. */
struct rule_range {
    const struct default_rule *const *first;
    size_t count;
};
static struct rule_range *ranges;

static void sort_rules(void)
{
    for (; default_rule_at(rule_count); rule_count++) {
        const struct default_rule *rule = default_rule_at(rule_count);
        size_t at = rule_count;

        if (rule_count == RULES_MAX)
            mem_die(rule_count); /* a bound of ours, not of what comes in */
        for (; at && strcmp(rule_index[at - 1]->type, rule->type) > 0; at--)
            rule_index[at] = rule_index[at - 1];
        rule_index[at] = rule;
    }
}

static void index_rules(void)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    sort_rules();
    ranges = mem_calloc(count, sizeof(*ranges));
    for (size_t t = 0; t < count; t++) {
        const char *name = schema_long_name(&types[t]);

        for (size_t i = 0; i < rule_count; i++) {
            if (strcmp(rule_index[i]->type, name) != 0)
                continue;
            if (!ranges[t].count++)
                ranges[t].first = &rule_index[i];
        }
    }
}

static const struct rule_range *rules_of(const struct schema_type *type)
{
    static const struct rule_range none; /* of a type that users named */
    size_t count;
    size_t at = (size_t)(type - schema_types(&count));

    (void)pthread_once(&rule_once, index_rules);
    return type->custom || at >= count ? &none : &ranges[at];
}

bool default_has_rule(const struct schema_type *type)
{
    bool has = rules_of(type)->count > 0;

    for (size_t i = 0; i < type->field_count; i++)
        has = has || ((type->fields[i].flags & SCHEMA_INLINE) && default_has_rule(type->fields[i].type));
    return has;
}

void default_by_rule(const struct schema_type *type, struct value *object)
{
    const struct rule_range *range = rules_of(type);

    for (size_t i = 0; i < type->field_count; i++) {
        if (type->fields[i].flags & SCHEMA_INLINE)
            default_by_rule(type->fields[i].type, object);
    }
    for (size_t i = 0; i < range->count; i++)
        range->first[i]->apply(object);
}

const struct default_rule *default_rule_at(size_t index)
{
    if (index < ARRAY_SIZE(rules))
        return &rules[index];
    index -= ARRAY_SIZE(rules);
    return index < default_kinds_count ? &default_kinds[index] : NULL;
}
