/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volumes of a pod. What may hold secrets (secret, projected, emptyDir in memory) is a tmpfs of its own, so that it
 * never reaches a disk. Only hostPath leads out of the pod's directory.
 */
#include "agent/volumes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "agent/fs.h"
#include "agent/pod_spec.h"

static const struct value *find_volume(const struct value *pod, const char *name)
{
    const struct value *list = value_path(pod, "spec", "volumes", NULL);

    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "name")), name))
            return value_at(list, i);
    return NULL;
}

bool volume_read_only(const struct value *pod, const char *name)
{
    static const char *const files[] = {"configMap", "secret", "downwardAPI", "projected"};
    const struct value *volume = find_volume(pod, name);

    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (value_get(volume, files[i]))
            return true;
    return false;
}

char *volume_path(const struct value *pod, const char *pod_dir, const char *name)
{
    const struct value *volume = find_volume(pod, name);
    const char *host = value_str(value_path(volume, "hostPath", "path", NULL));

    if (!volume)
        return NULL;
    return host ? mem_strdup(host) : mem_printf("%s/volumes/%s", pod_dir, name);
}

bool volumes_change(const struct value *pod)
{
    const struct value *list = value_path(pod, "spec", "volumes", NULL);

    for (size_t i = 0; i < value_count(list); i++)
        if (volume_read_only(pod, object_text(value_at(list, i), "name")))
            return true;
    return false;
}

/* Once: an earlier one stays. */
static int mount_tmpfs(const char *dir, unsigned long flags, const char *how, int64_t size, struct error *err)
{
    struct statfs fs;
    char options[160];

    if (!statfs(dir, &fs) && (unsigned long)fs.f_type == TMPFS_MAGIC) {
        struct stat here;
        struct stat above;
        char *parent CLEANUP_FREE = mem_printf("%s/..", dir);

        if (!stat(dir, &here) && !stat(parent, &above) && here.st_dev != above.st_dev)
            return 0; /* mounted by an earlier call */
    }
    (void)snprintf(options, sizeof(options), "%s", how);
    if (size > 0)
        (void)snprintf(options, sizeof(options), "%s,size=%lld", how, (long long)size);
    if (mount("tmpfs", dir, "tmpfs", flags | MS_NOSUID | MS_NODEV, options))
        return error_set_errno(err, errno, "mounting a tmpfs");
    return 0;
}

static gid_t pod_fs_group(const struct value *pod)
{
    const struct value *group = value_path(pod, "spec", "securityContext", "fsGroup", NULL);

    return value_is(group, VALUE_INT) ? (gid_t)value_int(group) : (gid_t)-1;
}

int volume_set_group(const char *dir, gid_t group, mode_t mode, struct error *err)
{
    struct stat st;

    if (group == (gid_t)-1)
        return 0;
    if (chown(dir, (uid_t)-1, group) || stat(dir, &st) || chmod(dir, (st.st_mode & 07777) | mode))
        return error_set_errno(err, errno, "setting the group of %s", dir);
    return 0;
}

/* The most a volume in memory may hold: what it says, but not more than the pod may use. 0 = the kernel's half. */
static int64_t memory_size(const struct value *pod, const struct value *source)
{
    int64_t size = object_quantity(source, "sizeLimit");
    struct cgroup_limits limits = {0};

    pod_limits(pod, &limits);
    if (limits.memory_limit > 0 && (size <= 0 || limits.memory_limit < size))
        return limits.memory_limit;
    return size;
}

/* It appears whole, by rename, and is then the pod's: setting it up again must not undo what the pod did to it. */
static int setup_empty(const struct value *pod, const struct value *source, const char *dir, gid_t group,
                       struct error *err)
{
    char *fresh CLEANUP_FREE = mem_printf("%s..new", dir);
    struct slice medium = value_string(value_get(source, "medium"));
    char options[128];

    if (slice_is(medium, "Memory")) {
        (void)snprintf(options, sizeof(options), group == (gid_t)-1 ? "mode=0777" : "mode=02777,gid=%u", group);
        return fs_make_dirs(dir, 0755, err) < 0 ? -1 : mount_tmpfs(dir, 0, options, memory_size(pod, source), err);
    }
    if (medium.len)
        return error_set(err, ERROR_INVALID, "emptyDir medium %.*s is not supported by this agent", SLICE_ARGS(medium));
    if (fs_exists(dir))
        return 0;
    if (fs_make_dirs(fresh, 0755, err) < 0)
        return -1;
    if (chmod(fresh, 0777))
        return error_set_errno(err, errno, "setting the mode of %s", fresh);
    if (volume_set_group(fresh, group, 02000, err) < 0)
        return -1;
    return rename(fresh, dir) ? error_set_errno(err, errno, "placing %s", dir) : 0;
}

struct host_path_type {
    const char *name;
    mode_t type; /* 0 = no matter */
    bool create;
    const char *what;
};
static const struct host_path_type host_path_types[] = {
    {"", 0, false, ""},
    {"DirectoryOrCreate", S_IFDIR, true, "directory"},
    {"Directory", S_IFDIR, false, "directory"},
    {"FileOrCreate", S_IFREG, true, "file"},
    {"File", S_IFREG, false, "file"},
    {"Socket", S_IFSOCK, false, "socket"},
    {"CharDevice", S_IFCHR, false, "character device"},
    {"BlockDevice", S_IFBLK, false, "block device"},
};

static int setup_host_path(const struct value *source, struct error *err)
{
    const char *path = object_text(source, "path");
    const char *type = object_text(source, "type");
    const struct host_path_type *t = NULL;
    struct stat st;

    for (size_t i = 0; i < ARRAY_SIZE(host_path_types); i++)
        if (!strcmp(type ? type : "", host_path_types[i].name))
            t = &host_path_types[i];
    if (!t || !path)
        return error_set(err, ERROR_INVALID, "hostPath type check failed: unknown type %s", type ? type : "");
    if (!t->type && !*t->name)
        return 0;
    if (t->create && stat(path, &st) && errno == ENOENT) {
        int fd;

        if (t->type == S_IFDIR)
            return fs_make_dirs(path, 0755, err);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (fd < 0)
            return error_set_errno(err, errno, "making %s", path);
        (void)close(fd);
    }
    if (stat(path, &st) || (st.st_mode & S_IFMT) != t->type)
        return error_set(err, ERROR_INVALID, "hostPath type check failed: %s is not a %s", path, t->what);
    return 0;
}

static int setup_files(const struct value *pod, const struct pod_facts *facts, const struct value *volume,
                       const char *dir, gid_t group, struct error *err)
{
    struct payload p = {0};
    bool secret = value_get(volume, "secret") || value_get(volume, "projected");
    int r = payload_build(pod, facts, volume, &p, err);

    if (!r && secret)
        r = mount_tmpfs(dir, 0, "mode=01777", 0, err);
    if (!r)
        r = payload_write(dir, &p, group, err);
    payload_clear(&p);
    return r;
}

static int setup_one(const struct value *pod, const struct pod_facts *facts, const struct value *volume,
                     const char *pod_dir, struct error *err)
{
    const char *name = object_text(volume, "name");
    char *dir CLEANUP_FREE = mem_printf("%s/volumes/%s", pod_dir, name);
    static const char *const files[] = {"configMap", "secret", "downwardAPI", "projected"};
    gid_t group = pod_fs_group(pod);

    if (value_get(volume, "hostPath"))
        return setup_host_path(value_get(volume, "hostPath"), err);
    if (value_get(volume, "emptyDir") || value_count(volume) == 1)
        return setup_empty(pod, value_get(volume, "emptyDir"), dir, group, err);
    if (fs_make_dirs(dir, 0755, err) < 0)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        if (value_get(volume, files[i]))
            return setup_files(pod, facts, volume, dir, group, err);
    return error_set(err, ERROR_INVALID, "this kind of volume is not supported by this agent");
}

/* As large as runtimes make it. */
static int setup_shm(const char *pod_dir, struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf("%s/" VOLUMES_SHM, pod_dir);

    return fs_make_dirs(dir, 0755, err) < 0 ? -1 : mount_tmpfs(dir, MS_NOEXEC, "mode=1777", 64 << 20, err);
}

int volumes_setup(const struct value *pod, const struct pod_facts *facts, const char *pod_dir, struct error *err)
{
    const struct value *list = value_path(pod, "spec", "volumes", NULL);
    char *dir CLEANUP_FREE = mem_printf("%s/volumes", pod_dir);

    if (fs_make_dirs(dir, 0755, err) < 0 || setup_shm(pod_dir, err) < 0)
        return -1;
    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *volume = value_at(list, i);
        const char *name = object_text(volume, "name");

        if (!name || strchr(name, '/') || setup_one(pod, facts, volume, pod_dir, err) < 0)
            return error_wrap(err, "MountVolume.SetUp failed for volume \"%s\" ", name ? name : "");
    }
    return 0;
}
