/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int folder_sync(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int number = errno;

    if (fd >= 0)
        (void)close(fd);
    if (rc < 0 && (number == ENOSPC || number == EDQUOT))
        return error_set(err, ERROR_NO_SPACE, "syncing the folder %s: its disk is full", path);
    return rc < 0 ? error_set_errno(err, number, "syncing the folder %s", path) : 0;
}
