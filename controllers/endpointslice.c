/* SPDX-License-Identifier: Apache-2.0 */
/* EndpointSlice controller: slices of the pods behind a Service with a selector. Keys are Services. */
#include "controllers/endpointslice.h"

#define ENDPOINTSLICE_US "endpointslice-controller.k8s.io"

static void endpointslice_labels(const struct view *service, struct buf *out)
{
    const struct plan_own own[] = {
        {ENDPOINTSLICE_SERVICE, view_text(service, VIEW_NAME)},
        {ENDPOINTSLICE_MANAGER, SLICE_LIT(ENDPOINTSLICE_US)},
        {ENDPOINTSLICE_HEADLESS, service_is_headless(service) ? SLICE_LIT("") : SLICE_NONE},
    };

    plan_map(out, view_raw(service, VIEW_LABELS), own, ARRAY_SIZE(own));
}

void endpointslice_plan(const struct endpointslice_view *in, struct plan *plan)
{
    char *name CLEANUP_FREE = slice_dup(view_text(in->service, VIEW_NAME));
    struct slice_fill_options options = {
        .owner = in->service, .service = name, .manager = ENDPOINTSLICE_US, .max = ENDPOINTSLICE_MAX, .keep_one = true};
    struct slice_fill *fill = slice_fill_new(&options);
    struct endpoint e;
    BUF_LOCAL(labels);

    endpointslice_labels(in->service, &labels);
    options.labels = buf_slice(&labels);
    for (size_t i = 0; i < in->pod_count; i++)
        if (endpoint_of_pod(in->service, in->pods[i], &e))
            slice_fill_add(fill, &e, endpoint_ports_of_pod(in->service, in->pods[i]));
    slice_fill_plan(fill, in->slices, in->slice_count, plan);
    slice_fill_free(fill);
}

static void endpointslice_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct endpointslice_view in = {.service = run_get_key(run, &view_services, key)};
    struct view_array pods = {0};
    struct view_list slices;

    if (!in.service || view_deleting(in.service) || !service_selects(in.service))
        return;
    endpoint_gather_pods(run, in.service, &pods);
    slices = run_owned(run, &view_endpointslices, view_text(in.service, VIEW_UID));
    in.pods = pods.items;
    in.pod_count = pods.count;
    in.slices = slices.items;
    in.slice_count = slices.count;
    endpointslice_plan(&in, plan);
    free(pods.items);
}

const struct controller endpointslice_controller = {
    .name = "endpointslice-controller",
    .component = "endpoint-slice-controller",
    .parallel = 8,
    .watches = {{&view_services, map_own}, {&view_pods, endpoint_map_pod}, {&view_endpointslices, map_owner}},
    .reconcile = endpointslice_reconcile,
};
