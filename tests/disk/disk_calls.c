/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The calls that change files, in place of the C library's. Each looks whether it concerns the folder that is watched,
 * asks whether it is to fail, does its work by the kernel's own call, and notes a step.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/disk/disk_internal.h"

#define EXPORT  __attribute__((visibility("default")))
#define NOWHERE SIZE_MAX

static struct {
    enum { OFF, ON, FROZEN } state;
    char *root;
    ino_t folders[FOLDERS]; /* 0 = not seen yet */
    struct disk_step *steps;
    size_t count;
    size_t cap;
    ino_t *inodes; /* of the files; the last one with an inode is meant */
    size_t file_count;
    size_t file_cap;
} trace;

int (*disk_fault)(enum disk_call call, size_t *len);

/* ---- the list ---- */

void disk_watch(const char *root)
{
    for (size_t i = 0; i < trace.count; i++) {
        free((void *)(uintptr_t)trace.steps[i].data.data);
        free(trace.steps[i].from);
        free(trace.steps[i].to);
    }
    free(trace.root);
    trace.root = mem_strdup(root);
    trace.count = trace.file_count = 0;
    memset(trace.folders, 0, sizeof(trace.folders));
    trace.state = ON;
}

void disk_unwatch(void)
{
    trace.state = OFF;
}

void disk_freeze(void)
{
    trace.state = FROZEN;
}

void disk_thaw(void)
{
    trace.state = ON;
}

bool disk_frozen(void)
{
    return trace.state == FROZEN;
}

size_t disk_steps(void)
{
    return trace.count;
}

const struct disk_step *disk_step_get(size_t step)
{
    return &trace.steps[step];
}

static struct disk_step *step_add(enum step_kind kind, size_t file)
{
    struct disk_step *s;

    trace.steps = mem_grow(trace.steps, &trace.cap, trace.count + 1, sizeof(*trace.steps));
    s = &trace.steps[trace.count++];
    *s = (struct disk_step){.kind = kind, .file = file};
    return s;
}

static size_t file_add(ino_t inode)
{
    trace.inodes = mem_grow(trace.inodes, &trace.file_cap, trace.file_count + 1, sizeof(*trace.inodes));
    trace.inodes[trace.file_count] = inode;
    return trace.file_count++;
}

size_t disk_adopt(int fd)
{
    struct stat st = {0};

    (void)fstat(fd, &st);
    return file_add(st.st_ino);
}

static size_t file_of(int fd)
{
    struct stat st;

    if (trace.state == OFF || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return NOWHERE;
    for (size_t i = trace.file_count; i-- > 0;)
        if (trace.inodes[i] == st.st_ino)
            return i;
    return NOWHERE;
}

/* FOLDERS when it is none of ours. */
static enum disk_folder folder_of(int fd)
{
    struct stat st, ours;

    if (trace.state == OFF || fstat(fd, &st) < 0 || !S_ISDIR(st.st_mode))
        return FOLDERS;
    for (size_t i = 0; i < FOLDERS; i++) {
        char *path CLEANUP_FREE = mem_printf("%s%s", trace.root, i == FOLDER_LOG ? "/log" : "");

        if (!trace.folders[i] && stat(path, &ours) == 0)
            trace.folders[i] = ours.st_ino;
        if (trace.folders[i] == st.st_ino)
            return (enum disk_folder)i;
    }
    return FOLDERS;
}

/* NULL outside the folder. Lock files are not looked at: who holds them is another in every run. */
static const char *name_of(const char *path)
{
    size_t len = trace.state == OFF ? 0 : strlen(trace.root);
    const char *name = len && !strncmp(path, trace.root, len) && path[len] == '/' ? path + len + 1 : NULL;

    return name && strcmp(name, "knarr.lock") != 0 && strcmp(name, "lock.mdb") != 0 ? name : NULL;
}

static void step_add_name(enum step_kind kind, size_t file, const char *from, const char *to)
{
    struct disk_step *s = step_add(kind, file);

    s->folder = strncmp(from, "log/", 4) == 0 ? FOLDER_LOG : FOLDER_ROOT;
    s->from = mem_strdup(from);
    s->to = to ? mem_strdup(to) : NULL;
}

/* ---- failing ---- */

static int fault(enum disk_call call, size_t *len)
{
    size_t none = 0;

    if (trace.state == FROZEN) {
        if (len)
            *len = 0;
        return EIO;
    }
    return disk_fault ? disk_fault(call, len ? len : &none) : 0;
}

static int failed(int number)
{
    errno = number;
    return -1;
}

/* ---- the calls ---- */

static int open_any(const char *path, int flags, mode_t mode)
{
    const char *name = name_of(path);
    bool fresh = name && (flags & O_CREAT) && (access(path, F_OK) < 0 || (flags & O_TRUNC));
    int number = name ? fault(DISK_OPEN, NULL) : 0;
    struct stat st;
    int fd;

    if (number)
        return failed(number);
    fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && fresh && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        step_add_name(STEP_CREATE, file_add(st.st_ino), name, NULL);
    return fd;
}

static ssize_t write_any(int fd, const void *data, size_t len, off_t at)
{
    size_t file = file_of(fd), wanted = len;
    int number = file == NOWHERE ? 0 : fault(DISK_WRITE, &len);
    ssize_t n;

    if (len < wanted) { /* sectors are whole */
        size_t end = ((size_t)at + len) / DISK_SECTOR * DISK_SECTOR;

        len = end > (size_t)at ? end - (size_t)at : 0;
        number = number || len ? number : EIO;
    }
    n = len || !number ? syscall(SYS_pwrite64, fd, data, len, at) : 0;

    if (n > 0 && file != NOWHERE) {
        struct disk_step *s = step_add(STEP_WRITE, file);

        s->offset = (uint64_t)at;
        s->data = slice_make(mem_dup(data, (size_t)n), (size_t)n);
        s->durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    }
    return number ? failed(number) : n;
}

static int size_any(int fd, uint64_t size, int rc)
{
    size_t file = file_of(fd);

    if (rc == 0 && file != NOWHERE)
        step_add(STEP_SIZE, file)->offset = size;
    return rc;
}

/* The folder is in memory: there is nothing to wait for. */
static int sync_any(int fd)
{
    size_t file = file_of(fd);
    enum disk_folder folder = file == NOWHERE ? folder_of(fd) : FOLDERS;
    int number = file != NOWHERE || folder != FOLDERS ? fault(DISK_SYNC, NULL) : 0;

    if (file != NOWHERE && trace.state == ON)
        (void)step_add(number ? STEP_SYNC_FAILED : STEP_SYNC, file);
    else if (folder != FOLDERS && !number)
        step_add(STEP_SYNC_FOLDER, 0)->folder = folder;
    return number ? failed(number) : 0;
}

#define OPEN(name)                                                                                                     \
    EXPORT int name(const char *path, int flags, ...);                                                                 \
    EXPORT int name(const char *path, int flags, ...)                                                                  \
    {                                                                                                                  \
        mode_t mode = 0;                                                                                               \
        va_list args;                                                                                                  \
                                                                                                                       \
        va_start(args, flags);                                                                                         \
        if (flags & O_CREAT)                                                                                           \
            mode = va_arg(args, mode_t);                                                                               \
        va_end(args);                                                                                                  \
        return open_any(path, flags, mode);                                                                            \
    }
#define PWRITE(name)                                                                                                   \
    EXPORT ssize_t name(int fd, const void *data, size_t len, off_t at);                                               \
    EXPORT ssize_t name(int fd, const void *data, size_t len, off_t at)                                                \
    {                                                                                                                  \
        return write_any(fd, data, len, at);                                                                           \
    }
#define PWRITEV(name)                                                                                                  \
    EXPORT ssize_t name(int fd, const struct iovec *parts, int count, off_t at);                                       \
    EXPORT ssize_t name(int fd, const struct iovec *parts, int count, off_t at)                                        \
    {                                                                                                                  \
        ssize_t done = 0;                                                                                              \
                                                                                                                       \
        for (int i = 0; i < count; i++) {                                                                              \
            ssize_t n = write_any(fd, parts[i].iov_base, parts[i].iov_len, at + done);                                 \
                                                                                                                       \
            if (n < 0)                                                                                                 \
                return done ? done : n;                                                                                \
            done += n;                                                                                                 \
            if ((size_t)n < parts[i].iov_len)                                                                          \
                break;                                                                                                 \
        }                                                                                                              \
        return done;                                                                                                   \
    }
#define FTRUNCATE(name)                                                                                                \
    EXPORT int name(int fd, off_t size);                                                                               \
    EXPORT int name(int fd, off_t size)                                                                                \
    {                                                                                                                  \
        int number = file_of(fd) == NOWHERE ? 0 : fault(DISK_SPACE, NULL);                                             \
                                                                                                                       \
        return number ? failed(number) : size_any(fd, (uint64_t)size, (int)syscall(SYS_ftruncate, fd, size));          \
    }
#define FALLOCATE(name)                                                                                                \
    EXPORT int name(int fd, off_t at, off_t len);                                                                      \
    EXPORT int name(int fd, off_t at, off_t len)                                                                       \
    {                                                                                                                  \
        int number = file_of(fd) == NOWHERE ? 0 : fault(DISK_SPACE, NULL);                                             \
                                                                                                                       \
        if (!number && syscall(SYS_fallocate, fd, 0, at, len) < 0)                                                     \
            number = errno;                                                                                            \
        return number ? number : size_any(fd, (uint64_t)(at + len), 0);                                                \
    }
#define SYNC(name)                                                                                                     \
    EXPORT int name(int fd);                                                                                           \
    EXPORT int name(int fd)                                                                                            \
    {                                                                                                                  \
        return sync_any(fd);                                                                                           \
    }

/* Each in both names that a program may be linked to. */
#undef open
#undef open64
#undef pwrite
#undef pwrite64
OPEN(open)
OPEN(open64)
PWRITE(pwrite)
PWRITE(pwrite64)
PWRITEV(pwritev)
PWRITEV(pwritev64)
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)
FALLOCATE(posix_fallocate)
FALLOCATE(posix_fallocate64)
SYNC(fdatasync)
SYNC(fsync)

/* LMDB seeks and writes runs of pages so. */
EXPORT ssize_t writev(int fd, const struct iovec *parts, int count)
{
    off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t n = at < 0 ? -1 : pwritev(fd, parts, count, at);

    if (at < 0)
        return syscall(SYS_writev, fd, parts, count);
    if (n > 0)
        (void)syscall(SYS_lseek, fd, at + n, SEEK_SET);
    return n;
}

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
    off_t at = file_of(fd) == NOWHERE ? -1 : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t n = at < 0 ? syscall(SYS_write, fd, data, len) : write_any(fd, data, len, at);

    if (n > 0 && at >= 0)
        (void)syscall(SYS_lseek, fd, at + n, SEEK_SET);
    return n;
}

EXPORT int rename(const char *from, const char *to)
{
    const char *old = name_of(from), *fresh = name_of(to);
    int number = old && fresh ? fault(DISK_RENAME, NULL) : 0;
    int rc = number ? failed(number) : (int)syscall(SYS_rename, from, to);

    if (rc == 0 && old && fresh)
        step_add_name(STEP_RENAME, 0, old, fresh);
    return rc;
}

EXPORT int unlink(const char *path)
{
    const char *name = name_of(path);
    int number = name ? fault(DISK_UNLINK, NULL) : 0;
    int rc = number ? failed(number) : (int)syscall(SYS_unlink, path);

    if (rc == 0 && name)
        step_add_name(STEP_UNLINK, 0, name, NULL);
    return rc;
}
