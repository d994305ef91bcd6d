/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduler: gives every pod without a node the best node that takes it, through the public API. */
#ifndef KNARR_SCHEDULER_SCHEDULER_H
#define KNARR_SCHEDULER_SCHEDULER_H

#include "client/client.h"

struct scheduler;
struct scheduler_options {
    struct client *client; /* borrowed; its loop is the scheduler's */
    const char *name;      /* spec.schedulerName it serves; NULL = "default-scheduler" */
};
struct scheduler *scheduler_start(const struct scheduler_options *options);
void scheduler_free(struct scheduler *s);

#endif
