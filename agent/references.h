/* SPDX-License-Identifier: Apache-2.0 */
/* The ConfigMaps and Secrets a pod refers to, as they were when it asked for them, and tokens of its ServiceAccount. */
#ifndef KNARR_AGENT_REFERENCES_H
#define KNARR_AGENT_REFERENCES_H

#include "agent/env.h"
#include "client/client.h"

/* Immutable once delivered; counted on the loop, read by pool threads. */
struct references;

/* Does the pod refer to anything? */
bool references_needed(const struct value *pod);
struct references_fetch;
/* Gets them all; tokens of `known` (may be NULL) that still serve are taken from there. What does not exist is left out
 * (the reader judges); any other failure fails the whole. `done` owns refs. */
struct references_fetch *references_fetch(struct client *client, const struct value *pod,
                                          const struct references *known,
                                          void (*done)(void *arg, struct references *refs, const struct error *err),
                                          void *arg);
void references_fetch_cancel(struct references_fetch *fetch); /* NULL is allowed */

struct references *references_hold(struct references *refs);
void references_free(struct references *refs); /* drops a reference; NULL is allowed */
/* A reference_find; `refs` may be NULL. */
const struct value *references_find(const void *refs, const char *resource, const char *name);

#endif
