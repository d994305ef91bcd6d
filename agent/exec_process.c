/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The runtime's exec stays as the parent of the command and returns its exit code; it writes the command's pid into a
 * file, which is absent when nothing was started.
 */
#include "agent/exec_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>

#include "agent/fs.h"
#include "agent/process.h"
#include "api/value.h"
#include "lib/encoding.h"
#include "lib/random.h"

#define CONFIG_MAX     (1u << 20)
#define LOG_MAX        65536
#define NOT_EXECUTABLE 126 /* what a shell returns */
#define NOT_FOUND      127

void exec_process_init(struct exec_process *p)
{
    p->pid = 0;
    p->pidfd = -1;
    p->fds[0] = p->fds[1] = p->fds[2] = -1;
    p->trace = NULL;
}

static char *trace_path(const struct exec_process *p, const char *suffix)
{
    return mem_printf("%s.%s", p->trace, suffix);
}

void exec_process_close(struct exec_process *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(p->fds); i++) {
        if (p->fds[i] >= 0)
            (void)close(p->fds[i]);
        p->fds[i] = -1;
    }
}

void exec_process_clear(struct exec_process *p)
{
    static const char *const suffixes[] = {"pid", "log", "json"};

    exec_process_close(p);
    if (p->pidfd >= 0)
        (void)close(p->pidfd);
    for (size_t i = 0; p->trace && i < ARRAY_SIZE(suffixes); i++) {
        char *path CLEANUP_FREE = trace_path(p, suffixes[i]);

        (void)unlink(path);
    }
    free(p->trace);
    exec_process_init(p);
}

/* ---- starting ---- */

/* A pair of our own: the runtime copies between it and the terminal that it makes inside the container, and follows
 * its size. Raw, so that every byte goes through. */
static int make_terminal(struct exec_process *p, int theirs[3], struct error *err)
{
    int master CLEANUP_FD = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    int slave CLEANUP_FD = -1;
    struct termios mode;
    char name[64];

    if (master < 0 || grantpt(master) || unlockpt(master) || ptsname_r(master, name, sizeof(name)))
        return error_set_errno(err, errno, "making a terminal");
    slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0 || tcgetattr(slave, &mode))
        return error_set_errno(err, errno, "opening %s", name);
    cfmakeraw(&mode);
    if (tcsetattr(slave, TCSANOW, &mode) || ioctl(master, TIOCSWINSZ, &p->size))
        return error_set_errno(err, errno, "setting up %s", name);
    for (int i = 0; i < 3; i++)
        if ((theirs[i] = fcntl(slave, F_DUPFD_CLOEXEC, 3)) < 0)
            return error_set_errno(err, errno, "copying a descriptor");
    p->fds[0] = STEAL_FD(master);
    return 0;
}

/* Ours and the child's end of each standard descriptor. */
static int make_pipes(struct exec_process *p, int theirs[3], struct error *err)
{
    for (int i = 0; i < 3; i++) {
        int ends[2];

        if (i == 0 && !p->in) {
            theirs[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
            if (theirs[0] < 0)
                return error_set_errno(err, errno, "opening /dev/null");
            continue;
        }
        if (pipe2(ends, O_CLOEXEC))
            return error_set_errno(err, errno, "making a pipe");
        p->fds[i] = ends[i == 0 ? 1 : 0];
        theirs[i] = ends[i == 0 ? 0 : 1];
    }
    return 0;
}

/* The container's own process with another command: its user, environment, rights and directory. */
static int write_process(const struct exec_process *p, const char *path, struct error *err)
{
    char *config CLEANUP_FREE = mem_printf("%s/containers/%s/config.json", p->runtime->run_dir, p->id);
    struct value *v CLEANUP_VALUE = NULL;
    struct value *process;
    struct value *args;
    BUF_LOCAL(json);

    if (fs_read(config, CONFIG_MAX, &json, err) < 0 || !(v = value_parse(buf_slice(&json), err)))
        return error_wrap(err, "reading the container's configuration");
    process = value_need_object(v, "process");
    value_remove(process, "args");
    args = value_need_array(process, "args");
    for (size_t i = 0; p->command[i]; i++)
        value_append(args, value_new_str(p->command[i]));
    value_set(process, "terminal", value_new_bool(p->tty));
    value_remove(process, "consoleSize");
    if (p->tty)
        value_append(value_need_array(process, "env"), value_new_str("TERM=xterm"));
    if (p->tty && p->size.ws_col) {
        value_set(value_need_object(process, "consoleSize"), "width", value_new_int(p->size.ws_col));
        value_set(value_need_object(process, "consoleSize"), "height", value_new_int(p->size.ws_row));
    }
    buf_reset(&json);
    value_write(process, &json);
    return fs_write(path, buf_slice(&json), 0600, err);
}

static int start_runtime(struct exec_process *p, const int theirs[3], struct error *err)
{
    char *root CLEANUP_FREE = mem_printf("%s/runc", p->runtime->run_dir);
    char *pid CLEANUP_FREE = trace_path(p, "pid");
    char *log CLEANUP_FREE = trace_path(p, "log");
    char *process CLEANUP_FREE = trace_path(p, "json");
    const char *const argv[] = {p->runtime->program, "--root", root,        "--log", log,   "exec",
                                "--pid-file",        pid,      "--process", process, p->id, NULL};

    const struct process_options options = {.argv = argv};

    if (write_process(p, process, err) < 0)
        return -1;
    return process_spawn(&options, theirs, 3, &p->pid, &p->pidfd, err);
}

int exec_process_start(struct exec_process *p, struct error *err)
{
    int theirs[3] = {-1, -1, -1};
    unsigned char bytes[8];
    BUF_LOCAL(name);
    int r;

    random_bytes(bytes, sizeof(bytes));
    hex_encode(&name, slice_make(bytes, sizeof(bytes)));
    p->trace = mem_printf("%s/exec-%s", p->runtime->run_dir, buf_cstr(&name));
    r = p->tty ? make_terminal(p, theirs, err) : make_pipes(p, theirs, err);
    if (r == 0)
        r = start_runtime(p, theirs, err);
    for (size_t i = 0; i < ARRAY_SIZE(theirs); i++)
        if (theirs[i] >= 0)
            (void)close(theirs[i]);
    return r;
}

/* ---- the command's process ---- */

static pid_t read_pid(const struct exec_process *p)
{
    char *path CLEANUP_FREE = trace_path(p, "pid");
    int64_t pid = 0;
    BUF_LOCAL(text);

    if (fs_read(path, 64, &text, NULL) < 0 || !slice_to_int64(slice_trim(buf_slice(&text)), &pid))
        return 0;
    return (pid_t)pid;
}

/* A pid means the command only as long as the runtime is its parent and has not reaped it. */
static bool is_child(pid_t pid, pid_t parent)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/stat", (int)pid);
    struct slice rest;
    struct slice field = SLICE_NONE;
    int64_t ppid = 0;
    BUF_LOCAL(text);

    if (fs_read(path, 4096, &text, NULL) < 0)
        return false;
    rest = buf_slice(&text);
    for (size_t i = rest.len; i-- > 0;) /* the name before it may hold anything */
        if (rest.data[i] == ')') {
            rest = slice_from(rest, i + 1);
            break;
        }
    for (int i = 0; i < 3; i++) /* "", state, parent */
        (void)slice_split(&rest, ' ', &field);
    return slice_to_int64(field, &ppid) && (pid_t)ppid == parent;
}

bool exec_process_signal(const struct exec_process *p, int signal)
{
    pid_t pid = p->pid > 0 ? read_pid(p) : 0;

    if (pid <= 1 || !is_child(pid, p->pid))
        return false;
    /* The runtime makes it the leader of a session of its own. */
    if (kill(-pid, signal))
        (void)kill(pid, signal);
    return true;
}

void exec_process_resize(const struct exec_process *p, int master, const struct winsize *size)
{
    (void)ioctl(master, TIOCSWINSZ, size);
    /* It is no session leader, so that no kernel tells it. */
    if (p->pid > 0)
        (void)kill(p->pid, SIGWINCH);
}

void exec_process_kill(const struct exec_process *p)
{
    if (p->pid > 0)
        (void)kill(p->pid, SIGKILL);
}

/* ---- its end ---- */

static int start_failure(const struct exec_process *p, struct error *err)
{
    char *path CLEANUP_FREE = trace_path(p, "log");
    BUF_LOCAL(log);

    if (fs_read(path, LOG_MAX, &log, NULL) == 0) {
        struct slice text = buf_slice(&log);

        if (slice_find_text(text, SLICE_LIT("executable file not found")) >= 0 ||
            slice_find_text(text, SLICE_LIT("no such file or directory")) >= 0)
            return NOT_FOUND;
        if (slice_find_text(text, SLICE_LIT("permission denied")) >= 0)
            return NOT_EXECUTABLE;
        (void)error_set(err, ERROR_INTERNAL, "error executing command in container: %.*s",
                        SLICE_ARGS(slice_trim(text)));
        return -1;
    }
    (void)error_set(err, ERROR_INTERNAL, "error executing command in container");
    return -1;
}

int exec_process_reap(struct exec_process *p, struct error *err)
{
    int status = 0;
    bool started = read_pid(p) > 0;

    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
        ;
    p->pid = 0;
    if (!started)
        return start_failure(p, err);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
