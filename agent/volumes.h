/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of a pod: emptyDir, configMap, secret, downwardAPI, projected, hostPath, below home/agent/pods/UID/volumes.
 * Setting up again is how contents are brought up to date: files change all at once, by one renamed link. Blocks: pool
 * threads only.
 */
#ifndef KNARR_AGENT_VOLUMES_H
#define KNARR_AGENT_VOLUMES_H

#include <sys/types.h>

#include "agent/env.h"

#define VOLUMES_SHM "shm" /* in the pod's directory: what its containers have at /dev/shm */

/* pod_dir: home/agent/pods/UID. Errors are worded for the FailedMount event. */
int volumes_setup(const struct value *pod, const struct pod_facts *facts, const char *pod_dir, struct error *err);
/* Gives a directory to the group and adds `mode` bits; group -1 = nothing to do. */
int volume_set_group(const char *dir, gid_t group, mode_t mode, struct error *err);
/* Where volume `name` is on the host; NULL when the pod has no such volume. Caller frees. */
char *volume_path(const struct value *pod, const char *pod_dir, const char *name);

/* Is it one whose files are ours alone to write? */
bool volume_read_only(const struct value *pod, const char *name);

/* Does the pod have any of those? */
bool volumes_change(const struct value *pod);

/* One file of a volume. Used by volumes and tests. */
struct payload_file {
    char *path; /* relative, checked */
    struct buf data;
    unsigned mode;
    bool owned; /* by another than root */
    uid_t owner;
};
struct payload {
    struct payload_file *files;
    size_t count;
    size_t cap;
};
void payload_clear(struct payload *p);
/* Gathers the files of one volume. */
int payload_build(const struct value *pod, const struct pod_facts *facts, const struct value *volume,
                  struct payload *ret_payload, struct error *err);
/* Makes `dir` show exactly these files (group: -1 = leave). */
int payload_write(const char *dir, const struct payload *p, gid_t group, struct error *err);

#endif
