/* SPDX-License-Identifier: Apache-2.0 */
/* All pods of this node: what the API server assigns, and what is found on disk at start. */
#ifndef KNARR_AGENT_PODS_H
#define KNARR_AGENT_PODS_H

#include "agent/pod.h"

/* Reads the disk (on the pool), then watches the API server. Needs agent->client. */
struct pods *pods_start(struct agent *agent);
/* Containers go on. */
void pods_free(struct pods *pods);
/* What all other pods hold of the node; false as long as not all of them are known. */
bool pods_others(const struct pods *pods, const struct pod *except, struct resize_amounts *ret_amounts);
/* Somebody holds less: whose resize waits is judged again, soon. */
void pods_room(struct pods *pods);
/* By namespace and name; NULL when this node does not have it. */
const struct pod *pods_find(const struct pods *pods, const char *ns, const char *name);
void pods_each(const struct pods *pods, void (*fn)(void *arg, const struct pod *pod), void *arg);

#endif
