/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record: one change of one key, as it lies in the log and, once the log forgets it, in the table `base`. Everything
 * that is ever said of a change stands in it, so that log and history and audit are one.
 *
 *      0  u32  CRC-32C of all that follows
 *      4  u32  length of the record, this header included, without padding
 *      8  u8   format of the record (2); a newer one is refused
 *      9  u8   kind of the change (enum store_event_kind)
 *     10  u8   flags: 1 = the value is compressed, 2 = it is encrypted; a set bit that we do not know is refused
 *     11  u8   length of this header in units of 8 bytes: fields may be added behind, readers skip what they don't know
 *     12  u8   class (enum store_class)
 *     13  u8   verb of the request that made it; 0 = none, else the caller's number
 *     14  u16  length of the key
 *     16  u64  revision
 *     24  u64  create revision of the key
 *     32  u64  revision of the key's version before; 0 = there was none
 *     40  i64  time of the change, nanoseconds since 1970
 *     48  u16  place among the operations of its transaction
 *     50  u16  how many those are
 *     52  u16  place of the version before among the operations of its transaction
 *     54  u16  length of the user's name
 *     56  u32  segment in which the version before lay when this was written (0 = none): a hint
 *     60  u32  where in it, in units of 8 bytes
 *     64  u32  length of the meta bytes
 *     68  u32  length of the value before compression
 *     72  u32  dictionary that it was compressed with; 0 = none
 *     76  u32  key that it was encrypted with; 0 = none
 *     80  16   id of the audit entry; zero = none
 *     96  u64  zero
 *    104  key, user, meta, value
 *
 * All numbers are little-endian. A deletion has no meta and no value. Where two records follow each other, the first is
 * padded with zeros to a multiple of 8 bytes.
 */
#ifndef KNARR_STORE_RECORD_H
#define KNARR_STORE_RECORD_H

#include "lib/bytes.h"
#include "lib/error.h"
#include "store/store.h"

#define STORE_RECORD_FORMAT 2
#define STORE_RECORD_HEADER 104
#define STORE_RECORD_ALIGN  8

/* Where a record lies in the log. segment 0 = nowhere. */
struct store_place {
    uint32_t segment;
    uint32_t offset; /* in units of STORE_RECORD_ALIGN bytes */
};

struct store_record {
    enum store_event_kind kind;
    enum store_class class;
    unsigned verb;
    uint64_t revision;
    uint64_t create_revision;
    uint64_t prev_revision;
    int64_t time_ns;
    unsigned index;
    unsigned count;
    unsigned prev_index;
    struct store_place prev;
    unsigned char audit[STORE_AUDIT_SIZE];
    struct slice key;
    struct slice user;
    struct slice meta;
    struct slice value;
};

size_t store_record_size(const struct store_record *record);
static inline size_t store_record_padded(size_t size)
{
    return (size + STORE_RECORD_ALIGN - 1) & ~(size_t)(STORE_RECORD_ALIGN - 1);
}
/* Writes store_record_size bytes to `to`, and zeros up to the padded size. */
void store_record_write(char *to, const struct store_record *record);
/* `bytes` may be longer than the record; the slices of *ret_record point into it. ERROR_CORRUPT when damaged or newer.
 */
int store_record_read(struct slice bytes, struct store_record *ret_record, struct error *err);
/* Whether it is as somebody wrote it, be it read by us or not. */
bool store_record_is_sound(struct slice bytes);

/*
 * Frame: what was made durable together, in front of its records.
 *
 *      0  u32  CRC-32C of the rest of the frame
 *      4  u32  magic
 *      8  u8   format (1), then three bytes of zero
 *     12  u32  length of the records behind it, padding included
 *     16  u32  id of the segment: what an earlier use of the same file left behind does not count
 *     20  u32  number of records
 *     24  u64  first revision
 *     32  u64  last revision
 *     40  u32  CRC of the frame before, 0 in front of the first of a segment: frames follow each other or do not count
 *     44  u32  CRC-32C of the records, so that none of another frame, which failed in the same place, passes for one of
 *              this; 0 = not known
 */
#define STORE_FRAME_SIZE 48
struct store_frame {
    uint32_t length;
    uint32_t segment;
    uint32_t count;
    uint64_t first_revision;
    uint64_t last_revision;
    uint32_t before;
    uint32_t sum; /* of the records; set by both functions, as is the next */
    uint32_t crc;
};
/* The records are behind it already. */
void store_frame_write(char *to, struct store_frame *frame);
/* False when there is no frame: the end of what was written. */
bool store_frame_read(struct slice bytes, struct store_frame *ret_frame);
/* Whether it is one that a newer version of us wrote. */
bool store_frame_is_newer(struct slice bytes);

#endif
