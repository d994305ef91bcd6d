/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Admission by classes: the priority and the runtime of a pod, what provides a claim or serves an Ingress. Classes are
 * few, so the default one is looked for in all of them, at every write that names none.
 */
#include "api/quantity.h"
#include "api/scan.h"
#include "apiserver/admission_internal.h"
#include "apiserver/folder_cache.h"
#include "apiserver/registry.h"

/* ---- default classes ---- */

/* The newest class that passes; the first by name among equals, as upstream chooses. */
struct default_class;
struct class_search {
    struct pool *pool;
    bool (*passes)(const struct class_search *s, struct slice class);
    const struct default_class *row; /* for passes; NULL = it needs none */
    const char *name;                /* NULL = none */
    struct slice created;
    struct buf value;
};

static int class_visit(void *arg, const struct store_item *item)
{
    struct class_search *s = arg;
    struct registry_place place;
    struct slice created;

    if (!s->passes(s, item->value) || !registry_parse(item->key, false, &place))
        return 0;
    created = scan_get(item->value, "metadata.creationTimestamp");
    if (s->name && slice_compare(created, s->created) <= 0)
        return 0;
    s->name = pool_slice_dup(s->pool, place.name);
    s->created = slice_str(pool_slice_dup(s->pool, created));
    buf_reset(&s->value);
    buf_append_slice(&s->value, item->value);
    return 0;
}

static int class_find_default(const struct admission *a, const struct schema_kind *kind, struct class_search *s,
                              struct error *err)
{
    struct slice folder = registry_prefix(a->req->pool, kind, "");

    s->pool = a->req->pool;
    return folder_cache_list(a->req->front->folders, folder, class_visit, s, err) < 0 ? -(int)err->code : 0;
}

/* ---- priority ---- */

static bool priority_is_default(const struct class_search *s, struct slice class)
{
    return scan_bool(scan_get(class, "globalDefault"), false);
}

/* What a class says of its pods. */
struct priority {
    int64_t value;
    const char *policy;
};

static void priority_read(const struct admission *a, struct slice class, struct priority *ret)
{
    struct value *policy CLEANUP_VALUE = value_parse(scan_get(class, "preemptionPolicy"), NULL);

    ret->value = scan_int(scan_get(class, "value"), 0);
    if (value_str(policy))
        ret->policy = pool_strdup(a->req->pool, value_str(policy));
}

/* Of the class that the pod names, or else of the default one. */
static int priority_resolve(const struct admission *a, struct value *spec, struct priority *ret, struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("scheduling.k8s.io", "priorityclasses");
    const char *name = value_str(value_get(spec, "priorityClassName"));
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct class_search s = {.passes = priority_is_default};

    *ret = (struct priority){0, "PreemptLowerPriority"};
    if (name && *name) {
        if (registry_get(a->req->server->store, kind, "", name, &item, NULL) < 0)
            return admission_forbid(a, err, "no PriorityClass with name %s was found", name);
        priority_read(a, buf_slice(&item.value), ret);
        return 0;
    }
    if (class_find_default(a, kind, &s, err) < 0)
        return -(int)err->code;
    if (s.name) {
        priority_read(a, buf_slice(&s.value), ret);
        value_set_str(spec, "priorityClassName", s.name);
    }
    buf_free(&s.value);
    return 0;
}

int admit_pod_priority(const struct admission *a, struct error *err)
{
    struct value *spec = value_need_object(a->object, "spec");
    const char *policy = value_str(value_get(spec, "preemptionPolicy"));
    struct priority priority;

    if (priority_resolve(a, spec, &priority, err) < 0)
        return -(int)err->code;
    if (value_get(spec, "priority") && value_int(value_get(spec, "priority")) != priority.value)
        return admission_forbid(a, err,
                                "the integer value of priority (%lld) must not be provided in pod spec; priority "
                                "admission controller computed %lld from the given PriorityClass name",
                                (long long)value_int(value_get(spec, "priority")), (long long)priority.value);
    if (policy && *policy && strcmp(policy, priority.policy) != 0)
        return admission_forbid(a, err,
                                "the string value of PreemptionPolicy (%s) must not be provided in pod spec; priority "
                                "admission controller computed %s from the given PriorityClass name",
                                policy, priority.policy);
    value_set(spec, "priority", value_new_int(priority.value));
    value_set_str(spec, "preemptionPolicy", priority.policy);
    return 0;
}

int admit_priority_class(const struct admission *a, struct error *err)
{
    struct class_search s = {.passes = priority_is_default};
    int r = 0;

    if (a->operation == ADMISSION_DELETE)
        return strncmp(a->name, "system-", 7) ? 0
                                              : admission_forbid(a, err,
                                                                 "this is a system priority class and cannot "
                                                                 "be deleted");
    if (!value_bool(value_get(a->object, "globalDefault")))
        return 0;
    if (class_find_default(a, a->req->kind, &s, err) < 0)
        return -(int)err->code;
    if (s.name && strcmp(s.name, a->name) != 0)
        r = admission_forbid(a, err, "PriorityClass %s is already marked as default. Only one default can exist",
                             s.name);
    buf_free(&s.value);
    return r;
}

/* ---- runtime ---- */

/* What a node has under these names is the one that runs everything; another name asks for an isolation that nobody
 * provides, and running such a pod without it would be worse than refusing it. */
static bool runtime_is_there(struct slice handler)
{
    return scan_text_is(handler, "runc") || scan_text_is(handler, "crun");
}

static int runtime_merge_nodes(const struct admission *a, struct value *spec, const struct value *scheduling,
                               struct error *err)
{
    struct value_iter it = value_iter_start(value_get(scheduling, "nodeSelector"));
    const struct value *tolerations = value_get(scheduling, "tolerations");
    struct slice name;
    struct value *wanted;

    while (value_iter_next(&it, &name, &wanted)) {
        struct value *selector = value_need_object(spec, "nodeSelector");
        const struct value *there = value_get_slice(selector, name);

        if (there && !value_equal(there, wanted))
            return admission_forbid(a, err,
                                    "pod rejected: conflict: runtimeClass.scheduling.nodeSelector[%.*s] = %.*s; "
                                    "pod.spec.nodeSelector[%.*s] = %.*s",
                                    SLICE_ARGS(name), SLICE_ARGS(value_string(wanted)), SLICE_ARGS(name),
                                    SLICE_ARGS(value_string(there)));
        value_set_slice(selector, name, value_copy(wanted));
    }
    for (size_t i = 0; i < value_count(tolerations); i++) {
        struct value *list = value_need_array(spec, "tolerations");
        bool there = false;

        for (size_t k = 0; k < value_count(list); k++)
            there = there || value_equal(value_at(list, k), value_at(tolerations, i));
        if (!there)
            value_append(list, value_copy(value_at(tolerations, i)));
    }
    return 0;
}

int admit_pod_runtime(const struct admission *a, struct error *err)
{
    struct value *spec = value_need_object(a->object, "spec");
    const char *name = value_str(value_get(spec, "runtimeClassName"));
    const struct value *overhead = value_get(spec, "overhead");
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct value *class CLEANUP_VALUE = NULL;
    const struct value *fixed;

    if (!name || !*name)
        return value_count(overhead) ? admission_forbid(a, err,
                                                        "pod rejected: Pod Overhead set without corresponding "
                                                        "RuntimeClass defined Overhead")
                                     : 0;
    if (registry_get(a->req->server->store, registry_need_kind("node.k8s.io", "runtimeclasses"), "", name, &item,
                     NULL) < 0)
        return admission_forbid(a, err, "pod rejected: RuntimeClass \"%s\" not found", name);
    if (!(class = value_parse(buf_slice(&item.value), err)))
        return -(int)err->code;
    fixed = value_path(class, "overhead", "podFixed", NULL);
    if (value_count(overhead) && !value_equal(overhead, fixed))
        return admission_forbid(a, err, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
    if (!runtime_is_there(scan_get(buf_slice(&item.value), "handler")))
        return admission_forbid(a, err,
                                "pod rejected: the nodes of this cluster have no container runtime \"%s\" (handler of "
                                "RuntimeClass \"%s\")",
                                value_str(value_get(class, "handler")), name);
    if (value_count(fixed))
        value_set(spec, "overhead", value_copy(fixed));
    return runtime_merge_nodes(a, spec, value_get(class, "scheduling"), err);
}

/* ---- what names no class ---- */

static const struct default_class {
    const char *plural; /* of what names a class */
    const char *field;  /* of its spec */
    const char *legacy; /* an annotation that names one too */
    const char *class_group;
    const char *class_plural;
    const char *marks[2]; /* annotations of a class, one of which is "true" when it is the default */
} default_classes[] = {
    {"persistentvolumeclaims",
     "storageClassName",
     "volume.beta.kubernetes.io/storage-class",
     "storage.k8s.io",
     "storageclasses",
     {"storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"}},
    {"ingresses",
     "ingressClassName",
     "kubernetes.io/ingress.class",
     "networking.k8s.io",
     "ingressclasses",
     {"ingressclass.kubernetes.io/is-default-class"}},
};

static bool class_is_marked(const struct class_search *s, struct slice class)
{
    const struct default_class *row = s->row;
    struct scan_cursor at = scan_open(scan_get(class, "metadata.annotations"));
    struct slice name;
    struct slice value;

    while (scan_member(&at, &name, &value))
        for (size_t i = 0; i < ARRAY_SIZE(row->marks); i++)
            if (row->marks[i] && slice_is(name, row->marks[i]) && scan_text_is(value, "true"))
                return true;
    return false;
}

int admit_default_class(const struct admission *a, struct error *err)
{
    struct value *spec = value_need_object(a->object, "spec");
    const struct default_class *row = default_classes;
    struct class_search s = {.passes = class_is_marked};
    const struct schema_kind *kind;

    while (strcmp(row->plural, a->req->kind->plural) != 0)
        row++;
    s.row = row;
    kind = schema_find_resource(slice_str(row->class_group), SLICE_LIT("v1"), slice_str(row->class_plural));
    if (!kind || value_get(spec, row->field) || value_path(a->object, "metadata", "annotations", row->legacy, NULL))
        return 0;
    if (class_find_default(a, kind, &s, err) < 0)
        return -(int)err->code;
    if (s.name)
        value_set_str(spec, row->field, s.name);
    buf_free(&s.value);
    return 0;
}

/* ---- claims that grow ---- */

/* Upstream's words speak of provisioning, because only such claims have a class. */
static bool claim_may_grow(const struct admission *a)
{
    const struct schema_kind *kind =
        schema_find_resource(SLICE_LIT("storage.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("storageclasses"));
    const char *class = value_str(value_path(a->object, "spec", "storageClassName", NULL));
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

    return kind && class && *class && registry_get(a->req->server->store, kind, "", class, &item, NULL) == 0 &&
           scan_bool(scan_get(buf_slice(&item.value), "allowVolumeExpansion"), false);
}

static bool claim_size(const struct value *claim, struct quantity *ret_size)
{
    return quantity_parse(value_string(value_path(claim, "spec", "resources", "requests", "storage", NULL)), ret_size,
                          NULL) == 0;
}

int admit_claim_size(const struct admission *a, struct error *err)
{
    struct quantity now;
    struct quantity before;

    if (!claim_size(a->object, &now) || !claim_size(a->old, &before) || quantity_compare(&now, &before) <= 0)
        return 0;
    if (!slice_is(value_string(value_path(a->old, "status", "phase", NULL)), "Bound"))
        return admission_forbid(a, err, "Only bound persistent volume claims can be expanded");
    if (!claim_may_grow(a))
        return admission_forbid(a, err,
                                "only dynamically provisioned pvc can be resized and the storageclass that provisions "
                                "the pvc must support resize");
    return 0;
}
