/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The codec of records. It trusts no byte: a length that does not fit, an unknown format or flag and a wrong checksum
 * are all refused before anything of the record is shown.
 */
#include "store/store_record.h"

#include <endian.h>

#include "store/crc32c.h"

enum {
    AT_FORMAT,
    AT_KIND,
    AT_FLAGS,
    AT_HEADER,
    AT_CRC,
    AT_REVISION = 8,
    AT_CREATE = 16,
    AT_TIME = 24,
    AT_KEY = 32,
    AT_META = 36
};

static void put_u32(char *to, uint32_t value)
{
    value = htole32(value);
    memcpy(to, &value, sizeof(value));
}

static void put_u64(char *to, uint64_t value)
{
    value = htole64(value);
    memcpy(to, &value, sizeof(value));
}

static uint32_t get_u32(const char *from)
{
    uint32_t value;

    memcpy(&value, from, sizeof(value));
    return le32toh(value);
}

static uint64_t get_u64(const char *from)
{
    uint64_t value;

    memcpy(&value, from, sizeof(value));
    return le64toh(value);
}

static char *put_bytes(char *to, struct slice bytes)
{
    if (bytes.len)
        memcpy(to, bytes.data, bytes.len);
    return to + bytes.len;
}

static uint32_t record_checksum(struct slice record, struct slice place)
{
    uint32_t crc = crc32c(0, place);

    crc = crc32c(crc, slice_make(record.data, AT_CRC));
    return crc32c(crc, slice_make(record.data + AT_REVISION, record.len - AT_REVISION));
}

size_t store_record_size(const struct store_record *record)
{
    return STORE_RECORD_HEADER + record->key.len + record->meta.len + record->value.len;
}

void store_record_write(char *to, const struct store_record *record, struct slice place)
{
    char *at = to + STORE_RECORD_HEADER;

    to[AT_FORMAT] = STORE_RECORD_FORMAT;
    to[AT_KIND] = (char)record->kind;
    to[AT_FLAGS] = 0;
    to[AT_HEADER] = STORE_RECORD_HEADER / 8;
    put_u64(to + AT_REVISION, record->revision);
    put_u64(to + AT_CREATE, record->create_revision);
    put_u64(to + AT_TIME, (uint64_t)record->time_ns);
    put_u32(to + AT_KEY, (uint32_t)record->key.len);
    put_u32(to + AT_META, (uint32_t)record->meta.len);
    at = put_bytes(at, record->key);
    at = put_bytes(at, record->meta);
    at = put_bytes(at, record->value);
    put_u32(to + AT_CRC, record_checksum(slice_make(to, (size_t)(at - to)), place));
}

int store_record_read(struct slice bytes, struct slice place, struct store_record *ret_record, struct error *err)
{
    const char *from = bytes.data;
    size_t header, key_len, meta_len;

    if (bytes.len < STORE_RECORD_HEADER)
        return error_set(err, ERROR_CORRUPT, "a record of %zu bytes is too short", bytes.len);
    if ((unsigned char)from[AT_FORMAT] > STORE_RECORD_FORMAT || from[AT_FLAGS])
        return error_set(err, ERROR_CORRUPT, "a record has format %u with flags %u, which a newer version wrote",
                         (unsigned char)from[AT_FORMAT], (unsigned char)from[AT_FLAGS]);
    header = (size_t)(unsigned char)from[AT_HEADER] * 8;
    key_len = get_u32(from + AT_KEY);
    meta_len = get_u32(from + AT_META);
    if (header < STORE_RECORD_HEADER || header > bytes.len || key_len > bytes.len - header ||
        meta_len > bytes.len - header - key_len || (unsigned char)from[AT_KIND] > STORE_EVENT_DELETE)
        return error_set(err, ERROR_CORRUPT, "a record is damaged: its lengths do not fit");
    if (get_u32(from + AT_CRC) != record_checksum(bytes, place))
        return error_set(err, ERROR_CORRUPT, "a record is damaged: its checksum is wrong");
    *ret_record = (struct store_record){
        .kind = (enum store_event_kind)from[AT_KIND],
        .revision = get_u64(from + AT_REVISION),
        .create_revision = get_u64(from + AT_CREATE),
        .time_ns = (int64_t)get_u64(from + AT_TIME),
        .key = slice_make(from + header, key_len),
        .meta = slice_make(from + header + key_len, meta_len),
        .value = slice_make(from + header + key_len + meta_len, bytes.len - header - key_len - meta_len),
    };
    return 0;
}
