/* SPDX-License-Identifier: Apache-2.0 */
/* Environment, command and downward API of a container, from the pod and what it refers to. Pure. */
#ifndef KNARR_AGENT_ENV_H
#define KNARR_AGENT_ENV_H

#include "agent/str_list.h"
#include "api/value.h"
#include "lib/error.h"

/* ConfigMaps and Secrets by name; NULL when absent. */
typedef const struct value *reference_find(const void *arg, const char *resource, const char *name);

/* What the pod cannot know of itself. */
struct pod_facts {
    const char *node_name;
    const char *cluster_domain; /* "cluster.local" */
    const char *host_ip;
    const char *pod_ip; /* NULL = not yet */
    int64_t node_cpu_milli;
    int64_t node_memory;
    reference_find *find;
    const void *find_arg;
    const struct str_list *services; /* "NAME=value" texts that tell of Services; NULL = none */
};

/* The text of metadata.name, metadata.labels['x'], status.podIP and the other fields of the downward API; false when
 * the path is not one. metadata.labels and metadata.annotations (volumes) give key="value" lines. */
bool downward_field(const struct value *pod, const struct pod_facts *facts, const char *path, struct buf *out);
/* resourceFieldRef: limits.cpu, requests.memory ..., divided and rounded up. */
bool downward_resource(const struct value *pod, const struct pod_facts *facts, const char *container_name,
                       const struct value *ref, struct buf *out);

/* Replaces $(NAME) by its value in `env` ("NAME=value" texts), $$(NAME) by $(NAME); unknown names stay. */
void env_expand(struct slice text, const struct str_list *env, struct buf *out);

/* "NAME=value" texts: the image's, then those of Services, envFrom, env. ERROR_NOT_FOUND or ERROR_INVALID with
 * upstream's words when a reference cannot be resolved (CreateContainerConfigError). */
int env_build(const struct value *pod, const struct value *container, const struct value *image_config,
              const struct pod_facts *facts, struct str_list *ret_env, struct error *err);
/* command and args over the image's Entrypoint and Cmd. ERROR_INVALID when nothing is left to run. */
int env_command(const struct value *pod, const struct value *container, const struct value *image_config,
                const struct pod_facts *facts, struct str_list *ret_args, struct error *err);

#endif
