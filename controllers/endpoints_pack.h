/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packing: endpoints with their ports into the subsets of an Endpoints object. A subset says that each of its addresses
 * has each of its ports; so ports that have the same addresses share one.
 */
#ifndef KNARR_CONTROLLERS_ENDPOINTS_PACK_H
#define KNARR_CONTROLLERS_ENDPOINTS_PACK_H

#include "controllers/endpoint.h"

struct endpoint_ports {
    struct endpoint e;
    char *ports; /* as endpoint_ports has them */
    bool bare;   /* it counts without any port, too: of a headless Service that has none */
};

/* Appends the list of subsets: addresses by IP and uid, ports and subsets in the order in which the first address has
 * them. Puts the list in order. Of more than `max` addresses the rest is left out, first those that are not ready, from
 * each subset the same part; true when that was so. */
bool endpoints_pack(struct endpoint_ports *list, size_t count, size_t max, struct buf *out);
/* The same form of a stored list, whatever the order of its members. */
void endpoints_repeat(struct slice subsets, struct buf *out);

#endif
