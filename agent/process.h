/* SPDX-License-Identifier: Apache-2.0 */
/* Child processes that are waited for: runtime, CNI plugins, nft. All but process_spawn block: pool threads only. */
#ifndef KNARR_AGENT_PROCESS_H
#define KNARR_AGENT_PROCESS_H

#include <sys/types.h>

#include "lib/bytes.h"
#include "lib/error.h"

struct process_options {
    const char *const *argv; /* argv[0] is a path, or a name looked up in PATH */
    const char *const *env;  /* NULL = PATH only */
    const char *cwd;         /* NULL = ours */
    struct slice input;      /* given on standard input */
    unsigned timeout_ms;     /* killed then; 0 = two minutes */
    size_t output_max;       /* bytes kept of each output; 0 = 64 KiB. More is read and dropped. */
    /* The child gets the write end of a pipe as descriptor 3, and the call also waits for one line on it (or its end):
     * how conmon reports. */
    bool report;
};
struct process_result {
    int status; /* exit code, or 128 + signal */
    struct buf output;
    struct buf errors;
    struct buf report;
};
void process_result_clear(struct process_result *r);
#define PROCESS_RESULT_LOCAL(name) struct process_result name CLEANUP(process_result_clear) = {0}

/* Fails when the child cannot be started or ran into the timeout; its own exit code is the caller's to judge. */
int process_run(const struct process_options *options, struct process_result *ret_result, struct error *err);
/* Starts a child that has `count` descriptors, `fds`, as 0, 1, 2...; it is the caller's to reap. Uses argv, env and cwd
 * of the options. */
int process_spawn(const struct process_options *options, const int *fds, size_t count, pid_t *ret_pid, int *ret_pidfd,
                  struct error *err);
/* Runs a program of the host (looked up, 20 s) that must end well. output NULL = not wanted. */
int process_call(const char *const *argv, struct slice input, struct buf *output, struct error *err);
/* nft rules, in one transaction. */
int process_nft(struct slice rules, struct error *err);
/* The full path of a program, looked up in the usual directories; NULL when there is none. Caller frees. */
char *process_find(const char *name);

#endif
