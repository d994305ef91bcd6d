/* SPDX-License-Identifier: Apache-2.0 */
/* The table of default roles and bindings made into objects. */
#include "apiserver/rbac_defaults.h"

#define RBAC_GROUP      "rbac.authorization.k8s.io"
#define RBAC_AUTOUPDATE "rbac.authorization.kubernetes.io/autoupdate"

/* A list with commas as JSON; `core` is the empty group. */
static struct value *defaults_list(struct slice text)
{
    struct value *list = value_new_array();
    struct slice item;

    while (slice_split(&text, ',', &item))
        value_append(list, value_new_string(slice_is(item, "core") ? SLICE_LIT("") : item));
    return list;
}

static struct value *defaults_rule(struct slice text)
{
    static const char *const parts[] = {"verbs", "apiGroups", "resources", "resourceNames"};
    struct value *rule = value_new_object();
    struct slice word;
    bool url = false;

    for (size_t i = 0; i < ARRAY_SIZE(parts) && slice_split(&text, ' ', &word); i++) {
        if (i == 1 && slice_is(word, "url"))
            url = true;
        else
            value_set(rule, url ? "nonResourceURLs" : parts[i], defaults_list(word));
    }
    return rule;
}

static struct value *defaults_rules(const char *text)
{
    struct value *rules = value_new_array();
    struct slice rest = slice_str(text);
    struct slice rule;

    while (slice_split(&rest, ';', &rule))
        if (rule.len)
            value_append(rules, defaults_rule(rule));
    return rules;
}

static void defaults_set_label(struct value *object, const char *to)
{
    char *name CLEANUP_FREE = mem_printf(RBAC_GROUP "/aggregate-to-%s", to);

    value_set_str(object, name, "true");
}

static struct value *defaults_new(enum rbac_kind kind, const char *namespace_, const char *name)
{
    static const char *const kinds[RBAC_KINDS] = {
        [RBAC_CLUSTER_ROLE] = "ClusterRole",
        [RBAC_ROLE] = "Role",
        [RBAC_CLUSTER_BINDING] = "ClusterRoleBinding",
        [RBAC_BINDING] = "RoleBinding",
    };
    struct value *object = value_new_object();
    struct value *metadata;

    value_set_str(object, "apiVersion", RBAC_GROUP "/v1");
    value_set_str(object, "kind", kinds[kind]);
    metadata = value_need_object(object, "metadata");
    value_set_str(metadata, "name", name);
    if (*namespace_)
        value_set_str(metadata, "namespace", namespace_);
    value_set_str(value_need_object(metadata, "labels"), "kubernetes.io/bootstrapping", "rbac-defaults");
    value_set_str(value_need_object(metadata, "annotations"), RBAC_AUTOUPDATE, "true");
    return object;
}

static struct value *defaults_role(const struct rbac_default_role *row, enum rbac_kind kind)
{
    struct value *object = defaults_new(kind, row->namespace_, row->name);

    if (*row->gathered_to)
        defaults_set_label(value_path(object, "metadata", "labels", NULL), row->gathered_to);
    if (*row->gathers) {
        struct value *selector = value_new_object();

        defaults_set_label(value_need_object(selector, "matchLabels"), row->gathers);
        value_append(value_need_array(value_need_object(object, "aggregationRule"), "clusterRoleSelectors"), selector);
    } else {
        value_set(object, "rules", defaults_rules(row->rules));
    }
    return object;
}

static struct value *defaults_subject(struct slice text)
{
    struct value *subject = value_new_object();
    struct slice name = text;
    struct slice kind;
    struct slice namespace_;

    (void)slice_split(&name, '=', &kind);
    if (slice_is(kind, "account")) {
        (void)slice_split(&name, '/', &namespace_);
        value_set_str(subject, "kind", "ServiceAccount");
        value_set(subject, "name", value_new_string(name));
        value_set(subject, "namespace", value_new_string(namespace_));
        return subject;
    }
    value_set_str(subject, "kind", slice_is(kind, "user") ? "User" : "Group");
    value_set_str(subject, "apiGroup", RBAC_GROUP);
    value_set(subject, "name", value_new_string(name));
    return subject;
}

static struct value *defaults_binding(const struct rbac_default_binding *row, enum rbac_kind kind)
{
    struct value *object = defaults_new(kind, row->namespace_, row->name);
    struct value *ref = value_need_object(object, "roleRef");
    struct slice rest = slice_str(row->subjects);
    struct slice subject;

    value_set_str(ref, "apiGroup", RBAC_GROUP);
    value_set_str(ref, "kind", kind == RBAC_BINDING ? "Role" : "ClusterRole");
    value_set_str(ref, "name", row->role ? row->role : row->name);
    while (slice_split(&rest, ',', &subject))
        if (subject.len)
            value_append(value_need_array(object, "subjects"), defaults_subject(subject));
    return object;
}

size_t rbac_default_count(void)
{
    return rbac_default_role_count + rbac_default_binding_count;
}

struct value *rbac_default_object(size_t index, enum rbac_kind *ret_kind, const char **ret_namespace,
                                  const char **ret_name)
{
    const struct rbac_default_binding *binding;

    if (index < rbac_default_role_count) {
        const struct rbac_default_role *role = &rbac_default_roles[index];

        *ret_kind = *role->namespace_ ? RBAC_ROLE : RBAC_CLUSTER_ROLE;
        *ret_namespace = role->namespace_;
        *ret_name = role->name;
        return defaults_role(role, *ret_kind);
    }
    binding = &rbac_default_bindings[index - rbac_default_role_count];
    *ret_kind = *binding->namespace_ ? RBAC_BINDING : RBAC_CLUSTER_BINDING;
    *ret_namespace = binding->namespace_;
    *ret_name = binding->name;
    return defaults_binding(binding, *ret_kind);
}

/* ---- what is stored already ---------------------------------------------------------------------------------------
 */

static bool defaults_add_members(struct value *metadata, const struct value *wanted, const char *field)
{
    struct value_iter it = value_iter_start(value_get(wanted, field));
    bool changed = false;
    struct slice name;
    struct value *v;

    while (value_iter_next(&it, &name, &v))
        if (!value_get_slice(value_get(metadata, field), name)) {
            value_set_slice(value_need_object(metadata, field), name, value_copy(v));
            changed = true;
        }
    return changed;
}

/* A rule that the stored ones do not hold all of is added whole. */
static bool defaults_add_rules(struct value *stored, const struct value *wanted)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct rbac_rules held = rbac_rules_read(pool, value_get(stored, "rules"));
    struct rbac_rules asked = rbac_rules_read(pool, value_get(wanted, "rules"));
    bool changed = false;

    for (size_t i = 0; i < asked.count; i++) {
        BUF_LOCAL(missing);

        if (rbac_rules_cover(held, (struct rbac_rules){&asked.items[i], 1}, &missing) == RBAC_COVERED)
            continue;
        value_append(value_need_array(stored, "rules"), value_copy(value_at(value_get(wanted, "rules"), i)));
        changed = true;
    }
    return changed;
}

static bool defaults_add_subjects(struct value *stored, const struct value *wanted)
{
    const struct value *list = value_get(wanted, "subjects");
    bool changed = false;

    for (size_t i = 0; i < value_count(list); i++) {
        bool there = false;

        for (size_t s = 0; !there && s < value_count(value_get(stored, "subjects")); s++)
            there = value_equal(value_at(value_get(stored, "subjects"), s), value_at(list, i));
        if (there)
            continue;
        value_append(value_need_array(stored, "subjects"), value_copy(value_at(list, i)));
        changed = true;
    }
    return changed;
}

bool rbac_default_reconcile(struct value *stored, const struct value *wanted)
{
    const struct value *rule = value_get(wanted, "aggregationRule");
    struct value *metadata = value_need_object(stored, "metadata");
    bool changed;

    if (slice_is(value_string(value_path(metadata, "annotations", RBAC_AUTOUPDATE, NULL)), "false") ||
        !value_equal(value_get(stored, "roleRef"), value_get(wanted, "roleRef")))
        return false; /* a binding to another role is somebody's own */
    changed = defaults_add_members(metadata, value_get(wanted, "metadata"), "labels");
    changed = defaults_add_members(metadata, value_get(wanted, "metadata"), "annotations") || changed;
    if (rule && !value_get(stored, "aggregationRule")) {
        value_set(stored, "aggregationRule", value_copy(rule));
        changed = true;
    }
    if (!rule)
        changed = defaults_add_rules(stored, wanted) || changed;
    return defaults_add_subjects(stored, wanted) || changed;
}
