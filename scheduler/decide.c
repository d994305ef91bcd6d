/* SPDX-License-Identifier: Apache-2.0 */
#include "scheduler/decide.h"

#include <stdio.h>

#include "scheduler/plugin.h"

/* In upstream's default order: the cheap ones that reject for good come first. */
const struct filter_plugin filter_plugins[] = {
    {"NodeUnschedulable", filter_node_unschedulable},
    {"TaintToleration", filter_taints},
    {"NodeAffinity", filter_node_affinity},
    {"NodePorts", filter_node_ports},
    {"NodeResourcesFit", filter_fit},
};
const size_t filter_plugin_count = ARRAY_SIZE(filter_plugins);

/* Weights are those of upstream's default profile; spreading by controller stands for PodTopologySpread's defaults. */
const struct score_plugin score_plugins[] = {
    {"TaintToleration", 3, score_taints},
    {"NodeAffinity", 2, score_node_affinity},
    {"NodeResourcesFit", 1, score_least_allocated},
    {"PodTopologySpread", 2, score_spread},
};
const size_t score_plugin_count = ARRAY_SIZE(score_plugins);

void decision_reject(struct decision *d, size_t row, bool unresolvable, const char *reason)
{
    struct slice key = slice_str(reason);
    intptr_t count = (intptr_t)map_get(&d->reasons, key);

    d->feasible[row] = false;
    if (unresolvable)
        d->resolvable[row] = false;
    (void)map_put(&d->reasons, key, (void *)(count + 1));
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "N reason, M reason", sorted as texts, as upstream's FitError does. */
static void write_reasons(const struct map *reasons, struct buf *out)
{
    char **texts = mem_calloc(reasons->count, sizeof(*texts));
    size_t count = 0;

    map_for_each (e, reasons) {
        texts[count++] = mem_printf("%ld %s", (long)(intptr_t)e->value, e->key);
    }
    qsort(texts, count, sizeof(*texts), text_order);
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "%s%s", i ? ", " : ": ", texts[i]);
        free(texts[i]);
    }
    free(texts);
}

static char *explain(const struct decision *d)
{
    size_t total = d->nodes->present;
    size_t hopeless = 0;
    struct buf out = {0};

    if (!total)
        return mem_strdup("no nodes available to schedule pods");
    for (size_t row = 0; row < d->nodes->rows; row++)
        if (d->nodes->view[row] && !d->resolvable[row])
            hopeless++;
    buf_printf(&out, "0/%zu nodes are available", total);
    write_reasons(&d->reasons, &out);
    buf_printf(&out, ". preemption: 0/%zu nodes are available", total);
    if (total - hopeless)
        buf_printf(&out, ": %zu No preemption victims found for incoming pod", total - hopeless);
    if (hopeless)
        buf_printf(&out, "%s%zu Preemption is not helpful for scheduling", total - hopeless ? ", " : ": ", hopeless);
    buf_append_byte(&out, '.');
    return buf_steal_str(&out);
}

static bool run_filters(struct decision *d)
{
    for (size_t i = 0; i < filter_plugin_count; i++)
        filter_plugins[i].filter(d);
    for (size_t row = 0; row < d->nodes->rows; row++)
        if (d->feasible[row])
            return true;
    return false;
}

static void run_scores(struct decision *d)
{
    for (size_t i = 0; i < score_plugin_count; i++) {
        memset(d->scratch, 0, d->nodes->rows * sizeof(*d->scratch));
        score_plugins[i].score(d);
        for (size_t row = 0; row < d->nodes->rows; row++)
            d->score[row] += d->scratch[row] * score_plugins[i].weight;
    }
}

static int32_t best_row(const struct decision *d, uint64_t turn)
{
    int64_t best = -1;
    size_t ties = 0, pick;

    for (size_t row = 0; row < d->nodes->rows; row++) {
        if (!d->feasible[row] || d->score[row] < best)
            continue;
        ties = d->score[row] > best ? 1 : ties + 1;
        best = d->score[row];
    }
    pick = ties ? turn % ties : 0;
    for (size_t row = 0; row < d->nodes->rows; row++)
        if (d->feasible[row] && d->score[row] == best && pick-- == 0)
            return (int32_t)row;
    return -1;
}

int32_t decide_node(const struct node_table *nodes, const struct pod_view *pod, uint64_t turn, char **ret_message)
{
    size_t rows = nodes->rows ? nodes->rows : 1;
    bool *flags CLEANUP_FREE = mem_calloc(rows * 2, sizeof(*flags));
    int64_t *points CLEANUP_FREE = mem_calloc(rows * 2, sizeof(*points));
    struct decision d = {.nodes = nodes,
                         .pod = pod,
                         .feasible = flags,
                         .resolvable = flags + rows,
                         .score = points,
                         .scratch = points + rows};
    int32_t row = -1;

    for (size_t i = 0; i < nodes->rows; i++)
        d.feasible[i] = d.resolvable[i] = nodes->view[i] != NULL;
    if (run_filters(&d)) {
        run_scores(&d);
        row = best_row(&d, turn);
    } else {
        *ret_message = explain(&d);
    }
    map_clear(&d.reasons, NULL);
    return row;
}
