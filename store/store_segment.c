/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_segment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/failpoint.h"
#include "lib/folder.h"
#include "store/crc32c.h"
#include "store/store_bytes.h"

static const char MAGIC[8] = {'K', 'N', 'A', 'R', 'R', 'L', 'O', 'G'};

enum { AT_FORMAT = 8, AT_ID = 12, AT_FIRST = 16, AT_PAGES = 24, AT_CRC = 28, HEAD_FIXED = 32 };
enum { FORMAT_WHOLE = 1, FORMAT_CLEANED = 2 };

/* Of files while they are made. */
#define SIZE_MOST ((size_t)1 << 30) /* of any: a batch is far smaller */

#define NEW_NAME   "new"
#define CLEAN_NAME "clean"

static int disk_error(struct error *err, int number, const char *what, const char *path)
{
    if (number == ENOSPC || number == EDQUOT)
        return error_set(err, ERROR_NO_SPACE, "database space exceeded: the disk is full (%s %s)", what, path);
    return error_set_errno(err, number, "%s %s", what, path);
}

/* ---- the head ---- */

static void head_write(char head[STORE_SEGMENT_HEAD], const struct store_segment *s)
{
    memset(head, 0, STORE_SEGMENT_HEAD);
    memcpy(head, MAGIC, sizeof(MAGIC));
    put_u32(head + AT_FORMAT, s->cleaned ? FORMAT_CLEANED : FORMAT_WHOLE);
    put_u32(head + AT_ID, s->id);
    put_u64(head + AT_FIRST, s->first_revision);
    put_u32(head + AT_PAGES, (uint32_t)(s->size / 4096));
    put_u32(head + AT_CRC, crc32c(0, slice_make(head, AT_CRC)));
}

static int head_read(struct store_segment *s, struct error *err)
{
    char head[HEAD_FIXED];
    ssize_t n = pread(s->fd, head, sizeof(head), 0);

    if (n < 0)
        return disk_error(err, errno, "reading", s->path);
    if ((size_t)n < sizeof(head) || memcmp(head, MAGIC, sizeof(MAGIC)) != 0)
        return error_set(err, ERROR_CORRUPT, "%s is not a log of ours", s->path);
    if (get_u32(head + AT_CRC) != crc32c(0, slice_make(head, AT_CRC)))
        return error_set(err, ERROR_CORRUPT, "the head of %s is damaged", s->path);
    if (get_u32(head + AT_FORMAT) > STORE_SEGMENT_FORMAT)
        return error_set(err, ERROR_CORRUPT, "%s has format %u, which a newer version of knarr wrote", s->path,
                         get_u32(head + AT_FORMAT));
    if (get_u32(head + AT_PAGES) > SIZE_MOST / 4096)
        return error_set(err, ERROR_CORRUPT, "%s says that it is larger than any", s->path);
    if (get_u32(head + AT_ID) != s->id)
        return error_set(err, ERROR_CORRUPT, "%s says that it is segment %08x", s->path, get_u32(head + AT_ID));
    s->cleaned = get_u32(head + AT_FORMAT) == FORMAT_CLEANED;
    s->first_revision = get_u64(head + AT_FIRST);
    s->size = (size_t)get_u32(head + AT_PAGES) * 4096;
    return 0;
}

/* ---- life ---- */

static struct store_segment *segment_new(const char *folder, uint32_t id)
{
    struct store_segment *s = mem_zalloc(sizeof(*s));

    s->refs = 1;
    s->id = id;
    s->fd = -1;
    s->path = mem_printf("%s/%08x", folder, id);
    (void)pthread_mutex_init(&s->lock, NULL);
    return s;
}

static void segment_free(struct store_segment *s)
{
    if (s->map)
        (void)munmap((void *)(uintptr_t)s->map, s->size);
    if (s->fd >= 0)
        (void)close(s->fd);
    if (s->unlink) {
        (void)unlink(s->path);
        FAILPOINT(segment_gone);
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s->marks);
    free(s->path);
    free(s);
}

struct store_segment *store_segment_ref(struct store_segment *s)
{
    (void)__atomic_add_fetch(&s->refs, 1, __ATOMIC_RELAXED);
    return s;
}

void store_segment_unref(struct store_segment *s)
{
    if (s && __atomic_sub_fetch(&s->refs, 1, __ATOMIC_ACQ_REL) == 0)
        segment_free(s);
}

/* Maps it and makes what is kept in memory. */
static int segment_begin(struct store_segment *s, struct error *err)
{
    void *map = mmap(NULL, s->size, PROT_READ, MAP_SHARED, s->fd, 0);

    if (map == MAP_FAILED)
        return disk_error(err, errno, "mapping", s->path);
    s->map = map;
    store_segment_make_room(s);
    atomic_store(&s->end, STORE_SEGMENT_HEAD);
    atomic_store(&s->last_revision, s->first_revision ? s->first_revision - 1 : 0);
    return 0;
}

static int write_whole(int fd, const char *path, struct slice bytes, off_t at, struct error *err)
{
    while (bytes.len) {
        ssize_t n = pwrite(fd, bytes.data, bytes.len, at);

        if (n <= 0 && errno != EINTR)
            return disk_error(err, n ? errno : EIO, "writing", path);
        if (n > 0) {
            bytes = slice_from(bytes, (size_t)n);
            at += n;
        }
    }
    return 0;
}

static int names_sync(const char *folder, struct error *err)
{
    int rc = folder_sync(folder, err);

    return rc == -(int)ERROR_NO_SPACE ? error_wrap(err, "database space exceeded") : rc;
}

/* Space is set aside, so that appending cannot run out of it. */
static int segment_fill(struct store_segment *s, const char *path, struct error *err)
{
    char head[STORE_SEGMENT_HEAD];
    int rc;

    s->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return disk_error(err, errno, "making", path);
    rc = posix_fallocate(s->fd, 0, (off_t)s->size);
    if (rc)
        return disk_error(err, rc, "making", path);
    head_write(head, s);
    if (write_whole(s->fd, path, slice_make(head, sizeof(head)), 0, err) < 0)
        return -err->code;
    if (fsync(s->fd) < 0)
        return disk_error(err, errno, "syncing", path);
    if (rename(path, s->path) < 0)
        return disk_error(err, errno, "making", s->path);
    FAILPOINT(segment_named);
    return 0;
}

static size_t whole_pages(size_t size)
{
    return (size + 4095) & ~(size_t)4095;
}

int store_segment_prepare(const char *folder, uint32_t id, size_t size, struct store_segment **ret_segment,
                          struct error *err)
{
    struct store_segment *s = segment_new(folder, id);
    char *fresh CLEANUP_FREE = mem_printf("%s/%s", folder, NEW_NAME);

    s->size = whole_pages(size);
    if (segment_fill(s, fresh, err) < 0 || names_sync(folder, err) < 0 || segment_begin(s, err) < 0) {
        (void)unlink(fresh);
        segment_free(s);
        return -(int)err->code;
    }
    FAILPOINT(segment_prepared);
    *ret_segment = s;
    return 0;
}

bool store_segment_is_prepared(const struct store_segment *s)
{
    return s->first_revision == 0;
}

int store_segment_enlarge(struct store_segment *s, size_t size, struct error *err)
{
    size_t whole = whole_pages(size);
    int rc = posix_fallocate(s->fd, 0, (off_t)whole);
    void *map;

    if (rc)
        return disk_error(err, rc, "enlarging", s->path);
    /* Before the head says so: it could be on the disk, and the end not. */
    if (fdatasync(s->fd) < 0)
        return disk_error(err, errno, "syncing", s->path);
    map = mmap(NULL, whole, PROT_READ, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED)
        return disk_error(err, errno, "mapping", s->path);
    (void)munmap((void *)(uintptr_t)s->map, s->size);
    s->map = map;
    s->size = whole;
    store_segment_make_room(s);
    return 0;
}

void store_segment_start(struct store_segment *s, uint64_t first_revision)
{
    s->first_revision = first_revision;
    s->head_due = true;
    atomic_store(&s->last_revision, first_revision - 1);
    atomic_store(&s->marked, true);
}

/* A frame that was written, but not the head: it never counted, and must not when the segment is begun. */
static int segment_wipe(struct store_segment *s, struct error *err)
{
    static const char zeros[STORE_FRAME_SIZE];

    if (write_whole(s->fd, s->path, slice_make(zeros, sizeof(zeros)), STORE_SEGMENT_HEAD, err) < 0)
        return -(int)err->code;
    return fdatasync(s->fd) < 0 ? disk_error(err, errno, "syncing", s->path) : 0;
}

int store_segment_open(const char *folder, uint32_t id, struct store_segment **ret_segment, struct error *err)
{
    struct store_segment *s = segment_new(folder, id);
    struct stat file;
    int rc = 0;

    s->fd = open(s->path, O_RDWR | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &file) < 0)
        rc = disk_error(err, errno, "opening", s->path);
    if (rc == 0)
        rc = head_read(s, err);
    if (rc == 0 && ((size_t)file.st_size < s->size || s->size < STORE_SEGMENT_HEAD + STORE_FRAME_SIZE))
        rc = error_set(err, ERROR_CORRUPT, "%s has lost its end", s->path);
    if (rc == 0)
        rc = segment_begin(s, err);
    if (rc == 0 && store_segment_is_prepared(s))
        rc = segment_wipe(s, err);
    if (rc < 0) {
        segment_free(s);
        return rc;
    }
    /* There may be many, and nothing is appended to them. */
    if (s->cleaned) {
        (void)close(s->fd);
        s->fd = -1;
    }
    *ret_segment = s;
    return 0;
}

/* ---- cleaning ---- */

/* The file under a name that does not count. */
static int clean_write(const struct store_segment *s, const char *path, struct slice frames, struct error *err)
{
    char head[STORE_SEGMENT_HEAD];
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int rc = fd < 0 ? disk_error(err, errno, "making", path) : 0;

    head_write(head, s);
    if (rc == 0)
        rc = write_whole(fd, path, slice_make(head, sizeof(head)), 0, err);
    if (rc == 0)
        rc = write_whole(fd, path, frames, STORE_SEGMENT_HEAD, err);
    if (rc == 0 && (ftruncate(fd, (off_t)s->size) < 0 || fsync(fd) < 0))
        rc = disk_error(err, errno, "writing", path);
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

int store_segment_replace(const struct store_segment *from, const char *folder, struct slice frames,
                          struct store_segment **ret_segment, struct error *err)
{
    const struct store_segment fresh = {.id = from->id,
                                        .first_revision = from->first_revision,
                                        .size = (STORE_SEGMENT_HEAD + frames.len + 4095) & ~(size_t)4095,
                                        .cleaned = true};
    char *path CLEANUP_FREE = mem_printf("%s/%s", folder, CLEAN_NAME);

    if (clean_write(&fresh, path, frames, err) < 0) {
        (void)unlink(path);
        return -err->code;
    }
    FAILPOINT(clean_written);
    if (rename(path, from->path) < 0)
        return disk_error(err, errno, "making", from->path);
    FAILPOINT(clean_named);
    if (names_sync(folder, err) < 0 || store_segment_open(folder, from->id, ret_segment, err) < 0)
        return -err->code;
    store_segment_seal(*ret_segment, atomic_load(&from->last_revision));
    return 0;
}

void store_segment_remove_rest(const char *folder)
{
    static const char *const names[] = {CLEAN_NAME, NEW_NAME};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", folder, names[i]);

        (void)unlink(path);
    }
}

/* ---- writing ---- */

size_t store_segment_room(const struct store_segment *s)
{
    return s->size - atomic_load_explicit(&s->end, memory_order_relaxed);
}

static int head_put(struct store_segment *s, struct error *err)
{
    char head[STORE_SEGMENT_HEAD];

    head_write(head, s);
    return write_whole(s->fd, s->path, slice_make(head, HEAD_FIXED), 0, err);
}

/* The head too, when it is not on the disk yet. */
static int segment_write(struct store_segment *s, struct slice bytes, size_t at, struct error *err)
{
    if (write_whole(s->fd, s->path, bytes, (off_t)at, err) < 0 || (s->head_due && head_put(s, err) < 0))
        return -err->code;
    FAILPOINT(append_written);
    if (fdatasync(s->fd) < 0)
        return disk_error(err, errno, "syncing", s->path);
    if (s->head_due)
        FAILPOINT(segment_begun);
    s->head_due = false;
    return 0;
}

int store_segment_settle(struct store_segment *s, struct error *err)
{
    return s->head_due ? segment_write(s, SLICE_NONE, 0, err) : 0;
}

int store_segment_append(struct store_segment *s, char *bytes, size_t length, struct store_frame *frame,
                         struct error *err)
{
    frame->length = (uint32_t)(length - STORE_FRAME_SIZE);
    frame->segment = s->id;
    frame->before = s->before;
    store_frame_write(bytes, frame);
    return segment_write(s, slice_make(bytes, length), atomic_load_explicit(&s->end, memory_order_relaxed), err);
}

int store_segment_rewrite_last(struct store_segment *s, struct error *err)
{
    size_t length = s->last ? atomic_load(&s->end) - s->last : 0;
    char *bytes CLEANUP_FREE = mem_dup(s->map + s->last, length);

    s->head_due = true;
    return segment_write(s, slice_make(bytes, length), s->last, err);
}
