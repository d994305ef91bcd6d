/* SPDX-License-Identifier: Apache-2.0 */
/* From a container of a pod's spec to a running one. */
#ifndef KNARR_AGENT_CONTAINER_H
#define KNARR_AGENT_CONTAINER_H

#include "agent/env.h"
#include "agent/image_store.h"
#include "agent/resolv_conf.h"
#include "agent/runtime.h"
#include "agent/sandbox.h"

/* Everything a start needs; all borrowed for the call. */
struct container_start {
    const struct runtime *runtime;
    const struct value *pod;
    const struct value *container;
    const struct image *image;
    const struct sandbox *sandbox;
    const struct pod_facts *facts;
    const char *pod_dir;    /* home/agent/pods/UID */
    const char *pod_cgroup; /* "/knarr/burstable/podUID" */
    const char *log_dir;    /* "/var/log/pods" */
    const char *target;     /* id of a running container whose processes it sees and is among; NULL = none */
    unsigned attempt;
};

enum container_result {
    CONTAINER_STARTED,
    CONTAINER_BAD_CONFIG, /* CreateContainerConfigError: err says why, nothing was made */
    CONTAINER_NOT_MADE,   /* CreateContainerError: the host failed, nothing is left */
    CONTAINER_FAILED,     /* it was made and did not start: *ret_container has ended with StartError */
};

/* Blocks: pool threads only. */
enum container_result container_start(const struct container_start *s, struct runtime_container **ret_container,
                                      struct error *err);

/* What the pod's files of /etc are made of; all borrowed. */
struct container_etc {
    const struct value *pod;
    const struct sandbox *sandbox;
    const char *pod_dir;
    const char *resolv_conf; /* the host's */
    const struct cluster_dns *dns;
};
/* Writes the pod's own /etc/hosts, /etc/resolv.conf and /etc/hostname. `warnings`: for the pod's events. Blocks. */
int container_write_etc(const struct container_etc *e, struct str_list *warnings, struct error *err);
/* "LOG_DIR/NS_NAME_UID"; caller frees. */
char *container_log_dir(const char *log_dir, const struct value *pod);
/* Changes when the container's spec does: a running one of another hash is restarted. */
void container_hash(const struct value *container, char ret_hash[17]);
/* Number of a signal by name or number; 0 = unknown. */
int container_signal(const char *name);

#endif
