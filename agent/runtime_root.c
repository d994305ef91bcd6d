/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system of a container: the layers of its image under a directory of its own. For a pod with users of
 * its own the layers are mounted once more with owners as those see them, only as long as it takes to mount the
 * overlay, which keeps them; and the root stands where the pod's root can get to it:
 *
 *     RUN_DIR/roots/ID/root     the way there is open to all, ID/ to root and the pod's root
 */
#include "agent/runtime_internal.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "agent/fs.h"
#include "agent/userns.h"

#define LOWERDIR_MAX 4096

static char *shown_path(const struct runtime *rt, const char *id, const char *name)
{
    return mem_printf("%s/%s%s%s", rt->roots, id, name ? "/" : "", name ? name : "");
}

char *runtime_root_path(const struct runtime *rt, const char *id, const struct runtime_users *users)
{
    return users ? shown_path(rt, id, "root") : runtime_home_path(rt, id, "root");
}

/* In a child, because the layers are named relative to a directory and the working directory is the process'. */
static int mount_overlay(const char *layers, const char *options, const char *target, struct error *err)
{
    int status = 0;
    pid_t pid = fork();

    if (pid < 0)
        return error_set_errno(err, errno, "starting a child");
    if (pid == 0) {
        if (chdir(layers) || mount("overlay", target, "overlay", 0, options))
            _exit(errno);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        return error_set_errno(err, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "mounting %s", target);
    return 0;
}

/* The lower directories by name, highest first. */
static int name_layers(const struct runtime *rt, const struct str_list *layers, struct buf *options, struct error *err)
{
    char *empty CLEANUP_FREE = mem_printf("%s/empty", rt->layers);

    buf_append_str(options, "lowerdir=");
    for (size_t i = layers->count; i-- > 0;)
        buf_printf(options, "%.24s%s", layers->items[i], i ? ":" : "");
    if (layers->count)
        return 0;
    buf_append_str(options, "empty");
    return fs_make_dirs(empty, 0755, err);
}

static int map_layers(const struct runtime *rt, const char *dir, const struct str_list *layers,
                      const struct runtime_users *users, struct buf *options, struct error *err)
{
    char *empty CLEANUP_FREE = mem_printf("%s/empty", dir);

    buf_append_str(options, "lowerdir=");
    for (size_t i = layers->count; i-- > 0;) {
        char *source CLEANUP_FREE = mem_printf("%s/%.24s", rt->layers, layers->items[i]);
        char *target CLEANUP_FREE = mem_printf("%s/%zu", dir, i);

        if (userns_mount(source, target, users->namespace_, true, err) < 0)
            return -1;
        buf_printf(options, "%zu%s", i, i ? ":" : "");
    }
    if (layers->count)
        return 0;
    buf_append_str(options, "empty");
    return fs_make_dirs(empty, 0755, err);
}

static int mount_with(const struct runtime *rt, const char *id, const char *layers, struct buf *options,
                      const char *root, struct error *err)
{
    char *upper CLEANUP_FREE = runtime_home_path(rt, id, "upper");
    char *work CLEANUP_FREE = runtime_home_path(rt, id, "work");

    buf_printf(options, ",upperdir=%s,workdir=%s", upper, work);
    if (options->len >= LOWERDIR_MAX)
        return error_set(err, ERROR_TOO_LARGE, "the image has too many layers to mount");
    return mount_overlay(layers, buf_cstr(options), root, err);
}

static int give_to_users(const struct runtime *rt, const char *id, const struct runtime_users *users, struct error *err)
{
    static const char *const parts[] = {"upper", "work"};

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        char *path CLEANUP_FREE = runtime_home_path(rt, id, parts[i]);

        if (chown(path, users->first, users->first))
            return error_set_errno(err, errno, "giving %s to the pod", path);
    }
    return userns_make_dir(rt->roots, id, users->first, err);
}

static int mount_for_users(const struct runtime *rt, const char *id, const struct str_list *layers,
                           const struct runtime_users *users, struct error *err)
{
    char *dir CLEANUP_FREE = runtime_home_path(rt, id, "layers");
    char *root CLEANUP_FREE = shown_path(rt, id, "root");
    BUF_LOCAL(options);
    int r = give_to_users(rt, id, users, err);

    if (!r)
        r = fs_make_dirs(root, 0755, err) < 0 ? -1 : fs_make_dirs(dir, 0700, err);
    if (!r)
        r = map_layers(rt, dir, layers, users, &options, err);
    if (!r)
        r = mount_with(rt, id, dir, &options, root, err);
    if (!r)
        r = fs_unmount_below(dir, err);
    return r;
}

int runtime_mount_root(const struct runtime *rt, const char *id, const struct str_list *layers,
                       const struct runtime_users *users, struct error *err)
{
    char *root CLEANUP_FREE = runtime_home_path(rt, id, "root");
    BUF_LOCAL(options);

    if (users)
        return mount_for_users(rt, id, layers, users, err);
    return name_layers(rt, layers, &options, err) < 0 ? -1 : mount_with(rt, id, rt->layers, &options, root, err);
}

int runtime_unmount_root(const struct runtime *rt, const char *id, struct error *err)
{
    char *home CLEANUP_FREE = runtime_home_path(rt, id, NULL);
    char *shown CLEANUP_FREE = shown_path(rt, id, NULL);

    if (fs_unmount_below(home, err) < 0)
        return -1;
    if (fs_exists(shown) && (fs_unmount_below(shown, err) < 0 || fs_remove_tree(shown, err) < 0))
        return -1;
    return fs_remove_tree(home, err);
}
