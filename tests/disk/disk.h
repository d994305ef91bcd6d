/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A disk that can fail. A program that links disk.c defines the calls that change files itself (they are exported, so
 * that LMDB's calls come here too). They go on to the kernel, and while a folder is watched, every one that concerns it
 * becomes a step of a list. From the list follows what may be left when the power goes:
 *
 *   - what a file was told before its last fdatasync or fsync is there (O_DSYNC: before the write returned);
 *   - of every later write, some sectors of 512 bytes are there and some are not, each on its own, in no order;
 *   - of what happened to a folder after its last fsync, the first so-many steps are there and no others;
 *   - a sync that failed has written some sectors of what was due, and the rest is never written (as Linux does it).
 *
 * The folder is one of the store's: files in it and in its folder `log`, nothing deeper. One at a time, one thread.
 */
#ifndef KNARR_TESTS_DISK_DISK_H
#define KNARR_TESTS_DISK_DISK_H

#include "lib/bytes.h"

/* Every draw of the disk, and of who uses it: the same seed gives the same. Not 0. */
extern uint64_t disk_seed;
/* Even in [0, below), about. */
uint64_t disk_draw(uint64_t below);

/* ---- watching ---- */

/* Forgets the list and the disk, and watches this (empty) folder from now on. */
void disk_watch(const char *root);
void disk_unwatch(void);
/* Who uses it is dead: from now on every call that concerns the folder fails with EIO and does nothing. */
void disk_freeze(void);
/* The next one finds all as it was left: only the process died, the power stayed. */
void disk_thaw(void);
bool disk_frozen(void);
/* Steps so far. */
size_t disk_steps(void);

enum disk_call { DISK_WRITE, DISK_SPACE, DISK_SYNC, DISK_OPEN, DISK_RENAME, DISK_UNLINK, DISK_CALLS };
/* Asked before each call that concerns the folder; NULL = none. Returns the error number that it is to fail with, or 0.
 * Of a write, *len may be made shorter: so much is written, be it followed by an error or not. */
extern int (*disk_fault)(enum disk_call call, size_t *len);

/* ---- what is on it ---- */

struct disk;
struct disk *disk_new(void);
void disk_free(struct disk *disk);
/* The next step of the list happens to it: call it with 0, 1, 2 ... in turn. */
void disk_apply(struct disk *disk, size_t step);
/* Writes what may be left of it to an empty or missing folder. */
void disk_image(const struct disk *disk, const char *root);
/* Removes what disk_image made, and what a store made of it. */
void disk_remove(const char *root);
/* The machine starts again: what disk_image would leave is in that folder, which is watched from now on, and is all
 * that is on the disk. The list is empty. */
void disk_restart(struct disk *disk, const char *root);

#endif
