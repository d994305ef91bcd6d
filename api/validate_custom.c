/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of custom resources: their names and versions. Their schemas are in validate_custom_schema.c. */
#include "api/validate_internal.h"

#include <stdio.h>

#define APPROVAL     "api-approved.kubernetes.io"
#define VERSIONS_MAX 100
#define NAMES_MAX    100 /* short ones, and categories */

static struct slice text_of(const struct value *object, const char *name)
{
    return value_string(value_get(object, name));
}

/* ---- the whole ---- */

static void check_definition(const struct rule_site *s)
{
    const struct value *metadata = value_get(s->object, "metadata");
    const struct value *spec = value_get(s->object, "spec");
    struct slice group = text_of(spec, "group");
    struct slice plural = text_of(value_get(spec, "names"), "plural");
    char *wanted CLEANUP_FREE = mem_printf("%.*s.%.*s", SLICE_ARGS(plural), SLICE_ARGS(group));
    bool guarded = slice_ends(group, SLICE_LIT(".k8s.io")) || slice_ends(group, SLICE_LIT(".kubernetes.io")) ||
                   slice_is(group, "k8s.io") || slice_is(group, "kubernetes.io");

    if (!slice_is(text_of(metadata, "name"), wanted))
        report_invalid(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), value_get(metadata, "name"),
                       "must be spec.names.plural+\".\"+spec.group");
    if (guarded && !s->old && !value_get(value_get(metadata, "annotations"), APPROVAL))
        report_required(s->v, VKEY(VFIELD(VFIELD(NULL, "metadata"), "annotations"), SLICE_LIT(APPROVAL)),
                        "protected groups must have approval annotation \"" APPROVAL
                        "\", see https://github.com/kubernetes/enhancements/pull/1111");
}

static void check_kept(const struct rule_site *s, const char *name)
{
    const struct value *had = value_get(s->old, name);

    if (had && !value_equal(had, value_get(s->object, name)))
        report_invalid(s->v, VFIELD(s->at, name), value_get(s->object, name), "field is immutable");
}

static void check_spec(const struct rule_site *s)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};
    struct slice group = text_of(s->object, "group");
    struct slice scope = text_of(s->object, "scope");
    const struct value *old_names = value_get(s->old, "names");
    const struct value *names = value_get(s->object, "names");

    if (group.len && check_name(s->v, VFIELD(s->at, "group"), group, validate_dns1123_subdomain) &&
        slice_find(group, '.') < 0)
        report_invalid_text(s->v, VFIELD(s->at, "group"), group, "should be a domain with at least one dot");
    if (scope.len)
        (void)check_one_of(s->v, VFIELD(s->at, "scope"), scope, scopes);
    if (value_bool(value_get(s->object, "preserveUnknownFields")))
        report_invalid(s->v, VFIELD(s->at, "preserveUnknownFields"), value_get(s->object, "preserveUnknownFields"),
                       "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                       "spec.versions[*].schema instead");
    check_kept(s, "group");
    check_kept(s, "scope");
    if (old_names && !value_equal(value_get(old_names, "kind"), value_get(names, "kind")))
        report_invalid(s->v, VFIELD(VFIELD(s->at, "names"), "kind"), value_get(names, "kind"), "field is immutable");
}

/* ---- names ---- */

static void check_dns_name(struct validator *v, const struct vpath *at, struct slice text)
{
    if (text.len)
        (void)check_name(v, at, text, validate_dns1035_label);
}

/* A kind is like a label, but for capitals. */
static void check_kind_name(struct validator *v, const struct vpath *at, struct slice text)
{
    char *lower CLEANUP_FREE = slice_dup(text);
    const char *why;

    for (char *c = lower; *c; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    why = text.len ? validate_dns1035_label(slice_str(lower)) : NULL;
    if (why) {
        char *more CLEANUP_FREE = mem_printf("may have mixed case, but should otherwise match: %s", why);

        report_invalid_text(v, at, text, more);
    }
}

static void check_names(const struct rule_site *s)
{
    static const char *const lists[] = {"shortNames", "categories"};

    check_dns_name(s->v, VFIELD(s->at, "plural"), text_of(s->object, "plural"));
    check_dns_name(s->v, VFIELD(s->at, "singular"), text_of(s->object, "singular"));
    check_kind_name(s->v, VFIELD(s->at, "kind"), text_of(s->object, "kind"));
    check_kind_name(s->v, VFIELD(s->at, "listKind"), text_of(s->object, "listKind"));
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        const struct value *list = value_get(s->object, lists[l]);

        if (value_count(list) > NAMES_MAX)
            report_too_many(s->v, VFIELD(s->at, lists[l]), value_count(list), NAMES_MAX);
        for (size_t i = 0; i < value_count(list) && i < NAMES_MAX; i++)
            check_dns_name(s->v, VINDEX(VFIELD(s->at, lists[l]), i), value_string(value_at(list, i)));
    }
    if (text_of(s->object, "kind").len && slice_equal(text_of(s->object, "kind"), text_of(s->object, "listKind")))
        report_invalid(s->v, VFIELD(s->at, "listKind"), value_get(s->object, "listKind"),
                       "kind and listKind may not be the same");
}

/* ---- versions ---- */

static void check_versions(const struct rule_site *s)
{
    struct value *shown CLEANUP_VALUE = value_new_array();
    size_t stored = 0;
    bool twice = false;

    if (value_count(s->value) > VERSIONS_MAX) {
        report_too_many(s->v, s->at, value_count(s->value), VERSIONS_MAX);
        return;
    }
    for (size_t i = 0; i < value_count(s->value); i++) {
        const struct value *version = value_at(s->value, i);

        stored += value_bool(value_get(version, "storage"));
        value_append(shown, value_new_string(text_of(version, "name")));
        for (size_t k = 0; k < i && !twice; k++)
            twice = value_equal(value_get(version, "name"), value_get(value_at(s->value, k), "name"));
    }
    if (twice)
        report_invalid(s->v, s->at, shown, "must contain unique version names");
    if (stored != 1)
        report_invalid(s->v, s->at, shown, "must have exactly one version marked as storage version");
}

static void check_version(const struct rule_site *s)
{
    const struct value *warning = value_get(s->object, "deprecationWarning");

    check_dns_name(s->v, VFIELD(s->at, "name"), text_of(s->object, "name"));
    if (!value_path(s->object, "schema", "openAPIV3Schema", NULL))
        report_required(s->v, VFIELD(VFIELD(s->at, "schema"), "openAPIV3Schema"), "schemas are required");
    if (warning && !value_bool(value_get(s->object, "deprecated")))
        report_invalid(s->v, VFIELD(s->at, "deprecationWarning"), warning, "can only be set for deprecated versions");
}

/* ".spec.a['b'][0]": starts with a dot and has nothing that is no part of a path. */
static bool is_path(struct slice path)
{
    if (!path.len || path.data[0] != '.')
        return false;
    for (size_t i = 0; i < path.len; i++)
        if (path.data[i] == '{' || path.data[i] == '}' || (unsigned char)path.data[i] < ' ')
            return false;
    return true;
}

static void check_column(const struct rule_site *s)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double", "float",
                                          "int32", "int64", "password",  NULL};
    struct slice type = text_of(s->object, "type");
    struct slice path = text_of(s->object, "jsonPath");
    struct slice format = text_of(s->object, "format");

    for (size_t i = 0; type.len; i++) {
        if (types[i] && slice_is(type, types[i]))
            break;
        if (!types[i]) {
            report_invalid_text(s->v, VFIELD(s->at, "type"), type, "must be one of boolean,date,integer,number,string");
            break;
        }
    }
    if (format.len)
        (void)check_one_of(s->v, VFIELD(s->at, "format"), format, formats);
    if (path.len && !is_path(path))
        report_invalid_text(s->v, VFIELD(s->at, "jsonPath"), path, "must be a simple json path starting with .");
}

static void check_below(const struct rule_site *s, const char *name, const char *prefix, const char *why)
{
    struct slice path = text_of(s->object, name);

    if (path.len && (!is_path(path) || !slice_starts(path, slice_str(prefix))))
        report_invalid_text(s->v, VFIELD(s->at, name), path, why);
}

static void check_scale(const struct rule_site *s)
{
    struct slice selector = text_of(s->object, "labelSelectorPath");

    check_below(s, "specReplicasPath", ".spec.", "should be a json path under .spec");
    check_below(s, "statusReplicasPath", ".status.", "should be a json path under .status");
    if (selector.len && !slice_starts(selector, SLICE_LIT(".spec.")))
        check_below(s, "labelSelectorPath", ".status.", "should be a json path under either .status or .spec");
}

#define SELECTABLE_MAX 8

static void check_selectable(const struct rule_site *s)
{
    size_t count = value_count(s->value);

    if (count > SELECTABLE_MAX)
        report_too_many(s->v, s->at, count, SELECTABLE_MAX);
    for (size_t i = 0; i < count && i < SELECTABLE_MAX; i++) {
        const struct value *path = value_get(value_at(s->value, i), "jsonPath");
        const struct vpath *at = VFIELD(VINDEX(s->at, i), "jsonPath");

        if (!is_path(value_string(path)) || slice_find(value_string(path), '[') >= 0)
            report_invalid(s->v, at, path, "is an invalid path: must be a simple path to a field, such as .spec.color");
        else if (slice_starts(value_string(path), SLICE_LIT(".metadata")))
            report_invalid(s->v, at, path, "must not point to fields in metadata");
        for (size_t k = 0; k < i; k++)
            if (value_equal(path, value_get(value_at(s->value, k), "jsonPath"))) {
                report_duplicate(s->v, at, path);
                break;
            }
    }
}

static void check_conversion(const struct rule_site *s)
{
    static const char *const strategies[] = {"None", "Webhook", NULL};
    struct slice strategy = text_of(s->object, "strategy");
    const struct value *webhook = value_get(s->object, "webhook");

    if (strategy.len)
        (void)check_one_of(s->v, VFIELD(s->at, "strategy"), strategy, strategies);
    if (slice_is(strategy, "Webhook")) {
        if (!value_get(webhook, "clientConfig"))
            report_required(s->v, VFIELD(VFIELD(s->at, "webhook"), "clientConfig"),
                            "required when strategy is set to Webhook");
        if (!webhook)
            report_required(s->v, VFIELD(VFIELD(s->at, "webhook"), "conversionReviewVersions"), NULL);
    } else if (webhook) {
        report_forbidden(s->v, VFIELD(s->at, "webhook"), "should not be set when strategy is not set to Webhook");
    }
}

/* ---- status ---- */

static void check_stored_versions(const struct rule_site *s)
{
    const struct value *versions = value_path(s->v->object, "spec", "versions", NULL);
    const struct value *stored = value_path(s->v->object, "status", "storedVersions", NULL);
    const struct vpath *at = VFIELD(VFIELD(NULL, "status"), "storedVersions");

    for (size_t i = 0; i < value_count(stored); i++) {
        bool found = false;

        if (i >= VERSIONS_MAX) {
            report_too_many(s->v, at, value_count(stored), VERSIONS_MAX);
            break;
        }
        for (size_t k = 0; k < value_count(versions) && k < VERSIONS_MAX && !found; k++)
            found = value_equal(value_at(stored, i), value_get(value_at(versions, k), "name"));
        if (!found)
            report_invalid(s->v, VINDEX(at, i), value_at(stored, i), "must appear in spec.versions");
    }
}

static const struct rule rules[] = {
    {"CustomResourceDefinition", NULL, check_definition},
    {"CustomResourceDefinition", NULL, check_stored_versions},
    {"CustomResourceDefinitionSpec", NULL, check_spec},
    {"CustomResourceDefinitionSpec", "versions", check_versions},
    {"CustomResourceDefinitionNames", NULL, check_names},
    {"CustomResourceDefinitionVersion", NULL, check_version},
    {"CustomResourceDefinitionVersion", "selectableFields", check_selectable},
    {"CustomResourceColumnDefinition", NULL, check_column},
    {"CustomResourceSubresourceScale", NULL, check_scale},
    {"CustomResourceConversion", NULL, check_conversion},
    {"CustomResourceValidation", "openAPIV3Schema", check_custom_schema},
};
const struct rule_set validate_rules_custom = {rules, ARRAY_SIZE(rules)};
