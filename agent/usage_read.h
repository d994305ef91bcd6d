/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel counts for a control group, and for the machine. The folders are parameters, so that tests read
 * fixtures. All of it blocks.
 */
#ifndef KNARR_AGENT_USAGE_READ_H
#define KNARR_AGENT_USAGE_READ_H

#include "agent/cgroup.h"

struct usage_sample {
    int64_t wall_ns;      /* when it was read */
    int64_t monotonic_ns; /* the same moment; both set by the caller */
    uint64_t cpu_ns;      /* processor time, ever */
    int64_t memory;       /* bytes charged, page cache included */
    int64_t working_set;  /* without file pages that were not used lately: what cannot be given back without harm */
    int64_t rss;
    int64_t page_faults;
    int64_t major_page_faults;
};

/* `root` is "/sys/fs/cgroup", `path` the group ("/knarr/podX"). False when the group is gone. */
bool usage_read_group(enum cgroup_version version, const char *root, const char *path, struct usage_sample *ret_sample);
/* The whole machine; `proc` is "/proc". */
bool usage_read_node(const char *proc, struct usage_sample *ret_sample);

#endif
