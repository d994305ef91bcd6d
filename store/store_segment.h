/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segment: one file of the log. It is made at its full size, filled from the front with frames (store_record.h), and
 * read through a map. The file's name is its id in hexadecimal.
 *
 *      0  "KNARRLOG"      8  u32 format          12  u32 id      16  u64 first revision that may stand in it
 *     24  u32 size in bytes / 4096               28  u32 CRC-32C of bytes 0 to 28          then zeros up to
 *     STORE_SEGMENT_HEAD, where the first frame is
 *
 * In format 1 every change stands. In format 2, a cleaned segment, records of the classes window and none were taken
 * out (store_clean.c); its last record stays, whatever its class, to say until when it reaches. Frames follow each
 * other in their revisions all the same; those of which nothing is left belong to the frame they would stand in.
 *
 *     prepared (first revision 0) --store_segment_start--> begun, in memory --first append--> begun, on disk
 *
 * All that takes long is done when it is prepared. The head that says where it begins goes to the disk with the first
 * frame: until then nothing in it counts, and it is found again as prepared.
 *
 * One thread appends; any thread that holds a reference reads what is below `end`.
 */
#ifndef KNARR_STORE_SEGMENT_H
#define KNARR_STORE_SEGMENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "store/store_record.h"

#define STORE_SEGMENT_HEAD   4096
#define STORE_SEGMENT_FORMAT 2           /* the newest */
#define STORE_MARK_BYTES     (64u << 10) /* a place to start looking, so often */
#define STORE_MARK_CLEANED   (4u << 10)  /* likewise, where every record has to be looked for */

/* A frame that is known to begin here. */
struct store_mark {
    uint64_t revision; /* its first */
    uint32_t offset;   /* bytes */
    uint32_t before;   /* CRC of the frame before it */
};

struct store_segment {
    int refs; /* atomic */
    uint32_t id;
    uint64_t first_revision;
    size_t size;
    int fd;
    const char *map;
    char *path;
    bool unlink;  /* remove the file with the last reference */
    bool cleaned; /* format 2: no place in it is known but by its marks */

    /* The appender's own. */
    uint32_t before; /* CRC of the last frame */
    uint32_t last;   /* where it begins; 0 = there is none */
    bool head_due;   /* the head is not on the disk yet */
    /* The keeper's own. */
    bool settled;         /* there is nothing to clean */
    int64_t last_time_ns; /* when its last record was made; 0 = not known yet */

    _Atomic uint32_t end;           /* bytes that hold durable frames */
    _Atomic uint64_t last_revision; /* in it; first_revision - 1 = nothing */
    struct store_mark *marks;       /* room for all that can be; the first `mark_count` never change */
    _Atomic size_t mark_count;
    pthread_mutex_t lock; /* while marks of a sealed segment are made */
    _Atomic bool marked;
};

/* Makes log/ID of that size, durable with its entry in the folder, to be begun later. ERROR_NO_SPACE, ERROR_IO. */
int store_segment_prepare(const char *folder, uint32_t id, size_t size, struct store_segment **ret_segment,
                          struct error *err);
bool store_segment_is_prepared(const struct store_segment *segment);
/* Makes a prepared one longer; after a failure it is as it was. ERROR_NO_SPACE, ERROR_IO. */
int store_segment_enlarge(struct store_segment *segment, size_t size, struct error *err);
/* Begins a prepared one. Touches no disk. */
void store_segment_start(struct store_segment *segment, uint64_t first_revision);
/* The same on the disk, when another is to be begun although nothing could be appended to this one. */
int store_segment_settle(struct store_segment *segment, struct error *err);
/* Opens one, prepared (then what a failed append left in it is wiped out) or begun, for reading and for going on; `end`
 * is at the head until store_segment_scan has moved it. ERROR_CORRUPT when its head is damaged or newer. */
int store_segment_open(const char *folder, uint32_t id, struct store_segment **ret_segment, struct error *err);
/* Puts a cleaned segment in the place of `from`, durable: the same id and revisions, these frames. Both stay usable. */
int store_segment_replace(const struct store_segment *from, const char *folder, struct slice frames,
                          struct store_segment **ret_segment, struct error *err);
/* What an interrupted preparation or replacement left. */
void store_segment_remove_rest(const char *folder);
struct store_segment *store_segment_ref(struct store_segment *segment);
void store_segment_unref(struct store_segment *segment); /* NULL is allowed */

/* Bytes that a frame with its records may still have. */
size_t store_segment_room(const struct store_segment *segment);
/* Makes `length` bytes at `bytes`, which begin with room for a frame, durable behind what is there. Until
 * store_segment_commit they do not count: after a failure the next append writes over them. */
int store_segment_append(struct store_segment *segment, char *bytes, size_t length, struct store_frame *frame,
                         struct error *err);
void store_segment_commit(struct store_segment *segment, const struct store_frame *frame);

/* -- store_segment_frames.c, with store_segment_commit -- */
/* Makes room for all marks that it can have; it has none yet. */
void store_segment_make_room(struct store_segment *segment);

/* Walks over frames from `mark` on, up to the end of what counts; `frame` and `records` of each to fn, until it returns
 * other than 0, which is then returned. */
typedef int store_frame_visit(void *arg, const struct store_frame *frame, uint32_t offset, struct slice records);
int store_segment_walk(const struct store_segment *segment, const struct store_mark *mark, store_frame_visit *fn,
                       void *arg);
/* The last mark at or before the frame that holds `revision`. */
struct store_mark store_segment_mark(struct store_segment *segment, uint64_t revision);
/* After opening the newest ones: finds the frames that are whole and moves `end` behind the last. fn sees those that
 * hold revisions after `after`; of the others only the frame is looked at. What begins after `until` does not count. A
 * torn frame with nothing behind it ends the walk; fn returning other than 0 too, which is then returned. ERROR_CORRUPT
 * when there is more that should count. */
int store_segment_scan(struct store_segment *segment, uint64_t after, uint64_t until, store_frame_visit *fn, void *arg,
                       struct error *err);
/* After the scan of the newest one: its last frame may be one whose append was cut short or failed. What can be read of
 * it is not on the disk then, and after a failed sync nothing writes it by itself: it is written again, and the head as
 * well. ERROR_IO. */
int store_segment_rewrite_last(struct store_segment *segment, struct error *err);
/* After opening an older one, which is known to be whole: its places are found when somebody looks for them. */
void store_segment_seal(struct store_segment *segment, uint64_t last_revision);

/* One record out of the records of a frame: takes it off the front of *rest. Returns 1, 0 at the end, or ERROR_CORRUPT.
 */
int store_records_next(struct slice *rest, struct store_record *ret_record, struct error *err);

#endif
