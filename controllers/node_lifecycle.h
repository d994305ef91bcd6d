/* SPDX-License-Identifier: Apache-2.0 */
/* Node lifecycle: a node that stops renewing its Lease is Unknown, tainted, and emptied. */
#ifndef KNARR_CONTROLLERS_NODE_LIFECYCLE_H
#define KNARR_CONTROLLERS_NODE_LIFECYCLE_H

#include "controllers/runner.h"

struct node_view {
    const struct view *node;
    /* Pods bound to it. */
    const struct view *const *pods;
    size_t pod_count;
    int64_t now;      /* wall, nanoseconds */
    int64_t silent_s; /* since the Lease (or the Ready condition) was last seen to change */
    int64_t grace_s;
    int64_t taints_s; /* since the present NoExecute taints were first seen */
    bool never;       /* it has not reported yet */
    bool all_lost;    /* no node is healthy: then nobody is sent away, and no taint says so */
    /* When a NoExecute taint may be put on another node of its zone; 0 = now. Matters only while it bears none. */
    uint64_t pace_ms;
};
void node_lifecycle_plan(const struct node_view *in, struct plan *plan);

/* Parts of that plan (node_pods.c): pods of a silent node are not Ready; pods whose time beside the taints is over go.
 */
void node_plan_pods_not_ready(const struct node_view *in, struct plan *plan);
void node_plan_evictions(const struct node_view *in, struct plan *plan);

/* Nodes, and those of them that are not Ready. */
struct node_zone_counts {
    size_t total;
    size_t bad;
};
struct node_zone_pace {
    int64_t next_ns; /* monotonic: when the next node may be emptied */
};
/* Of the whole cluster. */
bool node_zones_all_lost(const struct node_zone_counts *all);
/* Between two nodes that are emptied; 0 = none may be. */
uint64_t node_zone_interval_ms(const struct node_zone_counts *zone);
/* Takes the zone's next turn: 0 = it is yours; else ask again after so many ms. */
uint64_t node_zone_ask(struct node_zone_pace *pace, uint64_t interval_ms, int64_t now_ns);
/* "region/zone" of a node's labels. */
void node_zone_name(const struct view *node, struct buf *out);

/* Seconds a pod may stay beside these taints (raw lists): 0 = none, -1 = for ever. */
int64_t taint_stay(struct slice taints, struct slice tolerations);

extern const struct controller node_lifecycle_controller;

#endif
