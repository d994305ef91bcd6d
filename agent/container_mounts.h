/* SPDX-License-Identifier: Apache-2.0 */
/* What a container sees beside its image: volumes, subPaths, /etc files, its termination message. Blocks. */
#ifndef KNARR_AGENT_CONTAINER_MOUNTS_H
#define KNARR_AGENT_CONTAINER_MOUNTS_H

#include "agent/container.h"

int container_mounts_fill(const struct container_start *s, const struct runtime_container *c, struct oci_spec *spec,
                          struct error *err);

/* For a pod with users of its own: every source of the spec is mounted once more, with owners as those see them. */
int container_mounts_map(const struct container_start *s, const struct runtime_container *c, struct oci_spec *spec,
                         struct error *err);

#endif
