/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plug-ins in one table, in upstream's default order. Each row says for which operations of which resource it is asked,
 * so that a plug-in never looks at what does not concern it. First all rows may change the object (`mutate`), then its
 * kind's rules are checked, then all rows may refuse it (`validate`): what a plug-in refuses has its final form.
 */
#include "apiserver/admission_internal.h"

#include "api/object.h"
#include "api/scan.h"
#include "apiserver/folder_cache.h"
#include "apiserver/meta.h"
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

bool admission_is_kind(const struct admission *a, const char *group, const char *plural)
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

static bool namespace_is_going(const struct store_item *item)
{
    struct object_meta meta;

    if (object_meta_read(item->meta, &meta) ? meta.deleting
                                            : scan_get(item->value, "metadata.deletionTimestamp").data != NULL)
        return true;
    return scan_text_is(scan_get(item->value, "status.phase"), "Terminating");
}

static int namespace_admit_create(const struct admission *a, struct error *err)
{
    struct pool *pool = a->write ? a->write->pool : a->req->pool;
    struct slice key = registry_key(pool, registry_need_kind("", "namespaces"), "", a->namespace_);
    const struct store_item *item = folder_cache_get(a->req->front->folders, key);

    if (!item)
        return namespace_missing(a, err);
    if (namespace_is_going(item)) {
        (void)admission_forbid(a, err, "unable to create new content in namespace %s because it is being terminated",
                               a->namespace_);
        error_add_cause(err, "NamespaceTerminating", "metadata.namespace", "namespace %s is being terminated",
                        a->namespace_);
        return -(int)ERROR_FORBIDDEN;
    }
    /* The namespace must still be as it was seen when the object is made: no content behind the cleaner's back. */
    if (a->write)
        (void)write_require(a->write, key, item->mod_revision);
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

/* What is in use outlives its deletion: controllers/protection.c takes these off. */
static int protect_storage(const struct admission *a, struct error *err)
{
    bool claim = admission_is_kind(a, "", "persistentvolumeclaims");

    meta_add_finalizer(a->object, claim ? "kubernetes.io/pvc-protection" : "kubernetes.io/pv-protection");
    return 0;
}

/* ---- the chain ---- */

#define CREATE ADMISSION_CREATE
#define UPDATE ADMISSION_UPDATE
#define DELETE ADMISSION_DELETE

typedef int admission_plugin(const struct admission *a, struct error *err);

static const struct {
    const char *name;
    unsigned operations;
    const char *group;
    const char *plural;      /* NULL = all */
    const char *subresource; /* "" = the object itself; NULL = it and all its subresources */
    admission_plugin *mutate;
    admission_plugin *validate;
} admission_chain[] = {
    {"NamespaceLifecycle", CREATE | DELETE, "", NULL, NULL, namespace_lifecycle, NULL},
    {"LimitRanger", CREATE, "", "pods", "", admit_limit_defaults, admit_limits},
    {"LimitRanger", UPDATE, "", "pods", "resize", admit_limit_defaults, admit_limits},
    {"LimitRanger", CREATE | UPDATE, "", "persistentvolumeclaims", "", NULL, admit_limits},
    {"LimitRanger", CREATE | UPDATE, "", "limitranges", "", NULL, admit_limit_range},
    {"ServiceAccount", CREATE, "", "pods", "", admit_pod_account, NULL},
    {"ServiceAccount", CREATE | UPDATE, "", "secrets", "", admit_account_secret, NULL},
    {"NodeRestriction", CREATE | UPDATE | DELETE, "", NULL, NULL, admit_node, NULL},
    {"TaintNodesByCondition", CREATE, "", "nodes", "", admit_node_taint, NULL},
    /* Image policy and pod security: here. */
    {"Priority", CREATE, "", "pods", "", admit_pod_priority, NULL},
    {"Priority", CREATE | UPDATE | DELETE, "scheduling.k8s.io", "priorityclasses", "", NULL, admit_priority_class},
    {"DefaultTolerationSeconds", CREATE, "", "pods", "", default_tolerations, NULL},
    {"DefaultStorageClass", CREATE, "", "persistentvolumeclaims", "", admit_default_class, NULL},
    {"StorageObjectInUseProtection", CREATE, "", "persistentvolumeclaims", "", protect_storage, NULL},
    {"StorageObjectInUseProtection", CREATE, "", "persistentvolumes", "", protect_storage, NULL},
    {"PersistentVolumeClaimResize", UPDATE, "", "persistentvolumeclaims", "", NULL, admit_claim_size},
    {"RuntimeClass", CREATE, "", "pods", "", admit_pod_runtime, NULL},
    {"CertificateApproval", UPDATE, "certificates.k8s.io", "certificatesigningrequests", "approval", NULL,
     admit_csr_approval},
    {"CertificateSigning", UPDATE, "certificates.k8s.io", "certificatesigningrequests", "status", NULL,
     admit_csr_signing},
    {"CertificateSubjectRestriction", CREATE, "certificates.k8s.io", "certificatesigningrequests", "", NULL,
     admit_csr_subject},
    {"DefaultIngressClass", CREATE, "networking.k8s.io", "ingresses", "", admit_default_class, NULL},
    /* Policies and webhooks that change: here. Nothing changes an object behind them. */
    {"Escalation", CREATE | UPDATE, "", NULL, "", rbac_guard, NULL},
    /* Policies and webhooks that refuse: here. Behind them only what counts, so that nothing is counted for what is
     * refused. */
    {"ResourceQuota", UPDATE, "", "resourcequotas", "status", admit_quota_status, NULL},
    {"ResourceQuota", CREATE | UPDATE, "", "resourcequotas", "", NULL, admit_quota_limits},
    {"ResourceQuota", CREATE | UPDATE | DELETE, "", NULL, NULL, NULL, admit_quota},
};

/* Asks each row that is concerned, up to the first that is not content. */
static int admission_walk(const struct admission *a, bool validate, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(admission_chain); i++) {
        admission_plugin *plugin = validate ? admission_chain[i].validate : admission_chain[i].mutate;
        const char *plural = admission_chain[i].plural;
        const char *sub = admission_chain[i].subresource;

        if (!plugin || !(admission_chain[i].operations & a->operation) || (sub && strcmp(sub, a->subresource) != 0) ||
            (plural && !admission_is_kind(a, admission_chain[i].group, plural)))
            continue;
        int r = plugin(a, err);

        if (r != 0)
            return r;
    }
    return 0;
}

int admission_mutate(const struct admission *a, struct error *err)
{
    return admission_walk(a, false, err);
}

int admission_validate(const struct admission *a, struct error *err)
{
    return admission_walk(a, true, err);
}
