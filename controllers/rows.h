/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of the table and the plan functions of the small controllers. */
#ifndef KNARR_CONTROLLERS_ROWS_H
#define KNARR_CONTROLLERS_ROWS_H

#include "controllers/runner.h"

extern const struct controller deployment_controller, replicaset_controller, serviceaccount_controller,
    root_ca_controller, csr_controller, node_ipam_controller, node_lifecycle_controller, namespace_controller,
    garbage_collector, pod_gc_controller, role_aggregation_controller, token_cleaner_controller,
    resourcequota_controller, custom_finalizer, claim_protection, volume_protection;

/* Gives a /24 of 10.244.0.0/16 to each node without one; nodes that have one keep it. False when none is free. */
bool node_ipam_plan(const struct view *const *nodes, size_t count, struct plan *plan);

#define POD_GC_WAIT_S 40 /* as upstream */
/* Pods bound to a node that has been missing for so long; node NULL = missing. */
void pod_gc_plan(const struct view *node, const struct view *const *pods, size_t count, int64_t missing_s, int64_t now,
                 struct plan *plan);

/* The oldest of these pods that have ended, beyond `limit`; puts them in order. */
void pod_gc_terminated_plan(const struct view **pods, size_t count, size_t limit, struct plan *plan);

/* ConfigMap kube-root-ca.crt of a namespace; configmap NULL = missing. */
void root_ca_plan(const struct view *ns, const struct view *configmap, struct slice ca, struct plan *plan);
/* The rules of a role that gathers those of others; `roles` are all ClusterRoles by name. */
void role_aggregation_plan(const struct view *role, const struct view *const *roles, size_t count, struct plan *plan);
/* Deletes a bootstrap token that has expired, or looks again when it will have. */
void token_cleaner_plan(const struct view *secret, int64_t now_ns, struct plan *plan);
/* Has the API server count anew what a quota limits: when the limits have changed, and from `due` on (both times in
 * nanoseconds). NULL = missing. */
void resourcequota_plan(const struct view *quota, int64_t due, int64_t now, struct plan *plan);
/* Empties a kind whose definition is being deleted, then lets the definition go; kind NULL = it is not served. Of one
 * that waits for names, has the API server look again whether they are free. */
void custom_finalizer_plan(const struct view *definition, const struct view_kind *kind,
                           const struct view *const *objects, size_t count, struct plan *plan);
/* Takes the finalizer off an object that is deleted and not used, and puts it on one that is not deleted. */
void protection_plan(const struct view *object, const char *finalizer, bool used, struct plan *plan);
bool protection_pod_uses(const struct view *pod, const struct view *claim);
/* ServiceAccount default of a namespace. */
void serviceaccount_plan(const struct view *ns, const struct view *account, struct plan *plan);

#endif
