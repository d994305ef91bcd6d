/* SPDX-License-Identifier: Apache-2.0 */
/*
 * View: the part of an object that controllers look at: chosen raw JSON values in one allocation, read with typed
 * accessors. What each kind keeps is a row (views.c); a kind without a row of its own keeps its metadata.
 */
#ifndef KNARR_CONTROLLERS_VIEW_H
#define KNARR_CONTROLLERS_VIEW_H

#include "api/scan.h"
#include "lib/clock.h"

/* What every view has; a kind's own fields follow. */
enum view_field {
    VIEW_NAMESPACE,
    VIEW_NAME,
    VIEW_UID,
    VIEW_REVISION,
    VIEW_GENERATION,
    VIEW_CREATED,
    VIEW_DELETED, /* deletionTimestamp */
    VIEW_LABELS,
    VIEW_OWNERS,
    VIEW_FINALIZERS,
    VIEW_OWN_FIELDS
};

/* A path ending in "[Ready]" keeps the element whose "type" is Ready; one ending in "{a.b/c}" keeps that member; one
 * ending in "(ports)" keeps one list of all that the elements' lists of that name hold; one ending in "<a,b>" keeps the
 * elements that have one of these members. */
struct view_kind {
    const char *api_version; /* "apps/v1" */
    const char *kind;
    const char *plural;
    const char *const *paths; /* own fields, NULL-terminated; NULL = none */
    /* Where it names the labels that it selects others by, a map: a field, and a path in there (NULL = the field
     * itself).
     */
    struct {
        unsigned field; /* 0 = it selects nothing */
        const char *path;
    } selector;
    bool selected; /* selectors are asked for all of these (run_each_selected) */
};

struct view_part {
    uint32_t offset;
    uint32_t len; /* 0 = absent */
};

struct view {
    const struct view_kind *kind;
    uint32_t place;           /* in the owner index; the runner's */
    uint32_t place_among_all; /* the same, where its kind is selected */
    uint32_t place_unowned;   /* the same, where it has no controller */
    struct view_part parts[];
};

/* The compiled form of a row. */
struct view_reader;
struct view_reader *view_reader_new(const struct view_kind *kind);
void view_reader_free(struct view_reader *reader);
/* One allocation, to be freed with free(). */
struct view *view_read(const struct view_reader *reader, struct slice json);

/* Raw JSON; len 0 = absent. */
struct slice view_raw(const struct view *v, unsigned field);
/* Between the quotes; escapes are left alone, so this is for names, uids and enums. Absent or no string: "". */
struct slice view_text(const struct view *v, unsigned field);
int64_t view_int(const struct view *v, unsigned field, int64_t fallback);
bool view_bool(const struct view *v, unsigned field);
/* Nanoseconds since 1970; 0 = absent. */
int64_t view_time(const struct view *v, unsigned field);
static inline bool view_deleting(const struct view *v)
{
    return view_raw(v, VIEW_DELETED).len > 0;
}

/* Text of a JSON string between its quotes, raw. */
struct slice view_unquote(struct slice raw);
/* The member of a raw JSON object of strings (labels, annotations); data NULL = absent. */
struct slice view_member(struct slice object, const char *name);
struct slice view_member_of(struct slice object, struct slice name);
/* Whether every member of the raw JSON object `wanted` is in `object`, with the same value. */
bool view_has_members(struct slice object, struct slice wanted);
/* Whether both have the same members; an absent object has none. */
bool view_same_members(struct slice a, struct slice b);
/* Whether the object is in the selector's namespace and has the labels that the selector names. */
bool view_selects(const struct view *selector, const struct view *object);
/* Two bits for its namespace, and for each label that it has, or that it names as a selector: who is selected has every
 * bit that the selector wants, and few others have. */
uint64_t view_marks(const struct view *v);
uint64_t view_wanted_marks(const struct view *selector);
bool view_has_finalizer(const struct view *v, const char *name);

/* One owner reference. */
struct view_owner {
    struct slice api_version;
    struct slice kind;
    struct slice name;
    struct slice uid;
    bool controller;
    bool block; /* blockOwnerDeletion */
};
/* Walks the owner references. */
bool view_next_owner(struct scan_cursor *at, struct view_owner *ret_owner);
/* The managing controller; false when there is none. */
bool view_controller(const struct view *v, struct view_owner *ret_owner);
/* "ns/name" or "name". */
void view_key(const struct view *v, struct buf *out);

/* ---- rows (views.c) ---- */
extern const struct view_kind view_pods, view_replicasets, view_deployments, view_nodes, view_leases, view_namespaces,
    view_serviceaccounts, view_configmaps, view_csrs, view_services, view_endpointslices, view_cluster_roles,
    view_budgets, view_secrets, view_quotas, view_definitions, view_endpoints, view_volumes, view_claims;
/* The row of that kind, or NULL. */
const struct view_kind *view_find_kind(struct slice api_version, struct slice kind);

enum view_pod_field {
    POD_NODE = VIEW_OWN_FIELDS,
    POD_PHASE,
    POD_READY,         /* the Ready condition */
    POD_RESTARTS,      /* containerStatuses */
    POD_DELETION_COST, /* annotation */
    POD_TOLERATIONS,
    POD_IP,
    POD_PORTS, /* of all containers, one list */
    POD_HOSTNAME,
    POD_SUBDOMAIN,
    POD_DELETION_GRACE, /* deletionGracePeriodSeconds */
    POD_CLAIMS,         /* those of its volumes that are claims, or have one made for them */
};
enum view_replicaset_field {
    RS_REPLICAS = VIEW_OWN_FIELDS,
    RS_SELECTOR,
    RS_TEMPLATE,
    RS_MIN_READY,
    RS_ANNOTATIONS,
    RS_STATUS,
};
enum view_deployment_field {
    DEPLOYMENT_SPEC = VIEW_OWN_FIELDS,
    DEPLOYMENT_STATUS,
    DEPLOYMENT_ANNOTATIONS,
};
enum view_node_field {
    NODE_TAINTS = VIEW_OWN_FIELDS,
    NODE_CONDITIONS,
    NODE_POD_CIDR,
    NODE_ADDRESSES,
    NODE_UNSCHEDULABLE,
};
enum view_lease_field {
    LEASE_RENEW = VIEW_OWN_FIELDS,
    LEASE_DURATION,
    LEASE_HOLDER,
};
enum view_namespace_field {
    NAMESPACE_PHASE = VIEW_OWN_FIELDS,
    NAMESPACE_FINALIZERS, /* of spec */
    NAMESPACE_CONDITIONS,
};
enum view_configmap_field {
    CONFIGMAP_CA = VIEW_OWN_FIELDS, /* data["ca.crt"] of any ConfigMap named kube-root-ca.crt */
};
enum view_definition_field { /* of custom resources */
                             DEFINITION_PLURAL = VIEW_OWN_FIELDS,
                             DEFINITION_GROUP,
                             DEFINITION_ACCEPTED,
                             DEFINITION_NAMES_ACCEPTED,
};
enum view_volume_field {
    VOLUME_PHASE = VIEW_OWN_FIELDS,
};
enum view_secret_field {
    SECRET_TYPE = VIEW_OWN_FIELDS,
    SECRET_EXPIRATION, /* data["expiration"] of a bootstrap token; no other data is kept */
};
enum view_quota_field {
    QUOTA_HARD = VIEW_OWN_FIELDS,
    QUOTA_STATUS_HARD,
    QUOTA_USED,
};
enum view_cluster_role_field {
    CLUSTER_ROLE_RULES = VIEW_OWN_FIELDS,
    CLUSTER_ROLE_SELECTORS, /* of the aggregationRule */
};
enum view_budget_field {
    BUDGET_METADATA = VIEW_OWN_FIELDS, /* whole: the status is written with PUT, which replaces labels too */
    BUDGET_SPEC,
    BUDGET_STATUS,
};
enum view_csr_field {
    CSR_SPEC = VIEW_OWN_FIELDS,
    CSR_CONDITIONS,
    CSR_CERTIFICATE,
};
enum view_service_field {
    SERVICE_TYPE = VIEW_OWN_FIELDS,
    SERVICE_SELECTOR,
    SERVICE_PORTS,
    SERVICE_CLUSTER_IP,
    SERVICE_PUBLISH_NOT_READY,
};
enum view_endpointslice_field {
    SLICE_ADDRESS_TYPE = VIEW_OWN_FIELDS,
    SLICE_ENDPOINTS,
    SLICE_PORTS,
    SLICE_ANNOTATIONS,
};
enum view_endpoints_field {
    ENDPOINTS_SUBSETS = VIEW_OWN_FIELDS,
    ENDPOINTS_ANNOTATIONS,
};

#endif
