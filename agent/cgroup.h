/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups: which hierarchy this host has, the groups of pods, and the arithmetic from Kubernetes' resources to
 * the kernel's knobs (pure). Containers' own groups are the OCI runtime's work. What touches files blocks.
 *
 *     PARENT/[burstable|besteffort/]podUID/CONTAINER
 */
#ifndef KNARR_AGENT_CGROUP_H
#define KNARR_AGENT_CGROUP_H

#include "lib/bytes.h"
#include "lib/error.h"

/* Hybrid hosts (v1 controllers beside an empty v2 tree) are V1 for us. */
enum cgroup_version { CGROUP_V1 = 1, CGROUP_V2 = 2 };

struct cgroup_limits {
    int64_t cpu_request_milli; /* 0 = none */
    int64_t cpu_limit_milli;
    int64_t memory_limit; /* bytes */
    int64_t pids_limit;
};

enum cgroup_qos { CGROUP_GUARANTEED, CGROUP_BURSTABLE, CGROUP_BESTEFFORT };
const char *cgroup_qos_name(enum cgroup_qos qos); /* "Guaranteed", "Burstable", "BestEffort" */

#define CGROUP_CPU_PERIOD 100000 /* microseconds */

/* Weight of a cpu request: 1024 a core, 2 at least, 262144 at most. */
uint64_t cgroup_cpu_shares(int64_t milli);
/* Microseconds of cpu in one CGROUP_CPU_PERIOD; 1000 at least. 0 or less: no limit (-1). */
int64_t cgroup_cpu_quota(int64_t milli);
/* v2's weight for v1's shares, as OCI runtimes convert it. */
uint64_t cgroup_cpu_weight(uint64_t shares);
/* oom_score_adj of a container: what asked for more memory is killed later. */
int cgroup_oom_score(enum cgroup_qos qos, int64_t memory_request, int64_t memory_capacity);
/* The lowest score this process may give: without CAP_SYS_RESOURCE (inside some containers and virtual machines) its
 * own, and runc would refuse to start a container with less. */
int cgroup_oom_floor(void);
/* "/knarr/burstable/pod1234"; caller frees. */
char *cgroup_pod_path(const char *parent, enum cgroup_qos qos, const char *pod_uid);

int cgroup_detect(enum cgroup_version *ret_version, struct error *err);
/* Makes the pod's group with its limits, in every hierarchy that has the controllers. Again is harmless. */
int cgroup_pod_create(enum cgroup_version version, const char *path, const struct cgroup_limits *limits,
                      struct error *err);
/* Changes the limits of a pod's group that is there. What is no limit in them is taken off, but for memory, which has
 * none only as long as it never had one. */
int cgroup_pod_update(enum cgroup_version version, const char *path, const struct cgroup_limits *limits,
                      struct error *err);
/* Bytes of memory that the group uses; -1 when that cannot be told. */
int64_t cgroup_memory_usage(enum cgroup_version version, const char *path);
/* How many processes of the group the kernel has killed for memory; 0 when that cannot be told. */
int64_t cgroup_oom_kills(enum cgroup_version version, const char *path);
/* Kills what is left in the group and removes it with all below, in every hierarchy. Nothing there is no error. */
int cgroup_remove(enum cgroup_version version, const char *path, struct error *err);

#endif
