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
#include "agent/volumes.h"

#define ETC_MAX (1u << 20)

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

/* ---- /etc ---- */

static void write_aliases(const struct value *pod, struct buf *out)
{
    const struct value *aliases = value_path(pod, "spec", "hostAliases", NULL);

    if (value_count(aliases))
        buf_append_str(out, "\n# Entries added by HostAliases.\n");
    for (size_t i = 0; i < value_count(aliases); i++) {
        const struct value *names = value_get(value_at(aliases, i), "hostnames");

        buf_append_slice(out, value_string(value_get(value_at(aliases, i), "ip")));
        for (size_t n = 0; n < value_count(names); n++) {
            buf_append_byte(out, '\t');
            buf_append_slice(out, value_string(value_at(names, n)));
        }
        buf_append_byte(out, '\n');
    }
}

static void write_hosts(const struct value *pod, const struct sandbox *sandbox, const char *host_name, struct buf *out)
{
    const char *subdomain = value_str(value_path(pod, "spec", "subdomain", NULL));

    if (pod_host_network(pod)) {
        buf_append_str(out, "# Kubernetes-managed hosts file (host network).\n");
        (void)fs_read("/etc/hosts", ETC_MAX, out, NULL);
    } else {
        buf_append_str(out, "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n"
                            "::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n"
                            "fe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n");
        if (sandbox->ip && subdomain && *subdomain)
            buf_printf(out, "%s\t%s.%s.%s.svc." POD_DOMAIN "\t%s\n", sandbox->ip, host_name, subdomain,
                       pod_namespace(pod), host_name);
        else if (sandbox->ip)
            buf_printf(out, "%s\t%s\n", sandbox->ip, host_name);
    }
    write_aliases(pod, out);
}

static void write_list(struct buf *out, const char *word, const struct value *list)
{
    if (!value_count(list))
        return;
    buf_append_str(out, word);
    for (size_t i = 0; i < value_count(list); i++)
        buf_printf(out, " %.*s", SLICE_ARGS(value_string(value_at(list, i))));
    buf_append_byte(out, '\n');
}

/* The host's, or what dnsConfig says when dnsPolicy is None. A cluster DNS does not exist yet. */
static void write_resolv(const struct value *pod, struct buf *out)
{
    const struct value *config = value_path(pod, "spec", "dnsConfig", NULL);
    const struct value *servers = value_get(config, "nameservers");
    const struct value *options = value_get(config, "options");

    if (!slice_is(value_string(value_path(pod, "spec", "dnsPolicy", NULL)), "None"))
        (void)fs_read("/etc/resolv.conf", ETC_MAX, out, NULL);
    if (out->len && out->data[out->len - 1] != '\n')
        buf_append_byte(out, '\n');
    for (size_t i = 0; i < value_count(servers); i++)
        buf_printf(out, "nameserver %.*s\n", SLICE_ARGS(value_string(value_at(servers, i))));
    write_list(out, "search", value_get(config, "searches"));
    for (size_t i = 0; i < value_count(options); i++) {
        struct slice value = value_string(value_get(value_at(options, i), "value"));

        buf_printf(out, "options %.*s%s%.*s\n", SLICE_ARGS(value_string(value_get(value_at(options, i), "name"))),
                   value.len ? ":" : "", SLICE_ARGS(value));
    }
}

/* Rewrites in place: the file is bind-mounted into containers, which would keep a replaced one. */
static int rewrite(const char *dir, const char *name, struct slice text, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/%s", dir, name);
    int fd CLEANUP_FD = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len)
        return error_set_errno(err, errno, "writing %s", path);
    return 0;
}

int container_write_etc(const struct value *pod, const struct sandbox *sandbox, const char *pod_dir, struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf("%s/etc", pod_dir);
    char *host_name CLEANUP_FREE = pod_host_name(pod);
    char *kernel_name CLEANUP_FREE = pod_kernel_name(pod, POD_DOMAIN, err);
    BUF_LOCAL(hosts);
    BUF_LOCAL(resolv);
    BUF_LOCAL(name);

    if (!kernel_name || fs_make_dirs(dir, 0755, err) < 0)
        return -1;
    write_hosts(pod, sandbox, host_name, &hosts);
    write_resolv(pod, &resolv);
    buf_printf(&name, "%s\n", kernel_name);
    if (rewrite(dir, "hosts", buf_slice(&hosts), err) < 0 || rewrite(dir, "resolv.conf", buf_slice(&resolv), err) < 0)
        return -1;
    return rewrite(dir, "hostname", buf_slice(&name), err);
}
