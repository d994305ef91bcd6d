/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss: a store is written to on a disk that keeps a list of what happens to it (tests/disk/disk.h), and then
 * what may be left at any point of that list is made. Every such image must open, hold everything that was acknowledged
 * before that point, hold no half of a transaction, and have a log that leads to what is current.
 *
 *   crash-power [IMAGES] [SEED]
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/store.h"
#include "tests/disk/disk.h"

#define TRANSACTIONS 400
#define KEYS         12

static struct {
    char root[64];
    struct clock_fake clock;          /* so that the same seed does the same */
    uint64_t acked[TRANSACTIONS + 1]; /* step count at which the n-th transaction was acknowledged */
} trace;

/* ---- the work ---- */

static void note_ack(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    uint64_t *at = arg;

    if (err) {
        (void)printf("writing: %s\n", error_text(err));
        _exit(1);
    }
    *at = disk_steps();
}

static const struct store_options store_small = {.clock = &trace.clock.base,
                                                 .manual = true,
                                                 .segment_bytes = 20 << 10,
                                                 .checkpoint_count = 25,
                                                 .window_ns = NS_PER_S};

/* Transaction n puts n under a key and its twin, whose past is not kept; now and then the past is compacted. */
static void work(struct store *store)
{
    for (int n = 1; n <= TRANSACTIONS; n++) {
        char keys[2][16], *value CLEANUP_FREE = mem_printf("%d %0*d", n, n % 9 == 0 ? 3000 : 200, 0);
        struct store_operation operations[2];

        for (int i = 0; i < 2; i++)
            operations[i] = (struct store_operation){
                .kind = STORE_PUT,
                .key = slice_make(keys[i], (size_t)snprintf(keys[i], sizeof(keys[i]), "/%c/%d", "kt"[i], n % KEYS)),
                .value = slice_str(value),
                .class = i ? STORE_HISTORY_NONE : STORE_HISTORY_FULL};
        store_commit(store, &(struct store_transaction){.operations = operations, .operation_count = 2}, note_ack,
                     &trace.acked[n]);
        (void)store_step(store);
        if (n % 80 == 0)
            store_compact(store, store_revision(store) - 60, NULL, NULL);
        clock_fake_advance(&trace.clock, NS_PER_S / 10);
        for (uint64_t i = disk_draw(4); i > 0; i--)
            (void)store_step(store);
    }
}

/* ---- checking ---- */

static int note_number(void *arg, const struct store_item *item)
{
    *(long *)arg = strtol(item->value.data, NULL, 10);
    return 0;
}

static long number_of(struct store *store, char prefix, int key)
{
    char *name CLEANUP_FREE = mem_printf("/%c/%d", prefix, key);
    long n = 0;

    (void)store_get(store, slice_str(name), note_number, &n, NULL, NULL);
    return n;
}

struct replay {
    uint64_t revision;
    bool wrong;
};

static int replay_event(void *arg, const struct store_event *event)
{
    struct replay *r = arg;
    long n = strtol(event->value.data, NULL, 10), before = n > KEYS ? n - KEYS : 0;

    r->wrong = r->wrong || event->revision != r->revision + 1 || (uint64_t)n + 1 != event->revision ||
               (before && strtol(event->prev_value.data, NULL, 10) != before);
    r->revision = event->revision;
    return 0;
}

/* The log gives what is kept of the class whole, up to the newest revision. NULL = it does. */
static char *log_check(struct store *store, const char *prefix, enum store_class class, uint64_t newest)
{
    struct replay replay = {.revision = store_compacted_of(store, class)};
    ERROR_LOCAL(err);

    if (store_read_log(store, slice_str(prefix), class, replay.revision, 0, 0, replay_event, &replay, NULL, &err) < 0)
        return mem_printf("the log of %s: %s", prefix, error_text(&err));
    if (replay.wrong || replay.revision != newest)
        return mem_printf("the log of %s ends at %llu of %llu", prefix, (unsigned long long)replay.revision,
                          (unsigned long long)newest);
    return NULL;
}

/* Says what is wrong with the image; NULL = nothing. The caller frees. */
static char *image_check(const char *root, long acked)
{
    struct store_options options = store_small;
    struct store *store;
    char *wrong = NULL;
    uint64_t revision;
    ERROR_LOCAL(err);

    options.path = root;
    if (store_open(&options, &store, &err) < 0)
        return mem_printf("it does not open: %s", error_text(&err));
    revision = store_revision(store);
    if (revision < (uint64_t)acked + 1)
        wrong = mem_printf("revision %llu, but %ld were acknowledged", (unsigned long long)revision, acked);
    for (int key = 0; key < KEYS && !wrong; key++) {
        long there = number_of(store, 'k', key), last = (long)revision - 1;

        while (last > 0 && last % KEYS != key)
            last--;
        if (there != (last > 0 ? last : 0) || there != number_of(store, 't', key))
            wrong = mem_printf("key %d is %ld, its twin %ld, at revision %llu", key, there, number_of(store, 't', key),
                               (unsigned long long)revision);
    }
    if (!wrong)
        wrong = log_check(store, "/k/", STORE_HISTORY_FULL, revision);
    if (!wrong)
        wrong = log_check(store, "/t/", STORE_HISTORY_NONE, revision);
    store_close(store);
    return wrong;
}

static int images_run(long images)
{
    char *root CLEANUP_FREE = mem_printf("%s-image", trace.root);
    struct disk *disk = disk_new();
    long acked = 0, made = 0;
    char *wrong = NULL;

    for (size_t at = 0; at < disk_steps() && !wrong; at++) {
        /* As many at each step as brings the sum to what was asked for. */
        long due = (long)((double)images * (double)(at + 1) / (double)disk_steps());

        disk_apply(disk, at);
        while (acked < TRANSACTIONS && trace.acked[acked + 1] <= at + 1)
            acked++;
        for (; acked && made < due && !wrong; made++) {
            disk_image(disk, root);
            wrong = image_check(root, acked);
            if (!wrong)
                disk_remove(root);
        }
        if (wrong)
            (void)printf("FAILED: image %ld, after step %zu of %zu: %s; it is in %s\n", made, at, disk_steps(), wrong,
                         root);
    }
    if (!wrong)
        (void)printf("%ld images of %zu steps: all open, nothing acknowledged is missing\n", made, disk_steps());
    disk_free(disk);
    free(wrong);
    return wrong != NULL;
}

int main(int argc, char **argv)
{
    long images = argc > 1 ? atol(argv[1]) : 10000;
    struct store_options options = store_small;
    struct store_stats stats;
    struct store *store;
    ERROR_LOCAL(err);
    int rc;

    disk_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)clock_wall_ns(clock_system()) | 1;
    (void)printf("seed %llu\n", (unsigned long long)disk_seed);
    (void)snprintf(trace.root, sizeof(trace.root), "%s/knarr-power-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(trace.root))
        return 1;
    disk_watch(trace.root);
    clock_fake_init(&trace.clock, 1700000000 * NS_PER_S);
    options.path = trace.root;
    if (store_open(&options, &store, &err) < 0) {
        (void)printf("%s\n", error_text(&err));
        return 1;
    }
    work(store);
    store_get_stats(store, &stats);
    if (stats.cleaned < 5) {
        (void)printf("FAILED: %llu segments were cleaned\n", (unsigned long long)stats.cleaned);
        return 1;
    }
    disk_unwatch();
    store_close(store);
    rc = images_run(images);
    disk_remove(trace.root);
    return rc;
}
