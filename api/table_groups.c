/* SPDX-License-Identifier: Apache-2.0 */
/* Cell functions for kinds of the named groups: batch, networking, discovery, autoscaling, rbac, certificates ... */
#include "api/table_internal.h"

#include <ctype.h>

#include "lib/clock.h"

/* Whether status.conditions has the type with status True. */
static bool condition_holds(struct table_row *row, const char *type)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.conditions"));
    struct slice condition;
    while (scan_element(&cursor, &condition))
        if (scan_text_is(scan_get(condition, "type"), type))
            return scan_text_is(scan_get(condition, "status"), "True");
    return false;
}

/* Jobs */

static void write_job_status(struct table_row *row, struct slice arg, struct buf *out)
{
    static const char *const last[] = {"Suspended", "FailureTarget", "SuccessCriteriaMet"};
    const char *text = "Running";
    for (size_t i = ARRAY_SIZE(last); i-- > 0;)
        if (condition_holds(row, last[i]))
            text = last[i];
    if (table_get(row, "metadata.deletionTimestamp").data)
        text = "Terminating";
    if (condition_holds(row, "Failed"))
        text = "Failed";
    if (condition_holds(row, "Complete"))
        text = "Complete";
    table_write_text(out, text);
}

static void write_job_completions(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice completions = table_get(row, "spec.completions");
    int64_t succeeded = scan_int(table_get(row, "status.succeeded"), 0);
    int64_t parallelism = scan_int(table_get(row, "spec.parallelism"), 0);
    size_t start = table_open(out);
    if (completions.data)
        buf_printf(out, "%lld/%lld", (long long)succeeded, (long long)scan_int(completions, 0));
    else if (parallelism > 1)
        buf_printf(out, "%lld/1 of %lld", (long long)succeeded, (long long)parallelism);
    else
        buf_printf(out, "%lld/1", (long long)succeeded);
    table_close(out, start, "");
}

static void write_job_duration(struct table_row *row, struct slice arg, struct buf *out)
{
    int64_t from, to = row->now_ns;
    char text[TIME_TEXT_MAX] = "";
    time_parse(table_raw(table_get(row, "status.completionTime")), &to);
    if (time_parse(table_raw(table_get(row, "status.startTime")), &from))
        time_format_age(to - from, text);
    table_write_text(out, text);
}

/* Lists that show three items and how many more there are. */
#define ITEMS_SHOWN 3

struct items {
    struct buf *out;
    size_t start;
    int64_t count;
};

/* True when the item is to be put now. */
static bool items_next(struct items *items)
{
    if (items->count++ >= ITEMS_SHOWN)
        return false;
    table_separate(items->out, items->start, ",");
    return true;
}

static void items_close(struct items *items, const char *none)
{
    if (items->count > ITEMS_SHOWN)
        buf_printf(items->out, " + %lld more...", (long long)(items->count - ITEMS_SHOWN));
    table_close(items->out, items->start, none);
}

static void write_ingress_hosts(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "spec.rules"));
    struct slice rule;
    struct items items = {.out = out, .start = table_open(out)};
    while (scan_element(&cursor, &rule)) {
        struct slice host = scan_get(rule, "host");
        if (table_some(host) && items_next(&items))
            table_put(out, host);
    }
    items_close(&items, "*");
}

static void write_ingress_ports(struct table_row *row, struct slice arg, struct buf *out)
{
    table_write_text(out, scan_count(table_get(row, "spec.tls")) ? "80, 443" : "80");
}

/* "Kind[.group]/name" */
static void write_ingressclass_parameters(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice parameters = table_get(row, "spec.parameters");
    struct slice group = scan_get(parameters, "apiGroup");
    size_t start = table_open(out);
    if (parameters.data) {
        table_put(out, scan_get(parameters, "kind"));
        if (scan_is_string(group)) {
            buf_append_byte(out, '.');
            table_put(out, group);
        }
        buf_append_byte(out, '/');
        table_put(out, scan_get(parameters, "name"));
    }
    table_close(out, start, "<none>");
}

static void write_slice_ports(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "ports"));
    struct slice entry;
    struct items items = {.out = out, .start = table_open(out)};
    while (scan_element(&cursor, &entry)) {
        struct slice port = scan_get(entry, "port"), name = scan_get(entry, "name");
        if (!items_next(&items))
            continue;
        if (scan_int(port, 0))
            table_put(out, port);
        else if (scan_is_string(name))
            table_put(out, name);
        else
            buf_append_byte(out, '*');
    }
    items_close(&items, "<unset>");
}

static void write_slice_endpoints(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor endpoints = scan_open(table_get(row, "endpoints"));
    struct slice endpoint, address;
    struct items items = {.out = out, .start = table_open(out)};
    while (scan_element(&endpoints, &endpoint)) {
        struct scan_cursor addresses = scan_open(scan_get(endpoint, "addresses"));
        while (scan_element(&addresses, &address))
            if (items_next(&items))
                table_put(out, address);
    }
    items_close(&items, "<unset>");
}

/* Autoscaling */

static void put_or_unknown(struct buf *out, struct slice v, const char *unit)
{
    if (v.data && v.data[0] != 'n') {
        table_put(out, v);
        buf_append_str(out, unit);
    } else {
        buf_append_str(out, "<unknown>");
    }
}

/* The current values that belong to the i-th metric: status lists them in the same order. */
static struct slice current_metric(struct table_row *row, int64_t index)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.currentMetrics"));
    struct slice metric;
    for (int64_t i = 0; scan_element(&cursor, &metric); i++)
        if (i == index)
            return metric;
    return SLICE_NONE;
}

/* A resource, of the pod or of one container: "cpu: 10%/50%" or "memory: 5Mi/10Mi". */
static void put_resource_metric(struct buf *out, struct slice target, struct slice current)
{
    struct slice average = scan_get(target, "target.averageValue");
    table_put(out, scan_get(target, "name"));
    buf_append_str(out, ": ");
    if (average.data) {
        put_or_unknown(out, scan_get(current, "current.averageValue"), "");
        buf_append_byte(out, '/');
        table_put(out, average);
        return;
    }
    struct slice utilization = scan_get(target, "target.averageUtilization");
    put_or_unknown(out, scan_get(current, "current.averageUtilization"), "%");
    buf_append_byte(out, '/');
    put_or_unknown(out, utilization, "%");
}

static void put_other_metric(struct buf *out, struct slice target, struct slice current, bool average_first)
{
    struct slice average = scan_get(target, "target.averageValue");
    if (average.data) {
        put_or_unknown(out, scan_get(current, "current.averageValue"), "");
        buf_append_byte(out, '/');
        table_put(out, average);
        if (!average_first)
            buf_append_str(out, " (avg)");
        return;
    }
    put_or_unknown(out, scan_get(current, "current.value"), "");
    buf_append_byte(out, '/');
    table_put(out, scan_get(target, "target.value"));
}

static void put_metric(struct buf *out, struct slice metric, struct slice current)
{
    static const char *const members[][2] = {{"Resource", "resource"},
                                             {"ContainerResource", "containerResource"},
                                             {"Pods", "pods"},
                                             {"Object", "object"},
                                             {"External", "external"}};
    struct slice type = scan_get(metric, "type");
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        if (!scan_text_is(type, members[i][0]))
            continue;
        struct slice target = scan_get(metric, members[i][1]);
        struct slice now = current.data ? scan_get(current, members[i][1]) : SLICE_NONE;
        if (i < 2)
            put_resource_metric(out, target, now);
        else
            put_other_metric(out, target, now, i == 2);
        return;
    }
    buf_append_str(out, "<unknown type>");
}

/* autoscaling/v1 has one target of its own; v2 a list, of which two are shown. */
#define METRICS_SHOWN 2
static void write_hpa_targets(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "spec.metrics"));
    struct slice metric, cpu = table_get(row, "spec.targetCPUUtilizationPercentage");
    size_t start = table_open(out);
    int64_t count = 0;
    if (cpu.data) {
        buf_append_str(out, "cpu: ");
        put_or_unknown(out, table_get(row, "status.currentCPUUtilizationPercentage"), "%");
        buf_append_byte(out, '/');
        put_or_unknown(out, cpu, "%");
    }
    for (; scan_element(&cursor, &metric); count++) {
        if (count >= METRICS_SHOWN)
            continue;
        table_separate(out, start, ", ");
        put_metric(out, metric, current_metric(row, count));
    }
    if (count > METRICS_SHOWN)
        buf_printf(out, " + %lld more...", (long long)(count - METRICS_SHOWN));
    table_close(out, start, "<none>");
}

/* Bindings of roles: @subjects User */
static void write_subjects(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "subjects"));
    struct slice subject;
    size_t start = table_open(out);
    while (scan_element(&cursor, &subject)) {
        if (!slice_equal(table_raw(scan_get(subject, "kind")), arg))
            continue;
        table_separate(out, start, ", ");
        if (slice_is(arg, "ServiceAccount")) {
            table_put(out, scan_get(subject, "namespace"));
            buf_append_byte(out, '/');
        }
        table_put(out, scan_get(subject, "name"));
    }
    table_close(out, start, "");
}

/* Certificate signing requests */

static void write_csr_condition(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.conditions"));
    struct slice condition;
    bool approved = false, denied = false, failed = false;
    while (scan_element(&cursor, &condition)) {
        struct slice type = scan_get(condition, "type");
        approved |= scan_text_is(type, "Approved");
        denied |= scan_text_is(type, "Denied");
        failed |= scan_text_is(type, "Failed");
    }
    size_t start = table_open(out);
    buf_append_str(out, denied ? "Denied" : approved ? "Approved" : "Pending");
    if (failed)
        buf_append_str(out, ",Failed");
    if (table_some(table_get(row, "status.certificate")))
        buf_append_str(out, ",Issued");
    table_close(out, start, "");
}

/* How long the certificate was asked to be good for. */
static void write_csr_duration(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice seconds = table_get(row, "spec.expirationSeconds");
    char text[TIME_TEXT_MAX] = "<none>";
    if (seconds.data)
        time_format_age(scan_int(seconds, 0) * NS_PER_S, text);
    table_write_text(out, text);
}

/* The controlling owner: "daemonset.apps/name". */
static void write_controller(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "metadata.ownerReferences"));
    struct slice owner;
    size_t start = table_open(out);
    while (scan_element(&cursor, &owner)) {
        if (!scan_bool(scan_get(owner, "controller"), false))
            continue;
        struct slice kind = table_raw(scan_get(owner, "kind")), group, version;
        schema_split_api_version(table_raw(scan_get(owner, "apiVersion")), &group, &version);
        for (size_t i = 0; i < kind.len; i++)
            buf_append_byte(out, (char)tolower((unsigned char)kind.data[i]));
        if (group.len)
            buf_append_byte(out, '.');
        buf_append_slice(out, group);
        buf_append_byte(out, '/');
        table_put(out, scan_get(owner, "name"));
        break;
    }
    table_close(out, start, "<none>");
}

/* Admission policies: "v1/ConfigMap", and the namespace (or a star) and name of the parameters. */

static void write_param_kind(struct table_row *row, struct slice arg, struct buf *out)
{
    size_t start = table_open(out);
    if (table_some(table_get(row, "spec.paramKind.kind"))) {
        table_put(out, table_get(row, "spec.paramKind.apiVersion"));
        buf_append_byte(out, '/');
        table_put(out, table_get(row, "spec.paramKind.kind"));
    }
    table_close(out, start, "<unset>");
}

static void write_param_ref(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice namespace_ = table_get(row, "spec.paramRef.namespace");
    size_t start = table_open(out);
    if (table_some(table_get(row, "spec.paramRef.name"))) {
        if (table_some(namespace_))
            table_put(out, namespace_);
        else
            buf_append_byte(out, '*');
        buf_append_byte(out, '/');
        table_put(out, table_get(row, "spec.paramRef.name"));
    }
    table_close(out, start, "<unset>");
}

/* "standard (default)" */
static void write_storageclass_name(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "metadata.annotations"));
    struct slice key, value;
    bool is_default = false;
    while (scan_member(&cursor, &key, &value))
        is_default |= (slice_is(key, "storageclass.kubernetes.io/is-default-class") ||
                       slice_is(key, "storageclass.beta.kubernetes.io/is-default-class")) &&
                      scan_text_is(value, "true");
    buf_append_byte(out, '"');
    table_put(out, table_get(row, "metadata.name"));
    buf_append_str(out, is_default ? " (default)\"" : "\"");
}

/* "services.example.com/NAMESPACE/NAME" of the object that has an address. */
static void write_address_parent(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice group = table_get(row, "spec.parentRef.group"), name = table_get(row, "spec.parentRef.namespace");
    size_t start = table_open(out);
    table_put(out, table_get(row, "spec.parentRef.resource"));
    if (table_some(group)) {
        buf_append_byte(out, '.');
        table_put(out, group);
    }
    if (table_some(name)) {
        buf_append_byte(out, '/');
        table_put(out, name);
    }
    if (out->len != start) {
        buf_append_byte(out, '/');
        table_put(out, table_get(row, "spec.parentRef.name"));
    }
    table_close(out, start, "<none>");
}

/* "deleted,allocated,reserved" as far as it is true of a claim of devices. */
static void write_claim_state(struct table_row *row, struct slice arg, struct buf *out)
{
    bool allocated = table_get(row, "status.allocation").data != NULL;
    bool reserved = scan_count(table_get(row, "status.reservedFor")) > 0;
    size_t start = table_open(out);
    if (table_some(table_get(row, "metadata.deletionTimestamp")))
        buf_append_str(out, "deleted");
    table_separate(out, start, allocated || reserved ? "," : "");
    if (allocated)
        buf_append_str(out, reserved ? "allocated,reserved" : "allocated");
    else if (reserved)
        buf_append_str(out, "reserved");
    table_close(out, start, "pending");
}

/* Who serves an API version: "NAMESPACE/NAME", or this server itself. */
static void write_apiservice_target(struct table_row *row, struct slice arg, struct buf *out)
{
    size_t start = table_open(out);
    if (table_some(table_get(row, "spec.service.name"))) {
        table_put(out, table_get(row, "spec.service.namespace"));
        buf_append_byte(out, '/');
        table_put(out, table_get(row, "spec.service.name"));
    }
    table_close(out, start, "Local");
}

/* "True", or the status and why. */
static void write_apiservice_available(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.conditions"));
    struct slice condition;
    size_t start = table_open(out);
    while (scan_element(&cursor, &condition)) {
        if (!scan_text_is(scan_get(condition, "type"), "Available") || out->len != start)
            continue;
        table_put(out, scan_get(condition, "status"));
        if (scan_text_is(scan_get(condition, "status"), "True"))
            continue;
        buf_append_str(out, " (");
        table_put(out, scan_get(condition, "reason"));
        buf_append_byte(out, ')');
    }
    table_close(out, start, "Unknown");
}

const struct table_function table_group_functions[] = {
    {"job-status", write_job_status},
    {"job-completions", write_job_completions},
    {"job-duration", write_job_duration},
    {"ingress-hosts", write_ingress_hosts},
    {"ingress-ports", write_ingress_ports},
    {"ingressclass-parameters", write_ingressclass_parameters},
    {"slice-ports", write_slice_ports},
    {"slice-endpoints", write_slice_endpoints},
    {"hpa-targets", write_hpa_targets},
    {"subjects", write_subjects},
    {"csr-condition", write_csr_condition},
    {"csr-duration", write_csr_duration},
    {"controller", write_controller},
    {"param-kind", write_param_kind},
    {"param-ref", write_param_ref},
    {"storageclass-name", write_storageclass_name},
    {"address-parent", write_address_parent},
    {"claim-state", write_claim_state},
    {"apiservice-target", write_apiservice_target},
    {"apiservice-available", write_apiservice_available},
    {NULL, NULL},
};
