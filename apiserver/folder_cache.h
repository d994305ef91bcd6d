/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What admission reads at every pod and what seldom changes: a namespace, an account, the limits and quotas of a
 * namespace, classes. A front keeps what it read as long as nothing in the same folder of the store changes (see
 * store_folder_revision), so nothing that was acknowledged is ever missing. For the front's thread alone.
 */
#ifndef KNARR_APISERVER_FOLDER_CACHE_H
#define KNARR_APISERVER_FOLDER_CACHE_H

#include "store/store.h"

struct folder_cache;
struct folder_cache *folder_cache_new(struct store *store);
/* NULL is allowed. */
void folder_cache_free(struct folder_cache *cache);

/* As store_list of the newest objects of a folder, which ends with a '/' and has no folders in it. The visitor asks
 * nothing of the cache. */
int folder_cache_list(struct folder_cache *cache, struct slice folder, store_visit_item *visit, void *arg,
                      struct error *err);
/* One object by its key, as it is stored; it stands until the cache is asked again. NULL when it is not there or cannot
 * be read. */
const struct store_item *folder_cache_get(struct folder_cache *cache, struct slice key);

/* Times that the store was read, for tests. */
size_t folder_cache_reads(const struct folder_cache *cache);

#endif
