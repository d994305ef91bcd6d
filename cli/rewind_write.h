/* SPDX-License-Identifier: Apache-2.0 */
/* Rewinding, the part that writes: one step of a plan as requests, each on the condition that the object is still what
 * the plan saw. */
#ifndef KNARR_CLI_REWIND_WRITE_H
#define KNARR_CLI_REWIND_WRITE_H

#include "cli/rewind_plan.h"
#include "cli/session.h"

struct rewind_writer {
    struct session *session;
    bool dry_run;    /* the server checks everything and changes nothing */
    bool recreate;   /* what cannot be changed is deleted and made anew */
    struct map made; /* names of namespaces that this rewind made, or would make */
};

enum rewind_result {
    REWIND_DONE,
    REWIND_RECREATED,
    REWIND_SAME,   /* it is as it was already */
    REWIND_LEFT,   /* for the sake of an owner that is not there; *ret_why says it */
    REWIND_FIXED,  /* what differs cannot be changed; *ret_why says it */
    REWIND_FAILED, /* err says why */
};

/* *ret_why: the caller frees. */
enum rewind_result rewind_write(struct rewind_writer *w, const struct rewind_step *step, char **ret_why,
                                struct error *err);
void rewind_writer_clear(struct rewind_writer *w);
/* Pure: the fields of a refusal (422) when all its causes say that a field may not change ("spec.selector, spec.x");
 * else NULL. The caller frees. */
char *rewind_fixed_fields(const struct error *refused);

#endif
