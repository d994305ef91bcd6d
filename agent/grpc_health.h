/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gRPC health protocol (grpc.health.v1.Health/Check) as bytes: one small message each way, so that neither a gRPC
 * nor a protobuf library is needed. Pure. A gRPC message is framed as one byte (0 = not compressed) and its length in
 * four, big-endian.
 */
#ifndef KNARR_AGENT_GRPC_HEALTH_H
#define KNARR_AGENT_GRPC_HEALTH_H

#include "lib/bytes.h"

#define GRPC_HEALTH_PATH "/grpc.health.v1.Health/Check"

/* HealthCheckRequest{service}. */
void grpc_health_request(struct slice service, struct buf *out);
/* The serving status of a framed HealthCheckResponse; false when it is none. 0 UNKNOWN, 1 SERVING, 2 NOT_SERVING, 3
 * SERVICE_UNKNOWN. */
bool grpc_health_response(struct slice frame, uint64_t *ret_status);
const char *grpc_health_name(uint64_t status);
/* Names of gRPC's own status codes ("Unavailable"); "Code(99)" has none and gives NULL. */
const char *grpc_code_name(int64_t code);

/* Of the service. */
#define GRPC_SERVING 1
/* Of the call. */
#define GRPC_DEADLINE_EXCEEDED 4
#define GRPC_UNIMPLEMENTED     12

#endif
