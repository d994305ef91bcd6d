/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authorizer of roles and bindings.
 *
 * The store's writer thread leaves the revision of the newest change of any role or binding in `changed` before the
 * writer is told that it is durable. Every front holds a reference to an index and compares one number before it uses
 * it; only when it is behind it takes the lock, and whoever comes first makes the new index. So a right is there, and
 * gone, with the answer to the write.
 */
#include "apiserver/rbac.h"

#include "apiserver/registry.h"
#include "lib/log.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

struct rbac {
    struct store *store;
    struct store_watch *watch;
    uint64_t changed; /* atomic */
    pthread_mutex_t lock;
    struct rbac_index *current; /* guarded by lock */
    uint64_t current_revision;  /* guarded by lock: what `changed` was when it was made */
};

/* On the store's writer thread. */
static void rbac_on_events(void *arg, struct store_event *const *events, size_t count, uint64_t revision)
{
    __atomic_store_n(&((struct rbac *)arg)->changed, revision, __ATOMIC_RELEASE);
}

struct rbac *rbac_new(struct store *store)
{
    struct rbac *rbac = mem_zalloc(sizeof(*rbac));
    uint64_t revision;

    rbac->store = store;
    rbac->changed = 1; /* more than the 0 of a front that has none yet */
    (void)pthread_mutex_init(&rbac->lock, NULL);
    rbac->watch = store_watch_open(store, SLICE_LIT(REGISTRY_PREFIX RBAC_GROUP "/"), rbac_on_events, rbac, &revision);
    return rbac;
}

void rbac_free(struct rbac *rbac)
{
    if (!rbac)
        return;
    store_watch_close(rbac->watch);
    rbac_index_unref(rbac->current);
    (void)pthread_mutex_destroy(&rbac->lock);
    free(rbac);
}

/* ---- the index ----------------------------------------------------------------------------------------------------
 */

struct rbac_reading {
    struct rbac_index *index;
    enum rbac_kind kind;
};

static int rbac_visit_object(void *arg, const struct store_item *item)
{
    struct rbac_reading *r = arg;

    rbac_index_add(r->index, r->kind, item->value);
    return 0;
}

static struct rbac_index *rbac_read(struct store *store)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct rbac_reading reading = {.index = rbac_index_new()};
    ERROR_LOCAL(err);

    for (size_t i = 0; i < RBAC_KINDS; i++) {
        const struct schema_kind *kind = registry_need_kind(RBAC_GROUP, rbac_plurals[i]);
        const struct store_range range = {.prefix = registry_prefix(pool, kind, ""), .skip_count = true};
        struct store_range_result result;

        reading.kind = (enum rbac_kind)i;
        if (store_list(store, &range, rbac_visit_object, &reading, &result, &err) < 0) {
            log_error("apiserver", "roles and bindings cannot be read: %s", error_text(&err));
            rbac_index_unref(reading.index);
            return NULL;
        }
    }
    rbac_index_finish(reading.index);
    return reading.index;
}

/* Under the lock: makes the shared index current. What changes while it is read makes it old again. */
static void rbac_refresh(struct rbac *rbac)
{
    uint64_t changed = __atomic_load_n(&rbac->changed, __ATOMIC_ACQUIRE);

    if (rbac->current_revision >= changed)
        return;
    rbac_index_unref(rbac->current);
    rbac->current = rbac_read(rbac->store);
    rbac->current_revision = rbac->current ? changed : 0;
}

const struct rbac_index *rbac_current(struct front *front)
{
    struct rbac *rbac = front->server->rbac;

    if (front->rbac_revision >= __atomic_load_n(&rbac->changed, __ATOMIC_ACQUIRE))
        return front->rbac_index;
    rbac_index_unref(front->rbac_index);
    (void)pthread_mutex_lock(&rbac->lock);
    rbac_refresh(rbac);
    front->rbac_index = rbac->current ? rbac_index_ref(rbac->current) : NULL;
    front->rbac_revision = rbac->current_revision;
    (void)pthread_mutex_unlock(&rbac->lock);
    return front->rbac_index;
}

/* ---- the question -------------------------------------------------------------------------------------------------
 */

struct rbac_search {
    struct rbac_ask ask;
    const struct rbac_grant *found;
    struct pool *pool;
    const char *broken; /* bindings whose role is missing, in words; NULL = none */
    size_t broken_count;
};

static bool rbac_try(void *arg, const struct rbac_grant *grant)
{
    struct rbac_search *s = arg;
    const struct rbac_binding *b = grant->binding;

    for (size_t i = 0; b->rules && i < b->rules->count; i++)
        if (rbac_rule_allows(&b->rules->items[i], &s->ask)) {
            s->found = grant;
            return true;
        }
    if (!b->rules) {
        const char *text = pool_printf(s->pool, "%s.rbac.authorization.k8s.io \"%s\" not found",
                                       !strcmp(b->role_kind, "Role") ? "role" : "clusterrole", b->role_name);

        if (!s->broken || !strstr(s->broken, text)) {
            s->broken = s->broken ? pool_printf(s->pool, "%s, %s", s->broken, text) : text;
            s->broken_count++;
        }
    }
    return false;
}

static const char *rbac_words(struct pool *pool, const struct rbac_grant *grant)
{
    const struct rbac_binding *b = grant->binding;
    const struct rbac_subject *s = grant->subject;
    bool account = !strcmp(s->kind, "ServiceAccount");

    return pool_printf(pool, "RBAC: allowed by %s \"%s%s%s\" of %s \"%s\" to %s \"%s%s%s\"",
                       *b->namespace_ ? "RoleBinding" : "ClusterRoleBinding", b->name, *b->namespace_ ? "/" : "",
                       b->namespace_, b->role_kind, b->role_name, s->kind, s->name, account ? "/" : "",
                       account ? s->namespace_ : "");
}

enum authz_answer rbac_authorize(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    const struct rbac_index *index = rbac_current(req->front);
    struct rbac_search s = {.ask = {.is_resource = q->is_resource,
                                    .verb = slice_str(q->verb),
                                    .group = slice_str(q->group),
                                    .resource = slice_str(q->resource),
                                    .subresource = slice_str(q->subresource),
                                    .name = slice_str(q->name),
                                    .path = slice_str(q->path)},
                            .pool = req->pool};

    if (index && rbac_index_visit(index, q->user, q->namespace_, rbac_try, &s)) {
        *ret_reason = rbac_words(req->pool, s.found);
        return AUTHZ_ALLOW;
    }
    if (s.broken)
        *ret_reason =
            pool_printf(req->pool, s.broken_count > 1 ? "RBAC: [%s]" : "RBAC: %s", s.broken); /* as upstream joins */
    return AUTHZ_NO_OPINION;
}
