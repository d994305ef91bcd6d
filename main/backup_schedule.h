/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups by schedule: a thread that takes one every so often, into files of one folder, and removes the oldest beyond
 * those that are to be kept. It goes by the files that lie there, so a restart neither skips one nor takes one more.
 */
#ifndef KNARR_MAIN_BACKUP_SCHEDULE_H
#define KNARR_MAIN_BACKUP_SCHEDULE_H

#include "store/store.h"

struct backup_schedule;

struct backup_schedule_options {
    struct store *store; /* borrowed */
    const char *folder;  /* made (0700) when missing */
    const char *home;    /* whose keys go along */
    int64_t every_s;
    size_t keep;
};

/* ERROR_IO when the folder cannot be had, ERROR_INTERNAL. The options' texts are borrowed. */
int backup_schedule_start(const struct backup_schedule_options *options, struct backup_schedule **ret_schedule,
                          struct error *err);
/* Breaks off a backup under way. NULL is allowed. */
void backup_schedule_stop(struct backup_schedule *schedule);

/* ---- its parts, for tests ---- */

#define BACKUP_NAME_MAX 64
/* "knarr-20260102T030405Z.backup" */
void backup_name_write(int64_t wall_ns, char ret_name[BACKUP_NAME_MAX]);
/* False when it is no name of ours: such files are left alone. */
bool backup_name_read(const char *name, int64_t *ret_wall_ns);
/* Removes our own files beyond the newest `keep`, and what an earlier process left unfinished. *ret_newest_ns is when
 * the newest one was taken, 0 = there is none. */
int backup_folder_prune(const char *folder, size_t keep, int64_t *ret_newest_ns, struct error *err);

#endif
