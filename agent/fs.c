/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and mounts. The agent works as root in directories that containers and images have filled, so nothing here
 * follows a symbolic link in the last component, and removing a tree goes by descriptors and never crosses a mount.
 */
#include "agent/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "lib/random.h"

#define MOUNTINFO_MAX (16u << 20)
#define REMOVE_DEPTH  64 /* levels of directories at a time: each holds a descriptor and a piece of the stack */

int fs_make_dirs(const char *path, mode_t mode, struct error *err)
{
    char *copy CLEANUP_FREE = mem_strdup(path);

    for (char *p = copy + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(copy, mode) && errno != EEXIST)
            return error_set_errno(err, errno, "making directory %s", copy);
        *p = c;
        if (!c)
            return 0;
    }
}

int fs_read(const char *path, size_t max, struct buf *out, struct error *err)
{
    int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? error_set(err, ERROR_NOT_FOUND, "%s does not exist", path)
                               : error_set_errno(err, errno, "opening %s", path);
    for (;;) {
        ssize_t n = read(fd, buf_reserve(out, 65536), 65536);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set_errno(err, errno, "reading %s", path);
        if (n == 0)
            return 0;
        out->len += (size_t)n;
        if (out->len > max)
            return error_set(err, ERROR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
    }
}

static int write_all(int fd, struct slice data)
{
    while (data.len) {
        ssize_t n = write(fd, data.data, data.len);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            data = slice_from(data, (size_t)n);
    }
    return 0;
}

int fs_write(const char *path, struct slice data, mode_t mode, struct error *err)
{
    char suffix[9];
    char *temporary CLEANUP_FREE = NULL;
    int fd CLEANUP_FD = -1;
    int r;

    random_suffix(suffix, sizeof(suffix) - 1);
    temporary = mem_printf("%s.%s", path, suffix);
    fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set_errno(err, errno, "making %s", temporary);
    r = write_all(fd, data);
    if (!r && (fchmod(fd, mode) || fdatasync(fd) || rename(temporary, path)))
        r = -errno;
    if (r) {
        (void)unlink(temporary);
        return error_set_errno(err, -r, "writing %s", path);
    }
    return 0;
}

bool fs_exists(const char *path)
{
    struct stat st;

    return !lstat(path, &st);
}

/* A tree that is being removed. */
struct removal {
    int top;
    unsigned long moved; /* directories that were too deep and now stand in the top one */
};

static int remove_inside(struct removal *rm, int fd, unsigned depth, struct error *err);

/* A container can nest directories without end. What is too deep moves to the top, under a name that nothing there
 * has (rename puts a directory only in the place of an empty one), and is met again there. */
static int remove_raise(struct removal *rm, int dir, const char *name, struct error *err)
{
    char suffix[17];

    random_suffix(suffix, sizeof(suffix) - 1);
    rm->moved++;
    return renameat(dir, name, rm->top, suffix) ? error_set_errno(err, errno, "moving %s", name) : 0;
}

/* Opens a directory unless something is mounted there. Comparing devices would not see a bind mount of the same file
 * system, and behind that may be a directory of the host. */
static int open_unmounted(int dir, const char *name, struct error *err)
{
    struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_XDEV};
    int fd = (int)syscall(SYS_openat2, dir, name, &how, sizeof(how));

    if (fd >= 0)
        return fd;
    return errno == EXDEV ? error_set(err, ERROR_IO, "%s is a mount: left alone", name)
                          : error_set_errno(err, errno, "opening %s", name);
}

/* An entry that is not to be unlinked as a file. */
static int remove_directory(struct removal *rm, int dir, const char *name, unsigned depth, struct error *err)
{
    int child = open_unmounted(dir, name, err);
    int r;

    if (child < 0)
        return child;
    if (!depth) {
        (void)close(child);
        return remove_raise(rm, dir, name, err);
    }
    r = remove_inside(rm, child, depth - 1, err);
    if (!r && unlinkat(dir, name, AT_REMOVEDIR))
        return error_set_errno(err, errno, "removing directory %s", name);
    return r;
}

/* Empties the directory behind `fd` (which it takes over). */
static int remove_inside(struct removal *rm, int fd, unsigned depth, struct error *err)
{
    DIR *dir = fdopendir(fd);
    struct dirent *e;
    int r = 0;

    if (!dir) {
        (void)close(fd);
        return error_set_errno(err, errno, "reading a directory");
    }
    while (!r && (e = readdir(dir))) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (!unlinkat(dirfd(dir), e->d_name, 0) || errno == ENOENT)
            continue;
        if (errno != EISDIR && errno != EPERM)
            r = error_set_errno(err, errno, "removing %s", e->d_name);
        else
            r = remove_directory(rm, dirfd(dir), e->d_name, depth, err);
    }
    (void)closedir(dir);
    return r;
}

/* Empties the top directory, again as long as something was raised into it. */
static int remove_all(int top, struct error *err)
{
    struct removal rm = {top, 0};
    unsigned long before;
    int r;

    do {
        int fd = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        before = rm.moved;
        if (fd < 0)
            return error_set_errno(err, errno, "opening a directory");
        r = remove_inside(&rm, fd, REMOVE_DEPTH, err);
    } while (!r && rm.moved != before);
    return r;
}

int fs_remove_tree_at(int dir, const char *name, struct error *err)
{
    int fd CLEANUP_FD = -1;

    if (!unlinkat(dir, name, 0) || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return error_set_errno(err, errno, "removing %s", name);
    fd = open_unmounted(dir, name, err);
    if (fd < 0)
        return fd;
    if (remove_all(fd, err) < 0)
        return error_wrap(err, "removing %s", name);
    if (unlinkat(dir, name, AT_REMOVEDIR))
        return error_set_errno(err, errno, "removing directory %s", name);
    return 0;
}

int fs_remove_tree(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *parent CLEANUP_FREE = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    int dir CLEANUP_FD = open(*parent ? parent : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        return errno == ENOENT ? 0 : error_set_errno(err, errno, "opening %s", parent);
    return fs_remove_tree_at(dir, slash ? slash + 1 : path, err);
}

/* mountinfo writes space, tab, newline and backslash as octal. */
static void unescape_octal(struct buf *out, struct slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.data[i] == '\\' && i + 3 < in.len) {
            buf_append_byte(out,
                            (char)((in.data[i + 1] - '0') * 64 + (in.data[i + 2] - '0') * 8 + in.data[i + 3] - '0'));
            i += 3;
        } else {
            buf_append_byte(out, in.data[i]);
        }
    }
}

int fs_unmount_below(const char *path, struct error *err)
{
    BUF_LOCAL(text);
    BUF_LOCAL(point);
    struct slice want = slice_str(path);
    size_t end;

    if (fs_read("/proc/self/mountinfo", MOUNTINFO_MAX, &text, err) < 0)
        return error_wrap(err, "unmounting %s", path);
    /* From the last line up: what was mounted last goes first. */
    for (end = text.len; end > 0;) {
        size_t start = end - 1;
        struct slice line;
        struct slice field = SLICE_NONE;

        while (start > 0 && text.data[start - 1] != '\n')
            start--;
        line = slice_make(text.data + start, end - start);
        end = start;
        for (int i = 0; i < 5; i++)
            if (!slice_split(&line, ' ', &field))
                break;
        buf_reset(&point);
        unescape_octal(&point, field);
        if (!slice_starts(buf_slice(&point), want) || (point.len > want.len && point.data[want.len] != '/'))
            continue;
        if (umount2(buf_cstr(&point), UMOUNT_NOFOLLOW | MNT_DETACH) && errno != EINVAL && errno != ENOENT)
            return error_set_errno(err, errno, "unmounting %s", buf_cstr(&point));
    }
    return 0;
}

int fs_each_name(const char *path, int (*fn)(void *arg, const char *name, struct error *err), void *arg,
                 struct error *err)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    int r = 0;

    if (!dir)
        return errno == ENOENT ? 0 : error_set_errno(err, errno, "reading directory %s", path);
    while (!r && (e = readdir(dir)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            r = fn(arg, e->d_name, err);
    (void)closedir(dir);
    return r;
}
