/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/strategy.h"

#include "api/pod_qos.h"

#define POD_SEEN           "observedGeneration"
#define POD_CONDITIONS_MAX 100 /* looked at */

static void namespace_prepare_create(struct request *req, struct value *object)
{
    struct value *spec = value_need_object(object, "spec");
    struct value *finalizers = value_need_array(spec, "finalizers");
    struct value *metadata = value_need_object(object, "metadata");
    struct value *status = value_new_object();
    bool held = false;

    for (size_t i = 0; i < value_count(finalizers); i++)
        held = held || slice_is(value_string(value_at(finalizers, i)), "kubernetes");
    if (!held)
        value_append(finalizers, value_new_str("kubernetes"));
    value_set_str(status, "phase", "Active");
    value_set(object, "status", status);
    if (value_str(value_get(metadata, "name")))
        value_set_str(value_need_object(metadata, "labels"), "kubernetes.io/metadata.name",
                      value_str(value_get(metadata, "name")));
}

/* spec.finalizers change through the finalize subresource only. */
static int namespace_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                                    struct error *err)
{
    const struct value *finalizers = value_path(old, "spec", "finalizers", NULL);
    struct value *metadata = value_need_object(object, "metadata");

    if (!strcmp(sub, "finalize")) {
        if (value_get(old, "status"))
            value_set(object, "status", value_copy(value_get(old, "status")));
        return 0;
    }
    if (finalizers)
        value_set(value_need_object(object, "spec"), "finalizers", value_copy(finalizers));
    else
        (void)value_remove(value_need_object(object, "spec"), "finalizers");
    value_set_str(value_need_object(metadata, "labels"), "kubernetes.io/metadata.name",
                  value_str(value_path(old, "metadata", "name", NULL)));
    return 0;
}

static void pod_prepare_create(struct request *req, struct value *object)
{
    struct value *status = value_new_object();

    value_set_str(status, "phase", "Pending");
    value_set_str(status, "qosClass", pod_qos_class(object));
    value_set(object, "status", status);
}

/* The condition of that type, the `nth` of them: there may be several. */
static const struct value *pod_condition(const struct value *list, const struct value *type, size_t nth)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (value_equal(value_get(value_at(list, i), "type"), type) && nth-- == 0)
            return value_at(list, i);
    return NULL;
}

static size_t pod_conditions_before(const struct value *list, size_t index)
{
    size_t count = 0;

    for (size_t i = 0; i < index; i++)
        count += value_equal(value_get(value_at(list, i), "type"), value_get(value_at(list, index), "type"));
    return count;
}

static void pod_keep_generation(struct value *now, const struct value *before)
{
    const struct value *seen = value_get(before, POD_SEEN);

    if (now && seen && !value_int(value_get(now, POD_SEEN)))
        value_set(now, POD_SEEN, value_copy(seen));
}

/* Who does not know of generations takes none away. */
static void pod_keep_generations(struct value *status, const struct value *before)
{
    struct value *now = value_get(status, "conditions");
    const struct value *old = value_get(before, "conditions");

    pod_keep_generation(status, before);
    for (size_t i = 0; i < value_count(now) && i < POD_CONDITIONS_MAX; i++)
        pod_keep_generation(value_at(now, i),
                            pod_condition(old, value_get(value_at(now, i), "type"), pod_conditions_before(now, i)));
}

static int pod_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                              struct error *err)
{
    const struct value *before = value_get(old, "status");
    struct value *status;

    if (strcmp(sub, "status") != 0)
        return 0;
    status = value_need_object(object, "status");
    if (value_get(before, "qosClass"))
        value_set(status, "qosClass", value_copy(value_get(before, "qosClass")));
    pod_keep_generations(status, before);
    return 0;
}

static const struct strategy strategies[] = {
    {"", "namespaces", STRATEGY_SPEC_FINALIZERS, namespace_prepare_create, namespace_prepare_update, NULL},
    {"", "pods", STRATEGY_GRACEFUL, pod_prepare_create, pod_prepare_update, NULL},
    {"", "events", STRATEGY_MADE_BY_PUT, NULL, NULL, NULL},
    {"", "services", 0, service_prepare_create, service_prepare_update, service_allocate},
    {"", "nodes", STRATEGY_KEEPS_STATUS, NULL, NULL, NULL},
    {"coordination.k8s.io", "leases", STRATEGY_MADE_BY_PUT, NULL, NULL, NULL},
    {"apps", "deployments", STRATEGY_ANNOTATIONS_COUNT, NULL, NULL, NULL},
    {"apps", "daemonsets", 0, daemon_prepare_create, daemon_prepare_update, NULL},
    {"", "persistentvolumes", 0, volume_prepare_create, volume_prepare_update, NULL},
    {"", "persistentvolumeclaims", 0, claim_prepare_create, NULL, NULL},
    {"", "replicationcontrollers", STRATEGY_ORPHANS, NULL, NULL, NULL},
    {"batch", "jobs", STRATEGY_ORPHANS, job_prepare_create, NULL, NULL},
    {"certificates.k8s.io", "certificatesigningrequests", 0, csr_prepare_create, csr_prepare_update, csr_allocate},
    {.group = "apiextensions.k8s.io",
     .plural = "customresourcedefinitions",
     .flags = STRATEGY_ONLY_MARKED,
     .prepare_create = custom_prepare_create,
     .prepare_update = custom_prepare_update,
     .allocate = custom_allocate,
     .prepare_delete = custom_prepare_delete},
};

static const struct strategy strategy_none = {.group = "", .plural = ""};

const struct strategy *strategy_of(const struct schema_kind *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(strategies); i++)
        if (!strcmp(strategies[i].group, kind->group) && !strcmp(strategies[i].plural, kind->plural))
            return &strategies[i];
    return &strategy_none;
}
