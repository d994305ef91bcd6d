/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Endpoints controller. Keys are Services. An object of ours goes with its Service; so does one that somebody made for
 * a Service without a selector, as upstream has it. One that never had a Service is left alone.
 */
#include "controllers/endpoints.h"

#include "controllers/endpointslice.h"
#include "controllers/endpoints_pack.h"
#include "lib/map.h"

#define ENDPOINTS_FULL "endpoints.kubernetes.io/over-capacity"

/* ---- when ---- */

static void address_key(struct buf *out, const struct endpoint *e)
{
    buf_reset(out);
    buf_append_slice(out, e->ip);
    buf_append_slice(out, endpoint_target_uid(e));
    buf_append_byte(out, e->ready ? '+' : '-');
}

/* Which addresses the stored object has, and how. */
static void endpoints_read(const struct view *endpoints, struct map *ret_known)
{
    static const char *const lists[2] = {"notReadyAddresses", "addresses"};
    struct scan_cursor at = scan_open(view_raw(endpoints, ENDPOINTS_SUBSETS));
    struct slice subset;
    struct slice address;
    BUF_LOCAL(key);

    while (scan_element(&at, &subset))
        for (size_t i = 0; i < 2; i++) {
            struct scan_cursor inner = scan_open(scan_get(subset, lists[i]));

            while (scan_element(&inner, &address)) {
                const struct endpoint e = endpoint_of_address(address, i);

                address_key(&key, &e);
                (void)map_put(ret_known, buf_slice(&key), ret_known);
            }
        }
}

/* What made the object change: the first of the times at which pods that it does not show so became ready or ceased to
 * be; of a new object its Service. len 0 = a change without a time, as that of a label. Times of objects are all
 * written alike, so that their texts have their order. */
static struct slice endpoints_triggered(const struct endpoints_view *in)
{
    struct map known = {0};
    struct slice first = SLICE_NONE;
    struct endpoint e;
    BUF_LOCAL(key);

    if (!in->endpoints)
        return view_text(in->service, VIEW_CREATED);
    endpoints_read(in->endpoints, &known);
    for (size_t i = 0; i < in->pod_count; i++) {
        struct slice time = view_unquote(scan_get(view_raw(in->pods[i], POD_READY), "lastTransitionTime"));

        if (!time.len || !endpoint_of_pod(in->service, in->pods[i], &e))
            continue;
        address_key(&key, &e);
        if (!map_get(&known, buf_slice(&key)) && (!first.len || slice_compare(time, first) < 0))
            first = time;
    }
    map_clear(&known, NULL);
    return first;
}

/* ---- plan ---- */

/* What is to be written, as JSON. */
struct wanted {
    struct buf subsets;
    struct buf labels;
    bool bounded;
};

static void wanted_free(struct wanted *w)
{
    buf_free(&w->subsets);
    buf_free(&w->labels);
}

static void endpoints_labels(const struct view *service, struct buf *out)
{
    const struct plan_own own[] = {
        {ENDPOINTS_MANAGER, SLICE_LIT(ENDPOINTS_US)},
        {ENDPOINTSLICE_HEADLESS, service_is_headless(service) ? SLICE_LIT("") : SLICE_NONE},
    };

    plan_map(out, view_raw(service, VIEW_LABELS), own, ARRAY_SIZE(own));
}

static void endpoints_want(const struct endpoints_view *in, struct wanted *ret_wanted)
{
    struct endpoint_ports *list CLEANUP_FREE = mem_calloc(in->pod_count ? in->pod_count : 1, sizeof(*list));
    bool bare = service_is_headless(in->service) && !scan_count(view_raw(in->service, SERVICE_PORTS));
    size_t count = 0;

    for (size_t i = 0; i < in->pod_count; i++) {
        struct endpoint_ports *item = &list[count];

        if (!endpoint_of_pod(in->service, in->pods[i], &item->e) || (item->e.terminating && !item->e.ready))
            continue;
        item->ports = endpoint_ports_of_pod(in->service, in->pods[i]);
        item->bare = bare;
        count++;
    }
    ret_wanted->bounded = endpoints_pack(list, count, ENDPOINTS_MAX, &ret_wanted->subsets);
    for (size_t i = 0; i < count; i++)
        free(list[i].ports);
    endpoints_labels(in->service, &ret_wanted->labels);
}

static bool endpoints_are(const struct view *endpoints, const struct wanted *w)
{
    struct slice full = view_member(view_raw(endpoints, ENDPOINTS_ANNOTATIONS), ENDPOINTS_FULL);
    BUF_LOCAL(stored);

    if (w->bounded ? !scan_text_is(full, "truncated") : full.data != NULL)
        return false;
    endpoints_repeat(view_raw(endpoints, ENDPOINTS_SUBSETS), &stored);
    return slice_equal(buf_slice(&stored), buf_slice(&w->subsets)) &&
           view_same_members(view_raw(endpoints, VIEW_LABELS), buf_slice(&w->labels));
}

/* A patch takes away what is not to be there. */
static void endpoints_write_annotations(const struct endpoints_view *in, const struct wanted *w, struct buf *out)
{
    struct slice triggered = endpoints_triggered(in);

    buf_append_str(out, ",\"annotations\":{");
    if (triggered.len)
        plan_member(out, ENDPOINTS_TRIGGERED, triggered);
    else if (in->endpoints)
        plan_member_raw(out, ENDPOINTS_TRIGGERED, SLICE_LIT("null"));
    if (w->bounded)
        plan_member(out, ENDPOINTS_FULL, SLICE_LIT("truncated"));
    else if (in->endpoints)
        plan_member_raw(out, ENDPOINTS_FULL, SLICE_LIT("null"));
    buf_append_byte(out, '}');
}

static void endpoints_create(const struct endpoints_view *in, const struct wanted *w, struct plan *plan)
{
    struct slice ns = view_text(in->service, VIEW_NAMESPACE);
    struct slice name = view_text(in->service, VIEW_NAME);
    struct action *action = plan_add(plan, ACTION_CREATE, &view_endpoints, ns, name);

    buf_append_str(&action->body, "{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{");
    plan_member(&action->body, "name", name);
    plan_member(&action->body, "namespace", ns);
    plan_member_raw(&action->body, "labels", buf_slice(&w->labels));
    endpoints_write_annotations(in, w, &action->body);
    buf_append_byte(&action->body, '}');
    plan_member_raw(&action->body, "subsets", buf_slice(&w->subsets));
    buf_append_byte(&action->body, '}');
    action->failure_reason = "FailedToCreateEndpoint";
    action->failure_message = "Failed to create endpoint for service: {error}";
}

static void endpoints_update(const struct endpoints_view *in, const struct wanted *w, struct plan *plan)
{
    struct action *action = plan_add(plan, ACTION_PATCH, &view_endpoints, view_text(in->service, VIEW_NAMESPACE),
                                     view_text(in->service, VIEW_NAME));

    buf_append_str(&action->body, "{\"metadata\":{");
    plan_member(&action->body, "uid", view_text(in->endpoints, VIEW_UID));
    plan_member(&action->body, "resourceVersion", view_text(in->endpoints, VIEW_REVISION));
    buf_append_str(&action->body, ",\"labels\":");
    plan_map_patch(&action->body, buf_slice(&w->labels), view_raw(in->endpoints, VIEW_LABELS));
    endpoints_write_annotations(in, w, &action->body);
    buf_append_byte(&action->body, '}');
    plan_member_raw(&action->body, "subsets", buf_slice(&w->subsets));
    buf_append_byte(&action->body, '}');
}

void endpoints_plan(const struct endpoints_view *in, struct plan *plan)
{
    struct wanted w CLEANUP(wanted_free) = {.bounded = false};

    if (in->endpoints && view_deleting(in->endpoints))
        return;
    if (!in->service) {
        if (in->endpoints && !view_member(view_raw(in->endpoints, ENDPOINTS_ANNOTATIONS), ENDPOINTS_ELECTION).data)
            (void)plan_delete(plan, in->endpoints);
        return;
    }
    if (view_deleting(in->service) || !service_selects(in->service))
        return;
    plan_about(plan, in->service);
    endpoints_want(in, &w);
    if (!in->endpoints)
        endpoints_create(in, &w, plan);
    else if (!endpoints_are(in->endpoints, &w))
        endpoints_update(in, &w, plan);
}

/* ---- runner ---- */

static bool endpoints_are_ours(const struct view *endpoints)
{
    return scan_text_is(view_member(view_raw(endpoints, VIEW_LABELS), ENDPOINTS_MANAGER), ENDPOINTS_US);
}

/* Ours are brought back; what is left of a Service that went while nobody looked goes. */
static void endpoints_map(struct run *run, const struct view *before, const struct view *now)
{
    if (!now || endpoints_are_ours(now) || (before && endpoints_are_ours(before)))
        map_own(run, before, now);
}

static void endpoints_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct endpoints_view in = {.service = run_get_key(run, &view_services, key),
                                .endpoints = run_get_key(run, &view_endpoints, key)};
    struct view_array pods = {0};

    if (in.service && service_selects(in.service))
        endpoint_gather_pods(run, in.service, &pods);
    in.pods = pods.items;
    in.pod_count = pods.count;
    endpoints_plan(&in, plan);
    free(pods.items);
}

const struct controller endpoints_controller = {
    .name = "endpoint-controller",
    .parallel = 8,
    .watches = {{&view_services, map_own}, {&view_pods, endpoint_map_pod}, {&view_endpoints, endpoints_map}},
    .reconcile = endpoints_reconcile,
};
