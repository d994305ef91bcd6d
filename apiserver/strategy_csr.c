/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Certificate requests say who asks for them, and the server says it for them: the requester is the authenticated user,
 * never what the body claims. The spec is frozen from then on; approval writes only conditions, status only the
 * certificate and the signer's own conditions.
 *
 * A joining machine's request is one use of its bootstrap token: where the token's Secret has a number under uses-left,
 * it goes down in the same transaction that makes the request, so that two machines cannot share the last one. The
 * token goes on to tell who somebody is, because the machine asks with it whether its request was signed.
 */
#include "apiserver/strategy.h"

#include "apiserver/authn_tokens.h"
#include "apiserver/registry.h"
#include "lib/encoding.h"

static bool csr_is_approval(const struct value *condition)
{
    struct slice type = value_string(value_get(condition, "type"));

    return slice_is(type, "Approved") || slice_is(type, "Denied");
}

void csr_prepare_create(struct request *req, struct value *object)
{
    struct value *spec = value_need_object(object, "spec");
    struct value *groups = value_new_array();
    struct value *extra = user_extra_value(&req->user);

    (void)value_remove(spec, "extra");
    if (extra)
        value_set(spec, "extra", extra);
    value_set_str(spec, "username", req->user.name);
    if (*req->user.uid)
        value_set_str(spec, "uid", req->user.uid);
    else
        (void)value_remove(spec, "uid");
    for (size_t i = 0; i < req->user.group_count; i++)
        value_append(groups, value_new_str(req->user.groups[i]));
    value_set(spec, "groups", groups);
    value_set(object, "status", value_new_object());
}

/* Conditions of `from` that are (or are not) approvals, added to `to`, with the times they lack. */
static void csr_add_conditions(struct request *req, struct value *to, const struct value *from, bool approvals)
{
    const struct value *list = value_path(from, "status", "conditions", NULL);

    for (size_t i = 0; i < value_count(list); i++) {
        struct value *condition;

        if (csr_is_approval(value_at(list, i)) != approvals)
            continue;
        condition = value_copy(value_at(list, i));
        if (!value_string(value_get(condition, "lastUpdateTime")).len)
            value_set_str(condition, "lastUpdateTime", request_now(req));
        if (!value_string(value_get(condition, "lastTransitionTime")).len)
            value_set_str(condition, "lastTransitionTime", request_now(req));
        value_append(to, condition);
    }
}

static int csr_check_approvals(const struct value *object, const struct value *old, struct error *err)
{
    const struct value *list = value_path(object, "status", "conditions", NULL);
    const struct value *before = value_path(old, "status", "conditions", NULL);
    size_t approvals = 0;
    const char *name = value_str(value_path(old, "metadata", "name", NULL));

    for (size_t i = 0; i < value_count(list); i++)
        approvals += csr_is_approval(value_at(list, i));
    for (size_t i = 0; i < value_count(before); i++)
        if (csr_is_approval(value_at(before, i)) && !approvals) {
            (void)error_set(err, ERROR_INVALID,
                            "CertificateSigningRequest.certificates.k8s.io \"%s\" is invalid: status.conditions: "
                            "Forbidden: updates may not remove a condition of type \"%s\"",
                            name, value_str(value_get(value_at(before, i), "type")));
            error_add_cause(err, "FieldValueForbidden", "status.conditions",
                            "Forbidden: updates may not remove a condition of type \"%s\"",
                            value_str(value_get(value_at(before, i), "type")));
            return -(int)ERROR_INVALID;
        }
    return 0;
}

int csr_prepare_update(struct request *req, struct value *object, const struct value *old, const char *sub,
                       struct error *err)
{
    const struct value *old_status = value_get(old, "status");
    const struct value *certificate;
    struct value *conditions;
    struct value *status;

    value_set(object, "spec", value_copy(value_get(old, "spec")));
    if (!*sub)
        return 0;
    if (!strcmp(sub, "approval") && csr_check_approvals(object, old, err) < 0)
        return -(int)ERROR_INVALID;
    certificate = !strcmp(sub, "status") ? value_path(object, "status", "certificate", NULL)
                                         : value_get(old_status, "certificate");
    status = value_new_object();
    conditions = value_new_array();
    csr_add_conditions(req, conditions, !strcmp(sub, "approval") ? object : old, true);
    csr_add_conditions(req, conditions, !strcmp(sub, "status") ? object : old, false);
    if (value_count(conditions))
        value_set(status, "conditions", conditions);
    else
        value_free(conditions);
    if (certificate)
        value_set(status, "certificate", value_copy(certificate));
    value_set(object, "status", status);
    return 0;
}

/* ---- uses of bootstrap tokens -------------------------------------------------------------------------------------
 */

static int csr_refuse_token(const struct request *req, const char *id, const char *why, struct error *err)
{
    return error_set(err, ERROR_FORBIDDEN,
                     "certificatesigningrequests.certificates.k8s.io \"%s\" is forbidden: the "
                     "bootstrap token %s %s",
                     req->object_name, id, why);
}

/* Puts the Secret with one use less; what is no number above zero is used up. */
static int csr_count_down(struct write *w, struct value *secret, struct slice key, const char *id, struct error *err)
{
    struct value *data = value_get(secret, "data");
    int64_t left = 0;
    BUF_LOCAL(text);
    BUF_LOCAL(value);
    BUF_LOCAL(header);

    if (!base64_decode(&text, value_string(value_get(data, AUTHN_BOOTSTRAP_USES))) ||
        !slice_to_int64(buf_slice(&text), &left) || left < 1)
        return csr_refuse_token(w->req, id, "is used up", err);
    buf_reset(&text);
    buf_printf(&text, "%lld", (long long)left - 1);
    base64_encode(&value, buf_slice(&text));
    value_set(data, AUTHN_BOOTSTRAP_USES, value_new_string(buf_slice(&value)));
    buf_reset(&value);
    object_encode(registry_need_kind("", "secrets"), secret, SLICE_NONE, &value, &header);
    return write_put(w, key, slice_make(pool_slice_dup(w->pool, buf_slice(&header)), header.len),
                     slice_make(pool_slice_dup(w->pool, buf_slice(&value)), value.len))
               ? 0
               : error_set(err, ERROR_INTERNAL, "too many operations in one write");
}

int csr_allocate(struct write *w, struct value *object, const struct value *old, struct error *err)
{
    static const char prefix[] = AUTHN_BOOTSTRAP_USER;
    const struct schema_kind *kind = registry_need_kind("", "secrets");
    const char *user = w->req->user.name;
    struct registry_item item CLEANUP_REGISTRY_ITEM = {0};
    struct value *secret CLEANUP_VALUE = NULL;
    const char *id = user + sizeof(prefix) - 1;
    const char *name;
    struct slice key;

    if (!object || old || strncmp(user, prefix, sizeof(prefix) - 1) != 0)
        return 0;
    name = pool_printf(w->pool, "bootstrap-token-%s", id);
    if (registry_get(w->req->server->store, kind, "kube-system", name, &item, NULL) < 0)
        return csr_refuse_token(w->req, id, "was deleted", err);
    secret = object_decode(buf_slice(&item.value), 0, err);
    if (!secret)
        return -(int)ERROR_CORRUPT;
    (void)value_remove(value_get(secret, "metadata"), "resourceVersion");
    key = registry_key(w->pool, kind, "kube-system", name);
    if (!write_require(w, key, item.revision))
        return error_set(err, ERROR_INTERNAL, "too many conditions in one write");
    return value_path(secret, "data", AUTHN_BOOTSTRAP_USES, NULL) ? csr_count_down(w, secret, key, id, err) : 0;
}
