/* SPDX-License-Identifier: Apache-2.0 */
/* The node's own server: logs and health, over mutual TLS, for the API server alone. */
#ifndef KNARR_AGENT_NODE_SERVER_H
#define KNARR_AGENT_NODE_SERVER_H

#include "agent/agent_internal.h"

/* certificate, key: PEM of the server; ca: who signs the clients it listens to. */
int node_server_start(struct agent *agent, struct slice certificate, struct slice key, struct slice ca,
                      struct node_server **ret_server, struct error *err);
int node_server_set_certificate(struct node_server *server, struct slice certificate, struct slice key,
                                struct error *err);
void node_server_free(struct node_server *server);

#endif
