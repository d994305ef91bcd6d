/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DELETE of a collection: the names of one snapshot, then each deleted on its own, a window of them at a time, so that
 * the store can put several into one batch. The answer is the list of what was deleted, or the first error.
 */
#include "apiserver/delete.h"
#include "apiserver/list_options.h"
#include "apiserver/list_write.h"
#include "apiserver/registry.h"

#define COLLECTION_WINDOW 32

struct collection_item {
    struct collection *collection;
    const char *namespace_;
    const char *name;
    struct collection_item *next;
};

struct collection {
    struct request *req;
    struct list_options *options;
    struct delete_options deletion;
    struct collection_item *first; /* not started yet */
    struct collection_item **last;
    size_t running;
    size_t count;
    struct error error; /* the first one */
    struct list_write *out;
    uint64_t revision;
    bool starting;
};

static void collection_go_on(struct collection *c);

static int collection_visit(void *arg, const struct store_item *item)
{
    struct collection *c = arg;
    struct registry_place place;
    struct collection_item *found;

    if (!registry_parse(item->key, c->req->kind->namespaced, &place) ||
        !filter_matches(&c->options->filter, place.namespace_, place.name, item->meta, item->value))
        return 0;
    if (c->options->limit && c->count == (size_t)c->options->limit)
        return 1;
    found = pool_alloc(c->req->pool, sizeof(*found));
    found->collection = c;
    found->namespace_ = pool_slice_dup(c->req->pool, place.namespace_);
    found->name = pool_slice_dup(c->req->pool, place.name);
    *c->last = found;
    c->last = &found->next;
    c->count++;
    return 0;
}

static int collection_plan(struct write *w, struct error *err)
{
    struct collection_item *item = w->arg;

    return delete_plan_one(w, &item->collection->deletion, item->namespace_, item->name, err);
}

static void collection_done(struct write *w)
{
    struct collection *c = ((struct collection_item *)w->arg)->collection;

    list_write_item(c->out, buf_slice(&w->value), w->revision);
    c->running--;
    collection_go_on(c);
}

static void collection_failed(struct write *w, const struct error *err)
{
    struct collection *c = ((struct collection_item *)w->arg)->collection;

    /* Somebody else was faster: gone is gone. */
    if (err->code != ERROR_NOT_FOUND && !error_is_set(&c->error))
        error_copy(&c->error, err);
    c->running--;
    collection_go_on(c);
}

static const struct write_ops collection_ops = {collection_plan, collection_done, collection_failed};

static void collection_go_on(struct collection *c)
{
    if (c->starting) /* a plan that ended at once: the loop below goes on */
        return;
    c->starting = true;
    while (c->first && c->running < COLLECTION_WINDOW && !error_is_set(&c->error)) {
        struct collection_item *item = c->first;

        c->first = item->next;
        c->running++;
        write_start(c->req, &collection_ops, item);
    }
    c->starting = false;
    if (c->running)
        return;
    if (error_is_set(&c->error))
        reply_error(c->req, &c->error);
    else
        list_write_reply(c->out, c->req, c->revision, NULL, 0);
}

static void collection_free(void *arg)
{
    struct collection *c = arg;

    error_clear(&c->error);
    if (c->out)
        list_write_free(c->out);
}

static int collection_start(struct collection *c, struct error *err)
{
    struct request *req = c->req;
    struct store_range range = {.prefix = registry_prefix(req->pool, req->kind, req->info.namespace_)};
    struct store_range_result result;
    int r;

    if ((r = negotiate_media(req, false, err)) < 0 || (r = list_options_read(req, c->options, err)) < 0 ||
        (r = delete_read_options(req, &c->deletion, err)) < 0)
        return r;
    c->revision = range.at_revision = store_revision(req->server->store);
    c->out = list_write_new(req);
    r = store_list(req->server->store, &range, collection_visit, c, &result, err);
    return r < 0 ? r : 0;
}

void verb_delete_collection(struct request *req)
{
    struct collection *c = pool_alloc(req->pool, sizeof(*c));
    ERROR_LOCAL(err);

    c->req = req;
    c->options = pool_alloc(req->pool, sizeof(*c->options));
    c->last = &c->first;
    pool_on_free(req->pool, collection_free, c);
    if (collection_start(c, &err) < 0)
        reply_error(req, &err);
    else
        collection_go_on(c);
}
