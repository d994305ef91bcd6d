/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store without what stands above it, driven as the API server drives it: one thread hands in the writes of all
 * writers and learns from the store's thread when they are durable.
 *
 *     bench-store FOLDER            (commands: bench/common.h)
 *     bench-store FOLDER floor MS   the physical limit beside it: the batches that `batches` left, each as so many
 * bytes appended to a file of zeros and one fdatasync, and nothing else
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench/common.h"
#include "lib/bytes.h"
#include "store/store.h"

#define RECORD_HEAD 104 /* docs/store.md, Files */
#define FRAME_HEAD  48
#define BATCHES_MAX (1u << 20)
#define FLOOR_BYTES (16u << 20)

struct bench;

struct writer {
    struct bench *bench;
    struct writer *next; /* finished, not yet seen */
    int64_t since_ns;
};

struct bench {
    const char *path;
    struct store *store;
    struct bench_times times;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct writer *finished; /* guarded by lock */
    uint32_t *batches;       /* bytes of the log that each took; writer thread while it writes */
    size_t batch_count;
    char value[BENCH_SIZE_MAX];
};

static void key_write(char *key, const char *namespace_, uint64_t number)
{
    (void)snprintf(key, BENCH_KEY_MAX, "/registry/configmaps/%s/c%06llu", namespace_, (unsigned long long)number);
}

/* ---- writing ---- */

static void on_done(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct writer *w = arg;
    struct bench *b = w->bench;

    if (err)
        bench_fail("a write failed: %s", error_text(err));
    (void)pthread_mutex_lock(&b->lock);
    w->next = b->finished;
    b->finished = w;
    (void)pthread_cond_signal(&b->wake);
    (void)pthread_mutex_unlock(&b->lock);
}

static void on_batch(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    struct bench *b = arg;
    size_t bytes = FRAME_HEAD;

    for (size_t i = 0; i < count; i++)
        bytes += (RECORD_HEAD + events[i]->key.len + events[i]->value.len + 7) & ~(size_t)7;
    if (b->batch_count < BATCHES_MAX)
        b->batches[b->batch_count++] = (uint32_t)bytes;
}

static bool write_next(struct bench *b, struct writer *w, struct bench_work *work)
{
    char key[BENCH_KEY_MAX];
    uint64_t number;

    if (!bench_work_next(work, &number))
        return false;
    key_write(key, work->namespace_, number);
    bench_value(b->value, work->size, work->random, &work->seed);
    w->since_ns = bench_now_ns();
    store_commit(
        b->store,
        &(struct store_transaction){.operations = &(struct store_operation){.kind = STORE_PUT,
                                                                            .key = slice_str(key),
                                                                            .value = slice_make(b->value, work->size)},
                                    .operation_count = 1},
        on_done, w);
    return true;
}

static struct writer *wait_finished(struct bench *b)
{
    struct writer *list;

    (void)pthread_mutex_lock(&b->lock);
    while (!b->finished)
        (void)pthread_cond_wait(&b->wake, &b->lock);
    list = b->finished;
    b->finished = NULL;
    (void)pthread_mutex_unlock(&b->lock);
    return list;
}

static void run_write(struct bench *b, const struct bench_command *command)
{
    struct bench_work work;
    struct writer *writers CLEANUP_FREE = NULL;
    int64_t begin = bench_now_ns();
    size_t under_way = 0;
    char more[64];

    bench_work_begin(&work, command);
    b->batch_count = 0;
    writers = mem_calloc(work.writers, sizeof(*writers));
    for (size_t i = 0; i < work.writers; i++) {
        writers[i].bench = b;
        under_way += write_next(b, &writers[i], &work);
    }
    while (under_way) {
        for (struct writer *w = wait_finished(b), *next; w; w = next) {
            next = w->next;
            bench_times_add(&b->times, bench_now_ns() - w->since_ns);
            under_way -= !write_next(b, w, &work);
        }
    }
    (void)snprintf(more, sizeof(more), ",\"batches\":%zu", b->batch_count);
    bench_times_answer(&b->times, begin, more);
}

/* ---- the log alone ---- */

static int floor_open(const char *folder)
{
    char *path CLEANUP_FREE = mem_printf("%s/floor", folder);
    char *zeros CLEANUP_FREE = mem_zalloc(FLOOR_BYTES);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || pwrite(fd, zeros, FLOOR_BYTES, 0) != FLOOR_BYTES || fsync(fd) < 0)
        bench_fail("%s: %s", path, strerror(errno));
    (void)unlink(path);
    return fd;
}

/* A program run of its own, so that what it writes is not counted as the store's. */
static void run_floor(struct bench *b, const char *ms)
{
    int fd = floor_open(b->path);
    char *bytes CLEANUP_FREE = mem_zalloc(FLOOR_BYTES);
    int64_t begin = bench_now_ns(), end = begin + (int64_t)strtoull(ms, NULL, 10) * 1000000;
    size_t at = 0;

    for (size_t i = 0; b->batch_count && bench_now_ns() < end; i++) {
        size_t length = b->batches[i % b->batch_count];
        int64_t since = bench_now_ns();

        if (at + length > FLOOR_BYTES)
            at = 0;
        if (pwrite(fd, bytes, length, (off_t)at) != (ssize_t)length || fdatasync(fd) < 0)
            bench_fail("the log alone: %s", strerror(errno));
        at += length;
        bench_times_add(&b->times, bench_now_ns() - since);
    }
    (void)close(fd);
    bench_times_answer(&b->times, begin, "");
}

static FILE *batches_open(const struct bench *b, const char *mode)
{
    char *path CLEANUP_FREE = mem_printf("%s/batches", b->path);
    FILE *file = fopen(path, mode);

    if (!file)
        bench_fail("%s: %s", path, strerror(errno));
    return file;
}

/* For the floor. */
static void run_batches(const struct bench *b)
{
    FILE *file = batches_open(b, "we");

    if (fwrite(b->batches, sizeof(*b->batches), b->batch_count, file) != b->batch_count || fclose(file) != 0)
        bench_fail("the batches could not be written");
    bench_answer("\"batches\":%zu", b->batch_count);
}

static void batches_read(struct bench *b)
{
    FILE *file = batches_open(b, "re");

    b->batch_count = fread(b->batches, sizeof(*b->batches), BATCHES_MAX, file);
    (void)fclose(file);
}

/* ---- forgetting ---- */

/* The log is dissolved beside what is measured next. */
static void run_compact(struct bench *b)
{
    struct store_stats stats;

    store_get_stats(b->store, &stats);
    store_compact(b->store, stats.revision, NULL, NULL);
    bench_answer("\"log_bytes\":%llu", (unsigned long long)stats.log_bytes);
}

/* ---- reading ---- */

static int visit(void *arg, const struct store_item *item)
{
    *(size_t *)arg += item->value.len;
    return 0;
}

static void run_get(struct bench *b, const struct bench_command *command)
{
    uint64_t seed = (uint64_t)bench_now_ns() | 1, count = bench_number(command, 2);
    int64_t begin = bench_now_ns(), end = begin + (int64_t)bench_number(command, 4) * 1000000;
    size_t bytes = 0;
    ERROR_LOCAL(err);

    for (int64_t now = begin; now < end;) {
        char key[BENCH_KEY_MAX];
        int64_t since = now;

        key_write(key, bench_word(command, 1), bench_draw(&seed) % count);
        if (store_get(b->store, slice_str(key), visit, &bytes, NULL, &err) < 0)
            bench_fail("%s: %s", key, error_text(&err));
        now = bench_now_ns();
        bench_times_add(&b->times, now - since);
    }
    bench_times_answer(&b->times, begin, "");
}

struct list_run {
    size_t bytes;
    size_t items;
    char last[BENCH_KEY_MAX];
};

static int visit_listed(void *arg, const struct store_item *item)
{
    struct list_run *run = arg;

    run->bytes += item->value.len;
    run->items++;
    (void)snprintf(run->last, sizeof(run->last), "%.*s", SLICE_ARGS(item->key));
    return 0;
}

static struct list_run list_once(struct bench *b, const struct bench_command *command)
{
    char *prefix CLEANUP_FREE = mem_printf("/registry/configmaps/%s/", bench_word(command, 1));
    struct list_run run = {0};
    struct store_range_result result = {.more = true};
    struct store_range range = {.prefix = slice_str(prefix), .limit = bench_number(command, 2)};
    ERROR_LOCAL(err);

    while (result.more) {
        char after[BENCH_KEY_MAX];

        memcpy(after, run.last, sizeof(after));
        range.after = slice_str(after);
        if (store_list(b->store, &range, visit_listed, &run, &result, &err) < 0)
            bench_fail("listing: %s", error_text(&err));
        range.at_revision = result.revision;
    }
    return run;
}

static void run_list(struct bench *b, const struct bench_command *command)
{
    size_t runs = bench_number(command, 3);
    double *ms CLEANUP_FREE = mem_calloc(runs, sizeof(*ms));
    struct list_run run = {0};

    for (size_t i = 0; i < runs; i++) {
        int64_t begin = bench_now_ns();

        run = list_once(b, command);
        ms[i] = (double)(bench_now_ns() - begin) / 1e6;
    }
    bench_answer("\"items\":%zu,\"bytes\":%zu,\"ms\":%.3f", run.items, run.bytes, bench_median(ms, runs));
}

/* ---- all ---- */

static void run_commands(struct bench *b)
{
    struct bench_command command;

    while (bench_read(&command)) {
        const char *name = bench_word(&command, 0);

        if (!strcmp(name, "insert") || !strcmp(name, "update"))
            run_write(b, &command);
        else if (!strcmp(name, "get"))
            run_get(b, &command);
        else if (!strcmp(name, "list"))
            run_list(b, &command);
        else if (!strcmp(name, "batches"))
            run_batches(b);
        else if (!strcmp(name, "compact"))
            run_compact(b);
        else
            bench_fail("no command: %s", name);
    }
}

static void run_store(struct bench *b)
{
    int64_t begin = bench_now_ns();
    struct store_watch *watch;
    uint64_t since;
    ERROR_LOCAL(err);

    if (store_open(&(struct store_options){.path = b->path}, &b->store, &err) < 0)
        bench_fail("opening the store: %s", error_text(&err));
    watch = store_watch_open(b->store, SLICE_NONE, on_batch, b, &since);
    bench_answer("\"open_ms\":%.3f,\"revision\":%llu", (double)(bench_now_ns() - begin) / 1e6,
                 (unsigned long long)since);
    run_commands(b);
    store_watch_close(watch);
    store_close(b->store);
}

int main(int argc, char **argv)
{
    struct bench b = {.path = argc > 1 ? argv[1] : NULL,
                      .lock = PTHREAD_MUTEX_INITIALIZER,
                      .wake = PTHREAD_COND_INITIALIZER,
                      .batches = mem_calloc(BATCHES_MAX, sizeof(uint32_t))};

    if (argc == 2) {
        run_store(&b);
    } else if (argc == 4 && !strcmp(argv[2], "floor")) {
        batches_read(&b);
        run_floor(&b, argv[3]);
    } else {
        bench_fail("usage: bench-store FOLDER [floor MS]");
    }
    free(b.batches);
    free(b.times.us10);
    return 0;
}
