/* SPDX-License-Identifier: Apache-2.0 */
/* StatefulSets, DaemonSets, ReplicationControllers and ControllerRevisions. What they share with Deployments is in
 * validate_workload.c. */
#include "api/validate_internal.h"

#define ONLY_THESE                                                                                                     \
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "         \
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"

static void check_stateful_strategy(struct validator *v, const struct vpath *at, const struct value *strategy)
{
    struct slice type = value_string(value_get(strategy, "type"));
    const struct value *rolling = value_get(strategy, "rollingUpdate");
    const struct vpath *here = VFIELD(at, "rollingUpdate");
    const struct value *unavailable = value_get(rolling, "maxUnavailable");

    if (slice_is(type, "OnDelete")) {
        if (rolling)
            report_invalid(v, here, rolling, "only allowed for updateStrategy 'RollingUpdate'");
    } else if (!slice_is(type, "RollingUpdate")) {
        report_invalid(v, at, strategy, "must be 'RollingUpdate' or 'OnDelete'");
    } else {
        (void)check_not_negative(v, VFIELD(here, "partition"), value_get(rolling, "partition"));
        check_int_or_percent(v, VFIELD(here, "maxUnavailable"), unavailable);
        if (unavailable && int_or_percent_is_zero(unavailable))
            report_invalid(v, VFIELD(here, "maxUnavailable"), unavailable, "cannot be 0");
        else if (int_or_percent_is_above_all(unavailable))
            report_invalid(v, VFIELD(here, "maxUnavailable"), unavailable, "must not be greater than 100%");
    }
}

static void check_retention(struct validator *v, const struct vpath *at, const struct value *policy)
{
    static const char *const fields[] = {"whenDeleted", "whenScaled"};
    static const char *const values[] = {"Delete", "Retain", NULL};

    for (size_t i = 0; policy && i < ARRAY_SIZE(fields); i++)
        (void)check_one_of(v, VFIELD(at, fields[i]), value_string(value_get(policy, fields[i])), values);
}

/* Whether anything but these changed, seen from one side. */
static bool spec_changed(const struct value *a, const struct value *b)
{
    static const char *const free_[] = {"replicas",
                                        "ordinals",
                                        "template",
                                        "updateStrategy",
                                        "revisionHistoryLimit",
                                        "minReadySeconds",
                                        "persistentVolumeClaimRetentionPolicy"};
    struct value_iter it = value_iter_start(a);
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v)) {
        bool may = false;

        for (size_t i = 0; i < ARRAY_SIZE(free_); i++)
            may = may || slice_is(name, free_[i]);
        if (!may && !value_equal(v, value_get_slice(b, name)))
            return true;
    }
    return false;
}

static void check_stateful_set(const struct rule_site *s)
{
    struct slice policy = value_string(value_get(s->object, "podManagementPolicy"));
    struct slice service = value_string(value_get(s->object, "serviceName"));

    if (!slice_is(policy, "OrderedReady") && !slice_is(policy, "Parallel"))
        report_invalid_text(s->v, VFIELD(s->at, "podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'");
    check_stateful_strategy(s->v, VFIELD(s->at, "updateStrategy"), value_get(s->object, "updateStrategy"));
    check_retention(s->v, VFIELD(s->at, "persistentVolumeClaimRetentionPolicy"),
                    value_get(s->object, "persistentVolumeClaimRetentionPolicy"));
    check_lasting_template(s->v, VFIELD(s->at, "template"), value_get(s->object, "template"), "StatefulSet");
    if (service.len && !s->old)
        (void)check_name(s->v, VFIELD(s->at, "serviceName"), service, validate_dns1123_label);
    if (s->old && (spec_changed(s->object, s->old) || spec_changed(s->old, s->object)))
        report_forbidden(s->v, s->at, ONLY_THESE);
}

static void check_daemon_rolling(struct validator *v, const struct vpath *at, const struct value *rolling)
{
    const struct value *unavailable = value_get(rolling, "maxUnavailable");
    const struct value *surge = value_get(rolling, "maxSurge");
    bool any_unavailable = unavailable && !int_or_percent_is_zero(unavailable);
    bool any_surge = surge && !int_or_percent_is_zero(surge);

    check_int_or_percent(v, VFIELD(at, "maxUnavailable"), unavailable);
    check_int_or_percent(v, VFIELD(at, "maxSurge"), surge);
    if (any_unavailable && any_surge)
        report_invalid(v, VFIELD(at, "maxSurge"), surge, "may not be set when maxUnavailable is non-zero");
    else if (!any_unavailable && !any_surge)
        report_required(v, VFIELD(at, "maxUnavailable"), "cannot be 0 when maxSurge is 0");
    if (int_or_percent_is_above_all(unavailable))
        report_invalid(v, VFIELD(at, "maxUnavailable"), unavailable, "must not be greater than 100%");
    if (int_or_percent_is_above_all(surge))
        report_invalid(v, VFIELD(at, "maxSurge"), surge, "must not be greater than 100%");
}

static void check_daemon_set(const struct rule_site *s)
{
    static const char *const types[] = {"RollingUpdate", "OnDelete", NULL};
    const struct value *strategy = value_get(s->object, "updateStrategy");
    struct slice type = value_string(value_get(strategy, "type"));
    const struct vpath *at = VFIELD(s->at, "updateStrategy");
    bool rolls = slice_is(type, "RollingUpdate");

    check_lasting_template(s->v, VFIELD(s->at, "template"), value_get(s->object, "template"), "DaemonSet");
    if (!rolls && !slice_is(type, "OnDelete"))
        report_not_supported_value(s->v, at, strategy, types);
    if (rolls)
        check_daemon_rolling(s->v, VFIELD(at, "rollingUpdate"), value_get(strategy, "rollingUpdate"));
}

static void check_replication_controller(const struct rule_site *s)
{
    const struct value *template_ = value_get(s->object, "template");
    const struct value *selector = value_get(s->object, "selector");
    struct value *as_labels CLEANUP_VALUE = value_new_object();

    if (!value_count(selector))
        report_required(s->v, VFIELD(s->at, "selector"), NULL);
    else
        value_set(as_labels, "matchLabels", value_copy(selector));
    if (!template_) {
        report_required(s->v, VFIELD(s->at, "template"), NULL);
        return;
    }
    if (value_count(selector))
        check_template_labels(s->v, s->at, as_labels, template_);
    check_lasting_template(s->v, VFIELD(s->at, "template"), template_, "ReplicationController");
}

/* No part of the pods is more than all of them. */
static void check_counts(const struct rule_site *s)
{
    static const char *const parts[] = {"fullyLabeledReplicas", "readyReplicas", "availableReplicas", "currentReplicas",
                                        "updatedReplicas"};
    int64_t all = value_int(value_get(s->object, "replicas"));
    const struct value *available = value_get(s->object, "availableReplicas");

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const struct value *part = value_get(s->object, parts[i]);

        if (value_int(part) > all)
            report_invalid(s->v, VFIELD(s->at, parts[i]), part, "cannot be greater than status.replicas");
    }
    if (value_int(available) > value_int(value_get(s->object, "readyReplicas")))
        report_invalid(s->v, VFIELD(s->at, "availableReplicas"), available,
                       "cannot be greater than status.readyReplicas");
}

static void check_controller_revision(const struct rule_site *s)
{
    const struct value *data = value_get(s->object, "data");

    if (!data || value_is(data, VALUE_NULL))
        report_required(s->v, VFIELD(NULL, "data"), "data is mandatory");
    else
        check_fixed(s, "data");
}

static const struct rule rules[] = {
    {"StatefulSetSpec", NULL, check_stateful_set},
    {"StatefulSetStatus", NULL, check_counts},
    {"DaemonSetSpec", NULL, check_daemon_set},
    {"ReplicationControllerSpec", NULL, check_replication_controller},
    {"ReplicationControllerStatus", NULL, check_counts},
    {"ControllerRevision", NULL, check_controller_revision},
};
const struct rule_set validate_rules_apps = {rules, ARRAY_SIZE(rules)};
