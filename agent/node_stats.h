/* SPDX-License-Identifier: Apache-2.0 */
/* What the node server shows of the agent and of what its pods use. */
#ifndef KNARR_AGENT_NODE_STATS_H
#define KNARR_AGENT_NODE_STATS_H

#include "agent/agent_internal.h"
#include "lib/http.h"

/* GET /metrics, /metrics/resource, /metrics/cadvisor, /stats/summary[?only_cpu_and_memory=true]; false when the path is
 * none of these. */
bool node_stats_serve(struct agent *agent, struct http_request *req);

#endif
