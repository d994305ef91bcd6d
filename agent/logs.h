/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Container logs. Files are written by conmon in the CRI form, one entry a line:
 *
 *     2026-01-02T15:04:05.999999999+00:00 stdout F text of the line
 *
 * F ends a line of the container, P is a part of one that was too long.
 */
#ifndef KNARR_AGENT_LOGS_H
#define KNARR_AGENT_LOGS_H

#include "lib/bytes.h"
#include "lib/error.h"

struct log_options {
    int64_t tail;     /* last lines; -1 = all */
    int64_t since_ns; /* entries at or after; 0 = all */
    int64_t limit;    /* bytes of the answer; -1 = no limit */
    bool timestamps;
    bool follow;
};

/* From file bytes to what a reader gets. Pure. All zero but `options` is a fresh one. */
struct log_filter {
    struct log_options options;
    struct buf rest; /* an entry that is not complete yet */
    int64_t written;
    bool inside; /* the last entry was a part: its line goes on */
    bool full;   /* the limit was reached: nothing more comes */
};
/* Appends to `out` what the entries in `data` give. An entry that cannot be read is passed over. */
void log_filter_feed(struct log_filter *f, struct slice data, struct buf *out);
void log_filter_clear(struct log_filter *f);

#define LOG_ENTRY_MAX (1u << 20) /* longer entries are passed over; conmon writes at most 8 KiB */

/* Where the last `lines` entries of the open file begin. Blocks. */
int64_t log_tail_offset(int fd, int64_t lines);

/* The end of a log without its times: the last `lines` entries, the last `max` bytes of them. Nothing when it cannot be
 * read. Blocks. */
void log_read_end(const char *path, int64_t lines, size_t max, struct buf *out);

#endif
