/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the drivers of `bench/run store` and `bench/run api` share: commands on standard input, answers as JSON lines on
 * standard output, values to write, and latencies.
 *
 * Commands (words; times in milliseconds; keys are c000000 and so on in a namespace):
 *     insert NAMESPACE FIRST COUNT WRITERS SIZE KIND MS      new keys, until COUNT are there or the time is over (0 =
 * not) update NAMESPACE COUNT WRITERS SIZE KIND MS            random ones of the first COUNT get NAMESPACE COUNT
 * READERS MS                         likewise list NAMESPACE PAGE RUNS                               PAGE 0 = whole
 *     watch NAMESPACE WATCHERS EVENTS                        EVENTS updates, each delivered to every watcher
 *     batches                                                bench-store only: leaves the last command's for `floor`
 *     compact                                                bench-store only: begins to forget all of the past
 * KIND is "pod" (text as a Pod has it) or "random" (nothing to compress).
 *
 * Closed loops: each writer has one write under way.
 */
#ifndef KNARR_BENCH_COMMON_H
#define KNARR_BENCH_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_WORDS_MAX 12
#define BENCH_SIZE_MAX  16384
#define BENCH_KEY_MAX   64

struct bench_command {
    char line[256];
    const char *words[BENCH_WORDS_MAX];
    size_t count;
};
/* The next one; false at the end of input. */
bool bench_read(struct bench_command *command);
const char *bench_word(const struct bench_command *command, size_t at);
uint64_t bench_number(const struct bench_command *command, size_t at);

/* Prints one line of JSON without its braces. */
void bench_answer(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Says what went wrong and ends the program. */
_Noreturn void bench_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int64_t bench_now_ns(void);

uint64_t bench_draw(uint64_t *seed);
/* `size` printable bytes without quotes and backslashes. */
void bench_value(char *to, size_t size, bool random, uint64_t *seed);

/* What a writer is to do. */
struct bench_work {
    bool update;
    const char *namespace_;
    uint64_t first;
    uint64_t count;
    size_t writers;
    size_t size;
    bool random;
    int64_t end_ns; /* INT64_MAX = none */
    uint64_t issued;
    uint64_t seed;
};
/* Of "insert" or "update". */
void bench_work_begin(struct bench_work *work, const struct bench_command *command);
/* The number of the next key; false when there is nothing to do any more. */
bool bench_work_next(struct bench_work *work, uint64_t *ret_key);

struct bench_times {
    uint32_t *us10; /* tenths of a microsecond */
    size_t count;
    size_t cap;
};
void bench_times_add(struct bench_times *times, int64_t ns);
/* Prints ops, seconds, p50_us, p99_us, p999_us, max_us and forgets them. `more`: further JSON members behind a comma,
 * or "". */
void bench_times_answer(struct bench_times *times, int64_t begin_ns, const char *more);

/* Middle one of them; sorts. */
double bench_median(double *values, size_t count);

#endif
