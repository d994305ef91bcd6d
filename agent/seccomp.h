/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls a container may make: the default (seccomp_default.c) as an OCI runtime's configuration, and
 * profiles of the node's owner, which are in that form already.
 */
#ifndef KNARR_AGENT_SECCOMP_H
#define KNARR_AGENT_SECCOMP_H

#include "api/value.h"

/* One row of the default: allows its names, or gives them `error`. */
struct seccomp_rule {
    const char *names;   /* separated by spaces */
    const char *with;    /* only with this capability (without "CAP_"); NULL = always */
    const char *without; /* only without it */
    int error;           /* 0 = allowed */
    const char *compare; /* of the first argument with `value`, SCMP_CMP_...; NULL = any */
    uint64_t value;
};
extern const struct seccomp_rule seccomp_default_rules[];
extern const size_t seccomp_default_rule_count;

/* `linux.seccomp` for a container with these capabilities: `granted` answers for one name without "CAP_". Caller frees.
 */
struct value *seccomp_default_make(bool (*granted)(const void *arg, const char *capability), const void *arg);

/* Reads profile `name` (a path that stays inside) from a directory. Blocks. Caller frees; NULL with err set. */
struct value *seccomp_profile_read(const char *dir, const char *name, struct error *err);

#endif
