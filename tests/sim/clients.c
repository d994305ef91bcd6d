/* SPDX-License-Identifier: Apache-2.0 */
/* Writers, and what is found when the store is open again. */
#include "tests/sim/clients.h"

#include <stdio.h>

#include "tests/sim/clients_internal.h"

void clients_begin(struct sim *sim)
{
    static const char *const prefixes[] = {"", "/a/", "/b/", "/c/"};

    list_init(&sim->attempts);
    list_init(&sim->unknown);
    model_init(&sim->model);
    for (unsigned i = 0; i < SIM_WATCHERS; i++)
        sim->watchers[i] = (struct watcher){
            .sim = sim, .number = i, .prefix = slice_str(prefixes[i % ARRAY_SIZE(prefixes)]), .after = 1};
    for (unsigned i = 0; i < SIM_PAGERS; i++)
        sim->pagers[i] = (struct pager){.sim = sim, .prefix = slice_str(prefixes[i % ARRAY_SIZE(prefixes)])};
}

static void attempts_drop(struct list *attempts)
{
    list_for_each_safe (it, next, attempts) {
        list_remove(it);
        free(container_of(it, struct attempt, link));
    }
}

void clients_end(struct sim *sim)
{
    clients_down(sim);
    attempts_drop(&sim->unknown);
    for (unsigned i = 0; i < SIM_WATCHERS; i++)
        free(sim->watchers[i].events);
    model_free(&sim->model);
}

/* ---- writing ---- */

static uint64_t newest_revision(const struct model *m, unsigned key)
{
    const struct model_change *c = model_at(m, key, UINT64_MAX);

    return c ? c->revision : 0;
}

static void transaction_draw(struct sim *sim, struct model_transaction *t)
{
    unsigned first = (unsigned)disk_draw(MODEL_KEYS), step = 1 + (unsigned)disk_draw(5);

    *t = (struct model_transaction){.operation_count = world_chance(3) ? 1 + disk_draw(MODEL_OPS_MAX) : 1};
    for (unsigned i = 0; i < t->operation_count; i++)
        t->operations[i] = (struct model_operation){
            .gone = world_chance(4), .key = (first + i * step) % MODEL_KEYS, .value = ++sim->values};
    t->condition_count = disk_draw(t->operation_count + 1);
    for (unsigned i = 0; i < t->condition_count; i++) {
        uint64_t now = newest_revision(&sim->model, t->operations[i].key);

        t->conditions[i] = (struct model_condition){t->operations[i].key, now};
        if (world_chance(5)) /* what it saw long ago */
            t->conditions[i].revision = sim->seen[disk_draw(ARRAY_SIZE(sim->seen))];
        else if (now && world_chance(4))
            t->conditions[i].revision = STORE_ANY_REVISION;
    }
    sim->seen[disk_draw(ARRAY_SIZE(sim->seen))] = newest_revision(&sim->model, first);
}

static void attempt_text(const struct attempt *a, char text[160])
{
    size_t len = 0;

    for (size_t i = 0; i < a->transaction.operation_count; i++) {
        const struct model_operation *o = &a->transaction.operations[i];

        len += (size_t)snprintf(text + len, 160 - len, o->gone ? " -%u" : " %u=%u", o->key, o->value);
    }
}

/* It is not said of what the disk did whether it will be there after a crash. */
static void attempt_failed(struct attempt *a, enum error_code code)
{
    struct sim *sim = a->sim;
    struct world *w = &sim->world;

    if (code != ERROR_IO && code != ERROR_NO_SPACE)
        world_wrong(w, "a write failed: %s", error_reason(code));
    if (!disk_frozen() && !w->faults && !(code == ERROR_NO_SPACE && w->options.quota))
        world_wrong(w, "a write failed on a sound disk: %s", error_reason(code));
    a->base = sim->model.revision;
    list_append(&sim->unknown, &a->link);
}

static void attempt_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct attempt *a = arg;
    struct sim *sim = a->sim;
    enum error_code code = err ? err->code : ERROR_NONE, expected;
    size_t condition = 0;
    char text[160];

    list_remove(&a->link);
    attempt_text(a, text);
    world_note(&sim->world, "write%s: %s", text, code == ERROR_NONE ? "done" : error_reason(code));
    if (disk_frozen() || (code != ERROR_NONE && code != ERROR_CONFLICT && code != ERROR_NOT_FOUND)) {
        if (code == ERROR_NONE)
            world_wrong(&sim->world, "a write is acknowledged by a disk without power");
        attempt_failed(a, code == ERROR_CONFLICT || code == ERROR_NOT_FOUND ? ERROR_IO : code);
        return;
    }
    expected = model_verdict(&sim->model, &a->transaction, &condition);
    if (code != expected || (code == ERROR_CONFLICT && failed_condition != condition))
        world_wrong(&sim->world, "the verdict on%s should be %s (%zu)", text, error_reason(expected), condition);
    if (code == ERROR_NONE) {
        if (revision != sim->model.revision + 1)
            world_wrong(&sim->world, "revision %llu follows %llu", (unsigned long long)revision,
                        (unsigned long long)sim->model.revision);
        sim->model.now_ns = sim->world.clock.wall;
        model_apply(&sim->model, &a->transaction);
        sim->acked++;
    }
    free(a);
}

void writer_act(struct sim *sim)
{
    struct attempt *a = mem_zalloc(sizeof(*a));
    struct model_transaction *t = &a->transaction;
    struct store_condition conditions[MODEL_OPS_MAX];
    struct store_operation operations[MODEL_OPS_MAX];
    char keys[2 * MODEL_OPS_MAX][MODEL_KEY_TEXT];
    char *texts[2 * MODEL_OPS_MAX] = {NULL};

    a->sim = sim;
    transaction_draw(sim, t);
    for (size_t i = 0; i < t->condition_count; i++)
        conditions[i] = (struct store_condition){model_key(t->conditions[i].key, keys[i]), t->conditions[i].revision};
    for (size_t i = 0; i < t->operation_count; i++) {
        struct model_operation *o = &t->operations[i];

        texts[2 * i] = model_value(o->value);
        texts[2 * i + 1] = model_meta(o->value);
        operations[i] = (struct store_operation){.kind = o->gone ? STORE_DELETE : STORE_PUT,
                                                 .class = model_class(o->key),
                                                 .key = model_key(o->key, keys[MODEL_OPS_MAX + i]),
                                                 .value = slice_str(texts[2 * i]),
                                                 .meta = slice_str(texts[2 * i + 1])};
    }
    list_append(&sim->attempts, &a->link);
    store_commit(sim->world.store,
                 &(struct store_transaction){.conditions = conditions,
                                             .condition_count = t->condition_count,
                                             .operations = operations,
                                             .operation_count = t->operation_count},
                 attempt_done, a);
    for (size_t i = 0; i < 2 * t->operation_count; i++)
        free(texts[i]);
}

/* ---- forgetting ---- */

struct compaction {
    struct sim *sim;
    uint64_t revision;
};

static void compact_done(void *arg, const struct error *err)
{
    struct compaction *c = arg;
    struct sim *sim = c->sim;

    if (!err && !disk_frozen() && c->revision > sim->model.compacted)
        sim->model.compacted = c->revision;
    if (err && err->code != ERROR_CANCELLED && !sim->world.faults && !disk_frozen())
        world_wrong(&sim->world, "compacting: %s", error_text(err));
    world_note(&sim->world, "compact %llu: %s", (unsigned long long)c->revision,
               err ? error_reason(err->code) : "done");
    free(c);
}

void compact_act(struct sim *sim)
{
    struct compaction *c = mem_zalloc(sizeof(*c));
    uint64_t newest = store_revision(sim->world.store);

    *c = (struct compaction){sim, newest - disk_draw(newest < 40 ? newest : 40)};
    if (c->revision > sim->model.compacted_asked)
        sim->model.compacted_asked = c->revision;
    store_compact(sim->world.store, c->revision, compact_done, c);
}

/* ---- down and up ---- */

void clients_down(struct sim *sim)
{
    for (unsigned i = 0; i < SIM_WATCHERS; i++)
        watcher_stop(&sim->watchers[i]);
    for (unsigned i = 0; i < SIM_PAGERS; i++)
        sim->pagers[i].revision = 0;
}

struct recovery {
    struct sim *sim;
    uint64_t revision;
    struct model_transaction seen; /* of that revision, its operations so far */
};

static bool same_operations(const struct model_transaction *a, const struct model_transaction *b)
{
    bool same = a->operation_count == b->operation_count;

    for (size_t i = 0; same && i < a->operation_count; i++)
        same = a->operations[i].key == b->operations[i].key && a->operations[i].gone == b->operations[i].gone &&
               (a->operations[i].gone || a->operations[i].value == b->operations[i].value);
    return same;
}

/* Whose transaction was it? */
static void recovery_adopt(struct recovery *r)
{
    struct sim *sim = r->sim;
    size_t condition;

    if (!r->seen.operation_count)
        return;
    list_for_each_safe (it, next, &sim->unknown) {
        struct attempt *a = container_of(it, struct attempt, link);

        if (!same_operations(&a->transaction, &r->seen) || r->revision != sim->model.revision + 1 ||
            model_verdict(&sim->model, &a->transaction, &condition) != ERROR_NONE)
            continue;
        model_apply(&sim->model, &a->transaction);
        sim->recovered++;
        list_remove(&a->link);
        free(a);
        r->seen.operation_count = 0;
        return;
    }
    world_wrong(&sim->world, "nobody wrote what revision %llu holds", (unsigned long long)r->revision);
    r->seen.operation_count = 0;
}

static int recovery_event(void *arg, const struct store_event *event)
{
    struct recovery *r = arg;
    struct slice rest = event->value, first = SLICE_NONE;
    uint64_t value = 0;

    if (event->revision != r->revision)
        recovery_adopt(r);
    r->revision = event->revision;
    if (slice_split(&rest, ' ', &first))
        (void)slice_to_uint64(first, &value);
    if (r->seen.operation_count < MODEL_OPS_MAX)
        r->seen.operations[r->seen.operation_count++] = (struct model_operation){
            event->kind == STORE_EVENT_DELETE, model_key_of(event->key) % MODEL_KEYS, (uint32_t)value};
    return 0;
}

/* What failed before the newest acknowledged write has been written over. */
static void unknown_drop_old(struct sim *sim)
{
    list_for_each_safe (it, next, &sim->unknown) {
        struct attempt *a = container_of(it, struct attempt, link);

        if (a->base == sim->model.revision)
            continue;
        list_remove(&a->link);
        free(a);
    }
}

void clients_up(struct sim *sim)
{
    struct recovery r = {.sim = sim};
    struct store *store = sim->world.store;
    ERROR_LOCAL(err);

    unknown_drop_old(sim);
    if (!list_empty(&sim->attempts))
        world_wrong(&sim->world, "a write was never answered");
    if (store_revision(store) < sim->model.revision)
        world_wrong(&sim->world, "revision %llu, but %llu was acknowledged", (unsigned long long)store_revision(store),
                    (unsigned long long)sim->model.revision);
    else if (store_read_log(store, SLICE_NONE, STORE_HISTORY_WINDOW, sim->model.revision, 0, 0, recovery_event, &r,
                            NULL, &err) < 0)
        world_wrong(&sim->world, "the end of the log: %s", error_text(&err));
    recovery_adopt(&r);
    attempts_drop(&sim->unknown);
    if (store_compacted(store) < sim->model.compacted)
        world_wrong(&sim->world, "what was forgotten is back: %llu of %llu", (unsigned long long)store_compacted(store),
                    (unsigned long long)sim->model.compacted);
    check_all(sim);
}
