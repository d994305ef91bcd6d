/* SPDX-License-Identifier: Apache-2.0 */
/* The list of steps: disk_calls.c makes it, disk.c reads it. */
#ifndef KNARR_TESTS_DISK_DISK_INTERNAL_H
#define KNARR_TESTS_DISK_DISK_INTERNAL_H

#include "tests/disk/disk.h"

#define DISK_SECTOR 512 /* bytes that are there whole or not at all */

enum step_kind {
    STEP_WRITE,
    STEP_SIZE,
    STEP_SYNC,
    STEP_SYNC_FAILED,
    STEP_CREATE,
    STEP_RENAME,
    STEP_UNLINK,
    STEP_SYNC_FOLDER
};
enum disk_folder { FOLDER_ROOT, FOLDER_LOG, FOLDERS };

struct disk_step {
    enum step_kind kind;
    enum disk_folder folder; /* CREATE, RENAME, UNLINK, SYNC_FOLDER */
    size_t file;             /* WRITE, SIZE, SYNC, CREATE */
    bool durable;            /* WRITE: before it returned */
    uint64_t offset;         /* SIZE: the size */
    struct slice data;
    char *from; /* names relative to the root: CREATE, RENAME, UNLINK */
    char *to;
};

const struct disk_step *disk_step_get(size_t step);
/* A file that is there already gets a number. */
size_t disk_adopt(int fd);

#endif
