/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The compiled form of all roles and bindings at one moment: who has which rules where. Filled once, then immutable and
 * shared by reference; reading takes no lock.
 */
#ifndef KNARR_APISERVER_RBAC_INDEX_H
#define KNARR_APISERVER_RBAC_INDEX_H

#include "apiserver/rbac_rules.h"
#include "apiserver/request.h"

enum rbac_kind { RBAC_CLUSTER_ROLE, RBAC_ROLE, RBAC_CLUSTER_BINDING, RBAC_BINDING, RBAC_KINDS };

/* Resources, in the order of the enum. */
extern const char *const rbac_plurals[RBAC_KINDS];

struct rbac_subject {
    const char *kind;
    const char *name;
    const char *namespace_; /* of a ServiceAccount */
};
struct rbac_binding {
    const char *namespace_; /* "" = of the whole cluster */
    const char *name;
    const char *role_kind;
    const char *role_name;
    const struct rbac_rules *rules; /* NULL = there is no such role */
    size_t order;
};
/* A binding and the subject by which somebody has it. */
struct rbac_grant {
    const struct rbac_binding *binding;
    const struct rbac_subject *subject;
};

struct rbac_index;

struct rbac_index *rbac_index_new(void);
/* One object as it is stored; one that cannot be read gives nobody anything. */
void rbac_index_add(struct rbac_index *index, enum rbac_kind kind, struct slice json);
/* After the last. */
void rbac_index_finish(struct rbac_index *index);
struct rbac_index *rbac_index_ref(struct rbac_index *index);
void rbac_index_unref(struct rbac_index *index); /* NULL is allowed */

/* The rules of a role by its kind ("Role", "ClusterRole"); NULL = there is none. */
const struct rbac_rules *rbac_index_role(const struct rbac_index *index, const char *kind, const char *namespace_,
                                         const char *name);
/* Visits what the user has in the whole cluster, then in the namespace ("" = nothing more), until visit returns true.
 * A binding that names him more than once comes more than once. */
bool rbac_index_visit(const struct rbac_index *index, const struct user *user, const char *namespace_,
                      bool (*visit)(void *arg, const struct rbac_grant *grant), void *arg);
/* The same as an array in the pool: every binding once, in their order. */
size_t rbac_index_grants(const struct rbac_index *index, struct pool *pool, const struct user *user,
                         const char *namespace_, const struct rbac_grant **ret_grants);
/* All rules the user has there. */
struct rbac_rules rbac_index_rules(const struct rbac_index *index, struct pool *pool, const struct user *user,
                                   const char *namespace_);

#endif
