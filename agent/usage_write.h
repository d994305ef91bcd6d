/* SPDX-License-Identifier: Apache-2.0 */
/* A snapshot of usage in the forms in which a kubelet shows it. Pure. */
#ifndef KNARR_AGENT_USAGE_WRITE_H
#define KNARR_AGENT_USAGE_WRITE_H

#include "agent/usage.h"

/* /stats/summary: JSON. `brief`: processor and memory only. Beyond upstream's members the root has "window", the time
 * over which rates were taken. */
void usage_write_summary(struct buf *out, const struct usage_snapshot *snapshot, bool brief);
/* /metrics/resource: what metrics-server reads of a node. */
void usage_write_resource(struct buf *out, const struct usage_snapshot *snapshot);
/* /metrics/cadvisor: the few of its metrics that dashboards live on. */
void usage_write_cadvisor(struct buf *out, const struct usage_snapshot *snapshot);

#endif
