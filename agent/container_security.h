/* SPDX-License-Identifier: Apache-2.0 */
/* Who a container runs as and what it may do: the securityContext of the container over that of its pod. */
#ifndef KNARR_AGENT_CONTAINER_SECURITY_H
#define KNARR_AGENT_CONTAINER_SECURITY_H

#include "agent/container.h"
#include "agent/user.h"

/* Both block. `rootfs` is mounted; `user` holds the groups that the spec then points to. The error is the pod's
 * mistake, in the kubelet's words. */
int container_user_fill(const struct container_start *s, const char *rootfs, struct user *user, struct oci_spec *spec,
                        struct error *err);
/* Capabilities, seccomp, devices, sysctls; fails for a seccomp profile that cannot be read. */
int container_security_fill(const struct container_start *s, struct oci_spec *spec, struct error *err);

#endif
