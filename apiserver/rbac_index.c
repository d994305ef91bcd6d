/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two maps: "NAMESPACE/NAME" to the rules of a role, and "LENGTH:NAMESPACE/U/NAME" (G for groups) to what that user
 * was given there (namespace empty = the whole cluster; its length keeps strange texts apart). A ServiceAccount is its
 * user name. Everything lives in one pool, so that an index goes at once.
 */
#include "apiserver/rbac_index.h"

#include <stdlib.h>

#include "lib/log.h"
#include "lib/map.h"

const char *const rbac_plurals[RBAC_KINDS] = {
    [RBAC_CLUSTER_ROLE] = "clusterroles",
    [RBAC_ROLE] = "roles",
    [RBAC_CLUSTER_BINDING] = "clusterrolebindings",
    [RBAC_BINDING] = "rolebindings",
};

struct rbac_grants {
    struct rbac_grant *items;
    size_t count;
    size_t cap;
};

struct rbac_index {
    int refs; /* atomic */
    struct pool *pool;
    struct map roles;
    struct map grants;
    struct rbac_binding **bindings;
    size_t binding_count;
    size_t binding_cap;
};

struct rbac_index *rbac_index_new(void)
{
    struct rbac_index *index = mem_zalloc(sizeof(*index));

    index->refs = 1;
    index->pool = pool_new();
    return index;
}

struct rbac_index *rbac_index_ref(struct rbac_index *index)
{
    (void)__atomic_add_fetch(&index->refs, 1, __ATOMIC_RELAXED);
    return index;
}

void rbac_index_unref(struct rbac_index *index)
{
    if (!index || __atomic_sub_fetch(&index->refs, 1, __ATOMIC_ACQ_REL))
        return;
    map_clear(&index->roles, NULL);
    map_clear(&index->grants, NULL);
    free(index->bindings);
    pool_free(index->pool);
    free(index);
}

/* ---- filling ------------------------------------------------------------------------------------------------------
 */

static char *rbac_copy(struct rbac_index *index, const struct value *object, const char *name)
{
    return pool_slice_dup(index->pool, value_string(value_get(object, name)));
}

static void rbac_add_role(struct rbac_index *index, const char *namespace_, const struct value *object)
{
    struct rbac_rules *rules = pool_alloc(index->pool, sizeof(*rules));
    BUF_LOCAL(key);

    *rules = rbac_rules_read(index->pool, value_get(object, "rules"));
    buf_printf(&key, "%s/%s", namespace_, rbac_copy(index, value_get(object, "metadata"), "name"));
    (void)map_put(&index->roles, buf_slice(&key), rules);
}

static void rbac_grant_add(struct rbac_index *index, struct slice key, const struct rbac_binding *binding,
                           const struct rbac_subject *subject)
{
    struct rbac_grants *grants = map_get(&index->grants, key);

    if (!grants) {
        grants = pool_alloc(index->pool, sizeof(*grants));
        (void)map_put(&index->grants, key, grants);
    }
    if (grants->count == grants->cap) {
        struct rbac_grant *more = pool_alloc(index->pool, (grants->cap * 2 + 2) * sizeof(*more));

        if (grants->count)
            memcpy(more, grants->items, grants->count * sizeof(*more));
        grants->items = more;
        grants->cap = grants->cap * 2 + 2;
    }
    grants->items[grants->count++] = (struct rbac_grant){binding, subject};
}

static void rbac_write_key(struct buf *key, const char *namespace_, char kind, const char *prefix, const char *name)
{
    buf_reset(key);
    buf_printf(key, "%zu:%s/%c/%s%s", strlen(namespace_), namespace_, kind, prefix, name);
}

static void rbac_add_subject(struct rbac_index *index, const struct rbac_binding *binding, const struct value *object)
{
    struct rbac_subject *subject = pool_alloc(index->pool, sizeof(*subject));
    const char *prefix = "";
    bool user;
    BUF_LOCAL(key);

    subject->kind = rbac_copy(index, object, "kind");
    subject->name = rbac_copy(index, object, "name");
    subject->namespace_ = rbac_copy(index, object, "namespace");
    user = !strcmp(subject->kind, "User");
    if (!strcmp(subject->kind, "ServiceAccount")) {
        if (!*subject->namespace_)
            subject->namespace_ = binding->namespace_;
        if (!*subject->namespace_)
            return;
        prefix = pool_printf(index->pool, "system:serviceaccount:%s:", subject->namespace_);
        user = true;
    } else if (!user && strcmp(subject->kind, "Group") != 0) {
        return;
    }
    rbac_write_key(&key, binding->namespace_, user ? 'U' : 'G', prefix, subject->name);
    rbac_grant_add(index, buf_slice(&key), binding, subject);
}

static void rbac_add_binding(struct rbac_index *index, const char *namespace_, const struct value *object)
{
    struct rbac_binding *binding = pool_alloc(index->pool, sizeof(*binding));
    const struct value *role = value_get(object, "roleRef");
    const struct value *subjects = value_get(object, "subjects");

    binding->namespace_ = namespace_;
    binding->name = rbac_copy(index, value_get(object, "metadata"), "name");
    binding->role_kind = rbac_copy(index, role, "kind");
    binding->role_name = rbac_copy(index, role, "name");
    binding->order = index->binding_count;
    if (index->binding_count == index->binding_cap) {
        index->binding_cap = index->binding_cap * 2 + 64;
        index->bindings = mem_realloc(index->bindings, index->binding_cap * sizeof(*index->bindings));
    }
    index->bindings[index->binding_count++] = binding;
    for (size_t i = 0; i < value_count(subjects); i++)
        rbac_add_subject(index, binding, value_at(subjects, i));
}

void rbac_index_add(struct rbac_index *index, enum rbac_kind kind, struct slice json)
{
    bool cluster = kind == RBAC_CLUSTER_ROLE || kind == RBAC_CLUSTER_BINDING;
    struct value *object CLEANUP_VALUE = value_parse(json, NULL);
    const char *namespace_;

    if (!object) {
        log_error("apiserver", "one of the stored %s cannot be read and counts for nothing", rbac_plurals[kind]);
        return;
    }
    namespace_ = cluster ? "" : rbac_copy(index, value_get(object, "metadata"), "namespace");
    if (!cluster && !*namespace_)
        return;
    if (kind == RBAC_CLUSTER_ROLE || kind == RBAC_ROLE)
        rbac_add_role(index, namespace_, object);
    else
        rbac_add_binding(index, namespace_, object);
}

void rbac_index_finish(struct rbac_index *index)
{
    for (size_t i = 0; i < index->binding_count; i++) {
        struct rbac_binding *b = index->bindings[i];

        b->rules = rbac_index_role(index, b->role_kind, b->namespace_, b->role_name);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

const struct rbac_rules *rbac_index_role(const struct rbac_index *index, const char *kind, const char *namespace_,
                                         const char *name)
{
    bool cluster = !strcmp(kind, "ClusterRole");
    BUF_LOCAL(key);

    if (!cluster && (strcmp(kind, "Role") != 0 || !*namespace_))
        return NULL;
    buf_printf(&key, "%s/%s", cluster ? "" : namespace_, name);
    return map_get(&index->roles, buf_slice(&key));
}

static bool rbac_visit_key(const struct rbac_index *index, const struct buf *key,
                           bool (*visit)(void *arg, const struct rbac_grant *grant), void *arg)
{
    const struct rbac_grants *grants = map_get(&index->grants, buf_slice(key));

    for (size_t i = 0; grants && i < grants->count; i++)
        if (visit(arg, &grants->items[i]))
            return true;
    return false;
}

static bool rbac_visit_place(const struct rbac_index *index, const struct user *user, const char *namespace_,
                             bool (*visit)(void *arg, const struct rbac_grant *grant), void *arg)
{
    BUF_LOCAL(key);

    rbac_write_key(&key, namespace_, 'U', "", user->name);
    if (rbac_visit_key(index, &key, visit, arg))
        return true;
    for (size_t i = 0; i < user->group_count; i++) {
        rbac_write_key(&key, namespace_, 'G', "", user->groups[i]);
        if (rbac_visit_key(index, &key, visit, arg))
            return true;
    }
    return false;
}

bool rbac_index_visit(const struct rbac_index *index, const struct user *user, const char *namespace_,
                      bool (*visit)(void *arg, const struct rbac_grant *grant), void *arg)
{
    return rbac_visit_place(index, user, "", visit, arg) ||
           (*namespace_ && rbac_visit_place(index, user, namespace_, visit, arg));
}

struct rbac_collection {
    struct rbac_grant *items; /* NULL = only count */
    size_t count;
};

static bool rbac_collect(void *arg, const struct rbac_grant *grant)
{
    struct rbac_collection *c = arg;

    if (c->items)
        c->items[c->count] = *grant;
    c->count++;
    return false;
}

static int rbac_order_grants(const void *a, const void *b)
{
    size_t x = ((const struct rbac_grant *)a)->binding->order;
    size_t y = ((const struct rbac_grant *)b)->binding->order;

    return (x > y) - (x < y);
}

size_t rbac_index_grants(const struct rbac_index *index, struct pool *pool, const struct user *user,
                         const char *namespace_, const struct rbac_grant **ret_grants)
{
    struct rbac_collection c = {0};
    size_t kept = 0;

    (void)rbac_index_visit(index, user, namespace_, rbac_collect, &c);
    c.items = pool_alloc(pool, (c.count + 1) * sizeof(*c.items));
    c.count = 0;
    (void)rbac_index_visit(index, user, namespace_, rbac_collect, &c);
    qsort(c.items, c.count, sizeof(*c.items), rbac_order_grants);
    for (size_t i = 0; i < c.count; i++)
        if (!kept || c.items[kept - 1].binding != c.items[i].binding)
            c.items[kept++] = c.items[i];
    *ret_grants = c.items;
    return kept;
}

struct rbac_rules rbac_index_rules(const struct rbac_index *index, struct pool *pool, const struct user *user,
                                   const char *namespace_)
{
    const struct rbac_grant *grants;
    size_t count = rbac_index_grants(index, pool, user, namespace_, &grants);
    struct rbac_rule *items;
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += grants[i].binding->rules ? grants[i].binding->rules->count : 0;
    items = pool_alloc(pool, (total + 1) * sizeof(*items));
    total = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; grants[i].binding->rules && r < grants[i].binding->rules->count; r++)
            items[total++] = grants[i].binding->rules->items[r];
    return (struct rbac_rules){items, total};
}
