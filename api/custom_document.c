/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The schema of a custom resource's version as OpenAPI documents show it. Version 3 says all of it. Version 2 knows
 * neither null, nor alternatives, nor "a number or a text", and its readers (kubectl before 1.27) refuse what a schema
 * does not name: what it cannot say is left out, so that it never refuses what the server takes.
 */
#include "api/custom.h"

/* Members of a schema that are not shown in version 2: alternatives, defaults (that version's readers fill nothing in),
 * and what is ours to check. */
static const char *const not_in_v2[] = {
    "allOf", "anyOf", "oneOf", "not", "default", "nullable", "example", "externalDocs", "x-kubernetes-validations",
};
/* What says of which type a value is. */
static const char *const of_type[] = {"type",  "format",   "properties", "additionalProperties",
                                      "items", "required", "enum"};
/* What says which members there may be. */
static const char *const of_members[] = {"properties", "additionalProperties", "required"};

static void remove_all(struct value *schema, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        (void)value_remove(schema, names[i]);
}

static bool says(const struct value *schema, const char *name)
{
    return value_bool(value_get(schema, name));
}

static void simplify(struct value *schema)
{
    bool any = says(schema, "nullable") || says(schema, "x-kubernetes-int-or-string");

    remove_all(schema, not_in_v2, ARRAY_SIZE(not_in_v2));
    if (any)
        remove_all(schema, of_type, ARRAY_SIZE(of_type));
    else if (says(schema, "x-kubernetes-preserve-unknown-fields"))
        remove_all(schema, of_members, ARRAY_SIZE(of_members));
}

static void describe(struct value *properties, const char *name, const char *json)
{
    if (!value_get(properties, name))
        value_set(properties, name, value_parse(slice_str(json), NULL));
}

#define API_VERSION "{\"type\":\"string\",\"description\":\"The API group and version of this object.\"}"
#define KIND        "{\"type\":\"string\",\"description\":\"What this object is.\"}"
#define METADATA    "{\"description\":\"Name, labels and what else every object has.\","
#define OBJECT_META "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"

/* What every object has: of the whole, and of objects inside it. */
static void describe_object(struct value *schema, enum custom_form form)
{
    struct value *properties = value_need_object(schema, "properties");

    describe(properties, "apiVersion", API_VERSION);
    describe(properties, "kind", KIND);
    describe(properties, "metadata",
             form == CUSTOM_V2 ? METADATA "\"$ref\":\"#/definitions/" OBJECT_META "\"}"
                               : METADATA "\"allOf\":[{\"$ref\":\"#/components/schemas/" OBJECT_META "\"}]}");
}

/* A place and all places below it. They are few levels deep: a definition with more is refused. */
static void walk(struct value *schema, enum custom_form form)
{
    struct value_iter it;
    struct slice name;
    struct value *member;

    if (!value_is(schema, VALUE_OBJECT))
        return;
    if (says(schema, "x-kubernetes-embedded-resource") && value_get(schema, "properties"))
        describe_object(schema, form);
    if (form == CUSTOM_V2)
        simplify(schema);
    it = value_iter_start(value_get(schema, "properties"));
    while (value_iter_next(&it, &name, &member))
        walk(member, form);
    walk(value_get(schema, "items"), form);
    walk(value_get(schema, "additionalProperties"), form);
}

struct value *custom_document(const struct value *schema, enum custom_form form)
{
    struct value *document = value_is(schema, VALUE_OBJECT) ? value_copy(schema) : value_new_object();

    if (!value_get(document, "type"))
        value_set_str(document, "type", "object");
    if (form == CUSTOM_V2 && !value_get(document, "properties"))
        value_set(document, "x-kubernetes-preserve-unknown-fields", value_new_bool(true));
    walk(document, form);
    if (form == CUSTOM_V2 && !value_get(document, "properties"))
        return document;
    (void)value_remove(value_get(document, "properties"), "metadata");
    describe_object(document, form);
    return document;
}
