/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Usage: what the node, its pods and its containers use, found out when somebody asks. Nothing is read while nobody
 * does; what is remembered between two askings is one sample of each group, from which the next one's rate is made.
 */
#ifndef KNARR_AGENT_USAGE_H
#define KNARR_AGENT_USAGE_H

#include "agent/agent_internal.h"
#include "agent/usage_read.h"
#include "lib/pool.h"

/* The node (pod NULL), a pod (container NULL) or one of its running containers. */
struct usage_entry {
    char *group; /* control group; NULL for the node */
    char *namespace_;
    char *pod;
    char *uid;
    char *container;
    char *id;           /* of the container */
    char *image;        /* likewise */
    int64_t started_ns; /* wall clock; 0 = unknown */
    bool found;         /* the sample could be read */
    bool has_rate;
    struct usage_sample sample;
    uint64_t nano_cores; /* when has_rate */
    int64_t window_ns;   /* over which the rate was taken */
};

struct usage_snapshot {
    const char *node_name;
    int64_t boot_ns; /* when the machine started, wall clock */
    int64_t memory_total;
    int64_t cpu_milli;
    int64_t disk_total; /* bytes of the file system of the agent's home */
    int64_t disk_free;
    int64_t inodes_total;
    int64_t inodes_free;
    int64_t processes; /* -1 = unknown */
    /* The node first; then each pod, followed by its containers. */
    struct usage_entry *entries;
    size_t count;
};

/* Sets rate and window of `now` from a sample before it; for a group younger than that, from its start. Pure. */
void usage_set_rate(struct usage_entry *now, const struct usage_sample *before);

struct usage;
struct usage *usage_new(struct agent *agent);
/* Answers what waits with NULL. */
void usage_free(struct usage *usage);

struct usage_asker;
/* Calls fn(arg, snapshot) once, later, on the loop; the snapshot is borrowed during the call; NULL when the agent ends.
 * The asker lives in the pool and gives up when the pool goes. */
void usage_ask(struct usage *usage, struct pool *pool, void (*fn)(void *arg, const struct usage_snapshot *snapshot),
               void *arg);

#endif
