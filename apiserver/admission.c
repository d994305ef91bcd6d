/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plug-ins in a table, in upstream's order. Each row says for which operations of which resource it is asked, so that a
 * plug-in never looks at what does not concern it.
 */
#include "apiserver/admission_internal.h"

#include "api/scan.h"
#include "apiserver/rbac.h"
#include "apiserver/registry.h"

int admission_forbid(const struct admission *a, struct error *err, const char *fmt, ...)
{
    const struct schema_kind *kind = a->req->kind;
    va_list args;

    va_start(args, fmt);
    char *why CLEANUP_FREE = mem_vprintf(fmt, args);
    va_end(args);
    return error_set(err, ERROR_FORBIDDEN, "%s%s%s \"%s\" is forbidden: %s", kind->plural, *kind->group ? "." : "",
                     kind->group, a->name, why);
}

static bool admission_is_kind(const struct admission *a, const char *group, const char *plural)
{
    return !strcmp(a->req->kind->group, group) && !strcmp(a->req->kind->plural, plural);
}

/* ---- NamespaceLifecycle -------------------------------------------------------------------------------------------
 */

static int namespace_missing(const struct admission *a, struct error *err)
{
    struct status_details *details = pool_alloc(a->req->pool, sizeof(*details));

    *details = (struct status_details){a->namespace_, NULL, "namespaces", NULL};
    a->req->error_details = details;
    return error_set(err, ERROR_NOT_FOUND, "namespaces \"%s\" not found", a->namespace_);
}

static int namespace_admit_create(const struct admission *a, struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("", "namespaces");
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct slice doc;

    if (registry_get(a->req->server->store, kind, "", a->namespace_, &item, NULL) < 0)
        return namespace_missing(a, err);
    doc = buf_slice(&item.value);
    if (scan_get(doc, "metadata.deletionTimestamp").data ||
        scan_text_is(scan_get(doc, "status.phase"), "Terminating")) {
        (void)admission_forbid(a, err, "unable to create new content in namespace %s because it is being terminated",
                               a->namespace_);
        error_add_cause(err, "NamespaceTerminating", "metadata.namespace", "namespace %s is being terminated",
                        a->namespace_);
        return -(int)ERROR_FORBIDDEN;
    }
    /* The namespace must still be as it was seen when the object is made: no content behind the cleaner's back. */
    if (a->write)
        (void)write_require(a->write, registry_key(a->write->pool, kind, "", a->namespace_), item.revision);
    return 0;
}

static int namespace_lifecycle(const struct admission *a, struct error *err)
{
    static const char *const immortal[] = {"default", "kube-system", "kube-public"};

    if (a->operation == ADMISSION_CREATE && a->req->kind->namespaced && !*a->subresource)
        return namespace_admit_create(a, err);
    if (a->operation == ADMISSION_DELETE && admission_is_kind(a, "", "namespaces"))
        for (size_t i = 0; i < ARRAY_SIZE(immortal); i++)
            if (!strcmp(immortal[i], a->name))
                return admission_forbid(a, err, "this namespace may not be deleted");
    return 0;
}

/* ---- DefaultTolerationSeconds -------------------------------------------------------------------------------------
 */

#define TOLERATION_SECONDS 300

static bool toleration_covers(const struct value *toleration, const char *key)
{
    struct slice own = value_string(value_get(toleration, "key"));
    struct slice effect = value_string(value_get(toleration, "effect"));

    return (!own.len || slice_is(own, key)) && (!effect.len || slice_is(effect, "NoExecute"));
}

static int default_tolerations(const struct admission *a, struct error *err)
{
    static const char *const keys[] = {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"};
    struct value *list = value_need_array(value_need_object(a->object, "spec"), "tolerations");

    for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
        bool covered = false;
        struct value *toleration;

        for (size_t i = 0; i < value_count(list); i++)
            covered = covered || toleration_covers(value_at(list, i), keys[k]);
        if (covered)
            continue;
        toleration = value_new_object();
        value_set_str(toleration, "key", keys[k]);
        value_set_str(toleration, "operator", "Exists");
        value_set_str(toleration, "effect", "NoExecute");
        value_set(toleration, "tolerationSeconds", value_new_int(TOLERATION_SECONDS));
        value_append(list, toleration);
    }
    return 0;
}

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

static int node_restriction(const struct admission *a, struct error *err)
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
static int taint_new_node(const struct admission *a, struct error *err)
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

/* ---- the chain ---- */

static const struct {
    const char *name;
    unsigned operations;
    const char *group;
    const char *plural; /* NULL = all */
    bool main_only;     /* not for subresources */
    int (*admit)(const struct admission *a, struct error *err);
} admission_chain[] = {
    {"NamespaceLifecycle", ADMISSION_CREATE | ADMISSION_DELETE, "", NULL, false, namespace_lifecycle},
    {"NodeRestriction", ADMISSION_CREATE | ADMISSION_UPDATE | ADMISSION_DELETE, "", NULL, false, node_restriction},
    {"TaintNodesByCondition", ADMISSION_CREATE, "", "nodes", true, taint_new_node},
    {"ServiceAccount", ADMISSION_CREATE, "", "pods", true, admit_pod_account},
    {"ServiceAccount", ADMISSION_CREATE | ADMISSION_UPDATE, "", "secrets", true, admit_account_secret},
    {"Priority", ADMISSION_CREATE, "", "pods", true, admit_pod_priority},
    {"Priority", ADMISSION_CREATE | ADMISSION_UPDATE | ADMISSION_DELETE, "scheduling.k8s.io", "priorityclasses", true,
     admit_priority_class},
    {"RuntimeClass", ADMISSION_CREATE, "", "pods", true, admit_pod_runtime},
    {"DefaultIngressClass", ADMISSION_CREATE, "networking.k8s.io", "ingresses", true, admit_ingress_class},
    {"DefaultTolerationSeconds", ADMISSION_CREATE, "", "pods", true, default_tolerations},
    {"Escalation", ADMISSION_CREATE | ADMISSION_UPDATE, "", NULL, true, rbac_guard},
};

int admission_run(const struct admission *a, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(admission_chain); i++) {
        if (!(admission_chain[i].operations & a->operation) || (admission_chain[i].main_only && *a->subresource) ||
            (admission_chain[i].plural && !admission_is_kind(a, admission_chain[i].group, admission_chain[i].plural)))
            continue;
        int r = admission_chain[i].admit(a, err);

        if (r < 0)
            return r;
    }
    return 0;
}
