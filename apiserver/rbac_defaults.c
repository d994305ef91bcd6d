/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The roles and bindings that every cluster has, as Kubernetes 1.35 has them (its features that are off by default left
 * out). Data only; rbac_bootstrap.c reads it.
 *
 * A rule is "VERBS GROUPS RESOURCES [NAMES];" or "VERBS url PATHS;", each a list with commas; `core` is the group "".
 */
#include "apiserver/rbac_defaults.h"

#define READ   "get,list,watch"
#define WRITE  "create,delete,deletecollection,patch,update"
#define EVENTS "create,patch,update core,events.k8s.io events"

/* clang-format off */
/* namespace ("" = ClusterRole), name, into which role it is gathered, which ones it gathers, rules */
const struct rbac_default_role rbac_default_roles[] = {
    {"", "admin", "", "admin",
     ""},
    {"", "cluster-admin", "", "",
     "* * *;"
     "* url *;"},
    {"", "edit", "admin", "edit",
     ""},
    {"", "system:aggregate-to-admin", "admin", "",
     "create authorization.k8s.io localsubjectaccessreviews;"
     WRITE "," READ " rbac.authorization.k8s.io rolebindings,roles;"},
    {"", "system:aggregate-to-edit", "edit", "",
     READ " core pods/attach,pods/exec,pods/portforward,pods/proxy,secrets,services/proxy;"
     "impersonate core serviceaccounts;"
     WRITE " core pods,pods/attach,pods/exec,pods/portforward,pods/proxy;"
     "create core pods/eviction;"
     WRITE " core configmaps,events,persistentvolumeclaims,replicationcontrollers,"
     "replicationcontrollers/scale,secrets,serviceaccounts,services,services/proxy;"
     "create core serviceaccounts/token;"
     WRITE " apps daemonsets,deployments,deployments/rollback,deployments/scale,replicasets,"
     "replicasets/scale,statefulsets,statefulsets/scale;"
     WRITE " autoscaling horizontalpodautoscalers;"
     WRITE " batch cronjobs,jobs;"
     WRITE " extensions daemonsets,deployments,deployments/rollback,deployments/scale,ingresses,"
     "networkpolicies,replicasets,replicasets/scale,replicationcontrollers/scale;"
     WRITE " policy poddisruptionbudgets;"
     WRITE " networking.k8s.io ingresses,networkpolicies;"
     WRITE "," READ " coordination.k8s.io leases;"
     WRITE " resource.k8s.io resourceclaims,resourceclaimtemplates;"},
    {"", "system:aggregate-to-view", "view", "",
     READ " core configmaps,endpoints,persistentvolumeclaims,persistentvolumeclaims/status,pods,"
     "replicationcontrollers,replicationcontrollers/scale,serviceaccounts,services," "services/status;"
     READ " core bindings,events,limitranges,namespaces/status,pods/log,pods/status,"
     "replicationcontrollers/status,resourcequotas,resourcequotas/status;"
     READ " core namespaces;"
     READ " discovery.k8s.io endpointslices;"
     READ " apps controllerrevisions,daemonsets,daemonsets/status,deployments,deployments/scale,"
     "deployments/status,replicasets,replicasets/scale,replicasets/status,statefulsets,"
     "statefulsets/scale,statefulsets/status;"
     READ " autoscaling horizontalpodautoscalers,horizontalpodautoscalers/status;"
     READ " batch cronjobs,cronjobs/status,jobs,jobs/status;"
     READ " extensions daemonsets,daemonsets/status,deployments,deployments/scale,"
     "deployments/status,ingresses,ingresses/status,networkpolicies,replicasets,"
     "replicasets/scale,replicasets/status,replicationcontrollers/scale;"
     READ " policy poddisruptionbudgets,poddisruptionbudgets/status;"
     READ " networking.k8s.io ingresses,ingresses/status,networkpolicies;"
     READ " resource.k8s.io resourceclaims,resourceclaims/status,resourceclaimtemplates;"},
    {"", "system:knarr:metrics-reader", "view", "",
     READ " metrics.k8s.io nodes,pods;"},
    {"", "system:auth-delegator", "", "",
     "create authentication.k8s.io tokenreviews;"
     "create authorization.k8s.io subjectaccessreviews;"},
    {"", "system:basic-user", "", "",
     "create authorization.k8s.io selfsubjectaccessreviews,selfsubjectrulesreviews;"
     "create authentication.k8s.io selfsubjectreviews;"},
    {"", "system:certificates.k8s.io:certificatesigningrequests:nodeclient", "", "",
     "create certificates.k8s.io certificatesigningrequests/nodeclient;"},
    {"", "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", "", "",
     "create certificates.k8s.io certificatesigningrequests/selfnodeclient;"},
    {"", "system:certificates.k8s.io:kube-apiserver-client-approver", "", "",
     "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client;"},
    {"", "system:certificates.k8s.io:kube-apiserver-client-kubelet-approver", "", "",
     "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet;"},
    {"", "system:certificates.k8s.io:kubelet-serving-approver", "", "",
     "approve certificates.k8s.io signers kubernetes.io/kubelet-serving;"},
    {"", "system:certificates.k8s.io:legacy-unknown-approver", "", "",
     "approve certificates.k8s.io signers kubernetes.io/legacy-unknown;"},
    {"", "system:discovery", "", "",
     "get url /api,/api/*,/apis,/apis/*,/healthz,/livez,/openapi,/openapi/*,/readyz,/version," "/version/;"},
    {"", "system:heapster", "", "",
     READ " core events,namespaces,nodes,pods;"
     READ " extensions deployments;"},
    {"", "system:kube-aggregator", "", "",
     READ " core endpoints,services;"},
    {"", "system:kube-controller-manager", "", "",
     EVENTS ";"
     "create coordination.k8s.io leases;"
     "get,update coordination.k8s.io leases kube-controller-manager;"
     "create core secrets,serviceaccounts;"
     "delete core secrets;"
     "get core configmaps,namespaces,secrets,serviceaccounts;"
     "update core secrets,serviceaccounts;"
     "create authentication.k8s.io tokenreviews;"
     "create authorization.k8s.io subjectaccessreviews;"
     "list,watch * *;"
     "create core serviceaccounts/token;"},
    {"", "system:kube-dns", "", "",
     "list,watch core endpoints,services;"},
    {"", "system:kube-scheduler", "", "",
     EVENTS ";"
     "create coordination.k8s.io leases;"
     "get,list,update,watch coordination.k8s.io leases kube-scheduler;"
     READ " core nodes;"
     "delete," READ " core pods;"
     "create core bindings,pods/binding;"
     "patch,update core pods/status;"
     READ " core replicationcontrollers,services;"
     READ " apps,extensions replicasets;"
     READ " apps statefulsets;"
     READ " policy poddisruptionbudgets;"
     READ " core persistentvolumeclaims,persistentvolumes;"
     "create authentication.k8s.io tokenreviews;"
     "create authorization.k8s.io subjectaccessreviews;"
     READ " storage.k8s.io csinodes;"
     READ " core namespaces;"
     READ " storage.k8s.io csidrivers;"
     READ " storage.k8s.io csistoragecapacities;"
     READ " storage.k8s.io volumeattachments;"
     READ " resource.k8s.io deviceclasses;"
     "patch,update," READ " resource.k8s.io resourceclaims;"
     "patch,update resource.k8s.io resourceclaims/status;"
     READ " resource.k8s.io resourceslices;"},
    {"", "system:kubelet-api-admin", "", "",
     READ " core nodes;"
     "proxy core nodes;"
     "* core nodes/configz,nodes/healthz,nodes/log,nodes/metrics,nodes/pods,nodes/proxy," "nodes/spec,nodes/stats;"},
    {"", "system:monitoring", "", "",
     "get url /healthz,/healthz/*,/livez,/livez/*,/metrics,/metrics/slis,/readyz,/readyz/*;"},
    {"", "system:node", "", "",
     "create authentication.k8s.io tokenreviews;"
     "create authorization.k8s.io localsubjectaccessreviews,subjectaccessreviews;"
     READ " core services;"
     "create," READ " core nodes;"
     "patch,update core nodes/status;"
     "patch,update core nodes;"
     "create,patch,update core,events.k8s.io events;"
     READ " core pods;"
     "create,delete core pods;"
     "patch,update core pods/status;"
     "create core pods/eviction;"
     READ " core configmaps,secrets;"
     "get core persistentvolumeclaims,persistentvolumes;"
     "get core endpoints;"
     "create," READ " certificates.k8s.io certificatesigningrequests;"
     "create,delete,get,patch,update coordination.k8s.io leases;"
     "get storage.k8s.io volumeattachments;"
     "create core serviceaccounts/token;"
     "get,patch,update core persistentvolumeclaims/status;"
     READ " storage.k8s.io csidrivers;"
     "create,delete,get,patch,update storage.k8s.io csinodes;"
     READ " node.k8s.io runtimeclasses;"
     "get resource.k8s.io resourceclaims;"
     "deletecollection,create,delete,patch,update," READ " resource.k8s.io resourceslices;"},
    {"", "system:node-bootstrapper", "", "",
     "create," READ " certificates.k8s.io certificatesigningrequests;"},
    {"", "system:node-problem-detector", "", "",
     "get core nodes;"
     "patch core nodes/status;"
     EVENTS ";"},
    {"", "system:node-proxier", "", "",
     "list,watch core endpoints,services;"
     READ " core nodes;"
     EVENTS ";"
     "list,watch discovery.k8s.io endpointslices;"
     "list,watch networking.k8s.io servicecidrs;"},
    {"", "system:persistent-volume-provisioner", "", "",
     "create,delete," READ " core persistentvolumes;"
     "update," READ " core persistentvolumeclaims;"
     READ " storage.k8s.io storageclasses;"
     "watch core events;"
     EVENTS ";"},
    {"", "system:public-info-viewer", "", "",
     "get url /healthz,/livez,/readyz,/version,/version/;"},
    {"", "system:service-account-issuer-discovery", "", "",
     "get url /.well-known/openid-configuration,/.well-known/openid-configuration/,"
     "/openid/v1/jwks,/openid/v1/jwks/;"},
    {"", "view", "edit", "view",
     ""},
    {"", "system:volume-scheduler", "", "",
     "patch,update," READ " core persistentvolumes;"
     READ " storage.k8s.io storageclasses;"
     "patch,update," READ " core persistentvolumeclaims;"},
    {"", "system:controller:attachdetach-controller", "", "",
     "list,watch core persistentvolumeclaims,persistentvolumes;"
     READ " core nodes;"
     "patch,update core nodes/status;"
     "list,watch core pods;"
     EVENTS ";"
     "create,delete," READ " storage.k8s.io volumeattachments;"
     READ " storage.k8s.io csidrivers;"
     READ " storage.k8s.io csinodes;"},
    {"", "system:controller:certificate-controller", "", "",
     "delete," READ " certificates.k8s.io certificatesigningrequests;"
     "update certificates.k8s.io certificatesigningrequests/approval," "certificatesigningrequests/status;"
     /* The second is ours: what nodes serve with is approved here too, where upstream leaves it to people. */
     "approve certificates.k8s.io signers kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving;"
     "sign certificates.k8s.io signers kubernetes.io/kube-apiserver-client,"
     "kubernetes.io/kube-apiserver-client-kubelet,kubernetes.io/kubelet-serving," "kubernetes.io/legacy-unknown;"
     "create authorization.k8s.io subjectaccessreviews;"
     EVENTS ";"},
    {"", "system:controller:clusterrole-aggregation-controller", "", "",
     "escalate,patch,update," READ " rbac.authorization.k8s.io clusterroles;"},
    {"", "system:controller:cronjob-controller", "", "",
     "update," READ " batch cronjobs;"
     "create,delete,patch,update," READ " batch jobs;"
     "update batch cronjobs/status;"
     "update batch cronjobs/finalizers;"
     "delete,list,watch core pods;"
     EVENTS ";"},
    /* Ours: upstream's has no limits, being a part of its API server. */
    {"", "system:controller:custom-resource-finalizer", "", "",
     "patch," READ " apiextensions.k8s.io customresourcedefinitions;"
     "delete,deletecollection," READ " * *;"},
    {"", "system:controller:daemon-set-controller", "", "",
     READ " apps,extensions daemonsets;"
     "update apps,extensions daemonsets/status;"
     "update apps,extensions daemonsets/finalizers;"
     "list,watch core nodes;"
     "create,delete,list,patch,watch core pods;"
     "create core pods/binding;"
     "create,delete,patch,update," READ " apps controllerrevisions;"
     EVENTS ";"},
    {"", "system:controller:deployment-controller", "", "",
     "update," READ " apps,extensions deployments;"
     "update apps,extensions deployments/status;"
     "update apps,extensions deployments/finalizers;"
     "create,delete,patch,update," READ " apps,extensions replicasets;"
     "update," READ " core pods;"
     EVENTS ";"},
    {"", "system:controller:disruption-controller", "", "",
     READ " apps,extensions deployments;"
     READ " apps,extensions replicasets;"
     READ " core replicationcontrollers;"
     READ " policy poddisruptionbudgets;"
     READ " apps statefulsets;"
     "update policy poddisruptionbudgets/status;"
     "patch,update core pods/status;"
     "get * */scale;"
     EVENTS ";"},
    {"", "system:controller:endpoint-controller", "", "",
     READ " core pods,services;"
     "create,delete,update," READ " core endpoints;"
     "create core endpoints/restricted;"
     EVENTS ";"},
    {"", "system:controller:endpointslice-controller", "", "",
     READ " core nodes,pods,services;"
     "update core services/finalizers;"
     "create,delete,update," READ " discovery.k8s.io endpointslices;"
     EVENTS ";"},
    {"", "system:controller:endpointslicemirroring-controller", "", "",
     READ " core endpoints,services;"
     "update core services/finalizers;"
     "update core endpoints/finalizers;"
     "create,delete,update," READ " discovery.k8s.io endpointslices;"
     EVENTS ";"},
    {"", "system:controller:ephemeral-volume-controller", "", "",
     READ " core pods;"
     "update core pods/finalizers;"
     "create," READ " core persistentvolumeclaims;"
     EVENTS ";"},
    {"", "system:controller:expand-controller", "", "",
     "patch,update," READ " core persistentvolumes;"
     "patch,update core persistentvolumeclaims/status;"
     READ " core persistentvolumeclaims;"
     EVENTS ";"
     "get core services;"},
    {"", "system:controller:generic-garbage-collector", "", "",
     "delete,patch,update," READ " * *;"
     EVENTS ";"},
    {"", "system:controller:horizontal-pod-autoscaler", "", "",
     READ " autoscaling horizontalpodautoscalers;"
     "update autoscaling horizontalpodautoscalers/status;"
     "get,update * */scale;"
     "list,watch core pods;"
     "list,watch metrics.k8s.io pods;"
     READ " custom.metrics.k8s.io *;"
     READ " external.metrics.k8s.io *;"
     EVENTS ";"},
    {"", "system:controller:job-controller", "", "",
     "patch,update," READ " batch jobs;"
     "update batch jobs/status;"
     "update batch jobs/finalizers;"
     "create,delete,list,patch,watch core pods;"
     EVENTS ";"},
    {"", "system:controller:legacy-service-account-token-cleaner", "", "",
     "get core configmaps kube-apiserver-legacy-service-account-token-tracking;"
     "delete,patch core secrets;"},
    {"", "system:controller:namespace-controller", "", "",
     "delete," READ " core namespaces;"
     "update core namespaces/finalize,namespaces/status;"
     "delete,deletecollection," READ " * *;"},
    {"", "system:controller:node-controller", "", "",
     "delete,patch,update," READ " core nodes;"
     "patch,update core nodes/status;"
     "patch,update core pods/status;"
     "delete," READ " core pods;"
     EVENTS ";"},
    {"", "system:controller:persistent-volume-binder", "", "",
     "create,delete,update," READ " core persistentvolumes;"
     "update core persistentvolumes/status;"
     "update," READ " core persistentvolumeclaims;"
     "update core persistentvolumeclaims/status;"
     "create,delete," READ " core pods;"
     READ " storage.k8s.io storageclasses;"
     "list,watch core nodes;"
     EVENTS ";"
     "watch core events;"
     "get core services;"},
    {"", "system:controller:pod-garbage-collector", "", "",
     "delete,list,watch core pods;"
     READ " core nodes;"
     "patch core pods/status;"},
    {"", "system:controller:pv-protection-controller", "", "",
     "update," READ " core persistentvolumes;"
     EVENTS ";"},
    {"", "system:controller:pvc-protection-controller", "", "",
     "update," READ " core persistentvolumeclaims;"
     READ " core pods;"
     EVENTS ";"},
    {"", "system:controller:replicaset-controller", "", "",
     "update," READ " apps,extensions replicasets;"
     "update apps,extensions replicasets/status;"
     "update apps,extensions replicasets/finalizers;"
     "create,delete,list,patch,watch core pods;"
     EVENTS ";"},
    {"", "system:controller:replication-controller", "", "",
     "update," READ " core replicationcontrollers;"
     "update core replicationcontrollers/status;"
     "update core replicationcontrollers/finalizers;"
     "create,delete,list,patch,watch core pods;"
     EVENTS ";"},
    {"", "system:controller:resource-claim-controller", "", "",
     READ " core pods;"
     "update core pods/finalizers;"
     "create,delete," READ " resource.k8s.io resourceclaims;"
     "patch,update resource.k8s.io resourceclaims,resourceclaims/status;"
     "patch,update core pods/status;"
     EVENTS ";"},
    {"", "system:controller:resourcequota-controller", "", "",
     "list,watch * *;"
     "update core resourcequotas/status;"
     EVENTS ";"},
    {"", "system:controller:root-ca-cert-publisher", "", "",
     "create,update core configmaps;"
     EVENTS ";"},
    {"", "system:controller:route-controller", "", "",
     "list,watch core nodes;"
     "patch core nodes/status;"
     EVENTS ";"},
    {"", "system:controller:selinux-warning-controller", "", "",
     EVENTS ";"
     READ " core persistentvolumes;"
     READ " core persistentvolumeclaims;"
     READ " core pods;"
     READ " storage.k8s.io csidrivers;"},
    {"", "system:controller:service-account-controller", "", "",
     "create core serviceaccounts;"
     EVENTS ";"},
    {"", "system:controller:service-cidrs-controller", "", "",
     "patch,update," READ " networking.k8s.io servicecidrs;"
     "patch,update networking.k8s.io servicecidrs/finalizers;"
     "patch,update networking.k8s.io servicecidrs/status;"
     READ " networking.k8s.io ipaddresses;"
     EVENTS ";"},
    {"", "system:controller:service-controller", "", "",
     READ " core services;"
     "patch,update core services/status;"
     "list,watch core nodes;"
     EVENTS ";"},
    {"", "system:controller:statefulset-controller", "", "",
     "list,watch core pods;"
     READ " apps statefulsets;"
     "update apps statefulsets/status;"
     "update apps statefulsets/finalizers;"
     "create,delete,get,patch,update core pods;"
     "create,delete,patch,update," READ " apps controllerrevisions;"
     "create," READ " core persistentvolumeclaims;"
     "delete,update core persistentvolumeclaims;"
     "update core pods/finalizers;"
     EVENTS ";"},
    {"", "system:controller:ttl-after-finished-controller", "", "",
     "delete," READ " batch jobs;"
     EVENTS ";"},
    {"", "system:controller:ttl-controller", "", "",
     "list,patch,update,watch core nodes;"
     EVENTS ";"},
    {"", "system:controller:validatingadmissionpolicy-status-controller", "", "",
     READ " admissionregistration.k8s.io validatingadmissionpolicies;"
     "get,patch,update admissionregistration.k8s.io validatingadmissionpolicies/status;"
     EVENTS ";"},
    {"", "system:controller:volumeattributesclass-protection-controller", "", "",
     READ " core persistentvolumeclaims;"
     READ " core persistentvolumes;"
     "update," READ " storage.k8s.io volumeattributesclasses;"
     EVENTS ";"},
    {"kube-public", "system:controller:bootstrap-signer", "", "",
     READ " core configmaps;"
     "update core configmaps cluster-info;"
     EVENTS ";"},
    {"kube-system", "extension-apiserver-authentication-reader", "", "",
     READ " core configmaps extension-apiserver-authentication;"},
    {"kube-system", "system::leader-locking-kube-controller-manager", "", "",
     "watch core configmaps;"
     "get,update core configmaps kube-controller-manager;"},
    {"kube-system", "system::leader-locking-kube-scheduler", "", "",
     "watch core configmaps;"
     "get,update core configmaps kube-scheduler;"},
    {"kube-system", "system:controller:bootstrap-signer", "", "",
     READ " core secrets;"},
    {"kube-system", "system:controller:cloud-provider", "", "",
     "create," READ " core configmaps;"},
    {"kube-system", "system:controller:token-cleaner", "", "",
     "delete," READ " core secrets;"
     EVENTS ";"},
};
const size_t rbac_default_role_count = ARRAY_SIZE(rbac_default_roles);

/* namespace ("" = ClusterRoleBinding), name, role (NULL = of that name), subjects */
const struct rbac_default_binding rbac_default_bindings[] = {
    {"", "cluster-admin", NULL, "group=system:masters"},
    {"", "system:basic-user", NULL, "group=system:authenticated"},
    {"", "system:controller:attachdetach-controller", NULL, "account=kube-system/attachdetach-controller"},
    {"", "system:controller:certificate-controller", NULL, "account=kube-system/certificate-controller"},
    {"", "system:controller:clusterrole-aggregation-controller", NULL,
     "account=kube-system/clusterrole-aggregation-controller"},
    {"", "system:controller:cronjob-controller", NULL, "account=kube-system/cronjob-controller"},
    {"", "system:controller:custom-resource-finalizer", NULL, "account=kube-system/custom-resource-finalizer"},
    {"", "system:controller:daemon-set-controller", NULL, "account=kube-system/daemon-set-controller"},
    {"", "system:controller:deployment-controller", NULL, "account=kube-system/deployment-controller"},
    {"", "system:controller:disruption-controller", NULL, "account=kube-system/disruption-controller"},
    {"", "system:controller:endpoint-controller", NULL, "account=kube-system/endpoint-controller"},
    {"", "system:controller:endpointslice-controller", NULL, "account=kube-system/endpointslice-controller"},
    {"", "system:controller:endpointslicemirroring-controller", NULL,
     "account=kube-system/endpointslicemirroring-controller"},
    {"", "system:controller:ephemeral-volume-controller", NULL, "account=kube-system/ephemeral-volume-controller"},
    {"", "system:controller:expand-controller", NULL, "account=kube-system/expand-controller"},
    {"", "system:controller:generic-garbage-collector", NULL, "account=kube-system/generic-garbage-collector"},
    {"", "system:controller:horizontal-pod-autoscaler", NULL, "account=kube-system/horizontal-pod-autoscaler"},
    {"", "system:controller:job-controller", NULL, "account=kube-system/job-controller"},
    {"", "system:controller:legacy-service-account-token-cleaner", NULL,
     "account=kube-system/legacy-service-account-token-cleaner"},
    {"", "system:controller:namespace-controller", NULL, "account=kube-system/namespace-controller"},
    {"", "system:controller:node-controller", NULL, "account=kube-system/node-controller"},
    {"", "system:controller:persistent-volume-binder", NULL, "account=kube-system/persistent-volume-binder"},
    {"", "system:controller:pod-garbage-collector", NULL, "account=kube-system/pod-garbage-collector"},
    {"", "system:controller:pv-protection-controller", NULL, "account=kube-system/pv-protection-controller"},
    {"", "system:controller:pvc-protection-controller", NULL, "account=kube-system/pvc-protection-controller"},
    {"", "system:controller:replicaset-controller", NULL, "account=kube-system/replicaset-controller"},
    {"", "system:controller:replication-controller", NULL, "account=kube-system/replication-controller"},
    {"", "system:controller:resource-claim-controller", NULL, "account=kube-system/resource-claim-controller"},
    {"", "system:controller:resourcequota-controller", NULL, "account=kube-system/resourcequota-controller"},
    {"", "system:controller:root-ca-cert-publisher", NULL, "account=kube-system/root-ca-cert-publisher"},
    {"", "system:controller:route-controller", NULL, "account=kube-system/route-controller"},
    {"", "system:controller:selinux-warning-controller", NULL, "account=kube-system/selinux-warning-controller"},
    {"", "system:controller:service-account-controller", NULL, "account=kube-system/service-account-controller"},
    {"", "system:controller:service-cidrs-controller", NULL, "account=kube-system/service-cidrs-controller"},
    {"", "system:controller:service-controller", NULL, "account=kube-system/service-controller"},
    {"", "system:controller:statefulset-controller", NULL, "account=kube-system/statefulset-controller"},
    {"", "system:controller:ttl-after-finished-controller", NULL,
     "account=kube-system/ttl-after-finished-controller"},
    {"", "system:controller:ttl-controller", NULL, "account=kube-system/ttl-controller"},
    {"", "system:controller:validatingadmissionpolicy-status-controller", NULL,
     "account=kube-system/validatingadmissionpolicy-status-controller"},
    {"", "system:controller:volumeattributesclass-protection-controller", NULL,
     "account=kube-system/volumeattributesclass-protection-controller"},
    {"", "system:discovery", NULL, "group=system:authenticated"},
    {"", "system:kube-controller-manager", NULL, "user=system:kube-controller-manager"},
    {"", "system:kube-dns", NULL, "account=kube-system/kube-dns"},
    {"", "system:kube-scheduler", NULL, "user=system:kube-scheduler"},
    {"", "system:monitoring", NULL, "group=system:monitoring"},
    {"", "system:node", NULL, ""},
    {"", "system:node-proxier", NULL, "user=system:kube-proxy"},
    {"", "system:public-info-viewer", NULL, "group=system:authenticated,group=system:unauthenticated"},
    {"", "system:service-account-issuer-discovery", NULL, "group=system:serviceaccounts"},
    {"", "system:volume-scheduler", NULL, "user=system:kube-scheduler"},
    {"kube-public", "system:controller:bootstrap-signer", NULL, "account=kube-system/bootstrap-signer"},
    {"kube-system", "system::extension-apiserver-authentication-reader", "extension-apiserver-authentication-reader",
     "user=system:kube-controller-manager,user=system:kube-scheduler"},
    {"kube-system", "system::leader-locking-kube-controller-manager", NULL,
     "user=system:kube-controller-manager,account=kube-system/kube-controller-manager"},
    {"kube-system", "system::leader-locking-kube-scheduler", NULL,
     "user=system:kube-scheduler,account=kube-system/kube-scheduler"},
    {"kube-system", "system:controller:bootstrap-signer", NULL, "account=kube-system/bootstrap-signer"},
    {"kube-system", "system:controller:cloud-provider", NULL, "account=kube-system/cloud-provider"},
    {"kube-system", "system:controller:token-cleaner", NULL, "account=kube-system/token-cleaner"},
};
const size_t rbac_default_binding_count = ARRAY_SIZE(rbac_default_bindings);
/* clang-format on */
