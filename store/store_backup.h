/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backup: all that lives at one revision, as one file, taken while the store is written to; and a new store out of such
 * a file. The history does not go along: a restored store begins its own.
 *
 * Every byte is under a checksum; what is damaged, cut off or of a newer version is refused with its place and never
 * read in part. docs/store.md draws the format.
 */
#ifndef KNARR_STORE_BACKUP_H
#define KNARR_STORE_BACKUP_H

#include "store/store.h"

#define STORE_BACKUP_FILES_MAX      16
#define STORE_BACKUP_FILE_NAME_MAX  64
#define STORE_BACKUP_FILE_BYTES_MAX (64u << 10)
/* A restored store goes on so far above the backup's revision. Whoever still has one from between the backup and the
 * loss is so told that it is no longer kept, and lists anew. */
#define STORE_RESTORE_GAP 1000000000ULL

struct store_backup_info {
    uint64_t revision;
    int64_t time_ns; /* of the backup, wall clock */
    uint64_t keys;
    uint64_t bytes; /* of their records, unpacked */
    size_t files;   /* that go along */
    uint64_t size;  /* of the backup itself */
};

/* ---- writing ---- */

struct store_backup;
/* A backup of the newest revision. Until store_backup_end the store keeps what it needs of the past, up to twice the
 * history's bound and while the disk is not full. The store must outlive it. */
int store_backup_begin(struct store *store, struct store_backup **ret_backup, struct error *err);
/* Appends the next piece (a block of a MiB before compression, as a rule) to `out`: 1 = more follow, 0 = that was the
 * last. No read transaction outlives the call; each may come from another thread. ERROR_EXPIRED: so much was written
 * meanwhile that the revision is lost, or the disk is full; ERROR_CORRUPT: a record is damaged. */
int store_backup_next(struct store_backup *backup, struct buf *out, struct error *err);
void store_backup_end(struct store_backup *backup); /* NULL is allowed */

/* A small file that goes along with the backup, such as a key of the cluster. */
struct store_backup_file {
    const char *name; /* letters, digits, '.', '_' and '-' */
    struct slice bytes;
};
/* Checks the backup in the file and adds files to it. `fd` is open for reading and writing. The caller syncs. */
int store_backup_add_files(int fd, const struct store_backup_file *files, size_t count,
                           struct store_backup_info *ret_info, struct error *err);

/* ---- reading ---- */

/* Returns 0 or a negative error, which ends the reading. The file's parts live for the call. */
typedef int store_visit_backup_file(void *arg, const struct store_backup_file *file, struct error *err);
/* Reads and checks all of it, from where `fd` stands to its end. `visit` may be NULL; what it is shown counts only when
 * 0 is returned. ERROR_CORRUPT with the place in bytes, ERROR_IO. */
int store_backup_check(int fd, store_visit_backup_file *visit, void *arg, struct store_backup_info *ret_info,
                       struct error *err);
/* Makes a store of it in `folder`, which does not exist. It is complete and on disk when 0 is returned; after a failure
 * the folder is the caller's to remove. As store_backup_check, and the errors of store_open. */
int store_restore(int fd, const char *folder, struct store_backup_info *ret_info, struct error *err);

#endif
