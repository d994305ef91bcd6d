/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/runtime.h"

static void test_crun_only_where_it_runs(void **state)
{
    (void)state;
    assert_string_equal(runtime_choose(CGROUP_V1, "runc", "crun"), "runc");
    assert_string_equal(runtime_choose(CGROUP_V2, "runc", "crun"), "runc");
    assert_string_equal(runtime_choose(CGROUP_V2, NULL, "crun"), "crun");
    assert_null(runtime_choose(CGROUP_V1, NULL, "crun"));
    assert_null(runtime_choose(CGROUP_V2, NULL, NULL));
}

/* A run_dir with one container, whose pid file names `pid`. */
static void make_container(const char *run_dir, const char *id, pid_t pid)
{
    char *dir CLEANUP_FREE = mem_printf("%s/containers/%s", run_dir, id);
    char *path CLEANUP_FREE = mem_printf("%s/pid", dir);
    char text[16];

    assert_int_equal(fs_make_dirs(dir, 0700, NULL), 0);
    (void)snprintf(text, sizeof(text), "%d", (int)pid);
    assert_int_equal(fs_write(path, slice_str(text), 0600, NULL), 0);
}

static pid_t ended_child(void)
{
    pid_t pid = fork();

    if (!pid)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

/* The namespace of whoever has the pid now counts only when it is the container. Every control group has a ':' in its
 * line, so that a container of that name is this process. */
static void test_only_the_target_is_joined(void **state)
{
    char dir[] = "/tmp/knarr-runtime-XXXXXX";
    struct runtime rt = {.run_dir = mkdtemp(dir)};
    struct stat own, opened;
    ERROR_LOCAL(err);
    int fd CLEANUP_FD = -1;

    assert_non_null(rt.run_dir);
    make_container(dir, ":", getpid());
    fd = runtime_open_pids(&rt, ":", &err);
    assert_true(fd >= 0);
    assert_int_equal(stat("/proc/self/ns/pid", &own), 0);
    assert_int_equal(fstat(fd, &opened), 0);
    assert_int_equal(opened.st_ino, own.st_ino);
    make_container(dir, "another", getpid());
    assert_int_equal(runtime_open_pids(&rt, "another", &err), -ERROR_NOT_FOUND);
    error_clear(&err);
    make_container(dir, ":", ended_child());
    assert_int_equal(runtime_open_pids(&rt, ":", &err), -ERROR_NOT_FOUND);
    error_clear(&err);
    assert_int_equal(runtime_open_pids(&rt, "none", &err), -ERROR_NOT_FOUND);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crun_only_where_it_runs),
        cmocka_unit_test(test_only_the_target_is_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
