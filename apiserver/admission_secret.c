/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Secrets of type kubernetes.io/service-account-token: whoever makes one finds in it a token of the account that it
 * names, which is good as long as the Secret is there. Upstream's controller fills them a moment later and deletes
 * those whose account is missing; here they are whole when they are stored, or refused. They go with their account.
 */
#include "api/scan.h"
#include "apiserver/account.h"
#include "apiserver/admission_internal.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define SECRET_TYPE    "kubernetes.io/service-account-token"
#define SECRET_NAME    "kubernetes.io/service-account.name"
#define SECRET_UID     "kubernetes.io/service-account.uid"
#define SECRET_SECONDS (1LL << 32) /* the longest that anybody may ask for */

static void secret_set(struct value *data, const char *name, struct slice text)
{
    BUF_LOCAL(encoded);

    base64_encode(&encoded, text);
    value_set(data, name, value_new_string(buf_slice(&encoded)));
}

/* Its account owns it, so that it is collected when that goes. */
static void secret_set_owner(struct value *metadata, const struct account_object *account)
{
    struct value *owners = value_need_array(metadata, "ownerReferences");
    struct value *owner;

    for (size_t i = 0; i < value_count(owners); i++)
        if (slice_is(value_string(value_get(value_at(owners, i), "uid")), account->uid))
            return;
    owner = value_new_object();
    value_set_str(owner, "apiVersion", "v1");
    value_set_str(owner, "kind", "ServiceAccount");
    value_set_str(owner, "name", account->name);
    value_set_str(owner, "uid", account->uid);
    value_append(owners, owner);
}

static int secret_fill(const struct admission *a, const struct account_object *account, struct error *err)
{
    const struct apiserver *server = a->req->server;
    const char *audience = server->accounts->name;
    struct value *metadata = value_need_object(a->object, "metadata");
    struct value *data = value_need_object(a->object, "data");
    struct account_claims claims = {.issuer = server->accounts->name,
                                    .namespace_ = a->namespace_,
                                    .account = *account,
                                    .secret = {a->name, meta_uid(a->object)},
                                    .audiences = {&audience, 1}};
    char id[37];
    BUF_LOCAL(token);

    random_uuid(id);
    claims.id = id;
    claims.issued_s = claims.not_before_s = clock_wall_s(server->clock);
    claims.expires_s = claims.issued_s + SECRET_SECONDS;
    if (account_issuer_sign(server->accounts, &claims, &token, err) < 0)
        return -(int)ERROR_INTERNAL;
    secret_set(data, "ca.crt", slice_str(server->cluster_ca));
    secret_set(data, "namespace", slice_str(a->namespace_));
    secret_set(data, "token", buf_slice(&token));
    value_set_str(value_need_object(metadata, "annotations"), SECRET_UID, account->uid);
    secret_set_owner(metadata, account);
    return 0;
}

int admit_account_secret(const struct admission *a, struct error *err)
{
    const struct schema_kind *kind = registry_need_kind("", "serviceaccounts");
    const char *name = value_str(value_path(a->object, "metadata", "annotations", SECRET_NAME, NULL));
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    char *uid CLEANUP_FREE = NULL;
    struct account_object account = {.name = name};

    if (!slice_is(value_string(value_get(a->object, "type")), SECRET_TYPE) || !name || !*name ||
        value_path(a->object, "data", "token", NULL) || meta_is_deleting(a->object))
        return 0;
    if (registry_get(a->req->server->store, kind, a->namespace_, name, &item, NULL) < 0)
        return admission_forbid(a, err, "error looking up service account %s/%s: serviceaccount \"%s\" not found",
                                a->namespace_, name, name);
    if (a->write)
        (void)write_require(a->write, registry_key(a->write->pool, kind, a->namespace_, name), item.revision);
    uid = scan_text_dup(scan_get(buf_slice(&item.value), "metadata.uid"));
    account.uid = uid ? uid : "";
    return secret_fill(a, &account, err);
}
