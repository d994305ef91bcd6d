/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pod's cells. The status of a pod is not a field: it is made from the phase, the reasons of its containers and
 * whether it is going away, in the order of precedence that upstream's printer has. Init containers that restart (side
 * cars) count as containers.
 */
#include "api/table_internal.h"

#include "lib/clock.h"

/* One entry of containerStatuses. Slices are raw JSON. */
struct container {
    struct slice name;
    struct slice waiting_reason;
    struct slice terminated; /* data NULL = not so */
    struct slice terminated_reason;
    bool running;
    bool ready;
    bool started;
    int64_t restarts;
    int64_t last_finished_ns; /* 0 = never */
    int64_t exit_code;
    int64_t signal;
};

static void read_state(struct container *c, struct slice state)
{
    struct slice terminated = scan_get(state, "terminated");
    c->waiting_reason = scan_get(state, "waiting.reason");
    c->running = scan_get(state, "running").len && scan_get(state, "running").data[0] == '{';
    if (!terminated.len || terminated.data[0] != '{')
        return;
    c->terminated = terminated;
    c->terminated_reason = scan_get(terminated, "reason");
    c->exit_code = scan_int(scan_get(terminated, "exitCode"), 0);
    c->signal = scan_int(scan_get(terminated, "signal"), 0);
}

static struct container read_container(struct slice json)
{
    struct container c = {.name = SLICE_NONE};
    struct scan_cursor cursor = scan_open(json);
    struct slice key, value;
    while (scan_member(&cursor, &key, &value)) {
        if (slice_is(key, "name"))
            c.name = value;
        else if (slice_is(key, "ready"))
            c.ready = scan_bool(value, false);
        else if (slice_is(key, "started"))
            c.started = scan_bool(value, false);
        else if (slice_is(key, "restartCount"))
            c.restarts = scan_int(value, 0);
        else if (slice_is(key, "state"))
            read_state(&c, value);
        else if (slice_is(key, "lastState") &&
                 !time_parse(table_raw(scan_get(value, "terminated.finishedAt")), &c.last_finished_ns))
            c.last_finished_ns = 0;
    }
    return c;
}

static void set_reason(struct table_pod *pod, const char *prefix, struct slice reason)
{
    pod->prefix = slice_str(prefix);
    pod->reason = reason;
    pod->infix = SLICE_LIT("");
    pod->number_count = 0;
}

static void set_numbers(struct table_pod *pod, const char *prefix, int64_t first, int count, int64_t second)
{
    set_reason(pod, prefix, SLICE_LIT(""));
    pod->infix = SLICE_LIT("/");
    pod->numbers[0] = first;
    pod->numbers[1] = second;
    pod->number_count = count;
}

static void set_terminated(struct table_pod *pod, const struct container *c, bool init)
{
    if (table_some(c->terminated_reason))
        set_reason(pod, init ? "Init:" : "", table_raw(c->terminated_reason));
    else if (c->signal)
        set_numbers(pod, init ? "Init:Signal:" : "Signal:", c->signal, 1, 0);
    else
        set_numbers(pod, init ? "Init:ExitCode:" : "ExitCode:", c->exit_code, 1, 0);
}

struct counts {
    int64_t restarts;
    int64_t last_restart_ns;
};

static void count_restarts(struct counts *counts, const struct container *c)
{
    counts->restarts += c->restarts;
    if (c->last_finished_ns > counts->last_restart_ns)
        counts->last_restart_ns = c->last_finished_ns;
}

/* Whether the init container of that (raw) name restarts for as long as the pod lives. */
static bool is_sidecar(struct slice init_containers, struct slice name)
{
    struct scan_cursor cursor = scan_open(init_containers);
    struct slice container;
    while (scan_element(&cursor, &container))
        if (slice_equal(scan_get(container, "name"), name))
            return scan_text_is(scan_get(container, "restartPolicy"), "Always");
    return false;
}

static int64_t count_sidecars(struct slice init_containers)
{
    struct scan_cursor cursor = scan_open(init_containers);
    struct slice container;
    int64_t count = 0;
    while (scan_element(&cursor, &container))
        count += scan_text_is(scan_get(container, "restartPolicy"), "Always");
    return count;
}

/* Walks the init containers' statuses; true when the pod is still initialising (the status is set then). */
static bool read_init(struct table_row *row, struct table_pod *pod, struct counts *ret_all, struct counts *ret_sidecars)
{
    struct slice specs = table_get(row, "spec.initContainers"), json;
    struct scan_cursor cursor = scan_open(table_get(row, "status.initContainerStatuses"));
    for (int64_t done = 0; scan_element(&cursor, &json); done++) {
        struct container c = read_container(json);
        bool sidecar = is_sidecar(specs, c.name);
        count_restarts(ret_all, &c);
        if (sidecar)
            count_restarts(ret_sidecars, &c);
        if (c.terminated.data && !c.exit_code)
            continue;
        if (sidecar && c.started) {
            pod->ready += c.ready;
            continue;
        }
        if (c.terminated.data)
            set_terminated(pod, &c, true);
        else if (table_some(c.waiting_reason) && !scan_text_is(c.waiting_reason, "PodInitializing"))
            set_reason(pod, "Init:", table_raw(c.waiting_reason));
        else
            set_numbers(pod, "Init:", done, 2, (int64_t)scan_count(specs));
        return true;
    }
    return false;
}

/* The first container's reason counts most. Returns whether one is up. */
static bool read_containers(struct table_row *row, struct table_pod *pod, struct counts *counts)
{
    struct scan_cursor cursor = scan_open(table_get(row, "status.containerStatuses"));
    struct slice json;
    bool running = false, decided = false;
    while (scan_element(&cursor, &json)) {
        struct container c = read_container(json);
        count_restarts(counts, &c);
        bool waits = table_some(c.waiting_reason);
        if (waits || c.terminated.data) {
            if (!decided && waits)
                set_reason(pod, "", table_raw(c.waiting_reason));
            else if (!decided)
                set_terminated(pod, &c, false);
            decided = true;
        } else if (c.ready && c.running) {
            running = true;
            pod->ready++;
        }
    }
    return running;
}

struct pod_conditions {
    bool gated;
    bool initialized;
    bool ready;
};

static struct pod_conditions read_conditions(struct table_row *row)
{
    struct pod_conditions found = {false};
    struct scan_cursor cursor = scan_open(table_get(row, "status.conditions"));
    struct slice condition;
    while (scan_element(&cursor, &condition)) {
        struct slice type = scan_get(condition, "type");
        bool holds = scan_text_is(scan_get(condition, "status"), "True");
        if (scan_text_is(type, "PodScheduled"))
            found.gated = scan_text_is(scan_get(condition, "reason"), "SchedulingGated");
        else if (scan_text_is(type, "Initialized"))
            found.initialized = holds;
        else if (scan_text_is(type, "Ready"))
            found.ready = holds;
    }
    return found;
}

static bool is_finished(struct slice phase)
{
    return scan_text_is(phase, "Succeeded") || scan_text_is(phase, "Failed");
}

static const struct table_pod *read_pod(struct table_row *row)
{
    struct table_pod *pod = &row->pod;
    if (pod->read)
        return pod;
    pod->read = true;
    struct slice phase = table_get(row, "status.phase"), reason = table_get(row, "status.reason");
    struct pod_conditions conditions = read_conditions(row);
    struct counts all = {0}, counts = {0};
    pod->total =
        (int64_t)scan_count(table_get(row, "spec.containers")) + count_sidecars(table_get(row, "spec.initContainers"));
    set_reason(pod, "", table_raw(table_some(reason) ? reason : phase));
    if (conditions.gated)
        set_reason(pod, "", SLICE_LIT("SchedulingGated"));
    if (read_init(row, pod, &all, &counts) && !conditions.initialized) {
        counts = all;
    } else {
        bool running = read_containers(row, pod, &counts);
        if (running && !pod->prefix.len && slice_is(pod->reason, "Completed"))
            set_reason(pod, "", conditions.ready ? SLICE_LIT("Running") : SLICE_LIT("NotReady"));
    }
    pod->restarts = counts.restarts;
    pod->last_restart_ns = counts.last_restart_ns;
    if (table_get(row, "metadata.deletionTimestamp").data) {
        if (scan_text_is(reason, "NodeLost"))
            set_reason(pod, "", SLICE_LIT("Unknown"));
        else if (!is_finished(phase))
            set_reason(pod, "", SLICE_LIT("Terminating"));
    }
    return pod;
}

static void write_ready(struct table_row *row, struct slice arg, struct buf *out)
{
    const struct table_pod *pod = read_pod(row);
    buf_append_byte(out, '"');
    table_put_int(out, pod->ready);
    buf_append_byte(out, '/');
    table_put_int(out, pod->total);
    buf_append_byte(out, '"');
}

static void write_status(struct table_row *row, struct slice arg, struct buf *out)
{
    const struct table_pod *pod = read_pod(row);
    buf_append_byte(out, '"');
    buf_append_slice(out, pod->prefix);
    buf_append_slice(out, pod->reason);
    for (int i = 0; i < pod->number_count; i++) {
        if (i)
            buf_append_slice(out, pod->infix);
        table_put_int(out, pod->numbers[i]);
    }
    buf_append_byte(out, '"');
}

static void write_restarts(struct table_row *row, struct slice arg, struct buf *out)
{
    const struct table_pod *pod = read_pod(row);
    char age[TIME_TEXT_MAX];
    buf_append_byte(out, '"');
    table_put_int(out, pod->restarts);
    if (pod->restarts && pod->last_restart_ns) {
        time_format_age(row->now_ns - pod->last_restart_ns, age);
        buf_printf(out, " (%s ago)", age);
    }
    buf_append_byte(out, '"');
}

/* "1/2": how many of the gates' conditions hold. */
static void write_gates(struct table_row *row, struct slice arg, struct buf *out)
{
    struct scan_cursor gates = scan_open(table_get(row, "spec.readinessGates"));
    struct slice gate, condition;
    int64_t total = 0, hold = 0;
    while (scan_element(&gates, &gate)) {
        struct slice wanted = scan_get(gate, "conditionType");
        struct scan_cursor conditions = scan_open(table_get(row, "status.conditions"));
        total++;
        while (scan_element(&conditions, &condition)) {
            if (!slice_equal(scan_get(condition, "type"), wanted))
                continue;
            hold += scan_text_is(scan_get(condition, "status"), "True");
            break;
        }
    }
    if (total)
        buf_printf(out, "\"%lld/%lld\"", (long long)hold, (long long)total);
    else
        table_write_text(out, "<none>");
}

void table_pod_write_conditions(struct table_row *row, struct buf *out)
{
    struct slice phase = table_get(row, "status.phase");
    bool failed = scan_text_is(phase, "Failed");
    if (!is_finished(phase))
        return;
    buf_append_str(out, ",\"conditions\":[{\"type\":\"Completed\",\"status\":\"True\",\"reason\":");
    buf_append_str(out, failed ? "\"Failed\",\"message\":\"The pod failed.\"}]"
                               : "\"Succeeded\",\"message\":\"The pod has completed successfully.\"}]");
}

const struct table_function table_pod_functions[] = {
    {"pod-ready", write_ready},
    {"pod-status", write_status},
    {"pod-restarts", write_restarts},
    {"pod-readiness-gates", write_gates},
    {NULL, NULL},
};
