/* SPDX-License-Identifier: Apache-2.0 */
/* Which objects a command means: "TYPE NAME...", "TYPE" (all of them) or "TYPE/NAME". */
#ifndef KNARR_CLI_TARGET_H
#define KNARR_CLI_TARGET_H

#include "cli/session.h"

struct target {
    const struct schema_kind *kind;
    const char *const *names; /* borrowed from the arguments */
    size_t count;             /* 0 = all */
    const char *single;       /* of "TYPE/NAME" */
};

/* False after one line on standard error. */
bool target_read(struct session *s, const struct arguments *arguments, struct target *ret_target);

/* The pod that "NAME" or "pod/NAME" means, borrowed from the word; NULL after one line on standard error. */
const char *target_pod(const char *command, const char *word);

#endif
