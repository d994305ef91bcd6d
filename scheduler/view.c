/* SPDX-License-Identifier: Apache-2.0 */
/* Reads pods and nodes. */
#include "scheduler/view.h"

#include "api/scan.h"
#include "scheduler/requests.h"

static char *dup_path(struct slice json, const char *path)
{
    return scan_text_dup(scan_get(json, path));
}

static char *dup_or(struct slice v, const char *otherwise)
{
    char *text = scan_text_dup(v);

    return text ? text : mem_strdup(otherwise);
}

static char *dup_path_or(struct slice json, const char *path, const char *otherwise)
{
    return dup_or(scan_get(json, path), otherwise);
}

/* What a pod is read for, in one pass. */
enum pod_part {
    POD_NAME,
    POD_NAMESPACE,
    POD_UID,
    POD_OWNERS,
    POD_DELETION,
    POD_SCHEDULER,
    POD_NODE,
    POD_PRIORITY,
    POD_GATES,
    POD_CONTAINERS,
    POD_INIT_CONTAINERS,
    POD_WHOLE,
    POD_OVERHEAD,
    POD_NODE_SELECTOR,
    POD_NODE_AFFINITY,
    POD_TOLERATIONS,
    POD_HOST_NETWORK,
    POD_PHASE,
    POD_CONDITIONS,
    POD_STATUSES,
    POD_INIT_STATUSES,
    POD_PARTS
};

static const char *const pod_paths[POD_PARTS] = {
    [POD_NAME] = "metadata.name",
    [POD_NAMESPACE] = "metadata.namespace",
    [POD_UID] = "metadata.uid",
    [POD_OWNERS] = "metadata.ownerReferences",
    [POD_DELETION] = "metadata.deletionTimestamp",
    [POD_SCHEDULER] = "spec.schedulerName",
    [POD_NODE] = "spec.nodeName",
    [POD_PRIORITY] = "spec.priority",
    [POD_GATES] = "spec.schedulingGates",
    [POD_CONTAINERS] = "spec.containers",
    [POD_INIT_CONTAINERS] = "spec.initContainers",
    [POD_WHOLE] = "spec.resources.requests",
    [POD_OVERHEAD] = "spec.overhead",
    [POD_NODE_SELECTOR] = "spec.nodeSelector",
    [POD_NODE_AFFINITY] = "spec.affinity.nodeAffinity",
    [POD_TOLERATIONS] = "spec.tolerations",
    [POD_HOST_NETWORK] = "spec.hostNetwork",
    [POD_PHASE] = "status.phase",
    [POD_CONDITIONS] = "status.conditions",
    [POD_STATUSES] = "status.containerStatuses",
    [POD_INIT_STATUSES] = "status.initContainerStatuses",
};

/* Adds one item to an array that is grown by doubling; the count is the capacity's bound. */
#define APPEND(array, count)                                                                                           \
    ({                                                                                                                 \
        size_t append_n_ = (count)++;                                                                                  \
        if ((append_n_ & (append_n_ - 1)) == 0)                                                                        \
            (array) = mem_realloc((array), (append_n_ ? append_n_ * 2 : 1) * sizeof(*(array)));                        \
        memset(&(array)[append_n_], 0, sizeof(*(array)));                                                              \
        &(array)[append_n_];                                                                                           \
    })

/* ---- affinity -----------------------------------------------------------------------------------------------------
 */

static bool read_operator(struct slice text, enum node_operator *ret_operator)
{
    static const char *const names[] = {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (scan_text_is(text, names[i])) {
            *ret_operator = (enum node_operator)i;
            return true;
        }
    return false;
}

static void read_requirements(struct slice list, bool on_name, struct node_term *term)
{
    struct scan_cursor c = scan_open(list);
    struct slice item, text;

    while (scan_element(&c, &item)) {
        struct node_requirement *r = APPEND(term->requirements, term->requirement_count);
        struct scan_cursor values = scan_open(scan_get(item, "values"));

        r->on_name = on_name;
        r->key = dup_path_or(item, "key", "");
        /* An operator we do not know must not match: IN without values never does. */
        if (!read_operator(scan_get(item, "operator"), &r->operator_)) {
            r->operator_ = NODE_IN;
            continue;
        }
        while (scan_element(&values, &text))
            *APPEND(r->values, r->value_count) = scan_text_dup(text);
    }
}

static void read_term(struct slice json, struct node_term *term)
{
    read_requirements(scan_get(json, "matchExpressions"), false, term);
    read_requirements(scan_get(json, "matchFields"), true, term);
}

static void read_affinity(struct slice affinity, struct pod_view *pod)
{
    struct slice required = scan_get(affinity, "requiredDuringSchedulingIgnoredDuringExecution");
    struct scan_cursor c = scan_open(scan_get(required, "nodeSelectorTerms"));
    struct slice item;

    pod->has_required_affinity = required.len && required.data[0] == '{';
    while (scan_element(&c, &item))
        read_term(item, APPEND(pod->required, pod->required_count));
    c = scan_open(scan_get(affinity, "preferredDuringSchedulingIgnoredDuringExecution"));
    while (scan_element(&c, &item)) {
        struct node_term *term = APPEND(pod->preferred, pod->preferred_count);

        read_term(scan_get(item, "preference"), term);
        term->weight = (int32_t)scan_int(scan_get(item, "weight"), 0);
    }
}

static void terms_free(struct node_term *terms, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < terms[i].requirement_count; j++) {
            struct node_requirement *r = &terms[i].requirements[j];

            for (size_t k = 0; k < r->value_count; k++)
                free(r->values[k]);
            free(r->values);
            free(r->key);
        }
        free(terms[i].requirements);
    }
    free(terms);
}

/* ---- taints, labels, ports ----------------------------------------------------------------------------------------
 */

static enum taint_effect read_effect(struct slice text, enum taint_effect otherwise)
{
    if (scan_text_is(text, "NoSchedule"))
        return TAINT_NO_SCHEDULE;
    if (scan_text_is(text, "PreferNoSchedule"))
        return TAINT_PREFER_NO_SCHEDULE;
    if (scan_text_is(text, "NoExecute"))
        return TAINT_NO_EXECUTE;
    return otherwise;
}

static void read_tolerations(struct slice list, struct pod_view *pod)
{
    struct scan_cursor c = scan_open(list);
    struct slice item;

    while (scan_element(&c, &item)) {
        struct toleration *t = APPEND(pod->tolerations, pod->toleration_count);

        t->key = dup_path_or(item, "key", "");
        t->value = dup_path_or(item, "value", "");
        t->exists = scan_text_is(scan_get(item, "operator"), "Exists");
        t->effect = read_effect(scan_get(item, "effect"), TAINT_ANY);
    }
}

static int label_order(const void *a, const void *b)
{
    return strcmp(((const struct label *)a)->name, ((const struct label *)b)->name);
}

static struct label *read_labels(struct slice object, size_t *ret_count)
{
    struct label *labels = NULL;
    size_t count = 0;
    struct scan_cursor c = scan_open(object);
    struct slice key, value;

    while (scan_member(&c, &key, &value)) {
        struct label *l = APPEND(labels, count);

        l->name = slice_dup(key);
        l->value = scan_text_dup(value);
        if (!l->value)
            l->value = mem_strdup("");
    }
    if (count)
        qsort(labels, count, sizeof(*labels), label_order);
    *ret_count = count;
    return labels;
}

static void labels_free(struct label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(labels[i].name);
        free(labels[i].value);
    }
    free(labels);
}

static void read_ports(const struct slice *parts, struct pod_view *pod)
{
    struct scan_cursor containers = scan_open(parts[POD_CONTAINERS]);
    bool host_network = scan_bool(parts[POD_HOST_NETWORK], false);
    struct slice container, item;

    while (scan_element(&containers, &container)) {
        struct scan_cursor ports = scan_open(scan_get(container, "ports"));

        while (scan_element(&ports, &item)) {
            int64_t port = scan_int(scan_get(item, "hostPort"), 0);
            struct slice protocol;
            struct host_port *p;

            if (!port && host_network)
                port = scan_int(scan_get(item, "containerPort"), 0);
            if (port <= 0 || port > 65535)
                continue;
            protocol = scan_get(item, "protocol");
            p = APPEND(pod->ports, pod->port_count);
            p->port = (uint16_t)port;
            p->protocol = scan_text_is(protocol, "UDP") ? 'U' : scan_text_is(protocol, "SCTP") ? 'S' : 'T';
            p->ip = dup_path_or(item, "hostIP", "0.0.0.0");
        }
    }
}

/* ---- pods ---------------------------------------------------------------------------------------------------------
 */

static char *read_controller(struct slice owners)
{
    struct scan_cursor c = scan_open(owners);
    struct slice item;

    while (scan_element(&c, &item))
        if (scan_bool(scan_get(item, "controller"), false))
            return dup_path(item, "uid");
    return NULL;
}

static char *read_unschedulable_message(struct slice conditions)
{
    struct scan_cursor c = scan_open(conditions);
    struct slice item;

    while (scan_element(&c, &item))
        if (scan_text_is(scan_get(item, "type"), "PodScheduled") && scan_text_is(scan_get(item, "status"), "False"))
            return dup_path_or(item, "message", "");
    return NULL;
}

struct pod_view *pod_view_read(struct slice json)
{
    struct slice parts[POD_PARTS];
    struct pod_view *pod;
    char *name;

    scan_get_many(json, pod_paths, POD_PARTS, parts);
    name = scan_text_dup(parts[POD_NAME]);
    if (!name)
        return NULL;
    pod = mem_zalloc(sizeof(*pod));
    pod->name = name;
    pod->namespace_ = dup_or(parts[POD_NAMESPACE], "");
    pod->uid = dup_or(parts[POD_UID], "");
    pod->scheduler_name = dup_or(parts[POD_SCHEDULER], "default-scheduler");
    pod->node_name = scan_text_dup(parts[POD_NODE]);
    if (pod->node_name && !pod->node_name[0]) {
        free(pod->node_name);
        pod->node_name = NULL;
    }
    pod->owner_uid = read_controller(parts[POD_OWNERS]);
    pod->unschedulable_message = read_unschedulable_message(parts[POD_CONDITIONS]);
    pod->priority = (int32_t)scan_int(parts[POD_PRIORITY], 0);
    pod->finished = scan_text_is(parts[POD_PHASE], "Succeeded") || scan_text_is(parts[POD_PHASE], "Failed");
    pod->deleting = parts[POD_DELETION].len > 0;
    pod->gated = scan_count(parts[POD_GATES]) > 0;
    pod->requests = pod_requests(&(struct pod_requests){.containers = parts[POD_CONTAINERS],
                                                        .init_containers = parts[POD_INIT_CONTAINERS],
                                                        .whole = parts[POD_WHOLE],
                                                        .overhead = parts[POD_OVERHEAD],
                                                        .statuses = parts[POD_STATUSES],
                                                        .init_statuses = parts[POD_INIT_STATUSES],
                                                        .conditions = parts[POD_CONDITIONS]});
    pod->node_selector = read_labels(parts[POD_NODE_SELECTOR], &pod->node_selector_count);
    read_affinity(parts[POD_NODE_AFFINITY], pod);
    read_tolerations(parts[POD_TOLERATIONS], pod);
    read_ports(parts, pod);
    return pod;
}

void pod_view_free(struct pod_view *pod)
{
    if (!pod)
        return;
    for (size_t i = 0; i < pod->toleration_count; i++) {
        free(pod->tolerations[i].key);
        free(pod->tolerations[i].value);
    }
    for (size_t i = 0; i < pod->port_count; i++)
        free(pod->ports[i].ip);
    labels_free(pod->node_selector, pod->node_selector_count);
    terms_free(pod->required, pod->required_count);
    terms_free(pod->preferred, pod->preferred_count);
    free(pod->tolerations);
    free(pod->ports);
    free(pod->namespace_);
    free(pod->name);
    free(pod->uid);
    free(pod->scheduler_name);
    free(pod->node_name);
    free(pod->owner_uid);
    free(pod->unschedulable_message);
    free(pod);
}

bool pod_tolerates(const struct pod_view *pod, const struct taint *taint)
{
    for (size_t i = 0; i < pod->toleration_count; i++) {
        const struct toleration *t = &pod->tolerations[i];

        if (t->effect != TAINT_ANY && t->effect != taint->effect)
            continue;
        if (t->key[0] && strcmp(t->key, taint->key) != 0)
            continue;
        if (t->exists || (t->key[0] && !strcmp(t->value, taint->value)))
            return true;
    }
    return false;
}

/* ---- nodes --------------------------------------------------------------------------------------------------------
 */

struct node_view *node_view_read(struct slice json)
{
    struct scan_cursor c = scan_open(scan_get(json, "spec.taints"));
    char *name = dup_path(json, "metadata.name");
    struct node_view *node;
    struct slice item;

    if (!name)
        return NULL;
    node = mem_zalloc(sizeof(*node));
    node->name = name;
    node->allocatable = resources_read(scan_get(json, "status.allocatable"));
    node->labels = read_labels(scan_get(json, "metadata.labels"), &node->label_count);
    node->unschedulable = scan_bool(scan_get(json, "spec.unschedulable"), false);
    while (scan_element(&c, &item)) {
        struct taint *t = APPEND(node->taints, node->taint_count);

        t->key = dup_path_or(item, "key", "");
        t->value = dup_path_or(item, "value", "");
        t->effect = read_effect(scan_get(item, "effect"), TAINT_NO_SCHEDULE);
    }
    return node;
}

void node_view_free(struct node_view *node)
{
    if (!node)
        return;
    for (size_t i = 0; i < node->taint_count; i++) {
        free(node->taints[i].key);
        free(node->taints[i].value);
    }
    labels_free(node->labels, node->label_count);
    free(node->taints);
    free(node->name);
    free(node);
}

const char *node_view_label(const struct node_view *node, const char *name)
{
    struct label key = {.name = (char *)name};
    struct label *found = node->label_count ? bsearch(&key, node->labels, node->label_count, sizeof(key), label_order)
                                            : NULL;

    return found ? found->value : NULL;
}

static bool taints_equal(const struct node_view *a, const struct node_view *b)
{
    if (a->taint_count != b->taint_count)
        return false;
    for (size_t i = 0; i < a->taint_count; i++)
        if (strcmp(a->taints[i].key, b->taints[i].key) != 0 || strcmp(a->taints[i].value, b->taints[i].value) != 0 ||
            a->taints[i].effect != b->taints[i].effect)
            return false;
    return true;
}

static bool labels_equal(const struct node_view *a, const struct node_view *b)
{
    if (a->label_count != b->label_count)
        return false;
    for (size_t i = 0; i < a->label_count; i++)
        if (strcmp(a->labels[i].name, b->labels[i].name) != 0 || strcmp(a->labels[i].value, b->labels[i].value) != 0)
            return false;
    return true;
}

bool node_view_may_help(const struct node_view *before, const struct node_view *now)
{
    if (!before)
        return true;
    if (before->unschedulable && !now->unschedulable)
        return true;
    for (int i = 0; i < RESOURCE_COUNT; i++)
        if (now->allocatable.amount[i] > before->allocatable.amount[i])
            return true;
    return !taints_equal(before, now) || !labels_equal(before, now);
}
