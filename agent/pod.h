/* SPDX-License-Identifier: Apache-2.0 */
/* One pod on this node, from the moment it is assigned to the moment nothing of it is left. */
#ifndef KNARR_AGENT_POD_H
#define KNARR_AGENT_POD_H

#include "agent/agent_internal.h"
#include "agent/resize.h"
#include "api/value.h"

struct pod;

/* Takes `object` over. `gone` is called last, when the pod has left the node: the owner then forgets it; it frees
 * itself. */
struct pod *pod_new(struct agent *agent, struct value *object, void (*gone)(void *arg, struct pod *pod), void *arg);
/* A container found on disk at start; taken over. Before pod_run. */
void pod_adopt(struct pod *pod, struct runtime_container *c);
void pod_run(struct pod *pod);
/* The object has changed; taken over. */
void pod_update(struct pod *pod, struct value *object);
/* The object is gone from the API server: stop and clean up. */
void pod_vanished(struct pod *pod);
/* The agent ends: containers go on. No callback follows; it is freed when its jobs are done. */
void pod_abandon(struct pod *pod);

const char *pod_id(const struct pod *pod); /* uid */
const struct value *pod_object(const struct pod *pod);
/* The log of a container (previous: of the attempt before), NULL when there is none. Caller frees. */
char *pod_log_path(const struct pod *pod, const char *container, bool previous, bool *ret_running, struct error *err);
/* The pod's control group, and when it was seen first (wall clock). */
const char *pod_cgroup(const struct pod *pod);
int64_t pod_start_ns(const struct pod *pod);
void pod_each_running(const struct pod *pod, void (*fn)(void *arg, const struct runtime_container *c), void *arg);
/* A container that runs now, for who wants to join it. Borrowed from the pod. */
struct pod_target {
    const char *id; /* the runtime's */
    bool stdin_open;
    bool tty;
};
/* ERROR_INTERNAL, as the kubelet says it, when it does not run. */
int pod_find_target(const struct pod *pod, const char *container, struct pod_target *ret_target, struct error *err);
/* Where the pod's ports are; *ret_network NULL = on the host's own network. ERROR_INTERNAL when it does not run. */
int pod_find_network(const struct pod *pod, const char **ret_network, struct error *err);
/* The address where others reach it: on the host's network the node's own. ERROR_INTERNAL when it does not run. */
int pod_find_address(const struct pod *pod, const char **ret_address, struct error *err);
/* What the node has set aside for it; false when it holds nothing any more. */
bool pod_holds(const struct pod *pod, struct resize_amounts *ret_amounts);
/* A resize of it waits until others hold less; who of two comes first (as qsort wants it). */
bool pod_waits_for_room(const struct pod *pod);
int pod_compare_waiting(const struct pod *a, const struct pod *b);
/* Judges what its spec asks for, as things are now. */
void pod_judge_resize(struct pod *pod);
/* Adds for each running container the path of its log and of its conmon's control pipe. */
void pod_each_log(const struct pod *pod, struct str_list *out);

#endif
