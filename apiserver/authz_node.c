/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node authorizer: a node (user system:node:NAME in system:nodes) may touch itself, its Lease, the pods bound to
 * it, and read what those pods refer to. Everything else of the cluster's secrets stays out of its reach, so that one
 * stolen node is one node.
 */
#include "apiserver/authz.h"

#include "api/scan.h"
#include "api/selector.h"
#include "apiserver/registry.h"

#define AUTHZ_NODE_PREFIX "system:node:"

struct authz_node_ask {
    struct apiserver *server;
    struct pool *pool;
    const struct authz_question *q;
    const char *node;
    const char **ret_reason;
};

static enum authz_answer node_deny(const struct authz_node_ask *a, const char *reason)
{
    *a->ret_reason = reason;
    return AUTHZ_DENY;
}

/* Its own Node object; reading all of them is upstream's informer. */
static enum authz_answer node_nodes(const struct authz_node_ask *a)
{
    const char *verb = a->q->verb;

    if (!strcmp(verb, "list") || !strcmp(verb, "watch") || !strcmp(verb, "get"))
        return AUTHZ_ALLOW;
    if ((!strcmp(verb, "create") && !*a->q->name) || !strcmp(a->q->name, a->node))
        return AUTHZ_ALLOW; /* the name in a create's body is checked by admission */
    return node_deny(a, pool_printf(a->pool, "node '%s' may only modify itself", a->node));
}

static enum authz_answer node_leases(const struct authz_node_ask *a)
{
    if (strcmp(a->q->namespace_, "kube-node-lease") != 0)
        return node_deny(a, "can only access leases in the \"kube-node-lease\" system namespace");
    if ((!strcmp(a->q->verb, "create") && !*a->q->name) || !strcmp(a->q->name, a->node))
        return AUTHZ_ALLOW; /* as with nodes */
    return node_deny(a, "can only access node lease with the same name as the requesting node");
}

static enum authz_answer node_pods(const struct authz_node_ask *a)
{
    const char *verb = a->q->verb;
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct selector *s = NULL;
    bool own = false;

    if (!strcmp(verb, "list") || !strcmp(verb, "watch")) {
        if (selector_parse_fields(NULL, slice_str(a->q->field_selector), &s, NULL) == 0)
            own = slice_is(selector_exact(s, SLICE_LIT("spec.nodeName")), a->node);
        selector_free(s);
        return own ? AUTHZ_ALLOW : node_deny(a, "can only list/watch pods with spec.nodeName field selector");
    }
    if (!strcmp(verb, "create") || !strcmp(verb, "deletecollection"))
        return node_deny(a, "a node does not make pods");
    if ((!strcmp(verb, "update") || !strcmp(verb, "patch")) && strcmp(a->q->subresource, "status") != 0)
        return node_deny(a, "a node may only write the status of its pods");
    if (registry_get(a->server->store, registry_need_kind("", "pods"), a->q->namespace_, a->q->name, &item, NULL) < 0)
        return AUTHZ_ALLOW; /* there is none: the verb will say so */
    if (scan_text_is(scan_get(buf_slice(&item.value), "spec.nodeName"), a->node))
        return AUTHZ_ALLOW;
    return node_deny(a, pool_printf(a->pool, "no relationship found between node '%s' and this object", a->node));
}

/* Where a pod names what it needs; one row a path. */
static const struct {
    const char *resource;
    const char *path;
} node_references[] = {
    {"secrets", "spec.volumes[].secret.secretName"},
    {"secrets", "spec.volumes[].projected.sources[].secret.name"},
    {"secrets", "spec.imagePullSecrets[].name"},
    {"secrets", "spec.containers[].env[].valueFrom.secretKeyRef.name"},
    {"secrets", "spec.containers[].envFrom[].secretRef.name"},
    {"secrets", "spec.initContainers[].env[].valueFrom.secretKeyRef.name"},
    {"secrets", "spec.initContainers[].envFrom[].secretRef.name"},
    {"secrets", "spec.ephemeralContainers[].env[].valueFrom.secretKeyRef.name"},
    {"secrets", "spec.ephemeralContainers[].envFrom[].secretRef.name"},
    {"configmaps", "spec.volumes[].configMap.name"},
    {"configmaps", "spec.volumes[].projected.sources[].configMap.name"},
    {"configmaps", "spec.containers[].env[].valueFrom.configMapKeyRef.name"},
    {"configmaps", "spec.containers[].envFrom[].configMapRef.name"},
    {"configmaps", "spec.initContainers[].env[].valueFrom.configMapKeyRef.name"},
    {"configmaps", "spec.initContainers[].envFrom[].configMapRef.name"},
    {"configmaps", "spec.ephemeralContainers[].env[].valueFrom.configMapKeyRef.name"},
    {"configmaps", "spec.ephemeralContainers[].envFrom[].configMapRef.name"},
    {"serviceaccounts", "spec.serviceAccountName"},
};

struct node_search {
    const struct authz_node_ask *ask;
    struct scan_plan *plan;
    bool found;
};

static void node_visit_reference(void *arg, size_t path, struct slice v)
{
    struct node_search *s = arg;

    if (!strcmp(node_references[path].resource, s->ask->q->resource) && scan_text_is(v, s->ask->q->name))
        s->found = true;
}

static int node_visit_pod(void *arg, const struct store_item *item)
{
    struct node_search *s = arg;

    if (scan_text_is(scan_get(item->value, "spec.nodeName"), s->ask->node))
        scan_visit(s->plan, item->value, node_visit_reference, s);
    return s->found;
}

/* Reading what its pods name; and tokens of their accounts, where admission looks at which pod it is for. */
static enum authz_answer node_references_of_pods(const struct authz_node_ask *a)
{
    static const char *const reads[] = {"get", "list", "watch"};
    const char *paths[ARRAY_SIZE(node_references)];
    struct node_search s = {.ask = a};
    struct store_range range = {.prefix = registry_prefix(a->pool, registry_need_kind("", "pods"), a->q->namespace_)};
    struct store_range_result result;
    bool token = !strcmp(a->q->subresource, "token") && !strcmp(a->q->verb, "create");
    bool reading = false;

    for (size_t i = 0; i < ARRAY_SIZE(reads); i++)
        reading = reading || !strcmp(a->q->verb, reads[i]);
    if (!token && (!reading || *a->q->subresource))
        return node_deny(a, "a node may only read it");
    if (!*a->q->name || !*a->q->namespace_)
        return node_deny(a, "a node may only read objects by name");
    for (size_t i = 0; i < ARRAY_SIZE(node_references); i++)
        paths[i] = node_references[i].path;
    s.plan = scan_plan_new(paths, ARRAY_SIZE(paths));
    (void)store_list(a->server->store, &range, node_visit_pod, &s, &result, NULL);
    scan_plan_free(s.plan);
    if (s.found)
        return AUTHZ_ALLOW;
    return node_deny(a, pool_printf(a->pool, "no relationship found between node '%s' and this object", a->node));
}

static enum authz_answer node_read(const struct authz_node_ask *a)
{
    if (!strcmp(a->q->verb, "get") || !strcmp(a->q->verb, "list") || !strcmp(a->q->verb, "watch"))
        return AUTHZ_ALLOW;
    return AUTHZ_NO_OPINION;
}

static enum authz_answer node_events(const struct authz_node_ask *a)
{
    if (!strcmp(a->q->verb, "create") || !strcmp(a->q->verb, "patch") || !strcmp(a->q->verb, "update"))
        return AUTHZ_ALLOW;
    return AUTHZ_NO_OPINION;
}

static const struct {
    const char *group;
    const char *resource;
    const char *subresource; /* the one that is allowed besides none */
    enum authz_answer (*answer)(const struct authz_node_ask *a);
} node_rules[] = {
    {"", "nodes", "status", node_nodes},
    {"coordination.k8s.io", "leases", "", node_leases},
    {"", "pods", "status", node_pods},
    {"", "secrets", "", node_references_of_pods},
    {"", "configmaps", "", node_references_of_pods},
    {"", "serviceaccounts", "token", node_references_of_pods},
    {"", "services", "", node_read},
    {"discovery.k8s.io", "endpointslices", "", node_read},
    {"", "events", "", node_events},
};

enum authz_answer authz_node(struct request *req, const struct authz_question *q, const char **ret_reason)
{
    static const char *const verbs[] = {"get",    "list",  "watch",  "create",
                                        "update", "patch", "delete", "deletecollection"};
    struct authz_node_ask ask = {req->server, req->pool, q, NULL, ret_reason};
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
        known = known || !strcmp(q->verb, verbs[i]);
    if (!known || !q->is_resource || !user_in_group(q->user, "system:nodes") ||
        strncmp(q->user->name, AUTHZ_NODE_PREFIX, sizeof(AUTHZ_NODE_PREFIX) - 1) != 0)
        return AUTHZ_NO_OPINION;
    ask.node = q->user->name + sizeof(AUTHZ_NODE_PREFIX) - 1;
    for (size_t i = 0; i < ARRAY_SIZE(node_rules); i++) {
        if (strcmp(node_rules[i].group, q->group) != 0 || strcmp(node_rules[i].resource, q->resource) != 0)
            continue;
        if (*q->subresource && strcmp(node_rules[i].subresource, q->subresource) != 0)
            return AUTHZ_NO_OPINION;
        return node_rules[i].answer(&ask);
    }
    return AUTHZ_NO_OPINION;
}
