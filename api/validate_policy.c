/* SPDX-License-Identifier: Apache-2.0 */
/* What governs pods from beside them: disruption budgets, priority and runtime classes. */
#include "api/validate_internal.h"

#define PRIORITY_MAX 1000000000 /* of classes that users make */

static void check_part(struct validator *v, const struct vpath *at, const struct value *number)
{
    check_int_or_percent(v, at, number);
    if (int_or_percent_is_above_all(number))
        report_invalid(v, at, number, "must not be greater than 100%");
}

static void check_budget(const struct rule_site *s)
{
    const struct value *least = value_get(s->object, "minAvailable");
    const struct value *most = value_get(s->object, "maxUnavailable");
    const struct value *selector = value_get(s->object, "selector");

    if (least && most)
        report_invalid(s->v, s->at, s->object, "minAvailable and maxUnavailable cannot be both set");
    check_part(s->v, VFIELD(s->at, "minAvailable"), least);
    check_part(s->v, VFIELD(s->at, "maxUnavailable"), most);
    if (selector)
        check_label_selector(s->v, VFIELD(s->at, "selector"), selector);
}

/* The two that every cluster has; their values are upstream's. */
static bool is_system_class(struct slice name, int64_t value)
{
    return (slice_is(name, "system-node-critical") && value == 2000001000) ||
           (slice_is(name, "system-cluster-critical") && value == 2000000000);
}

static void check_priority_class(const struct rule_site *s)
{
    struct slice name = value_string(value_path(s->object, "metadata", "name", NULL));
    const struct value *value = value_get(s->object, "value");

    if (s->old && value_int(value_get(s->old, "value")) != value_int(value))
        report_forbidden(s->v, VFIELD(NULL, "value"), "may not be changed in an update.");
    if (s->old && !value_equal(value_get(s->old, "preemptionPolicy"), value_get(s->object, "preemptionPolicy")))
        report_invalid(s->v, VFIELD(NULL, "preemptionPolicy"), value_get(s->object, "preemptionPolicy"),
                       "field is immutable");
    if (slice_starts(name, SLICE_LIT("system-"))) {
        char *why CLEANUP_FREE =
            mem_printf("priority class names with 'system-' prefix are reserved for system use only. error: %.*s is "
                       "not a known system priority class",
                       SLICE_ARGS(name));

        if (!is_system_class(name, value_int(value)))
            report_forbidden(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), why);
    } else if (value_int(value) > PRIORITY_MAX) {
        report_forbidden(s->v, VFIELD(NULL, "value"), "maximum allowed value of a user defined priority is 1000000000");
    }
}

static void check_runtime_class(const struct rule_site *s)
{
    (void)check_name(s->v, VFIELD(NULL, "handler"), value_string(value_get(s->object, "handler")),
                     validate_dns1123_label);
}

static void check_overhead(const struct rule_site *s)
{
    check_resource_amounts(s->v, VFIELD(s->at, "podFixed"), value_get(s->object, "podFixed"));
}

static const struct rule rules[] = {
    {"PodDisruptionBudgetSpec", NULL, check_budget},
    {"PriorityClass", NULL, check_priority_class},
    {"RuntimeClass", NULL, check_runtime_class},
    {"Overhead", NULL, check_overhead},
};
const struct rule_set validate_rules_policy = {rules, ARRAY_SIZE(rules)};
