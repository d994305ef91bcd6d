/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "agent/fs.h"
#include "agent/usage_write.h"
#include "api/scan.h"

static char root[64];

static int setup(void **state)
{
    (void)state;
    strcpy(root, "/tmp/knarr-usage-XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return fs_remove_tree(root, NULL);
}

static void write_file(const char *path, const char *text)
{
    char *whole CLEANUP_FREE = mem_printf("%s/%s", root, path);
    char *dir CLEANUP_FREE = mem_strdup(whole);

    *strrchr(dir, '/') = '\0';
    assert_int_equal(fs_make_dirs(dir, 0755, NULL), 0);
    assert_int_equal(fs_write(whole, slice_str(text), 0644, NULL), 0);
}

static void test_v1(void **state)
{
    struct usage_sample s = {0};

    (void)state;
    write_file("cpuacct/knarr/pod1/cpuacct.usage", "123456789\n");
    write_file("memory/knarr/pod1/memory.usage_in_bytes", "1000000\n");
    write_file(
        "memory/knarr/pod1/memory.stat",
        "inactive_file 7\nrss 1\ntotal_rss 4096\ntotal_pgfault 11\ntotal_pgmajfault 2\ntotal_inactive_file 300000\n");
    assert_true(usage_read_group(CGROUP_V1, root, "/knarr/pod1", &s));
    assert_int_equal(s.cpu_ns, 123456789);
    assert_int_equal(s.memory, 1000000);
    assert_int_equal(s.working_set, 700000);
    assert_int_equal(s.rss, 4096);
    assert_int_equal(s.page_faults, 11);
    assert_int_equal(s.major_page_faults, 2);
    assert_false(usage_read_group(CGROUP_V1, root, "/knarr/pod2", &s));
}

static void test_v2(void **state)
{
    struct usage_sample s = {0};

    (void)state;
    write_file("knarr/pod1/cpu.stat", "usage_usec 5000\nuser_usec 4000\nsystem_usec 1000\n");
    write_file("knarr/pod1/memory.current", "500\n");
    write_file("knarr/pod1/memory.stat", "anon 200\nfile 300\npgfault 9\npgmajfault 1\ninactive_file 600\n");
    assert_true(usage_read_group(CGROUP_V2, root, "/knarr/pod1", &s));
    assert_int_equal(s.cpu_ns, 5000000);
    assert_int_equal(s.memory, 500);
    assert_int_equal(s.working_set, 0); /* never below nothing */
    assert_int_equal(s.rss, 200);
    assert_int_equal(s.page_faults, 9);
    assert_false(usage_read_group(CGROUP_V2, root, "/knarr/pod2", &s));
    write_file("knarr/pod1/cpu.stat", "usage_usec none\n");
    assert_false(usage_read_group(CGROUP_V2, root, "/knarr/pod1", &s));
}

static void test_node(void **state)
{
    struct usage_sample s = {0};
    int64_t tick = NS_PER_S / sysconf(_SC_CLK_TCK);

    (void)state;
    write_file("stat", "cpu  10 1 5 1000 200 3 2 4 50 60\ncpu0 1 1 1 1\n");
    write_file("meminfo", "MemTotal:       1000 kB\nMemFree:         400 kB\nAnonPages:       100 kB\n"
                          "Inactive(file):  250 kB\n");
    assert_true(usage_read_node(root, &s));
    assert_int_equal(s.cpu_ns, 25 * tick); /* without idle, iowait and what guests got */
    assert_int_equal(s.memory, 600 * 1024);
    assert_int_equal(s.working_set, 350 * 1024);
    assert_int_equal(s.rss, 100 * 1024);
    write_file("stat", "intr 1\n");
    assert_false(usage_read_node(root, &s));
}

static struct usage_entry entry_at(int64_t s, uint64_t cpu_ms)
{
    return (struct usage_entry){
        .found = true,
        .sample = {.wall_ns = s * NS_PER_S, .monotonic_ns = s * NS_PER_S, .cpu_ns = cpu_ms * (uint64_t)NS_PER_MS}};
}

static void test_rates(void **state)
{
    const struct usage_sample before = entry_at(100, 1000).sample;
    struct usage_entry e = entry_at(110, 6000);

    (void)state;
    usage_set_rate(&e, &before);
    assert_true(e.has_rate);
    assert_int_equal(e.nano_cores, 500000000); /* half a core */
    assert_int_equal(e.window_ns, 10 * NS_PER_S);

    e = entry_at(161, 6000); /* too long ago to say something about now */
    usage_set_rate(&e, &before);
    assert_false(e.has_rate);
    e = entry_at(100, 1000);
    usage_set_rate(&e, &before);
    assert_false(e.has_rate);
    e = entry_at(110, 10); /* another group of the same name */
    usage_set_rate(&e, &before);
    assert_false(e.has_rate);

    e = entry_at(110, 6000); /* young: since its start */
    e.started_ns = 106 * NS_PER_S;
    usage_set_rate(&e, NULL);
    assert_true(e.has_rate);
    assert_int_equal(e.nano_cores, 1500000000);
    e = entry_at(110, 6000); /* old, and never seen before */
    e.started_ns = 10 * NS_PER_S;
    usage_set_rate(&e, NULL);
    assert_false(e.has_rate);
}

static void make_snapshot(struct usage_snapshot *s, struct usage_entry entries[5])
{
    entries[0] = (struct usage_entry){.found = true,
                                      .has_rate = true,
                                      .nano_cores = 7,
                                      .window_ns = 1500 * NS_PER_MS,
                                      .sample = {.cpu_ns = 2500000000, .working_set = 10}};
    entries[1] = (struct usage_entry){.namespace_ = (char *)"ns", .pod = (char *)"gone", .uid = (char *)"u0"};
    entries[2] = (struct usage_entry){.namespace_ = (char *)"ns", .pod = (char *)"gone", .container = (char *)"c"};
    entries[3] = (struct usage_entry){.found = true,
                                      .namespace_ = (char *)"ns",
                                      .pod = (char *)"p",
                                      .uid = (char *)"u1",
                                      .sample = {.working_set = 30}};
    entries[4] = (struct usage_entry){.found = true,
                                      .has_rate = true,
                                      .nano_cores = 5,
                                      .namespace_ = (char *)"ns",
                                      .pod = (char *)"p",
                                      .container = (char *)"c",
                                      .id = (char *)"i",
                                      .image = (char *)"im\"g",
                                      .group = (char *)"/g",
                                      .sample = {.working_set = 20}};
    *s = (struct usage_snapshot){
        .node_name = "n", .memory_total = 100, .cpu_milli = 2000, .entries = entries, .count = 5};
}

static void test_summary(void **state)
{
    struct usage_entry entries[5];
    struct usage_snapshot s;
    struct scan_cursor pods;
    struct slice pod;
    BUF_LOCAL(out);
    struct slice doc;

    (void)state;
    make_snapshot(&s, entries);
    usage_write_summary(&out, &s, false);
    doc = buf_slice(&out);
    assert_true(scan_text_is(scan_get(doc, "node.nodeName"), "n"));
    assert_int_equal(scan_int(scan_get(doc, "node.cpu.usageNanoCores"), -1), 7);
    assert_int_equal(scan_int(scan_get(doc, "node.memory.availableBytes"), -1), 90);
    assert_non_null(scan_get(doc, "node.fs").data);
    assert_true(scan_text_is(scan_get(doc, "window"), "1.500s"));
    pods = scan_open(scan_get(doc, "pods"));
    assert_true(scan_element(&pods, &pod));
    assert_true(scan_text_is(scan_get(pod, "podRef.name"), "p"));
    assert_int_equal(scan_count(scan_get(pod, "containers")), 1);
    assert_null(scan_get(pod, "cpu.usageNanoCores").data);
    assert_false(scan_element(&pods, &pod));
    buf_reset(&out);
    usage_write_summary(&out, &s, true);
    assert_null(scan_get(buf_slice(&out), "node.fs").data);
}

static void test_exposition(void **state)
{
    struct usage_entry entries[5];
    struct usage_snapshot s;
    BUF_LOCAL(out);

    (void)state;
    make_snapshot(&s, entries);
    usage_write_resource(&out, &s);
    assert_true(slice_find_text(buf_slice(&out), SLICE_LIT("\nnode_cpu_usage_seconds_total 2.5\n")) > 0);
    assert_true(
        slice_find_text(buf_slice(&out),
                        SLICE_LIT("\ncontainer_memory_working_set_bytes{namespace=\"ns\",pod=\"p\",container=\"c\"} "
                                  "20\n")) > 0);
    assert_true(slice_find_text(buf_slice(&out),
                                SLICE_LIT("\npod_memory_working_set_bytes{namespace=\"ns\",pod=\"p\"} 30\n")) > 0);
    assert_true(slice_find_text(buf_slice(&out), SLICE_LIT("gone")) < 0);
    buf_reset(&out);
    usage_write_cadvisor(&out, &s);
    assert_true(slice_find_text(buf_slice(&out), SLICE_LIT("id=\"/g\",name=\"i\",image=\"im\\\"g\"} 20\n")) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1),    cmocka_unit_test(test_v2),      cmocka_unit_test(test_node),
        cmocka_unit_test(test_rates), cmocka_unit_test(test_summary), cmocka_unit_test(test_exposition),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
