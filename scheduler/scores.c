/* SPDX-License-Identifier: Apache-2.0 */
/* Scores: which of the nodes that can take the pod should. Each fills d->scratch with 0..SCORE_MAX. */
#include "scheduler/plugin.h"

#define FOR_EACH_FEASIBLE(d, row)                                                                                      \
    for (size_t row = 0; row < (d)->nodes->rows; row++)                                                                \
        if ((d)->feasible[row])

/* What upstream assumes of a container that asks for nothing, so that such pods spread too (noderesources: 100m,
 * 200Mi). */
#define ASSUMED_CPU_MILLI 100
#define ASSUMED_MEMORY    (200LL << 20)

static int64_t free_share(int64_t allocatable, int64_t used)
{
    if (allocatable <= 0 || used > allocatable)
        return 0;
    return (int64_t)((__int128)(allocatable - used) * SCORE_MAX / allocatable);
}

void score_least_allocated(struct decision *d)
{
    const struct node_table *t = d->nodes;
    int64_t cpu = d->pod->requests.amount[RESOURCE_CPU];
    int64_t memory = d->pod->requests.amount[RESOURCE_MEMORY];

    if (!cpu)
        cpu = ASSUMED_CPU_MILLI;
    if (!memory)
        memory = ASSUMED_MEMORY;
    FOR_EACH_FEASIBLE(d, row)
    {
        d->scratch[row] = (free_share(t->allocatable[RESOURCE_CPU][row], t->used[RESOURCE_CPU][row] + cpu) +
                           free_share(t->allocatable[RESOURCE_MEMORY][row], t->used[RESOURCE_MEMORY][row] + memory)) /
                          2;
    }
}

/* Turns "fewer is better" counts into scores: the largest gets 0, none gets SCORE_MAX. */
static void invert(struct decision *d)
{
    int64_t most = 0;

    FOR_EACH_FEASIBLE(d, row)
    {
        if (d->scratch[row] > most)
            most = d->scratch[row];
    }
    FOR_EACH_FEASIBLE(d, row)
    {
        d->scratch[row] = most ? (most - d->scratch[row]) * SCORE_MAX / most : SCORE_MAX;
    }
}

void score_spread(struct decision *d)
{
    if (!d->pod->owner_uid)
        return;
    FOR_EACH_FEASIBLE(d, row)
    {
        d->scratch[row] = (int64_t)node_table_count_owner(d->nodes, row, d->pod->owner_uid);
    }
    invert(d);
}

void score_taints(struct decision *d)
{
    FOR_EACH_FEASIBLE(d, row)
    {
        const struct node_view *node = d->nodes->view[row];

        for (size_t i = 0; i < node->taint_count; i++)
            if (node->taints[i].effect == TAINT_PREFER_NO_SCHEDULE && !pod_tolerates(d->pod, &node->taints[i]))
                d->scratch[row]++;
    }
    invert(d);
}

void score_node_affinity(struct decision *d)
{
    int64_t most = 0;

    if (!d->pod->preferred_count)
        return;
    FOR_EACH_FEASIBLE(d, row)
    {
        for (size_t i = 0; i < d->pod->preferred_count; i++)
            if (node_term_matches(&d->pod->preferred[i], d->nodes->view[row]))
                d->scratch[row] += d->pod->preferred[i].weight;
        if (d->scratch[row] > most)
            most = d->scratch[row];
    }
    FOR_EACH_FEASIBLE(d, row)
    {
        d->scratch[row] = most ? d->scratch[row] * SCORE_MAX / most : 0;
    }
}
