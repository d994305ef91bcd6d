/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers by conmon and runc (or crun, see runtime_choose). One way to learn of an end: conmon's pidfd becomes
 * readable; conmon writes the exit code before it goes, so there is no race between the two and nothing to poll. After
 * a restart of the agent the same pidfd is opened again from conmon.pid; the pid counts only while its command line
 * carries the container's id.
 */
#include "agent/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <uv.h>

#include "agent/agent_metrics.h"
#include "agent/fs.h"
#include "agent/logs.h"
#include "agent/process.h"
#include "agent/text.h"
#include "api/value.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define RECORD_MAX            65536
#define EXIT_LOST             137 /* killed; also what a container that ended without a word is said to have returned */
#define TERMINATION_MAX       4096
#define TERMINATION_LOG_LINES 80
#define TERMINATION_LOG_MAX   2048
#define START_TIMEOUT         60000
#define CONMON_END_MS         5000

/* ---- record ---- */

/* The texts of a record; one table for reading, writing and freeing. */
struct text_field {
    const char *name;
    size_t offset;
};
#define FIELD(member)                                                                                                  \
    {                                                                                                                  \
#member, offsetof(struct runtime_container, member)                                                            \
    }
const char *runtime_choose(enum cgroup_version version, const char *runc, const char *crun)
{
    return runc ? runc : version == CGROUP_V2 ? crun : NULL;
}

int runtime_find(struct runtime *rt, struct error *err)
{
    char *runc CLEANUP_FREE = process_find("runc");
    char *crun CLEANUP_FREE = process_find("crun");
    const char *program = runtime_choose(rt->cgroup_version, runc, crun);

    if (!program)
        return error_set(err, ERROR_NOT_FOUND,
                         crun ? "runc is not installed, and crun refuses this host's cgroups; install runc"
                              : "runc is not installed; install runc, or crun on a host with cgroup v2 alone");
    free(rt->program);
    rt->program = mem_strdup(program);
    return 0;
}

static const struct text_field text_fields[] = {
    FIELD(id),          FIELD(pod_uid),          FIELD(pod_namespace), FIELD(pod_name),  FIELD(name),   FIELD(image),
    FIELD(image_id),    FIELD(log_path),         FIELD(cgroup_path),   FIELD(hash),      FIELD(reason), FIELD(message),
    FIELD(stop_signal), FIELD(termination_path), FIELD(allocated),     FIELD(resources),
};

static char **field_at(const struct runtime_container *c, const struct text_field *f)
{
    return (char **)(void *)((char *)c + f->offset);
}

void runtime_container_free(struct runtime_container *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
        free(*field_at(c, &text_fields[i]));
    free(c);
}

static char *bundle_path(const struct runtime *rt, const char *id, const char *name)
{
    return mem_printf("%s/containers/%s%s%s", rt->run_dir, id, name ? "/" : "", name ? name : "");
}

static char *home_path(const struct runtime *rt, const char *id, const char *name)
{
    return mem_printf("%s/containers/%s%s%s", rt->home, id, name ? "/" : "", name ? name : "");
}

static int record_write(const struct runtime *rt, const struct runtime_container *c, struct error *err)
{
    char *path CLEANUP_FREE = bundle_path(rt, c->id, "record.json");
    struct value *v CLEANUP_VALUE = value_new_object();
    BUF_LOCAL(json);

    for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++)
        if (*field_at(c, &text_fields[i]))
            value_set_str(v, text_fields[i].name, *field_at(c, &text_fields[i]));
    value_set(v, "attempt", value_new_int(c->attempt));
    value_set(v, "log_tells", value_new_bool(c->log_tells));
    value_set(v, "created_ns", value_new_int(c->created_ns));
    value_set(v, "started_ns", value_new_int(c->started_ns));
    /* Set only for a container that never ran: the exit of others stands in conmon's file. */
    value_set(v, "finished_ns", value_new_int(c->finished_ns));
    value_set(v, "exit_code", value_new_int(c->exit_code));
    value_write(v, &json);
    return fs_write(path, buf_slice(&json), 0600, err);
}

static struct runtime_container *record_read(const struct runtime *rt, const char *id, struct error *err)
{
    char *path CLEANUP_FREE = bundle_path(rt, id, "record.json");
    struct value *v CLEANUP_VALUE = NULL;
    struct runtime_container *c;
    BUF_LOCAL(json);

    if (fs_read(path, RECORD_MAX, &json, err) < 0)
        return NULL;
    v = value_parse(buf_slice(&json), err);
    if (!v)
        return NULL;
    c = mem_zalloc(sizeof(*c));
    for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
        const char *text = value_str(value_get(v, text_fields[i].name));

        *field_at(c, &text_fields[i]) = mem_strdup(text ? text : "");
    }
    c->attempt = (unsigned)value_int(value_get(v, "attempt"));
    c->log_tells = value_bool(value_get(v, "log_tells"));
    c->created_ns = value_int(value_get(v, "created_ns"));
    c->started_ns = value_int(value_get(v, "started_ns"));
    c->finished_ns = value_int(value_get(v, "finished_ns"));
    c->exit_code = (int)value_int(value_get(v, "exit_code"));
    return c;
}

int runtime_prepare(const struct runtime *rt, struct runtime_container *c, struct error *err)
{
    static const char *const home_parts[] = {"upper", "work", "root"};
    char *exits CLEANUP_FREE = NULL;
    unsigned char bytes[32];
    BUF_LOCAL(id);

    random_bytes(bytes, sizeof(bytes));
    hex_encode(&id, slice_make(bytes, sizeof(bytes)));
    free(c->id);
    c->id = buf_steal_str(&id);
    for (size_t i = 0; i < ARRAY_SIZE(home_parts); i++) {
        char *path CLEANUP_FREE = home_path(rt, c->id, home_parts[i]);

        if (fs_make_dirs(path, 0755, err) < 0)
            return -1;
    }
    exits = bundle_path(rt, c->id, "exit");
    return fs_make_dirs(exits, 0700, err) < 0 ? -1 : record_write(rt, c, err);
}

/* ---- processes ---- */

/* Does the pid still belong to the container? */
static bool pid_is(pid_t pid, const char *id)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/cmdline", (int)pid);
    BUF_LOCAL(text);

    if (pid <= 1 || fs_read(path, RECORD_MAX, &text, NULL) < 0)
        return false;
    return memmem(text.data, text.len, id, strlen(id)) != NULL;
}

static pid_t pid_read(const struct runtime *rt, const char *id, const char *name)
{
    char *path CLEANUP_FREE = bundle_path(rt, id, name);
    int64_t pid = 0;
    BUF_LOCAL(text);

    if (fs_read(path, 64, &text, NULL) < 0 || !slice_to_int64(slice_trim(buf_slice(&text)), &pid))
        return 0;
    return (pid_t)pid;
}

/* runc logs logfmt lines; what a person wants is the text of the last msg="...". */
static void runtime_message(struct slice raw, struct buf *out)
{
    static const char mark[] = "msg=";
    const char *at = NULL;
    const char *next = raw.data;
    size_t left = raw.len;

    while (left && (next = memmem(next, left, mark, sizeof(mark) - 1))) {
        at = next + sizeof(mark) - 1;
        left = raw.len - (size_t)(at - raw.data);
        next = at;
    }
    if (at) {
        const char *end = memchr(at, '\n', raw.len - (size_t)(at - raw.data));
        struct slice text = slice_make(at, (size_t)((end ? end : raw.data + raw.len) - at));

        if (json_read_string(out, slice_trim(text)))
            return;
        buf_reset(out);
    }
    buf_append_slice(out, slice_trim(raw));
}

char *runtime_log_message(struct slice raw)
{
    BUF_LOCAL(text);

    runtime_message(raw, &text);
    return buf_steal_str(&text);
}

static int runc_run(const struct runtime *rt, const char *const *arguments, struct error *err)
{
    char *root CLEANUP_FREE = mem_printf("%s/runc", rt->run_dir);
    const char *argv[8] = {rt->program, "--root", root};
    struct process_options options = {.argv = argv, .timeout_ms = START_TIMEOUT};
    PROCESS_RESULT_LOCAL(result);
    BUF_LOCAL(text);

    for (size_t i = 0; arguments[i] && i + 4 < ARRAY_SIZE(argv); i++)
        argv[3 + i] = arguments[i];
    if (process_run(&options, &result, err) < 0)
        return -1;
    if (!result.status)
        return 0;
    runtime_message(buf_slice(&result.errors), &text);
    return error_set(err, ERROR_IO, "OCI runtime %s failed: %s", arguments[0], buf_cstr(&text));
}

/* conmon's one line: {"pid": 123}, or {"pid": -1, "message": "what the runtime said"}. */
static int report_read(const struct process_result *r, struct error *err)
{
    struct value *v CLEANUP_VALUE = value_parse(buf_slice(&r->report), NULL);
    struct slice message = value_string(value_get(v, "message"));
    struct slice errors = slice_trim(buf_slice(&r->errors));
    BUF_LOCAL(text);

    if (value_int(value_get(v, "pid")) > 0 || value_int(value_get(v, "data")) > 0)
        return 0;
    if (!message.len)
        message = errors.len ? errors : SLICE_LIT("conmon ended without a report");
    runtime_message(message, &text);
    return error_set(err, ERROR_IO, "OCI runtime create failed: %s", buf_cstr(&text));
}

/* conmon's options for what others may join later; at most three. */
static void conmon_add_input(const struct runtime_container *c, const char **argv)
{
    if (c->stdin_open)
        *argv++ = "--stdin";
    if (c->stdin_open && !c->stdin_once)
        *argv++ = "--leave-stdin-open";
    if (c->tty)
        *argv++ = "--terminal";
}

static int conmon_run(const struct runtime *rt, const struct runtime_container *c, struct error *err)
{
    char *bundle CLEANUP_FREE = bundle_path(rt, c->id, NULL);
    char *exits CLEANUP_FREE = bundle_path(rt, c->id, "exit");
    char *pid_file CLEANUP_FREE = bundle_path(rt, c->id, "pid");
    char *conmon_pid CLEANUP_FREE = bundle_path(rt, c->id, "conmon.pid");
    char *root CLEANUP_FREE = mem_printf("--root=%s/runc", rt->run_dir);
    char *log CLEANUP_FREE = mem_printf("k8s-file:%s", c->log_path);
    const char *argv[] = {rt->conmon,
                          "-c",
                          c->id,
                          "-u",
                          c->id,
                          "-n",
                          c->name,
                          "-b",
                          bundle,
                          "-r",
                          rt->program,
                          "--runtime-arg",
                          root,
                          "-p",
                          pid_file,
                          "-P",
                          conmon_pid,
                          "--exit-dir",
                          exits,
                          "--full-attach",
                          "-l",
                          log,
                          "--log-level",
                          "warn",
                          "--no-sync-log",
                          NULL,
                          NULL,
                          NULL,
                          NULL};
    static const char *const env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                      "_OCI_SYNCPIPE=3", NULL};
    /* conmon leaves its "oom" mark where it runs. */
    struct process_options options = {
        .argv = argv, .env = env, .cwd = bundle, .timeout_ms = START_TIMEOUT, .report = true};
    PROCESS_RESULT_LOCAL(result);

    conmon_add_input(c, argv + ARRAY_SIZE(argv) - 4);
    if (process_run(&options, &result, err) < 0)
        return -1;
    return report_read(&result, err);
}

static int start_steps(const struct runtime *rt, struct runtime_container *c, const struct oci_spec *spec,
                       struct error *err)
{
    char *config CLEANUP_FREE = bundle_path(rt, c->id, "config.json");
    const char *arguments[] = {"start", c->id, NULL};
    struct clock *clock = clock_system();
    BUF_LOCAL(json);

    oci_spec_write(spec, &json);
    if (fs_write(config, buf_slice(&json), 0600, err) < 0)
        return -1;
    c->created_ns = clock_wall_ns(clock);
    if (conmon_run(rt, c, err) < 0)
        return -1;
    c->conmon_pid = pid_read(rt, c->id, "conmon.pid");
    c->started_ns = clock_wall_ns(clock);
    if (runc_run(rt, arguments, err) < 0) {
        c->started_ns = 0;
        return -1;
    }
    c->state = RUNTIME_RUNNING;
    return record_write(rt, c, err);
}

int runtime_start(const struct runtime *rt, struct runtime_container *c, const struct oci_spec *spec, struct error *err)
{
    const char *arguments[] = {"delete", "--force", c->id, NULL};
    int64_t begin = agent_count_begin();

    if (agent_count_operation("start_container", begin, start_steps(rt, c, spec, err)) == 0)
        return 0;
    (void)runc_run(rt, arguments, NULL);
    return -1;
}

int runtime_limit(const struct runtime *rt, const char *id, const struct cgroup_limits *limits, struct error *err)
{
    char *path CLEANUP_FREE = bundle_path(rt, id, "resources.json");
    const char *arguments[] = {"update", "--resources", path, id, NULL};
    int64_t begin = agent_count_begin();
    BUF_LOCAL(json);

    oci_resources_write(limits, &json);
    if (fs_write(path, buf_slice(&json), 0600, err) < 0)
        return -1;
    return agent_count_operation("update_container", begin, runc_run(rt, arguments, err));
}

int runtime_note(const struct runtime *rt, const char *id, const char *allocated, const char *resources,
                 struct error *err)
{
    struct runtime_container *c = record_read(rt, id, err);
    int r;

    if (!c)
        return -1;
    if (allocated) {
        free(c->allocated);
        c->allocated = mem_strdup(allocated);
    }
    if (resources) {
        free(c->resources);
        c->resources = mem_strdup(resources);
    }
    r = record_write(rt, c, err);
    runtime_container_free(c);
    return r;
}

int runtime_signal(const struct runtime *rt, const char *id, int signal, struct error *err)
{
    char number[16];
    const char *arguments[] = {"kill", id, number, NULL};
    int64_t begin = agent_count_begin();
    ERROR_LOCAL(why);

    (void)snprintf(number, sizeof(number), "%d", signal);
    if (agent_count_operation("signal_container", begin, runc_run(rt, arguments, &why)) == 0 ||
        strstr(error_text(&why), "not running") || strstr(error_text(&why), "does not exist") ||
        strstr(error_text(&why), "process already finished"))
        return 0;
    return error_pass(err, &why, NULL);
}

int runtime_fail(const struct runtime *rt, struct runtime_container *c, int exit_code, const char *reason,
                 const char *message, struct error *err)
{
    c->state = RUNTIME_EXITED;
    c->exit_code = exit_code;
    c->finished_ns = clock_wall_ns(clock_system());
    free(c->reason);
    c->reason = mem_strdup(reason);
    free(c->message);
    c->message = text_clean(slice_str(message), TERMINATION_MAX);
    return record_write(rt, c, err);
}

/* ---- facts from disk ---- */

/* The group goes with the container, so what it counted is kept in a file beside the record. */
static bool oom_read(const struct runtime *rt, const struct runtime_container *c)
{
    char *path CLEANUP_FREE = bundle_path(rt, c->id, "oom");

    if (fs_exists(path))
        return true;
    if (cgroup_oom_kills(rt->cgroup_version, c->cgroup_path) == 0)
        return false;
    (void)fs_write(path, SLICE_NONE, 0600, NULL);
    return true;
}

/* The last words of the container itself, or of its log (terminationMessagePolicy). The file is the container's: only a
 * regular one, and no more than upstream takes. */
static void termination_read(struct runtime_container *c)
{
    char text[TERMINATION_MAX];
    BUF_LOCAL(words);
    ssize_t n;
    int fd CLEANUP_FD = -1;

    if (!*c->termination_path || *c->message)
        return;
    fd = open(c->termination_path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    n = fd >= 0 ? read(fd, text, sizeof(text)) : 0;
    if (n > 0)
        buf_append(&words, text, (size_t)n);
    else if (c->log_tells && c->exit_code)
        log_read_end(c->log_path, TERMINATION_LOG_LINES, TERMINATION_LOG_MAX, &words);
    if (!words.len)
        return;
    free(c->message);
    c->message = text_clean(buf_slice(&words), TERMINATION_MAX);
}

static bool exit_read(const struct runtime *rt, struct runtime_container *c)
{
    char *name CLEANUP_FREE = mem_printf("exit/%s", c->id);
    char *path CLEANUP_FREE = bundle_path(rt, c->id, name);
    struct stat st;
    int64_t code = EXIT_LOST;
    BUF_LOCAL(text);

    if (stat(path, &st) || fs_read(path, 64, &text, NULL) < 0 || !slice_to_int64(slice_trim(buf_slice(&text)), &code))
        return false;
    c->exit_code = (int)code;
    c->finished_ns = st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
    c->oom_killed = code == EXIT_LOST && oom_read(rt, c);
    termination_read(c);
    return true;
}

void runtime_refresh(const struct runtime *rt, struct runtime_container *c)
{
    const char *arguments[] = {"delete", "--force", c->id, NULL};

    if (c->finished_ns && *c->reason) {
        c->state = RUNTIME_EXITED;
        return;
    }
    c->conmon_pid = pid_read(rt, c->id, "conmon.pid");
    if (exit_read(rt, c)) {
        c->state = RUNTIME_EXITED;
        return;
    }
    if (pid_is(c->conmon_pid, c->id)) {
        c->state = c->started_ns ? RUNTIME_RUNNING : RUNTIME_CREATED;
        return;
    }
    /* Nobody holds its output any more: what is left of it must not run on unseen. It may have ended in between. */
    if (exit_read(rt, c)) {
        c->state = RUNTIME_EXITED;
        return;
    }
    (void)runc_run(rt, arguments, NULL);
    (void)runtime_fail(rt, c, EXIT_LOST, "ContainerStatusUnknown",
                       "The container ended while nobody watched it; its exit code is not known", NULL);
}

int runtime_release(const struct runtime *rt, const char *id, struct error *err)
{
    const char *arguments[] = {"delete", "--force", id, NULL};

    return runc_run(rt, arguments, err) < 0 ? -1 : runtime_unmount_root(rt, id, err);
}

/* Once its container is gone conmon writes the exit code and ends; what it writes to must stand until then. */
static void conmon_wait(const struct runtime *rt, const char *id)
{
    pid_t pid = pid_read(rt, id, "conmon.pid");
    int fd CLEANUP_FD = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (fd >= 0 && pid_is(pid, id))
        (void)poll(&end, 1, CONMON_END_MS);
}

static int remove_steps(const struct runtime *rt, const char *id, struct error *err)
{
    const char *arguments[] = {"delete", "--force", id, NULL};
    char *bundle CLEANUP_FREE = bundle_path(rt, id, NULL);

    if (runc_run(rt, arguments, err) < 0)
        return error_wrap(err, "removing container %s", id);
    conmon_wait(rt, id);
    if (runtime_unmount_root(rt, id, err) < 0)
        return error_wrap(err, "removing container %s", id);
    return fs_remove_tree(bundle, err);
}

int runtime_remove(const struct runtime *rt, const char *id, struct error *err)
{
    int64_t begin = agent_count_begin();

    return agent_count_operation("remove_container", begin, remove_steps(rt, id, err));
}

struct runtime_container *runtime_load(const struct runtime *rt, const char *id, struct error *err)
{
    struct runtime_container *c = record_read(rt, id, err);

    if (c)
        runtime_refresh(rt, c);
    return c;
}

struct each {
    const struct runtime *rt;
    void (*fn)(void *arg, struct runtime_container *c);
    void *arg;
};

/* A directory without a record is a container that never came to be. */
static int each_container(void *arg, const char *name, struct error *err)
{
    struct each *e = arg;
    struct runtime_container *c = runtime_load(e->rt, name, NULL);

    if (!c)
        return runtime_remove(e->rt, name, err);
    e->fn(e->arg, c);
    return 0;
}

int runtime_each(const struct runtime *rt, void (*fn)(void *arg, struct runtime_container *c), void *arg,
                 struct error *err)
{
    char *dir CLEANUP_FREE = mem_printf("%s/containers", rt->run_dir);
    struct each e = {rt, fn, arg};

    return fs_each_name(dir, each_container, &e, err);
}

/* ---- watching ---- */

struct runtime_watch {
    uv_poll_t poll;
    struct loop_timer *now; /* fires at once when conmon is gone already */
    int fd;
    void (*ended)(void *arg);
    void *arg;
};

static void watch_fire(void *arg)
{
    struct runtime_watch *w = arg;

    w->ended(w->arg);
}

static void watch_on_poll(uv_poll_t *poll, int status, int events)
{
    struct runtime_watch *w = container_of(poll, struct runtime_watch, poll);

    (void)uv_poll_stop(poll);
    watch_fire(w);
}

struct runtime_watch *runtime_watch_start(struct loop *loop, const struct runtime_container *c,
                                          void (*ended)(void *arg), void *arg)
{
    struct runtime_watch *w = mem_zalloc(sizeof(*w));

    w->ended = ended;
    w->arg = arg;
    w->fd = c->conmon_pid > 1 ? (int)syscall(SYS_pidfd_open, c->conmon_pid, 0) : -1;
    if (w->fd >= 0 && pid_is(c->conmon_pid, c->id) && !uv_poll_init(loop_uv(loop), &w->poll, w->fd)) {
        (void)uv_poll_start(&w->poll, UV_READABLE, watch_on_poll);
        return w;
    }
    if (w->fd >= 0)
        (void)close(w->fd);
    w->fd = -1;
    w->now = loop_timer_new(loop, watch_fire, w);
    loop_timer_start(w->now, 0, 0);
    return w;
}

static void watch_closed(uv_handle_t *handle)
{
    struct runtime_watch *w = container_of((uv_poll_t *)(void *)handle, struct runtime_watch, poll);

    (void)close(w->fd);
    free(w);
}

void runtime_watch_free(struct runtime_watch *w)
{
    if (!w)
        return;
    if (w->fd >= 0) {
        uv_close((uv_handle_t *)&w->poll, watch_closed);
        return;
    }
    loop_timer_free(w->now);
    free(w);
}
