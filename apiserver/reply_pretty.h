/* SPDX-License-Identifier: Apache-2.0 */
/* JSON for people (?pretty=true): two blanks a level, a line a member, as upstream. Pure; in pieces, as they come. */
#ifndef KNARR_APISERVER_REPLY_PRETTY_H
#define KNARR_APISERVER_REPLY_PRETTY_H

#include "lib/bytes.h"

struct reply_pretty {
    unsigned depth;
    bool in_string;
    bool escaped; /* the next byte of the string is itself */
    bool opened;  /* nothing is in the object or list yet */
};
/* Appends the piece of well-formed JSON, which has no blanks outside of its strings that matter. */
void reply_pretty_write(struct reply_pretty *p, struct slice piece, struct buf *out);

#endif
