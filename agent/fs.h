/* SPDX-License-Identifier: Apache-2.0 */
/* Files and mounts of the agent. All of it blocks: call it on a pool thread, or at start before the loop runs. */
#ifndef KNARR_AGENT_FS_H
#define KNARR_AGENT_FS_H

#include <sys/types.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/error.h"

/* mkdir -p; only new directories get `mode`. */
int fs_make_dirs(const char *path, mode_t mode, struct error *err);
/* The whole file, at most `max` bytes (ERROR_TOO_LARGE beyond). ERROR_NOT_FOUND when there is none. */
int fs_read(const char *path, size_t max, struct buf *out, struct error *err);
/* Writes beside and renames, so that a reader sees all or nothing, also after a crash. */
int fs_write(const char *path, struct slice data, mode_t mode, struct error *err);
/* Removes a tree without following symbolic links and without leaving its file system. Nothing there is no error. */
int fs_remove_tree(const char *path, struct error *err);
/* The same for `name` in an open directory. */
int fs_remove_tree_at(int dir, const char *name, struct error *err);
bool fs_exists(const char *path);
/* Unmounts all that is mounted at `path` or below it, last mounted first. */
int fs_unmount_below(const char *path, struct error *err);
/* Calls fn with each name in the directory ("." and ".." left out); none there is no error. Stops when fn fails. */
int fs_each_name(const char *path, int (*fn)(void *arg, const char *name, struct error *err), void *arg,
                 struct error *err);

static inline void fd_cleanup(int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}
#define CLEANUP_FD CLEANUP(fd_cleanup)
#define STEAL_FD(fd)                                                                                                   \
    ({                                                                                                                 \
        int steal_fd_ = (fd);                                                                                          \
        (fd) = -1;                                                                                                     \
        steal_fd_;                                                                                                     \
    })

#endif
