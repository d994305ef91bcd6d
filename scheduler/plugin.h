/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plug-ins: a filter or a score is one function over the arrays of nodes and one row in plugin.c. A filter clears the
 * rows that cannot take the pod and says why; a score adds points to those that can.
 */
#ifndef KNARR_SCHEDULER_PLUGIN_H
#define KNARR_SCHEDULER_PLUGIN_H

#include "scheduler/node_table.h"

#define SCORE_MAX 100

/* One scheduling decision under way. */
struct decision {
    const struct node_table *nodes;
    const struct pod_view *pod;
    bool *feasible;     /* rows; a filter only ever clears */
    bool *resolvable;   /* rows; cleared when no preemption could help there */
    int64_t *score;     /* rows */
    int64_t *scratch;   /* rows; for a score that normalises */
    struct map reasons; /* text -> count of nodes, as a number */
};

struct filter_plugin {
    const char *name; /* upstream's plug-in of the same meaning */
    void (*filter)(struct decision *d);
};
struct score_plugin {
    const char *name;
    int weight;
    /* Writes 0..SCORE_MAX into d->scratch for feasible rows. */
    void (*score)(struct decision *d);
};

extern const struct filter_plugin filter_plugins[];
extern const size_t filter_plugin_count;
extern const struct score_plugin score_plugins[];
extern const size_t score_plugin_count;

/* For filters: rejects the row and counts the reason. unresolvable: no preemption could help. */
void decision_reject(struct decision *d, size_t row, bool unresolvable, const char *reason);

/* filters.c and scores.c */
void filter_node_unschedulable(struct decision *d);
void filter_taints(struct decision *d);
void filter_node_affinity(struct decision *d);
void filter_node_ports(struct decision *d);
void filter_fit(struct decision *d);
void score_least_allocated(struct decision *d);
void score_spread(struct decision *d);
void score_taints(struct decision *d);
void score_node_affinity(struct decision *d);

/* Whether the node fits one term of a node selector. */
bool node_term_matches(const struct node_term *term, const struct node_view *node);

#endif
