/* SPDX-License-Identifier: Apache-2.0 */
/* metadata of every object: names, labels, annotations, owners, finalizers, and what an update may not change. */
#include "api/validate_internal.h"

#include <ctype.h>
#include <stdio.h>

#include "lib/map.h"

#define ANNOTATIONS_MAX (256u << 10) /* bytes of keys and values together */

void check_labels(struct validator *v, const struct vpath *at, const struct value *labels)
{
    struct value_iter it = value_iter_start(labels);
    struct slice key;
    struct value *value;

    while (value_iter_next(&it, &key, &value)) {
        (void)check_name(v, at, key, validate_qualified_name);
        (void)check_name(v, at, value_string(value), validate_label_value);
    }
}

/* Annotation keys are qualified names whose case does not matter. */
static const char *check_annotation_key(struct slice key)
{
    BUF_LOCAL(lower);

    for (size_t i = 0; i < key.len; i++)
        buf_append_byte(&lower, (char)tolower((unsigned char)key.data[i]));
    return validate_qualified_name(buf_slice(&lower));
}

void check_annotations(struct validator *v, const struct vpath *at, const struct value *annotations)
{
    struct value_iter it = value_iter_start(annotations);
    size_t total = 0;
    struct slice key;
    struct value *value;

    while (value_iter_next(&it, &key, &value)) {
        (void)check_name(v, at, key, check_annotation_key);
        total += key.len + value_string(value).len;
    }
    if (total > ANNOTATIONS_MAX)
        report_too_long(v, at, ANNOTATIONS_MAX);
}

static void check_expression(struct validator *v, const struct vpath *at, const struct value *expression)
{
    struct slice op = value_string(value_get(expression, "operator"));
    const struct value *values = value_get(expression, "values");
    bool set = slice_is(op, "In") || slice_is(op, "NotIn");

    if (set && !value_count(values))
        report_required(v, VFIELD(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    else if (slice_is(op, "Exists") || slice_is(op, "DoesNotExist")) {
        if (value_count(values))
            report_forbidden(v, VFIELD(at, "values"),
                             "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (!set) {
        report_invalid_text(v, VFIELD(at, "operator"), op, "not a valid selector operator");
    }
    (void)check_name(v, VFIELD(at, "key"), value_string(value_get(expression, "key")), validate_qualified_name);
    for (size_t i = 0; i < value_count(values); i++)
        (void)check_name(v, VINDEX(VFIELD(at, "values"), i), value_string(value_at(values, i)), validate_label_value);
}

void check_label_selector(struct validator *v, const struct vpath *at, const struct value *selector)
{
    const struct value *expressions = value_get(selector, "matchExpressions");

    check_labels(v, VFIELD(at, "matchLabels"), value_get(selector, "matchLabels"));
    for (size_t i = 0; i < value_count(expressions); i++)
        check_expression(v, VINDEX(VFIELD(at, "matchExpressions"), i), value_at(expressions, i));
}

static void check_owner(struct validator *v, const struct vpath *at, const struct value *owner)
{
    static const struct {
        const char *field;
        const char *why;
    } needed[] = {
        {"apiVersion", "version must not be empty"},
        {"kind", "must not be empty"},
        {"name", "must not be empty"},
        {"uid", "must not be empty"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!value_string(value_get(owner, needed[i].field)).len)
            report_invalid_text(v, VFIELD(at, needed[i].field), SLICE_NONE, needed[i].why);
    if (slice_is(value_string(value_get(owner, "apiVersion")), "v1") &&
        slice_is(value_string(value_get(owner, "kind")), "Event"))
        report_invalid(v, at, owner, "/v1, Kind=Event is disallowed from being an owner");
}

static void check_owners(struct validator *v, const struct vpath *at, const struct value *owners)
{
    const struct value *controller = NULL;

    for (size_t i = 0; i < value_count(owners); i++) {
        const struct value *owner = value_at(owners, i);
        char why[1024];

        check_owner(v, at, owner);
        if (!value_bool(value_get(owner, "controller")))
            continue;
        if (controller) {
            (void)snprintf(why, sizeof(why),
                           "Only one reference can have Controller set to true. Found \"true\" in references for "
                           "%.*s/%.*s and %.*s/%.*s",
                           SLICE_ARGS(value_string(value_get(controller, "kind"))),
                           SLICE_ARGS(value_string(value_get(controller, "name"))),
                           SLICE_ARGS(value_string(value_get(owner, "kind"))),
                           SLICE_ARGS(value_string(value_get(owner, "name"))));
            report_invalid(v, at, owners, why);
        } else {
            controller = owner;
        }
    }
}

static bool has_text(const struct value *list, struct slice text)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_equal(value_string(value_at(list, i)), text))
            return true;
    return false;
}

const char *validate_new_finalizer(const struct value *finalizers, const struct value *old)
{
    struct map known = {0};
    const char *fresh = NULL;

    for (size_t i = 0; i < value_count(old); i++)
        (void)map_put(&known, value_string(value_at(old, i)), value_at(old, i));
    for (size_t i = 0; !fresh && i < value_count(finalizers); i++)
        if (!map_get(&known, value_string(value_at(finalizers, i))))
            fresh = value_str(value_at(finalizers, i));
    map_clear(&known, NULL);
    return fresh;
}

/* Names without a domain are kept for these. */
static bool is_standard_finalizer(struct slice name)
{
    return slice_is(name, "kubernetes") || slice_is(name, "orphan") || slice_is(name, "foregroundDeletion");
}

static void check_finalizers(struct validator *v, const struct vpath *at, const struct value *finalizers)
{
    for (size_t i = 0; i < value_count(finalizers); i++)
        (void)check_name(v, at, value_string(value_at(finalizers, i)), validate_qualified_name);
    for (size_t i = 0; i < value_count(finalizers); i++) {
        struct slice name = value_string(value_at(finalizers, i));

        if (slice_find(name, '/') < 0 && !is_standard_finalizer(name))
            report_invalid_text(v, VINDEX(at, i), name,
                                "name is neither a standard finalizer name nor is it fully qualified");
    }
    if (has_text(finalizers, SLICE_LIT("orphan")) && has_text(finalizers, SLICE_LIT("foregroundDeletion")))
        report_invalid(v, at, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
}

/* generateName is the front of a name: one trailing dash is what it is for. */
static void check_generate_name(struct validator *v, const struct vpath *at, struct slice text)
{
    BUF_LOCAL(name);
    const char *why;

    buf_append_slice(&name, text);
    if (name.len > 1 && name.data[name.len - 1] == '-')
        name.data[name.len - 1] = 'a';
    if ((why = validate_name_of(v->kind, buf_slice(&name))))
        report_invalid_text(v, at, text, why);
}

static void check_names(struct validator *v, const struct vpath *at, const struct value *meta)
{
    struct slice name = value_string(value_get(meta, "name"));
    struct slice generate = value_string(value_get(meta, "generateName"));
    struct slice namespace_name = value_string(value_get(meta, "namespace"));
    const char *why;

    if (generate.len)
        check_generate_name(v, VFIELD(at, "generateName"), generate);
    if (!name.len)
        report_required(v, VFIELD(at, "name"), "name or generateName is required");
    else if ((why = validate_name_of(v->kind, name)))
        report_invalid_text(v, VFIELD(at, "name"), name, why);
    if (!v->kind->namespaced && namespace_name.len)
        report_forbidden(v, VFIELD(at, "namespace"), "not allowed on this type");
    else if (v->kind->namespaced && !namespace_name.len)
        report_required(v, VFIELD(at, "namespace"), NULL);
    else if (namespace_name.len)
        (void)check_name(v, VFIELD(at, "namespace"), namespace_name, validate_dns1123_label);
}

/* What an update leaves out stays as it is: the API server fills it in. */
static void check_unchanged(struct validator *v, const struct vpath *at, const struct value *meta,
                            const struct value *old)
{
    static const char *const fixed[] = {
        "name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
    };

    if (value_get(old, "deletionTimestamp") &&
        validate_new_finalizer(value_get(meta, "finalizers"), value_get(old, "finalizers")))
        report_forbidden(v, VFIELD(at, "finalizers"), "no new finalizers can be added if the object is being deleted");
    for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
        if (value_get(meta, fixed[i]) && !value_equal(value_get(meta, fixed[i]), value_get(old, fixed[i])))
            report_invalid(v, VFIELD(at, fixed[i]), value_get(meta, fixed[i]), "field is immutable");
}

void check_metadata(struct validator *v)
{
    const struct vpath *at = VFIELD(NULL, "metadata");
    const struct value *meta = value_get(v->object, "metadata");

    if (v->old)
        check_unchanged(v, at, meta, value_get(v->old, "metadata"));
    else
        check_names(v, at, meta);
    (void)check_not_negative(v, VFIELD(at, "generation"), value_get(meta, "generation"));
    check_labels(v, VFIELD(at, "labels"), value_get(meta, "labels"));
    check_annotations(v, VFIELD(at, "annotations"), value_get(meta, "annotations"));
    check_owners(v, VFIELD(at, "ownerReferences"), value_get(meta, "ownerReferences"));
    check_finalizers(v, VFIELD(at, "finalizers"), value_get(meta, "finalizers"));
}
