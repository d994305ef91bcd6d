/* SPDX-License-Identifier: Apache-2.0 */
#include "api/protobuf_write.h"

void protobuf_write_varint(struct buf *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buf_append_byte(out, (char)(value | 0x80));
    buf_append_byte(out, (char)value);
}

void protobuf_write_tag(struct buf *out, uint32_t number, enum wire_type type)
{
    protobuf_write_varint(out, (uint64_t)number << 3 | type);
}

void protobuf_write_bytes(struct buf *out, uint32_t number, struct slice bytes)
{
    protobuf_write_tag(out, number, WIRE_BYTES);
    protobuf_write_varint(out, bytes.len);
    buf_append_slice(out, bytes);
}

void protobuf_write_int(struct buf *out, uint32_t number, int64_t value)
{
    protobuf_write_tag(out, number, WIRE_VARINT);
    protobuf_write_varint(out, (uint64_t)value);
}

void protobuf_write_double(struct buf *out, uint32_t number, double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    protobuf_write_tag(out, number, WIRE_FIXED64);
    for (int i = 0; i < 8; i++, bits >>= 8)
        buf_append_byte(out, (char)bits);
}
