/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches of the API server, simulated: front, hub and store on one thread under virtual time, watchers that are slow,
 * break off and go on, a past that is forgotten, and a disk that fails and loses power, after which server and store
 * start anew. What was committed and what each watcher was sent is recorded, and judged at the end
 * (tests/watch/check.h).
 *
 *   sim-watch [SEEDS [FIRST]]      many seeds
 *   sim-watch --seed SEED          one, with its trace
 */
#include <stdio.h>

#include "api/value.h"
#include "apiserver/hub.h"
#include "apiserver/registry.h"
#include "lib/log.h"
#include "lib/random.h"
#include "tests/sim/world.h"
#include "tests/watch/check.h"
#include "tests/watch/peer.h"

#define KEYS       24
#define NAMESPACES 3
#define LABELS     3
#define NODES      4
#define WATCHERS   12
#define TURNS      400
#define SETTLE     400        /* virtual seconds until everybody must have everything */
#define UNSENT_MAX (8u << 20) /* bytes that the server may hold for one */

struct watcher {
    struct record_selector selector;
    struct record_session *session; /* the last */
    struct peer *peer;
};

struct object {
    bool present;
    uint8_t label;
    uint8_t node;
};

struct sim {
    struct world world;
    struct record record;
    struct apiserver *server;
    struct front *front;
    const struct schema_kind *kind;
    struct object objects[KEYS]; /* as the writer believes them to be */
    struct watcher watchers[WATCHERS];
    uint32_t value;
    uint64_t revision; /* of the last recorded change */
    bool big;          /* some objects are so large that slow watchers make the server wait */
};

/* One transaction on its way. */
struct write {
    struct sim *sim;
    size_t count;
    struct record_change changes[3];
};

/* ---- writing ---- */

static void record_changes(struct sim *sim, struct record_change *changes, size_t count, uint64_t revision)
{
    for (size_t i = 0; i < count; i++) {
        changes[i].revision = revision;
        record_add_change(&sim->record, &changes[i]);
        sim->objects[changes[i].key] = (struct object){changes[i].value != 0, changes[i].label, changes[i].node};
    }
    sim->revision = revision;
}

static void write_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct write *write = arg;
    struct sim *sim = write->sim;

    world_note(&sim->world, "write %u: %s", write->changes[0].key, err ? error_reason(err->code) : "done");
    if (err && !disk_frozen() && !sim->world.faults && err->code != ERROR_NOT_FOUND)
        world_wrong(&sim->world, "a write on a sound disk: %s", error_text(err));
    if (!err)
        record_changes(sim, write->changes, write->count, revision);
    free(write);
}

static void change_draw(struct sim *sim, uint32_t key, struct record_change *ret_change)
{
    const struct object *o = &sim->objects[key];

    if (o->present && world_chance(6)) {
        *ret_change = (struct record_change){.key = key};
        return;
    }
    *ret_change = (struct record_change){0, key, ++sim->value, o->label, o->node};
    if (!o->present || world_chance(3))
        ret_change->label = (uint8_t)disk_draw(LABELS);
    if (!o->present || world_chance(3))
        ret_change->node = (uint8_t)disk_draw(NODES);
}

static void change_text(struct sim *sim, const struct record_change *c, struct buf *value, struct buf *meta)
{
    buf_printf(value,
               "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"p%06u\",\"namespace\":\"w%u\","
               "\"labels\":{\"app\":\"a%u\"},\"annotations\":{\"v\":\"%u\"}},\"spec\":{\"nodeName\":\"n%u\"},"
               "\"status\":{\"message\":\"%0*d\"}}",
               c->key, c->key % NAMESPACES, c->label, c->value, c->node,
               sim->big && world_chance(6) ? 100000 : 1 + (int)disk_draw(200), 0);
    object_encode_meta(sim->kind, buf_slice(value), meta);
}

static void sim_write(struct sim *sim)
{
    struct write *write = mem_zalloc(sizeof(*write));
    struct store_operation operations[ARRAY_SIZE(write->changes)] = {0};
    struct pool *pool CLEANUP_POOL = pool_new();
    uint32_t first = (uint32_t)disk_draw(KEYS);

    write->sim = sim;
    write->count = world_chance(3) ? 1 + disk_draw(ARRAY_SIZE(write->changes)) : 1;
    for (size_t i = 0; i < write->count; i++) {
        struct record_change *c = &write->changes[i];
        BUF_LOCAL(value);
        BUF_LOCAL(meta);

        change_draw(sim, (first + (uint32_t)i * 7) % KEYS, c);
        operations[i].kind = c->value ? STORE_PUT : STORE_DELETE;
        operations[i].key =
            slice_str(pool_printf(pool, REGISTRY_PREFIX "/pods/w%u/p%06u", c->key % NAMESPACES, c->key));
        if (!c->value)
            continue;
        change_text(sim, c, &value, &meta);
        operations[i].value = slice_make(pool_slice_dup(pool, buf_slice(&value)), value.len);
        operations[i].meta = slice_make(pool_slice_dup(pool, buf_slice(&meta)), meta.len);
    }
    store_commit(sim->world.store,
                 &(struct store_transaction){.operations = operations, .operation_count = write->count}, write_done,
                 write);
}

/* ---- watching ---- */

static void watcher_choose(struct watcher *w, unsigned i)
{
    struct record_selector *s = &w->selector;

    *s = (struct record_selector){RECORD_ANY, RECORD_ANY, RECORD_ANY, RECORD_ANY};
    if (i % 4 == 1 || i % 4 == 3)
        s->namespace_ = (int)disk_draw(NAMESPACES);
    if (i % 4 == 2)
        s->node = (int)disk_draw(NODES);
    if (i % 4 == 3)
        s->label = (int)disk_draw(LABELS);
}

static void watcher_begin(struct sim *sim, struct watcher *w)
{
    uint64_t place = w->session && !w->session->expired ? record_resume(w->session) : 0;

    w->session = record_add_session(&sim->record, (unsigned)(w - sim->watchers), &w->selector);
    w->session->list = !place;
    w->session->after = place;
    char *path CLEANUP_FREE =
        record_path(w->session, "pods", "spec.nodeName", world_chance(4) ? "&timeoutSeconds=5" : "");
    w->peer = peer_open(sim->front, w->session, sim->kind, path);
    world_note(&sim->world, "watcher %u begins behind %llu", w->session->watcher, (unsigned long long)place);
}

/* When reading failed with the disk it was told so, perhaps between two events of one transaction. */
static void watcher_ended(struct sim *sim, struct watcher *w)
{
    if (peer_trouble(w->peer)) {
        if (!sim->world.faults)
            world_wrong(&sim->world, "a watcher was %s", peer_trouble(w->peer));
        w->session->end = RECORD_CUT;
    }
    world_note(&sim->world, "watcher %u ends with %zu%s", w->session->watcher, w->session->count,
               w->session->expired ? ", expired" : "");
    peer_free(STEAL(w->peer));
}

static void watcher_act(struct sim *sim, struct watcher *w, bool eager)
{
    if (w->peer && peer_over(w->peer))
        watcher_ended(sim, w);
    else if (!w->peer && (eager || world_chance(3)))
        watcher_begin(sim, w);
    else if (w->peer && !eager && world_chance(25))
        peer_cut(w->peer);
    else if (w->peer)
        peer_read(w->peer, eager || world_chance(3) ? SIZE_MAX : disk_draw(3000));
}

/* ---- down and up ---- */

static void sim_down(struct sim *sim)
{
    if (!sim->server)
        return;
    for (size_t i = 0; i < WATCHERS; i++)
        if (sim->watchers[i].peer)
            peer_cut(sim->watchers[i].peer);
    for (int i = 0; i < 3; i++)
        loop_turn(sim->front->loop, false);
    for (size_t i = 0; i < WATCHERS; i++)
        if (sim->watchers[i].peer)
            watcher_ended(sim, &sim->watchers[i]);
    apiserver_unmake(STEAL(sim->server));
}

/* A change that was not acknowledged, and is there all the same. */
static int note_recovered(void *arg, const struct store_event *event)
{
    struct sim *sim = arg;
    struct slice digits = slice_make(event->key.data + event->key.len - 6, 6);
    struct record_event object = {0};
    struct record_change change = {0};
    uint64_t key = 0;

    if (event->kind != STORE_EVENT_DELETE && !record_parse_object(event->value, &object))
        world_wrong(&sim->world, "the store holds what nobody wrote");
    (void)slice_to_uint64(digits, &key);
    change = (struct record_change){0, (uint32_t)key % KEYS, object.value, object.label, object.node};
    record_changes(sim, &change, 1, event->revision);
    world_note(&sim->world, "recovered %u at %llu", change.key, (unsigned long long)event->revision);
    return 0;
}

static bool sim_up(struct sim *sim)
{
    struct apiserver_options options = {.fronts = 1, .service_cidr = "10.96.0.0/24", .clock = &sim->world.clock.base};
    ERROR_LOCAL(err);

    if (!world_open(&sim->world))
        return false;
    if (store_revision(sim->world.store) < sim->revision)
        world_wrong(&sim->world, "revision %llu, but %llu was acknowledged",
                    (unsigned long long)store_revision(sim->world.store), (unsigned long long)sim->revision);
    if (store_read_log(sim->world.store, SLICE_NONE, STORE_HISTORY_FULL, sim->revision, 0, 0, note_recovered, sim, NULL,
                       &err) < 0)
        world_wrong(&sim->world, "the end of the log: %s", error_text(&err));
    options.store = sim->world.store;
    if (apiserver_make(&options, &sim->server, &err) < 0) {
        world_wrong(&sim->world, "the server: %s", error_text(&err));
        return false;
    }
    sim->front = &sim->server->fronts[0];
    return true;
}

static bool sim_restart(struct sim *sim)
{
    sim_down(sim);
    if (disk_frozen())
        world_crash(&sim->world);
    else
        world_close(&sim->world);
    return sim_up(sim);
}

/* ---- the run ---- */

static void note_compaction(void *arg, const struct error *err)
{
    struct sim *sim = arg;

    world_note(&sim->world, "compacted %llu: %s", (unsigned long long)store_compacted(sim->world.store),
               err ? error_reason(err->code) : "done");
}

static void sim_turn(struct sim *sim)
{
    uint64_t what = disk_draw(100), revision = store_revision(sim->world.store);

    if (what < 30)
        sim_write(sim);
    else if (what < 50)
        (void)store_step(sim->world.store);
    else if (what < 65)
        loop_turn(sim->front->loop, false);
    else if (what < 90)
        watcher_act(sim, &sim->watchers[disk_draw(WATCHERS)], false);
    else if (what < 93)
        store_compact(sim->world.store, revision - disk_draw(revision < 30 ? revision : 30), note_compaction, sim);
    else
        clock_fake_advance(&sim->world.clock, (int64_t)disk_draw(20000) * NS_PER_MS);
}

static bool watcher_has_all(const struct sim *sim, const struct watcher *w)
{
    const struct record_session *s = w->session;

    return w->peer && s && s->count && s->events[s->count - 1].type == RECORD_BOOKMARK &&
           s->events[s->count - 1].revision >= sim->record.last;
}

static void sim_settle(struct sim *sim)
{
    struct world *w = &sim->world;
    bool all = false;

    w->fault_one_in = w->full_for = w->crash_in = w->crash_within = 0;
    clock_fake_advance(&w->clock, 40 * NS_PER_S);
    while (store_step(w->store))
        ;
    sim->record.last = store_revision(w->store);
    for (int i = 0; i < SETTLE && !all; i++) {
        clock_fake_advance(&w->clock, NS_PER_S);
        while (store_step(w->store)) /* LMDB comes back, if it was away */
            ;
        loop_turn(sim->front->loop, false);
        all = true;
        for (size_t n = 0; n < WATCHERS; n++) {
            watcher_act(sim, &sim->watchers[n], true);
            all = watcher_has_all(sim, &sim->watchers[n]) && all;
        }
    }
    if (!all)
        world_note(w, "not everybody has everything");
}

static void sim_judge(struct sim *sim, struct check_counts *counts)
{
    BUF_LOCAL(what);

    if (check_record(&sim->record, UNSENT_MAX, counts, &what) < 0)
        world_wrong(&sim->world, "%s", buf_cstr(&what));
    world_note(&sim->world, "%zu events, %zu lists, %zu bookmarks, %zu resumed, %zu expired", counts->events,
               counts->lists, counts->bookmarks, counts->resumed, counts->expired);
}

static uint64_t sim_run(uint64_t seed, bool verbose, struct check_counts *counts, char **ret_wrong)
{
    static const unsigned rates[] = {0, 0, 300, 100};
    struct sim *sim = mem_zalloc(sizeof(*sim));
    struct world *w = &sim->world;
    uint64_t hash;
    bool up;

    world_begin(w, seed, verbose);
    random_set_seed(seed + 1);
    sim->record.namespaces = NAMESPACES;
    sim->record.keys = KEYS;
    sim->revision = 1;
    sim->kind = registry_need_kind("", "pods");
    sim->big = world_chance(6);
    w->options.segment_bytes = (16 + disk_draw(60)) << 10;
    w->options.checkpoint_count = 3 + disk_draw(60);
    w->fault_one_in = rates[disk_draw(ARRAY_SIZE(rates))];
    w->crash_within = world_chance(3) ? 0 : 150 + disk_draw(400);
    w->crash_in = w->crash_within ? 1 + disk_draw(w->crash_within) : 0;
    world_note(w, "segments %zu, checkpoints %zu, faults 1/%u, crash within %llu", w->options.segment_bytes,
               w->options.checkpoint_count, w->fault_one_in, (unsigned long long)w->crash_within);
    for (unsigned i = 0; i < WATCHERS; i++)
        watcher_choose(&sim->watchers[i], i);
    up = sim_up(sim);
    for (int i = 0; up && i < TURNS && !w->wrong; i++) {
        sim_turn(sim);
        if (disk_frozen() || world_chance(250))
            up = sim_restart(sim);
    }
    if (up && !w->wrong) {
        sim_settle(sim);
        sim_judge(sim, counts);
    }
    sim_down(sim);
    record_clear(&sim->record);
    *ret_wrong = STEAL(w->wrong);
    hash = w->hash;
    world_end(w);
    free(sim);
    return hash;
}

static void counts_add(struct check_counts *to, const struct check_counts *from)
{
    to->events += from->events;
    to->lists += from->lists;
    to->bookmarks += from->bookmarks;
    to->resumed += from->resumed;
    to->expired += from->expired;
}

static int many(const char *program, uint64_t seeds, uint64_t first)
{
    struct check_counts totals = {0};

    for (uint64_t seed = first; seed < first + seeds; seed++) {
        char *wrong CLEANUP_FREE = NULL, *wrong_again CLEANUP_FREE = NULL;
        struct check_counts counts = {0}, again = {0};
        uint64_t hash = sim_run(seed, false, &counts, &wrong);

        if (!wrong && seed % 50 == 0 && sim_run(seed, false, &again, &wrong_again) != hash)
            wrong = mem_strdup("the same seed gave another trace");
        if (wrong) {
            (void)printf("FAILED: seed %llu: %s\nSee: %s --seed %llu\n", (unsigned long long)seed, wrong, program,
                         (unsigned long long)seed);
            return 1;
        }
        counts_add(&totals, &counts);
    }
    (void)printf("%llu seeds: %zu events in order, %zu lists, %zu bookmarks, %zu watches resumed, %zu came too late\n",
                 (unsigned long long)seeds, totals.events, totals.lists, totals.bookmarks, totals.resumed,
                 totals.expired);
    return seeds >= 100 && (!totals.events || !totals.resumed || !totals.expired || !totals.bookmarks);
}

int main(int argc, char **argv)
{
    struct check_counts counts = {0};
    char *wrong CLEANUP_FREE = NULL;
    uint64_t hash;

    value_init();
    log_set_level(LOG_ERROR);
    if (argc < 3 || strcmp(argv[1], "--seed") != 0)
        return many(argv[0], argc > 1 ? strtoull(argv[1], NULL, 10) : 1000, argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    hash = sim_run(strtoull(argv[2], NULL, 10), true, &counts, &wrong);
    (void)printf("seed %s: hash %016llx: %s\n", argv[2], (unsigned long long)hash, wrong ? wrong : "nothing wrong");
    return wrong != NULL;
}
