/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/hub.h"

#include "api/custom.h"
#include "apiserver/hub_queue.h"
#include "lib/map.h"

/* Each watcher's turn comes once in so many ticks: a minute, as upstream's. */
#define HUB_TICK_MS        1000
#define HUB_BOOKMARK_TICKS 60
#define HUB_FIELDS_MAX     16 /* selectable fields of one kind that are indexed */

struct hub_bucket {
    struct list watchers;
    size_t count;
    struct hub_resource *resource;
    char *key;
    ptrdiff_t field; /* -1 = not of a field */
};

/* Who watches one resource. That of a kind which users define goes with its last watcher: the kind may be another then.
 */
struct hub_resource {
    const struct schema_kind *kind;
    unsigned wish;              /* of the queue */
    struct custom_kind *custom; /* keeps `kind`; NULL = built-in */
    char *key;
    size_t watchers;
    /* "" all, "n/NS", "o/NS/NAME", "fI/NS/VALUE"; NS empty = of any namespace */
    struct map buckets;
    size_t of_field[HUB_FIELDS_MAX];
    size_t with_fields; /* their sum */
};

struct hub {
    struct hub_queue *queue;
    uint64_t revision;
    uint64_t visits;
    struct map resources;
    struct list all; /* the next one to get a bookmark first */
    size_t count;    /* in it */
    size_t turns;    /* HUB_BOOKMARK_TICKS of them are one bookmark */
    struct list flushing;
    struct loop_timer *bookmarks;
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
    custom_kind_unref(r->custom);
    free(r->key);
    free(r);
}

/* ---- handing out --------------------------------------------------------------------------------------------------
 */

static void hub_offer(struct hub *hub, struct hub_resource *r, struct buf *key, struct frame_event *event)
{
    struct hub_bucket *b = map_get(&r->buckets, buf_slice(key));

    buf_reset(key);
    if (!b)
        return;
    list_for_each_safe (it, next, &b->watchers) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, link);

        hub->visits++;
        if (event->event->revision > w->after)
            w->event(w, event);
    }
}

static void hub_key_namespace(struct buf *key, struct slice namespace_)
{
    buf_append(key, "n/", 2);
    buf_append_slice(key, namespace_);
}

static void hub_key_name(struct buf *key, struct slice namespace_, struct slice name)
{
    buf_append(key, "o/", 2);
    buf_append_slice(key, namespace_);
    buf_append_byte(key, '/');
    buf_append_slice(key, name);
}

static void hub_key_field(struct buf *key, size_t field, struct slice namespace_, struct slice value)
{
    buf_printf(key, "f%zu/%.*s/%.*s", field, SLICE_ARGS(namespace_), SLICE_ARGS(value));
}

static void hub_offer_value(struct hub *hub, struct hub_resource *r, struct frame_event *event, size_t field,
                            struct slice value, struct buf *key)
{
    hub_key_field(key, field, SLICE_NONE, value);
    hub_offer(hub, r, key, event);
    if (!event->place.namespace_.len)
        return;
    hub_key_field(key, field, event->place.namespace_, value);
    hub_offer(hub, r, key, event);
}

/* The value a field has now, and the one it had: whoever asked for either must hear of it. */
static void hub_offer_fields(struct hub *hub, struct hub_resource *r, struct frame_event *event, struct buf *key)
{
    const struct store_event *e = event->event;
    struct object_meta now;
    struct object_meta before;
    BUF_LOCAL(fresh_now);
    BUF_LOCAL(fresh_before);
    bool has_now = object_meta_need(r->kind, e->meta, e->value, &fresh_now, &now);
    bool has_before = e->prev_meta.len &&
                      object_meta_need(r->kind, e->prev_meta, e->prev_value, &fresh_before, &before);

    for (size_t i = 0; i < HUB_FIELDS_MAX && r->kind->selectable && r->kind->selectable[i]; i++) {
        struct slice v = has_now ? object_meta_field(&now, i) : SLICE_NONE;
        struct slice p = has_before ? object_meta_field(&before, i) : SLICE_NONE;

        if (!r->of_field[i])
            continue;
        if (has_now)
            hub_offer_value(hub, r, event, i, v, key);
        if (has_before && !(has_now && slice_equal(v, p)))
            hub_offer_value(hub, r, event, i, p, key);
    }
}

/* A custom kind may be of another scope now, and be watched as that before the hub has heard of it: the key says. */
static bool hub_parse(const struct hub_resource *r, struct slice key, struct registry_place *place)
{
    if (!r->custom)
        return registry_parse(key, r->kind->namespaced, place);
    return registry_parse(key, true, place) || registry_parse(key, false, place);
}

static void hub_dispatch(struct hub *hub, struct store_event *store_event)
{
    struct hub_resource *r = map_get(&hub->resources, registry_resource_of(store_event->key));
    struct frame_event event = {.event = store_event};
    BUF_LOCAL(key);

    if (!r || !hub_parse(r, store_event->key, &event.place))
        return;
    hub_offer(hub, r, &key, &event);
    hub_key_name(&key, SLICE_NONE, event.place.name);
    hub_offer(hub, r, &key, &event);
    if (event.place.namespace_.len) {
        hub_key_namespace(&key, event.place.namespace_);
        hub_offer(hub, r, &key, &event);
        hub_key_name(&key, event.place.namespace_, event.place.name);
        hub_offer(hub, r, &key, &event);
    }
    if (r->with_fields)
        hub_offer_fields(hub, r, &event, &key);
    frame_event_clear(&event);
}

/* How many there were. */
static size_t hub_flush(void *arg)
{
    struct hub *hub = arg;
    size_t count = 0;

    while (!list_empty(&hub->flushing)) {
        struct hub_watcher *w = list_first(&hub->flushing, struct hub_watcher, flushing);

        list_remove(&w->flushing);
        hub->visits++;
        count++;
        w->flush(w);
    }
    return count;
}

static bool hub_redefines(struct store_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_is(registry_resource_of(events[i]->key), REGISTRY_DEFINITIONS))
            return true;
    return false;
}

static void hub_redefined(struct hub *hub)
{
    list_for_each_safe (it, next, &hub->all) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, all);

        if (w->redefined)
            w->redefined(w);
    }
}

static void hub_take(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct hub *hub = arg;

    for (size_t i = 0; i < count; i++)
        hub_dispatch(hub, events[i]);
    hub->revision = revision;
    if (hub_redefines(events, count))
        hub_redefined(hub);
}

void hub_catch_up(struct hub *hub)
{
    hub_queue_catch_up(hub->queue);
}

/* A share of the watchers at each tick: ten thousand answers at once would hold up everybody else. */
void hub_tick(struct hub *hub)
{
    for (hub->turns += hub->count; hub->turns >= HUB_BOOKMARK_TICKS; hub->turns -= HUB_BOOKMARK_TICKS) {
        struct hub_watcher *w = list_first(&hub->all, struct hub_watcher, all);

        if (!w)
            continue;
        list_remove(&w->all);
        list_append(&hub->all, &w->all);
        w->bookmark(w);
    }
}

static void hub_on_tick(void *arg)
{
    struct hub *hub = arg;

    hub_queue_drain(hub->queue);
    hub_tick(hub);
}

/* ---- life ---------------------------------------------------------------------------------------------------------
 */

struct hub *hub_new(struct store *store, struct loop *loop)
{
    struct hub *hub = mem_zalloc(sizeof(*hub));

    list_init(&hub->all);
    list_init(&hub->flushing);
    hub->bookmarks = loop_timer_new(loop, hub_on_tick, hub);
    loop_timer_start(hub->bookmarks, HUB_TICK_MS, HUB_TICK_MS);
    hub->queue = hub_queue_new(store, loop, hub_take, hub_flush, hub, &hub->revision);
    return hub;
}

void hub_free(struct hub *hub)
{
    if (!hub)
        return;
    loop_timer_free(hub->bookmarks);
    hub_queue_free(hub->queue);
    map_clear(&hub->resources, hub_resource_free);
    free(hub);
}

uint64_t hub_revision(const struct hub *hub)
{
    return hub->revision;
}

uint64_t hub_visits(const struct hub *hub)
{
    return hub->visits;
}

void hub_want_flush(struct hub *hub, struct hub_watcher *w)
{
    list_remove(&w->flushing);
    list_append(&hub->flushing, &w->flushing);
}

/* ---- index --------------------------------------------------------------------------------------------------------
 */

static enum hub_haste hub_haste(const struct hub_watcher *w)
{
    return w->patient ? HUB_PATIENT : HUB_PROMPT;
}

void hub_add(struct hub *hub, struct hub_watcher *w)
{
    list_init(&w->link);
    list_init(&w->flushing);
    w->bucket = NULL;
    list_append(&hub->all, &w->all);
    hub->count++;
    if (w->redefined)
        hub_queue_add(hub->queue, hub_queue_wish(SLICE_LIT(REGISTRY_DEFINITIONS)), hub_haste(w));
}

void hub_remove(struct hub *hub, struct hub_watcher *w)
{
    hub_detach(hub, w);
    list_remove(&w->flushing);
    list_remove(&w->all);
    hub->count--;
    if (w->redefined)
        hub_queue_remove(hub->queue, hub_queue_wish(SLICE_LIT(REGISTRY_DEFINITIONS)), hub_haste(w));
}

static struct hub_resource *hub_need_resource(struct hub *hub, const struct schema_kind *kind)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct slice key = registry_resource(pool, kind);
    struct hub_resource *r = map_get(&hub->resources, key);

    if (!r) {
        r = mem_zalloc(sizeof(*r));
        r->kind = kind;
        r->wish = hub_queue_wish(key);
        r->custom = kind->custom ? custom_kind_ref(custom_kind_of(kind)) : NULL;
        r->key = slice_dup(key);
        (void)map_put(&hub->resources, key, r);
    }
    return r;
}

/* The place for an interest: by name, else by one of the fields, else by namespace. Of several fields that of which the
 * fewest ask the same: a phase is shared by all, a node's name by nobody. *ret_field is -1 when it is not by a field.
 * Fields have their numbers in the resource's kind; another version of it may have others. */
static void hub_choose(struct hub_resource *r, const struct hub_interest *interest, struct buf *key,
                       ptrdiff_t *ret_field)
{
    const char *const *selectable = interest->fields && interest->kind == r->kind ? r->kind->selectable : NULL;
    size_t least = 0;
    BUF_LOCAL(other);

    *ret_field = -1;
    if (interest->name.len) {
        hub_key_name(key, interest->namespace_, interest->name);
        return;
    }
    if (interest->namespace_.len)
        hub_key_namespace(key, interest->namespace_);
    for (size_t i = 0; selectable && i < HUB_FIELDS_MAX && selectable[i]; i++) {
        struct slice value = selector_exact(interest->fields, slice_str(selectable[i]));
        const struct hub_bucket *b;
        size_t count;

        if (!value.data)
            continue;
        hub_key_field(&other, i, interest->namespace_, value);
        b = map_get(&r->buckets, buf_slice(&other));
        count = b ? b->count : 0;
        if (*ret_field < 0 || count < least) {
            buf_reset(key);
            buf_append_slice(key, buf_slice(&other));
            *ret_field = (ptrdiff_t)i;
            least = count;
        }
        buf_reset(&other);
    }
}

void hub_attach(struct hub *hub, struct hub_watcher *w, const struct hub_interest *interest)
{
    struct hub_resource *r = hub_need_resource(hub, interest->kind);
    struct hub_bucket *b;
    ptrdiff_t field;
    BUF_LOCAL(key);

    hub_choose(r, interest, &key, &field);
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
    hub_queue_add(hub->queue, r->wish, hub_haste(w));
    r->watchers++;
    if (field < 0)
        return;
    r->of_field[field]++;
    r->with_fields++;
}

void hub_detach(struct hub *hub, struct hub_watcher *w)
{
    struct hub_bucket *b = w->bucket;
    struct hub_resource *r = b ? b->resource : NULL;

    if (!b)
        return;
    list_remove(&w->link);
    w->bucket = NULL;
    hub_queue_remove(hub->queue, r->wish, hub_haste(w));
    r->watchers--;
    if (b->field >= 0) {
        r->of_field[b->field]--;
        r->with_fields--;
    }
    if (--b->count)
        return;
    (void)map_remove(&r->buckets, slice_str(b->key));
    hub_bucket_free(b);
    if (r->watchers || !r->custom)
        return;
    (void)map_remove(&hub->resources, slice_str(r->key));
    hub_resource_free(r);
}

void hub_stop(struct hub *hub)
{
    list_for_each_safe (it, next, &hub->all) {
        struct hub_watcher *w = container_of(it, struct hub_watcher, all);

        w->stop(w);
    }
}
