/* SPDX-License-Identifier: Apache-2.0 */
/* process_* and the build, with the names and meanings that Prometheus' client libraries give them. */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/metrics.h"

#define STAT_MAX        1024
#define STAT_START      22 /* the field of /proc/self/stat, from 1 */
#define STAT_SIZE       23
#define STAT_RESIDENT   24
#define STAT_FIELDS_MAX 25

/* The numbers of /proc/self/stat; those before the third, which may hold spaces, stay 0. */
static bool process_read_stat(uint64_t ret_fields[STAT_FIELDS_MAX])
{
    char text[STAT_MAX];
    FILE *file = fopen("/proc/self/stat", "re");
    size_t len = file ? fread(text, 1, sizeof(text) - 1, file) : 0;
    struct slice rest;
    struct slice part;
    const char *end;

    if (file)
        (void)fclose(file);
    text[len] = '\0';
    end = strrchr(text, ')');
    if (!end || !end[1])
        return false;
    rest = slice_str(end + 2);
    for (size_t i = 3; i < STAT_FIELDS_MAX && slice_split(&rest, ' ', &part); i++)
        if (!slice_to_uint64(part, &ret_fields[i]))
            ret_fields[i] = 0;
    return true;
}

static size_t process_open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count - 3; /* ".", ".." and the one that reads */
}

static double process_start_time(uint64_t ticks)
{
    struct timespec boot;
    double up;

    if (clock_gettime(CLOCK_BOOTTIME, &boot))
        return 0;
    up = (double)boot.tv_sec + (double)boot.tv_nsec / 1e9;
    return (double)clock_wall_ns(clock_system()) / 1e9 - up + (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

void metrics_write_build(struct buf *out)
{
    static const char *const names[] = {"git_version", "major", "minor", "platform", NULL};
    static const char git_version[] = "v1.35.0+knarr." KNARR_VERSION;
    static const char *const values[] = {git_version, "1", "35", "linux/amd64", NULL};

    metrics_write_head(out, "kubernetes_build_info", "Always 1; the labels say what runs.", METRIC_GAUGE);
    metrics_write_sample(out, "kubernetes_build_info", names, values, 1);
}

void metrics_write_process(struct buf *out)
{
    uint64_t stat[STAT_FIELDS_MAX] = {0};
    struct timespec cpu = {0};
    struct rlimit limit = {0};

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    metrics_write_head(out, "process_cpu_seconds_total", "Processor time of this process.", METRIC_COUNTER);
    metrics_write_sample(out, "process_cpu_seconds_total", NULL, NULL, (double)cpu.tv_sec + (double)cpu.tv_nsec / 1e9);
    if (!getrlimit(RLIMIT_NOFILE, &limit))
        metrics_write_gauge(out, "process_max_fds", "Descriptors this process may have open.", (double)limit.rlim_cur);
    metrics_write_gauge(out, "process_open_fds", "Descriptors this process has open.",
                        (double)process_open_descriptors());
    if (!process_read_stat(stat))
        return;
    metrics_write_gauge(out, "process_resident_memory_bytes", "Resident memory.",
                        (double)stat[STAT_RESIDENT] * (double)sysconf(_SC_PAGESIZE));
    metrics_write_gauge(out, "process_start_time_seconds", "When this process started, seconds since 1970.",
                        process_start_time(stat[STAT_START]));
    metrics_write_gauge(out, "process_virtual_memory_bytes", "Size of the address space.", (double)stat[STAT_SIZE]);
}
