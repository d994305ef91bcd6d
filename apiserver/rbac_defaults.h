/* SPDX-License-Identifier: Apache-2.0 */
/* The default roles and bindings: as a table, as objects, and against what is stored. */
#ifndef KNARR_APISERVER_RBAC_DEFAULTS_H
#define KNARR_APISERVER_RBAC_DEFAULTS_H

#include "api/value.h"
#include "apiserver/rbac_index.h"

struct rbac_default_role {
    const char *namespace_; /* "" = a ClusterRole */
    const char *name;
    const char *gathered_to; /* carries the label aggregate-to-X; "" = none */
    const char *gathers;     /* takes the rules of all with that label; "" = none */
    const char *rules;
};
struct rbac_default_binding {
    const char *namespace_; /* "" = a ClusterRoleBinding */
    const char *name;
    const char *role;     /* NULL = the one of the same name; it stands where the binding stands */
    const char *subjects; /* "user=NAME,group=NAME,account=NAMESPACE/NAME" */
};
extern const struct rbac_default_role rbac_default_roles[];
extern const size_t rbac_default_role_count;
extern const struct rbac_default_binding rbac_default_bindings[];
extern const size_t rbac_default_binding_count;

/* All of them, roles first. */
size_t rbac_default_count(void);
/* Which one: kind, namespace, name; returns the object, to be freed. */
struct value *rbac_default_object(size_t index, enum rbac_kind *ret_kind, const char **ret_namespace,
                                  const char **ret_name);
/* Brings a stored object up to the default one: adds labels, annotations, rules and subjects that are missing, takes
 * nothing away, and leaves alone what is annotated rbac.authorization.kubernetes.io/autoupdate=false. True when that
 * changed something. */
bool rbac_default_reconcile(struct value *stored, const struct value *wanted);

#endif
