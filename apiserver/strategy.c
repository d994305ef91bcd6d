/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/strategy.h"

#include "api/pod_qos.h"

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

static int pod_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                              struct error *err)
{
    const struct value *qos = value_path(old, "status", "qosClass", NULL);

    if (!strcmp(sub, "status") && qos)
        value_set(value_need_object(object, "status"), "qosClass", value_copy(qos));
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
