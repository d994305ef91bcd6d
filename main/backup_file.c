/* SPDX-License-Identifier: Apache-2.0 */
#include "main/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/folder.h"

int backup_file_open(const char *path, struct backup_file *ret_file, struct error *err)
{
    struct backup_file f = {.path = mem_strdup(path), .temporary = mem_printf("%s.tmp", path)};

    (void)unlink(f.temporary);
    f.fd = open(f.temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    *ret_file = f;
    if (f.fd >= 0)
        return 0;
    (void)error_set_errno(err, errno, "writing %s", f.temporary);
    backup_file_close(ret_file);
    return -(int)ERROR_IO;
}

int backup_file_write(struct backup_file *f, struct slice bytes, struct error *err)
{
    while (bytes.len) {
        ssize_t n = write(f->fd, bytes.data, bytes.len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set_errno(err, n ? errno : EIO, "writing %s", f->temporary);
        bytes = slice_from(bytes, (size_t)n);
    }
    return 0;
}

/* The name is on the disk with its folder. */
static int backup_file_sync_folder(const struct backup_file *f, struct error *err)
{
    const char *slash = strrchr(f->path, '/');
    char *folder CLEANUP_FREE = slash ? mem_strndup(f->path, (size_t)(slash - f->path) + 1) : mem_strdup(".");

    return folder_sync(folder, err);
}

int backup_file_finish(struct backup_file *f, const struct home_keys *keys, struct store_backup_info *ret_info,
                       struct error *err)
{
    int rc = store_backup_add_files(f->fd, keys ? keys->files : NULL, keys ? keys->count : 0, ret_info, err);

    if (rc < 0)
        return error_wrap(err, "%s", f->temporary);
    if (fsync(f->fd) < 0)
        return error_set_errno(err, errno, "syncing %s", f->temporary);
    if (rename(f->temporary, f->path) < 0)
        return error_set_errno(err, errno, "making %s", f->path);
    free(STEAL(f->temporary));
    return backup_file_sync_folder(f, err);
}

void backup_file_close(struct backup_file *f)
{
    if (f->fd >= 0)
        (void)close(f->fd);
    if (f->fd >= 0 && f->temporary)
        (void)unlink(f->temporary);
    free(STEAL(f->temporary));
    free(STEAL(f->path));
    f->fd = -1;
}
