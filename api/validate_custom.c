/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of custom resources: their names and versions. Their schemas are in validate_custom_schema.c. */
#include "api/validate_internal.h"

#include <stdio.h>

#define APPROVAL     "api-approved.kubernetes.io"
#define VERSIONS_MAX 100
#define NAMES_MAX    100 /* short ones, and categories */
#define PATH_NEEDED  "must be a simple json path starting with ."

static struct slice text_of(const struct value *object, const char *name)
{
    return value_string(value_get(object, name));
}

/* ---- where findings are ---- */

/* Upstream judges a form of its own, and names the places of that: what all versions have in common stands above them,
 * and a webhook's parts stand in the conversion itself (apiextensions/v1/conversion.go). */
static const struct {
    const char *type;
    const char *field;
    const char *name; /* there */
    int above;        /* steps up from the object that has the field */
    bool common;      /* only where all versions say the same */
} places[] = {
    {"CustomResourceDefinitionVersion", "schema", "validation", 2, true},
    {"CustomResourceDefinitionVersion", "subresources", "subresources", 2, true},
    {"CustomResourceDefinitionVersion", "additionalPrinterColumns", "additionalPrinterColumns", 2, true},
    {"CustomResourceDefinitionVersion", "selectableFields", "selectableFields", 2, true},
    {"CustomResourceColumnDefinition", "jsonPath", "JSONPath", 0, false},
    {"WebhookConversion", "clientConfig", "webhookClientConfig", 1, false},
    {"WebhookConversion", "conversionReviewVersions", "conversionReviewVersions", 1, false},
};

/* Whether all versions say the same of it; nothing said is the same as an empty list. */
static bool is_common(const struct value *versions, const char *field)
{
    const struct value *first = value_get(value_at(versions, 0), field);

    for (size_t i = 1; i < value_count(versions) && i < VERSIONS_MAX; i++) {
        const struct value *other = value_get(value_at(versions, i), field);

        if (!value_equal(first, other) && (value_count(first) || value_count(other)))
            return false;
    }
    return true;
}

bool custom_is_same(const struct validator *v)
{
    return v->old &&
           value_equal(value_path(v->old, "spec", "versions", NULL), value_path(v->object, "spec", "versions", NULL));
}

void custom_start(struct validator *v)
{
    const struct value *versions = value_path(v->object, "spec", "versions", NULL);

    for (size_t p = 0; p < ARRAY_SIZE(places); p++)
        if (!places[p].common || is_common(versions, places[p].field))
            v->common |= UINT32_C(1) << p;
}

const struct vpath *custom_place(const struct validator *v, const char *type, const struct vpath *up, const char *field,
                                 struct vpath *step)
{
    const struct vpath *above = up;
    size_t p = 0;

    *step = (struct vpath){.up = up, .step = VPATH_FIELD, .name = slice_str(field)};
    while (p < ARRAY_SIZE(places) && (strcmp(places[p].type, type) != 0 || strcmp(places[p].field, field) != 0))
        p++;
    if (p == ARRAY_SIZE(places) || !(v->common & UINT32_C(1) << p))
        return step;
    if (places[p].common && up->index)
        return NULL;
    for (int i = 0; i < places[p].above; i++)
        above = above->up;
    *step = (struct vpath){.up = above, .step = VPATH_FIELD, .name = slice_str(places[p].name)};
    return step;
}

/* ---- the whole ---- */

static void check_full_name(const struct rule_site *s)
{
    const struct value *name = value_path(s->object, "metadata", "name", NULL);
    const struct value *spec = value_get(s->object, "spec");
    struct slice group = text_of(spec, "group");
    struct slice plural = text_of(value_get(spec, "names"), "plural");
    char *wanted CLEANUP_FREE = mem_printf("%.*s.%.*s", SLICE_ARGS(plural), SLICE_ARGS(group));

    if (!s->old && !slice_is(value_string(name), wanted))
        report_invalid(s->v, VFIELD(VFIELD(NULL, "metadata"), "name"), name,
                       "must be spec.names.plural+\".\"+spec.group");
}

static void check_approval(const struct rule_site *s)
{
    const struct vpath *at = VFIELD(VFIELD(NULL, "metadata"), "annotations");
    struct slice group = text_of(value_get(s->object, "spec"), "group");
    bool guarded = slice_ends(group, SLICE_LIT(".k8s.io")) || slice_ends(group, SLICE_LIT(".kubernetes.io")) ||
                   slice_is(group, "k8s.io") || slice_is(group, "kubernetes.io");

    if (guarded && !s->old && !value_path(s->object, "metadata", "annotations", APPROVAL, NULL))
        report_required(s->v, VKEY(at, SLICE_LIT(APPROVAL)),
                        "protected groups must have approval annotation \"" APPROVAL
                        "\", see https://github.com/kubernetes/enhancements/pull/1111");
}

static void check_group(const struct rule_site *s)
{
    struct slice group = value_string(s->value);

    if (group.len && check_name(s->v, s->at, group, validate_dns1123_subdomain) && slice_find(group, '.') < 0)
        report_invalid_text(s->v, s->at, group, "should be a domain with at least one dot");
}

static void check_scope(const struct rule_site *s)
{
    static const char *const scopes[] = {"Cluster", "Namespaced", NULL};

    if (value_string(s->value).len)
        (void)check_one_of(s->v, s->at, value_string(s->value), scopes);
}

static bool is_established(const struct value *definition)
{
    const struct value *conditions = value_path(definition, "status", "conditions", NULL);

    for (size_t i = 0; i < value_count(conditions); i++)
        if (slice_is(text_of(value_at(conditions, i), "type"), "Established"))
            return slice_is(text_of(value_at(conditions, i), "status"), "True");
    return false;
}

static void check_kept(const struct rule_site *s, const struct vpath *at, const char *part, const char *name)
{
    const struct value *now = part ? value_path(s->object, part, name, NULL) : value_get(s->object, name);
    const struct value *had = part ? value_path(s->old, part, name, NULL) : value_get(s->old, name);

    if (had && !value_equal(had, now))
        report_invalid(s->v, VFIELD(at, name), now, "field is immutable");
}

/* A kind and its scope may be changed until the definition is established, its group and plural never. */
static void check_spec(const struct rule_site *s)
{
    const struct vpath *names = VFIELD(s->at, "names");

    if (value_bool(value_get(s->object, "preserveUnknownFields")))
        report_invalid(s->v, VFIELD(s->at, "preserveUnknownFields"), value_get(s->object, "preserveUnknownFields"),
                       "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in "
                       "spec.versions[*].schema instead");
    if (is_established(s->v->old)) {
        check_kept(s, s->at, NULL, "scope");
        check_kept(s, names, "names", "kind");
    }
    check_kept(s, s->at, NULL, "group");
    check_kept(s, names, "names", "plural");
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

/* What the defaults could not make of the kind's name. */
static void check_names_given(const struct rule_site *s)
{
    static const char *const needed[] = {"singular", "listKind"};

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!text_of(s->value, needed[i]).len)
            report_required(s->v, VFIELD(s->at, needed[i]), NULL);
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
    struct value *shown CLEANUP_VALUE = s->value ? value_new_array() : value_new_null();
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
    /* Of an older time, when there was one: it is the first of them. */
    check_dns_name(s->v, VFIELD(s->at->up, "version"), text_of(value_at(s->value, 0), "name"));
}

/* With a status subresource the schema of the status stands by itself, so the root may say nothing of it beside it. */
static void check_status_root(const struct rule_site *s)
{
    static const char *const forbidden[] = {"$ref",
                                            "$schema",
                                            "additionalProperties",
                                            "allOf",
                                            "anyOf",
                                            "default",
                                            "enum",
                                            "id",
                                            "maxProperties",
                                            "minProperties",
                                            "not",
                                            "nullable",
                                            "oneOf",
                                            "x-kubernetes-embedded-resource",
                                            "x-kubernetes-int-or-string",
                                            "x-kubernetes-list-map-keys",
                                            "x-kubernetes-list-type",
                                            "x-kubernetes-map-type"};
    const struct value *root = value_path(s->object, "schema", "openAPIV3Schema", NULL);
    struct vpath step;
    const struct vpath *at;

    if (custom_is_same(s->v) || !value_path(s->object, "subresources", "status", NULL))
        return;
    at = custom_place(s->v, "CustomResourceDefinitionVersion", s->at, "schema", &step);
    for (size_t i = 0; at && i < ARRAY_SIZE(forbidden); i++)
        if (value_get(root, forbidden[i])) {
            report_invalid_text(s->v, VFIELD(at, "openAPIV3Schema"), slice_str(forbidden[i]),
                                "is not allowed at the root of the schema if the status subresource is enabled");
            return;
        }
}

static void check_version(const struct rule_site *s)
{
    const struct value *warning = value_get(s->object, "deprecationWarning");

    check_dns_name(s->v, VFIELD(s->at, "name"), text_of(s->object, "name"));
    if (!value_path(s->object, "schema", "openAPIV3Schema", NULL))
        report_required(s->v, VFIELD(VFIELD(s->at, "schema"), "openAPIV3Schema"), NULL);
    if (warning && !value_bool(value_get(s->object, "deprecated")))
        report_invalid(s->v, VFIELD(s->at, "deprecationWarning"), warning, "can only be set for deprecated versions");
    check_status_root(s);
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

static bool is_one_of(struct slice text, const char *const *values)
{
    for (size_t i = 0; values[i]; i++)
        if (slice_is(text, values[i]))
            return true;
    return false;
}

static void check_column(const struct rule_site *s)
{
    static const char *const types[] = {"boolean", "date", "integer", "number", "string", NULL};
    static const char *const formats[] = {"byte",  "date",  "date-time", "double", "float",
                                          "int32", "int64", "password",  NULL};
    static const char must_type[] = "must be one of boolean,date,integer,number,string";
    struct slice type = text_of(s->object, "type");
    struct slice path = text_of(s->object, "jsonPath");
    struct slice format = text_of(s->object, "format");

    if (!type.len)
        report_required(s->v, VFIELD(s->at, "type"), must_type);
    else if (!is_one_of(type, types))
        report_invalid_text(s->v, VFIELD(s->at, "type"), type, must_type);
    if (format.len && !is_one_of(format, formats))
        report_invalid_text(s->v, VFIELD(s->at, "format"), format,
                            "must be one of byte,date,date-time,double,float,int32,int64,password");
    if (path.len && !is_path(path))
        report_invalid_text(s->v, VFIELD(s->at, "JSONPath"), path, PATH_NEEDED);
}

/* A path that starts with one of the prefixes (the second may be NULL). */
static void check_below(const struct rule_site *s, const char *name, const char *prefix, const char *other,
                        const char *why)
{
    struct slice path = text_of(s->object, name);

    if (path.len && !is_path(path))
        report_invalid_text(s->v, VFIELD(s->at, name), path, PATH_NEEDED);
    else if (path.len && !slice_starts(path, slice_str(prefix)) && !(other && slice_starts(path, slice_str(other))))
        report_invalid_text(s->v, VFIELD(s->at, name), path, why);
}

static void check_scale(const struct rule_site *s)
{
    check_below(s, "specReplicasPath", ".spec.", NULL, "should be a json path under .spec");
    check_below(s, "statusReplicasPath", ".status.", NULL, "should be a json path under .status");
    check_below(s, "labelSelectorPath", ".spec.", ".status.", "should be a json path under either .spec or .status");
}

#define SELECTABLE_MAX 8

/* The schema of the field at a path, or NULL. */
static const struct value *selectable_schema(const struct value *schema, struct slice path)
{
    struct slice name;

    (void)slice_split(&path, '.', &name); /* it starts with one */
    while (schema && path.len && slice_split(&path, '.', &name)) {
        const struct value *member = value_get_slice(value_get(schema, "properties"), name);

        schema = member ? member : value_get(schema, "additionalProperties");
    }
    return schema;
}

static bool is_selectable(const struct value *schema)
{
    static const char *const types[] = {"string", "boolean", "integer", NULL};

    return is_one_of(text_of(schema, "type"), types);
}

static void check_selectable(const struct rule_site *s)
{
    const struct value *schema = value_path(s->object, "schema", "openAPIV3Schema", NULL);
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
        else if (custom_is_same(s->v))
            continue;
        else if (!selectable_schema(schema, value_string(path)))
            report_invalid(s->v, at, path, "is an invalid path: there is no such field in the schema");
        else if (!is_selectable(selectable_schema(schema, value_string(path))))
            report_invalid(s->v, at, path,
                           "must point to a field of type string, boolean or integer. Enum string fields and strings "
                           "with formats are allowed.");
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
            report_required(s->v, VFIELD(s->at, "webhookClientConfig"), "required when strategy is set to Webhook");
        if (!webhook)
            report_required(s->v, VFIELD(s->at, "conversionReviewVersions"), NULL);
    } else {
        if (value_get(webhook, "clientConfig"))
            report_forbidden(s->v, VFIELD(s->at, "webhookClientConfig"),
                             "should not be set when strategy is not set to Webhook");
        if (value_count(value_get(webhook, "conversionReviewVersions")))
            report_forbidden(s->v, VFIELD(s->at, "conversionReviewVersions"),
                             "should not be set when strategy is not set to Webhook");
    }
}

/* ---- status ---- */

static bool is_among(const struct value *texts, const struct value *text)
{
    for (size_t i = 0; i < value_count(texts) && i < VERSIONS_MAX; i++)
        if (value_equal(value_at(texts, i), text))
            return true;
    return false;
}

static void check_still_there(struct validator *v, const struct vpath *at, const struct value *stored)
{
    const struct value *versions = value_path(v->object, "spec", "versions", NULL);

    for (size_t i = 0; i < value_count(stored) && i < VERSIONS_MAX; i++) {
        const char *name = value_str(value_at(stored, i));
        char *why CLEANUP_FREE = NULL;
        bool found = !name;

        for (size_t k = 0; k < value_count(versions) && k < VERSIONS_MAX && !found; k++)
            found = value_equal(value_at(stored, i), value_get(value_at(versions, k), "name"));
        if (found)
            continue;
        why = mem_printf("missing from spec.versions; %s was previously a storage version, and must remain in "
                         "spec.versions until a storage migration ensures no data remains persisted in %s and "
                         "removes %s from status.storedVersions",
                         name, name, name);
        report_invalid(v, VINDEX(at, i), value_at(stored, i), why);
    }
}

static void check_stored_versions(const struct rule_site *s)
{
    const struct value *versions = value_path(s->v->object, "spec", "versions", NULL);
    const struct value *stored = value_path(s->v->object, "status", "storedVersions", NULL);
    const struct vpath *at = VFIELD(VFIELD(NULL, "status"), "storedVersions");

    if (value_count(stored) > VERSIONS_MAX)
        report_too_many(s->v, at, value_count(stored), VERSIONS_MAX);
    if (!value_count(stored)) {
        struct value *null CLEANUP_VALUE = value_new_null();

        report_invalid(s->v, at, null, "must have at least one stored version");
        return;
    }
    for (size_t i = 0; i < value_count(versions) && i < VERSIONS_MAX; i++) {
        const struct value *name = value_get(value_at(versions, i), "name");
        char *why CLEANUP_FREE = NULL;

        if (!value_bool(value_get(value_at(versions, i), "storage")) || is_among(stored, name))
            continue;
        why = mem_printf("must have the storage version %.*s", SLICE_ARGS(value_string(name)));
        report_invalid(s->v, at, stored, why);
    }
    check_still_there(s->v, at, stored);
}

static const struct rule rules[] = {
    {"CustomResourceDefinition", "metadata", check_full_name},
    {"CustomResourceDefinition", NULL, check_stored_versions},
    {"CustomResourceDefinition", NULL, check_approval},
    {"CustomResourceDefinitionSpec", NULL, check_spec},
    {"CustomResourceDefinitionSpec", "group", check_group},
    {"CustomResourceDefinitionSpec", "scope", check_scope},
    {"CustomResourceDefinitionSpec", "names", check_names_given},
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
