/* SPDX-License-Identifier: Apache-2.0 */
/* Cell functions for kinds of the core group: nodes, services, endpoints, events, volumes, quotas. */
#include "api/table_internal.h"

#include <ctype.h>

/* Nodes */

static void write_node_status(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.conditions"));
    struct slice condition;
    size_t start = table_open(out);
    while (scan_element(&cursor, &condition)) {
        if (!scan_text_is(scan_get(condition, "type"), "Ready"))
            continue;
        buf_append_str(out, scan_text_is(scan_get(condition, "status"), "True") ? "Ready" : "NotReady");
        break;
    }
    if (out->len == start)
        buf_append_str(out, "Unknown");
    if (scan_bool(table_get(row, "spec.unschedulable"), false))
        buf_append_str(out, ",SchedulingDisabled");
    table_close(out, start, "");
}

#define ROLES_SHOWN_MAX 16

static int compare_slices(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

/* Sorted and each once, as upstream's set prints. */
static void put_sorted(struct slice *items, size_t count, struct buf *out)
{
    qsort(items, count, sizeof(items[0]), compare_slices);
    for (size_t i = 0; i < count; i++) {
        if (i && slice_equal(items[i], items[i - 1]))
            continue;
        if (i)
            buf_append_byte(out, ',');
        buf_append_slice(out, items[i]);
    }
}

/* From labels node-role.kubernetes.io/ROLE and kubernetes.io/role=ROLE. */
static void write_node_roles(struct table_row *row, struct slice arg, struct buf *out)
{
    static const struct slice prefix = {"node-role.kubernetes.io/", 24};
    struct scan_cursor cursor = scan_open(table_get(row, "metadata.labels"));
    struct slice key, value, roles[ROLES_SHOWN_MAX] = {{NULL, 0}};
    size_t count = 0, start = table_open(out);
    while (count < ROLES_SHOWN_MAX && scan_member(&cursor, &key, &value)) {
        if (slice_starts(key, prefix) && key.len > prefix.len)
            roles[count++] = slice_from(key, prefix.len);
        else if (slice_is(key, "kubernetes.io/role") && table_some(value))
            roles[count++] = table_raw(value);
    }
    put_sorted(roles, count, out);
    table_close(out, start, "<none>");
}

/* @node-address InternalIP */
static void write_node_address(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.addresses"));
    struct slice address;
    size_t start = table_open(out);
    while (scan_element(&cursor, &address)) {
        if (!slice_equal(table_raw(scan_get(address, "type")), arg))
            continue;
        table_put(out, scan_get(address, "address"));
        break;
    }
    table_close(out, start, "<none>");
}

/* Services */

static void put_list(struct buf *out, size_t start, struct slice list)
{
    struct scan_cursor cursor = scan_open(list);
    struct slice item;
    while (scan_element(&cursor, &item)) {
        table_separate(out, start, ",");
        table_put(out, item);
    }
}

/* The addresses of a loadBalancer's ingress, sorted. */
#define BALANCERS_SHOWN_MAX 32
static void put_balancers(struct buf *out, struct slice ingress)
{
    struct scan_cursor cursor = scan_open(ingress);
    struct slice item, found[BALANCERS_SHOWN_MAX] = {{NULL, 0}};
    size_t count = 0;
    while (count < BALANCERS_SHOWN_MAX && scan_element(&cursor, &item)) {
        struct slice ip = scan_get(item, "ip"), host = scan_get(item, "hostname");
        if (table_some(ip) || table_some(host))
            found[count++] = table_raw(table_some(ip) ? ip : host);
    }
    put_sorted(found, count, out);
}

static void write_service_external_ip(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice type = table_get(row, "spec.type");
    size_t start = table_open(out);
    if (scan_text_is(type, "ExternalName")) {
        table_put(out, table_get(row, "spec.externalName"));
        table_close(out, start, "");
        return;
    }
    bool balancer = scan_text_is(type, "LoadBalancer");
    if (balancer)
        put_balancers(out, table_get(row, "status.loadBalancer.ingress"));
    put_list(out, start, table_get(row, "spec.externalIPs"));
    table_close(out, start, balancer ? "<pending>" : "<none>");
}

static void write_service_ports(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "spec.ports"));
    struct slice port;
    size_t start = table_open(out);
    while (scan_element(&cursor, &port)) {
        int64_t node_port = scan_int(scan_get(port, "nodePort"), 0);
        table_separate(out, start, ",");
        table_put(out, scan_get(port, "port"));
        if (node_port > 0)
            buf_printf(out, ":%lld", (long long)node_port);
        buf_append_byte(out, '/');
        table_put(out, scan_get(port, "protocol"));
    }
    table_close(out, start, "<none>");
}

/* Endpoints: the first three, and how many more there are. */
#define ENDPOINTS_SHOWN 3

struct endpoints {
    struct buf *out;
    size_t start;
    int64_t count;
};

static void put_endpoint(struct endpoints *e, struct slice ip, struct slice port)
{
    bool brackets = port.data && memchr(ip.data, ':', ip.len);
    if (e->count++ >= ENDPOINTS_SHOWN)
        return;
    table_separate(e->out, e->start, ",");
    if (brackets)
        buf_append_byte(e->out, '[');
    table_put(e->out, ip);
    if (brackets)
        buf_append_byte(e->out, ']');
    if (port.data) {
        buf_append_byte(e->out, ':');
        table_put(e->out, port);
    }
}

static void put_addresses(struct endpoints *e, struct slice addresses, struct slice port)
{
    struct scan_cursor cursor = scan_open(addresses);
    struct slice address;
    while (scan_element(&cursor, &address))
        put_endpoint(e, scan_get(address, "ip"), port);
}

static void write_endpoints(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor subsets = scan_open(table_get(row, "subsets"));
    struct slice subset, port;
    struct endpoints e = {.out = out, .start = table_open(out)};
    while (scan_element(&subsets, &subset)) {
        struct slice addresses = scan_get(subset, "addresses");
        struct scan_cursor ports = scan_open(scan_get(subset, "ports"));
        bool any = false;
        for (; scan_element(&ports, &port); any = true)
            put_addresses(&e, addresses, scan_get(port, "port"));
        if (!any)
            put_addresses(&e, addresses, SLICE_NONE);
    }
    if (e.count > ENDPOINTS_SHOWN)
        buf_printf(out, " + %lld more...", (long long)(e.count - ENDPOINTS_SHOWN));
    table_close(out, e.start, "<none>");
}

/* Events, of the core group and of events.k8s.io, whose names for the same things differ. */

static struct slice either(struct table_row *row, const char *core, const char *events)
{
    struct slice v = table_get(row, core);
    return v.data ? v : table_get(row, events);
}

static struct slice event_first_time(struct table_row *row)
{
    struct slice first = either(row, "firstTimestamp", "deprecatedFirstTimestamp");
    return first.data ? first : table_get(row, "eventTime");
}

static void write_event_first_seen(struct table_row *row, struct slice arg, struct buf *out)
{
    buf_append_byte(out, '"');
    table_put_age(row, event_first_time(row), out);
    buf_append_byte(out, '"');
}

static void write_event_last_seen(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice last = either(row, "lastTimestamp", "deprecatedLastTimestamp");
    if (table_get(row, "series").data)
        last = table_get(row, "series.lastObservedTime");
    else if (!last.data)
        last = event_first_time(row);
    buf_append_byte(out, '"');
    table_put_age(row, last, out);
    buf_append_byte(out, '"');
}

static void write_event_count(struct table_row *row, struct slice arg, struct buf *out)
{
    int64_t count = scan_int(either(row, "count", "deprecatedCount"), 0);
    if (table_get(row, "series").data)
        count = scan_int(table_get(row, "series.count"), 0);
    else if (!count)
        count = 1;
    table_put_int(out, count);
}

static void put_lower(struct slice v, struct buf *out)
{
    struct slice text = table_raw(v);
    for (size_t i = 0; i < text.len; i++)
        buf_append_byte(out, (char)tolower((unsigned char)text.data[i]));
}

static void write_event_object(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice object = either(row, "involvedObject", "regarding"), name = scan_get(object, "name");
    buf_append_byte(out, '"');
    put_lower(scan_get(object, "kind"), out);
    if (table_some(name)) {
        buf_append_byte(out, '/');
        table_put(out, name);
    }
    buf_append_byte(out, '"');
}

static void write_event_source(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice source = either(row, "source", "deprecatedSource");
    struct slice component = scan_get(source, "component"), host = scan_get(source, "host");
    if (!table_some(component))
        component = either(row, "reportingComponent", "reportingController");
    if (!table_some(host))
        host = table_get(row, "reportingInstance");
    buf_append_byte(out, '"');
    table_put(out, component);
    if (table_some(host)) {
        buf_append_str(out, ", ");
        table_put(out, host);
    }
    buf_append_byte(out, '"');
}

/* Volumes */

/* @access-modes PATH: short, each once, in upstream's order. */
static void write_access_modes(struct table_row *row, struct slice arg, struct buf *out)
{
    static const char *const modes[][2] = {
        {"ReadWriteOnce", "RWO"}, {"ReadOnlyMany", "ROX"}, {"ReadWriteMany", "RWX"}, {"ReadWriteOncePod", "RWOP"}};
    struct slice list = table_first(row, arg), item;
    size_t start = table_open(out);
    for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
        struct scan_cursor cursor = scan_open(list);
        while (scan_element(&cursor, &item)) {
            if (!scan_text_is(item, modes[m][0]))
                continue;
            table_separate(out, start, ",");
            buf_append_str(out, modes[m][1]);
            break;
        }
    }
    table_close(out, start, "");
}

/* The phase, unless it is going away. */
static void write_phase(struct table_row *row, struct slice arg, struct buf *out)
{
    buf_append_byte(out, '"');
    if (table_get(row, "metadata.deletionTimestamp").data)
        buf_append_str(out, "Terminating");
    else
        table_put(out, table_get(row, "status.phase"));
    buf_append_byte(out, '"');
}

static void write_volume_claim(struct table_row *row, struct slice arg, struct buf *out)
{
    struct slice claim = table_get(row, "spec.claimRef");
    buf_append_byte(out, '"');
    if (claim.data) {
        table_put(out, scan_get(claim, "namespace"));
        buf_append_byte(out, '/');
        table_put(out, scan_get(claim, "name"));
    }
    buf_append_byte(out, '"');
}

/* The old annotation counts before the field. */
static void write_volume_class(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor cursor = scan_open(table_get(row, "metadata.annotations"));
    struct slice key, value, old = SLICE_NONE;
    while (!old.data && scan_member(&cursor, &key, &value))
        if (slice_is(key, "volume.beta.kubernetes.io/storage-class"))
            old = value;
    buf_append_byte(out, '"');
    table_put(out, old.data ? old : table_get(row, "spec.storageClassName"));
    buf_append_byte(out, '"');
}

/* A claim shows size and modes once it has a volume. */
static void write_claim_capacity(struct table_row *row, struct slice arg, struct buf *out)
{
    buf_append_byte(out, '"');
    if (table_some(table_get(row, "spec.volumeName")))
        table_put(out, table_get(row, "status.capacity.storage"));
    buf_append_byte(out, '"');
}

static void write_claim_modes(struct table_row *row, struct slice arg, struct buf *out)
{
    if (table_some(table_get(row, "spec.volumeName")))
        write_access_modes(row, SLICE_LIT(".status.accessModes"), out);
    else
        table_write_text(out, "");
}

/* Quotas: "pods: 1/10, cpu: 1/2", either the limits or all others. */

/* Resource names have dots, which scan_get would take for steps. */
static struct slice amount_of(struct slice amounts, struct slice name)
{
    struct scan_cursor cursor = scan_open(amounts);
    struct slice key, value;
    while (scan_member(&cursor, &key, &value))
        if (slice_equal(key, name))
            return value;
    return SLICE_LIT("0");
}

#define QUOTAS_SHOWN_MAX 64
static void write_quota(struct table_row *row, bool limits, struct buf *out)
{
    struct slice used = table_get(row, "status.used"), hard = table_get(row, "status.hard");
    struct slice keys[QUOTAS_SHOWN_MAX] = {{NULL, 0}}, key, value;
    struct scan_cursor cursor = scan_open(hard);
    size_t count = 0, start = table_open(out);
    while (count < QUOTAS_SHOWN_MAX && scan_member(&cursor, &key, &value))
        if (slice_starts(key, SLICE_LIT("limits.")) == limits)
            keys[count++] = key;
    qsort(keys, count, sizeof(keys[0]), compare_slices);
    for (size_t i = 0; i < count; i++) {
        table_separate(out, start, ", ");
        buf_append_slice(out, keys[i]);
        buf_append_str(out, ": ");
        table_put(out, amount_of(used, keys[i]));
        buf_append_byte(out, '/');
        table_put(out, amount_of(hard, keys[i]));
    }
    table_close(out, start, "");
}

static void write_quota_requests(struct table_row *row, struct slice arg, struct buf *out)
{
    write_quota(row, false, out);
}

static void write_quota_limits(struct table_row *row, struct slice arg, struct buf *out)
{
    write_quota(row, true, out);
}

/* An Ingress shows its balancers as a service does. */
static void write_balancers(struct table_row *row, struct slice arg, struct buf *out)
{
    buf_append_byte(out, '"');
    put_balancers(out, table_get(row, "status.loadBalancer.ingress"));
    buf_append_byte(out, '"');
}

const struct table_function table_core_functions[] = {
    {"node-status", write_node_status},
    {"node-roles", write_node_roles},
    {"node-address", write_node_address},
    {"service-external-ip", write_service_external_ip},
    {"service-ports", write_service_ports},
    {"balancers", write_balancers},
    {"endpoints", write_endpoints},
    {"event-first-seen", write_event_first_seen},
    {"event-last-seen", write_event_last_seen},
    {"event-count", write_event_count},
    {"event-object", write_event_object},
    {"event-source", write_event_source},
    {"access-modes", write_access_modes},
    {"phase", write_phase},
    {"volume-claim", write_volume_claim},
    {"volume-class", write_volume_class},
    {"claim-capacity", write_claim_capacity},
    {"claim-modes", write_claim_modes},
    {"quota-requests", write_quota_requests},
    {"quota-limits", write_quota_limits},
    {NULL, NULL},
};
