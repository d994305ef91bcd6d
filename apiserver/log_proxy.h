/* SPDX-License-Identifier: Apache-2.0 */
/* pods/log: the node server's answer, passed on as it comes. */
#ifndef KNARR_APISERVER_LOG_PROXY_H
#define KNARR_APISERVER_LOG_PROXY_H

#include "apiserver/server_internal.h"

/* Frees what a front keeps for talking to nodes. */
void log_proxy_free(struct front *front);

#endif
