/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views: what the scheduler keeps of a pod and of a node, read out of the object's bytes. Immutable once made.
 */
#ifndef KNARR_SCHEDULER_VIEW_H
#define KNARR_SCHEDULER_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bytes.h"

/* The resources every pod and node is measured by; `pods` is a count. */
enum resource { RESOURCE_CPU, RESOURCE_MEMORY, RESOURCE_STORAGE, RESOURCE_PODS, RESOURCE_COUNT };
/* cpu in thousandths, memory and ephemeral-storage in bytes. */
struct resources {
    int64_t amount[RESOURCE_COUNT];
};

struct label {
    char *name;
    char *value;
};

enum node_operator { NODE_IN, NODE_NOT_IN, NODE_EXISTS, NODE_DOES_NOT_EXIST, NODE_GT, NODE_LT };
struct node_requirement {
    enum node_operator operator_;
    bool on_name; /* matchFields metadata.name instead of a label */
    char *key;
    char **values;
    size_t value_count;
};
/* All requirements of a term must hold; one term of a list is enough. */
struct node_term {
    struct node_requirement *requirements;
    size_t requirement_count;
    int32_t weight; /* preferred terms only */
};

enum taint_effect { TAINT_NO_SCHEDULE, TAINT_PREFER_NO_SCHEDULE, TAINT_NO_EXECUTE, TAINT_ANY };
struct taint {
    char *key;
    char *value;
    enum taint_effect effect;
};
struct toleration {
    char *key; /* "" with exists = every taint */
    char *value;
    bool exists;
    enum taint_effect effect; /* TAINT_ANY = all effects */
};

struct host_port {
    uint16_t port;
    char protocol; /* 'T', 'U', 'S' */
    char *ip;      /* "0.0.0.0" = all */
};

struct pod_view {
    char *namespace_;
    char *name;
    char *uid;
    char *scheduler_name;
    char *node_name;             /* NULL = not bound yet */
    char *owner_uid;             /* of its controller, NULL = none */
    char *unschedulable_message; /* of a PodScheduled=False condition, NULL = none */
    int32_t priority;
    bool finished; /* Succeeded or Failed: takes nothing */
    bool deleting;
    bool gated;                 /* has scheduling gates */
    bool has_required_affinity; /* with no terms it matches no node */
    struct resources requests;  /* RESOURCE_PODS is 1 */
    struct label *node_selector;
    size_t node_selector_count;
    struct node_term *required;
    size_t required_count;
    struct node_term *preferred;
    size_t preferred_count;
    struct toleration *tolerations;
    size_t toleration_count;
    struct host_port *ports;
    size_t port_count;
};

struct node_view {
    char *name;
    struct resources allocatable;
    struct label *labels; /* sorted by name */
    size_t label_count;
    struct taint *taints;
    size_t taint_count;
    bool unschedulable;
};

/* From the JSON of a pod or a node; NULL when it has no name. The caller frees. */
struct pod_view *pod_view_read(struct slice json);
void pod_view_free(struct pod_view *pod);
struct node_view *node_view_read(struct slice json);
void node_view_free(struct node_view *node);

/* The value of a node's label, or NULL. */
const char *node_view_label(const struct node_view *node, const char *name);
/* Whether one of the pod's tolerations covers the taint. */
bool pod_tolerates(const struct pod_view *pod, const struct taint *taint);
/* Whether the change between two versions of a node could let a waiting pod in. */
bool node_view_may_help(const struct node_view *before, const struct node_view *now);

#endif
