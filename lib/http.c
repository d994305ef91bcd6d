/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of HTTP that no engine owns: every call goes to the engine that made the request, stream or socket. The
 * query helpers work on the raw text, so that what was authorized is what is read.
 */
#include "lib/http.h"

#include "lib/encoding.h"

struct slice http_request_header(const struct http_request *req, const char *name)
{
    return req->ops->header(req, name);
}

void http_request_each_header(const struct http_request *req,
                              void (*fn)(void *arg, struct slice name, struct slice value), void *arg)
{
    req->ops->each_header(req, fn, arg);
}

void http_body_start(struct http_request *req, const struct http_body_events *events, void *arg)
{
    req->ops->body_start(req, events, arg);
}

void http_body_pause(struct http_request *req, bool paused)
{
    req->ops->body_pause(req, paused);
}

void http_respond(struct http_request *req, int status, const char *content_type, const struct http_header *headers,
                  size_t header_count, struct refbuf *body)
{
    req->status = status;
    req->ops->respond(req, status, content_type, headers, header_count, body);
}

struct http_stream *http_stream_start(struct http_request *req, int status, const char *content_type,
                                      const struct http_header *headers, size_t header_count,
                                      const struct http_stream_events *events, void *arg)
{
    req->status = status;
    return req->ops->stream_start(req, status, content_type, headers, header_count, events, arg);
}

void http_stream_write(struct http_stream *stream, struct refbuf *data)
{
    http_stream_queue(stream, data);
    http_stream_flush(stream);
}

void http_stream_queue(struct http_stream *stream, struct refbuf *data)
{
    stream->ops->queue(stream, data);
}

void http_stream_flush(struct http_stream *stream)
{
    if (stream->ops->flush)
        stream->ops->flush(stream);
}

size_t http_stream_pending(const struct http_stream *stream)
{
    return stream->ops->pending(stream);
}

void http_stream_end(struct http_stream *stream)
{
    stream->ops->end(stream);
}

void http_stream_abort(struct http_stream *stream)
{
    stream->ops->abort(stream);
}

void http_take_over(struct http_request *req, const struct http_header *headers, size_t header_count,
                    void (*opened)(void *arg, struct http_socket *socket), void *arg)
{
    req->status = 101;
    req->ops->take_over(req, headers, header_count, opened, arg);
}

void http_know_peer(struct http_request *req)
{
    if (req->ops->know_peer)
        req->ops->know_peer(req);
}

void http_socket_start(struct http_socket *socket, const struct http_socket_events *events, void *arg)
{
    socket->ops->start(socket, events, arg);
}

void http_socket_write(struct http_socket *socket, struct slice data)
{
    socket->ops->write(socket, data);
}

size_t http_socket_pending(const struct http_socket *socket)
{
    return socket->ops->pending(socket);
}

void http_socket_pause(struct http_socket *socket, bool paused)
{
    socket->ops->pause(socket, paused);
}

void http_socket_close(struct http_socket *socket)
{
    socket->ops->close(socket);
}

void http_socket_abort(struct http_socket *socket)
{
    socket->ops->abort(socket);
}

void http_socket_be_patient(struct http_socket *socket)
{
    socket->ops->be_patient(socket);
}

/* Whether the raw name decodes to `name`. */
static bool query_name_is(struct slice raw, const char *name)
{
    BUF_LOCAL(decoded);

    if (!percent_decode(&decoded, raw, true))
        return false;
    return slice_is(buf_slice(&decoded), name);
}

const char *http_query_get(struct pool *pool, struct slice query, const char *name)
{
    struct slice pair;

    while (query.len && slice_split(&query, '&', &pair)) {
        BUF_LOCAL(value);
        ptrdiff_t at = slice_find(pair, '=');
        size_t name_len = at < 0 ? pair.len : (size_t)at;
        size_t value_at = at < 0 ? pair.len : name_len + 1;

        /* As net/url: a pair with a ';' or a bad escape is not there. */
        if (!pair.len || slice_find(pair, ';') >= 0 || !query_name_is(slice_make(pair.data, name_len), name))
            continue;
        if (percent_decode(&value, slice_from(pair, value_at), true))
            return pool_slice_dup(pool, buf_slice(&value));
    }
    return NULL;
}

bool http_query_bool(struct pool *pool, struct slice query, const char *name)
{
    const char *value = http_query_get(pool, query, name);

    return value && strcmp(value, "0") != 0 && !slice_equal_nocase(slice_str(value), SLICE_LIT("false"));
}
