/* SPDX-License-Identifier: Apache-2.0 */
/* Walks every table that compile.py made, for holes. */
#include "tests/unit/test.h"

#include "api/object.h"
#include "api/schema.h"
#include "api/value.h"

/* Of one line: what is longer is no longer read. */
#define DESCRIPTION_MAX 140

static void check_order(const struct schema_type *type)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct schema_field *f = &type->fields[i];

        if (i && f->number && f->number <= type->fields[i - 1].number)
            fail_msg("%s.%s: number %u is not above the one before", type->name, f->name, f->number);
        if (i && strcmp(type->fields[type->by_name[i - 1]].name, type->fields[type->by_name[i]].name) >= 0)
            fail_msg("%s: names out of order or twice at %s", type->name, type->fields[type->by_name[i]].name);
        if (!f->number && strcmp(f->name, "apiVersion") && strcmp(f->name, "kind"))
            fail_msg("%s.%s has no number", type->name, f->name);
        if (f->number && schema_find_number(type, f->number) != f)
            fail_msg("%s.%s is not found by its number", type->name, f->name);
    }
}

static void check_default(const struct schema_type *type, const struct schema_field *f)
{
    struct value *v CLEANUP_VALUE = value_parse(slice_str(f->default_json), NULL);
    enum value_kind kind = value_kind(v);

    if (!v)
        fail_msg("%s.%s: the default is not JSON", type->name, f->name);
    if ((f->base == SCHEMA_OBJECT) != (kind == VALUE_OBJECT))
        fail_msg("%s.%s: the default is of another type", type->name, f->name);
    if (f->base == SCHEMA_STRING && kind != VALUE_STRING)
        fail_msg("%s.%s: the default is not a string", type->name, f->name);
    for (size_t i = 0; f->enum_values; i++) {
        if (!f->enum_values[i])
            fail_msg("%s.%s: the default is not one of the values", type->name, f->name);
        if (value_str(v) && !strcmp(f->enum_values[i], value_str(v)))
            break;
    }
}

/* One line in our words: `kubectl explain` shows it to who asks what a field is for. No field is excepted, so what is
 * new needs one too. An inline field has no place of its own in JSON. */
static void check_description(const char *type, const char *field, const char *text)
{
    size_t len = text ? strlen(text) : 0;

    if (!len)
        fail_msg("%s.%s has no description", type, field);
    if (len > DESCRIPTION_MAX || text[len - 1] != '.' || strchr(text, '\n') || strstr(text, "  ") ||
        (text[0] >= 'a' && text[0] <= 'z'))
        fail_msg("%s.%s: \"%s\" is not a short sentence", type, field, text);
}

static void test_all_is_described(void **state)
{
    size_t count, described = 0;
    const struct schema_type *types = schema_types(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        check_description(types[i].openapi_name, "(itself)", types[i].description);
        for (size_t j = 0; j < types[i].field_count; j++) {
            const struct schema_field *f = &types[i].fields[j];

            if (f->flags & SCHEMA_INLINE)
                continue;
            check_description(types[i].openapi_name, f->name, f->description);
            described++;
        }
    }
    assert_true(described > 2000);
}

static void check_field(const struct schema_type *type, const struct schema_field *f)
{
    bool inside = f->flags & SCHEMA_INLINE;

    if ((f->base == SCHEMA_OBJECT || f->base == SCHEMA_EITHER) != (f->type != NULL))
        fail_msg("%s.%s: type and base disagree", type->name, f->name);
    if (inside && (f->base != SCHEMA_OBJECT || f->shape != SCHEMA_ONE))
        fail_msg("%s.%s: only a single object can be inline", type->name, f->name);
    if (!inside && schema_find_field(type, slice_str(f->name)) != f)
        fail_msg("%s.%s is not found by its name", type->name, f->name);
    for (size_t i = 0; inside && i < f->type->field_count; i++) {
        const struct schema_field *member = &f->type->fields[i];

        if (!(member->flags & SCHEMA_INLINE) && schema_find_field(type, slice_str(member->name)) != member)
            fail_msg("%s: inline %s is not found", type->name, member->name);
    }
    for (size_t i = 0; f->map_keys && f->map_keys[i]; i++) {
        if (!f->type || !schema_find_field(f->type, slice_str(f->map_keys[i])))
            fail_msg("%s.%s: no key %s", type->name, f->name, f->map_keys[i]);
    }
    if (f->merge_key && (!f->type || !schema_find_field(f->type, slice_str(f->merge_key))))
        fail_msg("%s.%s: no merge key %s", type->name, f->name, f->merge_key);
    if ((f->flags & SCHEMA_LIST_MAP) && (f->shape != SCHEMA_LIST || !f->map_keys))
        fail_msg("%s.%s: a map list without keys", type->name, f->name);
    if (f->default_json)
        check_default(type, f);
}

static void test_types_have_no_holes(void **state)
{
    size_t count;
    const struct schema_type *types = schema_types(&count);

    (void)state;
    assert_true(count > 200);
    for (size_t i = 0; i < count; i++) {
        check_order(&types[i]);
        for (size_t j = 0; j < types[i].field_count; j++)
            check_field(&types[i], &types[i].fields[j]);
    }
}

static void check_kind(const struct schema_kind *k)
{
    struct slice group = slice_str(k->group), version = slice_str(k->version);

    if (schema_find_kind(group, version, slice_str(k->kind)) != k)
        fail_msg("%s is not found", k->kind);
    if (*k->plural && schema_find_resource(group, version, slice_str(k->plural)) != k)
        fail_msg("%s is not found", k->plural);
    assert_string_equal(k->type->fields[0].name, "apiVersion");
    assert_string_equal(k->type->fields[1].name, "kind");
    if (!k->no_metadata && !schema_find_path(k->type, "metadata.resourceVersion"))
        fail_msg("%s has no metadata", k->kind);
    if (schema_is_stored(k) && (!k->column_count || k->verbs == 0))
        fail_msg("%s has no columns or verbs", k->kind);
    for (size_t i = 0; k->selectable[i]; i++) {
        if (!object_field_is_known(k, k->selectable[i]))
            fail_msg("%s: no field %s to select by", k->kind, k->selectable[i]);
    }
    if (k->scale && (!schema_find_path(k->type, k->scale->spec_replicas + 1) ||
                     !schema_find_path(k->type, k->scale->status_replicas + 1) ||
                     !schema_find_path(k->type, k->scale->selector + 1)))
        fail_msg("%s: a scale path is wrong", k->kind);
    for (size_t i = 0; i < k->move_count; i++)
        if (!schema_find_field(k->type, slice_str(k->moves[i].own)) ||
            !schema_find_field(k->stored->type, slice_str(k->moves[i].stored)))
            fail_msg("%s: no fields to move between as %s", k->kind, k->moves[i].own);
    if (k->stored && (k->stored->stored || k->stored->namespaced != k->namespaced ||
                      strcmp(k->stored->plural, k->plural) != 0 || k->stored->has_status != k->has_status))
        fail_msg("%s is stored as another sort of object", k->kind);
    if (k->has_status && !schema_find_path(k->type, "status"))
        fail_msg("%s has no status", k->kind);
}

static void test_kinds_have_no_holes(void **state)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);

    (void)state;
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++)
        check_kind(kinds[i]);
}

static void test_look_ups(void **state)
{
    struct slice group, version;
    char text[32];
    const struct schema_kind *deployment =
        schema_find_resource(SLICE_LIT("apps"), SLICE_LIT("v1"), SLICE_LIT("deployments"));
    const struct schema_field *f;

    (void)state;
    assert_non_null(deployment);
    assert_null(schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("deployments")));
    assert_null(schema_find_resource(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("")));
    schema_split_api_version(SLICE_LIT("apps/v1"), &group, &version);
    assert_slice_equal(group, "apps");
    assert_slice_equal(version, "v1");
    schema_split_api_version(SLICE_LIT("v1"), &group, &version);
    assert_int_equal(group.len, 0);
    assert_slice_equal(version, "v1");
    assert_string_equal(schema_api_version(deployment, text, sizeof text), "apps/v1");
    f = schema_find_path(deployment->type, "spec.template.spec.volumes.configMap.items.path");
    assert_non_null(f);
    assert_int_equal(f->number, 2);
    assert_null(schema_find_path(deployment->type, "spec.template.spec.volumes.volumeSource"));
    assert_null(schema_find_path(deployment->type, "spec.replicas.x"));
    assert_null(schema_find_number(deployment->type, 0));
    assert_null(schema_find_number(deployment->type, 99));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_have_no_holes),
        cmocka_unit_test(test_all_is_described),
        cmocka_unit_test(test_kinds_have_no_holes),
        cmocka_unit_test(test_look_ups),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
