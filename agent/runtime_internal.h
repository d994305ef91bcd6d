/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the runtime share. All of it blocks (pool threads only), but for the paths. */
#ifndef KNARR_AGENT_RUNTIME_INTERNAL_H
#define KNARR_AGENT_RUNTIME_INTERNAL_H

#include "agent/runtime.h"

/* runtime_record.c */
/* Paths below the two folders of a container; `name` NULL = the folder itself. Caller frees. */
char *runtime_bundle_path(const struct runtime *rt, const char *id, const char *name);
char *runtime_home_path(const struct runtime *rt, const char *id, const char *name);
int runtime_write_record(const struct runtime *rt, const struct runtime_container *c, struct error *err);
/* Caller frees; NULL with err set when there is none that can be read. */
struct runtime_container *runtime_read_record(const struct runtime *rt, const char *id, struct error *err);

/* runtime_programs.c */
/* Runs the OCI runtime with a command and its arguments, at most four, NULL at the end. What it says is in err. */
int runtime_run_command(const struct runtime *rt, const char *const *arguments, struct error *err);
/* Has conmon create the container of a bundle that is complete, and stay with it. */
int runtime_run_conmon(const struct runtime *rt, const struct runtime_container *c, struct error *err);

/* runtime_watch.c */
/* The pid in file `name` of the container's bundle; 0 = none. It may have been used again since. */
pid_t runtime_read_pid(const struct runtime *rt, const char *id, const char *name);
/* Does the command line of the process carry the container's id, as conmon's does? */
bool runtime_pid_is(pid_t pid, const char *id);
/* Once its container is gone conmon writes the exit code and ends; what it writes to must stand until then. */
void runtime_wait_conmon(const struct runtime *rt, const char *id);

#endif
