/* SPDX-License-Identifier: Apache-2.0 */
/* Kinds of any schema and objects of them: "SCHEMA\nOBJECT\nCONFIG". Whatever the schema, an object is pruned,
 * defaulted, judged and applied to without harm; of a schema that a definition may have, doing so again changes
 * nothing. */
#include "tests/fuzz/fuzz.h"

#include "api/codec.h"
#include "api/custom.h"
#include "api/managed.h"
#include "api/validate.h"

#define LARGE (1u << 20) /* defaults that multiply are cut off somewhere */

static struct value *definition_of(struct slice schema)
{
    char *text CLEANUP_FREE = mem_printf(
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"CustomResourceDefinition\",\"metadata\":{\"name\":"
        "\"ts.x.io\"},\"spec\":{\"group\":\"x.io\",\"scope\":\"Namespaced\",\"names\":{\"plural\":\"ts\",\"kind\":"
        "\"T\"},"
        "\"versions\":[{\"name\":\"v1\",\"served\":true,\"storage\":true,\"schema\":{\"openAPIV3Schema\":%.*s}}]}}",
        SLICE_ARGS(schema));

    return value_parse(slice_str(text), NULL);
}

/* Whether the API server would take it. */
static bool is_taken(const struct value *definition)
{
    const struct schema_kind *kind =
        schema_find_kind(SLICE_LIT("apiextensions.k8s.io"), SLICE_LIT("v1"), SLICE_LIT("CustomResourceDefinition"));
    struct value *decoded CLEANUP_VALUE = NULL;
    BUF_LOCAL(text);

    value_write(definition, &text);
    decoded = codec_decode(kind, CODEC_JSON, buf_slice(&text), CODEC_STRICT, NULL, NULL);
    if (!decoded)
        return false;
    default_apply(kind, decoded);
    return validate_object(kind, decoded, NULL, "", NULL) == 0;
}

static struct value *made(const struct schema_kind *kind, struct slice json, enum codec_strictness strictness)
{
    struct value *object = codec_decode(kind, CODEC_JSON, json, strictness, NULL, NULL);

    if (object)
        default_apply(kind, object);
    return object;
}

static void check_apply(const struct schema_kind *kind, const struct value *live, const struct value *config)
{
    struct pool *pool CLEANUP_POOL = pool_new();
    struct managed_writer who = {"m", "", "x.io/v1", "2026-01-01T00:00:00Z", FIELDSET_MAIN};
    struct managed_apply apply = {kind, "ns", "n", live, config, false};
    struct managed managed = {0};
    struct value *object CLEANUP_VALUE = NULL;
    ERROR_LOCAL(err);

    if (managed_apply(pool, &managed, &who, &apply, &object, &err) < 0)
        FUZZ_CHECK(error_is_set(&err) && !object);
}

static void check_object(const struct schema_kind *kind, struct slice json, struct slice config_json, bool taken)
{
    struct value *object CLEANUP_VALUE = made(kind, json, CODEC_IGNORE);
    struct value *config CLEANUP_VALUE = made(kind, config_json, CODEC_IGNORE);
    struct value *again CLEANUP_VALUE = NULL;
    ERROR_LOCAL(err);
    BUF_LOCAL(text);
    int r;

    if (!object)
        return;
    r = validate_object(kind, object, config, "", &err);
    FUZZ_CHECK((r < 0) == error_is_set(&err));
    if (config)
        check_apply(kind, object, config);
    value_write(object, &text);
    if (!taken || text.len > LARGE)
        return;
    again = made(kind, buf_slice(&text), CODEC_STRICT);
    FUZZ_CHECK(again && value_equal(again, object));
}

static void fuzz_one(struct slice input)
{
    struct value *definition CLEANUP_VALUE = definition_of(fuzz_take(&input));
    struct slice object = fuzz_take(&input);
    struct custom_kind *kind;

    if (!definition || !custom_version(definition, SLICE_LIT("v1")))
        return;
    kind = custom_kind_whole(definition, custom_version(definition, SLICE_LIT("v1")));
    check_object(custom_kind_schema(kind), object, input, is_taken(definition));
    custom_kind_unref(kind);
}
