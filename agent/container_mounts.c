/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container sees beside its image. A subPath is resolved by the kernel inside its volume and pinned by a bind
 * mount before the container starts, so that nobody can swap a link in between.
 */
#include "agent/container_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/fs.h"
#include "agent/image_unpack.h"
#include "agent/pod_spec.h"
#include "agent/userns.h"
#include "agent/volumes.h"

static struct oci_mount *add_mount(struct oci_spec *spec, char *source, const char *destination, bool read_only)
{
    struct oci_mount *m;

    spec->mounts = mem_realloc(spec->mounts, (spec->mount_count + 1) * sizeof(*spec->mounts));
    m = &spec->mounts[spec->mount_count++];
    *m = (struct oci_mount){.source = source, .destination = mem_strdup(destination), .read_only = read_only};
    return m;
}

/* ---- subPath ---- */

/* One directory of a subPath, with the mode of the volume's own, so that whoever may write there may write here. */
static int make_part(int root, const char *path, mode_t mode, struct error *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    char *parent CLEANUP_FREE = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    int at CLEANUP_FD = image_open_inside(root, parent, O_RDONLY | O_DIRECTORY, err);
    int fd CLEANUP_FD = -1;

    if (at < 0)
        return -1;
    if (mkdirat(at, name, 0755))
        return errno == EEXIST ? 0 : error_set_errno(err, errno, "making %s", path);
    fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, mode))
        return error_set_errno(err, errno, "setting the mode of %s", path);
    return 0;
}

/* Opens the place inside the volume, making directories that are missing. */
static int open_sub_path(const char *volume, const char *sub, struct error *err)
{
    int root CLEANUP_FD = open(volume, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *path CLEANUP_FREE = mem_strdup(sub);
    struct stat st;
    int fd;

    if (root < 0 || fstat(root, &st))
        return error_set_errno(err, errno, "opening %s", volume);
    fd = image_open_inside(root, sub, O_PATH, NULL);
    for (char *p = strchr(path + 1, '/'); fd < 0; p = strchr(p + 1, '/')) {
        if (p)
            *p = '\0';
        if (make_part(root, path, st.st_mode & 07777, err) < 0)
            return error_wrap(err, "making subPath %s", sub);
        if (!p)
            break;
        *p = '/';
    }
    if (fd < 0)
        fd = image_open_inside(root, sub, O_PATH, err);
    return fd < 0 ? error_wrap(err, "opening subPath %s", sub) : fd;
}

static bool sub_path_valid(const char *sub, struct error *err)
{
    struct slice rest = slice_str(sub);
    struct slice part;

    while (slice_split(&rest, '/', &part))
        if (slice_is(part, "..")) {
            (void)error_set(err, ERROR_INVALID, "subPath must not contain \"..\"");
            return false;
        }
    if (*sub == '/')
        (void)error_set(err, ERROR_INVALID, "subPath %s must not be an absolute path", sub);
    return *sub != '/';
}

static char *bind_sub_path(const struct container_start *s, const struct runtime_container *c, const char *volume,
                           const char *sub, size_t index, struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf("%s/containers/%s", s->runtime->home, c->id);
    char *target CLEANUP_FREE = mem_printf("%s/subpath-%zu", dir, index);
    char *from CLEANUP_FREE = NULL;
    struct stat st;
    int fd CLEANUP_FD = -1;
    int place;

    if (!sub_path_valid(sub, err))
        return NULL;
    fd = open_sub_path(volume, sub, err);
    if (fd < 0)
        return NULL;
    if (fstat(fd, &st)) {
        (void)error_set_errno(err, errno, "looking at subPath %s", sub);
        return NULL;
    }
    place = S_ISDIR(st.st_mode) ? mkdir(target, 0755) : open(target, O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
    if (place > 0)
        (void)close(place);
    from = mem_printf("/proc/self/fd/%d", fd);
    if (place < 0 || mount(from, target, NULL, MS_BIND | MS_REC, NULL)) {
        (void)error_set_errno(err, errno, "binding subPath %s", sub);
        return NULL;
    }
    return STEAL(target);
}

/* ---- volume mounts ---- */

static int add_volume_mount(const struct container_start *s, const struct runtime_container *c,
                            const struct value *mount_, size_t index, struct oci_spec *spec, struct error *err)
{
    const char *name = object_text(mount_, "name");
    const char *destination = object_text(mount_, "mountPath");
    const char *sub = object_text(mount_, "subPath");
    const char *expression = object_text(mount_, "subPathExpr");
    const char *propagation = object_text(mount_, "mountPropagation");
    const char *recursive = object_text(mount_, "recursiveReadOnly");
    char *source CLEANUP_FREE = volume_path(s->pod, s->pod_dir, name ? name : "");
    struct oci_mount *m;
    BUF_LOCAL(expanded);

    if (!source || !destination)
        return error_set(err, ERROR_INVALID, "volume \"%s\" is not one of the pod", name ? name : "");
    if (expression && *expression) {
        env_expand(slice_str(expression), &spec->env, &expanded);
        sub = buf_cstr(&expanded);
    }
    if (sub && *sub) {
        char *bound = bind_sub_path(s, c, source, sub, index, err);

        if (!bound)
            return -1;
        free(source);
        source = bound;
    }
    /* A hostPath without a type may be absent; it becomes a directory, as runtimes have always had it. */
    if (!fs_exists(source) && fs_make_dirs(source, 0755, err) < 0)
        return -1;
    m = add_mount(spec, STEAL(source), destination,
                  value_bool(value_get(mount_, "readOnly")) || volume_read_only(s->pod, name));
    m->recursive_read_only = recursive && strcmp(recursive, "Disabled") != 0;
    if (propagation && !strcmp(propagation, "HostToContainer"))
        m->propagation = "rslave";
    if (propagation && !strcmp(propagation, "Bidirectional"))
        m->propagation = "rshared";
    return 0;
}

static bool destination_taken(const struct oci_spec *spec, const char *destination)
{
    for (size_t i = 0; i < spec->mount_count; i++)
        if (!strcmp(spec->mounts[i].destination, destination))
            return true;
    return false;
}

static void add_etc(const struct container_start *s, struct oci_spec *spec)
{
    static const char *const files[] = {"hosts", "resolv.conf", "hostname"};

    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        char *destination CLEANUP_FREE = mem_printf("/etc/%s", files[i]);

        if (!destination_taken(spec, destination))
            add_mount(spec, mem_printf("%s/etc/%s", s->pod_dir, files[i]), destination, spec->rootfs_read_only);
    }
}

/* Shared by the pod's containers, as its IPC namespace is. */
static void add_shm(const struct container_start *s, struct oci_spec *spec)
{
    bool host = value_bool(value_path(s->pod, "spec", "hostIPC", NULL));

    if (!destination_taken(spec, "/dev/shm"))
        add_mount(spec, host ? mem_strdup("/dev/shm") : mem_printf("%s/" VOLUMES_SHM, s->pod_dir), "/dev/shm", false);
}

static size_t depth(const char *path)
{
    size_t n = 0;

    for (; *path; path++)
        n += *path == '/' && path[1] && path[1] != '/';
    return n;
}

static int compare_depth(const void *a, const void *b)
{
    size_t da = depth(((const struct oci_mount *)a)->destination);
    size_t db = depth(((const struct oci_mount *)b)->destination);

    return da < db ? -1 : da > db;
}

int container_mounts_fill(const struct container_start *s, const struct runtime_container *c, struct oci_spec *spec,
                          struct error *err)
{
    const struct value *list = value_get(s->container, "volumeMounts");
    const char *message_path = object_text(s->container, "terminationMessagePath");

    for (size_t i = 0; i < value_count(list); i++)
        if (add_volume_mount(s, c, value_at(list, i), i, spec, err) < 0)
            return -1;
    add_etc(s, spec);
    add_shm(s, spec);
    add_mount(spec, mem_strdup(c->termination_path), message_path ? message_path : "/dev/termination-log", false);
    /* What is mounted inside another mount comes after it. */
    qsort(spec->mounts, spec->mount_count, sizeof(*spec->mounts), compare_depth);
    return 0;
}

int container_mounts_map(const struct container_start *s, const struct runtime_container *c, struct oci_spec *spec,
                         struct error *err)
{
    for (size_t i = 0; i < spec->mount_count; i++) {
        struct oci_mount *m = &spec->mounts[i];
        char *target CLEANUP_FREE = mem_printf("%s/containers/%s/mapped-%zu", s->runtime->home, c->id, i);

        if (userns_mount(m->source, target, s->sandbox->user, m->read_only, err) < 0)
            return error_wrap(err, "mounting %s", m->destination);
        /* Done already: inside a user namespace the runtime could not remount it without losing nosuid and nodev, which
         * the kernel does not let it. */
        m->read_only = false;
        free(m->source);
        m->source = STEAL(target);
    }
    return 0;
}
