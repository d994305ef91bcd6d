/* SPDX-License-Identifier: Apache-2.0 */
/* ReplicaSet: keeps the wanted number of pods of a template running. */
#ifndef KNARR_CONTROLLERS_REPLICASET_H
#define KNARR_CONTROLLERS_REPLICASET_H

#include "controllers/runner.h"

#define REPLICASET_BURST 500 /* pods made or deleted by one plan, as upstream */

/* The set, the pods that are or may become its own (of its namespace: owned by its uid, or by nobody), and every active
 * pod of the set's owner, which says how crowded nodes are (related; may be empty). */
struct replicaset_view {
    const struct view *set;
    const struct view *const *pods;
    size_t pod_count;
    const struct view *const *related;
    size_t related_count;
    int64_t now; /* nanoseconds */
    /* What the last plan was refused ("FailedCreate", the server's words); NULL = nothing. */
    const char *refusal;
    const char *refusal_message;
};
void replicaset_plan(const struct replicaset_view *in, struct plan *plan);

/* Whether a pod counts as running for its owner: not ended, not on its way out. */
bool pod_is_active(const struct view *pod);
bool pod_is_ready(const struct view *pod);
/* Ready for at least min_ready_s; *ret_wait_ms is when it will be, 0 when time alone does not bring it. */
bool pod_is_available(const struct view *pod, int64_t min_ready_s, int64_t now, uint64_t *ret_wait_ms);
/* Puts the pods that should go first, first. `ranks` says for each how many related pods share its node. */
void pods_sort_for_deletion(const struct view **pods, size_t *ranks, size_t count, int64_t now);

extern const struct controller replicaset_controller;

#endif
