/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics: one registry a process, shown in Prometheus' text format 0.0.4. A module declares its metrics as static
 * data where it counts; a metric enters the registry with its first series, so a process shows what it has.
 *
 *     static const char *const labels[] = {"queue", NULL};
 *     static struct metric depth = {.name = "workqueue_depth", .help = "...", .type = METRIC_GAUGE, .labels = labels};
 *
 *     struct metric_series *series = metric_with(&depth, name);     (keep it: series are never freed)
 *     metric_add(series, 1);
 *
 * Counting is a relaxed atomic addition; finding a series hashes its label values and takes no lock. Any thread may do
 * either at any time. The number of a metric's series is bounded: what comes later is counted together in one whose
 * label values are all "other", so that no client can fill the memory with names.
 */
#ifndef KNARR_LIB_METRICS_H
#define KNARR_LIB_METRICS_H

#include "lib/bytes.h"

#define METRIC_LABELS_MAX 10
#define METRIC_VALUE_MAX  128 /* bytes of a label's value; more are cut */
#define METRIC_SERIES_MAX 64  /* of a metric that does not say otherwise */
#define METRIC_BOUNDS_MAX 32

enum metric_type { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };
/* What one unit of the stored number is; nanoseconds are shown as seconds. */
enum metric_unit { METRIC_ONE, METRIC_NS };

struct metric_table; /* of series; made with the first one */

struct metric {
    const char *name;
    const char *help;
    enum metric_type type;
    enum metric_unit unit;
    const char *const *labels; /* names, NULL-terminated; NULL = none */
    const int64_t *bounds;     /* METRIC_HISTOGRAM: ascending upper bounds, in the stored unit */
    size_t bound_count;
    size_t series_max; /* 0 = METRIC_SERIES_MAX */
    /* The registry's own. */
    struct metric_table *table;
    struct metric *next;
};

struct metric_series {
    const char *const *values; /* of the labels */
    uint64_t hash;
    int64_t number;     /* counter, gauge; of a histogram the sum of what was observed */
    uint64_t buckets[]; /* histogram: not cumulative; the last has no bound */
};

/* The series of these label values, made when it is new; never NULL. One value a label; NULL counts as "". */
struct metric_series *metric_series(struct metric *metric, const char *const *values);
#define metric_with(metric, ...) metric_series((metric), (const char *const[]){__VA_ARGS__, NULL})
/* The one series of a metric without labels. */
static inline struct metric_series *metric_only(struct metric *metric)
{
    return metric_series(metric, (const char *const[]){NULL});
}

static inline void metric_add(struct metric_series *series, int64_t n)
{
    (void)__atomic_fetch_add(&series->number, n, __ATOMIC_RELAXED);
}
/* Gauges. */
static inline void metric_set(struct metric_series *series, int64_t n)
{
    __atomic_store_n(&series->number, n, __ATOMIC_RELAXED);
}
/* Histograms. */
void metric_observe(const struct metric *metric, struct metric_series *series, int64_t value);

/* Bounds of durations from 0.1 ms to a minute, in nanoseconds. */
#define METRIC_DURATION_BOUNDS 20
extern const int64_t metric_duration_bounds[METRIC_DURATION_BOUNDS];

/* ---- exposition ---- */

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* All that is registered, by name. */
void metrics_write(struct buf *out);
/* What only the asking finds out: the head of a metric, then its samples. `value` is as it is shown. */
void metrics_write_head(struct buf *out, const char *name, const char *help, enum metric_type type);
/* names and values: of the labels, NULL-terminated; NULL = none. */
void metrics_write_sample(struct buf *out, const char *name, const char *const *names, const char *const *values,
                          double value);
/* Head and one sample without labels. */
void metrics_write_gauge(struct buf *out, const char *name, const char *help, double value);
/* kubernetes_build_info: which version runs. */
void metrics_write_build(struct buf *out);
/* process_*: processor time, memory, descriptors, start; from /proc. */
void metrics_write_process(struct buf *out);

#endif
