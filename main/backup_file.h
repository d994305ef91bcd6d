/* SPDX-License-Identifier: Apache-2.0 */
/* A backup on its way into a file: under a name of its own until it was read again, found whole and synced. */
#ifndef KNARR_MAIN_BACKUP_FILE_H
#define KNARR_MAIN_BACKUP_FILE_H

#include "main/home.h"

struct backup_file {
    char *path;
    char *temporary; /* PATH.tmp, 0600 */
    int fd;
};

int backup_file_open(const char *path, struct backup_file *ret_file, struct error *err);
int backup_file_write(struct backup_file *file, struct slice bytes, struct error *err);
/* Checks all of it, adds the keys (NULL = none), and gives the file its name. */
int backup_file_finish(struct backup_file *file, const struct home_keys *keys, struct store_backup_info *ret_info,
                       struct error *err);
/* After every other call, whatever became of it: what was not finished is removed. */
void backup_file_close(struct backup_file *file);

#endif
