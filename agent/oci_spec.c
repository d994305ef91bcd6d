/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The OCI runtime configuration. What a container gets by default: nine capabilities (CRI-O's set: no NET_RAW, MKNOD,
 * SYS_CHROOT, SETFCAP, AUDIT_WRITE), the usual masked and read-only paths of /proc and /sys, no devices but the
 * harmless ones, a read-only view of its control group, and a filter of system calls (seccomp_default.c). A privileged
 * container gets all of it open.
 */
#include "agent/oci_spec.h"

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/seccomp.h"
#include "agent/userns.h"

/* By number. */
static const char *const capabilities_all[] = {
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
};
static const char *const capabilities_default[] = {
    "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID",
};
static const char *const masked_paths[] = {
    "/proc/acpi",        "/proc/asound",        "/proc/interrupts", "/proc/kcore",
    "/proc/keys",        "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
    "/proc/sched_debug", "/proc/scsi",          "/sys/firmware",    "/sys/devices/virtual/powercap",
};
static const char *const readonly_paths[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

/* What every container has mounted; options separated by commas. */
struct base_mount {
    const char *destination;
    const char *type;
    const char *source;
    const char *options;
};
static const struct base_mount base_mounts[] = {
    {"/proc", "proc", "proc", "nosuid,noexec,nodev"},
    {"/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"},
    {"/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"},
    {"/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"},
    {"/dev/shm", "tmpfs", "shm", "nosuid,noexec,nodev,mode=1777,size=65536k"},
    {"/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"},
    {"/sys/fs/cgroup", "cgroup", "cgroup", "nosuid,noexec,nodev,relatime,ro"},
};

void oci_spec_clear(struct oci_spec *spec)
{
    str_list_clear(&spec->args);
    str_list_clear(&spec->env);
    str_list_clear(&spec->capabilities_add);
    str_list_clear(&spec->capabilities_drop);
    for (size_t i = 0; i < spec->mount_count; i++) {
        free(spec->mounts[i].source);
        free(spec->mounts[i].destination);
    }
    free(spec->mounts);
    for (size_t i = 0; i < spec->device_count; i++)
        free(spec->devices[i].path);
    free(spec->devices);
    for (size_t i = 0; i < spec->sysctl_count; i++) {
        free(spec->sysctls[i].name);
        free(spec->sysctls[i].value);
    }
    free(spec->sysctls);
    value_free(spec->seccomp);
    spec->mount_count = spec->device_count = spec->sysctl_count = 0;
    spec->mounts = NULL;
    spec->devices = NULL;
    spec->sysctls = NULL;
    spec->seccomp = NULL;
}

/* Names come with or without "CAP_", in any case. */
static bool capability_listed(const struct str_list *names, const char *capability)
{
    for (size_t i = 0; i < names->count; i++) {
        struct slice name = slice_str(names->items[i]);

        if (name.len > 4 && slice_equal_nocase(slice_make(name.data, 4), SLICE_LIT("CAP_")))
            name = slice_from(name, 4);
        if (slice_equal_nocase(name, slice_str(capability)))
            return true;
    }
    return false;
}

/* "All" is all the agent itself has: inside some machines that is less than the kernel knows. */
static bool host_has(const struct oci_spec *s, const char *capability)
{
    for (size_t i = 0; i < ARRAY_SIZE(capabilities_all); i++)
        if (!strcmp(capabilities_all[i], capability))
            return !s->capabilities_host || s->capabilities_host >> i & 1;
    return false;
}

static bool is_default(const char *capability)
{
    for (size_t i = 0; i < ARRAY_SIZE(capabilities_default); i++)
        if (!strcmp(capabilities_default[i], capability))
            return true;
    return false;
}

/* Adding wins over dropping a name, dropping ALL wins over the defaults: as upstream combines them. */
static bool capability_granted(const void *spec, const char *capability)
{
    const struct oci_spec *s = spec;

    if (capability_listed(&s->capabilities_add, capability))
        return true;
    if (s->privileged || capability_listed(&s->capabilities_add, "ALL"))
        return host_has(s, capability);
    return is_default(capability) && !capability_listed(&s->capabilities_drop, capability) &&
           !capability_listed(&s->capabilities_drop, "ALL");
}

static void write_capabilities(const struct oci_spec *s, struct value *process)
{
    static const char *const sets[] = {"bounding", "effective", "permitted"};
    struct value *capabilities = value_need_object(process, "capabilities");

    for (size_t set = 0; set < ARRAY_SIZE(sets); set++) {
        struct value *list = value_need_array(capabilities, sets[set]);

        for (size_t i = 0; i < ARRAY_SIZE(capabilities_all); i++) {
            char name[64];

            if (!capability_granted(s, capabilities_all[i]))
                continue;
            (void)snprintf(name, sizeof(name), "CAP_%s", capabilities_all[i]);
            value_append(list, value_new_str(name));
        }
    }
}

static void append_all(struct value *array, const char *const *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        value_append(array, value_new_str(items[i]));
}

static void write_process(const struct oci_spec *s, struct value *root)
{
    struct value *process = value_need_object(root, "process");
    struct value *user = value_need_object(process, "user");
    struct value *groups = value_need_array(user, "additionalGids");

    value_set(process, "terminal", value_new_bool(s->terminal));
    value_set(user, "uid", value_new_int(s->uid));
    value_set(user, "gid", value_new_int(s->gid));
    for (size_t i = 0; i < s->group_count; i++)
        value_append(groups, value_new_int(s->groups[i]));
    append_all(value_need_array(process, "args"), (const char *const *)s->args.items, s->args.count);
    append_all(value_need_array(process, "env"), (const char *const *)s->env.items, s->env.count);
    value_set_str(process, "cwd", s->cwd && *s->cwd ? s->cwd : "/");
    write_capabilities(s, process);
    value_set(process, "noNewPrivileges", value_new_bool(s->no_new_privileges));
    value_set(process, "oomScoreAdj", value_new_int(s->oom_score));
}

static struct value *append_mount(struct value *mounts, const char *destination, const char *type, const char *source,
                                  struct slice options)
{
    struct value *m = value_new_object();
    struct value *list;
    struct slice option;

    value_set_str(m, "destination", destination);
    value_set_str(m, "type", type);
    value_set_str(m, "source", source);
    list = value_need_array(m, "options");
    while (slice_split(&options, ',', &option))
        value_append(list, value_new_string(option));
    value_append(mounts, m);
    return list;
}

static bool mount_replaced(const struct oci_spec *s, const char *destination)
{
    for (size_t i = 0; i < s->mount_count; i++)
        if (!strcmp(s->mounts[i].destination, destination))
            return true;
    return false;
}

static void write_mounts(const struct oci_spec *s, struct value *root)
{
    struct value *mounts = value_need_array(root, "mounts");

    for (size_t i = 0; i < ARRAY_SIZE(base_mounts); i++) {
        const struct base_mount *b = &base_mounts[i];
        struct slice options = slice_str(b->options);

        if (mount_replaced(s, b->destination))
            continue;
        if (s->privileged && slice_ends(options, SLICE_LIT(",ro")))
            options.len -= 3;
        append_mount(mounts, b->destination, b->type, b->source, options);
    }
    for (size_t i = 0; i < s->mount_count; i++) {
        const struct oci_mount *m = &s->mounts[i];
        struct value *options = append_mount(mounts, m->destination, "bind", m->source, SLICE_LIT("rbind"));

        value_append(options, value_new_str(m->propagation ? m->propagation : "rprivate"));
        value_append(options, value_new_str(!m->read_only ? "rw" : m->recursive_read_only ? "rro" : "ro"));
    }
}

static void append_namespace(struct value *list, const char *type, const char *path)
{
    struct value *ns = value_new_object();

    value_set_str(ns, "type", type);
    if (path)
        value_set_str(ns, "path", path);
    value_append(list, ns);
}

static void write_users(const struct oci_spec *s, struct value *linux_)
{
    static const char *const maps[] = {"uidMappings", "gidMappings"};

    for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
        struct value *map = value_new_object();

        value_set(map, "containerID", value_new_int(0));
        value_set(map, "hostID", value_new_int(s->users_first));
        value_set(map, "size", value_new_int(USERNS_SIZE));
        value_append(value_need_array(linux_, maps[i]), map);
    }
}

static void write_namespaces(const struct oci_spec *s, struct value *linux_)
{
    struct value *list = value_need_array(linux_, "namespaces");

    append_namespace(list, "mount", NULL);
    if (!s->host_pid)
        append_namespace(list, "pid", s->pid_namespace);
    if (s->network_namespace)
        append_namespace(list, "network", s->network_namespace);
    if (s->ipc_namespace)
        append_namespace(list, "ipc", s->ipc_namespace);
    if (s->uts_namespace)
        append_namespace(list, "uts", s->uts_namespace);
    if (s->user_namespace) {
        append_namespace(list, "user", s->user_namespace);
        write_users(s, linux_);
    }
    if (s->cgroup_version == CGROUP_V2)
        append_namespace(list, "cgroup", NULL);
}

/* What is mounted later must be able to come in, or go out, through the root of the container's mounts. */
static void write_propagation(const struct oci_spec *s, struct value *linux_)
{
    const char *wanted = NULL;

    for (size_t i = 0; i < s->mount_count; i++)
        if (s->mounts[i].propagation && (!wanted || !strcmp(s->mounts[i].propagation, "rshared")))
            wanted = s->mounts[i].propagation;
    if (wanted)
        value_set_str(linux_, "rootfsPropagation", wanted);
}

static void write_devices(const struct oci_spec *s, struct value *linux_)
{
    struct value *list = s->device_count ? value_need_array(linux_, "devices") : NULL;

    for (size_t i = 0; i < s->device_count; i++) {
        const struct oci_device *d = &s->devices[i];
        struct value *v = value_new_object();

        value_set_str(v, "path", d->path);
        value_set_str(v, "type", S_ISBLK(d->mode) ? "b" : "c");
        value_set(v, "major", value_new_int(major(d->number)));
        value_set(v, "minor", value_new_int(minor(d->number)));
        value_set(v, "fileMode", value_new_int(d->mode & 07777));
        value_set(v, "uid", value_new_int(d->uid));
        value_set(v, "gid", value_new_int(d->gid));
        value_append(list, v);
    }
}

/* What confines the container beside its namespaces. */
static void write_confinement(const struct oci_spec *s, struct value *linux_)
{
    struct value *sysctls = s->sysctl_count ? value_need_object(linux_, "sysctl") : NULL;

    for (size_t i = 0; i < s->sysctl_count; i++)
        value_set_str(sysctls, s->sysctls[i].name, s->sysctls[i].value);
    if (!s->privileged && !s->unmask_proc) {
        append_all(value_need_array(linux_, "maskedPaths"), masked_paths, ARRAY_SIZE(masked_paths));
        append_all(value_need_array(linux_, "readonlyPaths"), readonly_paths, ARRAY_SIZE(readonly_paths));
    }
    if (!s->privileged && !s->seccomp_unconfined)
        value_set(linux_, "seccomp", s->seccomp ? value_copy(s->seccomp) : seccomp_default_make(capability_granted, s));
}

static struct value *device_rule(bool allow, const char *type, int major, int minor)
{
    struct value *rule = value_new_object();

    value_set(rule, "allow", value_new_bool(allow));
    if (type)
        value_set_str(rule, "type", type);
    if (major >= 0)
        value_set(rule, "major", value_new_int(major));
    if (minor >= 0)
        value_set(rule, "minor", value_new_int(minor));
    value_set_str(rule, "access", "rwm");
    return rule;
}

static void write_limits(const struct cgroup_limits *l, struct value *resources)
{
    struct value *cpu = value_need_object(resources, "cpu");

    value_set(cpu, "shares", value_new_int((int64_t)cgroup_cpu_shares(l->cpu_request_milli)));
    if (l->cpu_limit_milli > 0) {
        value_set(cpu, "period", value_new_int(CGROUP_CPU_PERIOD));
        value_set(cpu, "quota", value_new_int(cgroup_cpu_quota(l->cpu_limit_milli)));
    }
    if (l->memory_limit > 0)
        value_set(value_need_object(resources, "memory"), "limit", value_new_int(l->memory_limit));
    if (l->pids_limit > 0)
        value_set(value_need_object(resources, "pids"), "limit", value_new_int(l->pids_limit));
}

static void write_resources(const struct oci_spec *s, struct value *linux_)
{
    struct value *resources = value_need_object(linux_, "resources");

    /* The runtime itself allows null, zero, full, tty, random and their like. */
    value_append(value_need_array(resources, "devices"), device_rule(s->privileged, NULL, -1, -1));
    write_limits(&s->limits, resources);
}

void oci_resources_write(const struct cgroup_limits *limits, struct buf *out)
{
    struct value *resources CLEANUP_VALUE = value_new_object();

    write_limits(limits, resources);
    value_write(resources, out);
}

void oci_spec_write(const struct oci_spec *spec, struct buf *out)
{
    struct value *root CLEANUP_VALUE = value_new_object();
    struct value *linux_;

    value_set_str(root, "ociVersion", "1.0.2");
    write_process(spec, root);
    value_set_str(value_need_object(root, "root"), "path", spec->rootfs);
    value_set(value_need_object(root, "root"), "readonly", value_new_bool(spec->rootfs_read_only));
    write_mounts(spec, root);
    linux_ = value_need_object(root, "linux");
    write_namespaces(spec, linux_);
    value_set_str(linux_, "cgroupsPath", spec->cgroup_path);
    write_resources(spec, linux_);
    write_devices(spec, linux_);
    write_propagation(spec, linux_);
    write_confinement(spec, linux_);
    value_write(root, out);
}
