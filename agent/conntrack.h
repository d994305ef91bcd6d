/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Flows of datagrams end when nothing was sent for a while, and no rule is asked again before that. So whoever goes on
 * sending to a Service goes on reaching the pod that his first datagram was given to, also when it has gone. Such flows
 * are taken out of the kernel's table; the next datagram finds another pod.
 */
#ifndef KNARR_AGENT_CONNTRACK_H
#define KNARR_AGENT_CONNTRACK_H

#include <netinet/in.h>

#include "lib/bytes.h"
#include "lib/error.h"

struct conntrack_end {
    struct in_addr address; /* 0 = any */
    uint16_t port;
};

/* Where clients send to, and where that may lead. */
struct conntrack_front {
    struct conntrack_end front;
    const struct conntrack_end *backends; /* borrowed */
    size_t count;
};

struct conntrack_flow {
    struct conntrack_end sent_to;
    struct conntrack_end answered_by;
};

/* Does the flow lead to what is not behind its front (any more)? Of no front: no. Pure. */
bool conntrack_is_stale(const struct conntrack_front *fronts, size_t count, const struct conntrack_flow *flow);
/* Forgets the UDP flows that are stale. Blocks: pool threads only. */
int conntrack_forget(const struct conntrack_front *fronts, size_t count, struct error *err);

#endif
