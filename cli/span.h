/* SPDX-License-Identifier: Apache-2.0 */
/* A span of time as people type it. */
#ifndef KNARR_CLI_SPAN_H
#define KNARR_CLI_SPAN_H

#include <stdint.h>

/* "90", "90s", "15m", "24h", "7d" in seconds; 0 when it is none of them, less than one or more than `most`. */
int64_t span_read(const char *text, int64_t most);

#endif
