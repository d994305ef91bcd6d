/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers: what is done with one, and what is known of it (runtime_record.c) compared with what its programs
 * (runtime_programs.c, runtime_watch.c) have left on disk.
 */
#include "agent/runtime_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent_metrics.h"
#include "agent/fs.h"
#include "agent/logs.h"
#include "agent/text.h"

#define EXIT_LOST             137 /* killed; also what a container that ended without a word is said to have returned */
#define TERMINATION_MAX       4096
#define TERMINATION_LOG_LINES 80
#define TERMINATION_LOG_MAX   2048

static int start_steps(const struct runtime *rt, struct runtime_container *c, const struct oci_spec *spec,
                       struct error *err)
{
    char *config CLEANUP_FREE = runtime_bundle_path(rt, c->id, "config.json");
    const char *arguments[] = {"start", c->id, NULL};
    struct clock *clock = clock_system();
    BUF_LOCAL(json);

    oci_spec_write(spec, &json);
    if (fs_write(config, buf_slice(&json), 0600, err) < 0)
        return -1;
    c->created_ns = clock_wall_ns(clock);
    if (runtime_run_conmon(rt, c, err) < 0)
        return -1;
    c->conmon_pid = runtime_read_pid(rt, c->id, "conmon.pid");
    c->started_ns = clock_wall_ns(clock);
    if (runtime_run_command(rt, arguments, err) < 0) {
        c->started_ns = 0;
        return -1;
    }
    c->state = RUNTIME_RUNNING;
    return runtime_write_record(rt, c, err);
}

int runtime_start(const struct runtime *rt, struct runtime_container *c, const struct oci_spec *spec, struct error *err)
{
    const char *arguments[] = {"delete", "--force", c->id, NULL};
    int64_t begin = agent_count_begin();

    if (agent_count_operation("start_container", begin, start_steps(rt, c, spec, err)) == 0)
        return 0;
    (void)runtime_run_command(rt, arguments, NULL);
    return -1;
}

int runtime_limit(const struct runtime *rt, const char *id, const struct cgroup_limits *limits, struct error *err)
{
    char *path CLEANUP_FREE = runtime_bundle_path(rt, id, "resources.json");
    const char *arguments[] = {"update", "--resources", path, id, NULL};
    int64_t begin = agent_count_begin();
    BUF_LOCAL(json);

    oci_resources_write(limits, &json);
    if (fs_write(path, buf_slice(&json), 0600, err) < 0)
        return -1;
    return agent_count_operation("update_container", begin, runtime_run_command(rt, arguments, err));
}

int runtime_signal(const struct runtime *rt, const char *id, int signal, struct error *err)
{
    char number[16];
    const char *arguments[] = {"kill", id, number, NULL};
    int64_t begin = agent_count_begin();
    ERROR_LOCAL(why);

    (void)snprintf(number, sizeof(number), "%d", signal);
    if (agent_count_operation("signal_container", begin, runtime_run_command(rt, arguments, &why)) == 0 ||
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
    return runtime_write_record(rt, c, err);
}

/* ---- facts from disk ---- */

/* The group goes with the container, so what it counted is kept in a file beside the record. */
static bool oom_read(const struct runtime *rt, const struct runtime_container *c)
{
    char *path CLEANUP_FREE = runtime_bundle_path(rt, c->id, "oom");

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
    char *path CLEANUP_FREE = runtime_bundle_path(rt, c->id, name);
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
    c->conmon_pid = runtime_read_pid(rt, c->id, "conmon.pid");
    if (exit_read(rt, c)) {
        c->state = RUNTIME_EXITED;
        return;
    }
    if (runtime_pid_is(c->conmon_pid, c->id)) {
        c->state = c->started_ns ? RUNTIME_RUNNING : RUNTIME_CREATED;
        return;
    }
    /* Nobody holds its output any more: what is left of it must not run on unseen. It may have ended in between. */
    if (exit_read(rt, c)) {
        c->state = RUNTIME_EXITED;
        return;
    }
    (void)runtime_run_command(rt, arguments, NULL);
    (void)runtime_fail(rt, c, EXIT_LOST, "ContainerStatusUnknown",
                       "The container ended while nobody watched it; its exit code is not known", NULL);
}

int runtime_release(const struct runtime *rt, const char *id, struct error *err)
{
    const char *arguments[] = {"delete", "--force", id, NULL};

    return runtime_run_command(rt, arguments, err) < 0 ? -1 : runtime_unmount_root(rt, id, err);
}

static int remove_steps(const struct runtime *rt, const char *id, struct error *err)
{
    const char *arguments[] = {"delete", "--force", id, NULL};
    char *bundle CLEANUP_FREE = runtime_bundle_path(rt, id, NULL);

    if (runtime_run_command(rt, arguments, err) < 0)
        return error_wrap(err, "removing container %s", id);
    runtime_wait_conmon(rt, id);
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
    struct runtime_container *c = runtime_read_record(rt, id, err);

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
