/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A namespace lives as long as something refers to it; a bind mount of /proc/PID/ns/X does. A short-lived child
 * unshares, sets itself up, and lives until what it made is pinned. That child comes from fork in a process with
 * threads, so it does nothing but system calls. The record is written last: a sandbox without one is removed and made
 * again.
 */
#include "agent/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/magic.h>

#include "agent/agent_metrics.h"
#include "agent/fs.h"
#include "agent/process.h"
#include "agent/userns.h"
#include "api/value.h"

#define RECORD_MAX 65536
#define SYNC_FD    3 /* in the child */

#define PINS 4
struct pin {
    const char *kind; /* directory below run_dir and name in /proc/self/ns */
    const char *ns;
    int flag;
};
static const struct pin pins[PINS] = {{"netns", "net", CLONE_NEWNET},
                                      {"ipc", "ipc", CLONE_NEWIPC},
                                      {"uts", "uts", CLONE_NEWUTS},
                                      {"user", "user", CLONE_NEWUSER}};

void sandbox_clear(struct sandbox *s)
{
    free(s->uid);
    free(s->ip);
    free(s->network);
    free(s->ipc);
    free(s->uts);
    free(s->user);
    *s = (struct sandbox){0};
}

static bool pin_wanted(const struct pin *p, unsigned flags)
{
    /* On the host's network a pod has the host's name too. */
    if (p->flag == CLONE_NEWIPC)
        return !(flags & SANDBOX_HOST_IPC);
    if (p->flag == CLONE_NEWUSER)
        return flags & SANDBOX_USERS;
    return !(flags & SANDBOX_HOST_NETWORK);
}

static char *pin_path(const struct sandbox_config *config, const struct pin *p, const char *uid)
{
    return mem_printf("%s/%s/%s", config->run_dir, p->kind, uid);
}

static char *record_path(const struct sandbox_config *config, const char *uid)
{
    return mem_printf("%s/sandboxes/%s.json", config->run_dir, uid);
}

static char *users_path(const struct sandbox_config *config)
{
    return mem_printf("%s/users", config->run_dir);
}

/* ---- the child: system calls only ---- */

static void loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request))
        _exit(errno);
    (void)close(fd);
}

/* As containerd's defaults: ports below 1024 and ping without capabilities; it is the pod's own network. */
static void sysctl_set(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd >= 0) {
        (void)!write(fd, value, strlen(value));
        (void)close(fd);
    }
}

/* Says when the namespaces are there, and holds them until it hears back. Everything else is closed first: a copy of
 * another child's end, taken by a fork at the same time, would keep that child's parent, or the child, waiting. */
static void child_make(int flags, const char *host_name, int sync)
{
    char byte = 0;

    if (dup2(sync, SYNC_FD) < 0 || syscall(SYS_close_range, SYNC_FD + 1, ~0U, 0))
        _exit(errno);
    sync = SYNC_FD;
    if (unshare(flags))
        _exit(errno);
    if (flags & CLONE_NEWNET) {
        loopback_up();
        sysctl_set("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
        /* In a user namespace, groups that it does not have are no range. */
        sysctl_set("/proc/sys/net/ipv4/ping_group_range", flags & CLONE_NEWUSER ? "0 65535" : "0 2147483647");
    }
    if ((flags & CLONE_NEWUTS) && sethostname(host_name, strlen(host_name)))
        _exit(errno);
    /* One byte, or the end of an agent that died. */
    if (write(sync, &byte, 1) != 1 || read(sync, &byte, 1) < 0)
        _exit(errno);
    _exit(0);
}

/* ---- end of the child ---- */

static int touch(const char *path, struct error *err)
{
    int fd CLEANUP_FD = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 ? error_set_errno(err, errno, "making %s", path) : 0;
}

static int pins_mount(pid_t pid, char *const paths[PINS], uint32_t users_first, struct error *err)
{
    if (users_first && userns_map(pid, users_first, err) < 0)
        return -1;
    for (size_t i = 0; i < PINS; i++) {
        char *source CLEANUP_FREE = mem_printf("/proc/%d/ns/%s", (int)pid, pins[i].ns);

        if (paths[i] && (touch(paths[i], err) < 0 || mount(source, paths[i], NULL, MS_BIND, NULL)))
            return error_set_errno(err, errno, "pinning a namespace");
    }
    return 0;
}

static int pins_make(char *const paths[PINS], const char *host_name, uint32_t users_first, struct error *err)
{
    int status = 0;
    int flags = 0;
    int sync[2];
    char byte = 0;
    pid_t pid;
    int r = 0;

    for (size_t i = 0; i < PINS; i++)
        flags |= paths[i] ? pins[i].flag : 0;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync))
        return error_set_errno(err, errno, "making a socket pair");
    pid = fork();
    if (pid == 0) {
        (void)close(sync[0]);
        child_make(flags, host_name, sync[1]);
    }
    (void)close(sync[1]);
    if (pid < 0)
        r = error_set_errno(err, errno, "starting a child");
    else if (read(sync[0], &byte, 1) == 1)
        r = pins_mount(pid, paths, users_first, err);
    if (pid > 0)
        (void)!send(sync[0], &byte, 1, MSG_NOSIGNAL);
    (void)close(sync[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (!r && (!WIFEXITED(status) || WEXITSTATUS(status)))
        return error_set_errno(err, WIFEXITED(status) ? WEXITSTATUS(status) : EINTR, "making namespaces");
    return r;
}

static void pins_drop(const struct sandbox_config *config, const char *uid)
{
    for (size_t i = 0; i < PINS; i++) {
        char *path CLEANUP_FREE = pin_path(config, &pins[i], uid);

        (void)umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
        (void)unlink(path);
    }
}

/* ---- CNI ---- */

static void cni_config(const struct sandbox_config *config, struct buf *out)
{
    struct value *root CLEANUP_VALUE = value_new_object();
    struct value *ipam;
    struct value *range = value_new_object();
    struct value *ranges = value_new_array();
    struct value *route = value_new_object();
    char *data_dir CLEANUP_FREE = mem_printf("%s/cni", config->run_dir);

    value_set_str(root, "cniVersion", "0.4.0");
    value_set_str(root, "name", config->bridge);
    value_set_str(root, "type", "bridge");
    value_set_str(root, "bridge", config->bridge);
    value_set(root, "isGateway", value_new_bool(true));
    value_set(root, "hairpinMode", value_new_bool(true));
    ipam = value_need_object(root, "ipam");
    value_set_str(ipam, "type", "host-local");
    value_set_str(ipam, "dataDir", data_dir);
    value_set_str(range, "subnet", config->pod_cidr);
    value_append(ranges, range);
    value_append(value_need_array(ipam, "ranges"), ranges);
    value_set_str(route, "dst", "0.0.0.0/0");
    value_append(value_need_array(ipam, "routes"), route);
    value_write(root, out);
}

/* What the plug-in says in its error result, or how it ended. */
static int cni_failed(const char *command, const struct process_result *r, struct error *err)
{
    struct value *v CLEANUP_VALUE = value_parse(buf_slice(&r->output), NULL);
    struct slice message = value_string(value_get(v, "msg"));

    if (!message.len)
        message = slice_trim(buf_slice(&r->errors));
    return error_set(err, ERROR_IO, "plugin type=\"bridge\" failed (%s): %.*s", command, SLICE_ARGS(message));
}

/* DEL speaks of the network as the last ADD made it: in a clean-up, or after a restart without an API server, nobody
 * else knows its range any more. */
static int cni_input(const struct sandbox_config *config, const char *command, struct buf *out, struct error *err)
{
    char *path CLEANUP_FREE = mem_printf("%s/network.json", config->run_dir);
    BUF_LOCAL(kept);
    bool known = fs_read(path, RECORD_MAX, &kept, NULL) == 0;

    if (!strcmp(command, "DEL") && known) {
        buf_append_slice(out, buf_slice(&kept));
        return 0;
    }
    cni_config(config, out);
    if (known && slice_equal(buf_slice(&kept), buf_slice(out)))
        return 0;
    return fs_write(path, buf_slice(out), 0600, err);
}

static int cni_run(const struct sandbox_config *config, const char *command, const char *uid, const char *netns,
                   struct process_result *result, struct error *err)
{
    char *plugin CLEANUP_FREE = mem_printf("%s/bridge", config->cni_dir);
    char *env_command CLEANUP_FREE = mem_printf("CNI_COMMAND=%s", command);
    char *env_id CLEANUP_FREE = mem_printf("CNI_CONTAINERID=%s", uid);
    char *env_netns CLEANUP_FREE = mem_printf("CNI_NETNS=%s", netns);
    char *env_path CLEANUP_FREE = mem_printf("CNI_PATH=%s", config->cni_dir);
    const char *argv[] = {plugin, NULL};
    const char *env[] = {
        env_command, env_id, env_netns, env_path, "CNI_IFNAME=eth0", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct process_options options = {.argv = argv, .env = env, .timeout_ms = 60000};
    BUF_LOCAL(input);

    if (cni_input(config, command, &input, err) < 0)
        return -1;
    options.input = buf_slice(&input);
    if (process_run(&options, result, err) < 0)
        return -1;
    return result->status ? cni_failed(command, result, err) : 0;
}

static int cni_add(const struct sandbox_config *config, struct sandbox *s, struct error *err)
{
    PROCESS_RESULT_LOCAL(result);
    struct value *v CLEANUP_VALUE = NULL;
    struct slice address;
    ptrdiff_t slash;

    if (cni_run(config, "ADD", s->uid, s->network, &result, err) < 0)
        return -1;
    v = value_parse(buf_slice(&result.output), err);
    if (!v)
        return error_wrap(err, "reading the CNI result");
    address = value_string(value_path(value_at(value_get(v, "ips"), 0), "address", NULL));
    slash = slice_find(address, '/');
    if (slash <= 0)
        return error_set(err, ERROR_IO, "the CNI result has no address");
    s->ip = slice_dup(slice_make(address.data, (size_t)slash));
    return 0;
}

static void paths_fill(const struct sandbox_config *config, struct sandbox *s)
{
    char **const places[PINS] = {&s->network, &s->ipc, &s->uts, &s->user};

    for (size_t i = 0; i < PINS; i++)
        if (pin_wanted(&pins[i], s->flags))
            *places[i] = pin_path(config, &pins[i], s->uid);
}

static int record_write(const struct sandbox_config *config, const struct sandbox *s, struct error *err)
{
    char *path CLEANUP_FREE = record_path(config, s->uid);
    struct value *v CLEANUP_VALUE = value_new_object();
    BUF_LOCAL(json);

    value_set_str(v, "uid", s->uid);
    value_set(v, "flags", value_new_int(s->flags));
    value_set(v, "users", value_new_int(s->users_first));
    if (s->ip)
        value_set_str(v, "ip", s->ip);
    value_write(v, &json);
    return fs_write(path, buf_slice(&json), 0600, err);
}

static int sandbox_make(const struct sandbox_config *config, struct sandbox *s, const char *host_name,
                        struct error *err)
{
    char *const paths[PINS] = {s->network, s->ipc, s->uts, s->user};
    char *ranges CLEANUP_FREE = users_path(config);

    for (size_t i = 0; i < PINS; i++) {
        char *dir CLEANUP_FREE = mem_printf("%s/%s", config->run_dir, pins[i].kind);

        if (fs_make_dirs(dir, 0700, err) < 0)
            return -1;
    }
    if (s->user && userns_range_take(ranges, s->uid, &s->users_first, err) < 0)
        return -1;
    if ((s->network || s->ipc) && pins_make(paths, host_name, s->users_first, err) < 0)
        return -1;
    if (s->network && cni_add(config, s, err) < 0)
        return -1;
    return record_write(config, s, err);
}

int sandbox_create(const struct sandbox_config *config, const char *uid, const char *host_name, unsigned flags,
                   struct sandbox *ret_sandbox, struct error *err)
{
    char *records CLEANUP_FREE = mem_printf("%s/sandboxes", config->run_dir);
    struct sandbox s = {0};
    int64_t begin = agent_count_begin();

    if (sandbox_load(config, uid, ret_sandbox, NULL) == 0)
        return 0;
    if (sandbox_remove(config, uid, err) < 0 || fs_make_dirs(records, 0700, err) < 0)
        return -1;
    s.uid = mem_strdup(uid);
    s.flags = flags;
    paths_fill(config, &s);
    if (agent_count_operation("run_podsandbox", begin, sandbox_make(config, &s, host_name, err)) < 0) {
        (void)sandbox_remove(config, uid, NULL);
        sandbox_clear(&s);
        return -1;
    }
    *ret_sandbox = s;
    return 0;
}

static bool pin_alive(const char *path)
{
    struct statfs fs;

    return !path || (!statfs(path, &fs) && (unsigned long)fs.f_type == NSFS_MAGIC);
}

int sandbox_load(const struct sandbox_config *config, const char *uid, struct sandbox *ret_sandbox, struct error *err)
{
    char *path CLEANUP_FREE = record_path(config, uid);
    struct value *v CLEANUP_VALUE = NULL;
    struct sandbox s = {0};
    BUF_LOCAL(json);

    if (fs_read(path, RECORD_MAX, &json, err) < 0)
        return -1;
    v = value_parse(buf_slice(&json), err);
    if (!v)
        return error_wrap(err, "reading %s", path);
    s.uid = mem_strdup(uid);
    s.flags = (unsigned)value_int(value_get(v, "flags"));
    s.users_first = (uint32_t)value_int(value_get(v, "users"));
    if (value_str(value_get(v, "ip")))
        s.ip = mem_strdup(value_str(value_get(v, "ip")));
    paths_fill(config, &s);
    if (!pin_alive(s.network) || !pin_alive(s.ipc) || !pin_alive(s.uts) || !pin_alive(s.user)) {
        sandbox_clear(&s);
        return error_set(err, ERROR_NOT_FOUND, "the namespaces of sandbox %s are gone", uid);
    }
    *ret_sandbox = s;
    return 0;
}

int sandbox_remove(const struct sandbox_config *config, const char *uid, struct error *err)
{
    char *record CLEANUP_FREE = record_path(config, uid);
    char *netns CLEANUP_FREE = pin_path(config, &pins[0], uid);
    char *ranges CLEANUP_FREE = users_path(config);
    PROCESS_RESULT_LOCAL(result);

    /* DEL is wanted whenever ADD may have run, also half way; the plug-in takes an absent namespace well. */
    if (fs_exists(netns) && cni_run(config, "DEL", uid, pin_alive(netns) ? netns : "", &result, err) < 0)
        return error_wrap(err, "removing the network of sandbox %s", uid);
    pins_drop(config, uid);
    userns_range_drop(ranges, uid);
    if (unlink(record) && errno != ENOENT)
        return error_set_errno(err, errno, "removing %s", record);
    return 0;
}
