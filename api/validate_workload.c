/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments and ReplicaSets: the selector matches the template, the template restarts for ever, the strategy can
 * move. */
#include "api/validate_internal.h"

#include "api/selector.h"

static bool is_empty_selector(const struct value *selector)
{
    return !value_count(value_get(selector, "matchLabels")) && !value_count(value_get(selector, "matchExpressions"));
}

/* Upstream says "deployment" for ReplicaSets too. */
static void check_selector_matches(const struct rule_site *s)
{
    const struct value *selector = value_get(s->object, "selector");
    const struct value *labels = value_path(s->object, "template", "metadata", "labels", NULL);
    const struct vpath *spec = s->at->up; /* the rule stands at the selector */
    struct value *none CLEANUP_VALUE = value_new_null();
    struct selector *parsed = NULL;

    if (value_is(selector, VALUE_OBJECT)) {
        check_label_selector(s->v, s->at, selector);
        if (is_empty_selector(selector))
            report_invalid(s->v, s->at, selector, "empty selector is invalid for deployment");
    }
    if (selector_from_object(selector, &parsed, NULL) < 0) {
        report_invalid(s->v, s->at, selector, "invalid label selector");
        return;
    }
    if (selector_is_empty(parsed) || !selector_matches_labels(parsed, labels))
        if (!value_is(selector, VALUE_OBJECT) || !is_empty_selector(selector))
            report_invalid(s->v, VFIELD(VFIELD(VFIELD(spec, "template"), "metadata"), "labels"),
                           labels ? labels : none, /* null */
                           "`selector` does not match template `labels`");
    selector_free(parsed);
}

/* The template's pods are started again for ever and have no deadline. */
static void check_template_lifetime(const struct rule_site *s)
{
    static const char *const always[] = {"Always", NULL};
    const struct value *spec = value_path(s->object, "template", "spec", NULL);
    const struct vpath *at = VFIELD(VFIELD(s->at, "template"), "spec");
    struct slice restart = value_string(value_get(spec, "restartPolicy"));

    if (slice_is(restart, "OnFailure") || slice_is(restart, "Never")) /* anything else the row has refused */
        (void)check_one_of(s->v, VFIELD(at, "restartPolicy"), restart, always);
    if (value_get(spec, "activeDeadlineSeconds"))
        report_forbidden(s->v, VFIELD(at, "activeDeadlineSeconds"),
                         "activeDeadlineSeconds in ReplicaSet is not Supported");
}

static void check_deployment(const struct rule_site *s)
{
    const struct value *deadline = value_get(s->object, "progressDeadlineSeconds");

    check_template_lifetime(s);
    if (deadline && value_int(deadline) <= value_int(value_get(s->object, "minReadySeconds")))
        report_invalid(s->v, VFIELD(s->at, "progressDeadlineSeconds"), deadline,
                       "must be greater than minReadySeconds");
}

static bool is_zero(const struct value *number)
{
    struct slice text = value_string(number);

    if (value_is(number, VALUE_STRING)) {
        for (size_t i = 0; i + 1 < text.len; i++)
            if (text.data[i] != '0')
                return false;
        return text.len > 1;
    }
    return value_int(number) == 0;
}

/* More than all of the pods cannot be missing. */
static bool is_above_all(const struct value *percent)
{
    struct slice text = value_string(percent);
    uint64_t number;

    if (!text.len)
        return false;
    text.len--;
    return slice_to_uint64(text, &number) && number > 100;
}

static void check_strategy(const struct rule_site *s)
{
    const struct value *rolling = value_get(s->object, "rollingUpdate");
    const struct value *surge = value_get(rolling, "maxSurge");
    const struct value *unavailable = value_get(rolling, "maxUnavailable");
    const struct vpath *at = VFIELD(s->at, "rollingUpdate");
    bool recreate = slice_is(value_string(value_get(s->object, "type")), "Recreate");

    if (!rolling)
        return;
    if (recreate) {
        report_forbidden(s->v, at, "may not be specified when strategy `type` is 'Recreate'");
        return;
    }
    check_int_or_percent(s->v, VFIELD(at, "maxUnavailable"), unavailable);
    check_int_or_percent(s->v, VFIELD(at, "maxSurge"), surge);
    if (unavailable && surge && is_zero(unavailable) && is_zero(surge))
        report_invalid(s->v, VFIELD(at, "maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
    if (is_above_all(unavailable))
        report_invalid(s->v, VFIELD(at, "maxUnavailable"), unavailable, "must not be greater than 100%");
}

static const struct rule rules[] = {
    {"DeploymentSpec", "selector", check_selector_matches}, {"DeploymentSpec", NULL, check_deployment},
    {"ReplicaSetSpec", "selector", check_selector_matches}, {"ReplicaSetSpec", NULL, check_template_lifetime},
    {"DeploymentStrategy", NULL, check_strategy},
};
const struct rule_set validate_rules_workload = {rules, ARRAY_SIZE(rules)};
