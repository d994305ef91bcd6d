/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     READING --chunk--> SENDING --drained--> READING ... --end of file--> WAITING (follow, container runs) --> READING
 *                                                      \--> END
 *
 * Reading is a job on the pool; a slow reader is waited for before the next chunk. While WAITING, inotify tells of new
 * bytes and log_streams_poke of the container's end; both only lead to another READING.
 */
#include "agent/log_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <uv.h>

#include "agent/fs.h"
#include "agent/pods.h"

#define CHUNK 65536

struct log_stream {
    struct list link;
    struct agent *agent;
    struct http_stream *stream; /* NULL = the peer has left */
    uv_fs_event_t *watch;
    char *path;
    char *namespace_;
    char *pod;
    char *container;
    struct log_filter filter;
    int fd;
    int64_t offset; /* -1 = not known yet */
    char chunk[CHUNK];
    ssize_t got;
    bool reading;
    bool waiting;
    bool again;  /* something happened while reading */
    bool ending; /* http_stream_end was called */
    bool last;   /* the container had ended before this read: what comes now is all */
};

static void stream_read(struct log_stream *s);

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void stream_free(struct log_stream *s)
{
    if (s->watch)
        uv_close((uv_handle_t *)s->watch, free_handle);
    if (s->fd >= 0)
        (void)close(s->fd);
    list_remove(&s->link);
    log_filter_clear(&s->filter);
    free(s->path);
    free(s->namespace_);
    free(s->pod);
    free(s->container);
    free(s);
}

/* Does the container still write to this very file? */
static bool still_running(const struct log_stream *s)
{
    const struct pod *pod = s->agent->pods ? pods_find(s->agent->pods, s->namespace_, s->pod) : NULL;
    bool running = false;
    char *path CLEANUP_FREE = pod ? pod_log_path(pod, s->container, false, &running, NULL) : NULL;

    return running && path && !strcmp(path, s->path);
}

/* At the end of a file that was rotated away: go on with the one that took its name. */
static bool reopen(struct log_stream *s)
{
    struct stat own;
    struct stat now;

    if (s->fd < 0 || fstat(s->fd, &own) || stat(s->path, &now) || own.st_ino == now.st_ino)
        return false;
    (void)close(s->fd);
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    s->offset = 0;
    return s->fd >= 0;
}

static void read_work(void *arg)
{
    struct log_stream *s = arg;

    if (s->fd < 0)
        s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->offset < 0)
        s->offset = log_tail_offset(s->fd, s->filter.options.tail);
    s->got = s->fd < 0 ? 0 : pread(s->fd, s->chunk, sizeof(s->chunk), s->offset);
    if (s->got == 0 && s->filter.options.follow && reopen(s))
        s->got = pread(s->fd, s->chunk, sizeof(s->chunk), s->offset);
    if (s->got > 0)
        s->offset += s->got;
}

static void stream_end(struct log_stream *s)
{
    s->ending = true;
    http_stream_end(s->stream);
}

static void read_done(void *arg)
{
    struct log_stream *s = arg;
    BUF_LOCAL(out);

    s->reading = false;
    if (!s->stream) {
        stream_free(s);
        return;
    }
    if (s->got > 0)
        log_filter_feed(&s->filter, slice_make(s->chunk, (size_t)s->got), &out);
    if (out.len) {
        struct refbuf *data CLEANUP_REFBUF = refbuf_from(&out);

        http_stream_write(s->stream, data);
    }
    if (s->filter.full || (s->got <= 0 && (s->last || !s->filter.options.follow))) {
        stream_end(s);
    } else if (s->got > 0) {
        /* `drained` goes on when there was something to send. */
        if (!out.len)
            stream_read(s);
    } else if (s->again) {
        stream_read(s);
    } else {
        s->waiting = true;
        /* It may have ended since the read began. */
        if (!still_running(s))
            stream_read(s);
    }
}

static void stream_read(struct log_stream *s)
{
    s->waiting = false;
    s->again = false;
    if (s->reading || s->ending || !s->stream)
        return;
    s->last = s->filter.options.follow && !still_running(s);
    s->reading = true;
    agent_work(s->agent, read_work, read_done, s);
}

static void stream_wake(struct log_stream *s)
{
    s->again = true;
    if (s->waiting)
        stream_read(s);
}

static void on_drained(void *arg)
{
    struct log_stream *s = arg;

    if (!s->reading && !s->waiting)
        stream_read(s);
}

static void on_closed(void *arg)
{
    struct log_stream *s = arg;

    s->stream = NULL;
    if (!s->reading)
        stream_free(s);
}

static void on_change(uv_fs_event_t *watch, const char *name, int events, int status)
{
    stream_wake(watch->data);
}

static void stream_watch(struct log_stream *s)
{
    char *dir CLEANUP_FREE = mem_strndup(s->path, (size_t)(strrchr(s->path, '/') - s->path));

    s->watch = mem_zalloc(sizeof(*s->watch));
    s->watch->data = s;
    (void)uv_fs_event_init(loop_uv(s->agent->loop), s->watch);
    /* The directory: it tells of writes to the file and of a new file in its place. */
    (void)uv_fs_event_start(s->watch, on_change, dir, 0);
}

void log_stream_start(struct agent *agent, struct http_request *req, const struct log_source *source,
                      const struct log_options *options)
{
    static const struct http_stream_events events = {on_drained, on_closed};
    struct log_stream *s = mem_zalloc(sizeof(*s));

    s->agent = agent;
    s->fd = -1;
    s->offset = -1;
    s->filter.options = *options;
    s->path = mem_strdup(source->path);
    s->namespace_ = mem_strdup(source->namespace_);
    s->pod = mem_strdup(source->pod);
    s->container = mem_strdup(source->container);
    list_init(&s->link);
    list_append(&agent->log_streams, &s->link);
    if (options->follow)
        stream_watch(s);
    s->stream = http_stream_start(req, 200, "text/plain", NULL, 0, &events, s);
    stream_read(s);
}

void log_streams_poke(struct agent *agent)
{
    list_for_each_safe (it, next, &agent->log_streams) {
        stream_wake(container_of(it, struct log_stream, link));
    }
}
