/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/backoff.h"

#include <stdio.h>

void backoff_clear(struct backoff *b)
{
    *b = (struct backoff){0};
}

void backoff_fail(struct backoff *b, uint64_t now_ms, uint64_t ran_ms, bool free_first)
{
    bool first = !b->last_ms || ran_ms >= 2ULL * BACKOFF_MAX_MS;

    if (first)
        b->delay_ms = free_first ? 0 : BACKOFF_FIRST_MS;
    else if (b->delay_ms == 0)
        b->delay_ms = BACKOFF_FIRST_MS;
    else
        b->delay_ms = b->delay_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : b->delay_ms * 2;
    b->last_ms = now_ms ? now_ms : 1;
    b->until_ms = now_ms + b->delay_ms;
}

void backoff_text(uint64_t ms, char ret_text[24])
{
    unsigned s = (unsigned)(ms / 1000);

    if (s < 60)
        (void)snprintf(ret_text, 24, "%us", s);
    else
        (void)snprintf(ret_text, 24, "%um%us", s / 60, s % 60);
}
