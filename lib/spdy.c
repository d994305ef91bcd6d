/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame has a head of 8 bytes: for control frames a bit, the version (15 bits) and the type (16), for data frames the
 * stream (31); then flags (8) and the length (24). Control frames are gathered whole, which bounds them; the payload of
 * data frames is handed on as it comes. A header block is one zlib stream per direction, flushed after each block, that
 * starts with a dictionary which the standard fixes.
 */
#include "lib/spdy.h"

#include <zlib.h>

#define HEAD_SIZE   8
#define VERSION     3
#define FLAG_FIN    0x01
#define CONTROL_MAX 16384
#define BLOCK_MAX   16384 /* a header block, inflated */
#define DATA_MAX    0xffffffu
#define WINDOW_BITS 11 /* of what we compress: our blocks are a few bytes */
#define MEM_LEVEL   1

/* The dictionary of SPDY/3 (section 2.6.10.1): words with their lengths in four bytes, then text. */
static const char *const words[] = {
    "options",
    "head",
    "post",
    "put",
    "delete",
    "trace",
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "connection",
    "content-base",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "method",
    "get",
    "status",
    "200 OK",
    "version",
    "HTTP/1.1",
    "url",
    "public",
    "set-cookie",
    "keep-alive",
    "origin",
};
static const char rest[] =
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
    "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 "
    "Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar"
    " Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/ht"
    "ml,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,pu"
    "blicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";

struct spdy {
    z_stream inflate;
    z_stream deflate;
    struct buf dictionary;
    unsigned char head[HEAD_SIZE];
    size_t head_len;
    bool in_payload;
    size_t left; /* of the payload */
    struct buf control;
    struct buf block;
};

static uint32_t get32(const void *at)
{
    const unsigned char *b = at;

    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put32(struct buf *out, uint32_t v)
{
    const char bytes[4] = {(char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v};

    buf_append(out, bytes, sizeof(bytes));
}

static void make_dictionary(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        put32(out, (uint32_t)strlen(words[i]));
        buf_append_str(out, words[i]);
    }
    buf_append_str(out, rest);
}

struct spdy *spdy_new(void)
{
    struct spdy *s = mem_zalloc(sizeof(*s));

    make_dictionary(&s->dictionary);
    if (inflateInit(&s->inflate) != Z_OK ||
        deflateInit2(&s->deflate, Z_BEST_SPEED, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflateSetDictionary(&s->deflate, (const Bytef *)s->dictionary.data, (uInt)s->dictionary.len) != Z_OK)
        mem_die(0);
    return s;
}

void spdy_free(struct spdy *s)
{
    if (!s)
        return;
    (void)inflateEnd(&s->inflate);
    (void)deflateEnd(&s->deflate);
    buf_free(&s->dictionary);
    buf_free(&s->control);
    buf_free(&s->block);
    free(s);
}

/* ---- header blocks ---- */

static int inflate_block(struct spdy *s, struct slice packed, struct error *err)
{
    int r = Z_OK;

    buf_reset(&s->block);
    (void)buf_reserve(&s->block, BLOCK_MAX);
    s->inflate.next_in = (Bytef *)(uintptr_t)packed.data;
    s->inflate.avail_in = (uInt)packed.len;
    s->inflate.next_out = (Bytef *)s->block.data;
    s->inflate.avail_out = BLOCK_MAX;
    while (s->inflate.avail_in && s->inflate.avail_out) {
        r = inflate(&s->inflate, Z_SYNC_FLUSH);
        if (r == Z_NEED_DICT)
            r = inflateSetDictionary(&s->inflate, (const Bytef *)s->dictionary.data, (uInt)s->dictionary.len);
        if (r != Z_OK)
            break;
    }
    if (r != Z_OK || s->inflate.avail_in || !s->inflate.avail_out)
        return error_set(err, ERROR_BAD_REQUEST, "a SPDY header block cannot be read");
    s->block.len = BLOCK_MAX - s->inflate.avail_out;
    return 0;
}

/* A length and so many bytes. */
static bool take_text(struct slice *from, struct slice *ret_text)
{
    uint32_t len;

    if (from->len < 4 || (len = get32(from->data)) > from->len - 4)
        return false;
    *ret_text = slice_make(from->data + 4, len);
    *from = slice_from(*from, 4 + len);
    return true;
}

static int read_block(struct spdy *s, struct slice packed, struct spdy_frame *frame, struct error *err)
{
    struct slice left;
    uint32_t count;
    int r = inflate_block(s, packed, err);

    if (r < 0)
        return r;
    left = buf_slice(&s->block);
    if (left.len < 4 || (count = get32(left.data)) > SPDY_HEADERS_MAX)
        return error_set(err, ERROR_BAD_REQUEST, "a SPDY header block is too short or has too many headers");
    left = slice_from(left, 4);
    for (uint32_t i = 0; i < count; i++) {
        struct spdy_header *h = &frame->headers[frame->header_count++];

        if (!take_text(&left, &h->name) || !take_text(&left, &h->value))
            return error_set(err, ERROR_BAD_REQUEST, "a SPDY header block ends early");
    }
    return 0;
}

static void write_block(struct spdy *s, struct buf *out, const struct spdy_header *headers, size_t count)
{
    BUF_LOCAL(plain);
    size_t room;

    put32(&plain, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        put32(&plain, (uint32_t)headers[i].name.len);
        buf_append_slice(&plain, headers[i].name);
        put32(&plain, (uint32_t)headers[i].value.len);
        buf_append_slice(&plain, headers[i].value);
    }
    room = deflateBound(&s->deflate, plain.len) + 64;
    s->deflate.next_in = (Bytef *)plain.data;
    s->deflate.avail_in = (uInt)plain.len;
    s->deflate.next_out = (Bytef *)buf_reserve(out, room);
    s->deflate.avail_out = (uInt)room;
    (void)deflate(&s->deflate, Z_SYNC_FLUSH);
    out->len += room - s->deflate.avail_out;
}

/* ---- reading ---- */

static bool is_control(const struct spdy *s)
{
    return s->head[0] & 0x80;
}

static int check_head(const struct spdy *s, struct error *err)
{
    if (!is_control(s))
        return 0;
    if (s->head[0] != 0x80 || s->head[1] != VERSION)
        return error_set(err, ERROR_BAD_REQUEST, "not a frame of SPDY/3");
    if (s->left > CONTROL_MAX)
        return error_set(err, ERROR_BAD_REQUEST, "a SPDY control frame of %zu bytes is too large", s->left);
    return 0;
}

/* 1 when the head is whole. */
static int read_head(struct spdy *s, struct slice *input, struct error *err)
{
    size_t n = HEAD_SIZE - s->head_len < input->len ? HEAD_SIZE - s->head_len : input->len;

    if (n)
        memcpy(s->head + s->head_len, input->data, n);
    s->head_len += n;
    *input = slice_from(*input, n);
    if (s->head_len < HEAD_SIZE)
        return 0;
    s->left = get32(s->head + 4) & DATA_MAX;
    s->in_payload = true;
    buf_reset(&s->control);
    return check_head(s, err) < 0 ? -(int)ERROR_BAD_REQUEST : 1;
}

static void frame_over(struct spdy *s)
{
    s->in_payload = false;
    s->head_len = 0;
}

static int read_data(struct spdy *s, struct slice *input, struct spdy_frame *frame)
{
    size_t n = s->left < input->len ? s->left : input->len;

    if (s->left && !n)
        return 0;
    *frame = (struct spdy_frame){.type = SPDY_DATA, .stream = get32(s->head) & 0x7fffffff};
    frame->data = slice_make(input->data, n);
    *input = slice_from(*input, n);
    s->left -= n;
    if (!s->left) {
        frame->fin = s->head[4] & FLAG_FIN;
        frame_over(s);
    }
    return 1;
}

/* Bytes of a control frame before its header block; 0 = it has none. */
static size_t block_place(enum spdy_type type)
{
    return type == SPDY_SYN_STREAM ? 10 : type == SPDY_SYN_REPLY || type == SPDY_HEADERS ? 4 : 0;
}

static int read_control(struct spdy *s, struct slice *input, struct spdy_frame *frame, struct error *err)
{
    size_t n = s->left < input->len ? s->left : input->len;
    size_t block;
    int r = 0;

    buf_append(&s->control, input->data, n);
    *input = slice_from(*input, n);
    s->left -= n;
    if (s->left)
        return 0;
    *frame = (struct spdy_frame){.type = (enum spdy_type)((unsigned)s->head[2] << 8 | s->head[3]),
                                 .fin = s->head[4] & FLAG_FIN};
    block = block_place(frame->type);
    if (s->control.len < (block ? block : frame->type == SPDY_PING || frame->type == SPDY_RST_STREAM ? 4 : 0))
        return error_set(err, ERROR_BAD_REQUEST, "a SPDY control frame is too short");
    if (s->control.len >= 4)
        frame->stream = get32(s->control.data) & (frame->type == SPDY_PING ? 0xffffffff : 0x7fffffff);
    if (block)
        r = read_block(s, slice_from(buf_slice(&s->control), block), frame, err);
    frame_over(s);
    return r < 0 ? r : 1;
}

int spdy_read(struct spdy *s, struct slice *input, struct spdy_frame *frame, struct error *err)
{
    int r;

    if (!s->in_payload && (r = read_head(s, input, err)) <= 0)
        return r;
    return is_control(s) ? read_control(s, input, frame, err) : read_data(s, input, frame);
}

/* ---- writing ---- */

static void write_control(struct buf *out, enum spdy_type type, struct slice payload)
{
    put32(out, 0x80000000u | VERSION << 16 | type);
    put32(out, (uint32_t)payload.len);
    buf_append_slice(out, payload);
}

void spdy_write_syn_stream(struct spdy *s, struct buf *out, uint32_t stream, const struct spdy_header *headers,
                           size_t count)
{
    BUF_LOCAL(payload);

    put32(&payload, stream);
    put32(&payload, 0);              /* belongs to no other */
    buf_append(&payload, "\0\0", 2); /* priority, slot */
    write_block(s, &payload, headers, count);
    write_control(out, SPDY_SYN_STREAM, buf_slice(&payload));
}

void spdy_write_syn_reply(struct spdy *s, struct buf *out, uint32_t stream)
{
    BUF_LOCAL(payload);

    put32(&payload, stream);
    write_block(s, &payload, NULL, 0);
    write_control(out, SPDY_SYN_REPLY, buf_slice(&payload));
}

void spdy_write_data(struct buf *out, uint32_t stream, struct slice data, bool fin)
{
    do {
        size_t n = data.len < DATA_MAX ? data.len : DATA_MAX;
        bool last = n == data.len;

        put32(out, stream & 0x7fffffff);
        put32(out, (uint32_t)n | (fin && last ? (uint32_t)FLAG_FIN << 24 : 0));
        buf_append(out, data.data, n);
        data = slice_from(data, n);
    } while (data.len);
}

void spdy_write_reset(struct buf *out, uint32_t stream, uint32_t status)
{
    BUF_LOCAL(payload);

    put32(&payload, stream);
    put32(&payload, status);
    write_control(out, SPDY_RST_STREAM, buf_slice(&payload));
}

void spdy_write_ping(struct buf *out, uint32_t number)
{
    BUF_LOCAL(payload);

    put32(&payload, number);
    write_control(out, SPDY_PING, buf_slice(&payload));
}

void spdy_write_goaway(struct buf *out, uint32_t last_stream)
{
    BUF_LOCAL(payload);

    put32(&payload, last_stream);
    put32(&payload, 0);
    write_control(out, SPDY_GOAWAY, buf_slice(&payload));
}
