/* SPDX-License-Identifier: Apache-2.0 */
/* What governs pods from beside them: disruption budgets, priority and runtime classes, quotas and limit ranges. */
#include "api/validate_internal.h"

#include "api/quantity.h"

#define PRIORITY_MAX 1000000000 /* of classes that users make */

static bool is_above_all(const struct value *percent)
{
    struct slice text = value_string(percent);
    uint64_t number;

    return text.len && slice_to_uint64(slice_make(text.data, text.len - 1), &number) && number > 100;
}

static void check_part(struct validator *v, const struct vpath *at, const struct value *number)
{
    check_int_or_percent(v, at, number);
    if (is_above_all(number))
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

/* ---- amounts ---- */

static void check_amounts(struct validator *v, const struct vpath *at, const struct value *amounts)
{
    struct value_iter it = value_iter_start(amounts);
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount)) {
        (void)check_name(v, VKEY(at, name), name, validate_qualified_name);
        check_quantity(v, VKEY(at, name), amount);
    }
}

static void check_overhead(const struct rule_site *s)
{
    check_amounts(s->v, VFIELD(s->at, "podFixed"), value_get(s->object, "podFixed"));
}

static void check_quota(const struct rule_site *s)
{
    static const char *const fixed[] = {"scopes", "scopeSelector"};

    check_amounts(s->v, VFIELD(s->at, "hard"), value_get(s->object, "hard"));
    for (size_t i = 0; s->old && i < ARRAY_SIZE(fixed); i++)
        if (!value_equal(value_get(s->old, fixed[i]), value_get(s->object, fixed[i])))
            report_invalid(s->v, VFIELD(s->at, fixed[i]), value_get(s->object, fixed[i]), "field is immutable");
}

/* Finds amount `name` of both lists and reports at `a`'s when it is more than `b`'s. */
static void check_order(const struct rule_site *s, const char *a, const char *b, const char *why_a, const char *why_b)
{
    struct value_iter it = value_iter_start(value_get(s->object, a));
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount)) {
        const struct value *other = value_get_slice(value_get(s->object, b), name);
        struct quantity x;
        struct quantity y;

        if (!other || quantity_parse(value_string(amount), &x, NULL) < 0 ||
            quantity_parse(value_string(other), &y, NULL) < 0 || x.nano <= y.nano)
            continue;
        char *why CLEANUP_FREE = mem_printf("%s value %.*s is greater than %s value %.*s", why_a,
                                            SLICE_ARGS(value_string(amount)), why_b, SLICE_ARGS(value_string(other)));

        report_invalid(s->v, VKEY(VFIELD(s->at, a), name), amount, why);
    }
}

static void check_limit(const struct rule_site *s)
{
    static const char *const lists[] = {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"};
    struct slice type = value_string(value_get(s->object, "type"));

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        check_amounts(s->v, VFIELD(s->at, lists[i]), value_get(s->object, lists[i]));
    if (slice_is(type, "Pod"))
        for (size_t i = 2; i < 4; i++)
            if (value_count(value_get(s->object, lists[i])))
                report_forbidden(s->v, VFIELD(s->at, lists[i]), "may not be specified when `type` is 'Pod'");
    if (slice_is(type, "PersistentVolumeClaim") && !value_path(s->object, "min", "storage", NULL) &&
        !value_path(s->object, "max", "storage", NULL))
        report_required(s->v, VFIELD(s->at, "limits"),
                        "either minimum or maximum storage value is required, but neither was provided");
    check_order(s, "min", "max", "min", "max");
    check_order(s, "min", "defaultRequest", "min", "default request");
    check_order(s, "defaultRequest", "max", "default request", "max");
    check_order(s, "defaultRequest", "default", "default request", "default limit");
    check_order(s, "default", "max", "default", "max");
}

static void check_limit_type(const struct rule_site *s)
{
    struct slice type = value_string(s->value);

    if (type.len && slice_find(type, '/') < 0 && !slice_is(type, "Pod") && !slice_is(type, "Container") &&
        !slice_is(type, "PersistentVolumeClaim"))
        report_invalid_text(s->v, s->at, type, "must be a standard limit type or fully qualified");
}

static void check_limits(const struct rule_site *s)
{
    for (size_t i = 1; i < value_count(s->value) && i < 100; i++)
        for (size_t j = 0; j < i; j++)
            if (value_equal(value_get(value_at(s->value, i), "type"), value_get(value_at(s->value, j), "type"))) {
                report_duplicate(s->v, VFIELD(VINDEX(s->at, i), "type"), value_get(value_at(s->value, i), "type"));
                break;
            }
}

static const struct rule rules[] = {
    {"PodDisruptionBudgetSpec", NULL, check_budget}, {"PriorityClass", NULL, check_priority_class},
    {"RuntimeClass", NULL, check_runtime_class},     {"Overhead", NULL, check_overhead},
    {"ResourceQuotaSpec", NULL, check_quota},        {"LimitRangeItem", "type", check_limit_type},
    {"LimitRangeItem", NULL, check_limit},           {"LimitRangeSpec", "limits", check_limits},
};
const struct rule_set validate_rules_policy = {rules, ARRAY_SIZE(rules)};
