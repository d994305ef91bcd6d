/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ResourceQuota: what a write adds to or takes from a namespace's use is put into the quotas' status in the same
 * transaction, on the condition that they are as they were read. So `used` is the sum of what there is at every
 * revision, whoever creates, changes or deletes; no two writes can share what is left, and a write that fails takes
 * nothing. Writes that change the same namespace's quotas take turns (write_take_turn).
 *
 * A quota whose status is not of its present limits is counted anew from the store, by the first write that needs it,
 * or when somebody (its controller) writes a status that leaves `used` out. So it is when a pod goes that stopped
 * counting by time alone: whether it is in the sum depends on when that was made.
 */
#include "api/quota.h"

#include "api/scan.h"
#include "apiserver/admission_internal.h"
#include "apiserver/folder_cache.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"

#define QUOTAS_MAX 64 /* of a namespace: each may be a condition of one write */

/* One of the namespace's quotas; everything in the pool of the attempt. */
struct quota {
    struct quota *next;
    const char *name;
    struct slice json; /* as stored */
    uint64_t revision;
    struct amounts hard;
    struct amounts used;
    struct amounts change; /* what this write adds (or takes: negative); no zeros */
    bool anew;             /* `used` may have more in it than what the object uses now */
};

/* What a write does to the use of a namespace. */
struct charge {
    const struct admission *a;
    struct pool *pool;
    const char *resource; /* "pods", "deployments.apps" */
    struct slice before;  /* JSON; data NULL = there is none */
    struct slice after;
    struct quota *quotas;
    struct quota **last;
    size_t count;
};

/* ---- counting ---- */

struct counting {
    struct quota *quota;
    const char *resource;
    int64_t now_ns;
};

static int count_visit(void *arg, const struct store_item *item)
{
    struct counting *c = arg;
    struct pool *pool CLEANUP_POOL = pool_new();
    struct amounts use = {.pool = pool};

    if (!quota_selects(c->quota->json, c->resource, item->value))
        return 0;
    quota_add_use(&use, c->resource, item->value, c->now_ns);
    quota_mask(&use, &c->quota->used); /* so that no name of this pool stays */
    amounts_add(&c->quota->used, &use);
    return 0;
}

static bool count_is_done(const struct quota *q, struct pool *pool, size_t upto, const char *resource)
{
    for (size_t i = 0; i < upto; i++) {
        const char *other = quota_resource_of(pool, q->hard.items[i].name);

        if (other && !strcmp(other, resource))
            return true;
    }
    return false;
}

/* Fills q->used from what the store has. */
static int count_all(const struct admission *a, struct pool *pool, struct quota *q, struct error *err)
{
    struct store *store = a->req->server->store;

    q->used = (struct amounts){.pool = pool};
    for (size_t i = 0; i < q->hard.count; i++)
        (void)amounts_need(&q->used, q->hard.items[i].name);
    for (size_t i = 0; i < q->hard.count; i++) {
        struct counting c = {q, quota_resource_of(pool, q->hard.items[i].name), clock_wall_ns(a->req->server->clock)};
        struct store_range range = {.skip_count = true};
        struct store_range_result result;

        if (!c.resource || count_is_done(q, pool, i, c.resource))
            continue;
        range.prefix = registry_prefix_of(pool, c.resource, a->namespace_);
        if (store_list(store, &range, count_visit, &c, &result, err) < 0)
            return -(int)err->code;
    }
    return 0;
}

/* Whether the status says what is used of the limits as they are now. */
static bool quota_is_counted(const struct quota *q)
{
    if (!slice_equal(scan_get(q->json, "spec.hard"), scan_get(q->json, "status.hard")))
        return false;
    for (size_t i = 0; i < q->hard.count; i++)
        if (!amounts_get(&q->used, q->hard.items[i].name))
            return false;
    return true;
}

/* ---- reading ---- */

static struct quota *quota_read(struct pool *pool, struct slice json, uint64_t revision)
{
    struct quota *q = pool_alloc(pool, sizeof(*q));
    BUF_LOCAL(scratch);

    q->json = slice_make(pool_slice_dup(pool, json), json.len);
    q->revision = revision;
    q->name = pool_slice_dup(pool, scan_text(scan_get(q->json, "metadata.name"), &scratch));
    q->hard.pool = q->used.pool = q->change.pool = pool;
    amounts_read(&q->hard, scan_get(q->json, "spec.hard"));
    amounts_read(&q->used, scan_get(q->json, "status.used"));
    return q;
}

static int charge_visit(void *arg, const struct store_item *item)
{
    struct charge *c = arg;
    struct quota *q = quota_read(c->pool, item->value, item->mod_revision);

    *c->last = q;
    c->last = &q->next;
    c->count++;
    return 0;
}

static int charge_read(struct charge *c, struct error *err)
{
    struct slice folder = registry_prefix(c->pool, registry_need_kind("", "resourcequotas"), c->a->namespace_);

    c->last = &c->quotas;
    return folder_cache_list(c->a->req->front->folders, folder, charge_visit, c, err) < 0 ? -(int)err->code : 0;
}

static struct slice charge_json(const struct charge *c, const struct value *object)
{
    BUF_LOCAL(json);

    if (!object)
        return SLICE_NONE;
    value_write(object, &json);
    return slice_make(pool_slice_dup(c->pool, buf_slice(&json)), json.len);
}

/* ---- judging ---- */

static void charge_side(const struct charge *c, struct quota *q, struct slice object, bool adds)
{
    struct amounts use = {.pool = c->pool};

    if (!object.data || !quota_selects(q->json, c->resource, object))
        return;
    quota_add_use(&use, c->resource, object, clock_wall_ns(c->a->req->server->clock));
    quota_mask(&use, &q->hard);
    if (adds)
        amounts_add(&q->change, &use);
    else
        amounts_subtract(&q->change, &use);
}

/* Whether the write changes what the quota counts. The object itself, when it is a quota, is left out. */
static bool charge_concerns(const struct charge *c, struct quota *q)
{
    size_t kept = 0;

    if (!strcmp(c->resource, "resourcequotas") && !strcmp(c->a->name, q->name))
        return false;
    charge_side(c, q, c->after, true);
    charge_side(c, q, c->before, false);
    for (size_t i = 0; i < q->change.count; i++)
        if (q->change.items[i].value.nano)
            q->change.items[kept++] = q->change.items[i];
    q->change.count = kept;
    q->anew = c->before.data && quota_selects(q->json, c->resource, c->before) &&
              quota_time_is_over(c->resource, c->before, clock_wall_ns(c->a->req->server->clock));
    return kept > 0 || q->anew;
}

static void list_add(struct buf *out, struct slice name, const struct quantity *value)
{
    buf_printf(out, "%s%.*s=", out->len ? "," : "", SLICE_ARGS(name));
    quantity_write(value, out);
}

/* What is added must fit; what is given back always may. */
static int quota_check_room(const struct admission *a, const struct quota *q, struct error *err)
{
    BUF_LOCAL(requested);
    BUF_LOCAL(used);
    BUF_LOCAL(limited);

    for (size_t i = 0; i < q->change.count; i++) {
        const struct amount *change = &q->change.items[i];
        const struct quantity *now = amounts_get(&q->used, change->name);
        const struct quantity *most = amounts_get(&q->hard, change->name);
        struct quantity then = *now;

        quantity_add(&then, &change->value);
        if (change->value.nano <= 0 || quantity_compare(&then, most) <= 0)
            continue;
        list_add(&requested, change->name, &change->value);
        list_add(&used, change->name, now);
        list_add(&limited, change->name, most);
    }
    if (!requested.len)
        return 0;
    return admission_forbid(a, err, "exceeded quota: %s, requested: %s, used: %s, limited: %s", q->name,
                            buf_cstr(&requested), buf_cstr(&used), buf_cstr(&limited));
}

static int quota_check_stated_by(const struct charge *c, const struct quota *q, struct error *err)
{
    BUF_LOCAL(why);

    if (strcmp(c->resource, "pods") != 0 || c->before.data || !quota_selects(q->json, c->resource, c->after) ||
        quota_check_stated(&q->hard, c->after, &why))
        return 0;
    return admission_forbid(c->a, err, "failed quota: %s: must specify %s", q->name, buf_cstr(&why));
}

/* ---- writing ---- */

static struct value *quota_status(const struct quota *q)
{
    struct value *status = value_new_object();
    struct value *hard = value_parse(scan_get(q->json, "spec.hard"), NULL);
    BUF_LOCAL(used);

    amounts_write(&q->used, &used);
    value_set(status, "hard", hard ? hard : value_new_object());
    value_set(status, "used", value_parse(buf_slice(&used), NULL));
    return status;
}

static int quota_put(struct write *w, struct quota *q, const char *ns, struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("", "resourcequotas");
    struct value *object CLEANUP_VALUE = value_parse(q->json, err);

    if (!object)
        return -(int)err->code;
    amounts_add(&q->used, &q->change);
    value_set(object, "status", quota_status(q));
    if (!write_require(w, registry_key(w->pool, kind, ns, q->name), q->revision))
        return error_set(err, ERROR_INTERNAL, "too many conditions in one write");
    return write_put_object(w, kind, object, err);
}

static const char *quota_turn(const struct admission *a, struct pool *pool)
{
    return pool_printf(pool, "quota/%s", a->namespace_);
}

static int charge_one(const struct charge *c, struct quota *q, bool refuses, struct error *err)
{
    int r;

    if ((q->anew || !quota_is_counted(q)) && (r = count_all(c->a, c->pool, q, err)) < 0)
        return r;
    if (refuses && (r = quota_check_room(c->a, q, err)) < 0)
        return r;
    return c->a->req->dry_run ? 0 : quota_put(c->a->write, q, c->a->namespace_, err);
}

static int charge_run(struct charge *c, bool refuses, struct error *err)
{
    bool concerned = false;
    int r;

    for (struct quota *q = c->quotas; q; q = q->next) {
        if (refuses && (r = quota_check_stated_by(c, q, err)) < 0)
            return r;
        concerned = charge_concerns(c, q) || concerned;
    }
    if (!concerned)
        return 0;
    if (!c->a->req->dry_run && !write_take_turn(c->a->write, quota_turn(c->a, c->pool)))
        return WRITE_WAIT;
    for (struct quota *q = c->quotas; q; q = q->next)
        if ((q->change.count || q->anew) && (r = charge_one(c, q, refuses, err)) < 0)
            return r;
    return 0;
}

/* ---- the plug-in ---- */

/* Updates that cannot change what is used: of most kinds all, of the others those of most subresources. */
static bool quota_ignores(const struct admission *a, const char *resource)
{
    if (!a->req->kind->namespaced || (a->operation == ADMISSION_DELETE && !a->ends))
        return true;
    if (a->operation != ADMISSION_UPDATE)
        return *a->subresource != '\0';
    return !a->ends && (!quota_use_varies(resource) || (*a->subresource && strcmp(a->subresource, "status") != 0 &&
                                                        strcmp(a->subresource, "resize") != 0));
}

static const char *quota_resource(const struct admission *a, struct pool *pool)
{
    const struct schema_kind *kind = a->req->kind;

    const char *const pieces[] = {kind->plural, *kind->group ? "." : "", kind->group};

    return pool_join(pool, pieces, ARRAY_SIZE(pieces));
}

int admit_quota(const struct admission *a, struct error *err)
{
    struct charge c = {.a = a, .pool = a->write->pool, .resource = quota_resource(a, a->write->pool)};
    int r;

    if (quota_ignores(a, c.resource))
        return 0;
    if ((r = charge_read(&c, err)) < 0)
        return r;
    if (c.count >= QUOTAS_MAX && a->operation == ADMISSION_CREATE && admission_is_kind(a, "", "resourcequotas"))
        return admission_forbid(a, err, "a namespace has %d ResourceQuotas at most", QUOTAS_MAX);
    if (!c.count)
        return 0;
    c.before = charge_json(&c, a->old);
    c.after = a->ends ? SLICE_NONE : charge_json(&c, a->object);
    /* What has happened (a status) or goes away is counted, and not refused. */
    return charge_run(&c, !a->ends && strcmp(a->subresource, "status") != 0, err);
}

int admit_quota_status(const struct admission *a, struct error *err)
{
    struct pool *pool = a->write->pool;
    struct quota *q;
    int r;

    if (value_path(a->object, "status", "used", NULL))
        return 0;
    if (!a->req->dry_run && !write_take_turn(a->write, quota_turn(a, pool)))
        return WRITE_WAIT;
    BUF_LOCAL(json);
    value_write(a->object, &json);
    q = quota_read(pool, buf_slice(&json), 0);
    if ((r = count_all(a, pool, q, err)) < 0)
        return r;
    value_set(a->object, "status", quota_status(q));
    return 0;
}

int admit_quota_limits(const struct admission *a, struct error *err)
{
    struct value_iter it = value_iter_start(value_path(a->object, "spec", "hard", NULL));
    struct slice name;
    struct value *limit;

    while (value_iter_next(&it, &name, &limit))
        if (!quota_resource_of(a->write->pool, name))
            request_warn(a->req, "spec.hard[%.*s] is stored, but nothing is counted under that name", SLICE_ARGS(name));
    return 0;
}
