/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a container of a pod's spec to a running one: what the pod says is laid over what the image says, resolved, and
 * written down as an OCI configuration. Mistakes of the pod are told apart from failures of the host and of the
 * runtime, because Kubernetes shows them under different reasons.
 */
#include "agent/container.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/container_mounts.h"
#include "agent/container_security.h"
#include "agent/fs.h"
#include "agent/pod_spec.h"
#include "lib/encoding.h"

/* "RTMIN+3", "RTMAX": 0 when it is none. */
static int64_t realtime_signal(const char *name)
{
    bool up = !strncmp(name, "RTMIN", 5);
    int64_t step = 0;
    int64_t number;

    if ((!up && strncmp(name, "RTMAX", 5) != 0) ||
        (name[5] && (name[5] != (up ? '+' : '-') || !slice_to_int64(slice_str(name + 6), &step) || step < 0)))
        return 0;
    number = up ? SIGRTMIN + step : SIGRTMAX - step;
    return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

int container_signal(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } signals[] = {
        {"ABRT", SIGABRT},     {"ALRM", SIGALRM},   {"BUS", SIGBUS},   {"CHLD", SIGCHLD}, {"CLD", SIGCHLD},
        {"CONT", SIGCONT},     {"FPE", SIGFPE},     {"HUP", SIGHUP},   {"ILL", SIGILL},   {"INT", SIGINT},
        {"IO", SIGIO},         {"IOT", SIGIOT},     {"KILL", SIGKILL}, {"PIPE", SIGPIPE}, {"POLL", SIGPOLL},
        {"PROF", SIGPROF},     {"PWR", SIGPWR},     {"QUIT", SIGQUIT}, {"SEGV", SIGSEGV}, {"STKFLT", SIGSTKFLT},
        {"STOP", SIGSTOP},     {"SYS", SIGSYS},     {"TERM", SIGTERM}, {"TRAP", SIGTRAP}, {"TSTP", SIGTSTP},
        {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU},   {"URG", SIGURG},   {"USR1", SIGUSR1}, {"USR2", SIGUSR2},
        {"VTALRM", SIGVTALRM}, {"WINCH", SIGWINCH}, {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ}};
    int64_t number;

    if (slice_to_int64(slice_str(name), &number))
        return number > 0 && number < 65 ? (int)number : 0;
    if (!strncmp(name, "SIG", 3))
        name += 3;
    number = realtime_signal(name);
    if (number)
        return (int)number;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (!strcmp(signals[i].name, name))
            return signals[i].number;
    return 0;
}

void container_hash(const struct value *container, char ret_hash[17])
{
    static const char *const parts[] = {"name", "image"};
    char hex[SHA256_SIZE * 2 + 1];
    BUF_LOCAL(text);

    /* Only what may change in a running pod; resources are resized, not restarted. */
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        buf_printf(&text, "%s\n", object_text(container, parts[i]) ? object_text(container, parts[i]) : "");
    sha256_hex(buf_slice(&text), hex);
    memcpy(ret_hash, hex, 16);
    ret_hash[16] = '\0';
}

char *container_log_dir(const char *log_dir, const struct value *pod)
{
    return mem_printf("%s/%s_%s_%s", log_dir, pod_namespace(pod), pod_name(pod), pod_uid(pod));
}

/* ---- the parts of a start ---- */

static char *text_or_empty(const char *text)
{
    return mem_strdup(text ? text : "");
}

static char *resources_text(const struct value *container)
{
    const struct value *resources = value_get(container, "resources");
    BUF_LOCAL(text);

    if (resources)
        value_write(resources, &text);
    return text.len ? buf_steal_str(&text) : mem_strdup("{}");
}

static struct runtime_container *make_record(const struct container_start *s)
{
    struct runtime_container *c = mem_zalloc(sizeof(*c));
    char *log_dir CLEANUP_FREE = container_log_dir(s->log_dir, s->pod);
    const char *wish = value_str(value_path(s->container, "lifecycle", "stopSignal", NULL));
    char hash[17];

    container_hash(s->container, hash);
    c->pod_uid = mem_strdup(pod_uid(s->pod));
    c->pod_namespace = mem_strdup(pod_namespace(s->pod));
    c->pod_name = mem_strdup(pod_name(s->pod));
    c->name = text_or_empty(object_text(s->container, "name"));
    c->attempt = s->attempt;
    c->image = text_or_empty(object_text(s->container, "image"));
    c->image_id = mem_strdup(s->image->digest ? s->image->digest : s->image->id);
    c->log_path = mem_printf("%s/%s/%u.log", log_dir, c->name, s->attempt);
    c->hash = mem_strdup(hash);
    c->reason = mem_strdup("");
    c->message = mem_strdup("");
    c->stop_signal = text_or_empty(wish && *wish ? wish : object_text(s->image->config, "StopSignal"));
    c->termination_path = mem_printf("%s/containers/%s/%u", s->pod_dir, c->name, s->attempt);
    c->cgroup_path = mem_strdup("");
    c->log_tells = slice_is(value_string(value_get(s->container, "terminationMessagePolicy")), "FallbackToLogsOnError");
    c->resources = resources_text(s->container);
    c->allocated = mem_strdup(c->resources);
    c->stdin_open = value_bool(value_get(s->container, "stdin"));
    c->stdin_once = value_bool(value_get(s->container, "stdinOnce"));
    c->tty = value_bool(value_get(s->container, "tty"));
    return c;
}

static int make_directories(const struct container_start *s, const struct runtime_container *c, struct error *err)
{
    char *log_dir CLEANUP_FREE = mem_strndup(c->log_path, (size_t)(strrchr(c->log_path, '/') - c->log_path));
    char *own CLEANUP_FREE = mem_printf("%s/containers/%s", s->pod_dir, c->name);

    if (fs_make_dirs(log_dir, 0755, err) < 0 || fs_make_dirs(own, 0755, err) < 0)
        return -1;
    return fs_write(c->termination_path, SLICE_NONE, 0666, err);
}

static void fill_resources(const struct container_start *s, struct runtime_container *c, struct oci_spec *spec)
{
    int64_t memory_request;

    container_limits(s->container, &spec->limits, &memory_request);
    spec->oom_score = cgroup_oom_score(pod_qos(s->pod), memory_request, s->facts->node_memory);
    if (spec->oom_score < cgroup_oom_floor())
        spec->oom_score = cgroup_oom_floor();
    spec->cgroup_version = s->runtime->cgroup_version;
    free(c->cgroup_path);
    c->cgroup_path = mem_printf("%s/%s", s->pod_cgroup, c->id);
    spec->cgroup_path = c->cgroup_path;
}

static int fill_process(const struct container_start *s, struct oci_spec *spec, struct error *err)
{
    const char *cwd = object_text(s->container, "workingDir");
    char *host_name CLEANUP_FREE = pod_kernel_name(s->pod, s->facts->cluster_domain, err);
    char *env_name CLEANUP_FREE = mem_printf("HOSTNAME=%s", host_name ? host_name : "");

    if (!host_name)
        return -1;
    if (!pod_host_network(s->pod))
        str_list_add(&spec->env, env_name);
    if (env_build(s->pod, s->container, s->image->config, s->facts, &spec->env, err) < 0 ||
        env_command(s->pod, s->container, s->image->config, s->facts, &spec->args, err) < 0)
        return -1;
    spec->terminal = value_bool(value_get(s->container, "tty"));
    spec->cwd = cwd && *cwd ? cwd : object_text(s->image->config, "WorkingDir");
    return 0;
}

static void fill_namespaces(const struct container_start *s, struct oci_spec *spec)
{
    spec->network_namespace = s->sandbox->network;
    spec->ipc_namespace = s->sandbox->ipc;
    spec->uts_namespace = s->sandbox->uts;
    spec->user_namespace = s->sandbox->user;
    spec->users_first = s->sandbox->users_first;
    spec->host_pid = value_bool(value_path(s->pod, "spec", "hostPID", NULL));
}

static enum container_result start_prepared(const struct container_start *s, struct runtime_container *c,
                                            struct oci_spec *spec, struct error *err)
{
    const struct runtime_users own = {s->sandbox->user, s->sandbox->users_first};
    const struct runtime_users *users = s->sandbox->user ? &own : NULL;
    char *rootfs CLEANUP_FREE = runtime_root_path(s->runtime, c->id, users);
    struct user user = {0};
    ERROR_LOCAL(why);

    if (runtime_mount_root(s->runtime, c->id, &s->image->layers, users, err) < 0 || make_directories(s, c, err) < 0)
        return CONTAINER_NOT_MADE;
    spec->rootfs = rootfs;
    fill_resources(s, c, spec);
    fill_namespaces(s, spec);
    if (fill_process(s, spec, err) < 0 || container_user_fill(s, rootfs, &user, spec, err) < 0)
        return CONTAINER_BAD_CONFIG;
    if (container_security_fill(s, spec, err) < 0)
        return CONTAINER_NOT_MADE;
    if (container_mounts_fill(s, c, spec, err) < 0)
        return CONTAINER_BAD_CONFIG;
    if (users && container_mounts_map(s, c, spec, err) < 0)
        return CONTAINER_NOT_MADE;
    if (runtime_start(s->runtime, c, spec, &why) == 0)
        return CONTAINER_STARTED;
    if (runtime_fail(s->runtime, c, 128, "StartError", error_text(&why), err) < 0)
        return CONTAINER_NOT_MADE;
    (void)runtime_release(s->runtime, c->id, NULL);
    (void)error_pass(err, &why, NULL);
    return CONTAINER_FAILED;
}

enum container_result container_start(const struct container_start *s, struct runtime_container **ret_container,
                                      struct error *err)
{
    struct runtime_container *c = make_record(s);
    struct oci_spec spec = {0};
    enum container_result result;
    int pids CLEANUP_FD = s->target ? runtime_open_pids(s->runtime, s->target, err) : -1;
    char *pids_path CLEANUP_FREE = mem_printf("/proc/%d/fd/%d", (int)getpid(), pids); /* the runtime opens it */

    spec.pid_namespace = s->target ? pids_path : NULL;
    if ((s->target && pids < 0) || runtime_prepare(s->runtime, c, err) < 0)
        result = CONTAINER_NOT_MADE;
    else
        result = start_prepared(s, c, &spec, err);
    oci_spec_clear(&spec);
    if (result == CONTAINER_STARTED || result == CONTAINER_FAILED) {
        *ret_container = c;
        return result;
    }
    if (c->id)
        (void)runtime_remove(s->runtime, c->id, NULL);
    runtime_container_free(c);
    return result;
}
