/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the logs of running containers from filling the disk: 10 MiB a file, 5 files a container, as upstream. */
#ifndef KNARR_AGENT_LOG_ROTATE_H
#define KNARR_AGENT_LOG_ROTATE_H

#include "agent/agent_internal.h"

struct log_rotate *log_rotate_start(struct agent *agent);
void log_rotate_free(struct log_rotate *r);

/* One look at one container. Blocks. */
int log_rotate_file(const char *path, const char *ctl, int64_t size_max, int64_t now_ns, struct error *err);

#endif
