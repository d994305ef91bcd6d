/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nobody gives away what he does not hold. Who writes a role must hold every right in it, or have the verb `escalate`
 * on it; who writes a binding must hold every right of the role it names, or have the verb `bind` on that role. A rule
 * that gathers other roles' rights needs all rights. Administrators (system:masters) are not asked.
 */
#include "apiserver/rbac.h"

#include "api/status.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static int guard_forbid(const struct admission *a, struct error *err, const char *why)
{
    return error_set(err, ERROR_FORBIDDEN, "%s." RBAC_GROUP " \"%s\" is forbidden: %s", a->req->kind->plural, a->name,
                     why);
}

/* What an owner or a finalizer changes is no change of rights. */
static bool guard_is_housekeeping(const struct admission *a)
{
    static const char *const fields[] = {"ownerReferences", "finalizers", "managedFields", "resourceVersion"};
    struct value *now CLEANUP_VALUE = value_copy(a->object);
    struct value *before CLEANUP_VALUE = a->old ? value_copy(a->old) : NULL;

    if (!before)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        (void)value_remove(value_get(now, "metadata"), fields[i]);
        (void)value_remove(value_get(before, "metadata"), fields[i]);
    }
    return value_equal(now, before);
}

static bool guard_may(const struct admission *a, const char *verb, const char *resource, const char *name)
{
    const struct authz_question q = {.user = &a->req->user,
                                     .is_resource = true,
                                     .verb = verb,
                                     .path = "",
                                     .group = RBAC_GROUP,
                                     .resource = resource,
                                     .subresource = "",
                                     .namespace_ = a->namespace_,
                                     .name = name,
                                     .field_selector = ""};
    const char *reason = NULL;

    return authz_allows(a->req, &q, &reason);
}

static void guard_write_user(struct buf *out, const struct user *user)
{
    struct value *name CLEANUP_VALUE = value_new_str(user->name);

    buf_append_str(out, "user ");
    value_write(name, out);
    buf_append_str(out, " (groups=[");
    for (size_t i = 0; i < user->group_count; i++) {
        struct value *group CLEANUP_VALUE = value_new_str(user->groups[i]);

        if (i)
            buf_append_byte(out, ' ');
        value_write(group, out);
    }
    buf_append_str(out, "])");
}

/* `asked` may live in the index: nothing between taking it and here asks for the current one again. */
static int guard_check(const struct admission *a, const struct rbac_index *index, struct rbac_rules asked,
                       struct error *err)
{
    struct rbac_rules held = {0};
    BUF_LOCAL(missing);
    BUF_LOCAL(text);

    if (index)
        held = rbac_index_rules(index, a->req->pool, &a->req->user, a->namespace_);
    guard_write_user(&text, &a->req->user);
    switch (rbac_rules_cover(held, asked, &missing)) {
    case RBAC_COVERED:
        return 0;
    case RBAC_NOT_COVERED:
        buf_printf(&text, " is attempting to grant RBAC permissions not currently held:\n%s", buf_cstr(&missing));
        break;
    case RBAC_COVER_TOO_MANY:
        buf_append_str(&text, " is attempting to grant more RBAC permissions than can be compared at once");
        break;
    }
    return guard_forbid(a, err, buf_cstr(&text));
}

static int guard_role(const struct admission *a, struct error *err)
{
    static const struct slice star[] = {{"*", 1}};
    static const struct rbac_rule everything[] = {
        {{[RBAC_VERBS] = {star, 1}, [RBAC_GROUPS] = {star, 1}, [RBAC_RESOURCES] = {star, 1}}},
        {{[RBAC_VERBS] = {star, 1}, [RBAC_URLS] = {star, 1}}},
    };
    const struct rbac_rules full = {everything, ARRAY_SIZE(everything)};
    const struct rbac_index *index;
    int r;

    if (guard_may(a, "escalate", a->req->kind->plural, a->name))
        return 0;
    index = rbac_current(a->req->front);
    if ((r = guard_check(a, index, rbac_rules_read(a->req->pool, value_get(a->object, "rules")), err)) < 0)
        return r;
    if (!value_get(a->object, "aggregationRule") && !value_get(a->old, "aggregationRule"))
        return 0;
    if (guard_check(a, index, full, NULL) < 0)
        return guard_forbid(a, err, "must have cluster-admin privileges to use an aggregationRule");
    return 0;
}

static int guard_missing_role(const struct admission *a, const char *plural, const char *name, struct error *err)
{
    struct status_details *details = pool_alloc(a->req->pool, sizeof(*details));

    *details = (struct status_details){name, RBAC_GROUP, plural, NULL};
    a->req->error_details = details;
    return error_set(err, ERROR_NOT_FOUND, "%s." RBAC_GROUP " \"%s\" not found", plural, name);
}

static int guard_binding(const struct admission *a, struct error *err)
{
    const struct value *ref = value_get(a->object, "roleRef");
    const char *kind = pool_slice_dup(a->req->pool, value_string(value_get(ref, "kind")));
    const char *name = pool_slice_dup(a->req->pool, value_string(value_get(ref, "name")));
    const char *plural = !strcmp(kind, "Role") ? "roles" : "clusterroles";
    const struct rbac_index *index;
    const struct rbac_rules *rules;

    if ((strcmp(kind, "Role") != 0 && strcmp(kind, "ClusterRole") != 0) || !*name)
        return 0; /* validation says what is wrong */
    if (guard_may(a, "bind", plural, name))
        return 0;
    index = rbac_current(a->req->front);
    rules = index ? rbac_index_role(index, kind, a->namespace_, name) : NULL;
    if (!rules)
        return guard_missing_role(a, plural, name, err);
    return guard_check(a, index, *rules, err);
}

int rbac_guard(const struct admission *a, struct error *err)
{
    static const struct {
        const char *plural;
        int (*check)(const struct admission *a, struct error *err);
    } rows[] = {
        {"roles", guard_role},
        {"clusterroles", guard_role},
        {"rolebindings", guard_binding},
        {"clusterrolebindings", guard_binding},
    };

    if (strcmp(a->req->kind->group, RBAC_GROUP) != 0 || user_in_group(&a->req->user, "system:masters") ||
        guard_is_housekeeping(a))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strcmp(rows[i].plural, a->req->kind->plural))
            return rows[i].check(a, err);
    return 0;
}
