/* SPDX-License-Identifier: Apache-2.0 */
/* Reviews: questions about what one is and may do, or others may. Answered at once, never stored. */
#include "apiserver/review.h"

#include "apiserver/rbac.h"
#include "apiserver/subresource.h"

struct value *review_begin(struct request *req)
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

void review_answer(struct request *req, struct value *body, struct value *status)
{
    value_set(body, "status", status);
    negotiate_plain(req);
    reply_value(req, 201, req->kind->type, body);
}

static const char *review_text(const struct value *v, const char *name)
{
    const char *text = value_str(value_get(v, name));

    return text ? text : "";
}

/* About `user`; the namespace "" in a question about an object is the whole cluster. */
static bool review_ask(struct request *req, const struct user *user, const struct value *spec, const char **ret_reason)
{
    const struct value *resource = value_get(spec, "resourceAttributes");
    const struct value *path = value_get(spec, "nonResourceAttributes");
    const struct authz_question q = {.user = user,
                                     .is_resource = resource,
                                     .verb = review_text(resource ? resource : path, "verb"),
                                     .path = review_text(path, "path"),
                                     .group = review_text(resource, "group"),
                                     .resource = review_text(resource, "resource"),
                                     .subresource = review_text(resource, "subresource"),
                                     .namespace_ = review_text(resource, "namespace"),
                                     .name = review_text(resource, "name"),
                                     .field_selector = ""};

    return authz_allows(req, &q, ret_reason);
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

/* One question at a time. */
static bool review_check_question(struct request *req, const struct value *body)
{
    const struct value *resource = value_path(body, "spec", "resourceAttributes", NULL);
    const struct value *path = value_path(body, "spec", "nonResourceAttributes", NULL);

    if (resource && path)
        review_refuse(req, "spec.nonResourceAttributes", path,
                      "cannot be specified in combination with resourceAttributes");
    else if (!resource && !path)
        review_refuse(req, "spec.resourceAttributes", NULL,
                      "exactly one of nonResourceAttributes or resourceAttributes must be specified");
    else
        return true;
    return false;
}

static bool review_check_user(struct request *req, const struct value *body)
{
    struct value *none CLEANUP_VALUE = NULL;

    if (*review_text(value_get(body, "spec"), "user") || value_count(value_path(body, "spec", "groups", NULL)))
        return true;
    none = value_new_str("");
    review_refuse(req, "spec.user", none, "at least one of user or group must be specified");
    return false;
}

/* About nothing that has a name of its own. */
static bool review_check_metadata(struct request *req, const struct value *body)
{
    if (!value_path(body, "metadata", "name", NULL) && !value_path(body, "metadata", "namespace", NULL))
        return true;
    review_refuse(req, "metadata", value_get(body, "metadata"), "must be empty");
    return false;
}

/* What is asked about must be where the question is asked. */
static bool review_check_place(struct request *req, const struct value *body)
{
    const struct value *path = value_path(body, "spec", "nonResourceAttributes", NULL);
    const char *asked = review_text(value_path(body, "spec", "resourceAttributes", NULL), "namespace");
    const char *own = review_text(value_get(body, "metadata"), "namespace");
    struct value *shown CLEANUP_VALUE = NULL;

    if (path) {
        review_refuse(req, "spec.nonResourceAttributes", path, "disallowed on this kind of request");
        return false;
    }
    if (!*own || !strcmp(own, req->info.namespace_)) {
        if (*asked && !strcmp(asked, req->info.namespace_))
            return true;
        shown = value_new_str(asked);
        review_refuse(req, "spec.resourceAttributes.namespace", shown, "must match metadata.namespace");
        return false;
    }
    reply_error_text(req, ERROR_BAD_REQUEST,
                     "the namespace of the provided object does not match the namespace sent "
                     "on the request");
    return false;
}

/* The user of a spec: exactly what it says, nothing added. */
static struct user review_user(struct request *req, const struct value *spec)
{
    const struct value *list = value_get(spec, "groups");
    size_t count = value_count(list);
    const char **groups = pool_alloc(req->pool, (count + 1) * sizeof(*groups));

    for (size_t i = 0; i < count; i++)
        groups[i] = pool_slice_dup(req->pool, value_string(value_at(list, i)));
    return (struct user){
        .name = review_text(spec, "user"), .uid = review_text(spec, "uid"), .groups = groups, .group_count = count};
}

static void review_decide(struct request *req, struct value *body, const struct user *user)
{
    struct value *status = value_new_object();
    const char *reason = NULL;

    value_set(status, "allowed", value_new_bool(review_ask(req, user, value_get(body, "spec"), &reason)));
    if (reason)
        value_set_str(status, "reason", reason);
    review_answer(req, body, status);
}

void review_access(struct request *req)
{
    struct value *body = review_begin(req);

    if (body && review_check_question(req, body) && review_check_metadata(req, body))
        review_decide(req, body, &req->user);
}

void review_subject(struct request *req)
{
    struct value *body = review_begin(req);
    struct user user;

    if (!body || !review_check_question(req, body) || !review_check_user(req, body) ||
        !review_check_metadata(req, body))
        return;
    user = review_user(req, value_get(body, "spec"));
    review_decide(req, body, &user);
}

void review_local(struct request *req)
{
    struct value *body = review_begin(req);
    struct user user;

    if (!body || !review_check_question(req, body) || !review_check_user(req, body) || !review_check_place(req, body))
        return;
    user = review_user(req, value_get(body, "spec"));
    review_decide(req, body, &user);
}

/* ---- rules --------------------------------------------------------------------------------------------------------
 */

static void review_set(struct value *object, const char *name, const struct rbac_texts *texts)
{
    struct value *list = rbac_texts_value(texts);

    if (list)
        value_set(object, name, list);
}

static void review_add_rule(struct value *status, const struct rbac_rule *rule)
{
    bool path = rule->part[RBAC_URLS].count;
    struct value *out = value_new_object();

    review_set(out, "verbs", &rule->part[RBAC_VERBS]);
    if (path) {
        review_set(out, "nonResourceURLs", &rule->part[RBAC_URLS]);
    } else {
        review_set(out, "apiGroups", &rule->part[RBAC_GROUPS]);
        review_set(out, "resources", &rule->part[RBAC_RESOURCES]);
        review_set(out, "resourceNames", &rule->part[RBAC_NAMES]);
    }
    value_append(value_need_array(status, path ? "nonResourceRules" : "resourceRules"), out);
}

/* What roles give; what a node may do depends on the object and cannot be listed. */
void review_rules(struct request *req)
{
    struct value *body = review_begin(req);
    const char *namespace_ = review_text(value_get(body, "spec"), "namespace");
    const struct rbac_index *index = body ? rbac_current(req->front) : NULL;
    struct rbac_rules rules = {0};
    struct value *status;

    if (!body)
        return;
    if (!*namespace_) {
        reply_error_text(req, ERROR_BAD_REQUEST, "no namespace on request");
        return;
    }
    if (index)
        rules = rbac_index_rules(index, req->pool, &req->user, namespace_);
    status = value_new_object();
    (void)value_need_array(status, "resourceRules");
    (void)value_need_array(status, "nonResourceRules");
    for (size_t i = 0; i < rules.count; i++)
        review_add_rule(status, &rules.items[i]);
    value_set(status, "incomplete", value_new_bool(!index || user_in_group(&req->user, "system:nodes")));
    review_answer(req, body, status);
}

void review_write_user(struct value *out, const struct user *user)
{
    struct value *extra = user_extra_value(user);
    struct value *groups;

    value_set_str(out, "username", user->name);
    if (*user->uid)
        value_set_str(out, "uid", user->uid);
    groups = value_need_array(out, "groups");
    for (size_t i = 0; i < user->group_count; i++)
        value_append(groups, value_new_str(user->groups[i]));
    if (extra)
        value_set(out, "extra", extra);
}

void review_self(struct request *req)
{
    struct value *body = review_begin(req);
    struct value *status;

    if (!body)
        return;
    status = value_new_object();
    review_write_user(value_need_object(status, "userInfo"), &req->user);
    review_answer(req, body, status);
}
