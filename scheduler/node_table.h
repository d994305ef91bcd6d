/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node table: all nodes as arrays, one row a node, so that a filter or a score is one pass over numbers. Pods that are
 * bound, or assumed to be bound soon, are accounted on their node's row; a pod on a node that is not known (yet) waits
 * aside and is accounted when the node comes.
 */
#ifndef KNARR_SCHEDULER_NODE_TABLE_H
#define KNARR_SCHEDULER_NODE_TABLE_H

#include "lib/map.h"
#include "scheduler/view.h"

/* What a placed pod takes from its node. */
struct placed_pod {
    char *node_name;
    char *owner_uid; /* NULL = none */
    struct resources requests;
    struct host_port *ports;
    size_t port_count;
    int32_t row;             /* -1 = its node is not in the table */
    struct placed_pod *next; /* on the same row */
};

struct node_table {
    size_t rows;    /* in use or free, below `cap` */
    size_t present; /* nodes */
    size_t cap;
    const struct node_view **view; /* NULL = free row; owned by the informer, valid while the row stands */
    int64_t *allocatable[RESOURCE_COUNT];
    int64_t *used[RESOURCE_COUNT];
    struct placed_pod **pods; /* first of the row */
    struct map by_name;       /* name -> row + 1 */
    struct map placed;        /* "ns/name" -> struct placed_pod */
};

void node_table_free(struct node_table *t);
/* Adds or replaces; `view` stays the caller's and must live until the next set or remove of that name. */
void node_table_set(struct node_table *t, const struct node_view *view);
void node_table_remove(struct node_table *t, struct slice name);
/* The row of a node, or -1. */
int32_t node_table_row(const struct node_table *t, struct slice name);
/* Accounts the pod on the node (moves it when it stood elsewhere). */
void node_table_place(struct node_table *t, struct slice key, const struct pod_view *pod, const char *node_name);
void node_table_take_away(struct node_table *t, struct slice key);
/* Pods of this controller on the row. */
size_t node_table_count_owner(const struct node_table *t, size_t row, const char *owner_uid);

#endif
