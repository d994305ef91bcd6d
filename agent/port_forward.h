/* SPDX-License-Identifier: Apache-2.0 */
/* What the two forms of port-forward share. Private to agent/port_forward*.c. */
#ifndef KNARR_AGENT_PORT_FORWARD_H
#define KNARR_AGENT_PORT_FORWARD_H

#include "agent/session.h"

#define FORWARD_OUTPUT_HIGH (512u << 10) /* unsent to the peer: no pod is read until all of it is sent */
#define FORWARD_INPUT_HIGH  (1u << 20)   /* not taken by one connection: nothing is read from the peer */

/* "80"; false on anything but a port. */
bool forward_read_port(struct slice text, uint16_t *ret_port);
/* The older form of a WebSocket: two channels for each port of the query (python, browsers). */
void forward_serve_websocket(struct agent *agent, struct http_request *req, const char *network);

#endif
