/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store, simulated: clients and a failing disk take turns as the seed says, and every answer is held against a
 * model. A seed that goes wrong is told with the command that shows what happened; every 50th is run twice, and both
 * must come to the same hash.
 *
 *   sim-store [SEEDS [FIRST]]      many seeds
 *   sim-store --seed SEED          one, with its trace
 */
#include <stdio.h>

#include "lib/log.h"
#include "tests/sim/clients.h"

#define TURNS 260

struct totals {
    unsigned long long acked, recovered, resumed, expired, faults, crashes, kills, cleaned;
};

/* What kind of world it is. */
static void sim_draw(struct sim *sim)
{
    struct world *w = &sim->world;
    static const unsigned rates[] = {0, 0, 400, 120, 40};

    w->options.segment_bytes = (12 + disk_draw(40)) << 10;
    w->options.checkpoint_count = 3 + disk_draw(40);
    w->options.window_ns = (int64_t)(2 + disk_draw(20)) * NS_PER_S;
    w->options.history = world_chance(4) ? (64 + disk_draw(200)) << 10 : 0;
    w->options.quota = world_chance(8) ? (8 + disk_draw(20)) << 10 : 0;
    w->fault_one_in = rates[disk_draw(ARRAY_SIZE(rates))];
    w->crash_within = world_chance(3) ? 0 : 100 + disk_draw(400);
    w->crash_in = w->crash_within ? 1 + disk_draw(w->crash_within) : 0;
    world_note(w, "segments %zu, checkpoints %zu, history %llu, quota %llu, faults 1/%u, crash within %llu",
               w->options.segment_bytes, w->options.checkpoint_count, (unsigned long long)w->options.history,
               (unsigned long long)w->options.quota, w->fault_one_in, (unsigned long long)w->crash_within);
}

static bool sim_up(struct sim *sim)
{
    if (!world_open(&sim->world))
        return false;
    clients_up(sim);
    return true;
}

/* Down, and up again; after the power went, or in good order. */
static bool sim_restart(struct sim *sim)
{
    clients_down(sim);
    if (disk_frozen())
        world_crash(&sim->world);
    else
        world_close(&sim->world);
    return sim_up(sim);
}

static bool sim_step(struct sim *sim)
{
    bool busy = store_step(sim->world.store);
    struct store_stats stats;

    store_get_stats(sim->world.store, &stats);
    sim->was_full = sim->was_full || stats.full;
    return busy;
}

static void sim_turn(struct sim *sim)
{
    uint64_t what = disk_draw(100);

    if (what < 34)
        writer_act(sim);
    else if (what < 58)
        (void)sim_step(sim);
    else if (what < 66)
        pager_act(sim);
    else if (what < 84)
        watcher_act(sim);
    else if (what < 90)
        reader_act(sim);
    else if (what < 92)
        compact_act(sim);
    else
        clock_fake_advance(&sim->world.clock, (int64_t)disk_draw(15000) * NS_PER_MS);
}

/* All that is queued is carried out, on a disk that is sound again. */
static bool sim_settle(struct sim *sim)
{
    struct world *w = &sim->world;

    w->fault_one_in = w->full_for = w->crash_in = w->crash_within = 0;
    clock_fake_advance(&w->clock, 40 * NS_PER_S);
    while (sim_step(sim))
        ;
    sim->cleaned = store_compacted_of(w->store, STORE_HISTORY_WINDOW) > store_compacted(w->store);
    clients_settle(sim);
    return sim_restart(sim);
}

static uint64_t sim_run(uint64_t seed, bool verbose, struct totals *totals, char **ret_wrong)
{
    struct sim sim = {0};
    struct world *w = &sim.world;
    bool up;

    world_begin(w, seed, verbose);
    clients_begin(&sim);
    sim_draw(&sim);
    up = sim_up(&sim);
    for (int i = 0; up && i < TURNS && !w->wrong; i++) {
        sim_turn(&sim);
        if (disk_frozen() || world_chance(150))
            up = sim_restart(&sim);
    }
    if (up && !w->wrong)
        (void)sim_settle(&sim);
    clients_end(&sim);
    totals->acked += sim.acked;
    totals->recovered += sim.recovered;
    totals->resumed += sim.resumed;
    totals->expired += sim.expired;
    totals->cleaned += sim.cleaned;
    totals->kills += w->kills;
    totals->faults += w->faults;
    totals->crashes += w->crashes;
    *ret_wrong = STEAL(w->wrong);
    world_end(w);
    return w->hash;
}

static int many(const char *program, uint64_t seeds, uint64_t first)
{
    struct totals totals = {0};
    struct totals again = {0};

    for (uint64_t seed = first; seed < first + seeds; seed++) {
        char *wrong CLEANUP_FREE = NULL, *wrong_again CLEANUP_FREE = NULL;
        uint64_t hash = sim_run(seed, false, &totals, &wrong);

        if (!wrong && seed % 50 == 0 && sim_run(seed, false, &again, &wrong_again) != hash)
            wrong = mem_strdup("the same seed gave another trace");
        if (wrong) {
            (void)printf("FAILED: seed %llu: %s\nSee: %s --seed %llu\n", (unsigned long long)seed, wrong, program,
                         (unsigned long long)seed);
            return 1;
        }
    }
    (void)printf(
        "%llu seeds: %llu writes acknowledged, %llu more found after %llu losses of power, %llu kills and %llu "
        "failures of the disk; %llu watches resumed, %llu came too late; nothing lost\n",
        (unsigned long long)seeds, totals.acked, totals.recovered, totals.crashes, totals.kills, totals.faults,
        totals.resumed, totals.expired);
    /* A simulation in which nothing goes wrong shows nothing. */
    return seeds >= 100 && (!totals.recovered || !totals.expired || !totals.crashes || !totals.kills ||
                            !totals.faults || !totals.cleaned);
}

int main(int argc, char **argv)
{
    struct totals totals = {0};
    char *wrong CLEANUP_FREE = NULL;
    uint64_t hash;

    log_set_level(getenv("SIM_LOG") ? LOG_DEBUG : LOG_ERROR);
    if (argc < 3 || strcmp(argv[1], "--seed") != 0)
        return many(argv[0], argc > 1 ? strtoull(argv[1], NULL, 10) : 1000, argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    hash = sim_run(strtoull(argv[2], NULL, 10), true, &totals, &wrong);
    (void)printf("seed %s: hash %016llx: %s\n", argv[2], (unsigned long long)hash, wrong ? wrong : "nothing wrong");
    return wrong != NULL;
}
