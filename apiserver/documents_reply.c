/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which document a request means, and its answer. Most are in memory or written in a moment; one that takes long, or is
 * to be packed, is written on the pool:
 *
 *     loop: documents_reply -> pool: documents_work -> loop: documents_done (answers, unless the peer has left)
 */
#include "apiserver/documents_reply.h"

#include "apiserver/customs.h"
#include "apiserver/documents.h"
#include "apiserver/info.h"
#include "apiserver/reply_gzip.h"

struct documents_job {
    struct front *front;
    struct documents_asker *asker; /* NULL once the peer has left */
    struct customs_snapshot *snapshot;
    struct documents *docs; /* the snapshot's */
    char *name;
    char *known; /* ETags */
    bool gzip;   /* whoever asked takes it */
    bool found;
    struct document document;
};

/* In the request's pool. */
struct documents_asker {
    struct request *req;
    struct documents_job *job; /* NULL once it is done */
};

/* The ETag is the quoted hash. */
static bool documents_hash_is(const struct document *d, const char *hash)
{
    size_t len = strlen(d->etag) - 2;

    return strlen(hash) == len && !memcmp(d->etag + 1, hash, len);
}

/* With a hash in the query that is the document's, a client may keep it for good (wire.md, section 4). */
static void documents_send(struct request *req, const struct document *d)
{
    struct http_header headers[5];
    size_t count = 0;
    const char *hash = request_query(req, "hash");
    struct slice known = http_request_header(req->http, "if-none-match");

    headers[count++] = (struct http_header){"etag", slice_str(d->etag)};
    headers[count++] = (struct http_header){"vary", SLICE_LIT("Accept, Accept-Encoding")};
    if (d->gzip)
        headers[count++] = (struct http_header){"content-encoding", SLICE_LIT("gzip")};
    if (hash && documents_hash_is(d, hash)) {
        headers[count++] = (struct http_header){"cache-control", SLICE_LIT("public, immutable")};
        headers[count++] = (struct http_header){"expires", SLICE_LIT("Thu, 31 Dec 2099 23:59:59 GMT")};
    } else {
        headers[count++] = (struct http_header){"cache-control", SLICE_LIT("no-cache, private")};
    }
    if (slice_find_text(known, slice_str(d->etag)) >= 0)
        http_respond(req->http, 304, NULL, headers, count, NULL);
    else
        http_respond(req->http, 200, d->content_type, headers, count, d->body);
}

/* Below /api, or of a group that is always there. */
static bool documents_is_below_served(const struct request_info *info)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    if (info->segment_count < 2 || !strcmp(info->segments[0], "api"))
        return info->segment_count >= 2;
    for (size_t i = 0; i < count && !strcmp(info->segments[0], "apis"); i++)
        if (!strcmp(kinds[i]->group, info->segments[1]))
            return true;
    return false;
}

static void documents_answer(struct request *req, bool found, const struct document *d)
{
    if (found)
        documents_send(req, d);
    else if (!documents_is_below_served(&req->info))
        info_missing(req);
    else
        reply_error_text(req, ERROR_NOT_FOUND, "the server could not find the requested resource");
}

/* On the pool. */
static void documents_work(void *arg)
{
    struct documents_job *job = arg;

    job->found = documents_get(job->docs, slice_str(job->name), slice_str(job->known), &job->document);
    if (job->gzip)
        (void)documents_pack(job->docs, slice_str(job->name), true, &job->document);
}

static void documents_done(void *arg)
{
    struct documents_job *job = arg;

    job->front->writes--;
    if (job->asker) {
        job->asker->job = NULL;
        documents_answer(job->asker->req, job->found, &job->document);
    }
    refbuf_unref(job->document.body);
    customs_snapshot_unref(job->snapshot);
    free(job->name);
    free(job->known);
    free(job);
}

static void documents_asker_gone(void *arg)
{
    struct documents_asker *asker = arg;

    if (asker->job)
        asker->job->asker = NULL;
}

/* Takes the reference to the snapshot. */
static void documents_start(struct request *req, struct documents *docs, struct customs_snapshot *snapshot,
                            const char *name, struct slice known)
{
    struct documents_asker *asker = pool_alloc(req->pool, sizeof(*asker));
    struct documents_job *job = mem_zalloc(sizeof(*job));

    *asker = (struct documents_asker){req, job};
    *job = (struct documents_job){.front = req->front,
                                  .asker = asker,
                                  .snapshot = snapshot,
                                  .docs = docs,
                                  .name = mem_strdup(name),
                                  .known = slice_dup(known),
                                  .gzip = reply_takes_gzip(req)};
    pool_on_free(req->pool, documents_asker_gone, asker);
    req->front->writes++; /* the front does not end before this is done */
    loop_work(req->front->loop, documents_work, documents_done, job);
}

/* The document's name; NULL, and answered, where the client takes no form of it. */
static const char *documents_name(struct request *req)
{
    const struct request_info *info = &req->info;
    const char *version;

    if (!strcmp(info->path, "/openapi/v2") && !negotiate_accepts(req, "application/json"))
        return "openapi/v2#protobuf";
    if (strcmp(info->path, "/api") != 0 && strcmp(info->path, "/apis") != 0)
        return info->path + 1;
    version = negotiate_discovery(req);
    if (version)
        return pool_printf(req->pool, "%s#%s", info->path + 1, version);
    if (negotiate_accepts(req, "application/json") || negotiate_accepts(req, "application/yaml"))
        return info->path + 1;
    reply_error_text(req, ERROR_NOT_ACCEPTABLE, "only the following media types are accepted: application/json");
    return NULL;
}

void documents_reply(struct request *req)
{
    const char *name = documents_name(req);
    struct slice known = http_request_header(req->http, "if-none-match");
    struct document document = {0};
    struct customs_snapshot *snapshot;
    struct documents *docs;
    bool found;

    if (!name)
        return;
    docs = customs_documents(req->front, &snapshot);
    if (documents_is_long(docs, slice_str(name))) {
        documents_start(req, docs, snapshot, name, known);
        return;
    }
    found = documents_get(docs, slice_str(name), known, &document);
    if (reply_takes_gzip(req) && !documents_pack(docs, slice_str(name), false, &document))
        documents_start(req, docs, STEAL(snapshot), name, known);
    else
        documents_answer(req, found, &document);
    refbuf_unref(document.body);
    customs_snapshot_unref(snapshot);
}
