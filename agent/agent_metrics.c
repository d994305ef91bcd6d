/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/agent_metrics.h"

#include "lib/clock.h"
#include "lib/metrics.h"

static const char *const operation_labels[] = {"operation_type", NULL};
static struct metric operation_count = {.name = "kubelet_runtime_operations_total",
                                        .help = "Operations on containers, sandboxes and images.",
                                        .type = METRIC_COUNTER,
                                        .labels = operation_labels};
static struct metric operation_errors = {.name = "kubelet_runtime_operations_errors_total",
                                         .help = "Such operations that failed.",
                                         .type = METRIC_COUNTER,
                                         .labels = operation_labels};
static struct metric operation_seconds = {.name = "kubelet_runtime_operations_duration_seconds",
                                          .help = "How long such operations took.",
                                          .type = METRIC_HISTOGRAM,
                                          .unit = METRIC_NS,
                                          .labels = operation_labels,
                                          .bounds = metric_duration_bounds,
                                          .bound_count = METRIC_DURATION_BOUNDS};
static struct metric pod_start_seconds = {.name = "kubelet_pod_start_duration_seconds",
                                          .help = "From seeing a pod first to all its containers running.",
                                          .type = METRIC_HISTOGRAM,
                                          .unit = METRIC_NS,
                                          .bounds = metric_duration_bounds,
                                          .bound_count = METRIC_DURATION_BOUNDS};

int64_t agent_count_begin(void)
{
    return clock_monotonic_ns(clock_system());
}

int agent_count_operation(const char *operation, int64_t begin_ns, int result)
{
    metric_add(metric_with(&operation_count, operation), 1);
    if (result < 0)
        metric_add(metric_with(&operation_errors, operation), 1);
    metric_observe(&operation_seconds, metric_with(&operation_seconds, operation), agent_count_begin() - begin_ns);
    return result;
}

void agent_count_pod_start(int64_t ns)
{
    metric_observe(&pod_start_seconds, metric_only(&pod_start_seconds), ns);
}
