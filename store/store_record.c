/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of records and frames. It trusts no byte: a length that does not fit, an unknown format or flag and a wrong
 * checksum are all refused before anything of the record is shown.
 */
#include "store/store_record.h"

#include "store/crc32c.h"
#include "store/store_bytes.h"

#define FRAME_MAGIC  0x524e4b46u /* "FKNR" */
#define FRAME_FORMAT 1

enum {
    AT_CRC = 0,
    AT_LENGTH = 4,
    AT_FORMAT = 8,
    AT_KIND = 9,
    AT_FLAGS = 10,
    AT_HEADER = 11,
    AT_CLASS = 12,
    AT_VERB = 13,
    AT_KEY = 14,
    AT_REVISION = 16,
    AT_CREATE = 24,
    AT_PREV = 32,
    AT_TIME = 40,
    AT_INDEX = 48,
    AT_COUNT = 50,
    AT_PREV_INDEX = 52,
    AT_USER = 54,
    AT_PREV_SEGMENT = 56,
    AT_PREV_OFFSET = 60,
    AT_META = 64,
    AT_RAW = 68,
    AT_AUDIT = 80,
};

static char *put_bytes(char *to, struct slice bytes)
{
    if (bytes.len)
        memcpy(to, bytes.data, bytes.len);
    return to + bytes.len;
}

/* ---- records ---- */

size_t store_record_size(const struct store_record *r)
{
    return STORE_RECORD_HEADER + r->key.len + r->user.len + r->meta.len + r->value.len;
}

void store_record_write(char *to, const struct store_record *r)
{
    size_t size = store_record_size(r);
    char *at;

    memset(to, 0, STORE_RECORD_HEADER);
    put_u32(to + AT_LENGTH, (uint32_t)size);
    to[AT_FORMAT] = STORE_RECORD_FORMAT;
    to[AT_KIND] = (char)r->kind;
    to[AT_HEADER] = STORE_RECORD_HEADER / 8;
    to[AT_CLASS] = (char)r->class;
    to[AT_VERB] = (char)r->verb;
    put_u16(to + AT_KEY, (unsigned)r->key.len);
    put_u64(to + AT_REVISION, r->revision);
    put_u64(to + AT_CREATE, r->create_revision);
    put_u64(to + AT_PREV, r->prev_revision);
    put_u64(to + AT_TIME, (uint64_t)r->time_ns);
    put_u16(to + AT_INDEX, r->index);
    put_u16(to + AT_COUNT, r->count);
    put_u16(to + AT_PREV_INDEX, r->prev_index);
    put_u16(to + AT_USER, (unsigned)r->user.len);
    put_u32(to + AT_PREV_SEGMENT, r->prev.segment);
    put_u32(to + AT_PREV_OFFSET, r->prev.offset);
    put_u32(to + AT_META, (uint32_t)r->meta.len);
    put_u32(to + AT_RAW, (uint32_t)r->value.len);
    memcpy(to + AT_AUDIT, r->audit, sizeof(r->audit));
    at = put_bytes(to + STORE_RECORD_HEADER, r->key);
    at = put_bytes(at, r->user);
    at = put_bytes(at, r->meta);
    at = put_bytes(at, r->value);
    memset(at, 0, store_record_padded(size) - size);
    put_u32(to + AT_CRC, crc32c(0, slice_make(to + AT_LENGTH, size - AT_LENGTH)));
}

static int record_damaged(struct error *err, const char *what)
{
    return error_set(err, ERROR_CORRUPT, "a record is damaged: %s", what);
}

/* The record without its padding and what lies behind it; its lengths fit and its checksum is right. */
static int record_cut(struct slice bytes, struct slice *ret_record, struct error *err)
{
    const char *from = bytes.data;
    size_t size, header, fixed;

    if (bytes.len < STORE_RECORD_HEADER)
        return record_damaged(err, "it is too short");
    size = get_u32(from + AT_LENGTH);
    header = (size_t)(unsigned char)from[AT_HEADER] * 8;
    fixed = header + get_u16(from + AT_KEY) + get_u16(from + AT_USER);
    if (size > bytes.len || header < STORE_RECORD_HEADER || fixed > size || get_u32(from + AT_META) > size - fixed)
        return record_damaged(err, "its lengths do not fit");
    if (get_u32(from + AT_CRC) != crc32c(0, slice_make(from + AT_LENGTH, size - AT_LENGTH)))
        return record_damaged(err, "its checksum is wrong");
    *ret_record = slice_make(from, size);
    return 0;
}

bool store_record_is_sound(struct slice bytes)
{
    struct slice record;

    return record_cut(bytes, &record, NULL) == 0;
}

static int record_check(struct slice bytes, struct slice *ret_record, struct error *err)
{
    const char *from = bytes.data;

    if (record_cut(bytes, ret_record, err) < 0)
        return -(int)ERROR_CORRUPT;
    if ((unsigned char)from[AT_FORMAT] > STORE_RECORD_FORMAT || from[AT_FLAGS])
        return error_set(err, ERROR_CORRUPT, "a record has format %u with flags %u, which a newer version wrote",
                         (unsigned char)from[AT_FORMAT], (unsigned char)from[AT_FLAGS]);
    if ((unsigned char)from[AT_KIND] > STORE_EVENT_DELETE || (unsigned char)from[AT_CLASS] >= STORE_CLASSES)
        return record_damaged(err, "it is of no known kind");
    return 0;
}

int store_record_read(struct slice bytes, struct store_record *ret_record, struct error *err)
{
    struct slice all = SLICE_NONE;
    const char *from, *at;
    struct store_record *r = ret_record;

    if (record_check(bytes, &all, err) < 0)
        return -(int)ERROR_CORRUPT;
    from = all.data;
    at = from + (size_t)(unsigned char)from[AT_HEADER] * 8;
    *r = (struct store_record){
        .kind = (enum store_event_kind)from[AT_KIND],
        .class = (enum store_class)from[AT_CLASS],
        .verb = (unsigned char)from[AT_VERB],
        .revision = get_u64(from + AT_REVISION),
        .create_revision = get_u64(from + AT_CREATE),
        .prev_revision = get_u64(from + AT_PREV),
        .time_ns = (int64_t)get_u64(from + AT_TIME),
        .index = get_u16(from + AT_INDEX),
        .count = get_u16(from + AT_COUNT),
        .prev_index = get_u16(from + AT_PREV_INDEX),
        .prev = {get_u32(from + AT_PREV_SEGMENT), get_u32(from + AT_PREV_OFFSET)},
    };
    memcpy(r->audit, from + AT_AUDIT, sizeof(r->audit));
    r->key = slice_make(at, get_u16(from + AT_KEY));
    r->user = slice_make(r->key.data + r->key.len, get_u16(from + AT_USER));
    r->meta = slice_make(r->user.data + r->user.len, get_u32(from + AT_META));
    r->value = slice_make(r->meta.data + r->meta.len, (size_t)(from + all.len - (r->meta.data + r->meta.len)));
    return 0;
}

/* ---- frames ---- */

void store_frame_write(char *to, struct store_frame *f)
{
    memset(to, 0, STORE_FRAME_SIZE);
    put_u32(to + 4, FRAME_MAGIC);
    to[8] = FRAME_FORMAT;
    put_u32(to + 12, f->length);
    put_u32(to + 16, f->segment);
    put_u32(to + 20, f->count);
    put_u64(to + 24, f->first_revision);
    put_u64(to + 32, f->last_revision);
    put_u32(to + 40, f->before);
    f->sum = crc32c(0, slice_make(to + STORE_FRAME_SIZE, f->length));
    put_u32(to + 44, f->sum);
    f->crc = crc32c(0, slice_make(to + 4, STORE_FRAME_SIZE - 4));
    put_u32(to, f->crc);
}

static bool frame_is_sound(struct slice bytes)
{
    return bytes.len >= STORE_FRAME_SIZE && get_u32(bytes.data + 4) == FRAME_MAGIC &&
           get_u32(bytes.data) == crc32c(0, slice_make(bytes.data + 4, STORE_FRAME_SIZE - 4));
}

bool store_frame_is_newer(struct slice bytes)
{
    return frame_is_sound(bytes) && (unsigned char)bytes.data[8] > FRAME_FORMAT;
}

bool store_frame_read(struct slice bytes, struct store_frame *ret_frame)
{
    const char *from = bytes.data;

    if (!frame_is_sound(bytes) || from[8] != FRAME_FORMAT)
        return false;
    *ret_frame = (struct store_frame){
        .length = get_u32(from + 12),
        .segment = get_u32(from + 16),
        .count = get_u32(from + 20),
        .first_revision = get_u64(from + 24),
        .last_revision = get_u64(from + 32),
        .before = get_u32(from + 40),
        .sum = get_u32(from + 44),
        .crc = get_u32(from),
    };
    return true;
}
