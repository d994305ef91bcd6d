/* SPDX-License-Identifier: Apache-2.0 */
/*
 * autoscaling/v1 knows one metric, the CPU. What else a stored autoscaler (v2) has stands there as JSON in annotations,
 * in forms of upstream: metrics as v1 once meant to have them, conditions as they are, the behavior with the names that
 * upstream has inside.
 */
#include "api/version_internal.h"

#define PREFIX     "autoscaling.alpha.kubernetes.io/"
#define METRICS    PREFIX "metrics"
#define CURRENT    PREFIX "current-metrics"
#define CONDITIONS PREFIX "conditions"
#define BEHAVIOR   PREFIX "behavior"

/* Where a metric's parts stand, by its member: in v2 (one step or two), and in the annotation. */
static const struct {
    const char *member;
    const char *outer;
    const char *inner; /* NULL = `outer` itself */
    const char *plain;
} parts[] = {
    {"object", "describedObject", NULL, "target"},
    {"object", "metric", "name", "metricName"},
    {"object", "metric", "selector", "selector"},
    {"object", "target", "value", "targetValue"},
    {"object", "target", "averageValue", "averageValue"},
    {"object", "current", "value", "currentValue"},
    {"object", "current", "averageValue", "averageValue"},
    {"pods", "metric", "name", "metricName"},
    {"pods", "metric", "selector", "selector"},
    {"pods", "target", "averageValue", "targetAverageValue"},
    {"pods", "current", "averageValue", "currentAverageValue"},
    {"external", "metric", "name", "metricName"},
    {"external", "metric", "selector", "metricSelector"},
    {"external", "target", "value", "targetValue"},
    {"external", "target", "averageValue", "targetAverageValue"},
    {"external", "current", "value", "currentValue"},
    {"external", "current", "averageValue", "currentAverageValue"},
    {"resource", "name", NULL, "name"},
    {"resource", "target", "averageUtilization", "targetAverageUtilization"},
    {"resource", "target", "averageValue", "targetAverageValue"},
    {"resource", "current", "averageUtilization", "currentAverageUtilization"},
    {"resource", "current", "averageValue", "currentAverageValue"},
    {"containerResource", "name", NULL, "name"},
    {"containerResource", "container", NULL, "container"},
    {"containerResource", "target", "averageUtilization", "targetAverageUtilization"},
    {"containerResource", "target", "averageValue", "targetAverageValue"},
    {"containerResource", "current", "averageUtilization", "currentAverageUtilization"},
    {"containerResource", "current", "averageValue", "currentAverageValue"},
};

static const char *const members[] = {"object", "pods", "external", "resource", "containerResource"};

static struct value *plain_metric(const struct value *metric)
{
    struct value *plain = value_new_object();

    value_set(plain, "type", value_copy(value_get(metric, "type")));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const struct value *outer = value_path(metric, parts[i].member, parts[i].outer, NULL);
        const struct value *v = parts[i].inner ? value_get(outer, parts[i].inner) : outer;

        if (v)
            value_set(value_need_object(plain, parts[i].member), parts[i].plain, value_copy(v));
    }
    return plain;
}

/* `side`: "target" of what is wanted, "current" of what was measured. */
static struct value *full_metric(const struct value *plain, const char *side)
{
    struct value *metric = value_new_object();

    value_set(metric, "type", value_copy(value_get(plain, "type")));
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        const struct value *v = value_path(plain, parts[i].member, parts[i].plain, NULL);
        bool amount = !strcmp(parts[i].outer, "target") || !strcmp(parts[i].outer, "current");
        struct value *into;

        if (!v || (amount && strcmp(parts[i].outer, side) != 0))
            continue;
        into = value_need_object(metric, parts[i].member);
        if (parts[i].inner)
            value_set(value_need_object(into, parts[i].outer), parts[i].inner, value_copy(v));
        else
            value_set(into, parts[i].outer, value_copy(v));
    }
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        struct value *target = value_path(metric, members[i], "target", NULL);

        if (target)
            value_set_str(target, "type",
                          value_get(target, "averageUtilization") ? "Utilization"
                          : value_get(target, "averageValue")     ? "AverageValue"
                                                                  : "Value");
    }
    return metric;
}

/* The share of the CPU that a metric is about, or NULL when it is about something else. */
static const struct value *cpu_share(const struct value *metric, const char *side)
{
    const struct value *resource = value_get(metric, "resource");

    if (!slice_is(value_string(value_get(metric, "type")), "Resource") ||
        !slice_is(value_string(value_get(resource, "name")), "cpu"))
        return NULL;
    return value_path(resource, side, "averageUtilization", NULL);
}

/* Changes the case of the first letter of every name: "ScaleUp" and "scaleUp". */
static struct value *with_first_letter(const struct value *v, bool upper)
{
    struct value_iter it = value_iter_start(v);
    struct value *out;
    struct slice name;
    struct value *member;

    if (value_is(v, VALUE_ARRAY)) {
        out = value_new_array();
        for (size_t i = 0; i < value_count(v); i++)
            value_append(out, with_first_letter(value_at(v, i), upper));
        return out;
    }
    if (!value_is(v, VALUE_OBJECT))
        return value_copy(v);
    out = value_new_object();
    while (value_iter_next(&it, &name, &member)) {
        char *renamed CLEANUP_FREE = slice_dup(name);
        char first = renamed[0];

        if (upper && first >= 'a' && first <= 'z')
            renamed[0] = (char)(first - 'a' + 'A');
        else if (!upper && first >= 'A' && first <= 'Z')
            renamed[0] = (char)(first - 'A' + 'a');
        value_set(out, renamed, with_first_letter(member, upper));
    }
    return out;
}

/* ---- to v1 ---- */

static void annotate(struct value *object, const char *name, const struct value *v)
{
    BUF_LOCAL(text);

    if (!value_count(v))
        return;
    value_write(v, &text);
    value_set(value_need_object(value_need_object(object, "metadata"), "annotations"), name,
              value_new_string(buf_slice(&text)));
}

/* Takes a list of metrics out of `part`: the first that is of the CPU's share as a number, the others as they were. */
static void show_metrics(struct value *object, struct value *part, const char *list_name, const char *side,
                         const char *share_name, const char *annotation)
{
    struct value *list CLEANUP_VALUE = value_take(part, list_name);
    struct value *others CLEANUP_VALUE = value_new_array();
    const struct value *share = NULL;

    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *one = cpu_share(value_at(list, i), side);

        if (one && !share)
            share = one;
        else
            value_append(others, plain_metric(value_at(list, i)));
    }
    if (share)
        value_set(part, share_name, value_copy(share));
    annotate(object, annotation, others);
}

void version_autoscaler_from_stored(struct value *object)
{
    struct value *spec = value_need_object(object, "spec");
    struct value *status = value_need_object(object, "status");
    struct value *behavior CLEANUP_VALUE = value_take(spec, "behavior");
    struct value *conditions CLEANUP_VALUE = value_take(status, "conditions");
    struct value *named CLEANUP_VALUE = behavior ? with_first_letter(behavior, true) : NULL;

    show_metrics(object, spec, "metrics", "target", "targetCPUUtilizationPercentage", METRICS);
    show_metrics(object, status, "currentMetrics", "current", "currentCPUUtilizationPercentage", CURRENT);
    annotate(object, BEHAVIOR, named);
    annotate(object, CONDITIONS, conditions);
}

/* ---- from v1 ---- */

/* What an annotation says, taken out of the object; NULL when it is not there or no JSON. */
static struct value *take_annotation(struct value *object, const char *name)
{
    struct value *metadata = value_get(object, "metadata");
    struct value *annotations = value_get(metadata, "annotations");
    struct value *text CLEANUP_VALUE = value_take(annotations, name);

    if (!text)
        return NULL;
    if (!value_count(annotations))
        (void)value_remove(metadata, "annotations");
    return value_parse(value_string(text), NULL);
}

static void read_metrics(struct value *part, const struct value *plain, const char *list_name, const char *side,
                         const char *share_name)
{
    struct value *share CLEANUP_VALUE = value_take(part, share_name);
    struct value *list, *metric, *resource;

    if (!share && !value_is(plain, VALUE_ARRAY))
        return;
    list = value_need_array(part, list_name);
    for (size_t i = 0; value_is(plain, VALUE_ARRAY) && i < value_count(plain); i++)
        if (value_is(value_at(plain, i), VALUE_OBJECT))
            value_append(list, full_metric(value_at(plain, i), side));
    if (!share)
        return;
    metric = value_new_object();
    value_set_str(metric, "type", "Resource");
    resource = value_need_object(metric, "resource");
    value_set_str(resource, "name", "cpu");
    if (!strcmp(side, "target"))
        value_set_str(value_need_object(resource, side), "type", "Utilization");
    value_set(value_need_object(resource, side), "averageUtilization", value_copy(share));
    value_append(list, metric);
}

void version_autoscaler_to_stored(struct value *object)
{
    struct value *metrics CLEANUP_VALUE = take_annotation(object, METRICS);
    struct value *current CLEANUP_VALUE = take_annotation(object, CURRENT);
    struct value *conditions CLEANUP_VALUE = take_annotation(object, CONDITIONS);
    struct value *behavior CLEANUP_VALUE = take_annotation(object, BEHAVIOR);
    struct value *spec = value_get(object, "spec");
    struct value *status = value_get(object, "status");

    if (value_is(spec, VALUE_OBJECT)) {
        read_metrics(spec, metrics, "metrics", "target", "targetCPUUtilizationPercentage");
        if (value_is(behavior, VALUE_OBJECT))
            value_set(spec, "behavior", with_first_letter(behavior, false));
    }
    if (value_is(status, VALUE_OBJECT)) {
        read_metrics(status, current, "currentMetrics", "current", "currentCPUUtilizationPercentage");
        if (value_is(conditions, VALUE_ARRAY))
            value_set(status, "conditions", STEAL(conditions));
    }
}
