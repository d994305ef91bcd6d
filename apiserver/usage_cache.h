/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What nodes said lately of what they and their pods use. Each front keeps what it was told for ten seconds and then
 * forgets it; nothing is asked while nobody wants to know.
 */
#ifndef KNARR_APISERVER_USAGE_CACHE_H
#define KNARR_APISERVER_USAGE_CACHE_H

#include "apiserver/server_internal.h"
#include "lib/map.h"

#define USAGE_CACHE_MS    10000
#define USAGE_NODES_MAX   64    /* asked at the same time, for one request */
#define USAGE_NODE_MS     2000  /* that a node gets to answer */
#define USAGE_DEADLINE_MS 10000 /* that all get together */

/* Texts are JSON members without braces, as they go into the API's objects. */
struct usage_node {
    uint64_t got_ms;
    char *usage;     /* "timestamp":...,"window":...,"usage":{...}; NULL = it did not say */
    struct map pods; /* "NAMESPACE/NAME" -> char *: "timestamp":...,"window":...,"containers":[...] */
};

/* Reads a node's /stats/summary; what is not as it should be is left out. Pure. The caller frees. */
struct usage_node *usage_node_read(struct slice summary);
void usage_node_free(void *node);

/* What is known of the node and not older than USAGE_CACHE_MS; NULL when nothing is. Borrowed until the loop turns. */
const struct usage_node *usage_cache_get(struct front *front, const char *node);
/* Asks the nodes of which nothing is known (names in the pool), then calls done(arg), later. Nodes that do not answer
 * stay unknown. Gives up when the pool goes. */
void usage_cache_fill(struct front *front, struct pool *pool, const char *const *nodes, size_t count,
                      void (*done)(void *arg), void *arg);
void usage_cache_free(struct front *front);

#endif
