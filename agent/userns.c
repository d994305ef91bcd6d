/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "agent/fs.h"
#include "lib/bytes.h"

/* Above what systemd gives to containers (its range ends at 0x6fffffff), below 2^31. */
#define RANGE_FIRST 0x70000000u
#define RANGE_COUNT 4096u

/* A range that is taken is a symbolic link DIR/N to the pod's uid: making one is atomic, and it needs no lock. */
static char *range_path(const char *dir, unsigned n)
{
    return mem_printf("%s/%u", dir, n);
}

static bool range_is(const char *path, const char *uid)
{
    char owner[256];
    ssize_t len = readlink(path, owner, sizeof(owner));

    return len > 0 && slice_is(slice_make(owner, (size_t)len), uid);
}

int userns_range_take(const char *dir, const char *uid, uint32_t *ret_first, struct error *err)
{
    if (fs_make_dirs(dir, 0700, err) < 0)
        return -1;
    for (unsigned n = 0; n < RANGE_COUNT; n++) {
        char *path CLEANUP_FREE = range_path(dir, n);

        if (symlink(uid, path) && errno != EEXIST)
            return error_set_errno(err, errno, "taking users for pod %s", uid);
        if (range_is(path, uid)) {
            *ret_first = RANGE_FIRST + n * USERNS_SIZE;
            return 0;
        }
    }
    return error_set(err, ERROR_UNAVAILABLE, "all %u ranges of users are taken", RANGE_COUNT);
}

struct drop {
    const char *dir;
    const char *uid;
};

static int drop_one(void *arg, const char *name, struct error *err)
{
    const struct drop *d = arg;
    char *path CLEANUP_FREE = mem_printf("%s/%s", d->dir, name);

    if (range_is(path, d->uid))
        (void)unlink(path);
    return 0;
}

void userns_range_drop(const char *dir, const char *uid)
{
    struct drop d = {dir, uid};

    (void)fs_each_name(dir, drop_one, &d, NULL);
}

int userns_map(pid_t pid, uint32_t first, struct error *err)
{
    static const char *const files[] = {"uid_map", "gid_map"};
    char map[64];

    (void)snprintf(map, sizeof(map), "0 %u %u", first, USERNS_SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char *path CLEANUP_FREE = mem_printf("/proc/%d/%s", (int)pid, files[i]);
        int fd CLEANUP_FD = open(path, O_WRONLY | O_CLOEXEC);

        if (fd < 0 || write(fd, map, strlen(map)) < 0)
            return error_set_errno(err, errno, "mapping users");
    }
    return 0;
}

/* ---- mounts ---- */

static int make_target(const char *source, const char *target, struct error *err)
{
    struct stat st;
    int fd CLEANUP_FD = -1;

    if (stat(source, &st))
        return error_set_errno(err, errno, "looking at %s", source);
    if (S_ISDIR(st.st_mode))
        return fs_make_dirs(target, 0700, err);
    fd = open(target, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return fd < 0 ? error_set_errno(err, errno, "making %s", target) : 0;
}

int userns_mount(const char *source, const char *target, const char *user_namespace, bool read_only, struct error *err)
{
    int ns CLEANUP_FD = open(user_namespace, O_RDONLY | O_CLOEXEC);
    int tree CLEANUP_FD = -1;
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP | (read_only ? MOUNT_ATTR_RDONLY : 0)};

    if (ns < 0)
        return error_set_errno(err, errno, "opening %s", user_namespace);
    if (make_target(source, target, err) < 0)
        return -1;
    tree = (int)syscall(SYS_open_tree, AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0)
        return error_set_errno(err, errno, "opening %s", source);
    attr.userns_fd = (uint64_t)ns;
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)))
        return error_set_errno(
            err, errno, "showing %s to the users of a pod (its file system must support idmapped mounts)", source);
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH))
        return error_set_errno(err, errno, "mounting %s", target);
    return 0;
}

/* ---- the way to a root ---- */

static int check_way(const char *path, struct error *err)
{
    char *copy CLEANUP_FREE = mem_strdup(path);
    struct stat st;

    for (char *p = strchr(copy + 1, '/');; p = strchr(p + 1, '/')) {
        if (p)
            *p = '\0';
        if (stat(copy, &st))
            return error_set_errno(err, errno, "looking at %s", copy);
        if (!(st.st_mode & S_IXOTH))
            return error_set(err, ERROR_FORBIDDEN,
                             "hostUsers: false needs %s to be passable by every user (chmod o+x %s)", copy, copy);
        if (!p)
            return 0;
        *p = '/';
    }
}

int userns_make_dir(const char *dir, const char *name, uint32_t first, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
    char *above CLEANUP_FREE = mem_strndup(dir, (size_t)(strrchr(dir, '/') - dir));
    struct stat st;

    if (fs_make_dirs(dir, 0711, err) < 0)
        return -1;
    if (stat(above, &st) || chmod(above, (st.st_mode & 07777) | 0011) || chmod(dir, 0711))
        return error_set_errno(err, errno, "opening the way to %s", dir);
    if (check_way(dir, err) < 0 || fs_make_dirs(path, 0700, err) < 0)
        return -1;
    if (chown(path, 0, (gid_t)first) || chmod(path, 0710))
        return error_set_errno(err, errno, "giving %s to the pod", path);
    return 0;
}
