/* SPDX-License-Identifier: Apache-2.0 */
/* pods/exec, attach and portforward: streams that are passed on to the pod's node. */
#ifndef KNARR_APISERVER_STREAM_PROXY_H
#define KNARR_APISERVER_STREAM_PROXY_H

#include "apiserver/server_internal.h"

/* The server stops: cuts the streams of a front, which nobody could go on with. */
void stream_proxy_end(struct front *front);

#endif
