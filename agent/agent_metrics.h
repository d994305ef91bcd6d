/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent counts; names are the kubelet's. Any thread. */
#ifndef KNARR_AGENT_AGENT_METRICS_H
#define KNARR_AGENT_AGENT_METRICS_H

#include <stdint.h>

/* Monotonic time, for agent_count_operation. */
int64_t agent_count_begin(void);
/* One operation on containers, sandboxes or images ("start_container"), begun then; a negative result is a failure.
 * Returns the result. */
int agent_count_operation(const char *operation, int64_t begin_ns, int result);
/* A pod runs, so long after it was first seen. */
void agent_count_pod_start(int64_t ns);

#endif
