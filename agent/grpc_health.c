/* SPDX-License-Identifier: Apache-2.0 */
/* See the header. */
#include "agent/grpc_health.h"

#define FRAME_HEAD  5
#define WIRE_VARINT 0
#define WIRE_64     1
#define WIRE_BYTES  2
#define WIRE_32     5

static void append_varint(struct buf *out, uint64_t n)
{
    while (n >= 0x80) {
        buf_append_byte(out, (char)(n | 0x80));
        n >>= 7;
    }
    buf_append_byte(out, (char)n);
}

void grpc_health_request(struct slice service, struct buf *out)
{
    BUF_LOCAL(message);

    if (service.len) {
        buf_append_byte(&message, (1 << 3) | WIRE_BYTES);
        append_varint(&message, service.len);
        buf_append_slice(&message, service);
    }
    buf_append_byte(out, 0);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_append_byte(out, (char)(message.len >> shift));
    buf_append_slice(out, buf_slice(&message));
}

static bool take_varint(struct slice *in, uint64_t *ret)
{
    uint64_t n = 0;

    for (unsigned shift = 0; shift < 64 && in->len; shift += 7) {
        unsigned char c = (unsigned char)*in->data;

        *in = slice_from(*in, 1);
        n |= (uint64_t)(c & 0x7F) << shift;
        if (!(c & 0x80)) {
            *ret = n;
            return true;
        }
    }
    return false;
}

/* Passes over a field of a later version. */
static bool skip_field(struct slice *in, uint64_t wire)
{
    uint64_t len = wire == WIRE_64 ? 8 : wire == WIRE_32 ? 4 : 0;

    if (wire == WIRE_VARINT)
        return take_varint(in, &len);
    if (wire == WIRE_BYTES && !take_varint(in, &len))
        return false;
    if ((wire != WIRE_64 && wire != WIRE_32 && wire != WIRE_BYTES) || len > in->len)
        return false;
    *in = slice_from(*in, len);
    return true;
}

bool grpc_health_response(struct slice frame, uint64_t *ret_status)
{
    const unsigned char *head = (const unsigned char *)frame.data;
    struct slice in;
    uint64_t len;
    uint64_t tag;

    *ret_status = 0;
    if (frame.len < FRAME_HEAD || head[0] != 0)
        return false;
    len = (uint64_t)head[1] << 24 | (uint64_t)head[2] << 16 | (uint64_t)head[3] << 8 | head[4];
    if (len != frame.len - FRAME_HEAD)
        return false;
    in = slice_make(frame.data + FRAME_HEAD, (size_t)len);
    while (in.len) {
        if (!take_varint(&in, &tag))
            return false;
        if (tag == (1 << 3 | WIRE_VARINT) ? !take_varint(&in, ret_status) : !skip_field(&in, tag & 7))
            return false;
    }
    return true;
}

const char *grpc_health_name(uint64_t status)
{
    static const char *const names[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

    return status < ARRAY_SIZE(names) ? names[status] : "UNKNOWN";
}

const char *grpc_code_name(int64_t code)
{
    static const char *const names[] = {
        "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
        "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
        "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
        "DataLoss", "Unauthenticated"};

    return code >= 0 && code < (int64_t)ARRAY_SIZE(names) ? names[code] : NULL;
}
