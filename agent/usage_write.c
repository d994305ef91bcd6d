/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/usage_write.h"

#include "lib/encoding.h"
#include "lib/metrics.h"

/* ---- JSON ---------------------------------------------------------------------------------------------------------
 */

static void summary_text(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, "\"%s\":", name);
    json_write_string(out, slice_str(text ? text : ""));
}

static void summary_time(struct buf *out, const char *name, int64_t wall_ns)
{
    char text[TIME_TEXT_MAX];

    time_format_seconds(wall_ns, text);
    buf_printf(out, "\"%s\":\"%s\"", name, text);
}

static void summary_cpu(struct buf *out, const struct usage_entry *e)
{
    buf_append_str(out, "\"cpu\":{");
    summary_time(out, "time", e->sample.wall_ns);
    if (e->has_rate)
        buf_printf(out, ",\"usageNanoCores\":%llu", (unsigned long long)e->nano_cores);
    buf_printf(out, ",\"usageCoreNanoSeconds\":%llu}", (unsigned long long)e->sample.cpu_ns);
}

/* available -1 = it has no limit that is known. */
static void summary_memory(struct buf *out, const struct usage_entry *e, int64_t available)
{
    const struct usage_sample *s = &e->sample;

    buf_append_str(out, ",\"memory\":{");
    summary_time(out, "time", s->wall_ns);
    if (available >= 0)
        buf_printf(out, ",\"availableBytes\":%lld", (long long)available);
    buf_printf(out,
               ",\"usageBytes\":%lld,\"workingSetBytes\":%lld,\"rssBytes\":%lld,\"pageFaults\":%lld,"
               "\"majorPageFaults\":%lld}",
               (long long)s->memory, (long long)s->working_set, (long long)s->rss, (long long)s->page_faults,
               (long long)s->major_page_faults);
}

static void summary_node(struct buf *out, const struct usage_snapshot *s, bool brief)
{
    const struct usage_entry *node = &s->entries[0];
    int64_t available = s->memory_total - node->sample.working_set;

    buf_append_str(out, "\"node\":{");
    summary_text(out, "nodeName", s->node_name);
    buf_append_byte(out, ',');
    summary_time(out, "startTime", s->boot_ns);
    buf_append_byte(out, ',');
    summary_cpu(out, node);
    summary_memory(out, node, available > 0 ? available : 0);
    if (!brief) {
        buf_append_str(out, ",\"fs\":{");
        summary_time(out, "time", node->sample.wall_ns);
        buf_printf(out,
                   ",\"availableBytes\":%lld,\"capacityBytes\":%lld,\"usedBytes\":%lld,\"inodesFree\":%lld,"
                   "\"inodes\":%lld,\"inodesUsed\":%lld}",
                   (long long)s->disk_free, (long long)s->disk_total, (long long)(s->disk_total - s->disk_free),
                   (long long)s->inodes_free, (long long)s->inodes_total,
                   (long long)(s->inodes_total - s->inodes_free));
    }
    if (!brief && s->processes >= 0) {
        buf_append_str(out, ",\"rlimit\":{");
        summary_time(out, "time", node->sample.wall_ns);
        buf_printf(out, ",\"curproc\":%lld}", (long long)s->processes);
    }
    buf_append_byte(out, '}');
}

/* A pod and its containers; returns the index behind them. */
static size_t summary_pod(struct buf *out, const struct usage_snapshot *s, size_t at)
{
    const struct usage_entry *pod = &s->entries[at++];
    bool first = true;

    buf_append_str(out, "{\"podRef\":{");
    summary_text(out, "name", pod->pod);
    buf_append_byte(out, ',');
    summary_text(out, "namespace", pod->namespace_);
    buf_append_byte(out, ',');
    summary_text(out, "uid", pod->uid);
    buf_append_str(out, "},");
    summary_time(out, "startTime", pod->started_ns);
    buf_append_str(out, ",\"containers\":[");
    for (; at < s->count && s->entries[at].container; at++) {
        const struct usage_entry *c = &s->entries[at];

        if (!c->found)
            continue;
        buf_append_str(out, first ? "{" : ",{");
        first = false;
        summary_text(out, "name", c->container);
        buf_append_byte(out, ',');
        summary_time(out, "startTime", c->started_ns);
        buf_append_byte(out, ',');
        summary_cpu(out, c);
        summary_memory(out, c, -1);
        buf_append_byte(out, '}');
    }
    buf_append_str(out, "],");
    summary_cpu(out, pod);
    summary_memory(out, pod, -1);
    buf_append_byte(out, '}');
    return at;
}

void usage_write_summary(struct buf *out, const struct usage_snapshot *snapshot, bool brief)
{
    size_t at = 1;
    bool first = true;

    buf_append_byte(out, '{');
    summary_node(out, snapshot, brief);
    buf_append_str(out, ",\"pods\":[");
    while (at < snapshot->count) {
        if (!snapshot->entries[at].found) {
            /* It has no group yet, or none any more, and so have its containers. */
            for (at++; at < snapshot->count && snapshot->entries[at].container;)
                at++;
            continue;
        }
        if (!first)
            buf_append_byte(out, ',');
        first = false;
        at = summary_pod(out, snapshot, at);
    }
    buf_printf(out, "],\"window\":\"%.3fs\"}\n", (double)snapshot->entries[0].window_ns / NS_PER_S);
}

/* ---- Prometheus ---------------------------------------------------------------------------------------------------
 */

enum usage_level { USAGE_NODE, USAGE_POD, USAGE_CONTAINER };

/* One metric: of which entries, and which number of a sample. */
struct usage_metric {
    const char *name;
    const char *help;
    enum metric_type type;
    enum usage_level level;
    double (*value)(const struct usage_entry *e);
};

static double usage_cpu(const struct usage_entry *e)
{
    return (double)e->sample.cpu_ns / NS_PER_S;
}

static double usage_working_set(const struct usage_entry *e)
{
    return (double)e->sample.working_set;
}

static double usage_memory(const struct usage_entry *e)
{
    return (double)e->sample.memory;
}

static double usage_rss(const struct usage_entry *e)
{
    return (double)e->sample.rss;
}

static double usage_start(const struct usage_entry *e)
{
    return (double)e->started_ns / NS_PER_S;
}

static enum usage_level usage_level(const struct usage_entry *e)
{
    return e->container ? USAGE_CONTAINER : e->pod ? USAGE_POD : USAGE_NODE;
}

static const struct usage_metric usage_resource_metrics[] = {
    {"container_cpu_usage_seconds_total", "Processor time of a container.", METRIC_COUNTER, USAGE_CONTAINER, usage_cpu},
    {"container_memory_working_set_bytes", "Working set of a container.", METRIC_GAUGE, USAGE_CONTAINER,
     usage_working_set},
    {"container_start_time_seconds", "When a container started, seconds since 1970.", METRIC_GAUGE, USAGE_CONTAINER,
     usage_start},
    {"node_cpu_usage_seconds_total", "Processor time of the node.", METRIC_COUNTER, USAGE_NODE, usage_cpu},
    {"node_memory_working_set_bytes", "Working set of the node.", METRIC_GAUGE, USAGE_NODE, usage_working_set},
    {"pod_cpu_usage_seconds_total", "Processor time of a pod.", METRIC_COUNTER, USAGE_POD, usage_cpu},
    {"pod_memory_working_set_bytes", "Working set of a pod.", METRIC_GAUGE, USAGE_POD, usage_working_set},
};

static const struct usage_metric usage_cadvisor_metrics[] = {
    {"container_cpu_usage_seconds_total", "Processor time of a container.", METRIC_COUNTER, USAGE_CONTAINER, usage_cpu},
    {"container_memory_rss", "Anonymous memory of a container.", METRIC_GAUGE, USAGE_CONTAINER, usage_rss},
    {"container_memory_usage_bytes", "Memory of a container, page cache included.", METRIC_GAUGE, USAGE_CONTAINER,
     usage_memory},
    {"container_memory_working_set_bytes", "Working set of a container.", METRIC_GAUGE, USAGE_CONTAINER,
     usage_working_set},
    {"container_start_time_seconds", "When a container started, seconds since 1970.", METRIC_GAUGE, USAGE_CONTAINER,
     usage_start},
};

static void usage_write_metric(struct buf *out, const struct usage_snapshot *s, const struct usage_metric *m,
                               bool cadvisor)
{
    static const char *const of_container[] = {"namespace", "pod", "container", "id", "name", "image", NULL};
    static const char *const plain[] = {"namespace", "pod", "container", NULL};
    static const char *const of_pod[] = {"namespace", "pod", NULL};
    const char *const *names = m->level == USAGE_NODE  ? NULL
                               : m->level == USAGE_POD ? of_pod
                               : cadvisor              ? of_container
                                                       : plain;

    metrics_write_head(out, m->name, m->help, m->type);
    for (size_t i = 0; i < s->count; i++) {
        const struct usage_entry *e = &s->entries[i];
        const char *values[] = {e->namespace_, e->pod, e->container, e->group, e->id, e->image, NULL};

        if (e->found && usage_level(e) == m->level)
            metrics_write_sample(out, m->name, names, values, m->value(e));
    }
}

void usage_write_resource(struct buf *out, const struct usage_snapshot *snapshot)
{
    for (size_t i = 0; i < ARRAY_SIZE(usage_resource_metrics); i++)
        usage_write_metric(out, snapshot, &usage_resource_metrics[i], false);
    metrics_write_gauge(out, "resource_scrape_error", "1 when the node could not be read.",
                        snapshot->entries[0].found ? 0 : 1);
}

void usage_write_cadvisor(struct buf *out, const struct usage_snapshot *snapshot)
{
    for (size_t i = 0; i < ARRAY_SIZE(usage_cadvisor_metrics); i++)
        usage_write_metric(out, snapshot, &usage_cadvisor_metrics[i], true);
    metrics_write_gauge(out, "machine_cpu_cores", "Processors of the node.", (double)snapshot->cpu_milli / 1000);
    metrics_write_gauge(out, "machine_memory_bytes", "Memory of the node.", (double)snapshot->memory_total);
}
