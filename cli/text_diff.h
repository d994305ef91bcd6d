/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two texts, line by line, as `diff -u` prints it. */
#ifndef KNARR_CLI_TEXT_DIFF_H
#define KNARR_CLI_TEXT_DIFF_H

#include "lib/bytes.h"

/* More changed lines than this, and what lies between the common beginning and end is shown as replaced. */
#define TEXT_DIFF_EDITS_MAX 1000

/* Appends the heads "--- before_name", "+++ now_name" and the hunks, with three lines around each; nothing when the
 * texts are the same. Pure. */
void text_diff(const char *before_name, struct slice before, const char *now_name, struct slice now, struct buf *out);

#endif
