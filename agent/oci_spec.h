/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI runtime configuration (config.json) of one container, built from facts that are all decided. Pure. */
#ifndef KNARR_AGENT_OCI_SPEC_H
#define KNARR_AGENT_OCI_SPEC_H

#include <sys/types.h>

#include "agent/cgroup.h"
#include "agent/str_list.h"
#include "api/value.h"

struct oci_mount {
    char *source; /* on the host */
    char *destination;
    bool read_only;
    const char *propagation;  /* "rprivate", "rslave", "rshared" */
    bool recursive_read_only; /* mounts below it too */
};

/* A device of the host that a privileged container has. */
struct oci_device {
    char *path;
    mode_t mode; /* type and permissions */
    dev_t number;
    uid_t uid;
    gid_t gid;
};

struct oci_sysctl {
    char *name; /* with dots */
    char *value;
};

struct oci_spec {
    const char *rootfs;
    bool rootfs_read_only;
    struct str_list args; /* at least one */
    struct str_list env;
    const char *cwd; /* NULL = "/" */
    bool terminal;
    uid_t uid;
    gid_t gid;
    const gid_t *groups; /* additional */
    size_t group_count;
    /* "ALL" or names without "CAP_", as in securityContext.capabilities. */
    struct str_list capabilities_add;
    struct str_list capabilities_drop;
    /* Bit n = capability n: what the host has to give when all are asked for. 0 = all there are. */
    uint64_t capabilities_host;
    bool privileged;
    bool no_new_privileges;
    bool unmask_proc; /* procMount: Unmasked */
    bool seccomp_unconfined;
    struct value *seccomp; /* a profile of the node's owner; NULL = our default */
    struct oci_device *devices;
    size_t device_count;
    struct oci_sysctl *sysctls;
    size_t sysctl_count;
    struct oci_mount *mounts;
    size_t mount_count;
    /* Paths of pinned namespaces; NULL = the host's. */
    const char *network_namespace;
    const char *ipc_namespace;
    const char *uts_namespace;
    const char *user_namespace;
    const char *pid_namespace; /* that of another container; NULL = one of its own */
    uint32_t users_first;      /* with user_namespace: its root on the host, who has USERNS_SIZE users */
    bool host_pid;
    enum cgroup_version cgroup_version;
    const char *cgroup_path;
    struct cgroup_limits limits;
    int oom_score;
};
void oci_spec_clear(struct oci_spec *spec); /* all that is allocated */

void oci_spec_write(const struct oci_spec *spec, struct buf *out);
/* The part of it that may change while the container runs: limits. */
void oci_resources_write(const struct cgroup_limits *limits, struct buf *out);

#endif
