/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One child, run to its end: input fed and outputs drained by one poll loop, end seen by pidfd. A child that leaves a
 * daemon behind (conmon) does not hold us up: what counts is the child itself, not the end of its pipes.
 */
#include "agent/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/fs.h"
#include "lib/clock.h"

enum { FD_IN, FD_OUT, FD_ERR, FD_REPORT, FD_CHILD, FD_COUNT };

struct child {
    pid_t pid;
    struct pollfd fds[FD_COUNT];
    struct slice input;
    struct process_result *result;
    size_t output_max;
    bool ended;
};

void process_result_clear(struct process_result *r)
{
    buf_free(&r->output);
    buf_free(&r->errors);
    buf_free(&r->report);
}

static void child_close(struct child *c, int which)
{
    if (c->fds[which].fd >= 0)
        (void)close(c->fds[which].fd);
    c->fds[which].fd = -1;
}

/* Ours at *ret_ours, the child's at *ret_theirs; both close on exec (dup2 in the child clears that). */
static int make_pipe(bool child_reads, int *ret_ours, int *ret_theirs, struct error *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC))
        return error_set_errno(err, errno, "making a pipe");
    *ret_ours = ends[child_reads ? 1 : 0];
    *ret_theirs = ends[child_reads ? 0 : 1];
    (void)fcntl(*ret_ours, F_SETFL, O_NONBLOCK);
    return 0;
}

/* Default signals, nothing blocked, and no descriptor but the ones meant for it. */
int process_spawn(const struct process_options *o, const int *fds, size_t count, pid_t *ret_pid, int *ret_pidfd,
                  struct error *err)
{
    static const char *const path_only[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    const char *const *env = o->env ? o->env : path_only;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t all;
    sigset_t none;
    int r;

    (void)sigfillset(&all);
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigdefault(&attributes, &all);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawn_file_actions_init(&actions);
    for (size_t i = 0; i < count; i++)
        (void)posix_spawn_file_actions_adddup2(&actions, fds[i], (int)i);
    if (o->cwd)
        (void)posix_spawn_file_actions_addchdir_np(&actions, o->cwd);
    (void)posix_spawn_file_actions_addclosefrom_np(&actions, (int)count);
    r = posix_spawnp(ret_pid, o->argv[0], &actions, &attributes, (char *const *)o->argv, (char *const *)env);
    (void)posix_spawn_file_actions_destroy(&actions);
    (void)posix_spawnattr_destroy(&attributes);
    if (r)
        return error_set_errno(err, r, "starting %s", o->argv[0]);
    *ret_pidfd = (int)syscall(SYS_pidfd_open, *ret_pid, 0);
    return 0;
}

static void child_feed(struct child *c)
{
    ssize_t n = write(c->fds[FD_IN].fd, c->input.data, c->input.len);

    if (n > 0)
        c->input = slice_from(c->input, (size_t)n);
    if (!c->input.len || (n < 0 && errno != EAGAIN && errno != EINTR))
        child_close(c, FD_IN);
}

/* Takes what is there; keeps at most output_max of it. */
static void child_drain(struct child *c, int which)
{
    struct buf *const outs[] = {
        [FD_OUT] = &c->result->output, [FD_ERR] = &c->result->errors, [FD_REPORT] = &c->result->report};
    struct buf *out = outs[which];
    char chunk[4096];
    ssize_t n;

    while (c->fds[which].fd >= 0 && (n = read(c->fds[which].fd, chunk, sizeof(chunk))) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        if (out->len + (size_t)n <= c->output_max)
            buf_append(out, chunk, (size_t)n);
        if (which == FD_REPORT && memchr(chunk, '\n', (size_t)n))
            break;
    }
    child_close(c, which);
}

static void child_reap(struct child *c)
{
    int status = 0;

    while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
        ;
    c->result->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    c->ended = true;
    child_close(c, FD_CHILD);
}

/* A child that failed reports nothing more; one that succeeded may still report through its daemon. */
static bool child_finished(const struct child *c)
{
    return c->ended && (c->fds[FD_REPORT].fd < 0 || c->result->status != 0);
}

static int child_wait(struct child *c, const char *name, unsigned timeout_ms, struct error *err)
{
    struct clock *clock = clock_system();
    int64_t deadline = clock_monotonic_ns(clock) + timeout_ms * NS_PER_MS;

    while (!child_finished(c)) {
        int64_t left = (deadline - clock_monotonic_ns(clock)) / NS_PER_MS;

        if (left <= 0 || (poll(c->fds, FD_COUNT, (int)left) < 0 && errno != EINTR)) {
            if (!c->ended) {
                (void)kill(c->pid, SIGKILL);
                child_reap(c);
            }
            return error_set(err, ERROR_TIMEOUT, "%s did not finish within %u ms", name, timeout_ms);
        }
        if (c->fds[FD_IN].revents)
            child_feed(c);
        for (int i = FD_OUT; i <= FD_REPORT; i++)
            if (c->fds[i].fd >= 0 && c->fds[i].revents)
                child_drain(c, i);
        if (c->fds[FD_CHILD].fd >= 0 && c->fds[FD_CHILD].revents)
            child_reap(c);
    }
    for (int i = FD_OUT; i <= FD_REPORT; i++)
        if (c->fds[i].fd >= 0)
            child_drain(c, i);
    return 0;
}

int process_run(const struct process_options *options, struct process_result *ret_result, struct error *err)
{
    struct child c = {.input = options->input, .result = ret_result, .output_max = options->output_max};
    int theirs[FD_CHILD] = {-1, -1, -1, -1};
    int r = 0;

    if (!c.output_max)
        c.output_max = 65536;
    for (int i = 0; i < FD_COUNT; i++)
        c.fds[i] = (struct pollfd){.fd = -1, .events = i == FD_IN ? POLLOUT : POLLIN};
    for (int i = 0; !r && i < (options->report ? FD_CHILD : FD_REPORT); i++)
        r = make_pipe(i == FD_IN, &c.fds[i].fd, &theirs[i], err);
    if (!r)
        r = process_spawn(options, theirs, options->report ? FD_CHILD : FD_REPORT, &c.pid, &c.fds[FD_CHILD].fd, err);
    for (int i = 0; i < FD_CHILD; i++)
        if (theirs[i] >= 0)
            (void)close(theirs[i]);
    if (!r && !c.input.len)
        child_close(&c, FD_IN);
    if (!r)
        r = child_wait(&c, options->argv[0], options->timeout_ms ? options->timeout_ms : 120000, err);
    for (int i = 0; i < FD_COUNT; i++)
        child_close(&c, i);
    return r;
}

char *process_find(const char *name)
{
    static const char *const dirs[] = {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"};

    for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
        char *path CLEANUP_FREE = mem_printf("%s/%s", dirs[i], name);

        if (!access(path, X_OK))
            return STEAL(path);
    }
    return NULL;
}

int process_call(const char *const *argv, struct slice input, struct buf *output, struct error *err)
{
    char *program CLEANUP_FREE = process_find(argv[0]);
    const struct process_options options = {.argv = argv, .input = input, .timeout_ms = 20000};
    PROCESS_RESULT_LOCAL(result);

    if (!program)
        return error_set(err, ERROR_NOT_FOUND, "%s is not installed", argv[0]);
    if (process_run(&options, &result, err) < 0)
        return -1;
    if (result.status)
        return error_set(err, ERROR_IO, "%s: %.*s", argv[0], SLICE_ARGS(slice_trim(buf_slice(&result.errors))));
    if (output)
        buf_append_slice(output, buf_slice(&result.output));
    return 0;
}

int process_nft(struct slice rules, struct error *err)
{
    const char *argv[] = {"nft", "-f", "-", NULL};

    return process_call(argv, rules, NULL, err);
}
