/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of rules, and what they say of each field of each built-in type. Made at the first validation, read only
 * afterwards. Rules of one field keep the order of the tables: first those that name the type by its short name.
 */
#include "api/validate_index.h"

#include <pthread.h>

#include "api/value_internal.h"

static const struct rule_set *const rule_sets[] = {
    &validate_rules_pod,         &validate_rules_container,    &validate_rules_volume,   &validate_rules_scheduling,
    &validate_rules_workload,    &validate_rules_core,         &validate_rules_service,  &validate_rules_node,
    &validate_rules_other,       &validate_rules_security,     &validate_rules_rbac,     &validate_rules_networking,
    &validate_rules_admission,   &validate_rules_policy,       &validate_rules_quota,    &validate_rules_apps,
    &validate_rules_batch,       &validate_rules_persistent,   &validate_rules_storage,  &validate_rules_autoscaling,
    &validate_rules_flowcontrol, &validate_rules_registration, &validate_rules_resource, &validate_rules_custom,
    &validate_rules_endpoints,   &validate_rules_windows,
};

static const struct {
    const char *type;
    const char *field; /* NULL = all of them */
} lenient[] = {
    {"APIServiceCondition", NULL},
    {"APIServiceSpec", NULL},
    {"CSINodeSpec", NULL},
    {"CertificateSigningRequestSpec", "request"},
    {"CertificateSigningRequestSpec", "signerName"},
    {"Condition", NULL},
    {"ContainerPort", "containerPort"},
    {"ContainerResourceMetricSource", NULL},
    {"CronJobSpec", NULL},
    {"CrossVersionObjectReference", NULL},
    {"CustomResourceColumnDefinition", "type"},
    {"CustomResourceDefinitionSpec", "versions"},
    {"DaemonSetCondition", NULL},
    {"DaemonSetSpec", NULL},
    {"DeploymentCondition", NULL},
    {"DownwardAPIVolumeFile", "path"},
    {"Endpoint", "addresses"},
    {"EndpointSlice", NULL},
    {"Event", NULL},
    {"ExternalMetricSource", NULL},
    {"FlowDistinguisherMethod", NULL},
    {"FlowSchemaSpec", NULL},
    {"GRPCAction", NULL},
    {"HPAScalingPolicy", NULL},
    {"HTTPGetAction", NULL},
    {"HTTPHeader", NULL},
    {"HTTPIngressPath", NULL},
    {"HorizontalPodAutoscalerSpec", NULL},
    {"IngressClassParametersReference", NULL},
    {"JobCondition", NULL},
    {"JobSpec", NULL},
    {"LabelSelectorRequirement", NULL},
    {"LimitRangeSpec", "limits"},
    {"LimitResponse", NULL},
    {"MetricIdentifier", NULL},
    {"MetricSpec", NULL},
    {"MetricTarget", NULL},
    {"MutatingWebhook", "admissionReviewVersions"},
    {"MutatingWebhook", "sideEffects"},
    {"NodeSelector", NULL},
    {"NodeSelectorRequirement", NULL},
    {"NonResourcePolicyRule", NULL},
    {"NonResourceRule", NULL},
    {"ObjectMetricSource", NULL},
    {"OwnerReference", NULL},
    {"PersistentVolumeClaimCondition", NULL},
    {"PodAffinityTerm", NULL},
    {"PodsMetricSource", NULL},
    {"PolicyRule", NULL},
    {"PolicyRulesWithSubjects", NULL},
    {"PreferredSchedulingTerm", NULL},
    {"PriorityLevelConfigurationReference", NULL},
    {"PriorityLevelConfigurationSpec", NULL},
    {"ReplicaSetCondition", NULL},
    {"ReplicationControllerCondition", NULL},
    {"ResourceMetricSource", NULL},
    {"ResourcePolicyRule", NULL},
    {"ResourceRule", NULL},
    {"RoleRef", NULL},
    {"RuntimeClass", NULL},
    {"ServicePort", NULL},
    {"ServiceReference", NULL},
    {"SleepAction", NULL},
    {"StatefulSetCondition", NULL},
    {"Subject", NULL},
    {"Sysctl", "value"},
    {"TCPSocketAction", NULL},
    {"Taint", "key"},
    {"TokenRequestSpec", NULL},
    {"TopologySelectorLabelRequirement", NULL},
    {"TopologySpreadConstraint", NULL},
    {"ValidatingWebhook", "admissionReviewVersions"},
    {"ValidatingWebhook", "sideEffects"},
    {"VolumeAttachmentSpec", NULL},
    {"WeightedPodAffinityTerm", NULL},
    {"flowcontrol.v1.Subject", NULL},
};

const struct rule *validate_rule_at(size_t index)
{
    for (size_t i = 0; i < ARRAY_SIZE(rule_sets); i++) {
        if (index < rule_sets[i]->count)
            return &rule_sets[i]->rules[index];
        index -= rule_sets[i]->count;
    }
    return NULL;
}

/* All rules by the names of their types, those of one type in the order of the tables. */
static const struct rule *rule_index[VALIDATE_RULES_MAX];
static size_t rule_count;

static void sort_rules(void)
{
    const struct rule *r;

    for (; rule_count < VALIDATE_RULES_MAX && (r = validate_rule_at(rule_count)); rule_count++) {
        size_t at = rule_count;

        for (; at > 0 && strcmp(rule_index[at - 1]->type, r->type) > 0; at--)
            rule_index[at] = rule_index[at - 1];
        rule_index[at] = r;
    }
}

static const struct rule *const *rules_of(const char *type, size_t *ret_count)
{
    size_t low = 0, high = rule_count, end;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(rule_index[middle]->type, type) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < rule_count && validate_same(rule_index[end]->type, type); end++)
        ;
    *ret_count = end - low;
    return &rule_index[low];
}

static bool is_lenient(const struct schema_type *type, const char *field)
{
    for (size_t i = 0; i < ARRAY_SIZE(lenient); i++)
        if ((validate_same(lenient[i].type, type->name) || validate_same(lenient[i].type, schema_long_name(type))) &&
            (!lenient[i].field || validate_same(lenient[i].field, field)))
            return true;
    return false;
}

/* ---- by type and field ---- */

const struct field_rules validate_no_rules = {.look = FIELD_ASKED};

static struct type_rules *types_rules; /* in the order of schema_types */
static const struct rule **spread;     /* those of each field, and of each type as a whole, together */
static size_t spread_count, spread_cap;
static pthread_once_t index_once = PTHREAD_ONCE_INIT;

static bool is_of(const struct rule *rule, const char *field)
{
    const char *own = rule->field;

    return own && field ? validate_same(own, field) : own == field;
}

/* Appends those of the field (NULL = of none); how many they are. */
static size_t spread_rules(const struct schema_type *type, const char *field)
{
    const char *const names[] = {type->name, schema_long_name(type)};
    size_t before = spread_count;

    for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
        size_t count;
        const struct rule *const *rules = rules_of(names[n], &count);

        for (size_t i = 0; i < count; i++) {
            if (!is_of(rules[i], field))
                continue;
            spread = mem_grow(spread, &spread_cap, spread_count + 1, sizeof(const struct rule *));
            spread[spread_count++] = rules[i];
        }
    }
    return spread_count - before;
}

static struct field_rules index_field(const struct schema_type *type, const struct schema_field *f)
{
    struct field_rules own = {.first = (uint16_t)spread_count};

    own.count = (uint8_t)spread_rules(type, f->name);
    own.look = (uint8_t)__builtin_ctzll(value_name_bit(f->name));
    if (own.count || (f->flags & (SCHEMA_REQUIRED | SCHEMA_EMIT_EMPTY)))
        own.look |= FIELD_ASKED;
    if ((f->flags & SCHEMA_REQUIRED) && is_lenient(type, f->name))
        own.look |= FIELD_LENIENT;
    return own;
}

static void index_type(const struct schema_type *type, struct type_rules *into)
{
    struct field_rules *fields = mem_calloc(type->field_count, sizeof(*fields));

    for (size_t i = 0; i < type->field_count; i++)
        fields[i] = index_field(type, &type->fields[i]);
    into->fields = fields;
    into->whole_first = (uint16_t)spread_count;
    into->whole_count = (uint16_t)spread_rules(type, NULL);
}

static void index_all(void)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    sort_rules();
    types_rules = mem_calloc(count, sizeof(*types_rules));
    for (size_t i = 0; i < count; i++)
        index_type(&types[i], &types_rules[i]);
}

const struct type_rules *validate_type_rules(const struct schema_type *type)
{
    static const struct type_rules none;
    size_t count;
    size_t at = (size_t)(type - schema_types(&count));

    (void)pthread_once(&index_once, index_all);
    /* A type of a user's is in no table: his Probe is no probe of a container. */
    return type->custom || at >= count ? &none : &types_rules[at];
}

const struct rule *const *validate_field_rules(const struct field_rules *field)
{
    return spread + field->first;
}

const struct rule *const *validate_whole_rules(const struct type_rules *type)
{
    return spread + type->whole_first;
}

const struct rule *const *validate_named_rules(const char *type, size_t *ret_count)
{
    (void)pthread_once(&index_once, index_all);
    return rules_of(type, ret_count);
}
