/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     SENDING --drained, or the loop has come round--> a piece --> SENDING ... the last --> ENDED
 *        `---- no piece can be made: the connection is cut --> ENDED
 *
 * It lives in the request's pool, which goes right after the stream.
 */
#include "apiserver/list_stream.h"

#include "apiserver/reply_gzip.h"
#include "apiserver/reply_pretty.h"

#define DEFLATE_ROOM 16384u

enum list_stream_state { LIST_STREAM_SENDING, LIST_STREAM_ENDED };

struct list_stream {
    enum list_stream_state state;
    struct http_stream *stream;
    list_piece *next;
    void *arg;
    struct buf shown;
    struct reply_pretty shape;
    bool pretty;
    struct buf packed;
    bool gzip;
    z_stream z;
    struct loop_timer *turn;
};

static void list_stream_free(void *arg)
{
    struct list_stream *s = arg;

    loop_timer_free(s->turn);
    buf_free(&s->shown);
    buf_free(&s->packed);
    if (s->gzip)
        (void)deflateEnd(&s->z);
}

/* The piece compressed, as far as it comes out yet; lives until the next call. */
static struct slice list_stream_pack(struct list_stream *s, struct slice piece, bool last)
{
    buf_reset(&s->packed);
    s->z.next_in = (Bytef *)piece.data;
    s->z.avail_in = (uInt)piece.len;
    do {
        s->z.next_out = (Bytef *)buf_reserve(&s->packed, DEFLATE_ROOM);
        s->z.avail_out = DEFLATE_ROOM;
        (void)deflate(&s->z, last ? Z_FINISH : Z_NO_FLUSH); /* fails only for want of room */
        s->packed.len += DEFLATE_ROOM - s->z.avail_out;
    } while (!s->z.avail_out);
    return buf_slice(&s->packed);
}

/* The piece as it goes out; lives until the next call. */
static struct slice list_stream_shape(struct list_stream *s, struct slice piece, bool last)
{
    if (s->pretty) {
        buf_reset(&s->shown);
        reply_pretty_write(&s->shape, piece, &s->shown);
        piece = buf_slice(&s->shown);
    }
    return s->gzip ? list_stream_pack(s, piece, last) : piece;
}

static void list_stream_send(struct list_stream *s, struct slice piece)
{
    struct refbuf *data CLEANUP_REFBUF = refbuf_new(piece.data, piece.len);

    http_stream_write(s->stream, data);
}

/* Makes a piece. Nothing may come of it yet (nothing was chosen, or the packer keeps it): then others have their turn.
 */
static void list_stream_go_on(struct list_stream *s)
{
    struct slice piece = SLICE_NONE;
    int more = s->next(s->arg, &piece);

    if (more < 0) {
        s->state = LIST_STREAM_ENDED;
        http_stream_abort(s->stream);
        return;
    }
    piece = list_stream_shape(s, piece, !more);
    if (!more)
        s->state = LIST_STREAM_ENDED;
    if (piece.len)
        list_stream_send(s, piece);
    else if (more)
        loop_timer_start(s->turn, 0, 0);
    if (!more)
        http_stream_end(s->stream);
}

static void list_stream_on_drained(void *arg)
{
    struct list_stream *s = arg;

    if (s->state == LIST_STREAM_SENDING && !loop_timer_active(s->turn))
        list_stream_go_on(s);
}

static void list_stream_on_closed(void *arg)
{
    struct list_stream *s = arg;

    s->state = LIST_STREAM_ENDED;
}

static const struct http_stream_events list_stream_events = {list_stream_on_drained, list_stream_on_closed};

void list_stream_start(struct request *req, struct slice first, list_piece *next, void *arg)
{
    struct list_stream *s = pool_alloc(req->pool, sizeof(*s));
    struct http_header headers[REPLY_HEADERS_MAX];
    size_t count = reply_headers(req, headers);

    s->next = next;
    s->arg = arg;
    s->turn = loop_timer_new(req->front->loop, list_stream_on_drained, s);
    s->gzip = reply_takes_gzip(req) && reply_gzip_begin(&s->z) == 0;
    pool_on_free(req->pool, list_stream_free, s);
    if (s->gzip)
        count += reply_gzip_headers(headers + count);
    s->pretty = request_query_bool(req, "pretty");
    first = list_stream_shape(s, first, false);
    s->stream = http_stream_start(req->http, 200, "application/json", headers, count, &list_stream_events, s);
    if (first.len)
        list_stream_send(s, first);
    else
        list_stream_go_on(s);
}
