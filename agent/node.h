/* SPDX-License-Identifier: Apache-2.0 */
/* This machine as a Node: registered, its status kept true, its Lease renewed. */
#ifndef KNARR_AGENT_NODE_H
#define KNARR_AGENT_NODE_H

#include "agent/agent_internal.h"
#include "api/value.h"

/* What a machine is, read once at start. */
struct node_machine {
    char *machine_id;
    char *system_uuid;
    char *boot_id;
    char *kernel;
    char *os_image;
    const char *architecture;
    int64_t cpu_milli;
    int64_t memory; /* bytes */
    int64_t disk;   /* bytes of the file system that holds home */
};
/* Reads /proc, /sys and /etc; blocks a little. */
void node_machine_read(const char *home, struct node_machine *ret_machine);
void node_machine_clear(struct node_machine *m);

/* What of the memory is for pods. */
int64_t node_allocatable_memory(int64_t memory);

struct node_view {
    const char *name;
    const char *ip;
    uint16_t port;
    bool network_ready;
    int64_t memory_available; /* bytes */
    int64_t disk_available;
    int64_t now_ns;
    const struct image_store *images; /* NULL = none */
};
/* The Node's status (pure). `before` is the last one made (NULL = none): transition times move when a status does. */
struct value *node_status_make(const struct node_machine *machine, const struct node_view *view,
                               const struct value *before);
/* Are they equal but for heartbeat times? */
bool node_status_same(const struct value *a, const struct value *b);

/* Registers, then keeps status and Lease. Calls network_known(arg) once when the pod network of the node is known. */
struct node *node_start(struct agent *agent, void (*network_known)(void *arg, const char *pod_cidr), void *arg);
void node_free(struct node *node);
/* The cluster has no such Node any more: it was deleted, or the cluster came back from a backup of before the join. */
void node_register_again(struct node *node);

#endif
