/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real server as a process, in a network namespace of its own that has no name and goes with it, joined to ours
 * (just as nameless) by one or two links. What a killed test leaves behind is a folder under /tmp.
 */
#ifndef KNARR_TESTS_WATCH_PROCESS_H
#define KNARR_TESTS_WATCH_PROCESS_H

#include <sys/types.h>

#include "lib/bytes.h"

#define PROCESS_PORT  6443
#define PROCESS_TOKEN "watchers-token"

struct process {
    char dir[64];
    const char *binary;
    const char *const *more; /* arguments; NULL-terminated */
    pid_t pid;
};

/* Leaves the host's network for one of our own; false when that is not allowed. Before any thread. */
bool process_leave_network(void);
/* A new folder, the namespaces and links: we are 10.99.L.2 and the server 10.99.L.1 on link L = 0, 1. Then the server;
 * returns when it is ready. Ends the program with a sentence when something fails. */
void process_start(struct process *p, const char *binary, const char *const *more);
/* Again in the same folder and, unlike the links, in a new namespace. */
void process_restart(struct process *p);
/* false when it did not end well (SIGTERM only). */
bool process_stop(struct process *p, int signal);
/* The folder goes. */
void process_clear(struct process *p);

void process_set_link(const struct process *p, int link, bool up);
size_t process_descriptors(const struct process *p);
/* Bytes of memory that are its own. */
size_t process_memory(const struct process *p);
_Noreturn void process_die(const char *what, const char *why);

#endif
