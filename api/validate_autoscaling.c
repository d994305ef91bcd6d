/* SPDX-License-Identifier: Apache-2.0 */
/* Autoscalers, in the version in which they are stored (autoscaling/v2). */
#include "api/validate_internal.h"

#include "api/quantity.h"

#define PERIOD_MAX 1800
#define WINDOW_MAX 3600

static void check_reference(const struct rule_site *s)
{
    static const char *const fields[] = {"kind", "name"};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        struct slice text = value_string(value_get(s->object, fields[i]));

        if (!text.len)
            report_required(s->v, VFIELD(s->at, fields[i]), NULL);
        else
            (void)check_name(s->v, VFIELD(s->at, fields[i]), text, validate_path_segment);
    }
}

static bool has_outside_metric(const struct value *metrics)
{
    for (size_t i = 0; i < value_count(metrics); i++) {
        struct slice type = value_string(value_get(value_at(metrics, i), "type"));

        if (slice_is(type, "Object") || slice_is(type, "External"))
            return true;
    }
    return false;
}

/* Stands at maxReplicas, behind minReplicas and the workload. */
static void check_limits(const struct rule_site *s)
{
    const struct value *least = value_get(s->object, "minReplicas");
    const struct value *most = value_get(s->object, "maxReplicas");
    struct value *zero CLEANUP_VALUE = value_new_int(0);
    const struct vpath *up = s->at->up;

    if (least && value_int(least) < 1)
        report_invalid(s->v, VFIELD(up, "minReplicas"), least, "must be greater than or equal to 1");
    if (value_int(most) < 1)
        report_invalid(s->v, s->at, most ? most : zero, "must be greater than 0");
    if (least && value_int(most) < value_int(least))
        report_invalid(s->v, s->at, most ? most : zero, "must be greater than or equal to `minReplicas`");
}

static void check_autoscaler(const struct rule_site *s)
{
    const struct value *least = value_get(s->object, "minReplicas");

    if (least && !value_int(least) && !has_outside_metric(value_get(s->object, "metrics")))
        report_forbidden(s->v, s->at,
                         "must specify at least one Object or External metric to support scaling to zero replicas");
}

static bool is_positive(const struct value *amount)
{
    struct quantity q;

    return quantity_parse(value_string(amount), &q, NULL) == 0 && q.nano > 0;
}

/* What every target must be. */
static void check_target(const struct rule_site *s)
{
    static const char *const amounts[] = {"value", "averageValue"};
    struct slice type = value_string(value_get(s->object, "type"));
    const struct value *utilization = value_get(s->object, "averageUtilization");

    if (!type.len)
        report_required(s->v, VFIELD(s->at, "type"), "must specify a metric target type");
    if (!slice_is(type, "Utilization") && !slice_is(type, "Value") && !slice_is(type, "AverageValue"))
        report_invalid_text(s->v, VFIELD(s->at, "type"), type, "must be either Utilization, Value, or AverageValue");
    for (size_t i = 0; i < ARRAY_SIZE(amounts); i++) {
        const struct value *amount = value_get(s->object, amounts[i]);

        if (amount && !is_positive(amount))
            report_invalid(s->v, VFIELD(s->at, amounts[i]), amount, "must be positive");
    }
    if (utilization && value_int(utilization) < 1)
        report_invalid(s->v, VFIELD(s->at, "averageUtilization"), utilization, "must be greater than 0");
}

static void check_identifier(const struct rule_site *s)
{
    struct slice name = value_string(value_get(s->object, "name"));

    if (!name.len)
        report_required(s->v, VFIELD(s->at, "name"), "must specify a metric name");
    else
        (void)check_name(s->v, VFIELD(s->at, "name"), name, validate_path_segment);
    if (value_get(s->object, "selector"))
        check_label_selector(s->v, VFIELD(s->at, "selector"), value_get(s->object, "selector"));
}

/* A value or an average of a metric of another object or from outside. */
static void check_amount_target(const struct rule_site *s)
{
    const struct value *target = value_get(s->object, "target");
    bool value = value_get(target, "value") != NULL;
    bool average = value_get(target, "averageValue") != NULL;
    const struct vpath *at = VFIELD(s->at, "target");

    if (value && average)
        report_forbidden(s->v, VFIELD(at, "value"), "may not set both a target value for metric and a per-pod target");
    if (!value && !average)
        report_required(s->v, VFIELD(at, "averageValue"),
                        "must set either a target value for metric or a per-pod target");
}

static void check_pods_target(const struct rule_site *s)
{
    const struct value *average = value_path(s->object, "target", "averageValue", NULL);

    if (!average || !is_positive(average))
        report_required(s->v, VFIELD(VFIELD(s->at, "target"), "averageValue"),
                        "must specify a positive target averageValue");
}

static void check_resource_target(const struct rule_site *s)
{
    const struct value *target = value_get(s->object, "target");
    bool utilization = value_get(target, "averageUtilization") != NULL;
    bool average = value_get(target, "averageValue") != NULL;
    const struct vpath *at = VFIELD(s->at, "target");

    if (!value_string(value_get(s->object, "name")).len)
        report_required(s->v, VFIELD(s->at, "name"), "must specify a resource name");
    if (!utilization && !average)
        report_required(s->v, VFIELD(at, "averageUtilization"),
                        "must set either a target raw value or a target utilization");
    if (utilization && average)
        report_forbidden(s->v, VFIELD(at, "averageValue"),
                         "may not set both a target raw value and a target utilization");
}

static void check_container_target(const struct rule_site *s)
{
    check_resource_target(s);
    if (!value_string(value_get(s->object, "container")).len)
        report_required(s->v, VFIELD(s->at, "container"), "must specify a container");
}

/* Exactly the member that the type names. */
static void check_metric(const struct rule_site *s)
{
    static const char *const types[] = {"ContainerResource", "External", "Object", "Pods", "Resource", NULL};
    static const char *const members[] = {"containerResource", "external", "object", "pods", "resource"};
    struct slice type = value_string(value_get(s->object, "type"));

    if (!type.len)
        report_required(s->v, VFIELD(s->at, "type"), "must specify a metric source type");
    if (!check_one_of(s->v, VFIELD(s->at, "type"), type, types))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        bool named = slice_is(type, types[i]);
        bool there = value_get(s->object, members[i]) != NULL;

        if (named && !there)
            report_required(s->v, VFIELD(s->at, members[i]), "must populate information for the given metric source");
        else if (!named && there && value_count(s->object) > 2)
            report_forbidden(s->v, VFIELD(s->at, members[i]), "must populate the given metric source only");
    }
}

/* Stands at the first field, in front of the policies. */
static void check_scaling_rules(const struct rule_site *s)
{
    static const char *const selections[] = {"Disabled", "Max", "Min", NULL};
    const struct value *window = value_get(s->object, "stabilizationWindowSeconds");
    const struct value *selection = value_get(s->object, "selectPolicy");
    const struct vpath *up = s->at->up;
    const struct vpath *at = VFIELD(up, "stabilizationWindowSeconds");

    if (check_not_negative(s->v, at, window) && value_int(window) > WINDOW_MAX)
        report_invalid(s->v, at, window, "must be less than or equal to 3600");
    if (selection)
        (void)check_one_of(s->v, s->at, value_string(selection), selections);
    if (!value_count(value_get(s->object, "policies")))
        report_required(s->v, VFIELD(up, "policies"), "must specify at least one Policy");
    check_quantity(s->v, VFIELD(up, "tolerance"), value_get(s->object, "tolerance"));
}

static void check_scaling_policy(const struct rule_site *s)
{
    static const char *const types[] = {"Percent", "Pods", NULL};
    const struct value *value = value_get(s->object, "value");
    const struct value *period = value_get(s->object, "periodSeconds");

    (void)check_one_of(s->v, VFIELD(s->at, "type"), value_string(value_get(s->object, "type")), types);
    if (value_int(value) <= 0)
        report_invalid(s->v, VFIELD(s->at, "value"), value, "must be greater than zero");
    if (value_int(period) <= 0)
        report_invalid(s->v, VFIELD(s->at, "periodSeconds"), period, "must be greater than zero");
    else if (value_int(period) > PERIOD_MAX)
        report_invalid(s->v, VFIELD(s->at, "periodSeconds"), period, "must be less than or equal to 1800");
}

static const struct rule rules[] = {
    {"HorizontalPodAutoscalerSpec", "maxReplicas", check_limits},
    {"HorizontalPodAutoscalerSpec", "metrics", check_autoscaler},
    {"CrossVersionObjectReference", NULL, check_reference},
    {"MetricSpec", NULL, check_metric},
    {"MetricTarget", NULL, check_target},
    {"MetricIdentifier", NULL, check_identifier},
    {"ObjectMetricSource", NULL, check_amount_target},
    {"ExternalMetricSource", NULL, check_amount_target},
    {"PodsMetricSource", NULL, check_pods_target},
    {"ResourceMetricSource", NULL, check_resource_target},
    {"ContainerResourceMetricSource", NULL, check_container_target},
    {"HPAScalingRules", "selectPolicy", check_scaling_rules},
    {"HPAScalingPolicy", NULL, check_scaling_policy},
};
const struct rule_set validate_rules_autoscaling = {rules, ARRAY_SIZE(rules)};
