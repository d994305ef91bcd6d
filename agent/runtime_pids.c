/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process namespace of a container, for one that is to look into it. A pid from a file may have been used again,
 * and what it names now may be the host's: so the process is held first, then known by its control group, and it must
 * still be there when its namespace has been opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/runtime_internal.h"

#define GROUPS_MAX 65536

static bool is_of_container(pid_t pid, const char *id)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/cgroup", (int)pid);
    BUF_LOCAL(text);

    return fs_read(path, GROUPS_MAX, &text, NULL) == 0 && memmem(text.data, text.len, id, strlen(id)) != NULL;
}

static bool has_ended(int pidfd)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};

    return poll(&end, 1, 0) != 0;
}

int runtime_open_pids(const struct runtime *rt, const char *id, struct error *err)
{
    pid_t pid = runtime_read_pid(rt, id, "pid");
    int held CLEANUP_FD = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    char *path CLEANUP_FREE = mem_printf("/proc/%d/ns/pid", (int)pid);
    int fd CLEANUP_FD = -1;

    if (held < 0 || !is_of_container(pid, id))
        return error_set(err, ERROR_NOT_FOUND, "the target container does not run");
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || has_ended(held))
        return error_set(err, ERROR_NOT_FOUND, "the target container does not run any more");
    return STEAL_FD(fd);
}
