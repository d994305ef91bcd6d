/* SPDX-License-Identifier: Apache-2.0 */
/* A segment as a row of frames: what of it counts, walking over it, and places to start from. */
#include "store/store_segment.h"

#include <errno.h>
#include <unistd.h>

#include "store/crc32c.h"

/* ---- what counts ---- */

static uint32_t mark_bytes(const struct store_segment *s)
{
    return s->cleaned ? STORE_MARK_CLEANED : STORE_MARK_BYTES;
}

void store_segment_make_room(struct store_segment *s)
{
    free(s->marks);
    s->marks = mem_calloc(s->size / mark_bytes(s) + 2, sizeof(*s->marks));
}

static void mark_add(struct store_segment *s, const struct store_frame *frame, uint32_t offset)
{
    size_t count = atomic_load_explicit(&s->mark_count, memory_order_relaxed);

    if (count && offset - s->marks[count - 1].offset < mark_bytes(s))
        return;
    s->marks[count] = (struct store_mark){frame->first_revision, offset, frame->before};
    atomic_store_explicit(&s->mark_count, count + 1, memory_order_release);
}

void store_segment_commit(struct store_segment *s, const struct store_frame *frame)
{
    uint32_t offset = atomic_load_explicit(&s->end, memory_order_relaxed);

    mark_add(s, frame, offset);
    s->last = offset;
    s->before = frame->crc;
    atomic_store_explicit(&s->last_revision, frame->last_revision, memory_order_relaxed);
    atomic_store_explicit(&s->end, offset + STORE_FRAME_SIZE + frame->length, memory_order_release);
}

/* ---- reading ---- */

/* The frame at `offset`, when it follows the one with that CRC and ends before `end`. */
static bool frame_at(const struct store_segment *s, uint32_t offset, uint32_t before, size_t end,
                     struct store_frame *ret_frame, struct slice *ret_records)
{
    struct store_frame *f = ret_frame;

    if (offset + STORE_FRAME_SIZE > end || !store_frame_read(slice_make(s->map + offset, STORE_FRAME_SIZE), f) ||
        f->segment != s->id || f->before != before || f->length > end - offset - STORE_FRAME_SIZE)
        return false;
    *ret_records = slice_make(s->map + offset + STORE_FRAME_SIZE, f->length);
    return true;
}

int store_segment_walk(const struct store_segment *s, const struct store_mark *mark, store_frame_visit *fn, void *arg)
{
    uint32_t end = atomic_load_explicit(&s->end, memory_order_acquire);
    uint64_t last = atomic_load(&s->last_revision);
    uint32_t offset = mark->offset, before = mark->before;
    struct store_frame frame;
    struct slice records;

    while (frame_at(s, offset, before, end, &frame, &records)) {
        int rc;

        /* A failed append that is there after all, behind which the next one did not fit: it went to the next segment.
         */
        if (frame.first_revision > last)
            return 0;
        rc = fn(arg, &frame, offset, records);
        if (rc)
            return rc;
        offset += STORE_FRAME_SIZE + frame.length;
        before = frame.crc;
    }
    return 0;
}

/* ---- finding ---- */

static int mark_visit(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records)
{
    mark_add(arg, frame, offset);
    return 0;
}

static void segment_make_marks(struct store_segment *s)
{
    const struct store_mark head = {s->first_revision, STORE_SEGMENT_HEAD, 0};

    (void)pthread_mutex_lock(&s->lock);
    if (!atomic_load(&s->marked))
        (void)store_segment_walk(s, &head, mark_visit, s);
    atomic_store(&s->marked, true);
    (void)pthread_mutex_unlock(&s->lock);
}

struct store_mark store_segment_mark(struct store_segment *s, uint64_t revision)
{
    size_t low = 0, high;

    if (!atomic_load(&s->marked))
        segment_make_marks(s);
    high = atomic_load_explicit(&s->mark_count, memory_order_acquire);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (s->marks[middle].revision <= revision)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? s->marks[low - 1] : (struct store_mark){s->first_revision, STORE_SEGMENT_HEAD, 0};
}

/* ---- after opening ---- */

static int damaged(const struct store_segment *s, struct error *err)
{
    return error_set(err, ERROR_CORRUPT, "the log is damaged behind revision %llu (%s)",
                     (unsigned long long)atomic_load(&s->last_revision), s->path);
}

/* 1 = every record of it is whole, and they are those that it was written with; 0 = they are not. What is whole and
 * cannot be read is a negative error. */
static int frame_check(const struct store_segment *s, const struct store_frame *frame, struct slice records,
                       struct error *err)
{
    bool same = !frame->sum || frame->sum == crc32c(0, records);
    struct store_record record;
    uint32_t count = 0;
    ERROR_LOCAL(failure);
    int rc;

    while ((rc = store_records_next(&records, &record, &failure)) > 0)
        count++;
    if (rc == 0 && count == frame->count && same)
        return 1;
    return rc < 0 && store_record_is_sound(records) ? error_pass(err, &failure, "%s", s->path) : 0;
}

/* Is there a frame of this segment between `from` and `to`, which would come later than the one that begins at `end`?
 */
static bool frame_stands(const struct store_segment *s, size_t from, size_t to)
{
    uint64_t next = atomic_load(&s->last_revision) + 1;
    struct store_frame frame;

    for (size_t at = from; at < to; at += STORE_RECORD_ALIGN)
        if (store_frame_read(slice_make(s->map + at, s->size - at), &frame) && frame.segment == s->id &&
            frame.first_revision > next)
            return true;
    return false;
}

/* A frame is written only when the one before it is durable: with one behind the place where the log ends, what stood
 * in that place was acknowledged. (Nobody can put one there as a value: those have no NUL, and a frame has many.) Looks
 * only at what was ever written, so that it costs next to nothing after an orderly end. */
static bool frame_is_behind(const struct store_segment *s)
{
    off_t from = (off_t)atomic_load(&s->end) + STORE_RECORD_ALIGN, to;

    while (from < (off_t)s->size) {
        off_t data = lseek(s->fd, from, SEEK_DATA);

        if (data < 0 && errno == ENXIO)
            return false;
        to = data < 0 ? (off_t)s->size : lseek(s->fd, data, SEEK_HOLE);
        if (to < 0 || to > (off_t)s->size)
            to = (off_t)s->size;
        if (frame_stands(s, (size_t)(data > from ? data : from), (size_t)to))
            return true;
        from = to;
    }
    return false;
}

static int end_check(const struct store_segment *s, struct error *err)
{
    if (store_frame_is_newer(slice_make(s->map + s->end, s->size - s->end)))
        return error_set(err, ERROR_CORRUPT, "%s goes on in a format which a newer version of knarr wrote", s->path);
    return frame_is_behind(s) ? damaged(s, err) : 0;
}

int store_segment_scan(struct store_segment *s, uint64_t after, uint64_t until, store_frame_visit *fn, void *arg,
                       struct error *err)
{
    struct store_frame frame;
    struct slice records;

    atomic_store(&s->marked, true);
    while (frame_at(s, s->end, s->before, s->size, &frame, &records)) {
        int rc = 0;

        if (frame.first_revision != atomic_load(&s->last_revision) + 1 || frame.first_revision > until ||
            frame.last_revision < frame.first_revision)
            return 0;
        if (frame.last_revision > after) {
            rc = frame_check(s, &frame, records, err);
            if (rc == 0)
                return end_check(s, err);
            if (rc < 0)
                return rc;
            rc = fn(arg, &frame, s->end, records);
        }
        if (rc)
            return rc;
        store_segment_commit(s, &frame);
    }
    return end_check(s, err);
}

void store_segment_seal(struct store_segment *s, uint64_t last_revision)
{
    atomic_store(&s->last_revision, last_revision);
    atomic_store(&s->end, (uint32_t)s->size);
}

int store_records_next(struct slice *rest, struct store_record *ret_record, struct error *err)
{
    size_t size;

    if (!rest->len)
        return 0;
    if (store_record_read(*rest, ret_record, err) < 0)
        return -(int)ERROR_CORRUPT;
    /* Not store_record_size: a header with more fields than ours is longer. */
    size = store_record_padded((size_t)(ret_record->value.data + ret_record->value.len - rest->data));
    if (size > rest->len)
        return error_set(err, ERROR_CORRUPT, "a record is damaged: it ends behind its frame");
    *rest = slice_from(*rest, size);
    return 1;
}
