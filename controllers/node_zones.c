/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How fast nodes may be emptied. One node that falls silent is lost; many at once are more likely our own network, and
 * moving all their pods would make it worse. As upstream: one node of a zone each ten seconds; none while more than
 * half of a small zone is silent, one each hundred seconds of a large one; nobody anywhere while no node at all is
 * healthy.
 */
#include "controllers/node_lifecycle.h"

#define ZONE_INTERVAL_MS      10000
#define ZONE_SLOW_INTERVAL_MS 100000
#define ZONE_LARGE            50 /* nodes */
#define ZONE_BAD_PERCENT      55

bool node_zones_all_lost(const struct node_zone_counts *all)
{
    return all->total > 0 && all->bad == all->total;
}

uint64_t node_zone_interval_ms(const struct node_zone_counts *zone)
{
    /* A whole zone without a healthy node, while others have some, is lost like one node. */
    if (zone->bad == zone->total || zone->bad <= 2 || zone->bad * 100 < zone->total * ZONE_BAD_PERCENT)
        return ZONE_INTERVAL_MS;
    return zone->total > ZONE_LARGE ? ZONE_SLOW_INTERVAL_MS : 0;
}

uint64_t node_zone_ask(struct node_zone_pace *pace, uint64_t interval_ms, int64_t now_ns)
{
    if (!interval_ms)
        return ZONE_INTERVAL_MS;
    if (pace->next_ns > now_ns)
        return (uint64_t)((pace->next_ns - now_ns) / NS_PER_MS) + 1;
    pace->next_ns = now_ns + (int64_t)interval_ms * NS_PER_MS;
    return 0;
}

void node_zone_name(const struct view *node, struct buf *out)
{
    struct slice labels = view_raw(node, VIEW_LABELS);

    buf_append_slice(out, view_unquote(view_member(labels, "topology.kubernetes.io/region")));
    buf_append_byte(out, '/');
    buf_append_slice(out, view_unquote(view_member(labels, "topology.kubernetes.io/zone")));
}
