/* SPDX-License-Identifier: Apache-2.0 */
/* Text that comes from containers, registries and programs, made fit for JSON. Pure. */
#ifndef KNARR_AGENT_TEXT_H
#define KNARR_AGENT_TEXT_H

#include "lib/bytes.h"

/* A copy in which what is not UTF-8 has become U+FFFD, without NULs, cut to `max` bytes. Caller frees. */
char *text_clean(struct slice raw, size_t max);

#endif
