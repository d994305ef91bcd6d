/* SPDX-License-Identifier: Apache-2.0 */
/* libuv's pipe handle takes any stream-like descriptor on Linux; each write carries its own copy of the bytes. */
#include "agent/pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#define CHUNK 65536 /* larger than any packet of conmon's attach socket, which must be read whole */

struct pipe {
    uv_pipe_t handle;
    uv_shutdown_t shutdown;
    struct pipe_events events;
    void *arg;
    int write_error; /* errno of the first write that failed */
    bool reading;
    bool ended;
    bool finishing;
    bool freed;  /* by its owner */
    bool closed; /* the handle; both: the memory goes */
    char chunk[CHUNK];
};

struct pipe_chunk {
    uv_write_t request;
    struct pipe *pipe;
    size_t len;
    char data[];
};

static void pipe_closed(uv_handle_t *handle)
{
    struct pipe *p = container_of((uv_pipe_t *)(void *)handle, struct pipe, handle);

    p->closed = true;
    if (p->freed)
        free(p);
}

static void pipe_close(struct pipe *p)
{
    if (!uv_is_closing((uv_handle_t *)&p->handle))
        uv_close((uv_handle_t *)&p->handle, pipe_closed);
}

static void pipe_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct pipe *p = container_of((uv_pipe_t *)(void *)handle, struct pipe, handle);

    (void)suggested;
    *buf = uv_buf_init(p->chunk, sizeof(p->chunk));
}

/* libuv takes a short read together with a hang-up for the end. Of packets every read is short, and of a terminal many
 * are: what the other side left behind is still there. */
static void pipe_read_rest(struct pipe *p)
{
    int fd = pipe_fd(p);
    ssize_t n;

    while (!p->freed && (n = read(fd, p->chunk, sizeof(p->chunk))) > 0)
        p->events.data(p->arg, slice_make(p->chunk, (size_t)n));
}

static void pipe_on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct pipe *p = container_of((uv_pipe_t *)(void *)stream, struct pipe, handle);

    if (n > 0) {
        p->events.data(p->arg, slice_make(buf->base, (size_t)n));
    } else if (n < 0) {
        (void)uv_read_stop(stream);
        p->reading = false;
        p->ended = true;
        if (n == UV_EOF)
            pipe_read_rest(p);
        if (p->freed)
            return;
        /* EIO: nobody holds the other side of a terminal any more. */
        p->events.end(p->arg, n == UV_EOF || n == UV_EIO ? p->write_error : (int)-n);
    }
}

static void pipe_read(struct pipe *p)
{
    if (p->reading || p->ended)
        return;
    p->reading = true;
    (void)uv_read_start((uv_stream_t *)&p->handle, pipe_alloc, pipe_on_read);
}

struct pipe *pipe_open(struct loop *loop, int fd, bool read, const struct pipe_events *events, void *arg)
{
    struct pipe *p;

    if (fd < 0)
        return NULL;
    p = mem_zalloc(sizeof(*p));
    p->events = *events;
    p->arg = arg;
    (void)uv_pipe_init(loop_uv(loop), &p->handle, 0);
    if (uv_pipe_open(&p->handle, fd)) {
        (void)close(fd);
        pipe_free(p);
        return NULL;
    }
    if (read)
        pipe_read(p);
    return p;
}

/* Told at the end: a socket's error is given once, to who comes first. */
static void pipe_fail(struct pipe *p, int status)
{
    if (!p->write_error)
        p->write_error = -status;
}

static void pipe_on_written(uv_write_t *request, int status)
{
    struct pipe_chunk *chunk = container_of(request, struct pipe_chunk, request);
    struct pipe *p = chunk->pipe;
    bool last = !p->freed && !pipe_pending(p);

    free(chunk);
    if (status < 0 && status != UV_ECANCELED)
        pipe_fail(p, status);
    if (last && !p->finishing && p->events.drained)
        p->events.drained(p->arg);
}

void pipe_write(struct pipe *p, struct slice data)
{
    struct pipe_chunk *chunk;
    uv_buf_t buf = uv_buf_init((char *)data.data, (unsigned)data.len);
    int n;

    if (p->finishing || !data.len || uv_is_closing((uv_handle_t *)&p->handle))
        return;
    /* Told at once what fails: the end may be read in this very turn of the loop, before any callback of a write. */
    n = uv_try_write((uv_stream_t *)&p->handle, &buf, 1);
    if (n < 0 && n != UV_EAGAIN) {
        pipe_fail(p, n);
        return;
    }
    if (n > 0)
        data = slice_from(data, (size_t)n);
    if (!data.len)
        return;
    chunk = mem_alloc(sizeof(*chunk) + data.len);
    chunk->pipe = p;
    chunk->len = data.len;
    memcpy(chunk->data, data.data, data.len);
    buf = uv_buf_init(chunk->data, (unsigned)data.len);
    if (uv_write(&chunk->request, (uv_stream_t *)&p->handle, &buf, 1, pipe_on_written))
        free(chunk);
}

size_t pipe_pending(const struct pipe *p)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&p->handle);
}

void pipe_pause(struct pipe *p, bool paused)
{
    if (!paused) {
        pipe_read(p);
        return;
    }
    if (p->reading)
        (void)uv_read_stop((uv_stream_t *)&p->handle);
    p->reading = false;
}

static void pipe_on_shutdown(uv_shutdown_t *shutdown, int status)
{
    /* Not a socket: only closing it ends it, and it has nothing to read. */
    if (status == UV_ENOTSOCK)
        pipe_close(container_of(shutdown, struct pipe, shutdown));
}

void pipe_finish(struct pipe *p)
{
    if (p->finishing || uv_is_closing((uv_handle_t *)&p->handle))
        return;
    p->finishing = true;
    if (uv_shutdown(&p->shutdown, (uv_stream_t *)&p->handle, pipe_on_shutdown))
        pipe_close(p);
}

int pipe_fd(const struct pipe *p)
{
    int fd = -1;

    (void)uv_fileno((const uv_handle_t *)&p->handle, &fd);
    return fd;
}

void pipe_free(struct pipe *p)
{
    if (!p || p->freed)
        return;
    p->freed = true;
    if (p->closed)
        free(p);
    else
        pipe_close(p);
}
