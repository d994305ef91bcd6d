/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/requests.h"

#include "api/quantity.h"
#include "api/scan.h"

struct resources resources_read(struct slice list)
{
    struct resources out = {{0}};
    struct scan_cursor c = scan_open(list);
    struct slice key, value;

    while (scan_member(&c, &key, &value)) {
        char *text CLEANUP_FREE = scan_is_string(value) ? scan_text_dup(value) : slice_dup(value);
        struct quantity q;

        if (!text || quantity_parse(slice_str(text), &q, NULL) < 0)
            continue;
        if (slice_is(key, "cpu"))
            out.amount[RESOURCE_CPU] = quantity_milli(&q);
        else if (slice_is(key, "memory"))
            out.amount[RESOURCE_MEMORY] = quantity_value(&q);
        else if (slice_is(key, "ephemeral-storage"))
            out.amount[RESOURCE_STORAGE] = quantity_value(&q);
        else if (slice_is(key, "pods"))
            out.amount[RESOURCE_PODS] = quantity_value(&q);
    }
    return out;
}

static void resources_add(struct resources *to, const struct resources *more)
{
    for (int i = 0; i < RESOURCE_COUNT; i++)
        if (__builtin_add_overflow(to->amount[i], more->amount[i], &to->amount[i]))
            to->amount[i] = INT64_MAX;
}

static void resources_max(struct resources *to, const struct resources *other)
{
    for (int i = 0; i < RESOURCE_COUNT; i++)
        if (other->amount[i] > to->amount[i])
            to->amount[i] = other->amount[i];
}

static bool resize_is_infeasible(struct slice conditions)
{
    struct scan_cursor c = scan_open(conditions);
    struct slice item;

    while (scan_element(&c, &item))
        if (scan_text_is(scan_get(item, "type"), "PodResizePending"))
            return scan_text_is(scan_get(item, "reason"), "Infeasible");
    return false;
}

static struct slice status_of(struct slice statuses, struct slice container)
{
    struct scan_cursor c = scan_open(statuses);
    struct slice name = scan_get(container, "name");
    struct slice item;

    while (name.data && scan_element(&c, &item))
        if (slice_equal(scan_get(item, "name"), name))
            return item;
    return SLICE_NONE;
}

static struct resources container_requests(struct slice container, struct slice statuses, bool infeasible)
{
    struct resources asked = resources_read(scan_get(container, "resources.requests"));
    struct slice status = status_of(statuses, container);
    struct resources actual;
    struct resources allocated;

    if (!scan_get(status, "resources").data)
        return asked;
    actual = resources_read(scan_get(status, "resources.requests"));
    allocated = resources_read(scan_get(status, "allocatedResources"));
    resources_max(&actual, &allocated);
    if (!infeasible)
        resources_max(&actual, &asked);
    return actual;
}

/* What is said for the pod as a whole counts instead of the sum. */
static void take_whole(struct resources *total, struct slice whole)
{
    struct resources own = resources_read(whole);

    if (scan_get(whole, "cpu").data)
        total->amount[RESOURCE_CPU] = own.amount[RESOURCE_CPU];
    if (scan_get(whole, "memory").data)
        total->amount[RESOURCE_MEMORY] = own.amount[RESOURCE_MEMORY];
}

struct resources pod_requests(const struct pod_requests *parts)
{
    struct resources total = {{0}}, sidecars = {{0}}, init_peak = {{0}};
    struct resources overhead = resources_read(parts->overhead);
    struct scan_cursor c = scan_open(parts->containers);
    bool infeasible = resize_is_infeasible(parts->conditions);
    struct slice container;

    while (scan_element(&c, &container)) {
        struct resources r = container_requests(container, parts->statuses, infeasible);

        resources_add(&total, &r);
    }
    c = scan_open(parts->init_containers);
    while (scan_element(&c, &container)) {
        bool sidecar = scan_text_is(scan_get(container, "restartPolicy"), "Always");
        struct resources r =
            container_requests(container, sidecar ? parts->init_statuses : SLICE_NONE, infeasible && sidecar);

        if (sidecar) {
            resources_add(&sidecars, &r);
            resources_max(&init_peak, &sidecars);
        } else {
            resources_add(&r, &sidecars);
            resources_max(&init_peak, &r);
        }
    }
    resources_add(&total, &sidecars);
    resources_max(&total, &init_peak);
    take_whole(&total, parts->whole);
    resources_add(&total, &overhead);
    total.amount[RESOURCE_PODS] = 1;
    return total;
}
