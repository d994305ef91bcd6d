/* SPDX-License-Identifier: Apache-2.0 */
/* Protobuf's wire format, written: what the object codec and the OpenAPI v2 document share. Private to api/. */
#ifndef KNARR_API_PROTOBUF_WRITE_H
#define KNARR_API_PROTOBUF_WRITE_H

#include "lib/bytes.h"

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

void protobuf_write_varint(struct buf *out, uint64_t value);
void protobuf_write_tag(struct buf *out, uint32_t number, enum wire_type type);
/* A field of each kind, tag included. Negative integers take ten bytes, as int64 does. */
void protobuf_write_bytes(struct buf *out, uint32_t number, struct slice bytes);
void protobuf_write_int(struct buf *out, uint32_t number, int64_t value);
void protobuf_write_double(struct buf *out, uint32_t number, double value);

#endif
