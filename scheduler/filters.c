/* SPDX-License-Identifier: Apache-2.0 */
/* Filters: what a node must have. Reasons are worded as upstream words them, since people search for these sentences.
 */
#include "scheduler/plugin.h"

#define TAINT_UNSCHEDULABLE "node.kubernetes.io/unschedulable"

/* The rows that are still in the race. */
#define FOR_EACH_FEASIBLE(d, row)                                                                                      \
    for (size_t row = 0; row < (d)->nodes->rows; row++)                                                                \
        if ((d)->feasible[row])

void filter_node_unschedulable(struct decision *d)
{
    static const struct taint taint = {
        .key = (char *)TAINT_UNSCHEDULABLE, .value = (char *)"", .effect = TAINT_NO_SCHEDULE};
    bool tolerated = pod_tolerates(d->pod, &taint);

    if (tolerated)
        return;
    FOR_EACH_FEASIBLE(d, row)
    {
        if (d->nodes->view[row]->unschedulable)
            decision_reject(d, row, true, "node(s) were unschedulable");
    }
}

void filter_taints(struct decision *d)
{
    FOR_EACH_FEASIBLE(d, row)
    {
        const struct node_view *node = d->nodes->view[row];

        for (size_t i = 0; i < node->taint_count; i++) {
            const struct taint *t = &node->taints[i];

            if (t->effect == TAINT_PREFER_NO_SCHEDULE || pod_tolerates(d->pod, t))
                continue;
            decision_reject(d, row, true, "node(s) had untolerated taint(s)");
            break;
        }
    }
}

static bool has_value(const struct node_requirement *r, const char *value)
{
    for (size_t i = 0; i < r->value_count; i++)
        if (r->values[i] && !strcmp(r->values[i], value))
            return true;
    return false;
}

static bool compare_numbers(const struct node_requirement *r, const char *value)
{
    int64_t have, want;

    if (r->value_count != 1 || !r->values[0] || !slice_to_int64(slice_str(value), &have) ||
        !slice_to_int64(slice_str(r->values[0]), &want))
        return false;
    return r->operator_ == NODE_GT ? have > want : have < want;
}

static bool requirement_matches(const struct node_requirement *r, const struct node_view *node)
{
    const char *value;

    if (r->on_name && strcmp(r->key, "metadata.name") != 0)
        return false;
    value = r->on_name ? node->name : node_view_label(node, r->key);
    switch (r->operator_) {
    case NODE_IN:
        return value && has_value(r, value);
    case NODE_NOT_IN:
        return !value || !has_value(r, value);
    case NODE_EXISTS:
        return value != NULL;
    case NODE_DOES_NOT_EXIST:
        return value == NULL;
    case NODE_GT:
    case NODE_LT:
        return value && compare_numbers(r, value);
    }
    return false;
}

bool node_term_matches(const struct node_term *term, const struct node_view *node)
{
    /* An empty term matches nothing (component-helpers/scheduling/corev1/nodeaffinity). */
    if (!term->requirement_count)
        return false;
    for (size_t i = 0; i < term->requirement_count; i++)
        if (!requirement_matches(&term->requirements[i], node))
            return false;
    return true;
}

static bool affinity_matches(const struct pod_view *pod, const struct node_view *node)
{
    for (size_t i = 0; i < pod->node_selector_count; i++) {
        const char *value = node_view_label(node, pod->node_selector[i].name);

        if (!value || strcmp(value, pod->node_selector[i].value) != 0)
            return false;
    }
    if (!pod->has_required_affinity)
        return true;
    for (size_t i = 0; i < pod->required_count; i++)
        if (node_term_matches(&pod->required[i], node))
            return true;
    return false;
}

void filter_node_affinity(struct decision *d)
{
    if (!d->pod->node_selector_count && !d->pod->has_required_affinity)
        return;
    FOR_EACH_FEASIBLE(d, row)
    {
        if (!affinity_matches(d->pod, d->nodes->view[row]))
            decision_reject(d, row, true, "node(s) didn't match Pod's node affinity/selector");
    }
}

static bool ports_clash(const struct host_port *a, const struct host_port *b)
{
    return a->port == b->port && a->protocol == b->protocol &&
           (!strcmp(a->ip, b->ip) || !strcmp(a->ip, "0.0.0.0") || !strcmp(b->ip, "0.0.0.0"));
}

static bool row_has_port(const struct node_table *t, size_t row, const struct pod_view *pod)
{
    for (const struct placed_pod *p = t->pods[row]; p; p = p->next)
        for (size_t i = 0; i < p->port_count; i++)
            for (size_t j = 0; j < pod->port_count; j++)
                if (ports_clash(&p->ports[i], &pod->ports[j]))
                    return true;
    return false;
}

void filter_node_ports(struct decision *d)
{
    if (!d->pod->port_count)
        return;
    FOR_EACH_FEASIBLE(d, row)
    {
        if (row_has_port(d->nodes, row, d->pod))
            decision_reject(d, row, false, "node(s) didn't have free ports for the requested pod ports");
    }
}

void filter_fit(struct decision *d)
{
    static const char *const reasons[RESOURCE_COUNT] = {
        [RESOURCE_CPU] = "Insufficient cpu",
        [RESOURCE_MEMORY] = "Insufficient memory",
        [RESOURCE_STORAGE] = "Insufficient ephemeral-storage",
        [RESOURCE_PODS] = "Too many pods",
    };
    const struct node_table *t = d->nodes;
    bool feasible;

    for (size_t row = 0; row < t->rows; row++) {
        feasible = d->feasible[row];
        /* Every resource that lacks is named, so the row stays in the race until all were looked at. */
        for (int r = 0; feasible && r < RESOURCE_COUNT; r++) {
            int64_t want = d->pod->requests.amount[r];

            if (want > 0 && want > t->allocatable[r][row] - t->used[r][row])
                decision_reject(d, row, want > t->allocatable[r][row], reasons[r]);
        }
    }
}
