/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EndpointSlice controller. Keys are Services. A pod concerns the Services of its namespace whose selector it matches
 * now or matched before; changes of a pod that no slice shows are not looked at.
 */
#include "controllers/endpointslice.h"

#include "controllers/replicaset.h"

struct endpointslice_match {
    struct run *run;
    const struct view *before;
    const struct view *now;
};

static bool endpointslice_selects(const struct view *service, const struct view *pod)
{
    return pod && slice_equal(view_text(service, VIEW_NAMESPACE), view_text(pod, VIEW_NAMESPACE)) &&
           view_has_members(view_raw(pod, VIEW_LABELS), view_raw(service, SERVICE_SELECTOR));
}

static void endpointslice_match(void *arg, const struct view *service)
{
    const struct endpointslice_match *match = arg;

    if (endpointslice_wants(service) &&
        (endpointslice_selects(service, match->before) || endpointslice_selects(service, match->now)))
        map_own(match->run, NULL, service);
}

/* Whether slices would show both alike. */
static bool endpointslice_pod_same(const struct view *a, const struct view *b)
{
    static const unsigned fields[] = {VIEW_UID,  VIEW_LABELS, POD_IP,       POD_NODE,
                                      POD_PHASE, POD_PORTS,   POD_HOSTNAME, POD_SUBDOMAIN};

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (!slice_equal(view_raw(a, fields[i]), view_raw(b, fields[i])))
            return false;
    return pod_is_ready(a) == pod_is_ready(b) && view_deleting(a) == view_deleting(b);
}

static void endpointslice_map_pod(struct run *run, const struct view *before, const struct view *now)
{
    struct endpointslice_match match = {run, before, now};

    if (!before || !now || !endpointslice_pod_same(before, now))
        run_each(run, &view_services, endpointslice_match, &match);
}

struct endpointslice_gather {
    const struct view *service;
    struct view_array pods;
};

static void endpointslice_gather(void *arg, const struct view *pod)
{
    struct endpointslice_gather *gather = arg;

    if (endpointslice_selects(gather->service, pod))
        view_array_add(&gather->pods, (struct view_list){&pod, 1});
}

static void endpointslice_reconcile(struct run *run, struct slice key, struct plan *plan)
{
    struct endpointslice_gather gather = {.service = run_get_key(run, &view_services, key)};
    struct endpointslice_view in = {.service = gather.service};
    struct view_list slices;

    if (!in.service || view_deleting(in.service) || !endpointslice_wants(in.service))
        return;
    run_each(run, &view_pods, endpointslice_gather, &gather);
    slices = run_owned(run, &view_endpointslices, view_text(in.service, VIEW_UID));
    in.pods = gather.pods.items;
    in.pod_count = gather.pods.count;
    in.slices = slices.items;
    in.slice_count = slices.count;
    endpointslice_plan(&in, plan);
    free(gather.pods.items);
}

const struct controller endpointslice_controller = {
    .name = "endpointslice-controller",
    .component = "endpoint-slice-controller",
    .parallel = 8,
    .watches = {{&view_services, map_own}, {&view_pods, endpointslice_map_pod}, {&view_endpointslices, map_owner}},
    .reconcile = endpointslice_reconcile,
};
