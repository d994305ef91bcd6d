/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control groups. On v1 each controller has a tree of its own and a pod's group must be made in each; on v2 there is
 * one tree, and a controller must be handed down level by level. Numbers are upstream's (kubelet's cm package documents
 * them), so that a pod gets the same share here as elsewhere.
 */
#include "agent/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>
#include <linux/magic.h>

#include "agent/fs.h"

#define ROOT          "/sys/fs/cgroup"
#define SHARES_MIN    2
#define SHARES_MAX    262144
#define QUOTA_MIN     1000
#define PROCS_MAX     (4u << 20) /* bytes of cgroup.procs read at once */
#define REMOVE_ROUNDS 50         /* a killed process leaves its group a little later */

/* Trees in which a pod's group may stand on v1; those the host does not have are skipped. */
static const char *const v1_trees[] = {"cpu",     "memory",  "pids",    "cpuacct", "cpuset",   "blkio",
                                       "devices", "freezer", "hugetlb", "net_cls", "net_prio", "perf_event",
                                       "rdma",    "misc",    "systemd", "unified"};
/* Those whose limits we set ourselves at the level of the pod. */
#define V1_TREES_WITH_LIMITS 3

const char *cgroup_qos_name(enum cgroup_qos qos)
{
    static const char *const names[] = {"Guaranteed", "Burstable", "BestEffort"};

    return names[qos];
}

uint64_t cgroup_cpu_shares(int64_t milli)
{
    int64_t shares = milli > SHARES_MAX ? SHARES_MAX : milli * 1024 / 1000;

    if (shares < SHARES_MIN)
        return SHARES_MIN;
    return shares > SHARES_MAX ? SHARES_MAX : (uint64_t)shares;
}

int64_t cgroup_cpu_quota(int64_t milli)
{
    int64_t quota;

    if (milli <= 0)
        return -1;
    quota = milli * (CGROUP_CPU_PERIOD / 1000);
    return quota < QUOTA_MIN ? QUOTA_MIN : quota;
}

uint64_t cgroup_cpu_weight(uint64_t shares)
{
    if (shares < SHARES_MIN)
        shares = SHARES_MIN;
    return 1 + ((shares - 2) * 9999) / 262142;
}

int cgroup_oom_score(enum cgroup_qos qos, int64_t memory_request, int64_t memory_capacity)
{
    int64_t score;

    if (qos == CGROUP_GUARANTEED)
        return -997;
    if (qos == CGROUP_BESTEFFORT || memory_capacity <= 0)
        return 1000;
    score = 1000 - (int64_t)((__int128)1000 * memory_request / memory_capacity);
    /* Between the guaranteed and the best-effort, whatever the rounding says. */
    return score < 3 ? 3 : score > 999 ? 999 : (int)score;
}

char *cgroup_pod_path(const char *parent, enum cgroup_qos qos, const char *pod_uid)
{
    static const char *const level[] = {"", "/burstable", "/besteffort"};

    return mem_printf("%s%s/pod%s", parent, level[qos], pod_uid);
}

int cgroup_detect(enum cgroup_version *ret_version, struct error *err)
{
    struct statfs fs;

    if (statfs(ROOT, &fs))
        return error_set_errno(err, errno, "no control groups on this host (%s)", ROOT);
    if ((unsigned long)fs.f_type == CGROUP2_SUPER_MAGIC) {
        *ret_version = CGROUP_V2;
        return 0;
    }
    for (size_t i = 0; i < V1_TREES_WITH_LIMITS; i++) {
        char *path CLEANUP_FREE = mem_printf(ROOT "/%s/cgroup.procs", v1_trees[i]);

        if (!fs_exists(path))
            return error_set(err, ERROR_UNAVAILABLE, "this host has no '%s' control group controller", v1_trees[i]);
    }
    *ret_version = CGROUP_V1;
    return 0;
}

static int knob_write(const char *dir, const char *knob, const char *value, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, knob);
    int fd CLEANUP_FD = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, value, strlen(value)) < 0)
        return error_set_errno(err, errno, "writing %s to %s", value, path);
    return 0;
}

static int knob_write_int(const char *dir, const char *knob, int64_t value, struct error *err)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%lld", (long long)value);
    return knob_write(dir, knob, text, err);
}

static int v1_limit(const char *path, const struct cgroup_limits *l, struct error *err)
{
    char *cpu CLEANUP_FREE = mem_printf(ROOT "/%s%s", v1_trees[0], path);
    char *memory CLEANUP_FREE = mem_printf(ROOT "/%s%s", v1_trees[1], path);
    char *pids CLEANUP_FREE = mem_printf(ROOT "/%s%s", v1_trees[2], path);
    int r = knob_write_int(cpu, "cpu.shares", (int64_t)cgroup_cpu_shares(l->cpu_request_milli), err);

    if (!r)
        r = knob_write_int(cpu, "cpu.cfs_quota_us", cgroup_cpu_quota(l->cpu_limit_milli), err);
    if (!r && l->memory_limit > 0)
        r = knob_write_int(memory, "memory.limit_in_bytes", l->memory_limit, err);
    if (!r && l->pids_limit > 0)
        r = knob_write_int(pids, "pids.max", l->pids_limit, err);
    return r;
}

static int v1_create(const char *path, const struct cgroup_limits *l, struct error *err)
{
    for (size_t i = 0; i < V1_TREES_WITH_LIMITS; i++) {
        char *dir CLEANUP_FREE = mem_printf(ROOT "/%s%s", v1_trees[i], path);

        if (fs_make_dirs(dir, 0755, err) < 0)
            return -1;
    }
    return v1_limit(path, l, err);
}

/* Hands the controllers down to every level of `path`; the last level is left to the runtime. */
static int v2_delegate(const char *path, struct error *err)
{
    char *copy CLEANUP_FREE = mem_printf(ROOT "%s", path);

    for (char *p = copy + strlen(ROOT);; p++) {
        char c = *p;

        if (c != '/' && c)
            continue;
        *p = '\0';
        if (knob_write(copy, "cgroup.subtree_control", "+cpu +memory +pids", err) < 0)
            return -1;
        *p = c;
        if (!c)
            return 0;
    }
}

static int v2_limit(const char *path, const struct cgroup_limits *l, struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf(ROOT "%s", path);
    char quota[64] = "max";
    int r;

    if (l->cpu_limit_milli > 0)
        (void)snprintf(quota, sizeof(quota), "%lld %d", (long long)cgroup_cpu_quota(l->cpu_limit_milli),
                       CGROUP_CPU_PERIOD);
    r = knob_write_int(dir, "cpu.weight", (int64_t)cgroup_cpu_weight(cgroup_cpu_shares(l->cpu_request_milli)), err);
    if (!r)
        r = knob_write(dir, "cpu.max", quota, err);
    if (!r && l->memory_limit > 0)
        r = knob_write_int(dir, "memory.max", l->memory_limit, err);
    if (!r && l->pids_limit > 0)
        r = knob_write_int(dir, "pids.max", l->pids_limit, err);
    return r;
}

static int v2_create(const char *path, const struct cgroup_limits *l, struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf(ROOT "%s", path);

    if (fs_make_dirs(dir, 0755, err) < 0 || v2_delegate(path, err) < 0)
        return -1;
    return v2_limit(path, l, err);
}

int cgroup_pod_create(enum cgroup_version version, const char *path, const struct cgroup_limits *limits,
                      struct error *err)
{
    int r = version == CGROUP_V2 ? v2_create(path, limits, err) : v1_create(path, limits, err);

    return r < 0 ? error_wrap(err, "making control group %s", path) : 0;
}

int cgroup_pod_update(enum cgroup_version version, const char *path, const struct cgroup_limits *limits,
                      struct error *err)
{
    int r = version == CGROUP_V2 ? v2_limit(path, limits, err) : v1_limit(path, limits, err);

    return r < 0 ? error_wrap(err, "changing control group %s", path) : 0;
}

int64_t cgroup_memory_usage(enum cgroup_version version, const char *path)
{
    char *file CLEANUP_FREE = version == CGROUP_V2 ? mem_printf(ROOT "%s/memory.current", path)
                                                   : mem_printf(ROOT "/memory%s/memory.usage_in_bytes", path);
    int64_t bytes;
    BUF_LOCAL(text);

    if (fs_read(file, 64, &text, NULL) < 0 || !slice_to_int64(slice_trim(buf_slice(&text)), &bytes))
        return -1;
    return bytes;
}

int64_t cgroup_oom_kills(enum cgroup_version version, const char *path)
{
    char *file CLEANUP_FREE = version == CGROUP_V2 ? mem_printf(ROOT "%s/memory.events", path)
                                                   : mem_printf(ROOT "/memory%s/memory.oom_control", path);
    BUF_LOCAL(text);
    struct slice rest;
    struct slice line;
    int64_t count = 0;

    if (fs_read(file, 4096, &text, NULL) < 0)
        return 0;
    rest = buf_slice(&text);
    while (slice_split(&rest, '\n', &line))
        if (slice_starts(line, SLICE_LIT("oom_kill ")))
            (void)slice_to_int64(slice_from(line, 9), &count);
    return count;
}

static void kill_members(const char *dir)
{
    char *path CLEANUP_FREE = mem_printf("%s/cgroup.procs", dir);
    BUF_LOCAL(text);
    struct slice rest;
    struct slice line;

    if (fs_read(path, PROCS_MAX, &text, NULL) < 0)
        return;
    rest = buf_slice(&text);
    while (slice_split(&rest, '\n', &line)) {
        int64_t pid;

        if (slice_to_int64(line, &pid) && pid > 1)
            (void)kill((pid_t)pid, SIGKILL);
    }
}

static int remove_group(const char *dir, struct error *err);

static int remove_child(void *arg, const char *name, struct error *err)
{
    const char *dir = arg;
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
    struct stat st;

    /* Only directories are groups; files vanish with theirs. */
    return lstat(path, &st) || !S_ISDIR(st.st_mode) ? 0 : remove_group(path, err);
}

static int remove_group(const char *dir, struct error *err)
{
    if (fs_each_name(dir, remove_child, (void *)dir, err) < 0)
        return -1;
    for (int i = 0; rmdir(dir); i++) {
        if (errno == ENOENT)
            return 0;
        if (errno != EBUSY || i >= REMOVE_ROUNDS)
            return error_set_errno(err, errno, "removing control group %s", dir);
        kill_members(dir);
        (void)usleep(10000);
    }
    return 0;
}

int cgroup_remove(enum cgroup_version version, const char *path, struct error *err)
{
    if (version == CGROUP_V2) {
        char *dir CLEANUP_FREE = mem_printf(ROOT "%s", path);

        return remove_group(dir, err);
    }
    for (size_t i = 0; i < ARRAY_SIZE(v1_trees); i++) {
        char *dir CLEANUP_FREE = mem_printf(ROOT "/%s%s", v1_trees[i], path);

        /* Several names may lead to one tree (cpu -> cpu,cpuacct): the second time there is nothing left. */
        if (remove_group(dir, err) < 0)
            return -1;
    }
    return 0;
}

int cgroup_oom_floor(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    int64_t own = 0;
    BUF_LOCAL(text);

    if (syscall(SYS_capget, &header, data) == 0 && (data[0].effective & (1u << CAP_SYS_RESOURCE)))
        return -1000;
    if (fs_read("/proc/self/oom_score_adj", 64, &text, NULL) < 0 || !slice_to_int64(slice_trim(buf_slice(&text)), &own))
        return 0;
    return (int)own;
}
