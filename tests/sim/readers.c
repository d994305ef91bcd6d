/* SPDX-License-Identifier: Apache-2.0 */
/* Pagers, watchers, and single reads. */
#include "tests/sim/clients_internal.h"

#define SLOW_EVENTS 40 /* a watcher that has more before it is cut off */

/* Was it forgotten in time? What was of the class window is kept for a while in any case. */
static bool may_be_gone(const struct sim *sim, enum store_class class, uint64_t at)
{
    const struct world *w = &sim->world;
    size_t next = model_behind(&sim->model, at);

    if (at >= store_compacted_of(w->store, class))
        return false;
    return at < store_compacted(w->store) ||
           (next < sim->model.count && sim->model.changes[next].time_ns <= w->clock.wall - w->options.window_ns);
}

/* A read may fail when LMDB does not open after a failure of the disk; and when the past is gone, but only then. */
static bool read_failed(struct sim *sim, const char *what, enum store_class class, uint64_t at, const struct error *err)
{
    struct world *w = &sim->world;

    world_note(w, "%s: %s", what, error_reason(err->code));
    if (err->code == ERROR_EXPIRED && at && may_be_gone(sim, class, at))
        return true;
    if (err->code == ERROR_EXPIRED || err->code == ERROR_CORRUPT || !(w->faults || disk_frozen()))
        world_wrong(w, "%s at %llu: %s", what, (unsigned long long)at, error_text(err));
    return false;
}

static void check_compacted(struct sim *sim)
{
    uint64_t compacted = store_compacted(sim->world.store);

    if (compacted < sim->model.compacted || compacted > store_revision(sim->world.store) ||
        (!sim->world.options.history && !sim->was_full && compacted > sim->model.compacted_asked))
        world_wrong(&sim->world, "compacted is %llu", (unsigned long long)compacted);
}

/* ---- lists ---- */

struct page {
    struct sim *sim;
    uint64_t revision;
    struct slice prefix;
    unsigned key; /* the next one that may come */
    unsigned after;
    size_t count;
};

/* The first key from there on that lived then, in the order of their text; MODEL_KEYS = none. */
static unsigned page_next(const struct page *p, unsigned from)
{
    while (from < MODEL_KEYS) {
        /* "/a/00", "/a/03" ... "/b/01": the number in the order, then the key. */
        unsigned per = (MODEL_KEYS + 2) / 3, key = from % per * 3 + from / per;

        if (key < MODEL_KEYS && model_key_under(key, p->prefix) && model_at(&p->sim->model, key, p->revision))
            break;
        from++;
    }
    return from;
}

static unsigned key_in_order(unsigned place)
{
    unsigned per = (MODEL_KEYS + 2) / 3;

    return place % per * 3 + place / per;
}

static bool item_matches(const struct model_change *c, const struct store_item *item)
{
    return item->mod_revision == c->revision && item->create_revision == c->create_revision &&
           model_value_is(c->value, item->meta, item->value);
}

static int page_item(void *arg, const struct store_item *item)
{
    struct page *p = arg;
    unsigned place = page_next(p, p->key), key = key_in_order(place);

    if (place == MODEL_KEYS || model_key_of(item->key) != key)
        world_wrong(&p->sim->world, "a list at %llu has %.*s", (unsigned long long)p->revision, SLICE_ARGS(item->key));
    else if (!item_matches(model_at(&p->sim->model, key, p->revision), item))
        world_wrong(&p->sim->world, "a list at %llu has a wrong %.*s", (unsigned long long)p->revision,
                    SLICE_ARGS(item->key));
    p->after = key;
    p->key = place + 1;
    p->count++;
    return 0;
}

static size_t page_remaining(const struct page *p)
{
    size_t count = 0;

    for (unsigned place = page_next(p, p->key); place < MODEL_KEYS; place = page_next(p, place + 1))
        count++;
    return count;
}

/* One page from `*key` on; false when the list is over or lost. */
static bool list_page(struct sim *sim, struct slice prefix, uint64_t revision, bool newest, size_t limit,
                      unsigned *place, unsigned *after)
{
    struct page p = {.sim = sim, .revision = revision, .prefix = prefix, .key = *place, .after = *after};
    char text[MODEL_KEY_TEXT];
    struct store_range range = {
        .prefix = prefix, .at_revision = newest ? 0 : revision, .limit = limit, .class = model_class_under(prefix)};
    struct store_range_result result;
    ERROR_LOCAL(err);
    size_t remaining;

    if (*after < MODEL_KEYS)
        range.after = model_key(*after, text);
    if (store_list(sim->world.store, &range, page_item, &p, &result, &err) < 0) {
        (void)read_failed(sim, "list", range.class, revision, &err);
        return false;
    }
    remaining = page_remaining(&p);
    if (result.revision != revision || result.more != (remaining > 0) ||
        (result.more && result.remaining != remaining) || (!result.more && remaining) || (limit && p.count > limit))
        world_wrong(&sim->world, "a list at %llu: %zu, then %llu more of %zu", (unsigned long long)revision, p.count,
                    (unsigned long long)(result.more ? result.remaining : 0), remaining);
    world_note(&sim->world, "list %.*s at %llu: %zu, %zu more", SLICE_ARGS(prefix), (unsigned long long)revision,
               p.count, remaining);
    *place = p.key;
    *after = p.after;
    return result.more;
}

void pager_act(struct sim *sim)
{
    struct pager *p = &sim->pagers[disk_draw(SIM_PAGERS)];
    uint64_t newest = store_revision(sim->world.store),
             compacted = store_compacted_of(sim->world.store, model_class_under(p->prefix));
    bool fresh = !p->revision;

    check_compacted(sim);
    if (fresh) {
        uint64_t back = world_chance(3) ? disk_draw(newest - compacted + 3) : 0; /* now and then too far */

        p->revision = back < newest ? newest - back : newest;
        p->next = 0;
        p->after = MODEL_KEYS;
    }
    if (!list_page(sim, p->prefix, p->revision, fresh && p->revision == newest, disk_draw(6), &p->next, &p->after))
        p->revision = 0;
}

/* ---- watches ---- */

static void watch_note(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct watcher *w = arg;

    for (size_t i = 0; i < count; i++) {
        w->events = mem_grow(w->events, &w->event_cap, w->event_count + 1, sizeof(struct store_event *));
        w->events[w->event_count++] = store_event_ref(events[i]);
    }
}

/* The next change that concerns it must be this one. */
static int watcher_event(void *arg, const struct store_event *event)
{
    struct watcher *w = arg;
    const struct model *m = &w->sim->model;
    size_t next = model_next(m, w->next, w->prefix, UINT64_MAX);
    const char *wrong = next == MODEL_NONE ? "that it is there" : model_event_wrong(m, &m->changes[next], event);

    if (wrong)
        world_wrong(&w->sim->world, "watcher %u is told %.*s@%llu after %llu, wrong: %s", w->number,
                    SLICE_ARGS(event->key), (unsigned long long)event->revision, (unsigned long long)w->after, wrong);
    w->next = next == MODEL_NONE ? w->next : next + 1;
    w->after = event->revision;
    return 0;
}

/* Nothing up to that revision may be missing. */
static void watcher_reached(struct watcher *w, uint64_t revision)
{
    if (model_next(&w->sim->model, w->next, w->prefix, revision) != MODEL_NONE)
        world_wrong(&w->sim->world, "watcher %u is at %llu and was not told all", w->number,
                    (unsigned long long)revision);
    if (revision > w->after)
        w->after = revision;
    w->next = model_behind(&w->sim->model, w->after);
}

static void watcher_read(struct watcher *w, size_t count)
{
    if (count > w->event_count)
        count = w->event_count;
    for (size_t i = 0; i < count; i++) {
        (void)watcher_event(w, w->events[i]);
        store_event_unref(w->events[i]);
    }
    w->event_count -= count;
    if (w->event_count)
        memmove(w->events, w->events + count, w->event_count * sizeof(struct store_event *));
}

/* It goes on later from the last transaction that it knows to be whole. */
void watcher_stop(struct watcher *w)
{
    if (!w->watch)
        return;
    while (w->event_count && w->events[0]->revision == w->after)
        watcher_read(w, 1);
    store_watch_close(w->watch);
    for (size_t i = 0; i < w->event_count; i++)
        store_event_unref(w->events[i]);
    w->event_count = 0;
    w->watch = NULL;
}

/* Its revision is gone: a new list. */
static void watcher_relist(struct watcher *w)
{
    unsigned place = 0, after = MODEL_KEYS;
    uint64_t revision = store_revision(w->sim->world.store);

    w->sim->expired++;
    while (list_page(w->sim, w->prefix, revision, false, 5, &place, &after))
        ;
    w->after = revision;
    w->next = model_behind(&w->sim->model, revision);
}

/* Live from here on; what was before comes from the log, in pages. */
static void watcher_start(struct watcher *w)
{
    struct sim *sim = w->sim;
    uint64_t live, until = 0;

    w->watch = store_watch_open(sim->world.store, w->prefix, watch_note, w, &live);
    sim->resumed++;
    while (w->after < live) {
        ERROR_LOCAL(err);

        if (store_read_log(sim->world.store, w->prefix, model_class_under(w->prefix), w->after, live, 1 + disk_draw(20),
                           watcher_event, w, &until, &err) < 0) {
            bool gone = read_failed(sim, "resume", model_class_under(w->prefix), w->after, &err);

            watcher_stop(w);
            if (gone)
                watcher_relist(w);
            return;
        }
        watcher_reached(w, until);
    }
    world_note(&sim->world, "watcher %u goes on at %llu", w->number, (unsigned long long)w->after);
}

void watcher_act(struct sim *sim)
{
    struct watcher *w = &sim->watchers[disk_draw(SIM_WATCHERS)];

    if (!w->watch) {
        watcher_start(w);
        return;
    }
    if (w->event_count > SLOW_EVENTS || world_chance(12)) {
        world_note(&sim->world, "watcher %u stops at %llu, %zu unread", w->number, (unsigned long long)w->after,
                   w->event_count);
        watcher_stop(w);
        return;
    }
    watcher_read(w, disk_draw(8));
    world_note(&sim->world, "watcher %u is at %llu", w->number, (unsigned long long)w->after);
}

/* ---- single reads ---- */

struct look {
    struct sim *sim;
    unsigned key;
    size_t change; /* that must come next, of changes */
    bool seen;
};

static int look_item(void *arg, const struct store_item *item)
{
    struct look *l = arg;
    const struct model_change *c = model_at(&l->sim->model, l->key, UINT64_MAX);

    l->seen = true;
    if (!c || !item_matches(c, item))
        world_wrong(&l->sim->world, "key %u is wrong", l->key);
    return 0;
}

static void get_key(struct sim *sim, unsigned key)
{
    struct look l = {.sim = sim, .key = key};
    char text[MODEL_KEY_TEXT];
    uint64_t revision = 0;
    ERROR_LOCAL(err);

    if (store_get(sim->world.store, model_key(key, text), look_item, &l, &revision, &err) < 0 &&
        err.code != ERROR_NOT_FOUND) {
        (void)read_failed(sim, "get", STORE_HISTORY_FULL, 0, &err);
        return;
    }
    if (revision != sim->model.revision || l.seen != (model_at(&sim->model, key, UINT64_MAX) != NULL))
        world_wrong(&sim->world, "key %u at %llu is there: %d", key, (unsigned long long)revision, l.seen);
}

static int look_change(void *arg, const struct store_change *change)
{
    struct look *l = arg;
    const struct model_change *c = l->change == MODEL_NONE ? NULL : &l->sim->model.changes[l->change];

    if (!c || change->revision != c->revision || change->kind != c->kind ||
        (c->kind != STORE_EVENT_DELETE && !model_value_is(c->value, change->meta, change->value)))
        world_wrong(&l->sim->world, "key %u did not change so at %llu", l->key, (unsigned long long)change->revision);
    l->change = c ? c->before : MODEL_NONE;
    return 0;
}

/* All that is kept, newest first. */
static void past_of_key(struct sim *sim, unsigned key)
{
    struct look l = {.sim = sim, .key = key, .change = sim->model.newest[key]};
    char text[MODEL_KEY_TEXT];
    uint64_t compacted = 0;
    ERROR_LOCAL(err);

    if (store_read_changes(sim->world.store, model_key(key, text), model_class(key), 0, 0, look_change, &l, &compacted,
                           &err) < 0 &&
        err.code != ERROR_NOT_FOUND)
        (void)read_failed(sim, "past", model_class(key), 0, &err);
    else if (l.change != MODEL_NONE &&
             sim->model.changes[l.change].revision > store_compacted_of(sim->world.store, model_class(key)))
        world_wrong(&sim->world, "the past of key %u ends at %llu", key, (unsigned long long)compacted);
}

void reader_act(struct sim *sim)
{
    unsigned key = (unsigned)disk_draw(MODEL_KEYS);

    if (world_chance(2))
        get_key(sim, key);
    else
        past_of_key(sim, key);
}

/* ---- all at once ---- */

void check_all(struct sim *sim)
{
    struct watcher all = {
        .sim = sim, .number = 99, .after = store_compacted_of(sim->world.store, STORE_HISTORY_WINDOW)};
    unsigned place = 0, after = MODEL_KEYS;
    ERROR_LOCAL(err);

    check_compacted(sim);
    (void)list_page(sim, SLICE_NONE, sim->model.revision, true, 0, &place, &after);
    for (unsigned key = 0; key < MODEL_KEYS; key++) {
        get_key(sim, key);
        past_of_key(sim, key);
    }
    all.next = model_behind(&sim->model, all.after);
    if (store_read_log(sim->world.store, SLICE_NONE, STORE_HISTORY_WINDOW, all.after, 0, 0, watcher_event, &all, NULL,
                       &err) < 0)
        (void)read_failed(sim, "log", STORE_HISTORY_WINDOW, all.after, &err);
    else
        watcher_reached(&all, sim->model.revision);
}

void clients_settle(struct sim *sim)
{
    for (unsigned i = 0; i < SIM_WATCHERS; i++) {
        struct watcher *w = &sim->watchers[i];

        for (int tries = 0; !w->watch && tries < 3; tries++)
            watcher_start(w);
        watcher_read(w, w->event_count);
        watcher_reached(w, sim->model.revision);
    }
    check_all(sim);
}
