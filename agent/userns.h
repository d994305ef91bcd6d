/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces of pods (hostUsers: false): root of the pod is nobody on the node. Each such pod has 65536 users of
 * its own there, and what it mounts shows their owners as if they were counted from 0 (idmapped mounts, Linux 5.19 for
 * images). All of it blocks: pool threads only.
 */
#ifndef KNARR_AGENT_USERNS_H
#define KNARR_AGENT_USERNS_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/error.h"

#define USERNS_SIZE 65536u

/* Takes a range for the pod, or finds the one it has; `dir` remembers them. ERROR_UNAVAILABLE when all are taken. */
int userns_range_take(const char *dir, const char *uid, uint32_t *ret_first, struct error *err);
/* Gives it back; a pod without one is no error. */
void userns_range_drop(const char *dir, const char *uid);
/* Writes the range as the users and groups of the namespace that process `pid` has just made. */
int userns_map(pid_t pid, uint32_t first, struct error *err);

/* Mounts `source` (a file or a directory, with what is mounted below) once more at `target`, which is made, with owners
 * as the pinned user namespace sees them. `read_only`: all of it. */
int userns_mount(const char *source, const char *target, const char *user_namespace, bool read_only, struct error *err);

/* Makes a directory that only root and the pod's root can enter, below `dir`, which all may pass. ERROR_FORBIDDEN names
 * the first directory above that is closed. */
int userns_make_dir(const char *dir, const char *name, uint32_t first, struct error *err);

#endif
