/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind a Service: its pods, what is told of each, and the numbers that its ports have in them. */
#include "controllers/endpoint.h"

#include "controllers/replicaset.h"

enum { TARGET_KIND, TARGET_NAMESPACE, TARGET_NAME, TARGET_UID };

static const char *const target_fields[ENDPOINT_TARGET_FIELDS] = {"kind",       "namespace",       "name",     "uid",
                                                                  "apiVersion", "resourceVersion", "fieldPath"};

bool service_selects(const struct view *service)
{
    return scan_count(view_raw(service, SERVICE_SELECTOR)) &&
           !slice_is(view_text(service, SERVICE_TYPE), "ExternalName");
}

bool service_is_headless(const struct view *service)
{
    return slice_is(view_text(service, SERVICE_CLUSTER_IP), "None");
}

/* ---- which pods ---- */

struct endpoint_match {
    struct run *run;
    const struct view *before;
    const struct view *now;
};

static void endpoint_match(void *arg, const struct view *service)
{
    const struct endpoint_match *match = arg;

    if (((match->before && view_selects(service, match->before)) ||
         (match->now && view_selects(service, match->now))) &&
        service_selects(service))
        map_own(match->run, NULL, service);
}

/* Whether both make the same endpoint. */
static bool endpoint_pod_same(const struct view *a, const struct view *b)
{
    static const unsigned fields[] = {VIEW_UID,  VIEW_LABELS, POD_IP,       POD_NODE,
                                      POD_PHASE, POD_PORTS,   POD_HOSTNAME, POD_SUBDOMAIN};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!slice_equal(view_raw(a, fields[i]), view_raw(b, fields[i])))
            return false;
    return pod_is_ready(a) == pod_is_ready(b) && view_deleting(a) == view_deleting(b);
}

void endpoint_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    struct endpoint_match match = {run, before, now};

    /* At the start each Service is looked at anyway. */
    if (run_has_started(run) && (!before || !now || !endpoint_pod_same(before, now)))
        run_each_selecting(run, &view_services, before, now, endpoint_match, &match);
}

struct endpoint_gather {
    const struct view *service;
    struct view_array *pods;
};

static void endpoint_gather(void *arg, const struct view *pod)
{
    struct endpoint_gather *gather = arg;

    if (view_selects(gather->service, pod))
        view_array_add(gather->pods, (struct view_list){&pod, 1});
}

void endpoint_gather_pods(struct run *run, const struct view *service, struct view_array *ret_pods)
{
    struct endpoint_gather gather = {service, ret_pods};

    run_each_selected(run, &view_pods, service, endpoint_gather, &gather);
}

/* ---- one endpoint ---- */

/* An empty text is none. */
static struct slice endpoint_text(struct slice raw)
{
    return scan_is_string(raw) && raw.len > 2 ? raw : SLICE_NONE;
}

bool endpoint_of_pod(const struct view *service, const struct view *pod, struct endpoint *ret_endpoint)
{
    struct slice ip = endpoint_text(view_raw(pod, POD_IP));
    struct slice phase = view_text(pod, POD_PHASE);
    struct endpoint e = {.ip = ip, .of_pod = true};

    /* IPv4 only, as the rest of the network is. */
    if (!ip.len || slice_find(ip, ':') >= 0 || slice_is(phase, "Succeeded") || slice_is(phase, "Failed"))
        return false;
    e.node = endpoint_text(view_raw(pod, POD_NODE));
    e.target[TARGET_KIND] = SLICE_LIT("\"Pod\"");
    e.target[TARGET_NAMESPACE] = view_raw(service, VIEW_NAMESPACE);
    e.target[TARGET_NAME] = view_raw(pod, VIEW_NAME);
    e.target[TARGET_UID] = view_raw(pod, VIEW_UID);
    if (slice_equal(view_text(pod, POD_SUBDOMAIN), view_text(service, VIEW_NAME)))
        e.hostname = endpoint_text(view_raw(pod, POD_HOSTNAME));
    e.serving = pod_is_ready(pod);
    e.terminating = view_deleting(pod);
    e.ready = view_bool(service, SERVICE_PUBLISH_NOT_READY) || (e.serving && !e.terminating);
    *ret_endpoint = e;
    return true;
}

struct endpoint endpoint_of_address(struct slice address, bool ready)
{
    struct slice target = scan_get(address, "targetRef");
    struct endpoint e = {.ready = ready};

    e.ip = endpoint_text(scan_get(address, "ip"));
    e.hostname = endpoint_text(scan_get(address, "hostname"));
    e.node = endpoint_text(scan_get(address, "nodeName"));
    for (size_t i = 0; i < ENDPOINT_TARGET_FIELDS; i++)
        e.target[i] = endpoint_text(scan_get(target, target_fields[i]));
    return e;
}

const char *endpoint_family(const struct endpoint *e)
{
    return slice_find(e->ip, ':') >= 0 ? "IPv6" : "IPv4";
}

struct slice endpoint_target_uid(const struct endpoint *e)
{
    return e->target[TARGET_UID];
}

void endpoint_write_rest(struct buf *out, const struct endpoint *e)
{
    char before = '{';

    if (e->hostname.len)
        plan_member_raw(out, "hostname", e->hostname);
    if (e->node.len)
        plan_member_raw(out, "nodeName", e->node);
    for (size_t i = 0; i < ENDPOINT_TARGET_FIELDS; i++) {
        if (!e->target[i].len)
            continue;
        if (before == '{')
            buf_append_str(out, ",\"targetRef\":{");
        plan_member_raw(out, target_fields[i], e->target[i]);
        before = ',';
    }
    if (before == ',')
        buf_append_byte(out, '}');
}

bool endpoint_same_rest(const struct endpoint *a, const struct endpoint *b)
{
    for (size_t i = 0; i < ENDPOINT_TARGET_FIELDS; i++)
        if (!slice_equal(a->target[i], b->target[i]))
            return false;
    return slice_equal(a->hostname, b->hostname) && slice_equal(a->node, b->node);
}

/* ---- ports ---- */

static void port_write(struct buf *out, struct slice port, int64_t number)
{
    struct slice name = scan_get(port, "name");
    struct slice protocol = scan_get(port, "protocol");
    struct slice app = endpoint_text(scan_get(port, "appProtocol"));

    if (out->len > 1)
        buf_append_byte(out, ',');
    buf_append_byte(out, '{');
    plan_member_raw(out, "name", scan_is_string(name) ? name : SLICE_LIT("\"\""));
    plan_member_raw(out, "protocol", scan_is_string(protocol) ? protocol : SLICE_LIT("\"TCP\""));
    plan_member_int(out, "port", number);
    if (app.len)
        plan_member_raw(out, "appProtocol", app);
    buf_append_byte(out, '}');
}

char *endpoint_ports(struct slice stored)
{
    struct scan_cursor at = scan_open(stored);
    struct slice port;
    BUF_LOCAL(out);

    buf_append_byte(&out, '[');
    while (scan_element(&at, &port))
        port_write(&out, port, scan_int(scan_get(port, "port"), 0));
    buf_append_byte(&out, ']');
    return buf_steal_str(&out);
}

/* The number behind a named target port; 0 = the pod has none. */
static int64_t port_of_pod(const struct view *pod, struct slice name, struct slice protocol)
{
    struct scan_cursor at = scan_open(view_raw(pod, POD_PORTS));
    struct slice port;

    while (scan_element(&at, &port)) {
        struct slice its = view_unquote(scan_get(port, "protocol"));

        if (slice_equal(scan_get(port, "name"), name) &&
            slice_equal(its.len ? its : SLICE_LIT("TCP"), protocol.len ? protocol : SLICE_LIT("TCP")))
            return scan_int(scan_get(port, "containerPort"), 0);
    }
    return 0;
}

char *endpoint_ports_of_pod(const struct view *service, const struct view *pod)
{
    struct scan_cursor at = scan_open(view_raw(service, SERVICE_PORTS));
    struct slice port;
    BUF_LOCAL(out);

    buf_append_byte(&out, '[');
    while (scan_element(&at, &port)) {
        struct slice target = scan_get(port, "targetPort");
        int64_t number = scan_is_string(target) ? port_of_pod(pod, target, view_unquote(scan_get(port, "protocol")))
                                                : scan_int(target, 0);

        if (!number && !scan_is_string(target))
            number = scan_int(scan_get(port, "port"), 0);
        if (number)
            port_write(&out, port, number);
    }
    buf_append_byte(&out, ']');
    return buf_steal_str(&out);
}
