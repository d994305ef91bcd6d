/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every object counts as one of its resource (count/RESOURCE, and for some an older name). Pods, Services and claims
 * count for more; each of them has a row of its own below.
 */
#include "api/quota.h"

#include <stdlib.h>

#include "api/scan.h"
#include "lib/clock.h"

#define STORAGE_CLASS_INFIX ".storageclass.storage.k8s.io/"

static const struct quantity one = {1000000000, 'd'};

static void use_count(struct amounts *to, const char *name, int64_t count)
{
    struct quantity q = {(__int128)count * 1000000000, 'd'};

    quantity_add(amounts_need(to, slice_str(name)), &q);
}

/* ---- pods ---- */

static bool pod_has_ended(struct slice pod)
{
    struct slice phase = scan_get(pod, "status.phase");

    return scan_text_is(phase, "Succeeded") || scan_text_is(phase, "Failed");
}

/* It should be gone by now, whatever its node says. */
static bool pod_is_overdue(struct slice pod, int64_t now_ns)
{
    struct slice deleted = scan_get(pod, "metadata.deletionTimestamp");
    int64_t gone_ns = 0;

    if (!scan_is_string(deleted) || !time_parse(slice_make(deleted.data + 1, deleted.len - 2), &gone_ns))
        return false;
    /* The timestamp has the grace period in it; upstream waits for it once more. */
    return now_ns > gone_ns + scan_int(scan_get(pod, "metadata.deletionGracePeriodSeconds"), 0) * NS_PER_S;
}

/* Requests of what is no name of the API's own ("vendor/thing") are limited as requests only. */
static bool is_extended(struct slice name)
{
    return slice_find(name, '/') > 0 && slice_find_text(name, SLICE_LIT("kubernetes.io/")) < 0 &&
           !slice_starts(name, SLICE_LIT("requests."));
}

static struct slice use_prefixed(const struct amounts *to, const char *prefix, struct slice name)
{
    return slice_str(pool_printf(to->pool, "%s%.*s", prefix, SLICE_ARGS(name)));
}

static bool is_compute(struct slice name)
{
    return slice_is(name, "cpu") || slice_is(name, "memory") || slice_is(name, "ephemeral-storage");
}

static void use_requests(struct amounts *to, const struct amounts *requests)
{
    for (size_t i = 0; i < requests->count; i++) {
        struct slice name = requests->items[i].name;
        bool plain = is_compute(name) || slice_starts(name, SLICE_LIT("hugepages-"));

        if (plain)
            quantity_add(amounts_need(to, name), &requests->items[i].value);
        if (plain || is_extended(name))
            quantity_add(amounts_need(to, use_prefixed(to, "requests.", name)), &requests->items[i].value);
    }
}

static void use_limits(struct amounts *to, const struct amounts *limits)
{
    for (size_t i = 0; i < limits->count; i++)
        if (is_compute(limits->items[i].name))
            quantity_add(amounts_need(to, use_prefixed(to, "limits.", limits->items[i].name)), &limits->items[i].value);
}

static void use_pod(struct amounts *to, struct slice pod, int64_t now_ns)
{
    struct amounts requests = {.pool = to->pool};
    struct amounts limits = {.pool = to->pool};

    if (pod_has_ended(pod) || pod_is_overdue(pod, now_ns))
        return; /* they use nothing of a node any more */
    use_count(to, "pods", 1);
    amounts_of_pod(&requests, pod, "requests", AMOUNTS_OVERHEAD | AMOUNTS_ACTUAL);
    amounts_of_pod(&limits, pod, "limits", AMOUNTS_OVERHEAD | AMOUNTS_ACTUAL);
    use_requests(to, &requests);
    use_limits(to, &limits);
}

/* ---- services ---- */

static int64_t service_node_ports(struct slice service)
{
    struct scan_cursor at = scan_open(scan_get(service, "spec.ports"));
    bool all = scan_text_is(scan_get(service, "spec.type"), "NodePort") ||
               scan_bool(scan_get(service, "spec.allocateLoadBalancerNodePorts"), true);
    int64_t count = 0;
    struct slice port;

    while (scan_element(&at, &port))
        count += all || scan_int(scan_get(port, "nodePort"), 0) > 0;
    return count;
}

static void use_service(struct amounts *to, struct slice service, int64_t now_ns)
{
    struct slice type = scan_get(service, "spec.type");
    bool balanced = scan_text_is(type, "LoadBalancer");

    (void)now_ns;
    use_count(to, "services", 1);
    if (balanced)
        use_count(to, "services.loadbalancers", 1);
    if (balanced || scan_text_is(type, "NodePort"))
        use_count(to, "services.nodeports", service_node_ports(service));
}

/* ---- claims ---- */

/* The class that a claim names, today's way or the older one; data NULL = none. */
static struct slice claim_class(struct slice claim)
{
    struct scan_cursor at = scan_open(scan_get(claim, "metadata.annotations"));
    struct slice name;
    struct slice value;

    while (scan_member(&at, &name, &value))
        if (slice_is(name, "volume.beta.kubernetes.io/storage-class"))
            return value;
    return scan_get(claim, "spec.storageClassName");
}

static void use_claim(struct amounts *to, struct slice claim, int64_t now_ns)
{
    struct amounts asked = {.pool = to->pool};
    struct amounts allocated = {.pool = to->pool};
    struct slice class = claim_class(claim);
    const struct quantity *storage;

    (void)now_ns;
    amounts_read(&asked, scan_get(claim, "spec.resources.requests"));
    amounts_read(&allocated, scan_get(claim, "status.allocatedResources"));
    if (amounts_get(&asked, SLICE_LIT("storage")))
        amounts_raise(&asked, &allocated); /* while it is being resized, the larger */
    storage = amounts_get(&asked, SLICE_LIT("storage"));
    use_count(to, "persistentvolumeclaims", 1);
    if (storage)
        quantity_add(amounts_need(to, SLICE_LIT("requests.storage")), storage);
    if (!scan_is_string(class) || class.len <= 2)
        return;
    class = slice_make(class.data + 1, class.len - 2);
    quantity_add(amounts_need(to, slice_str(pool_printf(to->pool, "%.*s" STORAGE_CLASS_INFIX "persistentvolumeclaims",
                                                        SLICE_ARGS(class)))),
                 &one);
    if (storage)
        quantity_add(amounts_need(to, slice_str(pool_printf(to->pool, "%.*s" STORAGE_CLASS_INFIX "requests.storage",
                                                            SLICE_ARGS(class)))),
                     storage);
}

/* ---- all ---- */

static const struct {
    const char *resource;
    void (*use)(struct amounts *to, struct slice object, int64_t now_ns); /* NULL = one under its own name */
} rows[] = {
    {"pods", use_pod}, {"services", use_service}, {"persistentvolumeclaims", use_claim}, {"configmaps", NULL},
    {"secrets", NULL}, {"resourcequotas", NULL},  {"replicationcontrollers", NULL},
};

void quota_add_use(struct amounts *to, const char *resource, struct slice object, int64_t now_ns)
{
    use_count(to, pool_printf(to->pool, "count/%s", resource), 1);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].resource, resource)) {
            if (rows[i].use)
                rows[i].use(to, object, now_ns);
            else
                use_count(to, rows[i].resource, 1);
        }
}

bool quota_time_is_over(const char *resource, struct slice object, int64_t now_ns)
{
    return !strcmp(resource, "pods") && !pod_has_ended(object) && pod_is_overdue(object, now_ns);
}

bool quota_use_varies(const char *resource)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].resource, resource))
            return rows[i].use != NULL;
    return false;
}

const char *quota_resource_of(struct pool *pool, struct slice name)
{
    static const char count[] = "count/";
    const size_t skip = sizeof(count) - 1;

    if (slice_starts(name, SLICE_LIT("count/")))
        return pool_slice_dup(pool, slice_from(name, skip));
    if (slice_starts(name, SLICE_LIT("services")))
        return "services";
    if (slice_find_text(name, SLICE_LIT(STORAGE_CLASS_INFIX)) > 0 || slice_is(name, "requests.storage"))
        return "persistentvolumeclaims";
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (slice_is(name, rows[i].resource))
            return rows[i].resource;
    if (is_compute(name) || slice_starts(name, SLICE_LIT("requests.")) || slice_starts(name, SLICE_LIT("limits.")) ||
        slice_starts(name, SLICE_LIT("hugepages-")))
        return "pods";
    return NULL;
}

void quota_mask(struct amounts *list, const struct amounts *names)
{
    size_t kept = 0;

    for (size_t i = 0; i < list->count; i++)
        if (amounts_get(names, list->items[i].name))
            list->items[kept++] = list->items[i];
    list->count = kept;
}

/* ---- scopes ---- */

static bool pod_is_terminating(struct slice pod)
{
    return scan_int(scan_get(pod, "spec.activeDeadlineSeconds"), -1) >= 0;
}

static bool terms_cross(struct slice list, const char *inside)
{
    struct scan_cursor at = scan_open(list);
    struct slice term;

    while (scan_element(&at, &term)) {
        struct slice t = inside ? scan_get(term, inside) : term;

        if (scan_count(scan_get(t, "namespaces")) || scan_get(t, "namespaceSelector").data)
            return true;
    }
    return false;
}

static bool pod_crosses_namespaces(struct slice pod)
{
    static const char *const sides[] = {"spec.affinity.podAffinity", "spec.affinity.podAntiAffinity"};

    for (size_t i = 0; i < ARRAY_SIZE(sides); i++) {
        struct slice side = scan_get(pod, sides[i]);

        if (terms_cross(scan_get(side, "requiredDuringSchedulingIgnoredDuringExecution"), NULL) ||
            terms_cross(scan_get(side, "preferredDuringSchedulingIgnoredDuringExecution"), "podAffinityTerm"))
            return true;
    }
    return false;
}

/* A requirement on a name that the object has (data NULL = it has none), as one on a label. */
static bool name_fits(struct slice requirement, struct slice raw)
{
    struct slice operator= scan_get(requirement, "operator");
    struct scan_cursor at = scan_open(scan_get(requirement, "values"));
    bool there = scan_is_string(raw) && raw.len > 2;
    bool among = false;
    struct slice value;

    while (there && scan_element(&at, &value))
        among = among || slice_equal(value, raw);
    if (scan_text_is(operator, "Exists"))
        return there;
    if (scan_text_is(operator, "DoesNotExist"))
        return !there;
    return scan_text_is(operator, "In") ? among : !among;
}

static bool pod_fits(struct slice scope, struct slice requirement, struct slice pod)
{
    bool best_effort = scan_text_is(scan_get(pod, "status.qosClass"), "BestEffort");

    if (scan_text_is(scope, "Terminating") || scan_text_is(scope, "NotTerminating"))
        return pod_is_terminating(pod) == scan_text_is(scope, "Terminating");
    if (scan_text_is(scope, "BestEffort") || scan_text_is(scope, "NotBestEffort"))
        return best_effort == scan_text_is(scope, "BestEffort");
    if (scan_text_is(scope, "CrossNamespacePodAffinity"))
        return pod_crosses_namespaces(pod);
    if (!scan_text_is(scope, "PriorityClass"))
        return false;
    return requirement.data ? name_fits(requirement, scan_get(pod, "spec.priorityClassName"))
                            : scan_get(pod, "spec.priorityClassName").len > 2;
}

/* requirement: none for an entry of spec.scopes, which asks only whether there is one. */
static bool scope_fits(struct slice scope, struct slice requirement, const char *resource, struct slice object)
{
    if (!strcmp(resource, "pods"))
        return pod_fits(scope, requirement, object);
    if (strcmp(resource, "persistentvolumeclaims") != 0 || !scan_text_is(scope, "VolumeAttributesClass"))
        return false; /* scopes are about pods, and this one about claims */
    return requirement.data ? name_fits(requirement, scan_get(object, "spec.volumeAttributesClassName"))
                            : scan_get(object, "spec.volumeAttributesClassName").len > 2;
}

bool quota_selects(struct slice quota, const char *resource, struct slice object)
{
    struct scan_cursor at = scan_open(scan_get(quota, "spec.scopes"));
    struct slice entry;

    while (scan_element(&at, &entry))
        if (!scope_fits(entry, SLICE_NONE, resource, object))
            return false;
    at = scan_open(scan_get(quota, "spec.scopeSelector.matchExpressions"));
    while (scan_element(&at, &entry))
        if (!scope_fits(scan_get(entry, "scopeName"), entry, resource, object))
            return false;
    return true;
}

/* ---- what must be stated ---- */

static const struct {
    const char *name;
    const char *list;
    const char *resource;
} stated[] = {
    {"cpu", "requests", "cpu"},       {"limits.cpu", "limits", "cpu"},     {"limits.memory", "limits", "memory"},
    {"memory", "requests", "memory"}, {"requests.cpu", "requests", "cpu"}, {"requests.memory", "requests", "memory"},
};

static int name_order(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

struct names {
    struct slice *items;
    size_t count;
};

static void names_gather(struct names *names, struct slice containers, size_t row)
{
    struct scan_cursor at = scan_open(containers);
    struct slice container;

    while (scan_element(&at, &container)) {
        struct slice list = scan_get(scan_get(container, "resources"), stated[row].list);
        struct slice name = scan_get(container, "name");

        if (!scan_get(list, stated[row].resource).data && scan_is_string(name))
            names->items[names->count++] = slice_make(name.data + 1, name.len - 2);
    }
}

static void stated_check(struct pool *pool, struct slice pod, size_t row, struct buf *why)
{
    struct slice init = scan_get(pod, "spec.initContainers");
    struct slice containers = scan_get(pod, "spec.containers");
    struct names names = {0};

    names.items = pool_alloc(pool, (scan_count(init) + scan_count(containers) + 1) * sizeof(*names.items));
    names_gather(&names, containers, row);
    names_gather(&names, init, row);
    if (!names.count)
        return;
    qsort(names.items, names.count, sizeof(*names.items), name_order);
    buf_printf(why, "%s%s for: ", why->len ? "; " : "", stated[row].name);
    for (size_t i = 0; i < names.count; i++)
        buf_printf(why, "%s%.*s", i ? "," : "", SLICE_ARGS(names.items[i]));
}

bool quota_check_stated(const struct amounts *hard, struct slice pod, struct buf *why)
{
    struct slice whole = scan_get(pod, "spec.resources");

    if (scan_count(scan_get(whole, "requests")) || scan_count(scan_get(whole, "limits")))
        return true; /* stated for the pod as a whole */
    for (size_t i = 0; i < ARRAY_SIZE(stated); i++)
        if (amounts_get(hard, slice_str(stated[i].name)))
            stated_check(hard->pool, pod, i, why);
    return !why->len;
}
