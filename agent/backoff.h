/* SPDX-License-Identifier: Apache-2.0 */
/* Back-off of restarts and image pulls: at once, then 10 s doubling to 5 min; forgotten after 10 quiet minutes. Pure.
 */
#ifndef KNARR_AGENT_BACKOFF_H
#define KNARR_AGENT_BACKOFF_H

#include "lib/bytes.h"

#define BACKOFF_FIRST_MS 10000
#define BACKOFF_MAX_MS   300000

struct backoff {
    uint64_t delay_ms; /* what holds now; 0 = none yet */
    uint64_t until_ms; /* monotonic: not before */
    uint64_t last_ms;  /* of the last failure */
};

/* A failure at `now_ms` of something that had run for `ran_ms`: the next try may start at until_ms. The first restart
 * is free (`free_first`), as upstream has it for containers; image pulls wait at once. */
void backoff_fail(struct backoff *b, uint64_t now_ms, uint64_t ran_ms, bool free_first);
void backoff_clear(struct backoff *b);
/* "10s", "1m20s", "5m0s": as Go prints the delay. */
void backoff_text(uint64_t ms, char ret_text[24]);

#endif
