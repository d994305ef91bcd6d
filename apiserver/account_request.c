/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TokenRequest (serviceaccounts/token): a token of an account, for somebody, for a while, as long as an object is
 * there. Nothing is stored. Only who may create serviceaccounts/token comes here; a node further only for pods of its
 * own (admission).
 */
#include "apiserver/account.h"

#include "api/scan.h"
#include "api/validate.h"
#include "apiserver/admission.h"
#include "apiserver/meta.h"
#include "apiserver/registry.h"
#include "apiserver/subresource.h"
#include "lib/random.h"

/* Pods ask for this much; they get a year and a note of the hour, because there are clients that read the file once.
 * The token still ends with its pod (upstream's --service-account-extend-token-expiration, which is on by default). */
#define ACCOUNT_POD_SECONDS      3607
#define ACCOUNT_EXTENDED_SECONDS (365LL * 24 * 3600)

struct account_ask {
    struct request *req;
    struct value *body;
    struct account_claims claims;
};

/* What an error speaks of. */
static void ask_blame(const struct account_ask *a, const char *name, const char *group, const char *kind)
{
    struct status_details *details = pool_alloc(a->req->pool, sizeof(*details));

    *details = (struct status_details){name, group, kind, NULL};
    a->req->error_details = details;
}

static int ask_mismatch(const struct account_ask *a, const char *field, const char *given, struct error *err)
{
    ask_blame(a, a->req->info.name, "authentication.k8s.io", "TokenRequest");
    (void)error_set(err, ERROR_INVALID,
                    "TokenRequest.authentication.k8s.io \"%s\" is invalid: metadata.%s: Invalid value: \"%s\": must "
                    "match the service account %s if specified",
                    a->req->info.name, field, given, field);
    error_add_cause(err, "FieldValueInvalid", pool_printf(a->req->pool, "metadata.%s", field),
                    "Invalid value: \"%s\": must match the service account %s if specified", given, field);
    return -(int)ERROR_INVALID;
}

static int ask_validate(const struct account_ask *a, const struct schema_kind *kind, struct error *err)
{
    int r = validate_object(kind, a->body, NULL, "", err);

    if (r < 0)
        ask_blame(a, NULL, kind->group, kind->kind);
    return r;
}

/* The account of the path, which is the body's too where it says one. */
static int ask_account(struct account_ask *a, struct error *err)
{
    const struct request_info *info = &a->req->info;
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    char *uid CLEANUP_FREE = NULL;
    int r;

    if (*meta_name(a->body) && strcmp(meta_name(a->body), info->name) != 0)
        return ask_mismatch(a, "name", meta_name(a->body), err);
    if (*meta_namespace(a->body) && strcmp(meta_namespace(a->body), info->namespace_) != 0)
        return ask_mismatch(a, "namespace", meta_namespace(a->body), err);
    r = registry_get(a->req->server->store, a->req->kind, info->namespace_, info->name, &item, err);
    if (r < 0)
        return r;
    uid = scan_text_dup(scan_get(buf_slice(&item.value), "metadata.uid"));
    a->claims.namespace_ = info->namespace_;
    a->claims.account = (struct account_object){info->name, pool_strdup(a->req->pool, uid ? uid : "")};
    return 0;
}

static void ask_audiences(struct account_ask *a)
{
    struct value *list = value_need_array(value_need_object(a->body, "spec"), "audiences");
    const char **items;

    if (!value_count(list))
        value_append(list, value_new_str(a->req->server->accounts->name));
    items = pool_alloc(a->req->pool, value_count(list) * sizeof(*items));
    for (size_t i = 0; i < value_count(list); i++)
        items[i] = value_str(value_at(list, i));
    a->claims.audiences = (struct account_audiences){items, value_count(list)};
}

/* ---- the bound object ---------------------------------------------------------------------------------------------
 */

/* A text of a stored object, "" when absent; in the pool. */
static const char *ask_text(const struct account_ask *a, const struct registry_item *item, const char *path)
{
    BUF_LOCAL(scratch);

    return pool_slice_dup(a->req->pool, scan_text(scan_get(buf_slice(&item->value), path), &scratch));
}

/* The node that the pod runs on; only its name when it has gone. */
static void ask_node_of_pod(struct account_ask *a, const struct registry_item *pod)
{
    const char *name = ask_text(a, pod, "spec.nodeName");
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};

    if (!*name)
        return;
    (void)registry_get(a->req->server->store, registry_need_kind("", "nodes"), "", name, &item, NULL);
    a->claims.node = (struct account_object){name, ask_text(a, &item, "metadata.uid")};
}

static const struct ask_kind {
    const char *kind;
    const char *plural;
    size_t claim; /* its place in the claims */
    bool namespaced;
} ask_kinds[] = {
    {"Pod", "pods", offsetof(struct account_claims, pod), true},
    {"Secret", "secrets", offsetof(struct account_claims, secret), true},
    {"Node", "nodes", offsetof(struct account_claims, node), false},
};

static const struct ask_kind *ask_find_kind(const struct value *reference)
{
    struct slice version = value_string(value_get(reference, "apiVersion"));

    for (size_t i = 0; i < ARRAY_SIZE(ask_kinds); i++)
        if (slice_is(version, "v1") && slice_is(value_string(value_get(reference, "kind")), ask_kinds[i].kind))
            return &ask_kinds[i];
    return NULL;
}

static int ask_uid_conflict(const struct account_ask *a, const struct ask_kind *kind, const char *name, const char *uid,
                            struct error *err)
{
    ask_blame(a, name, NULL, kind->kind);
    return error_set(err, ERROR_CONFLICT,
                     "Operation cannot be fulfilled on %s \"%s\": the UID in the bound object reference (%s) does not "
                     "match the UID in record. The object might have been deleted and then recreated",
                     kind->kind, name, uid);
}

static int ask_bind(struct account_ask *a, const struct ask_kind *kind, const struct value *reference,
                    struct error *err)
{
    struct request *req = a->req;
    const char *name = pool_slice_dup(req->pool, value_string(value_get(reference, "name")));
    const char *uid = pool_slice_dup(req->pool, value_string(value_get(reference, "uid")));
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct account_object *claim = (void *)((char *)&a->claims + kind->claim);
    int r = registry_get(req->server->store, registry_need_kind("", kind->plural),
                         kind->namespaced ? req->info.namespace_ : "", name, &item, err);

    if (r < 0) {
        ask_blame(a, name, NULL, kind->plural);
        return r;
    }
    *claim = (struct account_object){name, ask_text(a, &item, "metadata.uid")};
    if (claim == &a->claims.pod) {
        if (strcmp(ask_text(a, &item, "spec.serviceAccountName"), req->info.name) != 0)
            return error_set(
                err, ERROR_BAD_REQUEST,
                "cannot bind token for serviceaccount \"%s\" to pod running with different serviceaccount name.",
                req->info.name);
        ask_node_of_pod(a, &item);
    }
    return *uid && strcmp(uid, claim->uid) != 0 ? ask_uid_conflict(a, kind, name, uid, err) : 0;
}

static int ask_bound_object(struct account_ask *a, struct error *err)
{
    const struct value *reference = value_path(a->body, "spec", "boundObjectRef", NULL);
    const struct ask_kind *kind = ask_find_kind(reference);
    const char *version = value_str(value_get(reference, "apiVersion"));
    const char *name = value_str(value_get(reference, "kind"));

    if (!value_is(reference, VALUE_OBJECT))
        return 0;
    if (kind)
        return ask_bind(a, kind, reference, err);
    return error_set(err, ERROR_BAD_REQUEST, "cannot bind token to object of type %s%s, Kind=%s",
                     version && strchr(version, '/') ? "" : "/", version ? version : "", name ? name : "");
}

/* ---- the answer ---------------------------------------------------------------------------------------------------
 */

static bool ask_is_for_the_api(const struct account_ask *a)
{
    return a->claims.audiences.count == 1 && !strcmp(a->claims.audiences.items[0], a->req->server->accounts->name);
}

static void ask_set_times(struct account_ask *a, int64_t now_s, int64_t seconds)
{
    struct account_claims *c = &a->claims;

    c->issued_s = c->not_before_s = now_s;
    c->expires_s = now_s + seconds;
    if (seconds == ACCOUNT_POD_SECONDS && c->pod.name && ask_is_for_the_api(a)) {
        c->warn_after_s = c->expires_s;
        c->expires_s = now_s + ACCOUNT_EXTENDED_SECONDS;
    }
}

static int ask_answer(struct account_ask *a, struct error *err)
{
    struct request *req = a->req;
    int64_t now_s = clock_wall_s(req->server->clock);
    int64_t seconds = value_int(value_path(a->body, "spec", "expirationSeconds", NULL));
    struct value *metadata = value_need_object(a->body, "metadata");
    struct value *status = value_new_object();
    char expires[TIME_TEXT_MAX];
    char id[37];
    BUF_LOCAL(token);
    int r;

    value_set(a->body, "status", status);
    value_set_str(metadata, "name", req->info.name);
    value_set_str(metadata, "namespace", req->info.namespace_);
    value_set_str(metadata, "creationTimestamp", request_now(req));
    random_uuid(id);
    a->claims.id = pool_strdup(req->pool, id);
    a->claims.issuer = req->server->accounts->name;
    ask_set_times(a, now_s, seconds);
    r = account_issuer_sign(req->server->accounts, &a->claims, &token, err);
    if (r < 0)
        return r;
    time_format_seconds((now_s + seconds) * NS_PER_S, expires);
    value_set(status, "token", value_new_string(req->dry_run ? SLICE_NONE : buf_slice(&token)));
    value_set_str(status, "expirationTimestamp", expires);
    return 0;
}

static int ask_admit(const struct account_ask *a, struct error *err)
{
    const struct admission admission = {.req = a->req,
                                        .operation = ADMISSION_CREATE,
                                        .namespace_ = a->req->info.namespace_,
                                        .name = a->req->info.name,
                                        .subresource = "token",
                                        .object = a->body};

    return admission_mutate(&admission, err);
}

void account_request_create(struct request *req)
{
    const struct schema_kind *kind =
        schema_find_kind(SLICE_LIT("authentication.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("TokenRequest"));
    struct account_ask ask = {.req = req};
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) < 0 || request_write_options(req, "CreateOptions", &err) < 0 ||
        !(ask.body = request_own_value(req, request_decode_body(req, kind, &err)))) {
        reply_error(req, &err);
        return;
    }
    default_apply(kind, ask.body);
    ask_audiences(&ask);
    if (ask_account(&ask, &err) < 0 || ask_validate(&ask, kind, &err) < 0 || ask_admit(&ask, &err) < 0 ||
        ask_bound_object(&ask, &err) < 0 || ask_answer(&ask, &err) < 0) {
        reply_error(req, &err);
        return;
    }
    negotiate_plain(req);
    reply_value(req, 201, kind->type, ask.body);
}
