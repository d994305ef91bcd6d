/* SPDX-License-Identifier: Apache-2.0 */
/* What a Pod asks for, read from its JSON tree. Pure; everything returned is borrowed unless it says otherwise. */
#ifndef KNARR_AGENT_POD_SPEC_H
#define KNARR_AGENT_POD_SPEC_H

#include "agent/cgroup.h"
#include "api/value.h"

/* What a container is in its pod, in the order in which the pod's containers are kept. */
enum container_kind { CONTAINER_INIT, CONTAINER_APP, CONTAINER_EPHEMERAL, CONTAINER_KINDS };
/* Its list of the spec and of the status: "initContainers", "initContainerStatuses". */
const char *container_list(enum container_kind kind);
const char *container_status_list(enum container_kind kind);
/* The member `name` of a list of containers or of their statuses; NULL when there is none. */
const struct value *container_named(const struct value *list, const char *name);

/* "" when absent. */
const char *pod_uid(const struct value *pod);
const char *pod_name(const struct value *pod);
const char *pod_namespace(const struct value *pod);
/* "name_namespace(uid)": how messages name a pod; caller frees. */
char *pod_display_name(const struct value *pod);
/* spec.hostnameOverride, spec.hostname, else the pod's name cut to what a host name may be; caller frees. */
char *pod_host_name(const struct value *pod);
/* "HOST.SUBDOMAIN.NS.svc.DOMAIN"; NULL when the pod has no subdomain. Caller frees. */
char *pod_full_name(const struct value *pod, const char *domain);
/* What the kernel is told: the same, or with its domain where setHostnameAsFQDN asks for it. `domain`: the cluster's.
 * ERROR_INVALID when it is too long for the kernel. Caller frees. */
char *pod_kernel_name(const struct value *pod, const char *domain, struct error *err);

bool pod_host_network(const struct value *pod);
bool pod_own_users(const struct value *pod);             /* hostUsers: false */
const char *pod_restart_policy(const struct value *pod); /* "Always", "OnFailure", "Never" */
/* An init container that keeps running beside the others. */
bool container_is_sidecar(const struct value *container);

bool pod_deleting(const struct value *pod);
/* Seconds between SIGTERM and SIGKILL: what the deletion says, else the spec. */
int64_t pod_grace_seconds(const struct value *pod);

/* A text member of an object, NULL when absent. */
const char *object_text(const struct value *object, const char *name);
/* A quantity of an object such as resources.limits: bytes or units, rounded up; milli: thousandths. 0 when absent. */
int64_t object_quantity(const struct value *object, const char *name);
int64_t object_quantity_milli(const struct value *object, const char *name);

enum cgroup_qos pod_qos(const struct value *pod);
/* Limits of one container; requests fall back to limits as the API server's defaulting has it. */
void container_limits(const struct value *container, struct cgroup_limits *ret_limits, int64_t *ret_memory_request);
/* Limits of the pod's group: sums; a limit holds only when every container has one. */
void pod_limits(const struct value *pod, struct cgroup_limits *ret_limits);

/* The user that all containers run as; false when one says nothing or another. */
bool pod_common_user(const struct value *pod, int64_t *ret_user);

/* securityContext.sysctls: the name with dots between its parts; caller frees. */
char *pod_sysctl_name(const char *name);
/* Why the pod must not run for what it asks of the kernel, in the kubelet's words; NULL = it may. Caller frees. */
char *pod_sysctl_forbidden(const struct value *pod);

/* Calls fn for every ConfigMap, Secret and token the pod names ("configmaps"/"secrets"/"tokens", name, may it be
 * absent). */
void pod_each_reference(const struct value *pod,
                        void (*fn)(void *arg, const char *resource, const char *name, bool optional), void *arg);

#endif
