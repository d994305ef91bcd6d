/* SPDX-License-Identifier: Apache-2.0 */
/* Deployments and ReplicaSets: the selector matches the template, the template restarts for ever, the strategy can
 * move. */
#include "api/validate_internal.h"

#include "api/selector.h"

static bool is_empty_selector(const struct value *selector)
{
    return !value_count(value_get(selector, "matchLabels")) && !value_count(value_get(selector, "matchExpressions"));
}

void check_template_labels(struct validator *v, const struct vpath *spec, const struct value *selector,
                           const struct value *template_)
{
    const struct value *labels = value_path(template_, "metadata", "labels", NULL);
    struct value *none CLEANUP_VALUE = value_new_null();
    struct selector *parsed = NULL;

    if (selector_from_object(selector, &parsed, NULL) < 0)
        return;
    if ((selector_is_empty(parsed) || !selector_matches_labels(parsed, labels)) &&
        (!value_is(selector, VALUE_OBJECT) || !is_empty_selector(selector)))
        report_invalid(v, VFIELD(VFIELD(VFIELD(spec, "template"), "metadata"), "labels"),
                       labels ? labels : none, /* null */
                       "`selector` does not match template `labels`");
    selector_free(parsed);
}

/* What upstream says of a selector that is there and selects all, or that cannot be read. ReplicaSets borrow the words
 * of Deployments. */
static const struct {
    const char *type;
    const char *empty;
    const char *bad; /* "" = the value without more words */
} selector_words[] = {
    {"ReplicaSet", "empty selector is invalid for deployment", "invalid label selector"},
    {"Deployment", "empty selector is invalid for deployment", "invalid label selector"},
    {"StatefulSet", "empty selector is invalid for statefulset", ""},
    {"DaemonSet", "empty selector is invalid for daemonset", NULL},
};

static void check_selector_matches(const struct rule_site *s)
{
    const struct value *selector = value_get(s->object, "selector");
    const struct vpath *spec = s->at->up; /* the rule stands at the selector */
    struct selector *parsed = NULL;
    size_t row = 0;

    while (row + 1 < ARRAY_SIZE(selector_words) && strcmp(selector_words[row].type, s->v->kind->kind) != 0)
        row++;
    if (value_is(selector, VALUE_OBJECT)) {
        check_label_selector(s->v, s->at, selector);
        if (is_empty_selector(selector))
            report_invalid(s->v, s->at, selector, selector_words[row].empty);
    }
    if (selector_from_object(selector, &parsed, NULL) < 0) {
        if (selector_words[row].bad)
            report_invalid(s->v, s->at, selector, *selector_words[row].bad ? selector_words[row].bad : NULL);
        return;
    }
    selector_free(parsed);
    check_template_labels(s->v, spec, selector, value_get(s->object, "template"));
}

/* The template's pods are started again for ever and have no deadline. */
void check_lasting_template(struct validator *v, const struct vpath *at, const struct value *template_,
                            const char *owner)
{
    static const char *const always[] = {"Always", NULL};
    const struct value *spec = value_get(template_, "spec");
    struct slice restart = value_string(value_get(spec, "restartPolicy"));

    if (slice_is(restart, "OnFailure") || slice_is(restart, "Never")) /* anything else the row has refused */
        (void)check_one_of(v, VFIELD(VFIELD(at, "spec"), "restartPolicy"), restart, always);
    if (value_get(spec, "activeDeadlineSeconds")) {
        char *why CLEANUP_FREE = mem_printf("activeDeadlineSeconds in %s is not Supported", owner);

        report_forbidden(v, VFIELD(VFIELD(at, "spec"), "activeDeadlineSeconds"), why);
    }
}

static void check_replica_set(const struct rule_site *s)
{
    check_lasting_template(s->v, VFIELD(s->at, "template"), value_get(s->object, "template"), "ReplicaSet");
}

static void check_deployment(const struct rule_site *s)
{
    const struct value *deadline = value_get(s->object, "progressDeadlineSeconds");

    check_replica_set(s);
    if (deadline && value_int(deadline) <= value_int(value_get(s->object, "minReadySeconds")))
        report_invalid(s->v, VFIELD(s->at, "progressDeadlineSeconds"), deadline,
                       "must be greater than minReadySeconds");
}

bool int_or_percent_is_zero(const struct value *number)
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

bool int_or_percent_is_above_all(const struct value *percent)
{
    struct slice text = value_string(percent);
    uint64_t number;

    return text.len && slice_to_uint64(slice_make(text.data, text.len - 1), &number) && number > 100;
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
    if (unavailable && surge && int_or_percent_is_zero(unavailable) && int_or_percent_is_zero(surge))
        report_invalid(s->v, VFIELD(at, "maxUnavailable"), unavailable, "may not be 0 when `maxSurge` is 0");
    if (int_or_percent_is_above_all(unavailable))
        report_invalid(s->v, VFIELD(at, "maxUnavailable"), unavailable, "must not be greater than 100%");
}

static const struct rule rules[] = {
    {"DeploymentSpec", "selector", check_selector_matches}, {"DeploymentSpec", NULL, check_deployment},
    {"ReplicaSetSpec", "selector", check_selector_matches}, {"ReplicaSetSpec", NULL, check_replica_set},
    {"DeploymentStrategy", NULL, check_strategy},           {"StatefulSetSpec", "selector", check_selector_matches},
    {"DaemonSetSpec", "selector", check_selector_matches},
};
const struct rule_set validate_rules_workload = {rules, ARRAY_SIZE(rules)};
