/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of WebSocket and SPDY: however the bytes are cut into pieces, the same is read, and nothing out of bounds. */
#include "tests/fuzz/fuzz.h"

#include "lib/spdy.h"
#include "lib/websocket.h"

#define MESSAGE_MAX 4096

/* A summary of all messages, and "!" for an error, which must be the last. */
static void read_websocket(struct slice input, bool masked, size_t step, struct buf *out)
{
    struct websocket_reader r = {.masked = masked, .message_max = MESSAGE_MAX};
    struct websocket_message m;
    int e = 0;

    while (input.len && e >= 0) {
        char *copy CLEANUP_FREE = mem_dup(input.data, input.len < step ? input.len : step);
        struct slice piece = slice_make(copy, input.len < step ? input.len : step);

        input = slice_from(input, piece.len);
        while ((e = websocket_read(&r, &piece, &m, NULL)) > 0) {
            FUZZ_CHECK(m.data.len <= MESSAGE_MAX && m.opcode != WEBSOCKET_CONTINUATION);
            buf_printf(out, "%d %zu ", m.opcode, m.data.len);
            buf_append_slice(out, m.data);
        }
    }
    if (e < 0)
        buf_printf(out, "!%u", websocket_reader_code(&r));
    websocket_reader_clear(&r);
}

/* Data comes in as many pieces as the input, so its bytes count and its pieces do not. */
static void read_spdy(struct slice input, size_t step, struct buf *out)
{
    struct spdy *s = spdy_new();
    struct spdy_frame f;
    int e = 0;

    while (input.len && e >= 0) {
        char *copy CLEANUP_FREE = mem_dup(input.data, input.len < step ? input.len : step);
        struct slice piece = slice_make(copy, input.len < step ? input.len : step);

        input = slice_from(input, piece.len);
        while ((e = spdy_read(s, &piece, &f, NULL)) > 0) {
            FUZZ_CHECK(f.header_count <= SPDY_HEADERS_MAX);
            for (size_t i = 0; i < f.header_count; i++) {
                buf_append_slice(out, f.headers[i].name);
                buf_append_slice(out, f.headers[i].value);
            }
            buf_append_slice(out, f.data);
            if (f.type != SPDY_DATA || f.fin)
                buf_printf(out, "%d %u %d", f.type, f.stream, f.fin);
        }
    }
    if (e < 0)
        buf_append_byte(out, '!');
    spdy_free(s);
}

static void fuzz_one(struct slice input)
{
    for (int masked = 0; masked < 2; masked++) {
        BUF_LOCAL(whole);
        BUF_LOCAL(pieces);

        read_websocket(input, masked, SIZE_MAX, &whole);
        read_websocket(input, masked, 3, &pieces);
        FUZZ_CHECK(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
    }
    BUF_LOCAL(whole);
    BUF_LOCAL(pieces);

    read_spdy(input, SIZE_MAX, &whole);
    read_spdy(input, 5, &pieces);
    FUZZ_CHECK(slice_equal(buf_slice(&whole), buf_slice(&pieces)));
}
