/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files and of lines in them are the kernel's (Documentation/admin-guide/cgroup-v1, cgroup-v2). */
#include "agent/usage_read.h"

#include <unistd.h>

#include "agent/fs.h"
#include "lib/clock.h"

#define FILE_MAX (64u << 10)
#define KIB      1024

/* The number behind `name` in lines "name number ..."; false when there is no such line. */
static bool usage_find(struct slice text, const char *name, int64_t *ret_number)
{
    struct slice want = slice_str(name);
    struct slice rest = text;
    struct slice line;

    while (slice_split(&rest, '\n', &line)) {
        struct slice number;

        if (!slice_starts(line, want) || line.len == want.len ||
            (line.data[want.len] != ' ' && line.data[want.len] != ':'))
            continue;
        line = slice_trim(slice_from(line, want.len + 1));
        return slice_split(&line, ' ', &number) && slice_to_int64(number, ret_number);
    }
    return false;
}

static int64_t usage_find_or_zero(struct slice text, const char *name)
{
    int64_t number = 0;

    return usage_find(text, name, &number) ? number : 0;
}

static bool usage_read_text(const char *root, const char *tree, const char *path, const char *file, struct buf *out)
{
    char *whole CLEANUP_FREE = mem_printf("%s%s%s/%s", root, tree, path, file);

    buf_reset(out);
    return fs_read(whole, FILE_MAX, out, NULL) == 0;
}

static bool usage_read_number(const char *root, const char *tree, const char *path, const char *file,
                              int64_t *ret_number)
{
    BUF_LOCAL(text);

    return usage_read_text(root, tree, path, file, &text) && slice_to_int64(slice_trim(buf_slice(&text)), ret_number) &&
           *ret_number >= 0;
}

static void usage_set_working_set(struct usage_sample *s, int64_t inactive)
{
    s->working_set = s->memory > inactive ? s->memory - inactive : 0;
}

static bool usage_read_v1(const char *root, const char *path, struct usage_sample *s)
{
    int64_t cpu_ns;
    BUF_LOCAL(text);
    struct slice stat;

    if (!usage_read_number(root, "/cpuacct", path, "cpuacct.usage", &cpu_ns) ||
        !usage_read_number(root, "/memory", path, "memory.usage_in_bytes", &s->memory) ||
        !usage_read_text(root, "/memory", path, "memory.stat", &text))
        return false;
    stat = buf_slice(&text);
    s->cpu_ns = (uint64_t)cpu_ns;
    s->rss = usage_find_or_zero(stat, "total_rss");
    s->page_faults = usage_find_or_zero(stat, "total_pgfault");
    s->major_page_faults = usage_find_or_zero(stat, "total_pgmajfault");
    usage_set_working_set(s, usage_find_or_zero(stat, "total_inactive_file"));
    return true;
}

static bool usage_read_v2(const char *root, const char *path, struct usage_sample *s)
{
    int64_t cpu_us;
    BUF_LOCAL(text);
    struct slice stat;

    if (!usage_read_text(root, "", path, "cpu.stat", &text) || !usage_find(buf_slice(&text), "usage_usec", &cpu_us) ||
        cpu_us < 0 || !usage_read_number(root, "", path, "memory.current", &s->memory) ||
        !usage_read_text(root, "", path, "memory.stat", &text))
        return false;
    stat = buf_slice(&text);
    s->cpu_ns = (uint64_t)cpu_us * 1000;
    s->rss = usage_find_or_zero(stat, "anon");
    s->page_faults = usage_find_or_zero(stat, "pgfault");
    s->major_page_faults = usage_find_or_zero(stat, "pgmajfault");
    usage_set_working_set(s, usage_find_or_zero(stat, "inactive_file"));
    return true;
}

bool usage_read_group(enum cgroup_version version, const char *root, const char *path, struct usage_sample *ret_sample)
{
    return version == CGROUP_V2 ? usage_read_v2(root, path, ret_sample) : usage_read_v1(root, path, ret_sample);
}

/* "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...", in ticks: all but idling and waiting for disks. */
static bool usage_read_node_cpu(const char *proc, uint64_t *ret_ns)
{
    static const bool counts[] = {true, true, true, false, false, true, true, true};
    BUF_LOCAL(text);
    struct slice rest;
    struct slice line;
    struct slice part;
    uint64_t ticks = 0;

    if (!usage_read_text(proc, "", "", "stat", &text))
        return false;
    rest = buf_slice(&text);
    if (!slice_split(&rest, '\n', &line) || !slice_starts(line, SLICE_LIT("cpu ")))
        return false;
    line = slice_trim(slice_from(line, 4));
    for (size_t i = 0; i < ARRAY_SIZE(counts) && slice_split(&line, ' ', &part); i++) {
        uint64_t number;

        if (!slice_to_uint64(part, &number))
            return false;
        ticks += counts[i] ? number : 0;
    }
    *ret_ns = ticks * (uint64_t)(NS_PER_S / sysconf(_SC_CLK_TCK));
    return true;
}

bool usage_read_node(const char *proc, struct usage_sample *ret_sample)
{
    struct usage_sample *s = ret_sample;
    BUF_LOCAL(text);
    struct slice info;
    int64_t total;
    int64_t unused;

    if (!usage_read_node_cpu(proc, &s->cpu_ns) || !usage_read_text(proc, "", "", "meminfo", &text))
        return false;
    info = buf_slice(&text);
    if (!usage_find(info, "MemTotal", &total) || !usage_find(info, "MemFree", &unused))
        return false;
    s->memory = (total - unused) * KIB;
    s->rss = usage_find_or_zero(info, "AnonPages") * KIB;
    usage_set_working_set(s, usage_find_or_zero(info, "Inactive(file)") * KIB);
    if (usage_read_text(proc, "", "", "vmstat", &text)) {
        s->page_faults = usage_find_or_zero(buf_slice(&text), "pgfault");
        s->major_page_faults = usage_find_or_zero(buf_slice(&text), "pgmajfault");
    }
    return true;
}
