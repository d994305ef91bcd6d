/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a write of pods/resize may change: cpu and memory of containers and of sidecars, as upstream's ValidatePodResize
 * has it. The write has everything else from the stored pod already (struct schema_subresource, `writes`); what is left
 * to judge is the resources, their policies, and which containers there are.
 */
#include "api/pod_qos.h"
#include "api/validate_internal.h"

#define POLICIES_MAX 100 /* judged: of two that are possible */

static const char *const resource_lists[] = {"requests", "limits"};

void check_resize_policy(struct validator *v, const struct vpath *at, const struct value *container,
                         struct slice restart)
{
    static const char *const resources[] = {"cpu", "memory", NULL};
    static const char *const policies[] = {"NotRequired", "RestartContainer", NULL};
    const struct vpath *here = VFIELD(at, "resizePolicy");
    const struct value *list = value_get(container, "resizePolicy");

    for (size_t i = 0; i < value_count(list) && i < POLICIES_MAX; i++) {
        const struct value *name = value_get(value_at(list, i), "resourceName");
        const struct value *policy = value_get(value_at(list, i), "restartPolicy");

        for (size_t k = 0; k < i; k++)
            if (value_equal(value_get(value_at(list, k), "resourceName"), name)) {
                report_duplicate(v, VINDEX(here, i), name);
                break;
            }
        if (value_string(name).len)
            (void)check_one_of(v, here, value_string(name), resources);
        if (value_string(policy).len)
            (void)check_one_of(v, here, value_string(policy), policies);
        if (slice_is(restart, "Never") && value_string(policy).len && !slice_is(value_string(policy), "NotRequired"))
            report_invalid(v, here, policy, "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
}

/* ---- the subresource ---- */

static bool says_whole(const struct value *pod)
{
    const struct value *whole = value_path(pod, "spec", "resources", NULL);

    return value_count(value_get(whole, "requests")) || value_count(value_get(whole, "limits"));
}

/* Why no container of the pod can be resized; NULL = none of these. */
static const char *resize_never(const struct validator *v)
{
    if (says_whole(v->old) || says_whole(v->object))
        return "pods with pod-level resources cannot be resized";
    if (value_path(v->old, "metadata", "annotations", "kubernetes.io/config.mirror", NULL))
        return "static pods cannot be resized";
    if (slice_is(value_string(value_path(v->old, "spec", "os", "name", NULL)), "windows"))
        return "windows pods cannot be resized";
    return NULL;
}

/* A node that does this says of each running container what it has. */
static bool node_resizes(const struct value *pod)
{
    const struct value *list = value_path(pod, "status", "containerStatuses", NULL);

    for (size_t i = 0; i < value_count(list); i++)
        if (value_path(value_at(list, i), "state", "running", NULL))
            return value_get(value_at(list, i), "resources") != NULL;
    return true;
}

static void check_qos(struct validator *v, const struct vpath *spec)
{
    struct slice before = value_string(value_path(v->old, "status", "qosClass", NULL));

    if (!before.len)
        before = slice_str(pod_qos_class(v->old));
    if (!slice_is(before, pod_qos_class(v->object)))
        report_invalid_text(v, spec, before, "Pod QOS Class may not change as a result of resizing");
}

/* The same containers in the same order; what follows takes that for granted. */
static bool check_order(struct validator *v, const struct vpath *spec, const char *list)
{
    const struct value *now = value_path(v->object, "spec", list, NULL);
    const struct value *before = value_path(v->old, "spec", list, NULL);
    char *moved CLEANUP_FREE = mem_printf("%s may not be renamed or reordered on resize", list);
    char *other CLEANUP_FREE = mem_printf("%s may not be added or removed on resize", list);
    bool same = true;

    if (value_count(now) != value_count(before)) {
        report_forbidden(v, VFIELD(spec, list), other);
        return false;
    }
    for (size_t i = 0; i < value_count(now); i++) {
        if (value_equal(value_get(value_at(now, i), "name"), value_get(value_at(before, i), "name")))
            continue;
        report_forbidden(v, VFIELD(VINDEX(VFIELD(spec, list), i), "name"), moved);
        same = false;
    }
    return same;
}

static bool is_removed(const struct value *now, const struct value *before)
{
    struct value_iter it = value_iter_start(before);
    struct slice name;
    struct value *amount;

    while (value_iter_next(&it, &name, &amount))
        if (!value_get_slice(now, name))
            return true;
    return false;
}

static void check_removed(struct validator *v, const struct vpath *at, const struct value *now,
                          const struct value *before)
{
    static const char *const words[] = {"resource requests cannot be removed", "resource limits cannot be removed"};

    for (size_t i = 0; i < ARRAY_SIZE(resource_lists); i++)
        if (is_removed(value_path(now, "resources", resource_lists[i], NULL),
                       value_path(before, "resources", resource_lists[i], NULL)))
            report_forbidden(v, VFIELD(VFIELD(at, "resources"), resource_lists[i]), words[i]);
}

/* A container without what a resize may change. */
static struct value *without_amounts(const struct value *container)
{
    struct value *copy = value_copy(container);
    struct value *resources = value_get(copy, "resources");

    for (size_t i = 0; i < ARRAY_SIZE(resource_lists); i++) {
        struct value *list = value_get(resources, resource_lists[i]);

        (void)value_remove(list, "cpu");
        (void)value_remove(list, "memory");
        if (list && !value_count(list))
            (void)value_remove(resources, resource_lists[i]);
    }
    if (resources && !value_count(resources))
        (void)value_remove(copy, "resources");
    return copy;
}

static bool only_amounts_differ(const struct value *now, const struct value *before)
{
    struct value *a CLEANUP_VALUE = without_amounts(now);
    struct value *b CLEANUP_VALUE = without_amounts(before);

    return value_equal(a, b);
}

static bool is_sidecar(const struct value *container)
{
    return slice_is(value_string(value_get(container, "restartPolicy")), "Always");
}

static void check_init_containers(struct validator *v, const struct vpath *spec)
{
    const struct value *now = value_path(v->object, "spec", "initContainers", NULL);
    const struct value *before = value_path(v->old, "spec", "initContainers", NULL);

    for (size_t i = 0; i < value_count(before); i++) {
        const struct value *a = value_at(now, i);
        const struct value *b = value_at(before, i);

        if (!is_sidecar(b)) {
            if (!value_equal(a, b))
                report_forbidden(v, spec, "resources for non-sidecar init containers are immutable");
            continue;
        }
        check_removed(v, VINDEX(VFIELD(spec, "initContainers"), i), a, b);
        if (!only_amounts_differ(a, b))
            report_forbidden(v, spec, "only cpu and memory resources for sidecar containers are mutable");
    }
}

static void check_own_containers(struct validator *v, const struct vpath *spec)
{
    const struct value *now = value_path(v->object, "spec", "containers", NULL);
    const struct value *before = value_path(v->old, "spec", "containers", NULL);

    for (size_t i = 0; i < value_count(before); i++) {
        check_removed(v, VINDEX(VFIELD(spec, "containers"), i), value_at(now, i), value_at(before, i));
        if (!only_amounts_differ(value_at(now, i), value_at(before, i)))
            report_forbidden(v, spec, "only cpu and memory resources are mutable");
    }
}

void check_pod_resize(struct validator *v)
{
    const struct vpath *spec = VFIELD(NULL, "spec");
    const char *never = resize_never(v);
    bool same;

    if (never) {
        report_forbidden(v, VFIELD(NULL, ""), never);
        return;
    }
    check_qos(v, spec);
    if (!node_resizes(v->old))
        report_forbidden(v, spec, "Pod running on node without support for resize");
    same = check_order(v, spec, "containers");
    if (!check_order(v, spec, "initContainers") || !same)
        return;
    check_init_containers(v, spec);
    check_own_containers(v, spec);
}
