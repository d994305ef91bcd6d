/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sandbox: what the containers of one pod share. Its network, IPC and UTS namespaces are pinned by bind mounts under
 * run_dir, so that no pause process is needed; the network comes from CNI plugins (bridge with host-local addresses).
 * All of it blocks: pool threads only.
 */
#ifndef KNARR_AGENT_SANDBOX_H
#define KNARR_AGENT_SANDBOX_H

#include "lib/bytes.h"
#include "lib/error.h"

#define SANDBOX_HOST_NETWORK 1u
#define SANDBOX_HOST_IPC     2u
#define SANDBOX_USERS        4u /* users of its own: not with the two above */

/* What is the same for all pods of the node. */
struct sandbox_config {
    const char
        *run_dir; /* run_dir/agent: pins in netns/, ipc/, uts/, user/, records in sandboxes/, addresses in cni/ */
    const char *cni_dir;  /* "/usr/lib/cni" */
    const char *bridge;   /* "knarr0" */
    const char *pod_cidr; /* "10.244.0.0/24" */
};

struct sandbox {
    char *uid;
    unsigned flags;
    char *ip;      /* NULL on the host's network */
    char *network; /* path of the pinned namespace; NULL = the host's */
    char *ipc;
    char *uts;
    char *user;
    uint32_t users_first; /* with SANDBOX_USERS: who root of the pod is on the node */
};
void sandbox_clear(struct sandbox *s);

/* Makes the sandbox, or finds the one that is there. `host_name` is at most 64 bytes. */
int sandbox_create(const struct sandbox_config *config, const char *uid, const char *host_name, unsigned flags,
                   struct sandbox *ret_sandbox, struct error *err);
/* Reads the record of an earlier run; ERROR_NOT_FOUND when there is none, or its namespaces are gone (reboot). */
int sandbox_load(const struct sandbox_config *config, const char *uid, struct sandbox *ret_sandbox, struct error *err);
/* Gives the address back, drops the namespaces. Nothing there is no error. */
int sandbox_remove(const struct sandbox_config *config, const char *uid, struct error *err);

#endif
