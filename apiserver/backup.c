/* SPDX-License-Identifier: Apache-2.0 */
/*
 * GET /knarr/backup: the store as it is now, streamed (store/store_backup.h). The server's private keys lie outside the
 * store and are not part of it: they do not travel. Pieces are made on the pool, one at a time, and only while little
 * is unsent, so a slow peer costs a bounded number of bytes and holds up nobody:
 *
 *     MAKING a piece --done, written--> little is unsent? MAKING : WAITING --drained--> MAKING
 *        |                                the last one --> ENDING
 *        `-- failed: the first --> a Status; a later one --> the connection is cut, so that it is no whole backup
 *
 * When the request goes, for whatever reason, the job is freed: at once, or when the piece under way is made.
 */
#include "apiserver/backup.h"

#include "apiserver/request_metrics.h"
#include "lib/log.h"
#include "store/store_backup.h"

#define BACKUP_UNSENT_MAX (2u << 20)

enum backup_state { BACKUP_MAKING, BACKUP_WAITING, BACKUP_ENDING };

struct backup_job {
    struct front *front;
    struct request *req; /* NULL once it is gone */
    enum backup_state state;
    struct http_stream *stream; /* NULL before the first piece, and when it is over */
    struct store_backup *backup;
    struct buf piece;
    int result; /* of the piece: 1 = more follow, 0 = the last, or negative */
    struct error err;
};

static void backup_make(struct backup_job *job);

static void backup_free(struct backup_job *job)
{
    store_backup_end(job->backup);
    (void)__atomic_sub_fetch(&job->front->server->backups, 1, __ATOMIC_RELAXED);
    buf_free(&job->piece);
    error_clear(&job->err);
    free(job);
}

static void backup_request_gone(void *arg)
{
    struct backup_job *job = arg;

    job->req = NULL;
    job->stream = NULL;
    if (job->state != BACKUP_MAKING)
        backup_free(job);
}

static void backup_on_drained(void *arg)
{
    struct backup_job *job = arg;

    if (job->state == BACKUP_WAITING)
        backup_make(job);
}

static void backup_on_closed(void *arg)
{
    struct backup_job *job = arg;

    job->stream = NULL;
}

static const struct http_stream_events backup_stream_events = {backup_on_drained, backup_on_closed};

/* On the pool. */
static void backup_work(void *arg)
{
    struct backup_job *job = arg;

    job->result = 0;
    if (!job->backup)
        job->result = store_backup_begin(job->front->server->store, &job->backup, &job->err);
    if (job->result == 0)
        job->result = store_backup_next(job->backup, &job->piece, &job->err);
}

static void backup_fail(struct backup_job *job)
{
    ERROR_LOCAL(err);

    (void)error_pass(&err, &job->err, "backup");
    log_warning("apiserver", "%s, for %s", error_text(&err), job->req->user.name);
    job->state = BACKUP_ENDING;
    /* Either may free the job. */
    if (job->stream)
        http_stream_abort(job->stream);
    else
        reply_error(job->req, &err);
}

static void backup_write(struct backup_job *job)
{
    struct refbuf *piece CLEANUP_REFBUF = refbuf_from(&job->piece);
    struct http_header headers[REPLY_HEADERS_MAX];

    buf_reset(&job->piece);
    job->state = job->result > 0 ? BACKUP_WAITING : BACKUP_ENDING;
    if (!job->stream)
        job->stream = http_stream_start(job->req->http, 200, "application/octet-stream", headers,
                                        reply_headers(job->req, headers), &backup_stream_events, job);
    http_stream_write(job->stream, piece);
    if (job->state == BACKUP_ENDING)
        http_stream_end(job->stream);
    else if (job->state == BACKUP_WAITING && http_stream_pending(job->stream) < BACKUP_UNSENT_MAX)
        backup_make(job);
}

static void backup_made(void *arg)
{
    struct backup_job *job = arg;

    job->front->writes--;
    if (!job->req)
        backup_free(job);
    else if (job->result < 0)
        backup_fail(job);
    else
        backup_write(job);
}

static void backup_make(struct backup_job *job)
{
    job->state = BACKUP_MAKING;
    job->front->writes++; /* the front does not end before this is done */
    loop_work(job->front->loop, backup_work, backup_made, job);
}

static void backup_refuse(struct request *req)
{
    ERROR_LOCAL(err);

    (void)error_set(&err, ERROR_TOO_MANY_REQUESTS, "%d backups are being taken already; try again later", BACKUPS_MAX);
    err.retry_after_seconds = 10;
    reply_error(req, &err);
}

void backup_get(struct request *req)
{
    struct backup_job *job;

    if (__atomic_add_fetch(&req->server->backups, 1, __ATOMIC_RELAXED) > BACKUPS_MAX) {
        (void)__atomic_sub_fetch(&req->server->backups, 1, __ATOMIC_RELAXED);
        backup_refuse(req);
        return;
    }
    request_metrics_long(req);
    job = mem_zalloc(sizeof(*job));
    job->front = req->front;
    job->req = req;
    pool_on_free(req->pool, backup_request_gone, job);
    backup_make(job);
}
