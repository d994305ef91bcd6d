/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One way to learn of a container's end: conmon's pidfd becomes readable; conmon writes the exit code before it goes,
 * so there is no race between the two and nothing to poll. After a restart of the agent the same pidfd is opened again
 * from conmon.pid; the pid counts only while its command line carries the container's id.
 */
#include "agent/runtime_internal.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "agent/fs.h"

#define CMDLINE_MAX   65536
#define CONMON_END_MS 5000

bool runtime_pid_is(pid_t pid, const char *id)
{
    char *path CLEANUP_FREE = mem_printf("/proc/%d/cmdline", (int)pid);
    BUF_LOCAL(text);

    if (pid <= 1 || fs_read(path, CMDLINE_MAX, &text, NULL) < 0)
        return false;
    return memmem(text.data, text.len, id, strlen(id)) != NULL;
}

pid_t runtime_read_pid(const struct runtime *rt, const char *id, const char *name)
{
    char *path CLEANUP_FREE = runtime_bundle_path(rt, id, name);
    int64_t pid = 0;
    BUF_LOCAL(text);

    if (fs_read(path, 64, &text, NULL) < 0 || !slice_to_int64(slice_trim(buf_slice(&text)), &pid))
        return 0;
    return (pid_t)pid;
}

void runtime_wait_conmon(const struct runtime *rt, const char *id)
{
    pid_t pid = runtime_read_pid(rt, id, "conmon.pid");
    int fd CLEANUP_FD = pid > 1 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (fd >= 0 && runtime_pid_is(pid, id))
        (void)poll(&end, 1, CONMON_END_MS);
}

/* ---- on the loop ---- */

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
    if (w->fd >= 0 && runtime_pid_is(c->conmon_pid, c->id) && !uv_poll_init(loop_uv(loop), &w->poll, w->fd)) {
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
