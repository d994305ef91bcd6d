/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame is read in two steps, its head of 2 to 14 bytes and its payload, each over as many calls as it takes.
 * Fragments gather in `message`; control frames may stand between them, so they have a buffer of their own.
 */
#include "lib/websocket.h"

#include <openssl/evp.h>

#include "lib/encoding.h"

#define KEEP_MAX 65536 /* a buffer that grew beyond this is given back after its message */

/* Section 1.3: what every server appends to the key. */
static const char accept_suffix[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

void websocket_reader_clear(struct websocket_reader *r)
{
    buf_free(&r->message);
    buf_free(&r->control);
}

unsigned websocket_reader_code(const struct websocket_reader *r)
{
    return r->close_code ? r->close_code : WEBSOCKET_CODE_PROTOCOL;
}

static unsigned opcode_of(const struct websocket_reader *r)
{
    return r->head[0] & 0x0f;
}

static bool is_control(unsigned opcode)
{
    return opcode >= WEBSOCKET_CLOSE;
}

static size_t head_size(const struct websocket_reader *r)
{
    unsigned len = r->head_len > 1 ? r->head[1] & 0x7f : 0;

    return 2 +
           (len == 126   ? 2u
            : len == 127 ? 8u
                         : 0u) +
           (r->head_len > 1 && (r->head[1] & 0x80) ? WEBSOCKET_MASK_SIZE : 0u);
}

static uint64_t payload_size(const struct websocket_reader *r)
{
    unsigned len = r->head[1] & 0x7f;
    size_t bytes = len == 126 ? 2 : len == 127 ? 8 : 0;
    uint64_t size = bytes ? 0 : len;

    for (size_t i = 0; i < bytes; i++)
        size = size << 8 | r->head[2 + i];
    return size;
}

static int check_head(struct websocket_reader *r, struct error *err)
{
    unsigned opcode = opcode_of(r);
    bool fin = r->head[0] & 0x80;
    uint64_t size = payload_size(r);

    if (r->head[0] & 0x70)
        return error_set(err, ERROR_BAD_REQUEST, "a WebSocket frame uses an extension that was not agreed to");
    if (((r->head[1] & 0x80) != 0) != r->masked)
        return error_set(err, ERROR_BAD_REQUEST, "a WebSocket frame is %smasked", r->masked ? "not " : "");
    if (opcode > WEBSOCKET_PONG || (opcode > WEBSOCKET_BINARY && opcode < WEBSOCKET_CLOSE))
        return error_set(err, ERROR_BAD_REQUEST, "unknown WebSocket opcode %u", opcode);
    if (is_control(opcode) && (!fin || size > WEBSOCKET_CONTROL_MAX))
        return error_set(err, ERROR_BAD_REQUEST, "a WebSocket control frame is too long or in pieces");
    if (!is_control(opcode) && (opcode == WEBSOCKET_CONTINUATION) != (r->first != 0))
        return error_set(err, ERROR_BAD_REQUEST, "WebSocket fragments out of order");
    if (!is_control(opcode) && (size > r->message_max || r->message.len + size > r->message_max)) {
        r->close_code = WEBSOCKET_CODE_TOO_BIG;
        return error_set(err, ERROR_BAD_REQUEST, "a WebSocket message is larger than %zu bytes", r->message_max);
    }
    return 0;
}

/* 1 when the head is whole. */
static int read_head(struct websocket_reader *r, struct slice *input, struct error *err)
{
    int e;

    while (input->len && r->head_len < head_size(r)) {
        r->head[r->head_len++] = (unsigned char)*input->data;
        *input = slice_from(*input, 1);
    }
    if (r->head_len < 2 || r->head_len < head_size(r))
        return 0;
    if ((e = check_head(r, err)) < 0)
        return e;
    if (!is_control(opcode_of(r)) && opcode_of(r) != WEBSOCKET_CONTINUATION)
        r->first = opcode_of(r);
    r->left = payload_size(r);
    r->place = 0;
    r->in_payload = true;
    return 1;
}

static void unmask(unsigned char *data, size_t len, const unsigned char *mask, uint64_t place)
{
    for (size_t i = 0; i < len; i++)
        data[i] ^= mask[(place + i) % WEBSOCKET_MASK_SIZE];
}

static void read_payload(struct websocket_reader *r, struct slice *input)
{
    struct buf *to = is_control(opcode_of(r)) ? &r->control : &r->message;
    size_t len = input->len < r->left ? input->len : (size_t)r->left;
    unsigned char *at;

    if (!len)
        return;
    at = (unsigned char *)buf_reserve(to, len);
    memcpy(at, input->data, len);
    if (r->masked)
        unmask(at, len, r->head + head_size(r) - WEBSOCKET_MASK_SIZE, r->place);
    to->len += len;
    r->place += len;
    r->left -= len;
    *input = slice_from(*input, len);
}

static void forget_message(struct websocket_reader *r)
{
    r->done = false;
    buf_reset(&r->control);
    if (r->first)
        return;
    if (r->message.cap > KEEP_MAX)
        buf_free(&r->message);
    buf_reset(&r->message);
}

int websocket_read(struct websocket_reader *r, struct slice *input, struct websocket_message *ret_message,
                   struct error *err)
{
    if (r->done)
        forget_message(r);
    for (;;) {
        unsigned opcode;
        int e;

        if (!r->in_payload && (e = read_head(r, input, err)) <= 0)
            return e;
        read_payload(r, input);
        if (r->left)
            return 0;
        opcode = opcode_of(r);
        r->in_payload = false;
        r->head_len = 0;
        if (!(r->head[0] & 0x80))
            continue; /* more fragments follow */
        r->done = true;
        if (is_control(opcode)) {
            *ret_message = (struct websocket_message){(enum websocket_opcode)opcode, buf_slice(&r->control)};
        } else {
            *ret_message = (struct websocket_message){(enum websocket_opcode)r->first, buf_slice(&r->message)};
            r->first = 0;
        }
        return 1;
    }
}

static void append_masked(struct buf *out, struct slice data, const unsigned char *mask, uint64_t place)
{
    size_t at = out->len;

    buf_append_slice(out, data);
    if (mask && data.len)
        unmask((unsigned char *)out->data + at, data.len, mask, place);
}

void websocket_write(struct buf *out, enum websocket_opcode opcode, struct slice first, struct slice second,
                     const unsigned char *mask)
{
    uint64_t size = (uint64_t)first.len + second.len;
    size_t bytes = size < 126 ? 0 : size < 65536 ? 2 : 8;
    unsigned mark = size < 126 ? (unsigned)size : size < 65536 ? 126 : 127;

    buf_append_byte(out, (char)(0x80 | opcode));
    buf_append_byte(out, (char)(mark | (mask ? 0x80 : 0)));
    for (size_t i = bytes; i-- > 0;)
        buf_append_byte(out, (char)(size >> (8 * i)));
    if (mask)
        buf_append(out, mask, WEBSOCKET_MASK_SIZE);
    append_masked(out, first, mask, 0);
    append_masked(out, second, mask, first.len);
}

unsigned websocket_close_code(struct slice payload)
{
    return payload.len < 2 ? 0 : (unsigned)(unsigned char)payload.data[0] << 8 | (unsigned char)payload.data[1];
}

bool websocket_key_valid(struct slice key)
{
    BUF_LOCAL(bytes);

    return base64_decode(&bytes, key) && bytes.len == WEBSOCKET_KEY_SIZE;
}

void websocket_accept(struct buf *out, struct slice key)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    BUF_LOCAL(text);

    buf_append_slice(&text, key);
    buf_append_str(&text, accept_suffix);
    if (EVP_Digest(text.data, text.len, digest, &len, EVP_sha1(), NULL) != 1)
        mem_die(text.len);
    base64_encode(out, slice_make(digest, len));
}
