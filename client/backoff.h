/* SPDX-License-Identifier: Apache-2.0 */
/* Back-off: how long to wait after the n-th failure in a row. */
#ifndef KNARR_CLIENT_BACKOFF_H
#define KNARR_CLIENT_BACKOFF_H

#include <stdint.h>

#include "lib/random.h"

/* first_ms doubled for each failure after the first, at most max_ms. failures 0 = 0. */
static inline uint64_t backoff_delay(uint64_t first_ms, uint64_t max_ms, unsigned failures)
{
    uint64_t delay = first_ms;

    if (!failures)
        return 0;
    while (--failures && delay < max_ms)
        delay *= 2;
    return delay < max_ms ? delay : max_ms;
}

/* The delay and up to as much again by chance, so that clients that failed together do not come back together. */
static inline uint64_t backoff_jitter(uint64_t delay_ms)
{
    return delay_ms + (delay_ms ? random_below(delay_ms + 1) : 0);
}

#endif
