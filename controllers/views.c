/* SPDX-License-Identifier: Apache-2.0 */
/* What controllers keep of each kind: rows. The order of paths is that of the enums in view.h. */
#include "controllers/view.h"

#define VIEW_PATHS(...)                                                                                                \
    (const char *const[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__, NULL                                                                                              \
    }
#define VIEW_ROW(variable, version, name, resource, ...)                                                               \
    const struct view_kind variable = {version, name, resource, VIEW_PATHS(__VA_ARGS__)}

const struct view_kind view_pods = {
    "v1", "Pod", "pods",
    VIEW_PATHS("spec.nodeName", "status.phase", "status.conditions[Ready]", "status.containerStatuses",
               "metadata.annotations{controller.kubernetes.io/pod-deletion-cost}", "spec.tolerations", "status.podIP",
               "spec.containers(ports)", "spec.hostname", "spec.subdomain", "metadata.deletionGracePeriodSeconds",
               "spec.volumes<persistentVolumeClaim,ephemeral>"),
    .selected = true};
const struct view_kind view_replicasets = {"apps/v1", "ReplicaSet", "replicasets",
                                           VIEW_PATHS("spec.replicas", "spec.selector", "spec.template",
                                                      "spec.minReadySeconds", "metadata.annotations", "status"),
                                           .selector = {RS_SELECTOR, "matchLabels"}};
const struct view_kind view_deployments = {"apps/v1", "Deployment", "deployments",
                                           VIEW_PATHS("spec", "status", "metadata.annotations"),
                                           .selector = {DEPLOYMENT_SPEC, "selector.matchLabels"}};
VIEW_ROW(view_nodes, "v1", "Node", "nodes", "spec.taints", "status.conditions", "spec.podCIDR", "status.addresses",
         "spec.unschedulable");
VIEW_ROW(view_leases, "coordination.k8s.io/v1", "Lease", "leases", "spec.renewTime", "spec.leaseDurationSeconds",
         "spec.holderIdentity");
VIEW_ROW(view_namespaces, "v1", "Namespace", "namespaces", "status.phase", "spec.finalizers", "status.conditions");
VIEW_ROW(view_configmaps, "v1", "ConfigMap", "configmaps", "data{ca.crt}");
VIEW_ROW(view_csrs, "certificates.k8s.io/v1", "CertificateSigningRequest", "certificatesigningrequests", "spec",
         "status.conditions", "status.certificate");
const struct view_kind view_services = {
    "v1", "Service", "services",
    VIEW_PATHS("spec.type", "spec.selector", "spec.ports", "spec.clusterIP", "spec.publishNotReadyAddresses"),
    .selector = {SERVICE_SELECTOR, NULL}};
VIEW_ROW(view_endpointslices, "discovery.k8s.io/v1", "EndpointSlice", "endpointslices", "addressType", "endpoints",
         "ports", "metadata.annotations");
VIEW_ROW(view_endpoints, "v1", "Endpoints", "endpoints", "subsets", "metadata.annotations");
VIEW_ROW(view_cluster_roles, "rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", "rules",
         "aggregationRule.clusterRoleSelectors");
const struct view_kind view_budgets = {"policy/v1", "PodDisruptionBudget", "poddisruptionbudgets",
                                       VIEW_PATHS("metadata", "spec", "status"),
                                       .selector = {BUDGET_SPEC, "selector.matchLabels"}};
VIEW_ROW(view_secrets, "v1", "Secret", "secrets", "type", "data{expiration}");
VIEW_ROW(view_quotas, "v1", "ResourceQuota", "resourcequotas", "spec.hard", "status.hard", "status.used");
VIEW_ROW(view_definitions, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "customresourcedefinitions",
         "spec.names.plural", "spec.group", "status.acceptedNames", "status.conditions[NamesAccepted]");
VIEW_ROW(view_volumes, "v1", "PersistentVolume", "persistentvolumes", "status.phase");
const struct view_kind view_claims = {"v1", "PersistentVolumeClaim", "persistentvolumeclaims", NULL};
const struct view_kind view_serviceaccounts = {"v1", "ServiceAccount", "serviceaccounts", NULL};

static const struct view_kind *const view_rows[] = {
    &view_pods,           &view_replicasets,   &view_deployments,     &view_nodes,   &view_leases,
    &view_namespaces,     &view_configmaps,    &view_serviceaccounts, &view_csrs,    &view_services,
    &view_endpointslices, &view_cluster_roles, &view_budgets,         &view_secrets, &view_quotas,
    &view_definitions,    &view_endpoints,     &view_volumes,         &view_claims,
};

const struct view_kind *view_find_kind(struct slice api_version, struct slice kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(view_rows); i++)
        if (slice_is(api_version, view_rows[i]->api_version) && slice_is(kind, view_rows[i]->kind))
            return view_rows[i];
    return NULL;
}
