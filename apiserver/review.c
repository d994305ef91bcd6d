/* SPDX-License-Identifier: Apache-2.0 */
/* Reviews: questions about oneself. Answered at once, never stored. */
#include "apiserver/authz.h"
#include "apiserver/subresource.h"

static struct value *review_begin(struct request *req)
{
    struct value *body;
    ERROR_LOCAL(err);

    if (negotiate_media(req, false, &err) == 0 && request_write_options(req, "CreateOptions", &err) == 0) {
        body = request_own_value(req, request_decode_body(req, req->kind, &err));
        if (body)
            return body;
    }
    reply_error(req, &err);
    return NULL;
}

static void review_answer(struct request *req, struct value *body, struct value *status)
{
    value_set(body, "status", status);
    if (req->media == MEDIA_TABLE || req->media == MEDIA_PARTIAL || req->media == MEDIA_PROTOBUF)
        req->media = MEDIA_JSON;
    reply_value(req, 201, body);
}

static const char *review_text(const struct value *v, const char *name)
{
    const char *text = value_str(value_get(v, name));

    return text ? text : "";
}

static bool review_ask(struct request *req, const struct value *spec, const char **ret_reason)
{
    const struct value *resource = value_get(spec, "resourceAttributes");
    const struct value *path = value_get(spec, "nonResourceAttributes");
    struct request_info info = {.path = ""};
    struct authz_question q = {.user = &req->user,
                               .is_resource = resource,
                               .verb = review_text(resource ? resource : path, "verb"),
                               .path = review_text(path, "path"),
                               .group = review_text(resource, "group"),
                               .resource = review_text(resource, "resource"),
                               .subresource = review_text(resource, "subresource"),
                               .namespace_ = review_text(resource, "namespace"),
                               .name = review_text(resource, "name"),
                               .field_selector = "",
                               .info = &info};

    if (path && request_path_parse(req->pool, slice_str(q.verb), slice_str(q.path), &info, NULL) < 0)
        return false;
    return authz_allows(req->server, req->pool, &q, ret_reason);
}

/* Upstream names no kind in these: `.authorization.k8s.io "" is invalid: ...`. */
static void review_refuse(struct request *req, const char *field, const struct value *bad, const char *why)
{
    struct status_details *details = pool_alloc(req->pool, sizeof(*details));
    ERROR_LOCAL(err);
    BUF_LOCAL(shown);

    if (bad)
        value_write(bad, &shown);
    else
        buf_append_str(&shown, "\"null\"");
    *details = (struct status_details){NULL, req->kind->group, NULL, NULL};
    req->error_details = details;
    (void)error_set(&err, ERROR_INVALID, ".%s \"\" is invalid: %s: Invalid value: %s: %s", req->kind->group, field,
                    buf_cstr(&shown), why);
    error_add_cause(&err, "FieldValueInvalid", field, "Invalid value: %s: %s", buf_cstr(&shown), why);
    reply_error(req, &err);
}

/* One question at a time, about nothing that has a name of its own. */
static bool review_check(struct request *req, const struct value *body)
{
    const struct value *resource = value_path(body, "spec", "resourceAttributes", NULL);
    const struct value *path = value_path(body, "spec", "nonResourceAttributes", NULL);

    if (resource && path)
        review_refuse(req, "spec.nonResourceAttributes", path,
                      "cannot be specified in combination with resourceAttributes");
    else if (!resource && !path)
        review_refuse(req, "spec.resourceAttributes", NULL,
                      "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    else if (value_path(body, "metadata", "name", NULL) || value_path(body, "metadata", "namespace", NULL))
        review_refuse(req, "metadata", value_get(body, "metadata"), "must be empty");
    else
        return true;
    return false;
}

void review_access(struct request *req)
{
    struct value *body = review_begin(req);
    const struct value *spec = value_get(body, "spec");
    struct value *status;
    const char *reason = NULL;

    if (!body || !review_check(req, body))
        return;
    status = value_new_object();
    value_set(status, "allowed", value_new_bool(review_ask(req, spec, &reason)));
    if (reason)
        value_set_str(status, "reason", reason);
    review_answer(req, body, status);
}

static struct value *review_star(void)
{
    struct value *list = value_new_array();

    value_append(list, value_new_str("*"));
    return list;
}

/* Only the all-powerful have rules that can be listed; what nodes may do depends on the object. */
void review_rules(struct request *req)
{
    bool master = user_in_group(&req->user, "system:masters");
    struct value *body = review_begin(req);
    struct value *status;
    struct value *rules;
    struct value *rule;

    if (!body)
        return;
    if (!value_string(value_path(body, "spec", "namespace", NULL)).len) {
        reply_error_text(req, ERROR_BAD_REQUEST, "no namespace on request");
        return;
    }
    status = value_new_object();
    rules = value_need_array(status, "resourceRules");
    if (master) {
        rule = value_new_object();
        value_set(rule, "verbs", review_star());
        value_set(rule, "apiGroups", review_star());
        value_set(rule, "resources", review_star());
        value_append(rules, rule);
    }
    rules = value_need_array(status, "nonResourceRules");
    if (master) {
        rule = value_new_object();
        value_set(rule, "verbs", review_star());
        value_set(rule, "nonResourceURLs", review_star());
        value_append(rules, rule);
    }
    value_set(status, "incomplete", value_new_bool(!master));
    review_answer(req, body, status);
}

void review_self(struct request *req)
{
    struct value *body = review_begin(req);
    struct value *status;
    struct value *user;
    struct value *groups;

    if (!body)
        return;
    status = value_new_object();
    user = value_need_object(status, "userInfo");
    value_set_str(user, "username", req->user.name);
    if (*req->user.uid)
        value_set_str(user, "uid", req->user.uid);
    groups = value_need_array(user, "groups");
    for (size_t i = 0; i < req->user.group_count; i++)
        value_append(groups, value_new_str(req->user.groups[i]));
    review_answer(req, body, status);
}
