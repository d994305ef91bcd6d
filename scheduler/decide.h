/* SPDX-License-Identifier: Apache-2.0 */
/* Decide: one pod, all nodes, the best row or the reasons why none. Pure: no clock, no I/O. */
#ifndef KNARR_SCHEDULER_DECIDE_H
#define KNARR_SCHEDULER_DECIDE_H

#include "scheduler/node_table.h"

/* The row of the chosen node, or -1 with upstream's sentence in *ret_message (owned by the caller):
 * "0/2 nodes are available: 2 Insufficient cpu. preemption: ...". Among equals, `turn` picks, so that equal nodes take
 * turns. */
int32_t decide_node(const struct node_table *nodes, const struct pod_view *pod, uint64_t turn, char **ret_message);

#endif
