/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Schedules of CronJobs: five fields (minute, hour, day of the month, month, day of the week) or @hourly, @daily,
 * @weekly, @monthly, @yearly, @every DURATION, with the words and the errors of the library that upstream uses.
 */
#ifndef KNARR_API_CRON_H
#define KNARR_API_CRON_H

#include "lib/bytes.h"
#include "lib/error.h"

/* Bit n: the value n fits. A field that is a star (or a question mark) has CRON_STAR as well: when one of the two days
 * is a star the other alone decides, else either will do. */
#define CRON_STAR ((uint64_t)1 << 63)
struct cron {
    uint64_t minute, hour, day, month, weekday;
    int64_t every_s; /* of "@every"; 0 = by the fields */
};

/* ERROR_INVALID with the library's sentence. */
int cron_parse(struct slice text, struct cron *ret_cron, struct error *err);

#endif
