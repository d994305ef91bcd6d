/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/write.h"

#include "api/object.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "lib/failpoint.h"

/* In the request's pool: where request and write let go of each other, whoever dies first. */
struct write_link {
    struct write *write;
};

static void write_attempt(struct write *w);

static void write_request_gone(void *arg)
{
    struct write_link *link = arg;

    if (!link->write)
        return;
    link->write->req = NULL;
    link->write->link = NULL;
}

static void write_free(struct write *w)
{
    if (w->link)
        w->link->write = NULL;
    if (w->turn.held)
        turns_give(w->front->server->turns, &w->turn);
    pool_free(w->pool);
    buf_free(&w->value);
    error_clear(&w->error);
    free(w);
}

static void write_fail(struct write *w, const struct error *err)
{
    if (w->ops->failed)
        w->ops->failed(w, err);
    else
        reply_error(w->req, err);
    write_free(w);
}

/* On the front's loop again. */
static void write_committed(void *arg)
{
    struct write *w = arg;

    w->front->writes--;
    if (!w->req) {
        write_free(w);
        return;
    }
    switch (w->error.code) {
    case ERROR_NONE:
        FAILPOINT(reply_begin);
        w->ops->done(w);
        FAILPOINT(reply_made);
        write_free(w);
        return;
    case ERROR_CONFLICT:
    case ERROR_NOT_FOUND:
        if (w->attempts < WRITE_ATTEMPTS_MAX) {
            write_attempt(w);
            return;
        }
        (void)status_conflict(&w->error, w->req->kind, slice_str(request_name(w->req)),
                              "the object has been modified; please apply your changes to the latest version and try "
                              "again");
        break;
    case ERROR_TOO_MANY_REQUESTS:
        w->error.retry_after_seconds = 1;
        break;
    default:
        break;
    }
    write_fail(w, &w->error);
}

/* On the writer thread: only hands over. */
static void write_on_commit(void *arg, uint64_t revision, size_t failed_condition, const struct error *err)
{
    struct write *w = arg;

    if (err)
        error_copy(&w->error, err);
    else
        w->revision = revision;
    loop_post(w->front->loop, write_committed, w);
}

/* Who is told of in the history: the one who asked comes first, so that no length of the other's name hides him. */
static struct slice write_author(const struct write *w)
{
    const struct request *req = w->req;

    return slice_str(!req->impersonator ? req->user.name
                                        : pool_printf(w->pool, "%s (as %s)", req->impersonator, req->user.name));
}

static void write_attempt(struct write *w)
{
    struct store_transaction t;
    ERROR_LOCAL(err);
    int r;

    w->attempts++;
    w->condition_count = w->operation_count = 0;
    w->deleted = w->ends = false;
    buf_reset(&w->value);
    error_clear(&w->error);
    pool_free(w->pool);
    w->pool = pool_new();
    r = w->ops->plan(w, &err);
    if (r < 0) {
        write_fail(w, &err);
        return;
    }
    if (r == WRITE_NOTHING) {
        w->ops->done(w);
        write_free(w);
        return;
    }
    if (r == WRITE_WAIT) {
        w->attempts--;
        w->front->writes++;
        return;
    }
    t = (struct store_transaction){
        .conditions = w->conditions,
        .condition_count = w->condition_count,
        .operations = w->operations,
        .operation_count = w->operation_count,
        .reserve = w->deleted || w->ends,
        .origin = {.user = write_author(w), .verb = w->req->info.verb},
    };
    w->front->writes++;
    store_commit(w->front->server->store, &t, write_on_commit, w);
}

/* On the front's loop. */
static void write_on_turn(void *arg)
{
    struct write *w = arg;

    w->front->writes--;
    if (w->req)
        write_attempt(w);
    else
        write_free(w);
}

bool write_take_turn(struct write *w, const char *name)
{
    if (w->turn.held)
        return true;
    w->turn = (struct turn){.loop = w->front->loop, .go = write_on_turn, .arg = w};
    return turns_take(w->front->server->turns, name, &w->turn);
}

void write_start(struct request *req, const struct write_ops *ops, void *arg)
{
    struct write *w = mem_alloc(sizeof(*w));

    memset(w, 0, offsetof(struct write, conditions));
    w->req = req;
    w->front = req->front;
    w->ops = ops;
    w->arg = arg;
    w->link = pool_alloc(req->pool, sizeof(*w->link));
    w->link->write = w;
    pool_on_free(req->pool, write_request_gone, w->link);
    write_attempt(w);
}

bool write_require(struct write *w, struct slice key, uint64_t revision)
{
    if (w->condition_count == WRITE_CONDITIONS_MAX)
        return false;
    w->conditions[w->condition_count++] = (struct store_condition){key, revision};
    return true;
}

bool write_put(struct write *w, struct slice key, struct slice meta, struct slice value)
{
    if (w->operation_count == WRITE_CONDITIONS_MAX)
        return false;
    w->operations[w->operation_count++] = (struct store_operation){STORE_PUT, key, meta, value, registry_class_of(key)};
    return true;
}

bool write_delete(struct write *w, struct slice key)
{
    if (w->operation_count == WRITE_CONDITIONS_MAX)
        return false;
    w->operations[w->operation_count++] =
        (struct store_operation){.kind = STORE_DELETE, .key = key, .class = registry_class_of(key)};
    return true;
}

int write_put_object(struct write *w, const struct schema_kind *kind, struct value *object, struct error *err)
{
    BUF_LOCAL(value);
    BUF_LOCAL(header);

    default_apply(kind, object); /* members in the schema's order */
    object_encode(kind, object, SLICE_NONE, &value, &header);
    if (!write_put(w, registry_key(w->pool, kind, meta_namespace(object), meta_name(object)),
                   slice_make(pool_slice_dup(w->pool, buf_slice(&header)), header.len),
                   slice_make(pool_slice_dup(w->pool, buf_slice(&value)), value.len)))
        return error_set(err, ERROR_INTERNAL, "too many operations in one write");
    return 0;
}
