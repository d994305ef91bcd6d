/* SPDX-License-Identifier: Apache-2.0 */
/* Removing what a container left behind. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/fs.h"

static char top[64];

static int setup(void **state)
{
    (void)snprintf(top, sizeof(top), "/tmp/knarr-fs-XXXXXX");
    return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state)
{
    return fs_remove_tree(top, NULL);
}

/* Deeper than any stack of descriptors: a container nests directories by mkdir and chdir without end. */
static void removes_what_is_deep(void **state)
{
    char *path CLEANUP_FREE = mem_printf("%s/deep", top);
    ERROR_LOCAL(err);
    int fd;

    assert_int_equal(mkdir(path, 0700), 0);
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        int next;

        assert_int_equal(mkdirat(fd, "d", 0700), 0);
        next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(fd);
        fd = next;
    }
    (void)close(openat(fd, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    (void)close(fd);
    if (fs_remove_tree(path, &err) < 0)
        fail_msg("%s", error_text(&err));
    assert_false(fs_exists(path));
}

static void follows_no_link(void **state)
{
    char *dir CLEANUP_FREE = mem_printf("%s/dir", top);
    char *kept CLEANUP_FREE = mem_printf("%s/kept", top);
    char *link_ CLEANUP_FREE = mem_printf("%s/dir/link", top);

    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(fs_write(kept, SLICE_LIT("x"), 0600, NULL), 0);
    assert_int_equal(symlink(top, link_), 0);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
    assert_true(fs_exists(kept));
    assert_int_equal(symlink(top, dir), 0);
    assert_int_equal(fs_remove_tree(dir, NULL), 0);
    assert_true(fs_exists(kept));
}

/* In a mount namespace of its own. 0 = the tree was left alone. */
static int remove_with_bind(const char *tree, const char *host, const char *file)
{
    char *at CLEANUP_FREE = mem_printf("%s/sub", tree);

    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount(host, at, NULL, MS_BIND, NULL))
        return 2;
    return fs_remove_tree(tree, NULL) < 0 && fs_exists(file) ? 0 : 1;
}

/* A bind mount of the same file system has the same device, and behind it is somebody else's directory. */
static void stops_at_bind_mounts(void **state)
{
    char *tree CLEANUP_FREE = mem_printf("%s/tree", top);
    char *sub CLEANUP_FREE = mem_printf("%s/tree/sub", top);
    char *host CLEANUP_FREE = mem_printf("%s/host", top);
    char *file CLEANUP_FREE = mem_printf("%s/host/precious", top);
    int status = 0;
    pid_t pid;

    assert_int_equal(fs_make_dirs(sub, 0700, NULL), 0);
    assert_int_equal(fs_make_dirs(host, 0700, NULL), 0);
    assert_int_equal(fs_write(file, SLICE_LIT("x"), 0600, NULL), 0);
    pid = fork();
    if (!pid)
        _exit(remove_with_bind(tree, host, file));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WEXITSTATUS(status) == 2)
        skip(); /* no right to mount */
    assert_int_equal(status, 0);
    assert_true(fs_exists(file));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(removes_what_is_deep, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_no_link, setup, teardown),
        cmocka_unit_test_setup_teardown(stops_at_bind_mounts, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
