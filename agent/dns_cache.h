/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of upstreams, kept as long as they say, within bounds; who was not asked for longest makes room. Pure. */
#ifndef KNARR_AGENT_DNS_CACHE_H
#define KNARR_AGENT_DNS_CACHE_H

#include "agent/dns_wire.h"
#include "lib/list.h"
#include "lib/map.h"

#define DNS_CACHE_LIFE_MAX    30 /* seconds, as the cache of CoreDNS in most clusters */
#define DNS_CACHE_ENTRIES_MAX 2048
#define DNS_CACHE_BYTES_MAX   (512u << 10) /* of messages */
#define DNS_CACHE_MESSAGE_MAX 8192         /* larger ones are not kept */
#define DNS_KEY_MAX           (DNS_NAME_MAX + 5)

/* What makes two questions the same to an upstream. Returns the key's length. */
size_t dns_query_key(const struct dns_query *query, uint8_t ret_key[DNS_KEY_MAX]);

struct dns_cache {
    struct map entries;
    struct list used; /* who was not asked for longest first */
    size_t bytes;
};
void dns_cache_init(struct dns_cache *c);
void dns_cache_clear(struct dns_cache *c);
/* Copies the message, with its times to live as they are now, to `out`, which has DNS_CACHE_MESSAGE_MAX bytes. Returns
 * its length, 0 = there is none. */
size_t dns_cache_get(struct dns_cache *c, struct slice key, uint64_t now_ms, uint8_t *out);
/* Keeps a message that may be kept. */
void dns_cache_put(struct dns_cache *c, struct slice key, uint64_t now_ms, struct slice response);

#endif
