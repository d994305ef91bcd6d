/* SPDX-License-Identifier: Apache-2.0 */
/* What nodes may not do (NodeRestriction), and what new ones get (TaintNodesByCondition). */
#include "apiserver/admission_internal.h"

/* ---- NodeRestriction ----------------------------------------------------------------------------------------------
 */

#define NODE_USER_PREFIX "system:node:"

static bool node_label_is_reserved(struct slice key)
{
    static const char suffix[] = "node-restriction.kubernetes.io";
    ptrdiff_t at = slice_find(key, '/');

    return at >= 0 && slice_ends(slice_make(key.data, (size_t)at), slice_str(suffix));
}

/* Labels that an administrator uses to keep pods away from a node must not be the node's to change. */
static const char *node_changed_label(const struct admission *a)
{
    const struct value *now = value_path(a->object, "metadata", "labels", NULL);
    const struct value *before = value_path(a->old, "metadata", "labels", NULL);
    const struct value *const sides[2][2] = {{now, before}, {before, now}};

    for (size_t s = 0; s < 2; s++) {
        struct value_iter it = value_iter_start(sides[s][0]);
        struct slice name;
        struct value *v;

        while (value_iter_next(&it, &name, &v))
            if (node_label_is_reserved(name) && !value_equal(v, value_get_slice(sides[s][1], name)))
                return pool_slice_dup(a->req->pool, name);
    }
    return NULL;
}

static int node_restrict_node(const struct admission *a, const char *node, struct error *err)
{
    const char *label;

    if (strcmp(a->name, node) != 0)
        return admission_forbid(a, err, "node \"%s\" is not allowed to modify node \"%s\"", node, a->name);
    if ((label = node_changed_label(a)))
        return admission_forbid(a, err, "is not allowed to modify labels: %s", label);
    if (a->old &&
        !value_equal(value_path(a->object, "spec", "taints", NULL), value_path(a->old, "spec", "taints", NULL)))
        return admission_forbid(a, err, "node \"%s\" is not allowed to modify taints", a->name);
    return 0;
}

/* A Lease of another name would make another node look alive. */
static int node_restrict_lease(const struct admission *a, const char *node, struct error *err)
{
    return strcmp(a->name, node) ? admission_forbid(a, err,
                                                    "can only access node lease with the same name as the requesting "
                                                    "node")
                                 : 0;
}

/* Looked at again where the write is planned: the pod may have been bound between the question and the deed. Labels
 * decide who sends traffic to a pod and who owns it. */
static int node_restrict_pod(const struct admission *a, const char *node, struct error *err)
{
    if (!slice_is(value_string(value_path(a->old, "spec", "nodeName", NULL)), node))
        return admission_forbid(a, err, "node \"%s\" can only write pods with spec.nodeName set to itself", node);
    if (a->operation == ADMISSION_UPDATE && (!value_equal(value_path(a->object, "metadata", "labels", NULL),
                                                          value_path(a->old, "metadata", "labels", NULL)) ||
                                             !value_equal(value_path(a->object, "metadata", "ownerReferences", NULL),
                                                          value_path(a->old, "metadata", "ownerReferences", NULL))))
        return admission_forbid(a, err, "node \"%s\" cannot update labels or owners through pod status", node);
    return 0;
}

static const struct {
    const char *group;
    const char *plural;
    unsigned operations;
    int (*restrict_)(const struct admission *a, const char *node, struct error *err);
} node_restrictions[] = {
    {"", "nodes", ADMISSION_CREATE | ADMISSION_UPDATE, node_restrict_node},
    {"coordination.k8s.io", "leases", ADMISSION_CREATE | ADMISSION_UPDATE, node_restrict_lease},
    {"", "pods", ADMISSION_UPDATE | ADMISSION_DELETE, node_restrict_pod},
    {"", "serviceaccounts", ADMISSION_CREATE, admit_node_token},
};

int admit_node(const struct admission *a, struct error *err)
{
    const struct user *user = &a->req->user;

    if (!user_in_group(user, "system:nodes") ||
        strncmp(user->name, NODE_USER_PREFIX, sizeof(NODE_USER_PREFIX) - 1) != 0)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(node_restrictions); i++)
        if ((node_restrictions[i].operations & a->operation) &&
            admission_is_kind(a, node_restrictions[i].group, node_restrictions[i].plural))
            return node_restrictions[i].restrict_(a, user->name + sizeof(NODE_USER_PREFIX) - 1, err);
    return 0;
}

/* ---- TaintNodesByCondition ---- */

/* A new node takes no pods until the controller has seen it ready and takes this away. */
int admit_node_taint(const struct admission *a, struct error *err)
{
    static const char key[] = "node.kubernetes.io/not-ready";
    struct value *taints = value_need_array(value_need_object(a->object, "spec"), "taints");
    struct value *taint;

    for (size_t i = 0; i < value_count(taints); i++)
        if (slice_is(value_string(value_get(value_at(taints, i), "key")), key) &&
            slice_is(value_string(value_get(value_at(taints, i), "effect")), "NoSchedule"))
            return 0;
    taint = value_new_object();
    value_set_str(taint, "key", key);
    value_set_str(taint, "effect", "NoSchedule");
    value_append(taints, taint);
    return 0;
}
