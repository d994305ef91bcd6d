/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attach: the channels of a peer joined to a container's own input and output, which conmon holds. conmon's socket
 * gives packets whose first byte tells output from errors, and takes input as it is; its control pipe sets a terminal's
 * size.
 *
 *     OPENING --ready, connected--> JOINED --container ended--> FINISHED --closed--> freed
 *        `--ready, no socket--------------------------------------^
 *        closed from any: freed; the container goes on (conmon ends its input then, unless it is to stay open)
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/channels.h"
#include "agent/fs.h"
#include "agent/pipe.h"
#include "agent/session.h"

#define OUTPUT_HIGH     (512u << 10)
#define INPUT_HIGH      (256u << 10)
#define PACKET_MAX      8192 /* what conmon reads at once: the rest of a larger one would be lost */
#define CONMON_STDERR   3
#define RESIZE_MS       5   /* until the next look whether conmon has read */
#define RESIZE_AGAIN_MS 250 /* doubled each time */
#define RESIZE_REPEATS  2

struct attach {
    struct session session;
    struct channels *channels; /* NULL once closed */
    struct channels_options options;
    bool takes_input;
    char *dir; /* of the container */
    struct pipe *conmon;
    struct loop_timer *resize;
    unsigned repeats; /* of the last size that are still to come */
    unsigned columns;
    unsigned rows;
    bool finished;
    bool input_paused;
    bool output_paused;
};

static void attach_free(struct attach *a)
{
    session_remove(&a->session);
    pipe_free(a->conmon);
    loop_timer_free(a->resize);
    free(a->dir);
    free(a);
}

static void attach_finish(struct attach *a, const char *failure)
{
    const struct channels_result result = {0, failure};

    pipe_free(a->conmon);
    a->conmon = NULL;
    if (a->finished)
        return;
    a->finished = true;
    channels_finish(a->channels, &result);
}

/* ---- from the container ---- */

static void conmon_on_data(void *arg, struct slice data)
{
    struct attach *a = arg;
    struct slice rest = slice_from(data, 1);

    if (a->finished)
        return;
    channels_write(a->channels, data.data[0] == CONMON_STDERR ? CHANNEL_STDERR : CHANNEL_STDOUT, rest);
    if (!a->output_paused && channels_pending(a->channels) > OUTPUT_HIGH) {
        a->output_paused = true;
        pipe_pause(a->conmon, true);
    }
}

static void conmon_on_end(void *arg, int error)
{
    (void)error;
    attach_finish(arg, NULL);
}

static void conmon_on_drained(void *arg)
{
    struct attach *a = arg;

    if (!a->input_paused || a->finished)
        return;
    a->input_paused = false;
    channels_pause(a->channels, false);
}

/* ---- from the peer ---- */

static void attach_on_input(void *arg, struct slice data)
{
    struct attach *a = arg;

    if (!a->takes_input || !a->conmon)
        return; /* before it is joined nothing comes: the client waits for all its streams */
    while (data.len) {
        size_t n = data.len < PACKET_MAX ? data.len : PACKET_MAX;

        pipe_write(a->conmon, slice_make(data.data, n));
        data = slice_from(data, n);
    }
    if (!a->input_paused && pipe_pending(a->conmon) > INPUT_HIGH) {
        a->input_paused = true;
        channels_pause(a->channels, true);
    }
}

static void attach_on_input_end(void *arg)
{
    struct attach *a = arg;

    if (a->conmon && a->takes_input)
        pipe_finish(a->conmon);
}

/* A line in conmon's control pipe. Of several that it finds there at once it takes the first alone, so the next is
 * written when the one before has been read; then only the last counts. What it has read goes through a second pipe of
 * its own, where the same is so and we cannot look: so the last size is said again, twice, which changes nothing where
 * it is known. */
static void attach_set_size(void *arg)
{
    struct attach *a = arg;
    char *path CLEANUP_FREE = mem_printf("%s/ctl", a->dir);
    int fd CLEANUP_FD = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    int unread = 0;
    char line[64];
    int len = snprintf(line, sizeof(line), "1 %u %u\n", a->rows, a->columns);

    if (fd < 0)
        return; /* conmon has gone, and the container with it */
    if (ioctl(fd, FIONREAD, &unread) || unread || write(fd, line, (size_t)len) < 0)
        loop_timer_start(a->resize, RESIZE_MS, 0);
    else if (a->repeats)
        loop_timer_start(a->resize, RESIZE_AGAIN_MS << (RESIZE_REPEATS - a->repeats--), 0);
}

static void attach_on_resize(void *arg, unsigned columns, unsigned rows)
{
    struct attach *a = arg;

    a->columns = columns;
    a->rows = rows;
    a->repeats = RESIZE_REPEATS;
    attach_set_size(a);
}

static void attach_on_drained(void *arg)
{
    struct attach *a = arg;

    if (!a->output_paused || !a->conmon)
        return;
    a->output_paused = false;
    pipe_pause(a->conmon, false);
}

static void attach_on_closed(void *arg)
{
    struct attach *a = arg;

    a->channels = NULL;
    attach_free(a);
}

/* The path may be longer than a socket's address holds, so it is named by its directory's descriptor. */
static int attach_connect(const char *dir)
{
    int at CLEANUP_FD = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd CLEANUP_FD = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/attach", at);
    if (at < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
        return -1;
    return STEAL_FD(fd);
}

static void attach_on_ready(void *arg)
{
    static const struct pipe_events events = {conmon_on_data, conmon_on_end, conmon_on_drained};
    struct attach *a = arg;

    a->conmon = pipe_open(a->session.agent->loop, attach_connect(a->dir), true, &events, a);
    if (!a->conmon) {
        attach_finish(a, "the container's output cannot be joined: it has just ended");
    }
}

static void attach_on_agent_end(struct session *session)
{
    attach_free(container_of(session, struct attach, session));
}

void attach_serve(struct agent *agent, struct http_request *req, const struct pod *pod, const char *container)
{
    static const struct channels_events events = {attach_on_ready,  attach_on_input,   attach_on_input_end,
                                                  attach_on_resize, attach_on_drained, attach_on_closed};
    struct attach *a = mem_zalloc(sizeof(*a));
    struct pod_target target;
    ERROR_LOCAL(err);

    if (session_add(&a->session, agent, attach_on_agent_end, &err) < 0) {
        session_refuse(req, &err);
        free(a);
        return;
    }
    if (pod_find_target(pod, container, &target, &err) < 0 || channels_read_options(req, &a->options, &err) < 0 ||
        !(a->channels = channels_open(req, &a->options, &events, a, &err))) {
        session_refuse(req, &err);
        attach_free(a);
        return;
    }
    a->resize = loop_timer_new(agent->loop, attach_set_size, a);
    a->takes_input = a->options.in && target.stdin_open;
    a->dir = mem_printf("%s/containers/%s", agent->config.runtime.run_dir, target.id);
}
