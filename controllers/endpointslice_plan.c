/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the slices of a Service should be, out of what they are. Pods are grouped by the numbers that the Service's
 * ports have in them (a named port may differ from pod to pod); each group fills slices of its own:
 *
 *     pods -> endpoints -> groups by ports -> drafts: first what each slice holds already, then room in slices that
 *             must be written anyway, then room in others, then new slices -> create, patch, delete
 *
 * Stored slices are compared by meaning, not by bytes, so that another order of members is no change.
 */
#include "controllers/endpointslice.h"

#include "controllers/adopt.h"
#include "controllers/replicaset.h"
#include "lib/map.h"

#define ENDPOINTSLICE_SERVICE  "kubernetes.io/service-name"
#define ENDPOINTSLICE_MANAGER  "endpointslice.kubernetes.io/managed-by"
#define ENDPOINTSLICE_US       "endpointslice-controller.k8s.io"
#define ENDPOINTSLICE_HEADLESS "service.kubernetes.io/headless"

struct endpoint {
    struct slice ip;
    struct slice name; /* of the pod, as uid */
    struct slice uid;
    struct slice node;
    struct slice hostname;
    bool ready;
    bool serving;
    bool terminating;
    bool placed;
    struct group *group;
};

/* Endpoints with the same ports. */
struct group {
    char *ports; /* JSON list */
    size_t unplaced;
};

/* A slice as it will be. */
struct draft {
    const struct view *slice;  /* NULL = new */
    const struct group *group; /* NULL = of ports that nobody has (any more) */
    struct endpoint **endpoints;
    size_t count;
    size_t cap;
    bool changed;
};

struct slicing {
    const struct endpointslice_view *in;
    struct endpoint *endpoints; /* one for each usable pod */
    size_t endpoint_count;
    struct map by_uid;
    struct map groups; /* by ports -> struct group */
    struct draft *drafts;
    size_t draft_count;
    size_t draft_cap;
    size_t used; /* drafts with endpoints */
};

bool endpointslice_wants(const struct view *service)
{
    return scan_count(view_raw(service, SERVICE_SELECTOR)) &&
           !slice_is(view_text(service, SERVICE_TYPE), "ExternalName");
}

/* ---- ports ---- */

static void port_write(struct buf *out, struct slice name, struct slice protocol, int64_t number, struct slice app)
{
    if (out->len > 1)
        buf_append_byte(out, ',');
    buf_append_byte(out, '{');
    plan_member(out, "name", name);
    plan_member(out, "protocol", protocol.len ? protocol : SLICE_LIT("TCP"));
    plan_member_int(out, "port", number);
    if (app.len)
        plan_member(out, "appProtocol", app);
    buf_append_byte(out, '}');
}

/* What a stored slice has, in the form in which we write it. */
static char *ports_of_slice(const struct view *slice)
{
    struct scan_cursor at = scan_open(view_raw(slice, SLICE_PORTS));
    struct slice port;
    BUF_LOCAL(out);

    buf_append_byte(&out, '[');
    while (scan_element(&at, &port))
        port_write(&out, view_unquote(scan_get(port, "name")), view_unquote(scan_get(port, "protocol")),
                   scan_int(scan_get(port, "port"), 0), view_unquote(scan_get(port, "appProtocol")));
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

        if (slice_equal(view_unquote(scan_get(port, "name")), name) &&
            slice_equal(its.len ? its : SLICE_LIT("TCP"), protocol.len ? protocol : SLICE_LIT("TCP")))
            return scan_int(scan_get(port, "containerPort"), 0);
    }
    return 0;
}

static char *ports_of_pod(const struct view *service, const struct view *pod)
{
    struct scan_cursor at = scan_open(view_raw(service, SERVICE_PORTS));
    struct slice port;
    BUF_LOCAL(out);

    buf_append_byte(&out, '[');
    while (scan_element(&at, &port)) {
        struct slice target = scan_get(port, "targetPort");
        struct slice protocol = view_unquote(scan_get(port, "protocol"));
        int64_t number = scan_is_string(target) ? port_of_pod(pod, view_unquote(target), protocol)
                                                : scan_int(target, 0);

        if (!number && !scan_is_string(target))
            number = scan_int(scan_get(port, "port"), 0);
        if (number)
            port_write(&out, view_unquote(scan_get(port, "name")), protocol, number,
                       view_unquote(scan_get(port, "appProtocol")));
    }
    buf_append_byte(&out, ']');
    return buf_steal_str(&out);
}

/* ---- endpoints ---- */

/* IPv4 only, as the rest of the network is. */
static bool pod_is_endpoint(const struct view *pod)
{
    struct slice ip = view_text(pod, POD_IP);
    struct slice phase = view_text(pod, POD_PHASE);

    return ip.len && slice_find(ip, ':') < 0 && !slice_is(phase, "Succeeded") && !slice_is(phase, "Failed");
}

static struct group *slicing_group(struct slicing *s, char *ports)
{
    struct group *group = map_get(&s->groups, slice_str(ports));

    if (group) {
        free(ports);
        return group;
    }
    group = mem_zalloc(sizeof(*group));
    group->ports = ports;
    (void)map_put(&s->groups, slice_str(ports), group);
    return group;
}

static void slicing_add_pod(struct slicing *s, const struct view *pod)
{
    const struct view *service = s->in->service;
    struct endpoint *e = &s->endpoints[s->endpoint_count];
    struct slice hostname = view_text(pod, POD_HOSTNAME);

    if (!pod_is_endpoint(pod) || map_get(&s->by_uid, view_text(pod, VIEW_UID)))
        return;
    s->endpoint_count++;
    e->ip = view_text(pod, POD_IP);
    e->name = view_text(pod, VIEW_NAME);
    e->uid = view_text(pod, VIEW_UID);
    e->node = view_text(pod, POD_NODE);
    if (slice_equal(view_text(pod, POD_SUBDOMAIN), view_text(service, VIEW_NAME)))
        e->hostname = hostname;
    e->serving = pod_is_ready(pod);
    e->terminating = view_deleting(pod);
    e->ready = view_bool(service, SERVICE_PUBLISH_NOT_READY) || (e->serving && !e->terminating);
    e->group = slicing_group(s, ports_of_pod(service, pod));
    e->group->unplaced++;
    (void)map_put(&s->by_uid, e->uid, e);
}

static bool endpoint_is(const struct endpoint *e, struct slice stored)
{
    struct slice conditions = scan_get(stored, "conditions");
    struct slice addresses = scan_get(stored, "addresses");
    struct scan_cursor at = scan_open(addresses);
    struct slice address;

    return scan_element(&at, &address) && scan_count(addresses) == 1 && slice_equal(view_unquote(address), e->ip) &&
           slice_equal(view_unquote(scan_get(stored, "nodeName")), e->node) &&
           slice_equal(view_unquote(scan_get(stored, "hostname")), e->hostname) &&
           slice_equal(view_unquote(scan_get(stored, "targetRef.name")), e->name) &&
           scan_bool(scan_get(conditions, "ready"), true) == e->ready &&
           scan_bool(scan_get(conditions, "serving"), true) == e->serving &&
           scan_bool(scan_get(conditions, "terminating"), false) == e->terminating;
}

static void endpoint_write(struct buf *out, const struct endpoint *e, struct slice ns)
{
    buf_append_str(out, "{\"addresses\":[\"");
    buf_append_slice(out, e->ip);
    buf_printf(out, "\"],\"conditions\":{\"ready\":%s,\"serving\":%s,\"terminating\":%s}", e->ready ? "true" : "false",
               e->serving ? "true" : "false", e->terminating ? "true" : "false");
    if (e->hostname.len)
        plan_member(out, "hostname", e->hostname);
    buf_append_str(out, ",\"targetRef\":{");
    plan_member(out, "kind", SLICE_LIT("Pod"));
    plan_member(out, "namespace", ns);
    plan_member(out, "name", e->name);
    plan_member(out, "uid", e->uid);
    buf_append_byte(out, '}');
    if (e->node.len)
        plan_member(out, "nodeName", e->node);
    buf_append_byte(out, '}');
}

/* ---- labels ---- */

static bool label_is_ours(struct slice key)
{
    return slice_is(key, ENDPOINTSLICE_SERVICE) || slice_is(key, ENDPOINTSLICE_MANAGER) ||
           slice_is(key, ENDPOINTSLICE_HEADLESS);
}

/* The Service's labels and ours. */
static void labels_write(const struct view *service, struct buf *out)
{
    struct scan_cursor at = scan_open(view_raw(service, VIEW_LABELS));
    struct slice key;
    struct slice value;

    buf_append_byte(out, '{');
    plan_member(out, ENDPOINTSLICE_SERVICE, view_text(service, VIEW_NAME));
    plan_member(out, ENDPOINTSLICE_MANAGER, SLICE_LIT(ENDPOINTSLICE_US));
    if (slice_is(view_text(service, SERVICE_CLUSTER_IP), "None"))
        plan_member(out, ENDPOINTSLICE_HEADLESS, SLICE_NONE);
    while (scan_member(&at, &key, &value)) {
        char *name CLEANUP_FREE = slice_dup(key);

        if (!label_is_ours(key))
            plan_member_raw(out, name, value);
    }
    buf_append_byte(out, '}');
}

/* As a merge patch: what the slice has beyond the wanted ones goes. */
static void labels_write_patch(struct slice wanted, const struct view *slice, struct buf *out)
{
    struct scan_cursor at = scan_open(view_raw(slice, VIEW_LABELS));
    struct slice key;
    struct slice value;

    buf_append(out, wanted.data, wanted.len - 1);
    while (scan_member(&at, &key, &value)) {
        char *name CLEANUP_FREE = slice_dup(key);

        if (!view_member(wanted, name).data)
            plan_member_raw(out, name, SLICE_LIT("null"));
    }
    buf_append_byte(out, '}');
}

/* ---- drafts ---- */

static struct draft *slicing_draft(struct slicing *s, const struct view *slice, const struct group *group)
{
    s->drafts = mem_grow(s->drafts, &s->draft_cap, s->draft_count + 1, sizeof(*s->drafts));
    s->drafts[s->draft_count] = (struct draft){.slice = slice, .group = group, .changed = !slice};
    return &s->drafts[s->draft_count++];
}

static void draft_place(struct draft *d, struct endpoint *e)
{
    d->endpoints = mem_grow(d->endpoints, &d->cap, d->count + 1, sizeof(struct endpoint *));
    d->endpoints[d->count++] = e;
    e->placed = true;
    e->group->unplaced--;
}

/* A slice as it is, without what does not belong there any more. */
static void slicing_add_slice(struct slicing *s, const struct view *slice, struct slice labels)
{
    struct scan_cursor at = scan_open(view_raw(slice, SLICE_ENDPOINTS));
    char *ports CLEANUP_FREE = ports_of_slice(slice);
    struct draft *d = slicing_draft(s, slice, map_get(&s->groups, slice_str(ports)));
    struct slice stored;

    d->changed = !view_has_members(view_raw(slice, VIEW_LABELS), labels) ||
                 !view_has_members(labels, view_raw(slice, VIEW_LABELS));
    while (scan_element(&at, &stored)) {
        struct endpoint *e = map_get(&s->by_uid, view_unquote(scan_get(stored, "targetRef.uid")));

        if (!e || e->placed || e->group != d->group) {
            d->changed = true;
            continue;
        }
        draft_place(d, e);
        d->changed = d->changed || !endpoint_is(e, stored);
    }
}

static void slicing_fill(struct slicing *s, struct draft *d)
{
    for (size_t i = 0; i < s->endpoint_count && d->group->unplaced && d->count < ENDPOINTSLICE_MAX; i++)
        if (!s->endpoints[i].placed && s->endpoints[i].group == d->group) {
            draft_place(d, &s->endpoints[i]);
            d->changed = true;
        }
}

static void slicing_place_rest(struct slicing *s)
{
    /* Those that are written anyway come first. */
    for (size_t i = 0; i < s->draft_count; i++)
        if (s->drafts[i].group && s->drafts[i].changed)
            slicing_fill(s, &s->drafts[i]);
    for (size_t i = 0; i < s->draft_count; i++)
        if (s->drafts[i].group)
            slicing_fill(s, &s->drafts[i]);
    for (size_t i = 0; i < s->endpoint_count; i++)
        if (!s->endpoints[i].placed)
            slicing_fill(s, slicing_draft(s, NULL, s->endpoints[i].group));
    for (size_t i = 0; i < s->draft_count; i++)
        s->used += s->drafts[i].count > 0;
    /* A Service without pods has one empty slice. */
    if (!s->draft_count)
        (void)slicing_draft(s, NULL, NULL);
}

/* ---- actions ---- */

static void draft_write_endpoints(const struct draft *d, struct slice ns, struct buf *out)
{
    buf_append_str(out, ",\"endpoints\":[");
    for (size_t i = 0; i < d->count; i++) {
        if (i)
            buf_append_byte(out, ',');
        endpoint_write(out, d->endpoints[i], ns);
    }
    buf_append_byte(out, ']');
}

static void draft_create(const struct draft *d, const struct view *service, struct slice labels, struct plan *plan)
{
    struct slice ns = view_text(service, VIEW_NAMESPACE);
    char *prefix CLEANUP_FREE = mem_printf("%.*s-", SLICE_ARGS(view_text(service, VIEW_NAME)));
    struct action *action = plan_add(plan, ACTION_CREATE, &view_endpointslices, ns, SLICE_NONE);

    buf_append_str(&action->body, "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{");
    plan_member(&action->body, "generateName", slice_str(prefix));
    plan_member(&action->body, "namespace", ns);
    plan_member_raw(&action->body, "labels", labels);
    buf_append_str(&action->body, ",\"ownerReferences\":[");
    adopt_write_owner(&action->body, service);
    buf_append_str(&action->body, "]},\"addressType\":\"IPv4\"");
    draft_write_endpoints(d, ns, &action->body);
    plan_member_raw(&action->body, "ports", d->group ? slice_str(d->group->ports) : SLICE_LIT("[]"));
    buf_append_byte(&action->body, '}');
    action->failure_reason = "FailedToCreateEndpointSlice";
    action->failure_message = "Error creating the Service's endpoint slice: {error}";
}

static void draft_update(const struct draft *d, const struct view *service, struct slice labels, struct plan *plan)
{
    struct slice ns = view_text(service, VIEW_NAMESPACE);
    struct action *action = plan_add(plan, ACTION_PATCH, &view_endpointslices, ns, view_text(d->slice, VIEW_NAME));

    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(d->slice, VIEW_UID));
    plan_member(&action->body, "resourceVersion", view_text(d->slice, VIEW_REVISION));
    buf_append_str(&action->body, ",\"labels\":");
    labels_write_patch(labels, d->slice, &action->body);
    buf_append_byte(&action->body, '}');
    draft_write_endpoints(d, ns, &action->body);
    buf_append_byte(&action->body, '}');
}

/* An empty slice is kept only where there is no other. */
static void slicing_write(struct slicing *s, struct slice labels, struct plan *plan)
{
    bool kept = s->used > 0;

    for (size_t i = 0; i < s->draft_count; i++) {
        const struct draft *d = &s->drafts[i];

        if (!d->count && kept)
            (void)plan_delete(plan, d->slice);
        else if (d->changed && d->slice)
            draft_update(d, s->in->service, labels, plan);
        else if (d->changed)
            draft_create(d, s->in->service, labels, plan);
        kept = kept || !d->count;
    }
}

static bool slice_is_ours(const struct view *slice)
{
    return !view_deleting(slice) && slice_is(view_text(slice, SLICE_ADDRESS_TYPE), "IPv4") &&
           slice_is(view_unquote(view_member(view_raw(slice, VIEW_LABELS), ENDPOINTSLICE_MANAGER)), ENDPOINTSLICE_US);
}

static int slice_compare_names(const void *a, const void *b)
{
    return slice_compare(view_text(*(const struct view *const *)a, VIEW_NAME),
                         view_text(*(const struct view *const *)b, VIEW_NAME));
}

static void group_free(void *arg)
{
    struct group *group = arg;

    free(group->ports);
    free(group);
}

static void slicing_free(struct slicing *s)
{
    for (size_t i = 0; i < s->draft_count; i++)
        free(s->drafts[i].endpoints);
    free(s->drafts);
    free(s->endpoints);
    map_clear(&s->by_uid, NULL);
    map_clear(&s->groups, group_free);
}

void endpointslice_plan(const struct endpointslice_view *in, struct plan *plan)
{
    struct slicing s = {.in = in, .endpoints = mem_calloc(in->pod_count ? in->pod_count : 1, sizeof(*s.endpoints))};
    const struct view **ours CLEANUP_FREE = mem_calloc(in->slice_count ? in->slice_count : 1, sizeof(*ours));
    size_t count = 0;
    BUF_LOCAL(labels);

    plan_about(plan, in->service);
    labels_write(in->service, &labels);
    for (size_t i = 0; i < in->pod_count; i++)
        slicing_add_pod(&s, in->pods[i]);
    for (size_t i = 0; i < in->slice_count; i++)
        if (slice_is_ours(in->slices[i]))
            ours[count++] = in->slices[i];
    qsort(ours, count, sizeof(struct view *), slice_compare_names);
    for (size_t i = 0; i < count; i++)
        slicing_add_slice(&s, ours[i], buf_slice(&labels));
    slicing_place_rest(&s);
    slicing_write(&s, buf_slice(&labels), plan);
    slicing_free(&s);
}
