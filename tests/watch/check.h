/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judges a record (record.h). Pure: it knows what was committed and what each watcher was sent, nothing else.
 *
 * For every session there is exactly one right stream: the list as of one revision (when it asked for one), then each
 * later change that concerns the selection, in order, as ADDED, MODIFIED or DELETED by what the object was before and
 * is now, a DELETED with the last that the watcher could see. A session may stop short, but only as its end allows.
 * From that follows what upstream promises of watches:
 *
 *   ordered, unique, reliable   nothing out of place, nothing twice, nothing missing before something that came
 *   atomic                      a session that the server ended holds whole transactions; no bookmark stands inside one
 *   resumable                   the same holds for a session that began behind any revision
 *   bookmarkable                a bookmark comes behind everything up to its revision and before everything after it
 *   expiring                    410 only when what follows the last position was really forgotten
 *   bounded                     the server held no more for it than `unsent_max`
 */
#ifndef KNARR_TESTS_WATCH_CHECK_H
#define KNARR_TESTS_WATCH_CHECK_H

#include "tests/watch/record.h"

struct check_counts {
    size_t events; /* of objects, that were judged */
    size_t lists;
    size_t bookmarks;
    size_t resumed; /* sessions that began behind a revision */
    size_t expired;
    size_t clean;
    size_t cut;
    size_t left; /* objects that left a selection and live on */
    size_t unsent_max;
};

/* 0, or -1 and the first thing that is wrong, with what stands around it. unsent_max 0 = any. */
int check_record(const struct record *record, size_t unsent_max, struct check_counts *ret_counts, struct buf *ret_what);

#endif
