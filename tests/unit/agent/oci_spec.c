/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/oci_spec.h"
#include "api/value.h"

static struct value *build(const struct oci_spec *spec)
{
    struct value *v;
    BUF_LOCAL(json);

    oci_spec_write(spec, &json);
    v = value_parse(buf_slice(&json), NULL);
    assert_non_null(v);
    return v;
}

static bool has_text(const struct value *list, const char *text)
{
    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_at(list, i)), text))
            return true;
    return false;
}

static const struct value *capabilities(const struct value *v)
{
    return value_path(v, "process", "capabilities", "bounding", NULL);
}

static void nine_capabilities_by_default(void **state)
{
    const struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c"};
    struct value *v CLEANUP_VALUE = build(&spec);

    assert_int_equal(value_count(capabilities(v)), 9);
    assert_false(has_text(capabilities(v), "CAP_NET_RAW"));
    assert_false(has_text(capabilities(v), "CAP_SYS_ADMIN"));
    assert_null(value_path(v, "process", "capabilities", "ambient", NULL));
    assert_true(has_text(value_path(v, "linux", "maskedPaths", NULL), "/proc/kcore"));
    assert_false(value_bool(value_path(v, "process", "noNewPrivileges", NULL)));
}

static void capabilities_are_added_and_dropped(void **state)
{
    struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c"};
    struct value *v CLEANUP_VALUE = NULL;

    str_list_add(&spec.capabilities_drop, "ALL");
    str_list_add(&spec.capabilities_add, "NET_BIND_SERVICE");
    str_list_add(&spec.capabilities_add, "cap_sys_time");
    v = build(&spec);
    assert_int_equal(value_count(capabilities(v)), 2);
    assert_true(has_text(capabilities(v), "CAP_SYS_TIME"));
    oci_spec_clear(&spec);
}

static void privileged_is_open(void **state)
{
    const struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c", .privileged = true};
    struct value *v CLEANUP_VALUE = build(&spec);
    const struct value *rule = value_at(value_path(v, "linux", "resources", "devices", NULL), 0);

    assert_int_equal(value_count(capabilities(v)), 41);
    assert_null(value_path(v, "linux", "maskedPaths", NULL));
    assert_true(value_bool(value_get(rule, "allow")));
}

static const struct value *namespace_of(const struct value *v, const char *type)
{
    const struct value *list = value_path(v, "linux", "namespaces", NULL);

    for (size_t i = 0; i < value_count(list); i++)
        if (slice_is(value_string(value_get(value_at(list, i), "type")), type))
            return value_at(list, i);
    return NULL;
}

static void namespaces_are_joined(void **state)
{
    const struct oci_spec host = {.rootfs = "/r", .cgroup_path = "/k/c", .host_pid = true};
    const struct oci_spec own = {
        .rootfs = "/r", .cgroup_path = "/k/c", .network_namespace = "/n", .cgroup_version = CGROUP_V2};
    struct value *a CLEANUP_VALUE = build(&host);
    struct value *b CLEANUP_VALUE = build(&own);

    assert_null(namespace_of(a, "network"));
    assert_null(namespace_of(a, "pid"));
    assert_null(namespace_of(a, "cgroup"));
    assert_non_null(namespace_of(a, "mount"));
    assert_string_equal(value_str(value_get(namespace_of(b, "network"), "path")), "/n");
    assert_non_null(namespace_of(b, "pid"));
    assert_non_null(namespace_of(b, "cgroup"));
}

static void resources_become_knobs(void **state)
{
    const struct oci_spec spec = {
        .rootfs = "/r",
        .cgroup_path = "/k/c",
        .limits = {.cpu_request_milli = 250, .cpu_limit_milli = 500, .memory_limit = 1 << 26, .pids_limit = 100}};
    const struct oci_spec none = {.rootfs = "/r", .cgroup_path = "/k/c"};
    struct value *v CLEANUP_VALUE = build(&spec);
    struct value *n CLEANUP_VALUE = build(&none);
    const struct value *r = value_path(v, "linux", "resources", NULL);

    assert_int_equal(value_int(value_path(r, "cpu", "shares", NULL)), 256);
    assert_int_equal(value_int(value_path(r, "cpu", "quota", NULL)), 50000);
    assert_int_equal(value_int(value_path(r, "memory", "limit", NULL)), 1 << 26);
    assert_int_equal(value_int(value_path(r, "pids", "limit", NULL)), 100);
    assert_null(value_path(n, "linux", "resources", "memory", NULL));
    assert_null(value_path(n, "linux", "resources", "cpu", "quota", NULL));
}

static void volumes_may_replace_base_mounts(void **state)
{
    static char source[] = "/v";
    static char destination[] = "/dev/shm";
    struct oci_mount mounts[] = {{.source = source, .destination = destination, .read_only = true}};
    const struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c", .mounts = mounts, .mount_count = 1};
    struct value *v CLEANUP_VALUE = build(&spec);
    const struct value *list = value_get(v, "mounts");
    size_t found = 0;

    for (size_t i = 0; i < value_count(list); i++) {
        const struct value *m = value_at(list, i);

        if (!slice_is(value_string(value_get(m, "destination")), "/dev/shm"))
            continue;
        found++;
        assert_string_equal(value_str(value_get(m, "source")), "/v");
        assert_true(has_text(value_get(m, "options"), "ro"));
        assert_true(has_text(value_get(m, "options"), "rprivate"));
    }
    assert_int_equal(found, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nine_capabilities_by_default), cmocka_unit_test(capabilities_are_added_and_dropped),
        cmocka_unit_test(privileged_is_open),           cmocka_unit_test(namespaces_are_joined),
        cmocka_unit_test(resources_become_knobs),       cmocka_unit_test(volumes_may_replace_base_mounts)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
