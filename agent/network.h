/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pod traffic that leaves the node: a route to every other node's pods through that node (host-gw), and masquerade for
 * what goes anywhere else, in a table of our own.
 */
#ifndef KNARR_AGENT_NETWORK_H
#define KNARR_AGENT_NETWORK_H

#include "agent/agent_internal.h"

/* Needs agent->client and config.pod_cidr. */
struct network *network_start(struct agent *agent);
void network_free(struct network *network); /* leaves routes and rules as they are */

/* The nftables rules for a bridge whose pods have `own`; `all`: the pod networks of all nodes. Pure. */
void network_rules(const char *bridge, const char *own, const struct str_list *all, struct buf *out);
/*
 * The first line of `routes` (as `ip -4 route` prints them) that leads elsewhere than to `bridge` although it shares
 * addresses with `cidr`; SLICE_NONE when there is none. Our own routes to other nodes do not count. Pure.
 */
struct slice network_overlap(struct slice routes, const char *bridge, const char *cidr);
/* Removes rules and bridge. Blocks. */
int network_clean(const char *bridge, struct error *err);

#endif
