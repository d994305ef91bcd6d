/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watch: events are made once per change and shared by all who are told.
 *
 * Invariant: an event is handed to every watch that was there when its batch was published, and to no watch whose
 * store_watch_open returned that revision or a later one. Both follow from one lock: opening, closing and publishing
 * exclude each other, and store->revision moves under it.
 */
#include "store/store_internal.h"

struct event_box {
    int refs;
    struct store_event event;
    char bytes[];
};

struct store_watch {
    struct list link;
    struct store *store; /* weak */
    store_watch_events *events;
    void (*told)(void *arg); /* NULL = it does not ask */
    void *arg;
    bool owed; /* `told`: it had events of the batch */
    size_t prefix_len;
    char prefix[];
};

static struct slice event_copy(char **at, struct slice from)
{
    struct slice copy = slice_make(*at, from.len);

    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return copy;
}

struct store_event *store_event_new(const struct store_event *from)
{
    bool gone = from->kind == STORE_EVENT_DELETE;
    size_t size =
        from->key.len + from->prev_meta.len + from->prev_value.len + (gone ? 0 : from->meta.len + from->value.len);
    struct event_box *box = mem_alloc(sizeof(*box) + size);
    char *at = box->bytes;

    box->refs = 1;
    box->event = *from;
    box->event.key = event_copy(&at, from->key);
    box->event.prev_meta = event_copy(&at, from->prev_meta);
    box->event.prev_value = event_copy(&at, from->prev_value);
    box->event.meta = gone ? box->event.prev_meta : event_copy(&at, from->meta);
    box->event.value = gone ? box->event.prev_value : event_copy(&at, from->value);
    return &box->event;
}

struct store_event *store_event_ref(struct store_event *event)
{
    struct event_box *box = container_of(event, struct event_box, event);

    (void)__atomic_add_fetch(&box->refs, 1, __ATOMIC_RELAXED);
    return event;
}

void store_event_unref(struct store_event *event)
{
    struct event_box *box;

    if (!event)
        return;
    box = container_of(event, struct event_box, event);
    if (__atomic_sub_fetch(&box->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(box);
}

struct store_watch *store_watch_open(struct store *store, struct slice prefix, store_watch_events *events, void *arg,
                                     uint64_t *ret_revision)
{
    return store_watch_open_told(store, prefix, events, NULL, arg, ret_revision);
}

struct store_watch *store_watch_open_told(struct store *store, struct slice prefix, store_watch_events *events,
                                          void (*told)(void *arg), void *arg, uint64_t *ret_revision)
{
    struct store_watch *watch = mem_alloc(sizeof(*watch) + prefix.len);

    *watch = (struct store_watch){.store = store, .events = events, .told = told, .arg = arg, .prefix_len = prefix.len};
    if (prefix.len)
        memcpy(watch->prefix, prefix.data, prefix.len);
    (void)pthread_mutex_lock(&store->publishing);
    list_append(&store->watches, &watch->link);
    *ret_revision = atomic_load(&store->revision);
    (void)pthread_mutex_unlock(&store->publishing);
    return watch;
}

void store_watch_close(struct store_watch *watch)
{
    struct store *store;

    if (!watch)
        return;
    store = watch->store;
    (void)pthread_mutex_lock(&store->publishing);
    list_remove(&watch->link);
    (void)pthread_mutex_unlock(&store->publishing);
    free(watch);
}

void store_publish(struct store *store, struct store_event **events, size_t count, uint64_t revision)
{
    struct store_event **some CLEANUP_FREE = mem_calloc(count, sizeof(struct store_event *));

    (void)pthread_mutex_lock(&store->publishing);
    list_for_each (it, &store->watches) {
        struct store_watch *watch = container_of(it, struct store_watch, link);
        struct slice prefix = slice_make(watch->prefix, watch->prefix_len);
        size_t some_count = 0;

        for (size_t i = 0; i < count; i++) {
            if (slice_starts(events[i]->key, prefix))
                some[some_count++] = events[i];
        }
        if (some_count)
            watch->events(watch->arg, some, some_count, revision);
        watch->owed = some_count && watch->told;
    }
    atomic_store(&store->revision, revision);
    (void)pthread_mutex_unlock(&store->publishing);
}

void store_publish_told(struct store *store)
{
    (void)pthread_mutex_lock(&store->publishing);
    list_for_each (it, &store->watches) {
        struct store_watch *watch = container_of(it, struct store_watch, link);

        if (watch->owed)
            watch->told(watch->arg);
        watch->owed = false;
    }
    (void)pthread_mutex_unlock(&store->publishing);
}
