/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A metric's series stand in an open-addressing table of atomic pointers that never grows and from which nothing is
 * removed: a reader needs no lock, and only making a series takes one. The table has twice the slots that may be taken,
 * so that a search ends soon.
 */
#include "lib/metrics.h"

#include <pthread.h>
#include <stdio.h>

#include "lib/map.h"

#define METRIC_OTHER "other"

struct metric_table {
    size_t count; /* under the lock */
    struct metric_series *other;
    size_t slot_count;
    struct metric_series *slots[];
};

static pthread_mutex_t metrics_lock = PTHREAD_MUTEX_INITIALIZER; /* making series, and the list */
static struct metric *metrics_list;

const int64_t metric_duration_bounds[METRIC_DURATION_BOUNDS] = {
    100000,     250000,     500000,      1000000,     2500000,     5000000,    10000000,
    25000000,   50000000,   100000000,   200000000,   400000000,   600000000,  1000000000,
    2000000000, 5000000000, 10000000000, 20000000000, 30000000000, 60000000000};

static size_t metric_label_count(const struct metric *metric)
{
    size_t count = 0;

    while (metric->labels && metric->labels[count])
        count++;
    return count;
}

static size_t metric_value_len(const char *value)
{
    return value ? strnlen(value, METRIC_VALUE_MAX) : 0;
}

/* FNV-1a with a word's step between values. */
static uint64_t metric_hash(const char *const *values, size_t count)
{
    uint64_t hash = 14695981039346656037ULL;

    for (size_t i = 0; i < count; i++) {
        size_t len = metric_value_len(values[i]);

        for (size_t k = 0; k < len; k++)
            hash = (hash ^ (unsigned char)values[i][k]) * 1099511628211ULL;
        hash = (hash ^ 0xff) * 1099511628211ULL;
    }
    return hash ^ hash >> 29;
}

static bool metric_series_is(const struct metric_series *series, uint64_t hash, const char *const *values, size_t count)
{
    if (series->hash != hash)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t len = metric_value_len(values[i]);

        if ((len && memcmp(series->values[i], values[i], len) != 0) || series->values[i][len])
            return false;
    }
    return true;
}

/* The slot in which the series is, or would be put. */
static struct metric_series **metric_find(struct metric_table *table, uint64_t hash, const char *const *values,
                                          size_t count)
{
    for (size_t i = hash;; i++) {
        struct metric_series **slot = &table->slots[i % table->slot_count];
        const struct metric_series *series = __atomic_load_n(slot, __ATOMIC_ACQUIRE);

        if (!series || metric_series_is(series, hash, values, count))
            return slot;
    }
}

static struct metric_series *metric_series_new(const struct metric *metric, uint64_t hash, const char *const *values,
                                               size_t count)
{
    size_t buckets = metric->type == METRIC_HISTOGRAM ? metric->bound_count + 1 : 0;
    struct metric_series *series = mem_zalloc(sizeof(*series) + buckets * sizeof(series->buckets[0]));
    const char **copies = count ? mem_calloc(count, sizeof(*copies)) : NULL;

    for (size_t i = 0; i < count; i++)
        copies[i] = mem_strndup(values[i] ? values[i] : "", metric_value_len(values[i]));
    series->values = copies;
    series->hash = hash;
    return series;
}

static size_t metric_series_max(const struct metric *metric)
{
    return !metric->labels ? 1 : metric->series_max ? metric->series_max : METRIC_SERIES_MAX;
}

/* Under the lock. */
static struct metric_series *metric_make(struct metric *metric, struct metric_table *table, uint64_t hash,
                                         const char *const *values, size_t count)
{
    struct metric_series **slot = metric_find(table, hash, values, count);
    struct metric_series *series = *slot;

    if (series) /* another thread was first */
        return series;
    if (table->count == metric_series_max(metric)) {
        const char *others[METRIC_LABELS_MAX];

        for (size_t i = 0; i < count; i++)
            others[i] = METRIC_OTHER;
        if (!table->other)
            __atomic_store_n(&table->other, metric_series_new(metric, 0, others, count), __ATOMIC_RELEASE);
        return table->other;
    }
    table->count++;
    series = metric_series_new(metric, hash, values, count);
    __atomic_store_n(slot, series, __ATOMIC_RELEASE);
    return series;
}

static void metric_register(struct metric *metric)
{
    struct metric **at = &metrics_list;
    size_t slots = 2 * metric_series_max(metric);
    struct metric_table *table = mem_zalloc(sizeof(*table) + slots * sizeof(struct metric_series *));

    table->slot_count = slots;
    while (*at && strcmp((*at)->name, metric->name) < 0)
        at = &(*at)->next;
    metric->next = *at;
    *at = metric;
    __atomic_store_n(&metric->table, table, __ATOMIC_RELEASE);
}

struct metric_series *metric_series(struct metric *metric, const char *const *values)
{
    struct metric_table *table = __atomic_load_n(&metric->table, __ATOMIC_ACQUIRE);
    size_t count = metric_label_count(metric);
    uint64_t hash = metric_hash(values, count);
    struct metric_series *series = NULL;

    if (table)
        series = __atomic_load_n(metric_find(table, hash, values, count), __ATOMIC_ACQUIRE);
    if (!series && table)
        series = __atomic_load_n(&table->other, __ATOMIC_ACQUIRE); /* full: nothing is made any more */
    if (series)
        return series;
    (void)pthread_mutex_lock(&metrics_lock);
    if (!metric->table)
        metric_register(metric);
    series = metric_make(metric, metric->table, hash, values, count);
    (void)pthread_mutex_unlock(&metrics_lock);
    return series;
}

void metric_observe(const struct metric *metric, struct metric_series *series, int64_t value)
{
    size_t low = 0;
    size_t high = metric->bound_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (value <= metric->bounds[middle])
            high = middle;
        else
            low = middle + 1;
    }
    (void)__atomic_fetch_add(&series->buckets[low], 1, __ATOMIC_RELAXED);
    metric_add(series, value);
}

/* ---- exposition ---------------------------------------------------------------------------------------------------
 */

static void metrics_escape(struct buf *out, const char *text, bool quotes)
{
    for (; *text; text++) {
        if (*text == '\n')
            buf_append_str(out, "\\n");
        else if (*text == '\\' || (quotes && *text == '"'))
            buf_printf(out, "\\%c", *text);
        else
            buf_append_byte(out, *text);
    }
}

void metrics_write_head(struct buf *out, const char *name, const char *help, enum metric_type type)
{
    static const char *const types[] = {"counter", "gauge", "histogram"};

    buf_printf(out, "# HELP %s ", name);
    metrics_escape(out, help, false);
    buf_printf(out, "\n# TYPE %s %s\n", name, types[type]);
}

static void metrics_write_label(struct buf *out, bool *first, const char *name, const char *value)
{
    buf_append_byte(out, *first ? '{' : ',');
    *first = false;
    buf_printf(out, "%s=\"", name);
    metrics_escape(out, value, true);
    buf_append_byte(out, '"');
}

/* Name and labels of a sample. `le` NULL = none. */
static void metrics_write_key(struct buf *out, const char *name, const char *suffix, const char *const *names,
                              const char *const *values, const char *le)
{
    bool first = true;

    buf_printf(out, "%s%s", name, suffix);
    for (size_t i = 0; names && names[i]; i++)
        metrics_write_label(out, &first, names[i], values[i]);
    if (le)
        metrics_write_label(out, &first, "le", le);
    buf_append_str(out, first ? " " : "} ");
}

/* A stored number as it is shown: nanoseconds exactly, as seconds without needless zeros. */
static void metrics_format(enum metric_unit unit, int64_t number, char ret_text[32])
{
    uint64_t plain = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    int len;

    if (unit == METRIC_ONE) {
        (void)snprintf(ret_text, 32, "%lld", (long long)number);
        return;
    }
    len = snprintf(ret_text, 32, "%s%llu.%09llu", number < 0 ? "-" : "", (unsigned long long)(plain / 1000000000),
                   (unsigned long long)(plain % 1000000000));
    while (ret_text[len - 1] == '0')
        ret_text[--len] = '\0';
    if (ret_text[len - 1] == '.')
        ret_text[--len] = '\0';
}

static void metrics_write_histogram(struct buf *out, const struct metric *metric, const struct metric_series *series)
{
    uint64_t count = 0;
    char text[32];

    for (size_t i = 0; i <= metric->bound_count; i++) {
        count += __atomic_load_n(&series->buckets[i], __ATOMIC_RELAXED);
        if (i < metric->bound_count)
            metrics_format(metric->unit, metric->bounds[i], text);
        metrics_write_key(out, metric->name, "_bucket", metric->labels, series->values,
                          i < metric->bound_count ? text : "+Inf");
        buf_printf(out, "%llu\n", (unsigned long long)count);
    }
    metrics_format(metric->unit, __atomic_load_n(&series->number, __ATOMIC_RELAXED), text);
    metrics_write_key(out, metric->name, "_sum", metric->labels, series->values, NULL);
    buf_printf(out, "%s\n", text);
    metrics_write_key(out, metric->name, "_count", metric->labels, series->values, NULL);
    buf_printf(out, "%llu\n", (unsigned long long)count);
}

static void metrics_write_series(struct buf *out, const struct metric *metric, const struct metric_series *series)
{
    char text[32];

    if (metric->type == METRIC_HISTOGRAM) {
        metrics_write_histogram(out, metric, series);
        return;
    }
    metrics_format(metric->unit, __atomic_load_n(&series->number, __ATOMIC_RELAXED), text);
    metrics_write_key(out, metric->name, "", metric->labels, series->values, NULL);
    buf_printf(out, "%s\n", text);
}

void metrics_write(struct buf *out)
{
    (void)pthread_mutex_lock(&metrics_lock);
    for (const struct metric *m = metrics_list; m; m = m->next) {
        metrics_write_head(out, m->name, m->help, m->type);
        for (size_t i = 0; i < m->table->slot_count; i++) {
            const struct metric_series *series = __atomic_load_n(&m->table->slots[i], __ATOMIC_ACQUIRE);

            if (series)
                metrics_write_series(out, m, series);
        }
        if (m->table->other)
            metrics_write_series(out, m, m->table->other);
    }
    (void)pthread_mutex_unlock(&metrics_lock);
}

void metrics_write_sample(struct buf *out, const char *name, const char *const *names, const char *const *values,
                          double value)
{
    metrics_write_key(out, name, "", names, values, NULL);
    buf_printf(out, "%.15g\n", value);
}

void metrics_write_gauge(struct buf *out, const char *name, const char *help, double value)
{
    metrics_write_head(out, name, help, METRIC_GAUGE);
    metrics_write_sample(out, name, NULL, NULL, value);
}
