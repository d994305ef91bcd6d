/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The security context. What is not said is the safe thing: nine capabilities, the default filter of system calls, the
 * usual masked paths. Users and groups are resolved by the files of the image, which are the image's: they are opened
 * inside the root, bounded, and only when they are regular files.
 */
#include "agent/container_security.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

#include "agent/fs.h"
#include "agent/image_unpack.h"
#include "agent/pod_spec.h"
#include "agent/seccomp.h"

#define PASSWD_MAX   (1u << 20)
#define DEVICES_MAX  4096
#define DEVICE_DEPTH 4 /* directories below /dev */

static const struct value *security(const struct container_start *s, const char *name)
{
    const struct value *own = value_path(s->container, "securityContext", name, NULL);

    return own ? own : value_path(s->pod, "spec", "securityContext", name, NULL);
}

/* ---- user and groups ---- */

static void read_inside(int root, const char *path, struct buf *out)
{
    int fd CLEANUP_FD = image_open_inside(root, path, O_RDONLY | O_NONBLOCK, NULL);
    struct stat st;
    char *at CLEANUP_FREE = NULL;

    if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode))
        return;
    at = mem_printf("/proc/self/fd/%d", fd);
    if (fs_read(at, PASSWD_MAX, out, NULL) < 0)
        buf_reset(out);
}

/* runAsNonRoot looks at what is said, not at what it resolves to: a name may be anybody's. */
static int check_non_root(const struct container_start *s, struct slice image_user, struct error *err)
{
    const struct value *run_as = security(s, "runAsUser");
    char *pod CLEANUP_FREE = pod_display_name(s->pod);
    const char *name = object_text(s->container, "name");
    struct slice user = SLICE_NONE;
    int64_t uid = 0;

    if (!value_bool(security(s, "runAsNonRoot")))
        return 0;
    if (value_is(run_as, VALUE_INT))
        return value_int(run_as)
                   ? 0
                   : error_set(err, ERROR_INVALID,
                               "container's runAsUser breaks non-root policy (pod: \"%s\", container: %s)", pod, name);
    (void)slice_split(&image_user, ':', &user);
    if (user.len && !slice_to_int64(user, &uid))
        return error_set(err, ERROR_INVALID,
                         "container has runAsNonRoot and image has non-numeric user (%.*s), cannot verify user is "
                         "non-root (pod: \"%s\", container: %s)",
                         SLICE_ARGS(user), pod, name);
    return uid ? 0
               : error_set(err, ERROR_INVALID,
                           "container has runAsNonRoot and image will run as root (pod: \"%s\", container: %s)", pod,
                           name);
}

static int add_groups(const struct container_start *s, struct user *user, struct error *err)
{
    const struct value *context = value_path(s->pod, "spec", "securityContext", NULL);
    const struct value *fs_group = value_get(context, "fsGroup");
    const struct value *more = value_get(context, "supplementalGroups");

    if (slice_is(value_string(value_get(context, "supplementalGroupsPolicy")), "Strict"))
        user->group_count = 0;
    /* The first group is among the others too, or setgroups() could drop what a file denies to it. */
    user_add_group(user, user->gid);
    if (value_is(fs_group, VALUE_INT))
        user_add_group(user, (gid_t)value_int(fs_group));
    for (size_t i = 0; i < value_count(more); i++)
        if (!user_add_group(user, (gid_t)value_int(value_at(more, i))))
            return error_set(err, ERROR_INVALID, "more than %d groups", USER_GROUPS_MAX);
    return 0;
}

int container_user_fill(const struct container_start *s, const char *rootfs, struct user *user, struct oci_spec *spec,
                        struct error *err)
{
    const struct value *run_as = security(s, "runAsUser");
    const struct value *group = security(s, "runAsGroup");
    struct slice who = value_string(value_get(s->image->config, "User"));
    char *number CLEANUP_FREE = NULL;
    int root CLEANUP_FD = open(rootfs, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    BUF_LOCAL(passwd);
    BUF_LOCAL(groups);

    if (root < 0)
        return error_set_errno(err, errno, "opening %s", rootfs);
    if (check_non_root(s, who, err) < 0)
        return -1;
    read_inside(root, "etc/passwd", &passwd);
    read_inside(root, "etc/group", &groups);
    if (value_is(run_as, VALUE_INT)) {
        number = mem_printf("%lld", (long long)value_int(run_as));
        who = slice_str(number);
    }
    if (user_resolve(who, buf_slice(&passwd), buf_slice(&groups), user, err) < 0)
        return -1;
    if (value_is(group, VALUE_INT))
        user->gid = (gid_t)value_int(group);
    if (add_groups(s, user, err) < 0)
        return -1;
    spec->uid = user->uid;
    spec->gid = user->gid;
    spec->groups = user->groups;
    spec->group_count = user->group_count;
    return 0;
}

/* ---- devices of a privileged container ---- */

static bool device_left_out(const char *path)
{
    /* Mounts of the container's own, and what the runtime makes. */
    static const char *const out[] = {"/dev/pts",  "/dev/shm",         "/dev/fd",    "/dev/mqueue",
                                      "/dev/.lxc", "/dev/.lxd-mounts", "/dev/.udev", "/dev/console"};

    for (size_t i = 0; i < ARRAY_SIZE(out); i++)
        if (!strcmp(out[i], path))
            return true;
    return false;
}

static void devices_collect(struct oci_spec *spec, const char *dir, unsigned depth)
{
    DIR *d = opendir(dir);
    struct dirent *e;

    while (d && (e = readdir(d)) && spec->device_count < DEVICES_MAX) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", dir, e->d_name);
        struct stat st;

        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") || device_left_out(path) || lstat(path, &st))
            continue;
        if (S_ISDIR(st.st_mode) && depth)
            devices_collect(spec, path, depth - 1);
        if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
            continue;
        spec->devices = mem_realloc(spec->devices, (spec->device_count + 1) * sizeof(*spec->devices));
        spec->devices[spec->device_count++] =
            (struct oci_device){STEAL(path), st.st_mode, st.st_rdev, st.st_uid, st.st_gid};
    }
    if (d)
        (void)closedir(d);
}

/* ---- the rest ---- */

static void fill_list(const struct value *list, struct str_list *out)
{
    for (size_t i = 0; i < value_count(list); i++)
        str_list_take(out, slice_dup(value_string(value_at(list, i))));
}

static uint64_t own_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, data))
        return 0;
    return (uint64_t)data[1].permitted << 32 | data[0].permitted;
}

static int fill_seccomp(const struct container_start *s, struct oci_spec *spec, struct error *err)
{
    const struct value *profile = security(s, "seccompProfile");
    struct slice type = value_string(value_get(profile, "type"));
    const char *name = object_text(profile, "localhostProfile");
    char *dir CLEANUP_FREE = mem_printf("%s/seccomp", s->runtime->home);

    spec->seccomp_unconfined = slice_is(type, "Unconfined");
    if (spec->privileged || !slice_is(type, "Localhost"))
        return 0;
    spec->seccomp = seccomp_profile_read(dir, name ? name : "", err);
    return spec->seccomp ? 0 : -1;
}

static void fill_sysctls(const struct container_start *s, struct oci_spec *spec)
{
    const struct value *list = value_path(s->pod, "spec", "securityContext", "sysctls", NULL);
    size_t count = value_count(list);

    spec->sysctls = mem_calloc(count, sizeof(*spec->sysctls));
    for (size_t i = 0; i < count; i++) {
        const char *name = object_text(value_at(list, i), "name");
        const char *value = object_text(value_at(list, i), "value");

        spec->sysctls[spec->sysctl_count++] =
            (struct oci_sysctl){pod_sysctl_name(name), mem_strdup(value ? value : "")};
    }
}

int container_security_fill(const struct container_start *s, struct oci_spec *spec, struct error *err)
{
    const struct value *own = value_get(s->container, "securityContext");
    const struct value *escalation = value_get(own, "allowPrivilegeEscalation");

    spec->privileged = value_bool(value_get(own, "privileged"));
    spec->capabilities_host = own_capabilities();
    spec->no_new_privileges = value_is(escalation, VALUE_BOOL) && !value_bool(escalation);
    spec->rootfs_read_only = value_bool(value_get(own, "readOnlyRootFilesystem"));
    /* Open to root of the pod alone, who is nobody outside. */
    spec->unmask_proc = pod_own_users(s->pod) && slice_is(value_string(value_get(own, "procMount")), "Unmasked");
    fill_list(value_path(own, "capabilities", "add", NULL), &spec->capabilities_add);
    fill_list(value_path(own, "capabilities", "drop", NULL), &spec->capabilities_drop);
    fill_sysctls(s, spec);
    if (spec->privileged)
        devices_collect(spec, "/dev", DEVICE_DEPTH);
    return fill_seccomp(s, spec, err);
}
