/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec: a process in a container, joined to the channels of a peer.
 *
 *     OPENING --ready--> STARTING (pool) --> RUNNING --process ended--> DRAINING --output ended--> FINISHED --closed-->
 * freed |     (a terminal's size first)        |                          |                          ^ | `--cannot be
 * started----------+--------------------------+--------------------------'
 *        `--closed--> freed      RUNNING, STARTING --closed--> ENDING --process ended--> freed
 *
 * ENDING: the peer has left. Its input ends and its terminal hangs up; who is still there a moment later is killed.
 * DRAINING: what is left in the pipes is passed on; the runtime, which alone holds them, ends when nobody in the
 * container holds the command's output any more (as the kubelet's exec does). Invariant: freed only when the channels
 * are closed, no job is on the pool, and the runtime was reaped.
 */
#include <signal.h>
#include <uv.h>

#include "agent/channels.h"
#include "agent/exec_process.h"
#include "agent/fs.h"
#include "agent/pipe.h"
#include "agent/session.h"
#include "agent/str_list.h"
#include "lib/encoding.h"

#define OUTPUT_HIGH  (512u << 10) /* unsent to the peer: reading stops until all of it is sent */
#define INPUT_HIGH   (256u << 10)
#define SIZE_WAIT_MS 100  /* for a terminal's first size, which clients send at once */
#define HANGUP_MS    2000 /* until who ignores the hang-up is killed */
#define KILL_STEP_MS 200
#define END_STEPS    25 /* so often a process is looked for that is not there */
#define COMMAND_MAX  (128u << 10)

enum exec_state { EXEC_OPENING, EXEC_STARTING, EXEC_RUNNING, EXEC_DRAINING, EXEC_FINISHED, EXEC_ENDING };

struct exec {
    struct session session;
    enum exec_state state;
    struct channels *channels; /* NULL once closed */
    struct channels_options options;
    char *id;
    struct str_list command;
    struct exec_process process;
    uv_poll_t *end;  /* of the process */
    struct pipe *in; /* or the terminal */
    struct pipe *out;
    struct pipe *err;
    struct buf early; /* input before there is a process */
    bool early_end;
    bool job;
    bool reaped; /* or never started */
    bool input_paused;
    bool output_paused;
    unsigned open_outputs;
    int exit_code;
    struct error failure;
    struct loop_timer *timer; /* SIZE_WAIT, or what comes next of HANGUP and KILL */
    bool hung_up;
    unsigned end_steps;
};

static void exec_free(struct exec *e)
{
    session_remove(&e->session);
    exec_process_clear(&e->process);
    loop_timer_free(e->timer);
    error_clear(&e->failure);
    str_list_clear(&e->command);
    buf_free(&e->early);
    free(e->id);
    free(e);
}

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void exec_close_pipes(struct exec *e)
{
    pipe_free(e->in);
    pipe_free(e->out);
    pipe_free(e->err);
    e->in = e->out = e->err = NULL;
    e->open_outputs = 0;
}

static void exec_maybe_free(struct exec *e)
{
    if (e->channels || e->job || !e->reaped)
        return;
    exec_close_pipes(e);
    exec_free(e);
}

/* ---- the end ---- */

static void exec_finish(struct exec *e)
{
    struct channels_result result = {e->exit_code, e->failure.code ? error_text(&e->failure) : NULL};

    e->state = EXEC_FINISHED;
    exec_close_pipes(e);
    loop_timer_stop(e->timer);
    if (e->channels)
        channels_finish(e->channels, &result);
    exec_maybe_free(e);
}

/* Until the process is gone: first it is told, then it is killed, then the runtime, which may wait for who was left
 * behind. The process may still be on its way into the container. */
static void exec_end_step(struct exec *e)
{
    bool told = exec_process_signal(&e->process, e->hung_up ? SIGKILL : SIGHUP);

    if (!told && (e->hung_up || ++e->end_steps > END_STEPS))
        exec_process_kill(&e->process);
    loop_timer_start(e->timer, told && !e->hung_up ? HANGUP_MS : KILL_STEP_MS, 0);
    e->hung_up = e->hung_up || told;
}

static void exec_start(struct exec *e);

static void exec_on_timer(void *arg)
{
    struct exec *e = arg;

    if (e->state == EXEC_OPENING)
        exec_start(e);
    else if (e->state == EXEC_ENDING)
        exec_end_step(e);
}

static void exec_on_ended(uv_poll_t *poll, int status, int events)
{
    struct exec *e = poll->data;

    (void)status;
    (void)events;
    (void)uv_poll_stop(poll);
    uv_close((uv_handle_t *)poll, free_handle);
    e->end = NULL;
    e->exit_code = exec_process_reap(&e->process, &e->failure);
    e->reaped = true;
    if (e->state == EXEC_ENDING) {
        exec_maybe_free(e);
        return;
    }
    e->state = EXEC_DRAINING;
    if (!e->open_outputs)
        exec_finish(e);
}

/* ---- from the process to the peer ---- */

static void exec_output(struct exec *e, enum channel channel, struct slice data)
{
    if (!e->channels)
        return;
    channels_write(e->channels, channel, data);
    if (!e->output_paused && channels_pending(e->channels) > OUTPUT_HIGH) {
        e->output_paused = true;
        if (e->options.tty)
            pipe_pause(e->in, true);
        if (e->out)
            pipe_pause(e->out, true);
        if (e->err)
            pipe_pause(e->err, true);
    }
}

static void out_on_data(void *arg, struct slice data)
{
    exec_output(arg, CHANNEL_STDOUT, data);
}

static void err_on_data(void *arg, struct slice data)
{
    exec_output(arg, CHANNEL_STDERR, data);
}

static void exec_on_output_end(void *arg, int error)
{
    struct exec *e = arg;

    (void)error;
    if (e->open_outputs && --e->open_outputs == 0 && e->state == EXEC_DRAINING)
        exec_finish(e);
}

/* ---- from the peer to the process ---- */

static void in_on_data(void *arg, struct slice data)
{
    exec_output(arg, CHANNEL_STDOUT, data); /* a terminal: both ways are one */
}

static void in_on_end(void *arg, int error)
{
    struct exec *e = arg;

    if (e->options.tty)
        exec_on_output_end(arg, error);
}

static void in_on_drained(void *arg)
{
    struct exec *e = arg;

    if (!e->input_paused || !e->channels)
        return;
    e->input_paused = false;
    channels_pause(e->channels, false);
}

static void exec_on_input(void *arg, struct slice data)
{
    struct exec *e = arg;

    if (e->state < EXEC_RUNNING)
        buf_append_slice(&e->early, data);
    else if (e->in)
        pipe_write(e->in, data);
    if (!e->input_paused && e->early.len + (e->in ? pipe_pending(e->in) : 0) > INPUT_HIGH) {
        e->input_paused = true;
        channels_pause(e->channels, true);
    }
}

static void exec_on_input_end(void *arg)
{
    struct exec *e = arg;

    if (e->options.tty)
        return; /* its end is a character */
    if (e->state < EXEC_RUNNING)
        e->early_end = true;
    else if (e->in)
        pipe_finish(e->in);
}

static void exec_on_resize(void *arg, unsigned columns, unsigned rows)
{
    struct exec *e = arg;

    e->process.size = (struct winsize){.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    if (e->state == EXEC_OPENING && loop_timer_active(e->timer))
        exec_start(e);
    else if (e->state == EXEC_RUNNING && e->in)
        exec_process_resize(&e->process, pipe_fd(e->in), &e->process.size);
}

static void exec_on_drained(void *arg)
{
    struct exec *e = arg;

    if (!e->output_paused)
        return;
    e->output_paused = false;
    if (e->options.tty && e->in)
        pipe_pause(e->in, false);
    if (e->out)
        pipe_pause(e->out, false);
    if (e->err)
        pipe_pause(e->err, false);
}

/* ---- the start ---- */

static void exec_work(void *arg)
{
    struct exec *e = arg;

    (void)exec_process_start(&e->process, &e->failure);
}

static int take_fd(struct exec *e, int i)
{
    return STEAL_FD(e->process.fds[i]);
}

static void exec_join(struct exec *e)
{
    static const struct pipe_events in = {in_on_data, in_on_end, in_on_drained};
    static const struct pipe_events out = {out_on_data, exec_on_output_end, NULL};
    static const struct pipe_events err = {err_on_data, exec_on_output_end, NULL};
    struct loop *loop = e->session.agent->loop;

    e->in = pipe_open(loop, take_fd(e, 0), e->options.tty, &in, e);
    e->out = pipe_open(loop, take_fd(e, 1), true, &out, e);
    e->err = pipe_open(loop, take_fd(e, 2), true, &err, e);
    e->open_outputs = (e->options.tty && e->in ? 1u : 0u) + (e->out ? 1u : 0u) + (e->err ? 1u : 0u);
    if (e->in)
        pipe_write(e->in, buf_slice(&e->early));
    buf_free(&e->early);
    if (e->early_end)
        exec_on_input_end(e);
}

static void exec_started(void *arg)
{
    struct exec *e = arg;

    e->job = false;
    if (e->process.pid > 0) {
        e->end = mem_zalloc(sizeof(*e->end));
        e->end->data = e;
        (void)uv_poll_init(loop_uv(e->session.agent->loop), e->end, e->process.pidfd);
        (void)uv_poll_start(e->end, UV_READABLE, exec_on_ended);
    } else {
        e->reaped = true;
    }
    if (e->state == EXEC_ENDING) {
        exec_process_close(&e->process);
        if (!e->reaped)
            exec_end_step(e);
        exec_maybe_free(e);
        return;
    }
    e->state = EXEC_RUNNING;
    if (e->reaped)
        exec_finish(e);
    else
        exec_join(e);
}

static void exec_start(struct exec *e)
{
    loop_timer_stop(e->timer);
    e->state = EXEC_STARTING;
    e->reaped = false;
    e->job = true;
    agent_work(e->session.agent, exec_work, exec_started, e);
}

static void exec_on_ready(void *arg)
{
    struct exec *e = arg;

    if (e->options.tty && !e->process.size.ws_col)
        loop_timer_start(e->timer, SIZE_WAIT_MS, 0);
    else
        exec_start(e);
}

/* ---- the peer leaves ---- */

static void exec_on_closed(void *arg)
{
    struct exec *e = arg;

    e->channels = NULL;
    if (!e->reaped) {
        exec_close_pipes(e);
        if (!e->job)
            exec_end_step(e);
    }
    if (e->state != EXEC_FINISHED)
        e->state = EXEC_ENDING;
    exec_maybe_free(e);
}

/* The agent ends: nobody would wait for the process any more. */
static void exec_on_agent_end(struct session *session)
{
    struct exec *e = container_of(session, struct exec, session);

    if (e->job)
        return; /* exec_started follows */
    if (!e->reaped) {
        (void)exec_process_signal(&e->process, SIGKILL);
        exec_process_kill(&e->process);
        (void)exec_process_reap(&e->process, NULL);
        (void)uv_poll_stop(e->end);
        uv_close((uv_handle_t *)e->end, free_handle);
        e->reaped = true;
    }
    exec_maybe_free(e);
}

/* ---- the request ---- */

static int read_command(struct http_request *req, struct str_list *command, struct error *err)
{
    struct slice rest = req->query;
    struct slice pair;
    struct slice name;

    if (rest.len > COMMAND_MAX)
        return error_set(err, ERROR_TOO_LARGE, "the command is longer than %u bytes", COMMAND_MAX);
    while (rest.len && slice_split(&rest, '&', &pair)) {
        BUF_LOCAL(value);

        if (!slice_split(&pair, '=', &name) || !pair.data || !slice_is(name, "command") ||
            !percent_decode(&value, pair, true))
            continue;
        str_list_take(command, buf_steal_str(&value));
    }
    if (!command->count)
        return error_set(err, ERROR_BAD_REQUEST, "you must specify at least one command for the container");
    return 0;
}

void exec_serve(struct agent *agent, struct http_request *req, const struct pod *pod, const char *container)
{
    static const struct channels_events events = {exec_on_ready,  exec_on_input,   exec_on_input_end,
                                                  exec_on_resize, exec_on_drained, exec_on_closed};
    struct exec *e = mem_zalloc(sizeof(*e));
    struct pod_target target;
    ERROR_LOCAL(err);

    exec_process_init(&e->process);
    if (session_add(&e->session, agent, exec_on_agent_end, &err) < 0) {
        session_refuse(req, &err);
        free(e);
        return;
    }
    e->reaped = true; /* nothing runs yet */
    e->timer = loop_timer_new(agent->loop, exec_on_timer, e);
    if (pod_find_target(pod, container, &target, &err) < 0 || channels_read_options(req, &e->options, &err) < 0 ||
        read_command(req, &e->command, &err) < 0 ||
        !(e->channels = channels_open(req, &e->options, &events, e, &err))) {
        session_refuse(req, &err);
        exec_free(e);
        return;
    }
    e->id = mem_strdup(target.id);
    e->process.runtime = &agent->config.runtime;
    e->process.id = e->id;
    e->process.command = (const char *const *)e->command.items;
    e->process.in = e->options.in;
    e->process.tty = e->options.tty;
}
