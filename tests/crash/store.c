/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kill -9 of a store that is being written to, and a look at what is left: every other time at a random moment, else at
 * one of the places of lib/failpoint.h, each in its turn.
 *
 * A child writes KEYS counters without pause, each in one transaction with a twin under another prefix, whose past is
 * not kept, compacts now and then, and reports each acknowledged write through a pipe. The parent kills it at a random
 * moment, opens the folder and checks, round after round on the same folder:
 *   - nothing acknowledged is lost, and nothing is there that was not asked for;
 *   - a transaction is there whole or not at all: twins are equal;
 *   - the revision is not behind any that was acknowledged, and none is given twice;
 *   - the log has every revision above `compacted`, of the twins every one above theirs, each event fits the one
 * before, and all end in what is current.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/failpoint.h"
#include "store/store.h"

#define KEYS         24
#define SHOWN        UINT32_MAX                   /* as a key: not acknowledged, but shown to a watch */
#define LOG_MOST     ((uint64_t)4 << 20)          /* with more the writers are slow: the keeper is to have its turns */
#define REACH_MS     30000                        /* a place that is not passed in this time is never passed */
#define STORE_PLACES ((int)FAILPOINT_reply_begin) /* behind them are the API server's: server.py */

struct ack {
    uint32_t key;
    uint32_t counter;
    uint64_t revision;
};

struct crash {
    char path[64];
    uint64_t seed;
    uint32_t acked[KEYS];    /* newest counter that was acknowledged */
    uint64_t acked_revision; /* newest revision that was, or that was shown */
    uint64_t floor;          /* revision when the present child began: it must only give later ones */
    uint64_t acks;
    int cleaned; /* rounds after which the past of the twins was shorter */
    int round;
    int reached; /* places */
    int failures;
};

#define CHECK(crash, ok, ...)                                                                                          \
    do {                                                                                                               \
        if (!(ok)) {                                                                                                   \
            (crash)->failures++;                                                                                       \
            (void)printf("FAILED: " __VA_ARGS__);                                                                      \
            (void)printf("\n");                                                                                        \
        }                                                                                                              \
    } while (0)

static uint64_t draw(struct crash *crash, uint64_t below)
{
    crash->seed = crash->seed * 6364136223846793005u + 1442695040888963407u;
    return (crash->seed >> 33) % below;
}

static void pause_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&time, NULL);
}

/* -- the child -- */

struct writer {
    struct store *store;
    int pipe;
    uint32_t key;
    uint32_t counter;
};

static void write_next(struct writer *writer);

/* Under a sanitizer the keeper would never be done with compactions, and nothing would be cleaned. */
static void give_way(struct store *store)
{
    struct store_stats stats;

    store_get_stats(store, &stats);
    if (stats.log_bytes > LOG_MOST)
        pause_ms(20);
}

static void written(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct writer *writer = arg;
    const struct ack ack = {writer->key, writer->counter, revision};

    if (err || write(writer->pipe, &ack, sizeof(ack)) != sizeof(ack))
        _exit(1);
    if (revision % 16 == 0)
        give_way(writer->store);
    write_next(writer);
}

static void write_next(struct writer *writer)
{
    char keys[2][16], *value CLEANUP_FREE = NULL;
    struct store_operation operations[2];

    writer->counter++;
    /* Sizes on both sides of what fits a page. */
    value = mem_printf("%u %0*d", writer->counter, writer->counter % 7 == 0 ? 5000 : 100, 0);
    for (int i = 0; i < 2; i++) {
        int len = snprintf(keys[i], sizeof(keys[i]), "/%s/%u", i ? "twin" : "key", writer->key);

        operations[i] = (struct store_operation){STORE_PUT,
                                                 {keys[i], (size_t)len},
                                                 SLICE_LIT("meta"),
                                                 slice_str(value),
                                                 i ? STORE_HISTORY_NONE : STORE_HISTORY_FULL};
    }
    store_commit(writer->store, &(struct store_transaction){NULL, 0, operations, 2}, written, writer);
}

static uint32_t counter_of(struct slice value)
{
    struct slice rest = value, first = SLICE_NONE;
    uint64_t counter = 0;

    return slice_split(&rest, ' ', &first) && slice_to_uint64(first, &counter) ? (uint32_t)counter : 0;
}

static int read_counter(void *arg, const struct store_item *item)
{
    *(uint32_t *)arg = counter_of(item->value);
    return 0;
}

static uint32_t get_counter(struct store *store, const char *prefix, uint32_t key)
{
    char *name CLEANUP_FREE = mem_printf("%s%u", prefix, key);
    uint32_t counter = 0;

    (void)store_get(store, slice_str(name), read_counter, &counter, NULL, NULL);
    return counter;
}

static void shown(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    const struct ack ack = {SHOWN, 0, revision};

    if (write(*(int *)arg, &ack, sizeof(ack)) != sizeof(ack))
        _exit(1);
}

_Noreturn static void child_run(const struct crash *crash, int pipe)
{
    struct store_options options = {
        .path = crash->path,
        /* Little is enough to begin a segment, to go to LMDB, to be cleaned and dissolved. */
        .segment_bytes = 96 << 10,
        .checkpoint_count = 150,
        .window_ns = 1};
    struct writer writers[KEYS];
    struct store *store;
    uint64_t start;
    ERROR_LOCAL(err);

    if (store_open(&options, &store, &err) < 0) {
        (void)printf("the child: %s\n", error_text(&err));
        _exit(1);
    }
    (void)store_watch_open(store, SLICE_LIT("/key/"), shown, &pipe, &start);
    for (uint32_t i = 0; i < KEYS; i++) {
        writers[i] = (struct writer){store, pipe, i, get_counter(store, "/key/", i)};
        write_next(&writers[i]);
    }
    for (unsigned turn = 0;; turn++) {
        uint64_t revision = store_revision(store);

        pause_ms(5);
        /* In between cleaning has its turn, which gives way to compactions. */
        if (turn / 32 % 2 == 0 && revision > store_compacted(store) + 2000)
            store_compact(store, revision - 1000, NULL, NULL);
    }
}

/* -- the parent -- */

static void note_ack(struct crash *crash, const struct ack *ack)
{
    uint32_t *acked = &crash->acked[ack->key % KEYS];

    if (ack->revision > crash->acked_revision)
        crash->acked_revision = ack->revision;
    if (ack->key == SHOWN)
        return;
    CHECK(crash, ack->counter == *acked + 1, "key %u was acknowledged at %u after %u", ack->key, ack->counter, *acked);
    CHECK(crash, ack->revision > crash->floor, "revision %llu was given again", (unsigned long long)ack->revision);
    *acked = ack->counter;
    crash->acks++;
}

/* Reads until the pipe ends; kills the child when its time has come, and says whether that was needed. */
static bool collect(struct crash *crash, int pipe, pid_t child, int life_ms)
{
    struct pollfd ready = {.fd = pipe, .events = POLLIN};
    struct clock *clock = clock_system();
    int64_t end = clock_monotonic_ns(clock) + life_ms * NS_PER_MS;
    struct ack ack;

    for (;;) {
        int64_t left = (end - clock_monotonic_ns(clock)) / NS_PER_MS;

        if (left <= 0 && child) {
            (void)kill(child, SIGKILL);
            child = 0;
        }
        if (poll(&ready, 1, child ? (int)left : -1) > 0) {
            if (read(pipe, &ack, sizeof(ack)) != sizeof(ack))
                return child == 0;
            note_ack(crash, &ack);
        }
    }
}

struct replay {
    struct crash *crash;
    struct store *store;
    uint64_t revision;
    uint64_t twin_revision;
    uint32_t twins[2][KEYS]; /* 0 = not seen in the log */
};

static int replay_event(void *arg, const struct store_event *event)
{
    struct replay *replay = arg;
    bool twin = slice_starts(event->key, SLICE_LIT("/twin/"));
    uint64_t key = 0;
    uint32_t *at;

    (void)slice_to_uint64(slice_from(event->key, (twin ? 6 : 5)), &key);
    at = &replay->twins[twin][key % KEYS];
    CHECK(replay->crash, event->revision == replay->revision + 1 - twin, "revision %llu follows %llu",
          (unsigned long long)event->revision, (unsigned long long)replay->revision);
    CHECK(replay->crash, !twin || event->revision == replay->twin_revision + 1,
          "of the twins, revision %llu follows %llu", (unsigned long long)event->revision,
          (unsigned long long)replay->twin_revision);
    if (twin)
        replay->twin_revision = event->revision;
    CHECK(replay->crash, counter_of(event->value) == counter_of(event->prev_value) + 1, "an event skips a value");
    CHECK(replay->crash, !*at || *at == counter_of(event->prev_value), "an event does not follow the one before");
    *at = counter_of(event->value);
    replay->revision = event->revision;
    return 0;
}

static void check_log(struct crash *crash, struct store *store)
{
    struct replay replay = {.crash = crash, .store = store, .revision = store_compacted(store)};
    uint64_t until = 0;
    ERROR_LOCAL(err);

    replay.twin_revision = store_compacted_of(store, STORE_HISTORY_NONE);
    crash->cleaned += replay.twin_revision > replay.revision;
    CHECK(crash,
          store_read_log(store, SLICE_NONE, STORE_HISTORY_FULL, replay.revision, 0, 0, replay_event, &replay, &until,
                         &err) == 0,
          "the log: %s", error_text(&err));
    CHECK(crash, until == store_revision(store) && replay.revision == until && replay.twin_revision == until,
          "the log ends at %llu, of the twins at %llu", (unsigned long long)replay.revision,
          (unsigned long long)replay.twin_revision);
    for (uint32_t i = 0; i < KEYS; i++)
        CHECK(crash, !replay.twins[0][i] || replay.twins[0][i] == get_counter(store, "/key/", i),
              "log and state of key %u differ", i);
}

static void check(struct crash *crash)
{
    struct store *store;
    ERROR_LOCAL(err);

    if (store_open(&(struct store_options){.path = crash->path, .manual = true}, &store, &err) < 0) {
        CHECK(crash, false, "opening: %s", error_text(&err));
        return;
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t counter = get_counter(store, "/key/", i), twin = get_counter(store, "/twin/", i);

        /* One more than acknowledged may be there: durable, but the news did not get out. */
        CHECK(crash, counter == crash->acked[i] || counter == crash->acked[i] + 1, "key %u: %u acknowledged, %u there",
              i, crash->acked[i], counter);
        CHECK(crash, counter == twin, "key %u is %u, its twin %u", i, counter, twin);
        crash->acked[i] = counter;
    }
    CHECK(crash, store_revision(store) >= crash->acked_revision, "revision %llu is behind what was acknowledged",
          (unsigned long long)store_revision(store));
    check_log(crash, store);
    crash->floor = store_revision(store);
    store_close(store);
}

static void round_run(struct crash *crash)
{
    bool at_point = crash->round % 2 == 1;
    enum failpoint point = at_point ? (enum failpoint)(crash->round / 2 % STORE_PLACES) : FAILPOINT_COUNT;
    long passes = 1 + (long)draw(crash, point < FAILPOINT_segment_named ? 200 : 2);
    int fds[2];
    pid_t child;

    if (point == FAILPOINT_opened)
        passes = 1;
    if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0) {
        CHECK(crash, false, "cannot make a child");
        return;
    }
    if (child == 0) {
        (void)close(fds[0]);
        if (point < STORE_PLACES)
            failpoint_arm(point, passes);
        child_run(crash, fds[1]);
    }
    (void)close(fds[1]);
    if (collect(crash, fds[0], child, point < STORE_PLACES ? REACH_MS : (int)(5 + draw(crash, 120))) && at_point)
        CHECK(crash, false, "%s was not passed %ld times", failpoint_name(point), passes);
    (void)close(fds[0]);
    (void)waitpid(child, NULL, 0);
    check(crash);
    crash->reached += at_point;
    crash->round++;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char *inner CLEANUP_FREE = mem_printf("%s/%s", path, entry->d_name);

        if (entry->d_name[0] != '.' && unlinkat(dirfd(folder), entry->d_name, 0) < 0 && errno == EISDIR)
            remove_folder(inner);
    }
    if (folder)
        (void)closedir(folder);
    (void)rmdir(path);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 20;
    struct crash crash = {.floor = 1};

    crash.seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)clock_wall_ns(clock_system());
    (void)printf("seed %llu\n", (unsigned long long)crash.seed);
    (void)fflush(stdout);
    /* A kill takes nothing from the kernel: where the files are makes no difference. */
    (void)snprintf(crash.path, sizeof(crash.path), "%s/knarr-crash-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(crash.path))
        return 1;
    for (int i = 0; i < rounds && !crash.failures; i++)
        round_run(&crash);
    CHECK(&crash, crash.cleaned || crash.acks < 3000, "no segment was cleaned");
    (void)printf(
        "%d kills, %d of them at %d named places, %d among cleaned segments, %llu acknowledged writes, revision "
        "%llu: %s\n",
        rounds, crash.reached, crash.reached < STORE_PLACES ? crash.reached : STORE_PLACES, crash.cleaned,
        (unsigned long long)crash.acks, (unsigned long long)crash.floor, crash.failures ? "FAILED" : "nothing lost");
    remove_folder(crash.path);
    return crash.failures || !crash.acks;
}
