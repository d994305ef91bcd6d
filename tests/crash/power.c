/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Power loss. This program defines the calls that change files itself (they are exported, so that LMDB's calls come
 * here too), passes them on to the kernel, and keeps a list of all of them while a store is written to. Then it makes
 * what a disk may hold when the power goes at any point of that list:
 *
 *   - what a file was told before its last fdatasync or fsync is there (O_DSYNC: before the write returned);
 *   - of every later write, some sectors of 512 bytes are there and some are not, each on its own, in no order;
 *   - of what happened to a folder after its last fsync, the first so-many steps are there and no others.
 *
 * Every such image must open, hold everything that was acknowledged before that point, hold no half of a transaction,
 * and have a log that leads to what is current.
 *
 *   power [IMAGES] [SEED]
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "store/store.h"

#define SECTOR       512
#define TRANSACTIONS 400
#define KEYS         12
#define EXPORT       __attribute__((visibility("default")))

/* ---- the list ---- */

enum step_kind { STEP_WRITE, STEP_SIZE, STEP_SYNC, STEP_CREATE, STEP_RENAME, STEP_UNLINK, STEP_SYNC_FOLDER };

struct step {
    enum step_kind kind;
    size_t file; /* WRITE, SIZE, SYNC, CREATE */
    bool durable;
    uint64_t offset; /* SIZE: the size */
    struct slice data;
    char *from; /* names relative to the store's folder: CREATE, RENAME, UNLINK */
    char *to;
};

static struct {
    bool on;
    char root[64];
    struct step *steps;
    size_t count;
    size_t cap;
    ino_t inodes[512]; /* of the files; the last one with an inode is meant */
    size_t file_count;
    uint64_t acked[TRANSACTIONS + 1]; /* step count at which the n-th transaction was acknowledged */
} trace;

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 11) % below;
}

static struct step *step_add(enum step_kind kind, size_t file)
{
    struct step *s;

    trace.steps = mem_grow(trace.steps, &trace.cap, trace.count + 1, sizeof(*trace.steps));
    s = &trace.steps[trace.count++];
    *s = (struct step){.kind = kind, .file = file};
    return s;
}

/* The file's number; SIZE_MAX for what is not in the store's folder. */
static size_t file_of(int fd)
{
    struct stat st;

    if (!trace.on || fstat(fd, &st) < 0)
        return SIZE_MAX;
    for (size_t i = trace.file_count; i-- > 0;)
        if (trace.inodes[i] == st.st_ino)
            return i;
    return SIZE_MAX;
}

/* NULL outside the store's folder. */
static const char *name_of(const char *path)
{
    size_t len = strlen(trace.root);

    return trace.on && !strncmp(path, trace.root, len) && path[len] == '/' ? path + len + 1 : NULL;
}

static void note_write(int fd, const void *data, size_t len, off_t at)
{
    size_t file = file_of(fd);
    struct step *s;

    if (file == SIZE_MAX)
        return;
    s = step_add(STEP_WRITE, file);
    s->offset = (uint64_t)at;
    s->data = slice_make(mem_dup(data, len), len);
    s->durable = (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
}

static void note_size(int fd, uint64_t size)
{
    size_t file = file_of(fd);

    if (file != SIZE_MAX)
        step_add(STEP_SIZE, file)->offset = size;
}

static void note_sync(int fd)
{
    struct stat st;
    size_t file = file_of(fd);

    if (file != SIZE_MAX)
        (void)step_add(STEP_SYNC, file);
    else if (trace.on && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        (void)step_add(STEP_SYNC_FOLDER, 0);
}

static int note_open(int fd, const char *path, bool fresh)
{
    const char *name = name_of(path);
    struct stat st;

    if (fd < 0 || !name || !fresh || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return fd;
    trace.inodes[trace.file_count] = st.st_ino;
    step_add(STEP_CREATE, trace.file_count++)->from = mem_strdup(name);
    return fd;
}

/* ---- the calls ---- */

static int open_any(const char *path, int flags, mode_t mode)
{
    bool fresh = (flags & O_CREAT) && (access(path, F_OK) < 0 || (flags & O_TRUNC));

    return note_open((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path, fresh);
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
        ssize_t n = syscall(SYS_pwrite64, fd, data, len, at);                                                          \
                                                                                                                       \
        if (n > 0)                                                                                                     \
            note_write(fd, data, (size_t)n, at);                                                                       \
        return n;                                                                                                      \
    }
#define PWRITEV(name)                                                                                                  \
    EXPORT ssize_t name(int fd, const struct iovec *parts, int count, off_t at);                                       \
    EXPORT ssize_t name(int fd, const struct iovec *parts, int count, off_t at)                                        \
    {                                                                                                                  \
        ssize_t done = 0;                                                                                              \
                                                                                                                       \
        for (int i = 0; i < count; i++) {                                                                              \
            ssize_t n = pwrite(fd, parts[i].iov_base, parts[i].iov_len, at + done);                                    \
                                                                                                                       \
            if (n < 0)                                                                                                 \
                return done ? done : n;                                                                                \
            done += n;                                                                                                 \
        }                                                                                                              \
        return done;                                                                                                   \
    }
#define FTRUNCATE(name)                                                                                                \
    EXPORT int name(int fd, off_t size);                                                                               \
    EXPORT int name(int fd, off_t size)                                                                                \
    {                                                                                                                  \
        int rc = (int)syscall(SYS_ftruncate, fd, size);                                                                \
                                                                                                                       \
        if (rc == 0)                                                                                                   \
            note_size(fd, (uint64_t)size);                                                                             \
        return rc;                                                                                                     \
    }
#define FALLOCATE(name)                                                                                                \
    EXPORT int name(int fd, off_t at, off_t len);                                                                      \
    EXPORT int name(int fd, off_t at, off_t len)                                                                       \
    {                                                                                                                  \
        if (syscall(SYS_fallocate, fd, 0, at, len) < 0)                                                                \
            return errno;                                                                                              \
        note_size(fd, (uint64_t)(at + len));                                                                           \
        return 0;                                                                                                      \
    }
#define SYNC(name, number)                                                                                             \
    EXPORT int name(int fd);                                                                                           \
    EXPORT int name(int fd)                                                                                            \
    {                                                                                                                  \
        note_sync(fd); /* the file is in memory: nothing to wait for */                                                \
        return 0;                                                                                                      \
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
SYNC(fdatasync, SYS_fdatasync)
SYNC(fsync, SYS_fsync)

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
    off_t at = (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    ssize_t n = syscall(SYS_write, fd, data, len);

    if (n > 0 && at >= 0)
        note_write(fd, data, (size_t)n, at);
    return n;
}

EXPORT int rename(const char *from, const char *to)
{
    int rc = (int)syscall(SYS_rename, from, to);

    if (rc == 0 && name_of(from) && name_of(to)) {
        struct step *s = step_add(STEP_RENAME, 0);

        s->from = mem_strdup(name_of(from));
        s->to = mem_strdup(name_of(to));
    }
    return rc;
}

EXPORT int unlink(const char *path)
{
    int rc = (int)syscall(SYS_unlink, path);

    if (rc == 0 && name_of(path))
        step_add(STEP_UNLINK, 0)->from = mem_strdup(name_of(path));
    return rc;
}

/* ---- the work ---- */

static void note_ack(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    uint64_t *at = arg;

    if (err) {
        (void)printf("writing: %s\n", error_text(err));
        _exit(1);
    }
    *at = trace.count;
}

static const struct store_options store_small = {.manual = true, .segment_bytes = 20 << 10, .checkpoint_count = 25};

/* Transaction n puts n under a key and its twin; now and then one is deleted instead, and the past is compacted. */
static void work(struct store *store)
{
    for (int n = 1; n <= TRANSACTIONS; n++) {
        char keys[2][16], *value CLEANUP_FREE = mem_printf("%d %0*d", n, n % 9 == 0 ? 3000 : 200, 0);
        struct store_operation operations[2];

        for (int i = 0; i < 2; i++)
            operations[i] = (struct store_operation){
                .kind = STORE_PUT,
                .key = slice_make(keys[i], (size_t)snprintf(keys[i], sizeof(keys[i]), "/%c/%d", "kt"[i], n % KEYS)),
                .value = slice_str(value)};
        store_commit(store, &(struct store_transaction){.operations = operations, .operation_count = 2}, note_ack,
                     &trace.acked[n]);
        (void)store_step(store);
        if (n % 40 == 0)
            store_compact(store, store_revision(store) - 10, NULL, NULL);
        for (uint64_t i = draw(4); i > 0; i--)
            (void)store_step(store);
    }
}

/* ---- images ---- */

struct file {
    struct buf durable;
    size_t *pending; /* steps that may or may not be there */
    size_t pending_count;
    size_t pending_cap;
};

static struct disk {
    struct file files[512];
    size_t *names; /* steps that changed the folder, since its last sync */
    size_t name_count;
    size_t name_cap;
    struct {
        char *name;
        size_t file;
    } durable[512];
    size_t durable_count;
} disk;

static void content_write(struct buf *content, const struct step *s, bool tear)
{
    size_t end = s->kind == STEP_SIZE ? s->offset : s->offset + s->data.len;

    if (content->len < end) {
        memset(buf_reserve(content, end - content->len), 0, end - content->len);
        content->len = end;
    }
    for (size_t at = 0; at < s->data.len; at += SECTOR) {
        size_t len = s->data.len - at < SECTOR ? s->data.len - at : SECTOR;

        if (!tear || draw(2))
            memcpy(content->data + s->offset + at, s->data.data + at, len);
    }
}

static void names_apply(const struct step *s, struct disk *d)
{
    size_t i = 0;

    while (i < d->durable_count && strcmp(d->durable[i].name, s->kind == STEP_RENAME ? s->to : s->from) != 0)
        i++;
    if (i < d->durable_count && s->kind != STEP_CREATE) { /* removed, or replaced */
        free(d->durable[i].name);
        d->durable[i] = d->durable[--d->durable_count];
    }
    if (s->kind == STEP_CREATE && i < d->durable_count) {
        d->durable[i].file = s->file;
    } else if (s->kind == STEP_CREATE) {
        d->durable[d->durable_count].name = mem_strdup(s->from);
        d->durable[d->durable_count++].file = s->file;
    }
    for (i = 0; s->kind == STEP_RENAME && i < d->durable_count; i++)
        if (!strcmp(d->durable[i].name, s->from)) {
            free(d->durable[i].name);
            d->durable[i].name = mem_strdup(s->to);
        }
}

/* What step `at` makes durable, and what it leaves in the balance. */
static void disk_step(size_t at)
{
    const struct step *s = &trace.steps[at];
    struct file *f = &disk.files[s->file];

    switch (s->kind) {
    case STEP_WRITE:
    case STEP_SIZE:
        if (s->durable) {
            content_write(&f->durable, s, false);
            return;
        }
        f->pending = mem_grow(f->pending, &f->pending_cap, f->pending_count + 1, sizeof(*f->pending));
        f->pending[f->pending_count++] = at;
        return;
    case STEP_SYNC:
        for (size_t i = 0; i < f->pending_count; i++)
            content_write(&f->durable, &trace.steps[f->pending[i]], false);
        f->pending_count = 0;
        return;
    case STEP_SYNC_FOLDER:
        for (size_t i = 0; i < disk.name_count; i++)
            names_apply(&trace.steps[disk.names[i]], &disk);
        disk.name_count = 0;
        return;
    default:
        disk.names = mem_grow(disk.names, &disk.name_cap, disk.name_count + 1, sizeof(*disk.names));
        disk.names[disk.name_count++] = at;
    }
}

static void image_file(const char *root, const char *name, const struct file *f)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", root, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    BUF_LOCAL(content);

    buf_append_slice(&content, buf_slice(&f->durable));
    for (size_t i = 0; i < f->pending_count; i++)
        if (draw(3))
            content_write(&content, &trace.steps[f->pending[i]], draw(2));
    if (fd < 0 || write(fd, content.data, content.len) != (ssize_t)content.len) {
        (void)printf("writing an image: %s\n", strerror(errno));
        _exit(1);
    }
    (void)close(fd);
}

static void image_make(const char *root)
{
    struct disk *d = mem_dup(&disk, sizeof(disk));
    size_t kept = draw(disk.name_count + 1);
    char *log CLEANUP_FREE = mem_printf("%s/log", root);

    for (size_t i = 0; i < d->durable_count; i++)
        d->durable[i].name = mem_strdup(d->durable[i].name);
    for (size_t i = 0; i < kept; i++)
        names_apply(&trace.steps[disk.names[i]], d);
    (void)mkdir(root, 0700);
    (void)mkdir(log, 0700);
    for (size_t i = 0; i < d->durable_count; i++) {
        image_file(root, d->durable[i].name, &d->files[d->durable[i].file]);
        free(d->durable[i].name);
    }
    free(d);
}

static void image_remove(const char *root)
{
    char *command CLEANUP_FREE = mem_printf("%s/log", root);

    for (int i = 0; i < 2; i++) {
        const char *folder = i ? root : command;

        for (unsigned id = 0; id < 64 && !i; id++) {
            char *path CLEANUP_FREE = mem_printf("%s/%08x", folder, id);

            (void)syscall(SYS_unlink, path);
        }
        for (size_t n = 0; n < 4; n++) {
            static const char *const names[] = {"new", "data.mdb", "lock.mdb", "knarr.lock"};
            char *path CLEANUP_FREE = mem_printf("%s/%s", folder, names[n]);

            (void)syscall(SYS_unlink, path);
        }
        (void)rmdir(folder);
    }
}

/* ---- checking ---- */

static int note_number(void *arg, const struct store_item *item)
{
    *(long *)arg = strtol(item->value.data, NULL, 10);
    return 0;
}

static long number_of(struct store *store, char prefix, int key)
{
    char *name CLEANUP_FREE = mem_printf("/%c/%d", prefix, key);
    long n = 0;

    (void)store_get(store, slice_str(name), note_number, &n, NULL, NULL);
    return n;
}

struct replay {
    long newest[KEYS];
    uint64_t revision;
    bool wrong;
};

static int replay_event(void *arg, const struct store_event *event)
{
    struct replay *r = arg;
    long n = strtol(event->value.data, NULL, 10);

    if (event->key.data[1] != 'k')
        return 0;
    r->wrong = r->wrong || event->revision != r->revision + 1 || (uint64_t)n + 1 != event->revision;
    r->newest[n % KEYS] = n;
    r->revision = event->revision;
    return 0;
}

/* Says what is wrong with the image; NULL = nothing. The caller frees. */
static char *image_check(const char *root, long acked)
{
    struct store_options options = store_small;
    struct replay replay = {.wrong = false};
    struct store *store;
    char *wrong = NULL;
    uint64_t revision;
    ERROR_LOCAL(err);

    options.path = root;
    if (store_open(&options, &store, &err) < 0)
        return mem_printf("it does not open: %s", error_text(&err));
    revision = store_revision(store);
    if (revision < (uint64_t)acked + 1)
        wrong = mem_printf("revision %llu, but %ld were acknowledged", (unsigned long long)revision, acked);
    for (int key = 0; key < KEYS && !wrong; key++) {
        long there = number_of(store, 'k', key), last = (long)revision - 1;

        while (last > 0 && last % KEYS != key)
            last--;
        if (there != (last > 0 ? last : 0) || there != number_of(store, 't', key))
            wrong = mem_printf("key %d is %ld, its twin %ld, at revision %llu", key, there, number_of(store, 't', key),
                               (unsigned long long)revision);
    }
    replay.revision = store_compacted(store);
    if (!wrong && store_read_log(store, SLICE_NONE, replay.revision, 0, 0, replay_event, &replay, NULL, &err) < 0)
        wrong = mem_printf("the log: %s", error_text(&err));
    if (!wrong && (replay.wrong || replay.revision != revision))
        wrong = mem_printf("the log ends at %llu of %llu", (unsigned long long)replay.revision,
                           (unsigned long long)revision);
    store_close(store);
    return wrong;
}

static int images_run(long images)
{
    char *root CLEANUP_FREE = mem_printf("%s-image", trace.root);
    long acked = 0, made = 0;

    for (size_t at = 0; at < trace.count; at++) {
        /* As many at each step as brings the sum to what was asked for. */
        long due = (long)((double)images * (double)(at + 1) / (double)trace.count);

        disk_step(at);
        while (acked < TRANSACTIONS && trace.acked[acked + 1] <= at + 1)
            acked++;
        for (; acked && made < due; made++) {
            char *wrong;
            uint64_t begin = seed;

            image_make(root);
            wrong = image_check(root, acked);
            if (wrong) {
                (void)printf("FAILED: after step %zu of %zu (seed %llu): %s; the image is in %s\n", at, trace.count,
                             (unsigned long long)begin, wrong, root);
                free(wrong);
                return 1;
            }
            image_remove(root);
        }
    }
    (void)printf("%ld images of %zu steps: all open, nothing acknowledged is missing\n", made, trace.count);
    return 0;
}

int main(int argc, char **argv)
{
    long images = argc > 1 ? atol(argv[1]) : 2000;
    struct store_options options = store_small;
    struct store *store;
    ERROR_LOCAL(err);
    int rc;

    seed = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)clock_wall_ns(clock_system()) | 1;
    (void)printf("seed %llu\n", (unsigned long long)seed);
    (void)snprintf(trace.root, sizeof(trace.root), "%s/knarr-power-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(trace.root))
        return 1;
    trace.on = true;
    options.path = trace.root;
    if (store_open(&options, &store, &err) < 0) {
        (void)printf("%s\n", error_text(&err));
        return 1;
    }
    work(store);
    trace.on = false;
    store_close(store);
    rc = images_run(images);
    image_remove(trace.root);
    return rc;
}
