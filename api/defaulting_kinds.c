/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of workloads beyond Deployments, of storage, autoscalers, flow control and devices; as in
 * defaulting_rules.c. */
#include "api/codec_internal.h"

#define BACKOFF_LIMIT     6
#define QUEUES            64
#define HAND_SIZE         8
#define QUEUE_LENGTH      50
#define CONCURRENCY       30
#define CPU_UTILIZATION   80
#define SCALE_PERIOD      15
#define SCALE_UP_PODS     4
#define SCALE_ALL_PERCENT 100

static bool text_is(const struct value *object, const char *name, const char *text)
{
    return slice_is(value_string(value_get(object, name)), text);
}

static void default_text(struct value *object, const char *name, const char *text)
{
    if (!value_string(value_get(object, name)).len)
        value_set_str(object, name, text);
}

static void default_int(struct value *object, const char *name, int64_t number)
{
    if (!value_get(object, name))
        value_set(object, name, value_new_int(number));
}

/* Go cannot tell a zero from nothing there. */
static void default_number(struct value *object, const char *name, int64_t number)
{
    if (!value_int(value_get(object, name)))
        value_set(object, name, value_new_int(number));
}

static void default_bool(struct value *object, const char *name, bool truth)
{
    if (!value_get(object, name))
        value_set(object, name, value_new_bool(truth));
}

/* An object without labels gets those of its template. */
static void default_labels(struct value *object, const struct value *labels)
{
    struct value *metadata = value_need_object(object, "metadata");

    if (value_count(labels) && !value_count(value_get(metadata, "labels")))
        value_set(metadata, "labels", value_copy(labels));
}

/* ---- Jobs ---- */

static void default_job_spec(struct value *spec)
{
    bool per_index = value_get(spec, "backoffLimitPerIndex") != NULL;

    if (!value_get(spec, "parallelism"))
        default_int(spec, "completions", 1);
    default_int(spec, "parallelism", 1);
    default_int(spec, "backoffLimit", per_index ? INT32_MAX : BACKOFF_LIMIT);
    default_text(spec, "completionMode", "NonIndexed");
    default_bool(spec, "suspend", false);
    default_bool(spec, "manualSelector", false);
    default_text(spec, "podReplacementPolicy", value_get(spec, "podFailurePolicy") ? "Failed" : "TerminatingOrFailed");
}

/* The Job inside a CronJob gets its own when it is made. */
static void default_job(struct value *job)
{
    struct value *spec = value_need_object(job, "spec");

    default_job_spec(spec);
    default_labels(job, value_path(spec, "template", "metadata", "labels", NULL));
}

static void default_failure_pattern(struct value *pattern)
{
    default_text(pattern, "status", "True");
}

/* ---- pods that are kept ---- */

static void default_stateful_strategy(struct value *strategy)
{
    bool none = !value_string(value_get(strategy, "type")).len;

    default_text(strategy, "type", "RollingUpdate");
    if (none)
        (void)value_need_object(strategy, "rollingUpdate");
    if (text_is(strategy, "type", "RollingUpdate") && value_get(strategy, "rollingUpdate"))
        default_int(value_get(strategy, "rollingUpdate"), "partition", 0);
}

/* Claims are whole objects there, and say what they are. */
static void default_stateful_set(struct value *spec)
{
    struct value *claims = value_get(spec, "volumeClaimTemplates");

    (void)value_need_object(spec, "persistentVolumeClaimRetentionPolicy");
    for (size_t i = 0; i < value_count(claims); i++) {
        default_text(value_at(claims, i), "apiVersion", "v1");
        default_text(value_at(claims, i), "kind", "PersistentVolumeClaim");
    }
}

static void default_daemon_strategy(struct value *strategy)
{
    if (text_is(strategy, "type", "RollingUpdate"))
        (void)value_need_object(strategy, "rollingUpdate");
}

static void default_replication_controller(struct value *controller)
{
    struct value *spec = value_need_object(controller, "spec");
    const struct value *labels = value_path(spec, "template", "metadata", "labels", NULL);

    if (value_count(labels) && !value_count(value_get(spec, "selector")))
        value_set(spec, "selector", value_copy(labels));
    default_labels(controller, labels);
}

/* ---- storage ---- */

static void default_driver(struct value *spec)
{
    struct value *modes = value_need_array(spec, "volumeLifecycleModes");

    if (!value_count(modes))
        value_append(modes, value_new_str("Persistent"));
}

/* ---- autoscalers ---- */

static void default_metrics(struct value *spec)
{
    struct value *metrics = value_need_array(spec, "metrics");
    struct value *metric, *resource, *target;

    if (value_count(metrics))
        return;
    metric = value_new_object();
    value_append(metrics, metric);
    value_set_str(metric, "type", "Resource");
    resource = value_need_object(metric, "resource");
    value_set_str(resource, "name", "cpu");
    target = value_need_object(resource, "target");
    value_set_str(target, "type", "Utilization");
    value_set(target, "averageUtilization", value_new_int(CPU_UTILIZATION));
}

static void add_policy(struct value *policies, const char *type, int64_t value)
{
    struct value *policy = value_new_object();

    value_set_str(policy, "type", type);
    value_set(policy, "value", value_new_int(value));
    value_set(policy, "periodSeconds", value_new_int(SCALE_PERIOD));
    value_append(policies, policy);
}

/* An empty list of policies counts as none, where upstream refuses it. */
static void default_behavior(struct value *behavior)
{
    struct value *up = value_need_object(behavior, "scaleUp");
    struct value *down = value_need_object(behavior, "scaleDown");

    default_int(up, "stabilizationWindowSeconds", 0);
    default_text(up, "selectPolicy", "Max");
    default_text(down, "selectPolicy", "Max");
    if (!value_get(up, "policies")) {
        add_policy(value_need_array(up, "policies"), "Pods", SCALE_UP_PODS);
        add_policy(value_need_array(up, "policies"), "Percent", SCALE_ALL_PERCENT);
    }
    if (!value_get(down, "policies"))
        add_policy(value_need_array(down, "policies"), "Percent", SCALE_ALL_PERCENT);
}

/* ---- flow control ---- */

static void default_limited(struct value *limited)
{
    if (value_is(value_get(limited, "nominalConcurrencyShares"), VALUE_NULL))
        (void)value_remove(limited, "nominalConcurrencyShares");
    default_int(limited, "nominalConcurrencyShares", CONCURRENCY);
    default_int(limited, "lendablePercent", 0);
}

static void default_exempt(struct value *exempt)
{
    default_int(exempt, "nominalConcurrencyShares", 0);
    default_int(exempt, "lendablePercent", 0);
}

static void default_queuing(struct value *queuing)
{
    default_number(queuing, "queues", QUEUES);
    default_number(queuing, "handSize", HAND_SIZE);
    default_number(queuing, "queueLengthLimit", QUEUE_LENGTH);
}

/* ---- devices ---- */

static void default_device_request(struct value *request)
{
    default_text(request, "allocationMode", "ExactCount");
    if (text_is(request, "allocationMode", "ExactCount"))
        default_number(request, "count", 1);
}

const struct default_rule default_kinds[] = {
    {"apps.v1.DaemonSetUpdateStrategy", default_daemon_strategy},
    {"apps.v1.StatefulSetSpec", default_stateful_set},
    {"apps.v1.StatefulSetUpdateStrategy", default_stateful_strategy},
    {"autoscaling.v2.HorizontalPodAutoscalerBehavior", default_behavior},
    {"autoscaling.v2.HorizontalPodAutoscalerSpec", default_metrics},
    {"batch.v1.Job", default_job},
    {"batch.v1.PodFailurePolicyOnPodConditionsPattern", default_failure_pattern},
    {"core.v1.ReplicationController", default_replication_controller},
    {"flowcontrol.v1.ExemptPriorityLevelConfiguration", default_exempt},
    {"flowcontrol.v1.LimitedPriorityLevelConfiguration", default_limited},
    {"flowcontrol.v1.QueuingConfiguration", default_queuing},
    {"resource.v1.DeviceSubRequest", default_device_request},
    {"resource.v1.ExactDeviceRequest", default_device_request},
    {"storage.v1.CSIDriverSpec", default_driver},
};
const size_t default_kinds_count = ARRAY_SIZE(default_kinds);
