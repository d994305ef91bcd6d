/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Informer: keeps a local copy of one resource by list and watch, and tells what changed. It stores small typed
 * projections, never JSON trees: the owner's `project` function reads what it needs out of the bytes with api/scan.h.
 * Reconnects with back-off, resumes from the last revision (bookmarks included), lists again after 410.
 */
#ifndef KNARR_CLIENT_INFORMER_H
#define KNARR_CLIENT_INFORMER_H

#include "client/client.h"

struct informer;

struct informer_options {
    const struct schema_kind *kind;
    const char *namespace_;     /* NULL = all */
    const char *label_selector; /* raw text, NULL = none */
    const char *field_selector;
    unsigned backoff_ms;     /* first delay after a failure; 0 = 800 */
    unsigned backoff_max_ms; /* 0 = 30,000 */
    /* Makes a projection of one object (`json` is the object's bytes; key is "ns/name" or "name"). NULL = leave it out.
     */
    void *(*project)(void *arg, struct slice key, struct slice json);
    void (*free_item)(void *item);
    /* before NULL = added; now NULL = deleted; `before` is freed after the call. May be NULL. */
    void (*changed)(void *arg, struct slice key, const void *before, const void *now);
    /* The first complete list has been delivered. May be NULL. */
    void (*synced)(void *arg);
    void *arg;
};

/* Copies the texts. Starts at once; callbacks come later. */
struct informer *informer_start(struct client *client, const struct informer_options *options);
/* No callback follows, but free_item for each item. From inside a callback too; NULL is allowed. */
void informer_free(struct informer *informer);
bool informer_has_synced(const struct informer *informer);
/* The collection's revision up to which everything has been seen; 0 before the first list. A write that was answered
 * with a resourceVersion at or below it is reflected here. */
uint64_t informer_revision(const struct informer *informer);
/* The lister: borrowed until the next event. */
const void *informer_get(const struct informer *informer, struct slice key);
size_t informer_count(const struct informer *informer);
void informer_each(const struct informer *informer, void (*fn)(void *arg, struct slice key, const void *item),
                   void *arg);

#endif
