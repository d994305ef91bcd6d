/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walk: every field of the object by its row (required, values, bounds, format, fixed), and the rules that stand
 * in the tables of validate_*.c at their turn, so that the causes come in the order of the fields. A main write judges
 * all but the status, a status write the status alone.
 *
 * `!` in a row is OpenAPI's; where upstream lets the field be empty all the same, or words the finding differently in
 * a rule of its own, it stands in `lenient`.
 */
#include "api/validate_internal.h"
#include "api/value_internal.h"

#include <pthread.h>
#include <stdio.h>

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

static const struct {
    const char *name;
    const char *(*check)(struct slice s);
} formats[] = {
    {"dns1123-label", validate_dns1123_label}, {"dns1123-subdomain", validate_dns1123_subdomain},
    {"dns1035-label", validate_dns1035_label}, {"qualified-name", validate_qualified_name},
    {"label-value", validate_label_value},     {"path-segment", validate_path_segment},
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

/* An approval writes conditions, which are status. */
static bool writes_status(const struct validator *v)
{
    return !strcmp(v->subresource, "status") || !strcmp(v->subresource, "approval");
}

/* The first letters decide most of the time, so that walking the tables is cheap. */
static bool same(const char *a, const char *b)
{
    return a[0] == b[0] && !strcmp(a, b);
}

/* All rules by the names of their types, those of one type in the order of the tables: made once, then read only. */
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

/* The rules of one type. */
struct rule_range {
    const struct rule *const *first;
    size_t count;
};

static struct rule_range rules_of(const char *type)
{
    struct rule_range range = {0};
    size_t low = 0, high = rule_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (strcmp(rule_index[middle]->type, type) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    range.first = &rule_index[low];
    while (low + range.count < rule_count && same(range.first[range.count]->type, type))
        range.count++;
    return range;
}

/* Those of its name, and those of its long name. */
struct rules {
    struct rule_range ranges[2];
    uint64_t fields; /* value_name_bit of each field that has one: most have none */
};

static struct rules find_rules(const struct schema_type *type)
{
    struct rules rules = {0};

    rules.ranges[0] = rules_of(type->name);
    rules.ranges[1] = rules_of(schema_long_name(type));
    for (size_t n = 0; n < ARRAY_SIZE(rules.ranges); n++)
        for (size_t i = 0; i < rules.ranges[n].count; i++) {
            const char *field = rules.ranges[n].first[i]->field;

            rules.fields |= field ? value_name_bit(field) : 0;
        }
    return rules;
}

/* Of every built-in type, in the order of schema_types. */
static struct rules *rules_by_type;
static pthread_once_t rule_once = PTHREAD_ONCE_INIT;

static void index_rules(void)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    sort_rules();
    rules_by_type = mem_calloc(count, sizeof(*rules_by_type));
    for (size_t i = 0; i < count; i++)
        rules_by_type[i] = find_rules(&types[i]);
}

static const struct rules *rules_of_type(const struct schema_type *type)
{
    static const struct rules none;
    size_t count;
    size_t at = (size_t)(type - schema_types(&count));

    /* A type of a user's is in no table: his Probe is no probe of a container. */
    return type->custom || at >= count ? &none : &rules_by_type[at];
}

static void run_rules(const struct rules *rules, const char *field, const struct rule_site *site)
{
    for (size_t n = 0; n < ARRAY_SIZE(rules->ranges); n++)
        for (size_t i = 0; i < rules->ranges[n].count; i++) {
            const struct rule *r = rules->ranges[n].first[i];

            if (field ? r->field && same(r->field, field) : !r->field)
                r->check(site);
        }
}

static bool is_lenient(const struct schema_type *type, const char *field)
{
    for (size_t i = 0; !type->custom && i < ARRAY_SIZE(lenient); i++)
        if ((same(lenient[i].type, type->name) || same(lenient[i].type, schema_long_name(type))) &&
            (!lenient[i].field || same(lenient[i].field, field)))
            return true;
    return false;
}

static void walk_object(struct validator *v, const struct schema_type *type, const struct value *object,
                        const struct value *old, const struct vpath *at);

static void check_bounds(struct validator *v, const struct schema_field *field, const struct value *value,
                         const struct vpath *at)
{
    char why[64];

    if (field->has_minimum && field->has_maximum) {
        (void)check_range(v, at, value, field->minimum, field->maximum);
    } else if (field->has_minimum && value_int(value) < field->minimum) {
        (void)snprintf(why, sizeof(why), "must be greater than or equal to %lld", (long long)field->minimum);
        report_invalid(v, at, value, why);
    } else if (field->has_maximum && value_int(value) > field->maximum) {
        (void)snprintf(why, sizeof(why), "must be less than or equal to %lld", (long long)field->maximum);
        report_invalid(v, at, value, why);
    }
}

static void walk_one(struct validator *v, const struct schema_field *field, const struct value *value,
                     const struct value *old, const struct vpath *at)
{
    struct slice text = value_string(value);

    if (field->base == SCHEMA_OBJECT && field->type) {
        walk_object(v, field->type, value, old, at);
        return;
    }
    if (value_is(value, VALUE_INT))
        check_bounds(v, field, value, at);
    if (!text.len)
        return; /* an empty text counts as absent */
    if (field->enum_values)
        (void)check_one_of(v, at, text, field->enum_values);
    for (size_t i = 0; field->format && i < ARRAY_SIZE(formats); i++)
        if (same(formats[i].name, field->format))
            (void)check_name(v, at, text, formats[i].check);
}

static bool is_missing(const struct schema_field *field, const struct value *value)
{
    if (field->shape != SCHEMA_ONE)
        return value_count(value) == 0;
    if (value_is(value, VALUE_STRING))
        return value_string(value).len == 0;
    return !value || value_is(value, VALUE_NULL);
}

/* Structs that upstream does not hold by pointer are there even when they are missing: their own fields are asked. */
static bool stands_for_empty(const struct schema_field *field)
{
    return field->base == SCHEMA_OBJECT && field->shape == SCHEMA_ONE && (field->flags & SCHEMA_EMIT_EMPTY) &&
           !(field->flags & SCHEMA_POINTER);
}

static void walk_items(struct validator *v, const struct schema_field *field, const struct value *value,
                       const struct vpath *at)
{
    struct value_iter it = value_iter_start(field->shape == SCHEMA_MAP ? value : NULL);
    struct slice name;
    struct value *member;

    while (value_iter_next(&it, &name, &member))
        walk_one(v, field, member, NULL, VKEY(at, name));
    for (size_t i = 0; field->shape == SCHEMA_LIST && i < value_count(value); i++)
        walk_one(v, field, value_at(value, i), NULL, VINDEX(at, i));
}

/* An object, and what it was. */
struct pair {
    struct value_sequence now;
    struct value_sequence old;
};

/* Whether there is nothing to say of the field whatever the rules are: neither object has it, and it need not be there.
 */
static bool is_idle(const struct schema_field *field, const struct rules *rules, const struct pair *pair)
{
    uint64_t bit = value_name_bit(field->name);

    return !((pair->now.names | pair->old.names | rules->fields) & bit) &&
           !(field->flags & (SCHEMA_REQUIRED | SCHEMA_EMIT_EMPTY));
}

static void walk_field(struct validator *v, const struct schema_type *type, const struct rules *rules,
                       const struct schema_field *field, struct pair *pair, const struct vpath *up)
{
    struct vpath step;
    const struct vpath *at = v->is_definition ? custom_place(v, type->name, up, field->name, &step)
                                              : VFIELD(up, field->name);
    const struct value *value = value_sequence_get(&pair->now, field->name);
    const struct value *had = value_sequence_get(&pair->old, field->name);
    bool missing = is_missing(field, value);
    bool required = (field->flags & SCHEMA_REQUIRED) && !writes_status(v);
    struct rule_site site = {v, pair->now.object, pair->old.object, value, at};

    if (!at)
        return;
    if (missing && stands_for_empty(field))
        walk_object(v, field->type, NULL, NULL, at);
    else if (missing && required && !is_lenient(type, field->name))
        report_required(v, at, NULL);
    else if (!missing && field->shape == SCHEMA_ONE)
        walk_one(v, field, value, had, at);
    else if (!missing)
        walk_items(v, field, value, at);
    if ((field->flags & SCHEMA_IMMUTABLE) && had && !value_is(had, VALUE_NULL) && !value_equal(had, value))
        report_invalid(v, at, value, "field is immutable");
    if (rules->fields & value_name_bit(field->name))
        run_rules(rules, field->name, &site);
}

static void walk_object(struct validator *v, const struct schema_type *type, const struct value *object,
                        const struct value *old, const struct vpath *at)
{
    struct pair pair = {value_sequence_start(object), value_sequence_start(old)};
    struct rule_site site = {v, object, old, object, at};
    const struct rules *rules = rules_of_type(type);
    bool status_write = writes_status(v);

    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *field = &type->fields[i];

        if (field->flags & SCHEMA_INLINE) {
            if (field->type)
                walk_object(v, field->type, object, old, at);
            continue;
        }
        if (!at) { /* of the root: metadata is judged apart, and either the status or the rest */
            bool is_status = v->kind->has_status && same(field->name, "status");

            if (same(field->name, "metadata"))
                run_rules(rules, field->name, &site);
            if (same(field->name, "metadata") || same(field->name, "apiVersion") || same(field->name, "kind") ||
                is_status != status_write)
                continue;
        }
        if (!is_idle(field, rules, &pair))
            walk_field(v, type, rules, field, &pair, at);
    }
    if (at || !status_write)
        run_rules(rules, NULL, &site);
}

static bool said_before(const struct error *err, size_t index)
{
    const struct error_cause *c = &err->causes[index];

    for (size_t i = 0; i < index; i++)
        if (!strcmp(err->causes[i].field, c->field) && !strcmp(err->causes[i].message, c->message))
            return true;
    return false;
}

/* `Deployment.apps "x" is invalid: [a: b, c: d]`; what was found twice is said once. */
static void write_message(const struct validator *v, struct buf *out)
{
    BUF_LOCAL(list);
    size_t said = 0;

    for (size_t i = 0; i < v->err->cause_count; i++) {
        const struct error_cause *c = &v->err->causes[i];

        if (said_before(v->err, i))
            continue;
        buf_printf(&list, "%s%s: %s", said++ ? ", " : "", c->field, c->message);
    }
    buf_printf(out, "%s%s%s \"%.*s\" is invalid: %s%s%s", v->kind->kind, *v->kind->group ? "." : "", v->kind->group,
               SLICE_ARGS(value_string(value_path(v->object, "metadata", "name", NULL))), said > 1 ? "[" : "",
               buf_cstr(&list), said > 1 ? "]" : "");
}

/* The causes that were found, as one error. */
static int finish(struct validator *v, struct error *err)
{
    BUF_LOCAL(message);

    if (!v->err->cause_count)
        return 0;
    write_message(v, &message);
    v->err->code = ERROR_INVALID;
    v->err->message = buf_steal_str(&message);
    return error_pass(err, v->err, NULL);
}

int validate_object(const struct schema_kind *kind, const struct value *object, const struct value *old,
                    const char *subresource, struct error *err)
{
    ERROR_LOCAL(found);
    struct validator v = {.kind = kind,
                          .object = object,
                          .old = old,
                          .subresource = subresource ? subresource : "",
                          .err = &found,
                          .is_definition = same(kind->type->name, "CustomResourceDefinition")};

    (void)pthread_once(&rule_once, index_rules);
    if (v.is_definition)
        custom_start(&v);
    if (!kind->virtual_kind && !kind->no_metadata)
        check_metadata(&v);
    walk_object(&v, kind->type, object, old, NULL);
    if (kind->type->structural)
        check_structural(&v, kind->type->structural);
    if (kind->custom)
        check_custom_scale(&v);
    return finish(&v, err);
}

int validate_version(const struct schema_kind *shown, const struct value *object, struct error *err)
{
    ERROR_LOCAL(found);
    struct validator v = {.kind = shown, .object = object, .subresource = "", .err = &found};
    const struct rule_site site = {&v, object, NULL, object, NULL};
    struct rules rules = {0};

    (void)pthread_once(&rule_once, index_rules);
    rules.ranges[0] = rules_of(schema_long_name(shown->type));
    run_rules(&rules, NULL, &site);
    return finish(&v, err);
}
