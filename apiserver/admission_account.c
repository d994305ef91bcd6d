/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ServiceAccount: every pod runs as one, and finds at a well-known place a token of it, the certificate to know the
 * server by, and its namespace. The volume is what upstream adds; the agent fills it and keeps the token fresh.
 */
#include "api/scan.h"
#include "apiserver/account.h"
#include "apiserver/admission_internal.h"
#include "apiserver/folder_cache.h"
#include "apiserver/registry.h"
#include "lib/random.h"

#define ACCOUNT_MOUNT_PATH    "/var/run/secrets/kubernetes.io/serviceaccount"
#define ACCOUNT_VOLUME_PREFIX "kube-api-access-"
#define ACCOUNT_SUFFIX_LEN    5

/* So many seconds, and no other number, are known to be asked for by this plug-in. */
#define ACCOUNT_TOKEN_SECONDS 3607
#define ACCOUNT_VOLUME_MODE   0644

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

/* What an account says of its pods: JSON, borrowed; data NULL = nothing. */
struct account_says {
    struct slice automount;
    struct slice pull_secrets;
};

/* The "default" account is made by a controller, which may still be on its way: a pod does not wait for it. */
static int account_find(const struct admission *a, const char *name, struct account_says *ret_says, struct error *err)
{
    static const char *const paths[] = {"automountServiceAccountToken", "imagePullSecrets"};
    struct slice key = registry_key(a->req->pool, registry_need_kind("", "serviceaccounts"), a->namespace_, name);
    const struct store_item *item = folder_cache_get(a->req->front->folders, key);
    struct slice found[ARRAY_SIZE(paths)];

    *ret_says = (struct account_says){SLICE_NONE, SLICE_NONE};
    if (!item)
        return !strcmp(name, "default")
                   ? 0
                   : admission_forbid(a, err, "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                                      a->namespace_, name, name);
    scan_get_many(item->value, paths, ARRAY_SIZE(paths), found);
    *ret_says = (struct account_says){found[0], found[1]};
    return 0;
}

/* What the pod says counts before what the account says. */
static bool account_automounts(const struct value *spec, const struct account_says *says)
{
    const struct value *own = value_get(spec, "automountServiceAccountToken");

    return value_is(own, VALUE_BOOL) ? value_bool(own) : scan_bool(says->automount, true);
}

static void account_copy_pull_secrets(struct value *spec, const struct account_says *says)
{
    struct value *secrets CLEANUP_VALUE = says->pull_secrets.data ? value_parse(says->pull_secrets, NULL) : NULL;

    if (!value_count(value_get(spec, "imagePullSecrets")) && value_count(secrets))
        value_set(spec, "imagePullSecrets", STEAL(secrets));
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

/* An object with one member. */
static struct value *object_of(const char *name, struct value *v)
{
    struct value *object = value_new_object();

    value_set(object, name, v);
    return object;
}

static struct value *list_of(struct value *v)
{
    struct value *list = value_new_array();

    value_append(list, v);
    return list;
}

static struct value *account_token_source(void)
{
    struct value *token = object_of("expirationSeconds", value_new_int(ACCOUNT_TOKEN_SECONDS));

    value_set_str(token, "path", "token");
    return object_of("serviceAccountToken", token);
}

static struct value *account_ca_source(void)
{
    struct value *item = object_of("key", value_new_str("ca.crt"));
    struct value *map = object_of("name", value_new_str("kube-root-ca.crt"));

    value_set_str(item, "path", "ca.crt");
    value_set(map, "items", list_of(item));
    return object_of("configMap", map);
}

static struct value *account_namespace_source(void)
{
    struct value *field = object_of("apiVersion", value_new_str("v1"));
    struct value *item = object_of("path", value_new_str("namespace"));

    value_set_str(field, "fieldPath", "metadata.namespace");
    value_set(item, "fieldRef", field);
    return object_of("downwardAPI", object_of("items", list_of(item)));
}

static struct value *account_projection(void)
{
    struct value *sources = list_of(account_token_source());
    struct value *projection;

    value_append(sources, account_ca_source());
    value_append(sources, account_namespace_source());
    projection = object_of("sources", sources);
    value_set(projection, "defaultMode", value_new_int(ACCOUNT_VOLUME_MODE));
    return projection;
}

static void account_add_volume(const struct admission *a, struct value *spec)
{
    const char *there = account_volume(spec);
    const char *name = there;
    char suffix[ACCOUNT_SUFFIX_LEN + 1];
    struct value *volume;
    bool needed;

    if (!there) {
        const char *const pieces[] = {ACCOUNT_VOLUME_PREFIX, suffix};

        random_suffix(suffix, ACCOUNT_SUFFIX_LEN);
        name = pool_join(a->req->pool, pieces, ARRAY_SIZE(pieces));
    }
    needed = account_mount(value_get(spec, "initContainers"), name);
    needed = account_mount(value_get(spec, "containers"), name) || needed;
    if (there || !needed)
        return;
    volume = object_of("name", value_new_str(name));
    value_set(volume, "projected", account_projection());
    value_append(value_need_array(spec, "volumes"), volume);
}

int admit_pod_account(const struct admission *a, struct error *err)
{
    struct value *spec = value_need_object(a->object, "spec");
    struct account_says says;
    int r;

    if (value_path(a->object, "metadata", "annotations", "kubernetes.io/config.mirror", NULL))
        return account_mirror(a, spec, err);
    account_set_name(spec);
    r = account_find(a, value_str(value_get(spec, "serviceAccountName")), &says, err);
    if (r < 0)
        return r;
    if (account_automounts(spec, &says))
        account_add_volume(a, spec);
    account_copy_pull_secrets(spec, &says);
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
