/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time is passed in: nothing above lib/ calls the system's clock. A simulation hands out a fake clock that it moves by
 * hand. RFC 3339 text, as the API shows times, is here too.
 */
#ifndef KNARR_LIB_CLOCK_H
#define KNARR_LIB_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/bytes.h"

#define NS_PER_MS 1000000LL
#define NS_PER_S  1000000000LL

struct clock {
    int64_t (*wall_ns)(struct clock *);      /* nanoseconds since 1970, UTC */
    int64_t (*monotonic_ns)(struct clock *); /* never goes back, no relation to the wall */
};

/* The system's clock; shared, not freed. */
struct clock *clock_system(void);

struct clock_fake {
    struct clock base; /* first: a fake is a clock */
    int64_t wall;
    int64_t monotonic;
};
void clock_fake_init(struct clock_fake *c, int64_t wall_ns);
void clock_fake_advance(struct clock_fake *c, int64_t ns);

static inline int64_t clock_wall_ns(struct clock *c)
{
    return c->wall_ns(c);
}
static inline int64_t clock_wall_s(struct clock *c)
{
    return c->wall_ns(c) / NS_PER_S;
}
static inline int64_t clock_monotonic_ns(struct clock *c)
{
    return c->monotonic_ns(c);
}

#define TIME_TEXT_MAX 40
/* "2006-01-02T15:04:05Z"; metav1.Time. */
void time_format_seconds(int64_t wall_ns, char ret_text[TIME_TEXT_MAX]);
/* "2006-01-02T15:04:05.000000Z"; metav1.MicroTime. */
void time_format_micro(int64_t wall_ns, char ret_text[TIME_TEXT_MAX]);
/* "2006-01-02T15:04:05.999999999Z" with all nine digits; CRI logs. */
void time_format_nano(int64_t wall_ns, char ret_text[TIME_TEXT_MAX]);
/* Times before 1823 and after 2116 give the nearest end of that span, so that the difference of any two fits. */
#define TIME_SECONDS_MAX 4611686016LL
/* Any RFC 3339 text, with fraction and offset. */
bool time_parse(struct slice text, int64_t *ret_wall_ns);
/* A span as upstream's tables show an age: "12s", "3m20s", "5h", "4d12h"... (duration.HumanDuration). */
void time_format_age(int64_t span_ns, char ret_text[TIME_TEXT_MAX]);

#endif
