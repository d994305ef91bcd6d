/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two generations, as of verified tokens (account.c): what is asked for moves into the young one; when that is full,
 * the old one goes. A folder that is too large is read anew each time.
 */
#include "apiserver/folder_cache.h"

#include "lib/map.h"

#define ENTRIES_MAX   1024        /* of one generation */
#define BYTES_MAX     (1u << 20)  /* of one generation */
#define ENTRY_MAX     (64u << 10) /* bytes of one folder that is kept */
#define ITEM_OVERHEAD 128

struct kept_item {
    struct kept_item *next; /* in the order of the keys */
    struct store_item item; /* in `bytes` */
    char bytes[];
};

/* A folder, or a key alone. */
struct kept {
    uint64_t noted; /* of its folder, when it was read */
    struct kept_item *first;
    struct kept_item **last;
    size_t bytes;
    bool alone; /* one key: read however large it is */
};

struct folder_cache {
    struct store *store;
    struct map young; /* struct kept, by folder or key */
    struct map old;
    size_t young_bytes;
    struct kept *loose; /* what was read last and could not be kept; NULL = none */
    size_t reads;
};

static void kept_free(void *arg)
{
    struct kept *kept = arg;

    while (kept && kept->first) {
        struct kept_item *item = kept->first;

        kept->first = item->next;
        free(item);
    }
    free(kept);
}

struct folder_cache *folder_cache_new(struct store *store)
{
    struct folder_cache *cache = mem_zalloc(sizeof(*cache));

    cache->store = store;
    return cache;
}

void folder_cache_free(struct folder_cache *cache)
{
    if (!cache)
        return;
    map_clear(&cache->young, kept_free);
    map_clear(&cache->old, kept_free);
    kept_free(cache->loose);
    free(cache);
}

/* ---- reading ---- */

static bool is_folder(struct slice key)
{
    return key.len && key.data[key.len - 1] == '/';
}

static struct slice item_copy(char **at, struct slice from)
{
    struct slice copy = slice_make(*at, from.len);

    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return copy;
}

/* 1 = a folder with too much to be kept. */
static int kept_add(void *arg, const struct store_item *item)
{
    struct kept *kept = arg;
    size_t size = item->key.len + item->meta.len + item->value.len;
    struct kept_item *copy;
    char *at;

    if (!kept->alone && kept->bytes + size + ITEM_OVERHEAD > ENTRY_MAX)
        return 1;
    copy = mem_alloc(sizeof(*copy) + size);
    at = copy->bytes;
    copy->next = NULL;
    copy->item = *item;
    copy->item.key = item_copy(&at, item->key);
    copy->item.meta = item_copy(&at, item->meta);
    copy->item.value = item_copy(&at, item->value);
    *kept->last = copy;
    kept->last = &copy->next;
    kept->bytes += size + ITEM_OVERHEAD;
    return 0;
}

/* As the store's visitors; *ret_revision is the snapshot's. */
static int cache_read(struct folder_cache *cache, struct slice key, store_visit_item *visit, void *arg,
                      uint64_t *ret_revision, struct error *err)
{
    struct store_range range = {.prefix = key, .skip_count = true};
    struct store_range_result result = {0};
    int r;

    cache->reads++;
    if (!is_folder(key))
        return store_get(cache->store, key, visit, arg, ret_revision, err);
    r = store_list(cache->store, &range, visit, arg, &result, err);
    *ret_revision = result.revision;
    return r;
}

static void cache_put(struct folder_cache *cache, struct slice key, struct kept *kept)
{
    if (cache->young.count >= ENTRIES_MAX || cache->young_bytes >= BYTES_MAX) {
        map_clear(&cache->old, kept_free);
        cache->old = cache->young;
        cache->young = (struct map){0};
        cache->young_bytes = 0;
    }
    cache->young_bytes += kept->bytes + ITEM_OVERHEAD;
    kept_free(map_put(&cache->young, key, kept));
}

/* What is kept of it and still holds at `noted`, or NULL. */
static struct kept *cache_find(struct folder_cache *cache, struct slice key, uint64_t noted)
{
    struct kept *kept = map_get(&cache->young, key);

    if (!kept && (kept = map_remove(&cache->old, key))) {
        if (kept->noted == noted) {
            cache_put(cache, key, kept);
        } else {
            kept_free(kept);
            kept = NULL;
        }
    }
    return kept && kept->noted == noted ? kept : NULL;
}

/* What is there now. 1 = too much to be kept, or a negative error; *ret_kept is NULL then. */
static int cache_ask(struct folder_cache *cache, struct slice key, const struct kept **ret_kept, struct error *err)
{
    uint64_t noted = store_folder_revision(cache->store, key);
    uint64_t revision = 0;
    struct kept *kept;
    int r;

    if ((*ret_kept = cache_find(cache, key, noted)))
        return 0;
    kept_free(cache->loose);
    cache->loose = kept = mem_zalloc(sizeof(*kept));
    kept->noted = noted;
    kept->last = &kept->first;
    kept->alone = !is_folder(key);
    r = cache_read(cache, key, kept_add, kept, &revision, err);
    if (r != 0 && !(kept->alone && r == -(int)ERROR_NOT_FOUND)) /* that it is not there holds as long */
        return r;
    if (revision >= noted && kept->bytes <= ENTRY_MAX) /* not before: what was noted is still on its way */
        cache_put(cache, key, STEAL(cache->loose));
    *ret_kept = kept;
    return 0;
}

/* ---- asking ---- */

int folder_cache_list(struct folder_cache *cache, struct slice folder, store_visit_item *visit, void *arg,
                      struct error *err)
{
    const struct kept *kept;
    uint64_t revision;
    int r = cache_ask(cache, folder, &kept, err);

    if (r > 0)
        return cache_read(cache, folder, visit, arg, &revision, err);
    for (const struct kept_item *item = kept ? kept->first : NULL; r == 0 && item; item = item->next)
        r = visit(arg, &item->item);
    return r;
}

const struct store_item *folder_cache_get(struct folder_cache *cache, struct slice key)
{
    const struct kept *kept;

    if (is_folder(key)) /* the name was empty */
        return NULL;
    if (cache_ask(cache, key, &kept, NULL) == 0 && kept->first)
        return &kept->first->item;
    return NULL;
}

size_t folder_cache_reads(const struct folder_cache *cache)
{
    return cache->reads;
}
