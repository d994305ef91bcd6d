/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ServiceAccount: every pod runs as one, and finds at a well-known place a token of it, the certificate to know the
 * server by, and its namespace. The volume is what upstream adds; the agent fills it and keeps the token fresh.
 */
#include "api/scan.h"
#include "apiserver/account.h"
#include "apiserver/admission_internal.h"
#include "apiserver/registry.h"
#include "lib/random.h"

#define ACCOUNT_MOUNT_PATH    "/var/run/secrets/kubernetes.io/serviceaccount"
#define ACCOUNT_VOLUME_PREFIX "kube-api-access-"
#define ACCOUNT_SUFFIX_LEN    5

/* A token of an hour and seven seconds: so much, and no other, is known to be asked for by this plug-in. */
#define ACCOUNT_SOURCES                                                                                                \
    "{\"sources\":[{\"serviceAccountToken\":{\"expirationSeconds\":3607,\"path\":\"token\"}},"                         \
    "{\"configMap\":{\"name\":\"kube-root-ca.crt\",\"items\":[{\"key\":\"ca.crt\",\"path\":\"ca.crt\"}]}},"            \
    "{\"downwardAPI\":{\"items\":[{\"path\":\"namespace\",\"fieldRef\":{\"apiVersion\":\"v1\",\"fieldPath\":"          \
    "\"metadata.namespace\"}}]}}],\"defaultMode\":420}"

/* ---- pods that a node shows ---- */

static bool mirror_uses_tokens(const struct value *spec)
{
    const struct value *volumes = value_get(spec, "volumes");

    for (size_t i = 0; i < value_count(volumes); i++) {
        const struct value *sources = value_path(value_at(volumes, i), "projected", "sources", NULL);

        for (size_t k = 0; k < value_count(sources); k++)
            if (value_get(value_at(sources, k), "serviceAccountToken"))
                return true;
    }
    return false;
}

/* What a node runs on its own and shows here: it has no part in the cluster's accounts and Secrets. */
static int account_mirror(const struct admission *a, const struct value *spec, struct error *err)
{
    if (value_string(value_get(spec, "serviceAccountName")).len)
        return admission_forbid(a, err, "a mirror pod may not reference service accounts");
    if (mirror_uses_tokens(spec))
        return admission_forbid(a, err, "a mirror pod may not use ServiceAccountToken volume projections");
    return 0;
}

/* ---- the account ---- */

static void account_set_name(struct value *spec)
{
    struct slice name = value_string(value_get(spec, "serviceAccountName"));

    if (!name.len) {
        struct slice legacy = value_string(value_get(spec, "serviceAccount"));

        value_set(spec, "serviceAccountName", value_new_string(legacy.len ? legacy : SLICE_LIT("default")));
    }
    value_set(spec, "serviceAccount", value_copy(value_get(spec, "serviceAccountName")));
}

/* The "default" account is made by a controller, which may still be on its way: a pod does not wait for it.
 * *ret_account NULL = not there yet. */
static int account_find(const struct admission *a, const char *name, struct value **ret_account, struct error *err)
{
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

    *ret_account = NULL;
    if (registry_get(a->req->server->store, registry_need_kind("", "serviceaccounts"), a->namespace_, name, &item,
                     NULL) < 0)
        return !strcmp(name, "default")
                   ? 0
                   : admission_forbid(a, err, "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                                      a->namespace_, name, name);
    *ret_account = object_decode(buf_slice(&item.value), item.revision, err);
    return *ret_account ? 0 : -(int)ERROR_CORRUPT;
}

/* What the pod says counts before what the account says. */
static bool account_automounts(const struct value *spec, const struct value *account)
{
    const struct value *own = value_get(spec, "automountServiceAccountToken");
    const struct value *general = value_get(account, "automountServiceAccountToken");

    if (value_is(own, VALUE_BOOL))
        return value_bool(own);
    return !value_is(general, VALUE_BOOL) || value_bool(general);
}

static void account_copy_pull_secrets(struct value *spec, const struct value *account)
{
    const struct value *secrets = value_get(account, "imagePullSecrets");

    if (!value_count(value_get(spec, "imagePullSecrets")) && value_count(secrets))
        value_set(spec, "imagePullSecrets", value_copy(secrets));
}

/* ---- the volume ---- */

/* Mounts the volume where nothing is mounted at that place; true when some container got it. */
static bool account_mount(struct value *containers, const char *volume)
{
    bool needed = false;

    for (size_t i = 0; i < value_count(containers); i++) {
        struct value *mounts = value_need_array(value_at(containers, i), "volumeMounts");
        struct value *mount;
        bool taken = false;

        for (size_t k = 0; k < value_count(mounts); k++)
            taken = taken || slice_is(value_string(value_get(value_at(mounts, k), "mountPath")), ACCOUNT_MOUNT_PATH);
        if (taken)
            continue;
        mount = value_new_object();
        value_set_str(mount, "name", volume);
        value_set(mount, "readOnly", value_new_bool(true));
        value_set_str(mount, "mountPath", ACCOUNT_MOUNT_PATH);
        value_append(mounts, mount);
        needed = true;
    }
    return needed;
}

/* The name of a volume that is there already (a pod made from what another one became), or NULL. */
static const char *account_volume(const struct value *spec)
{
    const struct value *volumes = value_get(spec, "volumes");

    for (size_t i = 0; i < value_count(volumes); i++) {
        struct slice name = value_string(value_get(value_at(volumes, i), "name"));

        if (slice_starts(name, SLICE_LIT(ACCOUNT_VOLUME_PREFIX)))
            return value_str(value_get(value_at(volumes, i), "name"));
    }
    return NULL;
}

static void account_add_volume(const struct admission *a, struct value *spec)
{
    const char *there = account_volume(spec);
    const char *name = there;
    char suffix[ACCOUNT_SUFFIX_LEN + 1];
    struct value *volume;
    bool needed;

    if (!there) {
        random_suffix(suffix, ACCOUNT_SUFFIX_LEN);
        name = pool_printf(a->req->pool, ACCOUNT_VOLUME_PREFIX "%s", suffix);
    }
    needed = account_mount(value_get(spec, "initContainers"), name);
    needed = account_mount(value_get(spec, "containers"), name) || needed;
    if (there || !needed)
        return;
    volume = value_new_object();
    value_set_str(volume, "name", name);
    value_set(volume, "projected", value_parse(SLICE_LIT(ACCOUNT_SOURCES), NULL));
    value_append(value_need_array(spec, "volumes"), volume);
}

int admit_pod_account(const struct admission *a, struct error *err)
{
    struct value *spec = value_need_object(a->object, "spec");
    struct value *account CLEANUP_VALUE = NULL;
    int r;

    if (value_path(a->object, "metadata", "annotations", "kubernetes.io/config.mirror", NULL))
        return account_mirror(a, spec, err);
    account_set_name(spec);
    r = account_find(a, value_str(value_get(spec, "serviceAccountName")), &account, err);
    if (r < 0)
        return r;
    if (account_automounts(spec, account))
        account_add_volume(a, spec);
    account_copy_pull_secrets(spec, account);
    return 0;
}

/* ---- NodeRestriction: tokens ---- */

static void node_token_visit(void *arg, size_t path, struct slice v)
{
    struct slice *audience = arg; /* data NULL once it is found */
    BUF_LOCAL(scratch);

    if (audience->data && slice_equal(scan_text(v, &scratch), *audience))
        *audience = SLICE_NONE;
}

/* An audience must be one that a volume of the pod asks for; the API's own needs no volume. */
static int node_token_audiences(const struct admission *a, struct slice pod, struct error *err)
{
    static const char *const paths[] = {"spec.volumes[].projected.sources[].serviceAccountToken.audience"};
    const struct value *list = value_path(a->object, "spec", "audiences", NULL);
    struct scan_plan *plan = scan_plan_new(paths, ARRAY_SIZE(paths));
    int r = 0;

    for (size_t i = 0; r == 0 && i < value_count(list); i++) {
        struct slice audience = value_string(value_at(list, i));

        if (slice_is(audience, a->req->server->accounts->name))
            continue;
        scan_visit(plan, pod, node_token_visit, &audience);
        if (audience.data)
            r = admission_forbid(a, err, "audience \"%.*s\" not found in pod spec volume", SLICE_ARGS(audience));
    }
    scan_plan_free(plan);
    return r;
}

int admit_node_token(const struct admission *a, const char *node, struct error *err)
{
    const struct value *reference = value_path(a->object, "spec", "boundObjectRef", NULL);
    struct slice uid = value_string(value_get(reference, "uid"));
    const char *name = value_str(value_get(reference, "name"));
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct slice doc;

    if (strcmp(a->subresource, "token") != 0)
        return admission_forbid(a, err, "node \"%s\" may not create service accounts", node);
    if (!slice_is(value_string(value_get(reference, "apiVersion")), "v1") ||
        !slice_is(value_string(value_get(reference, "kind")), "Pod") || !name || !*name)
        return admission_forbid(a, err, "node requested token not bound to a pod");
    if (!uid.len)
        return admission_forbid(a, err, "node requested token with a pod binding without a uid");
    if (registry_get(a->req->server->store, registry_need_kind("", "pods"), a->namespace_, name, &item, err) < 0)
        return admission_forbid(a, err, "pod \"%s\" not found", name);
    doc = buf_slice(&item.value);
    if (!scan_text_is(scan_get(doc, "metadata.uid"), value_str(value_get(reference, "uid"))))
        return admission_forbid(a, err,
                                "the UID in the bound object reference (%.*s) does not match the UID in record. The "
                                "object might have been deleted and then recreated",
                                SLICE_ARGS(uid));
    if (!scan_text_is(scan_get(doc, "spec.nodeName"), node))
        return admission_forbid(a, err, "node requested token bound to a pod scheduled on a different node");
    return node_token_audiences(a, doc, err);
}
