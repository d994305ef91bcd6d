/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/watch/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/clock.h"

#define LINKS     2
#define ARGUMENTS 32
#define READY_S   30

void process_die(const char *what, const char *why)
{
    (void)printf("FAILED: %s: %s\n", what, why);
    exit(1);
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t len = strlen(text);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len)
        process_die(path, strerror(errno));
    (void)close(fd);
}

static struct buf read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct buf text = {0};
    ssize_t n = 0;

    do {
        text.len += (size_t)n;
        n = fd < 0 ? 0 : read(fd, buf_reserve(&text, 4096), 4096);
    } while (n > 0);
    if (fd >= 0)
        (void)close(fd);
    return text;
}

/* A program of the system's, to its end, which must be good unless `may_fail`. */
static void run(const char *const *arguments, bool may_fail)
{
    char *copy[ARGUMENTS] = {NULL};
    int status = -1;
    pid_t pid;

    for (size_t i = 0; arguments[i] && i < ARGUMENTS - 1; i++)
        copy[i] = mem_strdup(arguments[i]);
    pid = fork();
    if (pid == 0) {
        if (may_fail)
            (void)close(STDERR_FILENO);
        (void)execvp(copy[0], copy);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || (status && !may_fail))
        process_die(arguments[0], "failed");
    for (size_t i = 0; copy[i]; i++)
        free(copy[i]);
}

#define RUN(...) run((const char *const[]){__VA_ARGS__, NULL}, false)

bool process_leave_network(void)
{
    if (unshare(CLONE_NEWNET))
        return false;
    RUN("ip", "link", "set", "lo", "up");
    /* Ten thousand connections and more from one address. */
    write_file("/proc/sys/net/ipv4/ip_local_port_range", "1024 65000");
    return true;
}

static void process_link(const struct process *p)
{
    char *pid CLEANUP_FREE = mem_printf("%d", (int)p->pid);

    for (int i = 0; i < LINKS; i++) {
        char *ours CLEANUP_FREE = mem_printf("c%d", i);
        char *theirs CLEANUP_FREE = mem_printf("s%d", i);
        char *our_address CLEANUP_FREE = mem_printf("10.99.%d.2/24", i);
        char *their_address CLEANUP_FREE = mem_printf("10.99.%d.1/24", i);

        /* That to a server that was killed goes some time after him. */
        run((const char *const[]){"ip", "link", "delete", ours, NULL}, true);
        RUN("ip", "link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", pid);
        RUN("ip", "address", "add", our_address, "dev", ours);
        RUN("nsenter", "-t", pid, "-n", "ip", "address", "add", their_address, "dev", theirs);
        RUN("nsenter", "-t", pid, "-n", "ip", "link", "set", theirs, "up");
        RUN("ip", "link", "set", ours, "up");
    }
}

void process_set_link(const struct process *p, int link, bool up)
{
    char *name CLEANUP_FREE = mem_printf("c%d", link);

    (void)p;
    RUN("ip", "link", "set", name, up ? "up" : "down");
}

_Noreturn static void process_exec(const struct process *p, int unshared, int go)
{
    char *home = mem_printf("%s/home", p->dir), *tokens = mem_printf("%s/tokens", p->dir);
    char *log = mem_printf("%s/log", p->dir), *port = mem_printf("%d", PROCESS_PORT);
    const char *arguments[ARGUMENTS] = {p->binary,
                                        "server",
                                        "--home",
                                        home,
                                        "--address",
                                        "0.0.0.0",
                                        "--port",
                                        port,
                                        "--advertise-address",
                                        "10.99.0.1",
                                        "--token-auth-file",
                                        tokens};
    char *copy[ARGUMENTS] = {NULL};
    size_t count = 12;
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    char byte;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (out < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || unshare(CLONE_NEWNET) || write(unshared, "u", 1) != 1 ||
        read(go, &byte, 1) != 1)
        _exit(126);
    for (size_t i = 0; p->more && p->more[i] && count < ARGUMENTS - 1; i++)
        arguments[count++] = p->more[i];
    for (size_t i = 0; i < count; i++)
        copy[i] = mem_strdup(arguments[i]);
    (void)execv(copy[0], copy);
    _exit(127);
}

static void process_wait_ready(const struct process *p)
{
    char *path CLEANUP_FREE = mem_printf("%s/log", p->dir);
    int64_t end = clock_monotonic_ns(clock_system()) + READY_S * NS_PER_S;
    const struct timespec moment = {0, 10 * NS_PER_MS};

    for (;;) {
        struct buf text = read_file(path);
        bool ready = slice_find_text(buf_slice(&text), SLICE_LIT("ready at")) >= 0;
        bool gone = waitpid(p->pid, NULL, WNOHANG) != 0;

        if (!ready && (gone || clock_monotonic_ns(clock_system()) > end))
            process_die("the server is not ready", buf_cstr(&text));
        buf_free(&text);
        if (ready)
            return;
        (void)nanosleep(&moment, NULL);
    }
}

void process_restart(struct process *p)
{
    int unshared[2], go[2];
    char byte;

    if (pipe2(unshared, O_CLOEXEC) || pipe2(go, O_CLOEXEC) || (p->pid = fork()) < 0)
        process_die("the server", strerror(errno));
    if (p->pid == 0)
        process_exec(p, unshared[1], go[0]);
    (void)close(unshared[1]);
    (void)close(go[0]);
    if (read(unshared[0], &byte, 1) != 1)
        process_die("the server", "has no network of its own");
    process_link(p);
    if (write(go[1], "g", 1) != 1)
        process_die("the server", strerror(errno));
    (void)close(unshared[0]);
    (void)close(go[1]);
    process_wait_ready(p);
}

void process_start(struct process *p, const char *binary, const char *const *more)
{
    char *tokens CLEANUP_FREE = NULL;

    *p = (struct process){.dir = "/tmp/knarr-watch-XXXXXX", .binary = binary, .more = more};
    if (!mkdtemp(p->dir))
        process_die("a folder", strerror(errno));
    tokens = mem_printf("%s/tokens", p->dir);
    write_file(tokens, PROCESS_TOKEN ",watcher,1,\"system:masters\"\n");
    process_restart(p);
}

bool process_stop(struct process *p, int signal)
{
    int status = -1;

    (void)kill(p->pid, signal);
    (void)waitpid(p->pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char *inner CLEANUP_FREE = mem_printf("%s/%s", path, entry->d_name);

        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (unlink(inner) < 0)
            remove_folder(inner);
    }
    if (folder)
        (void)closedir(folder);
    (void)rmdir(path);
}

void process_clear(struct process *p)
{
    remove_folder(p->dir);
}

size_t process_descriptors(const struct process *p)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/fd", (int)p->pid);
    DIR *folder = opendir(path);
    size_t count = 0;

    while (folder && readdir(folder))
        count++;
    if (folder)
        (void)closedir(folder);
    return count;
}

size_t process_memory(const struct process *p)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/smaps_rollup", (int)p->pid);
    struct buf text = read_file(path);
    ptrdiff_t at = slice_find_text(buf_slice(&text), SLICE_LIT("Pss:"));
    size_t kib = at < 0 ? 0 : strtoull(buf_cstr(&text) + at + 4, NULL, 10);

    buf_free(&text);
    return kib * 1024;
}
