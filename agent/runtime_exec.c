/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's exec as a child that is watched by pidfd.
 *
 *     NEW -> RUNNING -> ENDED        the child has gone: its status is the command's
 *      \         \--> KILLING -> ENDED     timeout, cancel: killed again and again until it has gone
 *       \-> ENDED                    it could not be started
 *
 * Invariants: `done` is NULL once it was called or nobody wants it any more; the object frees itself when both handles
 * are closed. The command is a child of the runtime's process and would outlive it, so it is killed first.
 */
#include "agent/runtime_exec.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "agent/fs.h"
#include "agent/process.h"

#define ARGUMENTS_MAX 1024
#define KILL_STEP_MS  100
#define KILL_STEPS    20    /* then the runtime's process is killed as well, and after as many more given up */
#define START_EXTRA   10000 /* how long the runtime may take to start the command, beside the timeout */
#define START_STEP_MS 200   /* how often it is looked whether it has; most commands are over by then */
#define CMDLINE_MAX   65536
#define FAILED_STATUS 255 /* what runc returns when the command did not start */

enum exec_state { EXEC_NEW, EXEC_RUNNING, EXEC_KILLING, EXEC_ENDED };

struct runtime_exec {
    enum exec_state state;
    struct loop *loop;
    char *program;
    uv_poll_t end;
    uv_poll_t reader;
    unsigned handles; /* of the two, open or closing */
    int pidfd;
    int output; /* -1 = not read */
    pid_t pid;
    struct loop_timer *timer;
    unsigned steps;
    unsigned timeout_ms;
    bool begun; /* the command has been seen: its time runs */
    int64_t give_up_ns;
    struct buf text;
    size_t text_max;
    size_t *alive;
    void (*done)(void *arg, enum runtime_exec_end end, int status, struct slice output);
    void *arg;
};

static void exec_free(struct runtime_exec *e)
{
    loop_timer_free(e->timer);
    if (e->pidfd >= 0)
        (void)close(e->pidfd);
    if (e->output >= 0)
        (void)close(e->output);
    (*e->alive)--;
    buf_free(&e->text);
    free(e->program);
    free(e);
}

static void exec_closed(uv_handle_t *handle)
{
    struct runtime_exec *e = handle->data;

    if (--e->handles == 0)
        exec_free(e);
}

static void exec_close(struct runtime_exec *e)
{
    e->state = EXEC_ENDED;
    loop_timer_stop(e->timer);
    if (!e->handles) {
        exec_free(e);
        return;
    }
    uv_close((uv_handle_t *)&e->end, exec_closed);
    if (e->output >= 0)
        uv_close((uv_handle_t *)&e->reader, exec_closed);
}

static void exec_tell(struct runtime_exec *e, enum runtime_exec_end end, int status)
{
    void (*done)(void *arg, enum runtime_exec_end end, int status, struct slice output) = e->done;

    e->done = NULL;
    if (done)
        done(e->arg, end, status, buf_slice(&e->text));
}

/* ---- the command below the runtime's process ---- */

struct children {
    struct runtime_exec *e;
    bool kill;
    bool begun; /* one of them is not the runtime's own program any more */
};

/* Also who has ended and waits to be reaped (his command line is empty): the command is not what takes its time. */
static bool is_runtime(const struct runtime_exec *e, int64_t pid)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%lld/cmdline", (long long)pid);
    BUF_LOCAL(text);

    return fs_read(path, CMDLINE_MAX, &text, NULL) < 0 || !text.len || !strcmp(buf_cstr(&text), e->program);
}

static int look_at_thread(void *arg, const char *name, struct error *err)
{
    struct children *c = arg;
    char *path CLEANUP_FREE = mem_printf("/proc/%d/task/%s/children", (int)c->e->pid, name);
    struct slice part;
    struct slice rest;
    int64_t pid;
    BUF_LOCAL(text);

    if (fs_read(path, CMDLINE_MAX, &text, NULL) < 0)
        return 0;
    rest = buf_slice(&text);
    while (slice_split(&rest, ' ', &part)) {
        if (!slice_to_int64(part, &pid) || pid <= 1)
            continue;
        if (c->kill)
            (void)kill((pid_t)pid, SIGKILL);
        c->begun = c->begun || !is_runtime(c->e, pid);
    }
    return 0;
}

/* The runtime's process has not been reaped yet, and it has not reaped its children: their numbers are theirs. */
static bool exec_children(struct runtime_exec *e, bool kill_them)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/task", (int)e->pid);
    struct children c = {.e = e, .kill = kill_them};

    (void)fs_each_name(path, look_at_thread, &c, NULL);
    return c.begun;
}

static void exec_kill(struct runtime_exec *e)
{
    e->state = EXEC_KILLING;
    if (e->steps++ >= 2 * KILL_STEPS) { /* it hangs in the kernel */
        exec_close(e);
        return;
    }
    (void)exec_children(e, true);
    if (e->steps > KILL_STEPS)
        (void)kill(e->pid, SIGKILL);
    loop_timer_start(e->timer, KILL_STEP_MS, 0);
}

static void on_timer(void *arg)
{
    struct runtime_exec *e = arg;

    if (e->state == EXEC_NEW) {
        exec_tell(e, RUNTIME_EXEC_FAILED, 0);
        exec_close(e);
        return;
    }
    if (e->state == EXEC_KILLING) {
        exec_kill(e);
        return;
    }
    /* A busy host may take long to start it; that is not the command's fault. */
    if (!e->begun && clock_monotonic_ns(loop_clock(e->loop)) < e->give_up_ns) {
        e->begun = exec_children(e, false);
        loop_timer_start(e->timer, e->begun ? e->timeout_ms : START_STEP_MS, 0);
        return;
    }
    exec_tell(e, RUNTIME_EXEC_TIMED_OUT, 0);
    exec_kill(e);
}

/* ---- its end ---- */

/* Takes what is there; false when nothing will follow. */
static bool exec_read(struct runtime_exec *e)
{
    char chunk[4096];
    ssize_t n = -1;

    while (e->output >= 0 && (n = read(e->output, chunk, sizeof(chunk))) > 0) {
        size_t room = e->text_max - e->text.len;

        buf_append(&e->text, chunk, (size_t)n < room ? (size_t)n : room);
    }
    return n != 0;
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    struct runtime_exec *e = poll->data;

    if (!exec_read(e) || status < 0)
        (void)uv_poll_stop(poll);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
    struct runtime_exec *e = poll->data;
    int code = 0;

    (void)uv_poll_stop(poll);
    if (waitpid(e->pid, &code, WNOHANG) != e->pid)
        code = W_EXITCODE(FAILED_STATUS, 0);
    (void)exec_read(e);
    code = WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
    /* Its own failures runc logs in its own format. */
    if (code == FAILED_STATUS && slice_find_text(buf_slice(&e->text), SLICE_LIT("level=error msg=")) >= 0) {
        char *why CLEANUP_FREE = runtime_log_message(buf_slice(&e->text));

        buf_reset(&e->text);
        buf_printf(&e->text, "OCI runtime exec failed: %s", why);
        exec_tell(e, RUNTIME_EXEC_FAILED, code);
    } else {
        exec_tell(e, RUNTIME_EXEC_ENDED, code);
    }
    exec_close(e);
}

/* ---- its start ---- */

static int exec_spawn(struct runtime_exec *e, const struct runtime *rt, const struct runtime_exec_options *o,
                      struct error *err)
{
    char *root CLEANUP_FREE = mem_printf("%s/runc", rt->run_dir);
    const char *argv[ARGUMENTS_MAX + 6] = {rt->program, "--root", root, "exec", o->id};
    const struct process_options options = {.argv = argv};
    int ends[2] = {-1, -1};
    int null CLEANUP_FD = open("/dev/null", O_RDWR | O_CLOEXEC);
    int theirs CLEANUP_FD = -1;
    size_t n = 0;

    while (n < ARGUMENTS_MAX && o->argv[n]) {
        argv[5 + n] = o->argv[n];
        n++;
    }
    if (o->argv[n])
        return error_set(err, ERROR_TOO_LARGE, "the command has more than %d arguments", ARGUMENTS_MAX);
    if (null < 0 || (o->output_max && pipe2(ends, O_CLOEXEC | O_NONBLOCK)))
        return error_set_errno(err, errno, "making pipes for a command");
    e->output = ends[0];
    theirs = ends[1];
    if (theirs >= 0)
        (void)fcntl(theirs, F_SETFL, 0); /* the command shall block, not fail */
    return process_spawn(&options, (int[]){null, theirs >= 0 ? theirs : null, theirs >= 0 ? theirs : null}, 3, &e->pid,
                         &e->pidfd, err);
}

static void exec_watch(struct runtime_exec *e)
{
    e->state = EXEC_RUNNING;
    e->end.data = e;
    e->reader.data = e;
    e->handles = 1;
    if (uv_poll_init(loop_uv(e->loop), &e->end, e->pidfd))
        mem_die(0);
    (void)uv_poll_start(&e->end, UV_READABLE, on_end);
    if (e->output >= 0 && uv_poll_init(loop_uv(e->loop), &e->reader, e->output))
        mem_die(0);
    if (e->output >= 0) {
        e->handles = 2;
        (void)uv_poll_start(&e->reader, UV_READABLE, on_output);
    }
    if (e->timeout_ms)
        loop_timer_start(e->timer, START_STEP_MS, 0);
}

struct runtime_exec *
runtime_exec_start(struct loop *loop, const struct runtime *rt, const struct runtime_exec_options *options,
                   void (*done)(void *arg, enum runtime_exec_end end, int status, struct slice output), void *arg)
{
    struct runtime_exec *e = mem_zalloc(sizeof(*e));
    ERROR_LOCAL(err);

    e->loop = loop;
    e->program = mem_strdup(rt->program);
    e->pidfd = -1;
    e->output = -1;
    e->timer = loop_timer_new(loop, on_timer, e);
    e->timeout_ms = options->timeout_ms;
    e->text_max = options->output_max;
    e->give_up_ns = clock_monotonic_ns(loop_clock(loop)) + (e->timeout_ms + START_EXTRA) * NS_PER_MS;
    e->alive = options->alive;
    e->done = done;
    e->arg = arg;
    (*e->alive)++;
    if (exec_spawn(e, rt, options, &err) == 0) {
        exec_watch(e);
        return e;
    }
    buf_append_str(&e->text, error_text(&err));
    loop_timer_start(e->timer, 0, 0);
    return e;
}

void runtime_exec_cancel(struct runtime_exec *e)
{
    if (!e)
        return;
    e->done = NULL;
    if (e->state == EXEC_RUNNING)
        exec_kill(e);
}

void runtime_exec_leave(struct runtime_exec *e)
{
    if (!e)
        return;
    e->done = NULL;
    if (e->state != EXEC_ENDED)
        exec_close(e);
}
