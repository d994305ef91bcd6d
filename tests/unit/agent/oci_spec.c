/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "agent/fs.h"
#include "agent/oci_spec.h"
#include "agent/pod_spec.h"
#include "agent/userns.h"

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
    const struct oci_spec guest = {.rootfs = "/r", .cgroup_path = "/k/c", .pid_namespace = "/p"};
    struct value *b CLEANUP_VALUE = build(&own);
    struct value *c CLEANUP_VALUE = build(&guest);

    assert_null(value_get(namespace_of(b, "pid"), "path"));
    assert_string_equal(value_str(value_get(namespace_of(c, "pid"), "path")), "/p");
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

/* ---- system calls ---- */

/* The rules of `linux.seccomp` that name a call. */
static size_t rules_of(const struct value *v, const char *call, const struct value **ret_last)
{
    const struct value *list = value_path(v, "linux", "seccomp", "syscalls", NULL);
    size_t count = 0;

    for (size_t i = 0; i < value_count(list); i++) {
        if (!has_text(value_get(value_at(list, i), "names"), call))
            continue;
        *ret_last = value_at(list, i);
        count++;
    }
    return count;
}

static void calls_are_filtered_by_default(void **state)
{
    static const char *const refused[] = {"unshare",     "mount",          "setns",       "bpf",
                                          "keyctl",      "add_key",        "userfaultfd", "io_uring_setup",
                                          "init_module", "chroot",         "kexec_load",  "open_by_handle_at",
                                          "reboot",      "perf_event_open"};
    const struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c"};
    struct value *v CLEANUP_VALUE = build(&spec);
    const struct value *rule = NULL;

    assert_string_equal(value_str(value_path(v, "linux", "seccomp", "defaultAction", NULL)), "SCMP_ACT_ERRNO");
    assert_int_equal(rules_of(v, "openat", &rule), 1);
    assert_null(value_get(rule, "args"));
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        assert_int_equal(rules_of(v, refused[i], &rule), 0);
    /* clone without new namespaces; clone3, which cannot be looked into, is not there. */
    assert_int_equal(rules_of(v, "clone", &rule), 1);
    rule = value_at(value_get(rule, "args"), 0);
    assert_string_equal(value_str(value_get(rule, "op")), "SCMP_CMP_MASKED_EQ");
    assert_int_equal(value_int(value_get(rule, "value")), 0x7e020000);
    assert_int_equal(rules_of(v, "clone3", &rule), 1);
    assert_int_equal(value_int(value_get(rule, "errnoRet")), 38);
}

static void capabilities_bring_their_calls(void **state)
{
    struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c"};
    struct value *v CLEANUP_VALUE = NULL;
    const struct value *rule = NULL;

    str_list_add(&spec.capabilities_add, "SYS_ADMIN");
    v = build(&spec);
    assert_int_equal(rules_of(v, "unshare", &rule), 1);
    assert_int_equal(rules_of(v, "clone", &rule), 1);
    assert_null(value_get(rule, "args"));
    assert_string_equal(value_str(value_get(rule, "action")), "SCMP_ACT_ALLOW");
    assert_int_equal(rules_of(v, "init_module", &rule), 0);
    oci_spec_clear(&spec);
}

static void filters_may_be_absent_or_the_owners(void **state)
{
    const struct oci_spec open = {.rootfs = "/r", .cgroup_path = "/k/c", .seccomp_unconfined = true};
    const struct oci_spec privileged = {.rootfs = "/r", .cgroup_path = "/k/c", .privileged = true};
    struct oci_spec own = {.rootfs = "/r", .cgroup_path = "/k/c"};
    struct value *a CLEANUP_VALUE = build(&open);
    struct value *b CLEANUP_VALUE = build(&privileged);
    struct value *c CLEANUP_VALUE = NULL;

    own.seccomp = value_parse(SLICE_LIT("{\"defaultAction\":\"SCMP_ACT_KILL\"}"), NULL);
    c = build(&own);
    assert_null(value_path(a, "linux", "seccomp", NULL));
    assert_null(value_path(b, "linux", "seccomp", NULL));
    assert_string_equal(value_str(value_path(c, "linux", "seccomp", "defaultAction", NULL)), "SCMP_ACT_KILL");
    oci_spec_clear(&own);
}

/* ---- what a privileged container gets ---- */

static void all_is_what_the_host_has(void **state)
{
    struct oci_spec spec = {.rootfs = "/r", .cgroup_path = "/k/c", .capabilities_host = 0x1ffULL | 1ULL << 40};
    struct value *v CLEANUP_VALUE = NULL;

    str_list_add(&spec.capabilities_add, "ALL");
    str_list_add(&spec.capabilities_add, "SYS_TIME");
    v = build(&spec);
    assert_int_equal(value_count(capabilities(v)), 11);
    assert_true(has_text(capabilities(v), "CAP_CHOWN"));
    assert_true(has_text(capabilities(v), "CAP_CHECKPOINT_RESTORE"));
    assert_true(has_text(capabilities(v), "CAP_SYS_TIME"));
    oci_spec_clear(&spec);
}

static void devices_sysctls_and_propagation(void **state)
{
    static char path[] = "/dev/loop0";
    static char name[] = "net.ipv4.tcp_syncookies";
    static char one[] = "1";
    static char source[] = "/v";
    static char destination[] = "/d";
    struct oci_device device = {path, S_IFBLK | 0660, makedev(7, 3), 0, 6};
    struct oci_sysctl sysctl = {name, one};
    struct oci_mount mounts[] = {{source, destination, false, "rslave", false},
                                 {source, destination, false, "rshared", false},
                                 {source, destination, true, NULL, true}};
    const struct oci_spec spec = {.rootfs = "/r",
                                  .cgroup_path = "/k/c",
                                  .devices = &device,
                                  .device_count = 1,
                                  .sysctls = &sysctl,
                                  .sysctl_count = 1,
                                  .mounts = mounts,
                                  .mount_count = 3};
    struct value *v CLEANUP_VALUE = build(&spec);
    const struct value *d = value_at(value_path(v, "linux", "devices", NULL), 0);
    const struct value *m = value_get(v, "mounts");

    assert_string_equal(value_str(value_get(d, "type")), "b");
    assert_int_equal(value_int(value_get(d, "major")), 7);
    assert_int_equal(value_int(value_get(d, "fileMode")), 0660);
    assert_string_equal(value_str(value_path(v, "linux", "sysctl", name, NULL)), "1");
    assert_string_equal(value_str(value_path(v, "linux", "rootfsPropagation", NULL)), "rshared");
    assert_true(has_text(value_get(value_at(m, value_count(m) - 1), "options"), "rro"));
}

static void users_are_mapped(void **state)
{
    const struct oci_spec spec = {
        .rootfs = "/r", .cgroup_path = "/k/c", .user_namespace = "/u", .users_first = 0x70010000};
    struct value *v CLEANUP_VALUE = build(&spec);
    const struct value *map = value_at(value_path(v, "linux", "gidMappings", NULL), 0);

    assert_string_equal(value_str(value_get(namespace_of(v, "user"), "path")), "/u");
    assert_int_equal(value_int(value_get(map, "containerID")), 0);
    assert_int_equal(value_int(value_get(map, "hostID")), 0x70010000);
    assert_int_equal(value_int(value_get(map, "size")), 65536);
}

static void ranges_of_users_are_kept_apart(void **state)
{
    char dir[] = "/tmp/knarr-users-XXXXXX";
    uint32_t a = 0;
    uint32_t b = 0;
    uint32_t again = 0;

    assert_non_null(mkdtemp(dir));
    assert_int_equal(userns_range_take(dir, "pod-a", &a, NULL), 0);
    assert_int_equal(userns_range_take(dir, "pod-b", &b, NULL), 0);
    assert_int_equal(userns_range_take(dir, "pod-a", &again, NULL), 0);
    assert_int_equal(a, again);
    assert_int_equal(b - a, USERNS_SIZE);
    userns_range_drop(dir, "pod-a");
    userns_range_drop(dir, "nobody");
    assert_int_equal(userns_range_take(dir, "pod-c", &again, NULL), 0);
    assert_int_equal(a, again);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

/* ---- kernel settings ---- */

static void settings_outside_the_safe_list_are_forbidden(void **state)
{
    static const struct {
        const char *spec;
        const char *why;
    } cases[] = {
        {"{}", NULL},
        {"{\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_syncookies\",\"value\":\"1\"},"
         "{\"name\":\"kernel/shm_rmid_forced\",\"value\":\"1\"}]}}",
         NULL},
        {"{\"securityContext\":{\"sysctls\":[{\"name\":\"kernel.msgmax\",\"value\":\"1\"}]}}",
         "forbidden sysctl: \"kernel.msgmax\" not allowlisted"},
        {"{\"hostNetwork\":true,\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.tcp_syncookies\"}]}}",
         "forbidden sysctl: \"net.ipv4.tcp_syncookies\" not allowed with host net enabled"},
        {"{\"hostIPC\":true,\"securityContext\":{\"sysctls\":[{\"name\":\"kernel.shm_rmid_forced\"}]}}",
         "forbidden sysctl: \"kernel.shm_rmid_forced\" not allowed with host ipc enabled"},
    };
    char *odd CLEANUP_FREE = pod_sysctl_name("net/ipv4/conf/eth0.1/rp_filter");

    assert_string_equal(odd, "net.ipv4.conf.eth0/1.rp_filter");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *text CLEANUP_FREE = mem_printf("{\"spec\":%s}", cases[i].spec);
        struct value *pod CLEANUP_VALUE = value_parse(slice_str(text), NULL);
        char *why CLEANUP_FREE = pod_sysctl_forbidden(pod);

        assert_non_null(pod);
        if (cases[i].why)
            assert_string_equal(why, cases[i].why);
        else
            assert_null(why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nine_capabilities_by_default),
                                       cmocka_unit_test(capabilities_are_added_and_dropped),
                                       cmocka_unit_test(privileged_is_open),
                                       cmocka_unit_test(namespaces_are_joined),
                                       cmocka_unit_test(resources_become_knobs),
                                       cmocka_unit_test(volumes_may_replace_base_mounts),
                                       cmocka_unit_test(calls_are_filtered_by_default),
                                       cmocka_unit_test(capabilities_bring_their_calls),
                                       cmocka_unit_test(filters_may_be_absent_or_the_owners),
                                       cmocka_unit_test(all_is_what_the_host_has),
                                       cmocka_unit_test(devices_sysctls_and_propagation),
                                       cmocka_unit_test(users_are_mapped),
                                       cmocka_unit_test(ranges_of_users_are_kept_apart),
                                       cmocka_unit_test(settings_outside_the_safe_list_are_forbidden)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
