/* SPDX-License-Identifier: Apache-2.0 */
/* One more process in a running container, by the OCI runtime's exec, and its end. */
#ifndef KNARR_AGENT_EXEC_PROCESS_H
#define KNARR_AGENT_EXEC_PROCESS_H

#include <sys/ioctl.h>

#include "agent/runtime.h"

struct exec_process {
    /* Set by the caller; borrowed until it has ended. */
    const struct runtime *runtime;
    const char *id;             /* of the container */
    const char *const *command; /* NULL-terminated */
    bool in;                    /* else it reads nothing */
    bool tty;
    struct winsize size; /* of the terminal at first */
    /* Set by exec_process_start. */
    pid_t pid;   /* of the runtime's own process, which waits for the command */
    int pidfd;   /* readable when it has ended */
    int fds[3];  /* our ends of its input, output and errors; of a terminal only the first: its master */
    char *trace; /* path of files for and of the runtime: .json, .pid, .log */
};
/* All -1 and NULL but what the caller sets. */
void exec_process_init(struct exec_process *p);
/* Closes our ends. */
void exec_process_close(struct exec_process *p);
/* The same, and forgets all of it. It must have been reaped. */
void exec_process_clear(struct exec_process *p);

/* Blocks until it is started: pool threads only. */
int exec_process_start(struct exec_process *p, struct error *err);

/* These do not block. */

/* After its end: the exit code of the command, 126 or 127 when there is no such program to run, -1 and an error when
 * the runtime failed. */
int exec_process_reap(struct exec_process *p, struct error *err);
/* The terminal has another size. */
void exec_process_resize(const struct exec_process *p, int master, const struct winsize *size);
/* To the command and its process group; false when it is not there (yet). */
bool exec_process_signal(const struct exec_process *p, int signal);
/* The runtime's own process, at once. */
void exec_process_kill(const struct exec_process *p);

#endif
