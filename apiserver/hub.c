/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/hub.h"

#include "lib/map.h"

#define HUB_BOOKMARK_MS 60000 /* as upstream's */
#define HUB_FIELDS_MAX  16    /* selectable fields of one kind that are indexed */

struct hub_bucket {
    struct list watchers;
    size_t count;
    struct hub_resource *resource;
    char *key;
    ptrdiff_t field; /* -1 = not of a field */
};

/* Who watches one resource. */
struct hub_resource {
    const struct schema_kind *kind;
    struct map buckets; /* "" all, "n/NS", "o/NS/NAME", "fI/VALUE" */
    size_t of_field[HUB_FIELDS_MAX];
};

/* What the store said at once; made on its writer thread. */
struct hub_batch {
    struct hub_batch *next;
    uint64_t revision;
    size_t count;
    struct store_event *events[];
};

struct hub {
    struct store *store;
    struct loop *loop;
    struct store_watch *watch;
    uint64_t revision;
    struct map resources;
    struct list all;
    struct loop_timer *bookmarks;
    pthread_mutex_t lock;
    struct hub_batch *first; /* guarded by lock */
    struct hub_batch **last;
    bool posted; /* guarded by lock: a hub_drain is on its way */
};

static void hub_bucket_free(void *p)
{
    struct hub_bucket *b = p;

    free(b->key);
    free(b);
}

static void hub_resource_free(void *p)
{
    struct hub_resource *r = p;

    map_clear(&r->buckets, hub_bucket_free);
    free(r);
}

/* ---- handing out --------------------------------------------------------------------------------------------------
 */

static void hub_offer(struct hub_resource *r, struct slice key, struct frame_event *event)
{
    struct hub_bucket *b = map_get(&r->buckets, key);

    if (!b)
        return;
    list_for_each_safe (it, next, &b->watchers) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, link);

        if (event->event->revision > w->after)
            w->event(w, event);
    }
}

static void hub_offer_text(struct hub_resource *r, struct frame_event *event, struct buf *key)
{
    hub_offer(r, buf_slice(key), event);
    buf_reset(key);
}

/* The value a field has now, and the one it had: whoever asked for either must hear of it. */
static void hub_offer_fields(struct hub_resource *r, struct frame_event *event, struct buf *key)
{
    struct object_meta now;
    struct object_meta before;
    bool has_now = object_meta_read(event->event->meta, &now);
    bool has_before = object_meta_read(event->event->prev_meta, &before);

    for (size_t i = 0; i < HUB_FIELDS_MAX && r->kind->selectable && r->kind->selectable[i]; i++) {
        struct slice v = has_now ? object_meta_field(&now, i) : SLICE_NONE;
        struct slice p = has_before ? object_meta_field(&before, i) : SLICE_NONE;

        if (!r->of_field[i])
            continue;
        if (has_now) {
            buf_printf(key, "f%zu/%.*s", i, SLICE_ARGS(v));
            hub_offer_text(r, event, key);
        }
        if (has_before && !(has_now && slice_equal(v, p))) {
            buf_printf(key, "f%zu/%.*s", i, SLICE_ARGS(p));
            hub_offer_text(r, event, key);
        }
    }
}

static void hub_dispatch(struct hub *hub, struct store_event *store_event)
{
    struct hub_resource *r = map_get(&hub->resources, registry_resource_of(store_event->key));
    struct frame_event event = {.event = store_event};
    BUF_LOCAL(key);

    if (!r || !registry_parse(store_event->key, r->kind->namespaced, &event.place))
        return;
    hub_offer(r, SLICE_LIT(""), &event);
    buf_printf(&key, "n/%.*s", SLICE_ARGS(event.place.namespace_));
    hub_offer_text(r, &event, &key);
    buf_printf(&key, "o/%.*s/%.*s", SLICE_ARGS(event.place.namespace_), SLICE_ARGS(event.place.name));
    hub_offer_text(r, &event, &key);
    hub_offer_fields(r, &event, &key);
    frame_event_clear(&event);
}

static void hub_flush(struct hub *hub)
{
    list_for_each_safe (it, next, &hub->all) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, all);

        if (!w->wants_flush)
            continue;
        w->wants_flush = false;
        w->flush(w);
    }
}

static void hub_drain(void *arg)
{
    struct hub *hub = arg;
    struct hub_batch *batch;

    (void)pthread_mutex_lock(&hub->lock);
    batch = hub->first;
    hub->first = NULL;
    hub->last = &hub->first;
    hub->posted = false;
    (void)pthread_mutex_unlock(&hub->lock);
    while (batch) {
        struct hub_batch *next = batch->next;

        for (size_t i = 0; i < batch->count; i++) {
            hub_dispatch(hub, batch->events[i]);
            store_event_unref(batch->events[i]);
        }
        hub->revision = batch->revision;
        free(batch);
        batch = next;
    }
    hub_flush(hub);
}

/* On the store's writer thread. */
static void hub_on_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct hub *hub = arg;
    struct hub_batch *batch = mem_alloc(sizeof(*batch) + count * sizeof(struct store_event *));
    bool post;

    batch->next = NULL;
    batch->revision = revision;
    batch->count = count;
    for (size_t i = 0; i < count; i++)
        batch->events[i] = store_event_ref(events[i]);
    (void)pthread_mutex_lock(&hub->lock);
    *hub->last = batch;
    hub->last = &batch->next;
    post = !hub->posted;
    hub->posted = true;
    (void)pthread_mutex_unlock(&hub->lock);
    if (post)
        loop_post(hub->loop, hub_drain, hub);
}

static void hub_bookmark(void *arg)
{
    struct hub *hub = arg;

    list_for_each_safe (it, next, &hub->all) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, all);

        w->bookmark(w);
    }
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

struct hub *hub_new(struct store *store, struct loop *loop)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));

    hub->store = store;
    hub->loop = loop;
    hub->last = &hub->first;
    list_init(&hub->all);
    (void)pthread_mutex_init(&hub->lock, NULL);
    hub->bookmarks = loop_timer_new(loop, hub_bookmark, hub);
    loop_timer_start(hub->bookmarks, HUB_BOOKMARK_MS, HUB_BOOKMARK_MS);
    hub->watch = store_watch_open(store, SLICE_LIT(REGISTRY_PREFIX), hub_on_events, hub, &hub->revision);
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    store_watch_close(hub->watch);
    loop_timer_free(hub->bookmarks);
    loop_turn(hub->loop, false); /* a drain may be on its way */
    hub_drain(hub);
    map_clear(&hub->resources, hub_resource_free);
    (void)pthread_mutex_destroy(&hub->lock);
    free(hub);
}

uint64_t hub_revision(const struct hub *hub)
{
    return hub->revision;
}

/* ---- index --------------------------------------------------------------------------------------------------------
 */

void hub_add(struct hub *hub, struct hub_watcher *w)
{
    list_init(&w->link);
    w->bucket = NULL;
    list_append(&hub->all, &w->all);
}

void hub_remove(struct hub *hub, struct hub_watcher *w)
{
    hub_detach(hub, w);
    list_remove(&w->all);
}

static struct hub_resource *hub_need_resource(struct hub *hub, const struct schema_kind *kind)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice key = registry_resource(pool, kind);
    struct hub_resource *r = map_get(&hub->resources, key);

    if (!r) {
        r = mem_zalloc(sizeof(*r));
        r->kind = kind;
        (void)map_put(&hub->resources, key, r);
    }
    return r;
}

void hub_attach(struct hub *hub, struct hub_watcher *w, const struct schema_kind *kind, struct slice namespace_,
                struct slice name, ptrdiff_t field, struct slice value)
{
    struct hub_resource *r = hub_need_resource(hub, kind);
    struct hub_bucket *b;
    BUF_LOCAL(key);

    if (field >= HUB_FIELDS_MAX)
        field = -1;
    if (name.len && (namespace_.len || !kind->namespaced)) {
        buf_printf(&key, "o/%.*s/%.*s", SLICE_ARGS(namespace_), SLICE_ARGS(name));
        field = -1;
    } else if (field >= 0) {
        buf_printf(&key, "f%zu/%.*s", (size_t)field, SLICE_ARGS(value));
    } else if (namespace_.len) {
        buf_printf(&key, "n/%.*s", SLICE_ARGS(namespace_));
    }
    b = map_get(&r->buckets, buf_slice(&key));
    if (!b) {
        b = mem_zalloc(sizeof(*b));
        list_init(&b->watchers);
        b->resource = r;
        b->field = field;
        b->key = slice_dup(buf_slice(&key));
        (void)map_put(&r->buckets, buf_slice(&key), b);
    }
    list_append(&b->watchers, &w->link);
    w->bucket = b;
    b->count++;
    if (field >= 0)
        r->of_field[field]++;
}

void hub_detach(struct hub *hub, struct hub_watcher *w)
{
    struct hub_bucket *b = w->bucket;

    if (!b)
        return;
    list_remove(&w->link);
    w->bucket = NULL;
    if (b->field >= 0)
        b->resource->of_field[b->field]--;
    if (--b->count)
        return;
    (void)map_remove(&b->resource->buckets, slice_str(b->key));
    hub_bucket_free(b);
}

void hub_stop(struct hub *hub)
{
    list_for_each_safe (it, next, &hub->all) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, all);

        w->stop(w);
    }
}
