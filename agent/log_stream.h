/* SPDX-License-Identifier: Apache-2.0 */
/* One log answered over HTTP, followed while its container runs. */
#ifndef KNARR_AGENT_LOG_STREAM_H
#define KNARR_AGENT_LOG_STREAM_H

#include "agent/agent_internal.h"
#include "agent/logs.h"
#include "lib/http.h"

struct log_source {
    const char *path;
    const char *namespace_; /* of the container, to ask whether it still runs */
    const char *pod;
    const char *container;
};
/* Answers the request; everything is copied. */
void log_stream_start(struct agent *agent, struct http_request *req, const struct log_source *source,
                      const struct log_options *options);
/* A container has ended: those who follow it look again. */
void log_streams_poke(struct agent *agent);

#endif
