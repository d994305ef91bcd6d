/* SPDX-License-Identifier: Apache-2.0 */
/* Roles and bindings. */
#include "api/validate_internal.h"

#define RBAC_GROUP "rbac.authorization.k8s.io"

static void check_rule(const struct rule_site *s, const struct vpath *at, const struct value *rule, bool namespaced)
{
    const struct value *urls = value_get(rule, "nonResourceURLs");

    if (!value_count(value_get(rule, "verbs")))
        report_required(s->v, VFIELD(at, "verbs"), "verbs must contain at least one value");
    if (value_count(urls)) {
        if (namespaced)
            report_invalid(s->v, VFIELD(at, "nonResourceURLs"), urls,
                           "namespaced rules cannot apply to non-resource URLs");
        if (value_count(value_get(rule, "apiGroups")) || value_count(value_get(rule, "resources")) ||
            value_count(value_get(rule, "resourceNames")))
            report_invalid(s->v, VFIELD(at, "nonResourceURLs"), urls,
                           "rules cannot apply to both regular resources and non-resource URLs");
        return;
    }
    if (!value_count(value_get(rule, "apiGroups")))
        report_required(s->v, VFIELD(at, "apiGroups"), "resource rules must supply at least one api group");
    if (!value_count(value_get(rule, "resources")))
        report_required(s->v, VFIELD(at, "resources"), "resource rules must supply at least one resource");
}

static void check_rules(const struct rule_site *s, bool namespaced)
{
    const struct value *rules = value_get(s->object, "rules");

    for (size_t i = 0; i < value_count(rules); i++)
        check_rule(s, VINDEX(VFIELD(s->at, "rules"), i), value_at(rules, i), namespaced);
}

static void check_role(const struct rule_site *s)
{
    check_rules(s, true);
}

static void check_cluster_role(const struct rule_site *s)
{
    const struct value *aggregation = value_get(s->object, "aggregationRule");
    const struct value *selectors = value_get(aggregation, "clusterRoleSelectors");
    const struct vpath *at = VFIELD(VFIELD(s->at, "aggregationRule"), "clusterRoleSelectors");

    check_rules(s, false);
    if (aggregation && !value_count(selectors))
        report_required(s->v, at, "at least one clusterRoleSelector required if aggregationRule is non-nil");
    for (size_t i = 0; i < value_count(selectors); i++) {
        size_t before = s->v->err->cause_count;

        check_label_selector(s->v, VINDEX(at, i), value_at(selectors, i));
        if (s->v->err->cause_count != before)
            report_invalid(s->v, VINDEX(at, i), NULL, "invalid label selector.");
    }
}

static void check_subject(const struct rule_site *s, const struct vpath *at, const struct value *subject,
                          bool namespaced)
{
    static const char *const kinds[] = {"ServiceAccount", "User", "Group", NULL};
    static const char *const none[] = {"", NULL};
    static const char *const rbac[] = {RBAC_GROUP, NULL};
    struct slice kind = value_string(value_get(subject, "kind"));
    struct slice name = value_string(value_get(subject, "name"));
    struct slice group = value_string(value_get(subject, "apiGroup"));

    if (!name.len)
        report_required(s->v, VFIELD(at, "name"), NULL);
    if (slice_is(kind, "ServiceAccount")) {
        if (name.len)
            (void)check_name(s->v, VFIELD(at, "name"), name, validate_dns1123_subdomain);
        if (group.len)
            report_not_supported(s->v, VFIELD(at, "apiGroup"), group, none);
        if (!namespaced && !value_string(value_get(subject, "namespace")).len)
            report_required(s->v, VFIELD(at, "namespace"), NULL);
    } else if (slice_is(kind, "User") || slice_is(kind, "Group")) {
        (void)check_one_of(s->v, VFIELD(at, "apiGroup"), group, rbac);
    } else {
        report_not_supported(s->v, VFIELD(at, "kind"), kind, kinds);
    }
}

static void check_binding(const struct rule_site *s, const char *const *kinds, bool namespaced)
{
    static const char *const rbac[] = {RBAC_GROUP, NULL};
    const struct value *ref = value_get(s->object, "roleRef");
    const struct vpath *at = VFIELD(s->at, "roleRef");
    const struct value *subjects = value_get(s->object, "subjects");
    struct slice name = value_string(value_get(ref, "name"));

    (void)check_one_of(s->v, VFIELD(at, "apiGroup"), value_string(value_get(ref, "apiGroup")), rbac);
    (void)check_one_of(s->v, VFIELD(at, "kind"), value_string(value_get(ref, "kind")), kinds);
    if (!name.len)
        report_required(s->v, VFIELD(at, "name"), NULL);
    else
        (void)check_name(s->v, VFIELD(at, "name"), name, validate_path_segment);
    for (size_t i = 0; i < value_count(subjects); i++)
        check_subject(s, VINDEX(VFIELD(s->at, "subjects"), i), value_at(subjects, i), namespaced);
    /* Who may change the subjects was judged by this role when it was bound. */
    if (s->old && !value_equal(value_get(s->old, "roleRef"), ref))
        report_invalid(s->v, at, ref, "cannot change roleRef");
}

static void check_role_binding(const struct rule_site *s)
{
    static const char *const kinds[] = {"Role", "ClusterRole", NULL};

    check_binding(s, kinds, true);
}

static void check_cluster_role_binding(const struct rule_site *s)
{
    static const char *const kinds[] = {"ClusterRole", NULL};

    check_binding(s, kinds, false);
}

static const struct rule rules[] = {
    {"Role", NULL, check_role},
    {"ClusterRole", NULL, check_cluster_role},
    {"RoleBinding", NULL, check_role_binding},
    {"ClusterRoleBinding", NULL, check_cluster_role_binding},
};
const struct rule_set validate_rules_rbac = {rules, ARRAY_SIZE(rules)};
