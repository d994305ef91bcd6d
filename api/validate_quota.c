/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of a namespace: quotas and limit ranges. */
#include "api/validate_internal.h"

#include "api/quantity.h"

#define NANO 1000000000

void check_resource_amounts(struct validator *v, const struct vpath *at, const struct value *amounts)
{
    struct value_iter it = value_iter_start(amounts);
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount)) {
        (void)check_name(v, VKEY(at, name), name, validate_qualified_name);
        check_quantity(v, VKEY(at, name), amount);
    }
}

/* ---- quotas ---- */

static bool is_count(struct slice name)
{
    static const char *const names[] = {
        "pods",       "resourcequotas",         "services",           "replicationcontrollers", "secrets",
        "configmaps", "persistentvolumeclaims", "services.nodeports", "services.loadbalancers"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_is(name, names[i]))
            return true;
    return slice_starts(name, SLICE_LIT("count/"));
}

static void check_hard(const struct rule_site *s)
{
    struct value_iter it = value_iter_start(s->value);
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount)) {
        const struct vpath *at = VKEY(s->at, name);
        bool good = check_name(s->v, at, name, validate_qualified_name);
        struct quantity q;

        if (good && slice_find(name, '/') < 0 && !resource_is_standard(name) && !resource_is_of_quotas(name)) {
            report_invalid_text(s->v, at, name, "must be a standard resource type or fully qualified");
            report_invalid_text(s->v, at, name, "must be a standard resource for quota");
        }
        check_quantity(s->v, at, amount);
        if (is_count(name) && quantity_parse(value_string(amount), &q, NULL) == 0 && q.nano % NANO != 0)
            report_invalid(s->v, at, amount, "must be an integer");
    }
}

static const char *const scopes[] = {"Terminating",          "NotTerminating", "BestEffort",
                                     "NotBestEffort",        "PriorityClass",  "CrossNamespacePodAffinity",
                                     "VolumeAttributesClass"};

static bool is_scope(struct slice text)
{
    for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
        if (slice_is(text, scopes[i]))
            return true;
    return false;
}

/* Scopes are about pods: of those without requests only the number can be limited. */
static bool scope_fits(struct slice scope, struct slice resource)
{
    if (slice_is(scope, "BestEffort"))
        return slice_is(resource, "pods");
    if (slice_is(scope, "VolumeAttributesClass"))
        return slice_is(resource, "persistentvolumeclaims") || slice_ends(resource, SLICE_LIT("storage"));
    return slice_is(resource, "pods") || slice_is(resource, "cpu") || slice_is(resource, "memory") ||
           slice_is(resource, "ephemeral-storage") || slice_starts(resource, SLICE_LIT("requests.")) ||
           slice_starts(resource, SLICE_LIT("limits."));
}

static bool list_has(const struct value *list, const char *text)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_at(list, i)), text))
            return true;
    return false;
}

static void check_scopes(const struct rule_site *s)
{
    struct value_iter it = value_iter_start(value_get(s->object, "hard"));
    struct slice name;
    struct value *amount;

    for (size_t i = 0; i < value_count(s->value); i++)
        if (!is_scope(value_string(value_at(s->value, i))))
            report_invalid(s->v, s->at, s->value, "unsupported scope");
    while (value_iter_next(&it, &name, &amount))
        for (size_t i = 0; i < value_count(s->value); i++)
            if (is_scope(value_string(value_at(s->value, i))) && !scope_fits(value_string(value_at(s->value, i)), name))
                report_invalid(s->v, s->at, s->value, "unsupported scope applied to resource");
    if ((list_has(s->value, "BestEffort") && list_has(s->value, "NotBestEffort")) ||
        (list_has(s->value, "Terminating") && list_has(s->value, "NotTerminating")))
        report_invalid(s->v, s->at, s->value, "conflicting scopes");
}

/* Upstream names the list, not the entry. */
static void check_scope_requirement(const struct rule_site *s)
{
    struct slice scope = value_string(value_get(s->object, "scopeName"));
    struct slice operator= value_string(value_get(s->object, "operator"));
    const struct vpath *list = s->at->up;
    bool in = slice_is(operator, "In") || slice_is(operator, "NotIn");
    bool exists = slice_is(operator, "Exists") || slice_is(operator, "DoesNotExist");
    bool bare = is_scope(scope) && !slice_is(scope, "PriorityClass") && !slice_is(scope, "VolumeAttributesClass");

    if (!is_scope(scope))
        report_invalid_text(s->v, VFIELD(list, "scopeName"), scope, "unsupported scope");
    if (bare && !slice_is(operator, "Exists"))
        report_invalid_text(s->v, VFIELD(list, "operator"), operator,
                            "must be 'Exist' only operator when scope is any of ResourceQuotaScopeTerminating, "
                            "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                            "ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity");
    if (in && !value_count(value_get(s->object, "values")))
        report_required(s->v, VFIELD(list, "values"),
                        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
    if (exists && value_count(value_get(s->object, "values")))
        report_invalid(s->v, VFIELD(list, "values"), value_get(s->object, "values"),
                       "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector");
    if (!in && !exists)
        report_invalid_text(s->v, VFIELD(list, "operator"), operator, "not a valid selector operator");
}

static void check_quota(const struct rule_site *s)
{
    static const char *const fixed[] = {"scopes", "scopeSelector"};

    for (size_t i = 0; s->old && i < ARRAY_SIZE(fixed); i++)
        if (!value_equal(value_get(s->old, fixed[i]), value_get(s->object, fixed[i])))
            report_invalid(s->v, VFIELD(s->at, fixed[i]), value_get(s->object, fixed[i]), "field is immutable");
}

/* ---- limit ranges ---- */

/* Of the amounts of one resource in two lists: the smaller one's and the larger one's. Upstream names one of the two,
 * and shows the value of one, not always the same. */
struct limit_order {
    const char *less, *more;               /* lists */
    const char *less_called, *more_called; /* in the sentence */
    const char *named, *shown;             /* lists */
};

static void check_order(const struct rule_site *s, const struct limit_order *order)
{
    struct value_iter it = value_iter_start(value_get(s->object, order->less));
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount)) {
        const struct value *other = value_get_slice(value_get(s->object, order->more), name);
        struct quantity x;
        struct quantity y;

        if (!other || quantity_parse(value_string(amount), &x, NULL) < 0 ||
            quantity_parse(value_string(other), &y, NULL) < 0 || x.nano <= y.nano)
            continue;
        char *why CLEANUP_FREE = mem_printf("%s value %.*s is greater than %s value %.*s", order->less_called,
                                            SLICE_ARGS(value_string(amount)), order->more_called,
                                            SLICE_ARGS(value_string(other)));

        report_invalid(s->v, VKEY(VFIELD(s->at, order->named), name),
                       value_get_slice(value_get(s->object, order->shown), name), why);
    }
}

/* A ratio is one or more, and not more than the bounds leave room for. */
static void check_ratios(const struct rule_site *s)
{
    const struct value *ratios = value_get(s->object, "maxLimitRequestRatio");
    struct value_iter it = value_iter_start(ratios);
    struct slice name;
    struct value *ratio;

    while (value_iter_next(&it, &name, &ratio)) {
        const struct value *max = value_get_slice(value_get(s->object, "max"), name);
        const struct value *min = value_get_slice(value_get(s->object, "min"), name);
        struct quantity r;
        struct quantity most;
        struct quantity least;
        char *why CLEANUP_FREE = NULL;

        if (quantity_parse(value_string(ratio), &r, NULL) < 0)
            continue;
        if (r.nano < NANO)
            why = mem_printf("ratio %.*s is less than 1", SLICE_ARGS(value_string(ratio)));
        else if (max && min && quantity_parse(value_string(max), &most, NULL) == 0 &&
                 quantity_parse(value_string(min), &least, NULL) == 0 && least.nano > 0 &&
                 (double)r.nano / NANO > (double)most.nano / (double)least.nano)
            why = mem_printf("ratio %.*s is greater than max/min = %f", SLICE_ARGS(value_string(ratio)),
                             (double)most.nano / (double)least.nano);
        if (why)
            report_invalid(s->v, VKEY(VFIELD(s->at, "maxLimitRequestRatio"), name), ratio, why);
    }
}

/* Containers have only what containers can use. */
static void check_limit_amounts(const struct rule_site *s, const char *list, bool of_containers)
{
    struct value_iter it = value_iter_start(value_get(s->object, list));
    struct slice name;
    struct value *amount;

    check_resource_amounts(s->v, VFIELD(s->at, list), value_get(s->object, list));
    while (of_containers && value_iter_next(&it, &name, &amount))
        if (slice_find(name, '/') < 0 && !resource_is_standard(name))
            report_invalid_text(s->v, VKEY(VFIELD(s->at, list), name), name,
                                "must be a standard resource for containers");
}

static void check_limit(const struct rule_site *s)
{
    static const char *const lists[] = {"max", "min", "default", "defaultRequest", "maxLimitRequestRatio"};
    static const struct limit_order orders[] = {
        {"min", "max", "min", "max", "min", "min"},
        {"min", "defaultRequest", "min", "default request", "defaultRequest", "defaultRequest"},
        {"defaultRequest", "max", "default request", "max", "defaultRequest", "defaultRequest"},
        {"defaultRequest", "default", "default request", "default limit", "defaultRequest", "defaultRequest"},
        {"min", "default", "min", "default", "default", "min"},
        {"default", "max", "default", "max", "default", "max"},
    };
    struct slice type = value_string(value_get(s->object, "type"));

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        check_limit_amounts(s, lists[i], slice_is(type, "Pod") || slice_is(type, "Container"));
    if (slice_is(type, "Pod"))
        for (size_t i = 2; i < 4; i++)
            if (value_count(value_get(s->object, lists[i])))
                report_forbidden(s->v, VFIELD(s->at, lists[i]), "may not be specified when `type` is 'Pod'");
    if (slice_is(type, "PersistentVolumeClaim") && !value_path(s->object, "min", "storage", NULL) &&
        !value_path(s->object, "max", "storage", NULL))
        report_required(s->v, VFIELD(s->at, "limits"),
                        "either minimum or maximum storage value is required, but neither was provided");
    for (size_t i = 0; i < ARRAY_SIZE(orders); i++)
        check_order(s, &orders[i]);
    check_ratios(s);
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
    {"ResourceQuotaSpec", "hard", check_hard},    {"ResourceQuotaSpec", "scopes", check_scopes},
    {"ResourceQuotaSpec", NULL, check_quota},     {"ScopedResourceSelectorRequirement", NULL, check_scope_requirement},
    {"LimitRangeItem", "type", check_limit_type}, {"LimitRangeItem", NULL, check_limit},
    {"LimitRangeSpec", "limits", check_limits},
};
const struct rule_set validate_rules_quota = {rules, ARRAY_SIZE(rules)};
