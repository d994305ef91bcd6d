/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlice mirroring controller: what users say in Endpoints of a Service without a selector is told in slices,
 * too, because nodes read nothing else. Keys are Endpoints. Slices of an object that is gone are the garbage
 * collector's.
 */
#include "controllers/endpoints.h"
#include "controllers/endpointslice.h"

#define MIRRORING_US           "endpointslicemirroring-controller.k8s.io"
#define MIRRORING_SKIP         "endpointslice.kubernetes.io/skip-mirror"
#define MIRRORING_LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* Whether there is something to mirror: the object is no lock, does not ask to be left out, and the Service's endpoints
 * are nobody else's. */
static bool mirroring_wants(const struct view *endpoints, const struct view *service)
{
    return !scan_text_is(view_member(view_raw(endpoints, VIEW_LABELS), MIRRORING_SKIP), "true") &&
           !view_member(view_raw(endpoints, ENDPOINTS_ANNOTATIONS), ENDPOINTS_ELECTION).data && service &&
           !scan_count(view_raw(service, SERVICE_SELECTOR));
}

static void mirroring_add(struct slice_fill *fill, struct slice addresses, bool ready, const char *ports)
{
    struct scan_cursor at = scan_open(addresses);
    struct slice address;

    while (scan_element(&at, &address)) {
        const struct endpoint e = endpoint_of_address(address, ready);

        if (e.ip.len)
            slice_fill_add(fill, &e, mem_strdup(ports));
    }
}

static void mirroring_add_all(struct slice_fill *fill, const struct view *endpoints)
{
    struct scan_cursor at = scan_open(view_raw(endpoints, ENDPOINTS_SUBSETS));
    struct slice subset;

    while (scan_element(&at, &subset)) {
        char *ports CLEANUP_FREE = endpoint_ports(scan_get(subset, "ports"));

        mirroring_add(fill, scan_get(subset, "addresses"), true, ports);
        mirroring_add(fill, scan_get(subset, "notReadyAddresses"), false, ports);
    }
}

void mirroring_plan(const struct mirroring_view *in, struct plan *plan)
{
    char *name CLEANUP_FREE = slice_dup(view_text(in->endpoints, VIEW_NAME));
    const struct plan_own labels_own[] = {{ENDPOINTSLICE_SERVICE, slice_str(name)},
                                          {ENDPOINTSLICE_MANAGER, SLICE_LIT(MIRRORING_US)}};
    static const struct plan_own annotations_own[] = {{ENDPOINTS_TRIGGERED, {NULL, 0}},
                                                      {MIRRORING_LAST_APPLIED, {NULL, 0}}};
    struct slice_fill_options options = {
        .owner = in->endpoints, .service = name, .manager = MIRRORING_US, .max = MIRRORING_MAX};
    struct slice_fill *fill = slice_fill_new(&options);
    BUF_LOCAL(labels);
    BUF_LOCAL(annotations);

    plan_map(&labels, view_raw(in->endpoints, VIEW_LABELS), labels_own, ARRAY_SIZE(labels_own));
    plan_map(&annotations, view_raw(in->endpoints, ENDPOINTS_ANNOTATIONS), annotations_own,
             ARRAY_SIZE(annotations_own));
    options.labels = buf_slice(&labels);
    options.annotations = buf_slice(&annotations);
    if (mirroring_wants(in->endpoints, in->service))
        mirroring_add_all(fill, in->endpoints);
    slice_fill_plan(fill, in->slices, in->slice_count, plan);
    slice_fill_free(fill);
}

/* Only whether there is a selector matters. */
static void mirroring_map_service(struct run *run, const struct view *before, const struct view *now)
{
    if (!before || !now ||
        !scan_count(view_raw(before, SERVICE_SELECTOR)) != !scan_count(view_raw(now, SERVICE_SELECTOR)))
        map_own(run, before, now);
}

static void mirroring_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct mirroring_view in = {.endpoints = run_get_key(run, &view_endpoints, key),
                                .service = run_get_key(run, &view_services, key)};
    struct view_list slices;

    if (!in.endpoints || view_deleting(in.endpoints))
        return;
    slices = run_owned(run, &view_endpointslices, view_text(in.endpoints, VIEW_UID));
    if (!slices.count && !mirroring_wants(in.endpoints, in.service))
        return;
    in.slices = slices.items;
    in.slice_count = slices.count;
    mirroring_plan(&in, plan);
}

const struct controller endpointslice_mirroring_controller = {
    .name = "endpointslicemirroring-controller",
    .component = "endpoint-slice-mirroring-controller",
    .parallel = 8,
    .watches = {{&view_endpoints, map_own}, {&view_services, mirroring_map_service}, {&view_endpointslices, map_owner}},
    .reconcile = mirroring_reconcile,
};
