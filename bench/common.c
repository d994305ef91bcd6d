/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/mem.h"

bool bench_read(struct bench_command *command)
{
    char *save = NULL;

    command->count = 0;
    if (!fgets(command->line, sizeof(command->line), stdin))
        return false;
    for (char *word = strtok_r(command->line, " \n", &save); word && command->count < BENCH_WORDS_MAX;
         word = strtok_r(NULL, " \n", &save))
        command->words[command->count++] = word;
    return true;
}

const char *bench_word(const struct bench_command *command, size_t at)
{
    if (at >= command->count)
        bench_fail("a command lacks its word %zu", at);
    return command->words[at];
}

uint64_t bench_number(const struct bench_command *command, size_t at)
{
    const char *word = bench_word(command, at);
    char *end;
    unsigned long long number = strtoull(word, &end, 10);

    if (end == word || *end)
        bench_fail("not a number: %s", word);
    return number;
}

void bench_answer(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)putchar('{');
    (void)vprintf(fmt, args);
    (void)puts("}");
    va_end(args);
    (void)fflush(stdout);
}

_Noreturn void bench_fail(const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    (void)fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int64_t bench_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

uint64_t bench_draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* '#' stands for a digit that differs from value to value. */
static const char POD[] =
    "{metadata: {name: web-################-#####, namespace: default, uid: ########-####-####-####-############, "
    "labels: {app: web, pod-template-hash: ##########}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, "
    "name: web-##########, uid: ########-####-####-####-############, controller: true}]}, spec: {containers: [{name: "
    "main, image: registry.example/web:1.##, ports: [{containerPort: 8080, protocol: TCP}], resources: {requests: "
    "{cpu: 100m, memory: 64Mi}}, volumeMounts: [{name: kube-api-access-#####, readOnly: true, mountPath: "
    "/var/run/secrets/kubernetes.io/serviceaccount}], imagePullPolicy: IfNotPresent}], restartPolicy: Always, "
    "terminationGracePeriodSeconds: 30, dnsPolicy: ClusterFirst, serviceAccountName: default, nodeName: node-##}, "
    "status: {phase: Running, conditions: [{type: Ready, status: True}], hostIP: 10.0.0.##, podIP: 10.244.#.##, "
    "startTime: 2026-01-01T0#:##:##Z, containerStatuses: [{name: main, ready: true, restartCount: 0}]}} ";

/* Text enough that no two values are alike, made once: a driver has no time for more. */
#define TEXT_BYTES ((size_t)1 << 20)

static char *text_make(bool random)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = mem_alloc(TEXT_BYTES);
    uint64_t seed = 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < TEXT_BYTES; i++) {
        text[i] = random ? letters[bench_draw(&seed) & 63] : POD[i % (sizeof(POD) - 1)];
        if (text[i] == '#')
            text[i] = "0123456789abcdef"[bench_draw(&seed) & 15];
    }
    return text;
}

void bench_value(char *to, size_t size, bool random, uint64_t *seed)
{
    static char *texts[2];
    uint64_t draw = bench_draw(seed);
    size_t at = (size_t)(draw % (TEXT_BYTES - BENCH_SIZE_MAX));

    if (!texts[random])
        texts[random] = text_make(random);
    if (!random)
        at -= at % (sizeof(POD) - 1);
    memcpy(to, texts[random] + at, size);
    for (size_t i = 0; i < 12 && i < size; i++, draw >>= 5)
        to[i] = (char)('a' + draw % 16);
}

void bench_work_begin(struct bench_work *work, const struct bench_command *command)
{
    bool update = !strcmp(bench_word(command, 0), "update");
    size_t at = update ? 2 : 3;
    uint64_t ms = bench_number(command, at + 4);

    *work = (struct bench_work){.update = update,
                                .namespace_ = bench_word(command, 1),
                                .first = update ? 0 : bench_number(command, 2),
                                .count = bench_number(command, at),
                                .writers = bench_number(command, at + 1),
                                .size = bench_number(command, at + 2),
                                .random = !strcmp(bench_word(command, at + 3), "random"),
                                .end_ns = ms ? bench_now_ns() + (int64_t)ms * 1000000 : INT64_MAX};
    work->seed = (uint64_t)bench_now_ns() | 1;
    if (work->size > BENCH_SIZE_MAX)
        bench_fail("values have at most %d bytes", BENCH_SIZE_MAX);
}

bool bench_work_next(struct bench_work *work, uint64_t *ret_key)
{
    if ((!work->update && work->issued >= work->count) || bench_now_ns() >= work->end_ns)
        return false;
    *ret_key = work->update ? bench_draw(&work->seed) % work->count : work->first + work->issued;
    work->issued++;
    return true;
}

void bench_times_add(struct bench_times *times, int64_t ns)
{
    times->us10 = mem_grow(times->us10, &times->cap, times->count + 1, sizeof(*times->us10));
    times->us10[times->count++] = (uint32_t)(ns / 100);
}

static int compare_times(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return x < y ? -1 : x > y;
}

void bench_times_answer(struct bench_times *times, int64_t begin_ns, const char *more)
{
    double seconds = (double)(bench_now_ns() - begin_ns) / 1e9;
    double p50 = 0, p99 = 0, p999 = 0, max = 0;

    if (times->count) {
        size_t last = times->count - 1, half = last / 2, place99 = last * 99 / 100, place999 = last * 999 / 1000;

        qsort(times->us10, times->count, sizeof(*times->us10), compare_times);
        p50 = times->us10[half] / 10.0;
        p99 = times->us10[place99] / 10.0;
        p999 = times->us10[place999] / 10.0;
        max = times->us10[last] / 10.0;
    }
    bench_answer("\"ops\":%zu,\"seconds\":%.6f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f%s",
                 times->count, seconds, p50, p99, p999, max, more);
    times->count = 0;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double bench_median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), compare_doubles);
    return count ? values[count / 2] : 0;
}
