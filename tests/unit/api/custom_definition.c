/* SPDX-License-Identifier: Apache-2.0 */
/* Definitions of custom resources that are refused, and where it is said. */
#include "tests/unit/api/custom_thing.h"
#include "tests/unit/api/validate_rows.h"

#define SCHEMA(text)                                                                                                   \
    "{\"spec\":{\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":" text \
    "}}]}}"
#define SPEC(text) SCHEMA("{\"type\":\"object\",\"properties\":{\"a\":" text "}}")
#define AT         "spec.validation.openAPIV3Schema"
#define MAP_OF(keys, k)                                                                                                \
    "{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"x-kubernetes-list-map-keys\":[" keys                     \
    "],\"items\":{\"type\":\"object\","                                                                                \
    "\"required\":[\"k\"],\"properties\":{\"k\":" k "}}}"
#define STATUS_ROOT(more)                                                                                              \
    "{\"spec\":{\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"subresources\":{\"status\":{}},"     \
    "\"schema\":{"                                                                                                     \
    "\"openAPIV3Schema\":{\"type\":\"object\"," more "}}}]}}"
#define SELECTABLE(path)                                                                                               \
    "{\"spec\":{\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"selectableFields\":[{\"jsonPath\":"  \
    "\"" path "\"}],"                                                                                                  \
    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"spec\":{\"type\":\"object\","              \
    "\"properties\":{\"a\":{"                                                                                          \
    "\"type\":\"string\"}}}}}}}]}}"
#define TWO(a, b)                                                                                                      \
    "{\"spec\":{\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true," a                                    \
    "},{\"name\":\"v2\",\"served\":true,"                                                                              \
    "\"storage\":false," b "}]}}"
#define NO_TYPE    "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\",\"properties\":{\"a\":{}}}}"
#define ANY_TYPE   "\"schema\":{\"openAPIV3Schema\":{\"type\":\"object\"}}"
#define NO_HEAD    "\"additionalPrinterColumns\":[{\"name\":\"A\",\"type\":\"x\",\"jsonPath\":\"a\"}]"
#define NEEDS_TYPE ".properties[a].type: Required value: must not be empty for specified object fields"
#define NOT_A_TYPE "Invalid value: \"x\": must be one of boolean,date,integer,number,string"
#define NOT_A_PATH "Invalid value: \"a\": must be a simple json path starting with ."

static void test_definitions(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, "{}", ""},
        {DEFINITION, "{\"metadata\":{\"name\":\"other.x.example.com\"}}",
         "metadata.name: Invalid value: \"other.x.example.com\": must be spec.names.plural+\".\"+spec.group"},
        {DEFINITION, "{\"spec\":{\"scope\":\"Global\"}}",
         "spec.scope: Unsupported value: \"Global\": supported values: \"Cluster\", \"Namespaced\""},
        {DEFINITION, "{\"spec\":{\"names\":{\"listKind\":\"Thing\"}}}",
         "spec.names.listKind: Invalid value: \"Thing\": kind and listKind may not be the same"},
        {DEFINITION, "{\"spec\":{\"versions\":[]}}",
         "spec.versions: Invalid value: []: must have exactly one version marked as storage version\n"
         "status.storedVersions: Invalid value: null: must have at least one stored version"},
        {DEFINITION, "{\"status\":{\"storedVersions\":[\"v0\"]}}",
         "status.storedVersions: Invalid value: [\"v0\"]: must have the storage version v1\n"
         "status.storedVersions[0]: Invalid value: \"v0\": missing from spec.versions; ~"},
        {DEFINITION, "{\"spec\":{\"conversion\":{\"strategy\":\"X\"}}}",
         "spec.conversion.strategy: Unsupported value: \"X\": supported values: \"None\", \"Webhook\""},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_types_of_a_schema(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, SCHEMA("{\"type\":\"string\"}"),
         AT ".type: Invalid value: \"string\": must be object at the root"},
        {DEFINITION, SPEC("{}"),
         AT ".properties[a].type: Required value: must not be empty for specified object fields"},
        {DEFINITION, SPEC("{\"type\":\"foo\"}"), AT ".properties[a].type: Unsupported value: \"foo\": ~"},
        {DEFINITION, SPEC("{\"type\":\"array\"}"), AT ".properties[a].items: Required value: must be specified"},
        {DEFINITION, SPEC("{\"type\":\"string\",\"pattern\":\"(\"}"),
         AT ".properties[a].pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: ~"},
        {DEFINITION, SPEC("{\"type\":\"integer\",\"default\":\"x\"}"),
         AT ".properties[a].default: Invalid value: \"string\": ~"},
        {DEFINITION, SPEC("{\"type\":\"string\",\"anyOf\":[{\"type\":\"string\"}]}"),
         AT ".properties[a].anyOf[0].type: Forbidden: must be empty to be structural"},
        {DEFINITION,
         SPEC("{\"x-kubernetes-int-or-string\":true,\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"string\"}]}"), ""},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_kinds_of_lists_and_maps(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, SPEC("{\"type\":\"array\",\"x-kubernetes-list-type\":\"map\",\"items\":{\"type\":\"object\"}}"),
         AT ".properties[a].x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is "
            "map"},
        {DEFINITION, SPEC("{\"type\":\"string\",\"x-kubernetes-list-type\":\"set\"}"),
         AT ".properties[a].type: Invalid value: \"string\": must be array if x-kubernetes-list-type is specified"},
        {DEFINITION, SPEC("{\"type\":\"string\",\"x-kubernetes-map-type\":\"atomic\"}"),
         AT ".properties[a].type: Invalid value: \"string\": must be object if x-kubernetes-map-type is specified"},
        {DEFINITION, SPEC(MAP_OF("\"k\",\"k\"", "{\"type\":\"string\"}")),
         AT
         ".properties[a].x-kubernetes-list-map-keys: Invalid value: [\"k\",\"k\"]: must not contain duplicate entries"},
        {DEFINITION, SPEC(MAP_OF("\"z\"", "{\"type\":\"string\"}")),
         AT ".properties[a].x-kubernetes-list-map-keys: Invalid value: [\"z\"]: entries must all be names of item "
            "properties"},
        {DEFINITION, SPEC(MAP_OF("\"k\"", "{\"type\":\"object\"}")),
         AT
         ".properties[a].items.properties[k].type: Invalid value: \"object\": must be a scalar type if parent array's "
         "x-kubernetes-list-type is map"},
        {DEFINITION, SPEC(MAP_OF("\"k\"", "{\"type\":\"string\",\"nullable\":true}")),
         AT ".properties[a].items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, "
            "so it "
            "cannot be nullable"},
        {DEFINITION,
         SPEC("{\"type\":\"array\",\"x-kubernetes-list-type\":\"set\",\"items\":{\"type\":\"string\",\"nullable\":true}"
              "}"),
         AT ".properties[a].items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_what_alternatives_may_say(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, SPEC("{\"type\":\"array\",\"items\":{}}"),
         AT ".properties[a].items.type: Required value: must not be empty for specified array items"},
        {DEFINITION, SPEC("{\"type\":\"object\",\"anyOf\":[{\"properties\":{\"z\":{\"minLength\":1}}}]}"),
         AT ".properties[a].properties[z]: Required value: because it is defined in " AT
            ".properties[a].anyOf[0].properties[z]"},
        {DEFINITION, SPEC("{\"type\":\"object\",\"not\":{\"allOf\":[{\"items\":{\"minLength\":1}}]}}"),
         AT ".properties[a].items: Required value: because it is defined in " AT ".properties[a].not.allOf[0].items"},
        {DEFINITION,
         SPEC("{\"type\":\"object\",\"properties\":{\"z\":{\"type\":\"string\"}},\"oneOf\":[{\"properties\":{\"z\":{"
              "\"minLength\":1}}}]}"),
         ""},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_roots_and_objects_inside(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, SPEC("{\"x-kubernetes-int-or-string\":true,\"x-kubernetes-preserve-unknown-fields\":true}"),
         AT ".properties[a].x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if "
            "x-kubernetes-int-or-string is true"},
        {DEFINITION, SPEC("{\"x-kubernetes-embedded-resource\":true,\"x-kubernetes-preserve-unknown-fields\":true}"),
         AT ".properties[a].type: Required value: must be object if x-kubernetes-embedded-resource is true"},
        {DEFINITION, SCHEMA("{\"type\":\"object\",\"nullable\":true}"),
         AT ".nullable: Forbidden: nullable cannot be true at the root"},
        {DEFINITION, SCHEMA("{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}"),
         AT ".additionalProperties: Forbidden: must not be used at the root"},
        {DEFINITION, SCHEMA("{\"type\":\"object\",\"properties\":{\"kind\":{\"type\":\"integer\"}}}"),
         AT ".properties[kind].type: Invalid value: \"integer\": must be string"},
        {DEFINITION,
         SCHEMA("{\"type\":\"object\",\"properties\":{\"metadata\":{\"type\":\"object\",\"description\":\"x\"}}}"),
         AT ".properties[metadata]: Forbidden: must not specify anything other than name and generateName, but "
            "metadata is "
            "implicitly specified"},
        {DEFINITION, /* of an object inside, metadata may be told */
         SPEC("{\"type\":\"object\",\"x-kubernetes-embedded-resource\":true,\"properties\":{\"metadata\":{\"type\":"
              "\"object\","
              "\"properties\":{\"labels\":{\"type\":\"object\"}}}}}"),
         ""},
        {DEFINITION, STATUS_ROOT("\"properties\":{}"), ""},
        {DEFINITION, STATUS_ROOT("\"maxProperties\":9"), AT ": Invalid value: \"maxProperties\": ~"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

static void test_selectable_fields(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, SELECTABLE(".spec.a"), ""},
        {DEFINITION, SELECTABLE(".spec.z"),
         "spec.selectableFields[0].jsonPath: Invalid value: \".spec.z\": is an invalid path: ~"},
        {DEFINITION, SELECTABLE(".spec"),
         "spec.selectableFields[0].jsonPath: Invalid value: \".spec\": must point to a field of type string, ~"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

/* What is stored already may be changed elsewhere, and go. */
static void test_definitions_that_are_stored(void **state)
{
    (void)state;
    check_update(DEFINITION, SPEC("{\"type\":\"string\",\"x-kubernetes-list-type\":\"set\"}"),
                 "{\"metadata\":{\"labels\":{\"a\":\"b\"}}}", "");
    check_update(DEFINITION, "{\"status\":{\"conditions\":[{\"type\":\"Established\",\"status\":\"True\"}]}}",
                 "{\"spec\":{\"scope\":\"Cluster\"}}", "spec.scope: Invalid value: \"Cluster\": field is immutable");
    check_update(DEFINITION, "{}", "{\"spec\":{\"scope\":\"Cluster\"}}", "");
}

/* What all versions have in common is told once, at the place where upstream puts it; all else in its version. */
static void test_where_findings_are(void **state)
{
    static const struct row rows[] = {
        {DEFINITION, TWO(NO_TYPE, NO_TYPE), AT NEEDS_TYPE},
        {DEFINITION, TWO(ANY_TYPE, NO_TYPE), "spec.versions[1].schema.openAPIV3Schema" NEEDS_TYPE},
        {DEFINITION, TWO(ANY_TYPE "," NO_HEAD, ANY_TYPE "," NO_HEAD),
         "spec.additionalPrinterColumns[0].type: " NOT_A_TYPE
         "\nspec.additionalPrinterColumns[0].JSONPath: " NOT_A_PATH},
        {DEFINITION, TWO(ANY_TYPE, ANY_TYPE "," NO_HEAD),
         "spec.versions[1].additionalPrinterColumns[0].type: " NOT_A_TYPE
         "\nspec.versions[1].additionalPrinterColumns[0].JSONPath: " NOT_A_PATH},
        {DEFINITION, TWO(ANY_TYPE ",\"subresources\":{\"scale\":{}}", ANY_TYPE ",\"subresources\":{\"scale\":{}}"),
         "spec.subresources.scale.specReplicasPath: Required value\n"
         "spec.subresources.scale.statusReplicasPath: Required value"},
        {DEFINITION, "{\"spec\":{\"conversion\":{\"strategy\":\"Webhook\"}}}",
         "spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook\n"
         "spec.conversion.conversionReviewVersions: Required value"},
        {DEFINITION, "{\"spec\":{\"conversion\":{\"strategy\":\"Webhook\",\"webhook\":{\"clientConfig\":{}}}}}",
         "spec.conversion.conversionReviewVersions: Required value"},
    };

    (void)state;
    check_rows(rows, ARRAY_SIZE(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definitions),
        cmocka_unit_test(test_types_of_a_schema),
        cmocka_unit_test(test_kinds_of_lists_and_maps),
        cmocka_unit_test(test_what_alternatives_may_say),
        cmocka_unit_test(test_roots_and_objects_inside),
        cmocka_unit_test(test_selectable_fields),
        cmocka_unit_test(test_definitions_that_are_stored),
        cmocka_unit_test(test_where_findings_are),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
