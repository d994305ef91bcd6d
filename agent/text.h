/* SPDX-License-Identifier: Apache-2.0 */
/* Text that comes from containers, registries and programs, made fit for JSON. Pure. */
#ifndef KNARR_AGENT_TEXT_H
#define KNARR_AGENT_TEXT_H

#include "lib/bytes.h"

/* A copy in which what is not UTF-8 has become U+FFFD, without NULs, cut to `max` bytes. Caller frees. */
char *text_clean(struct slice raw, size_t max);

/* A time as Go's Duration writes it, to the millisecond: "234ms", "1.5s", "1m2.034s". Returns `out`. */
#define TEXT_DURATION_MAX 48
const char *text_duration(int64_t ns, char out[TEXT_DURATION_MAX]);

#endif
