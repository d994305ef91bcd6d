/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/session.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <uv.h>

#include "api/scan.h"
#include "api/status.h"
#include "api/value.h"

int session_open(struct session *s, const char *kubeconfig, struct error *err)
{
    struct client_https_options options = {0};

    memset(s, 0, sizeof(*s));
    if (kubeconfig_load(kubeconfig, &s->config, err) < 0)
        return -(int)err->code;
    (void)signal(SIGPIPE, SIG_IGN);
    value_init();
    options.server = s->config.server;
    options.ca = buf_slice(&s->config.ca);
    options.certificate = buf_slice(&s->config.certificate);
    options.key = buf_slice(&s->config.key);
    options.token = s->config.token;
    s->loop = loop_new(clock_system());
    s->client = client_new(s->loop, client_transport_https(s->loop, &options));
    return 0;
}

struct session_signals {
    uv_signal_t handles[3];
};

static void session_on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    loop_stop(handle->data);
}

void session_end_by_signals(struct session *s)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    s->signals = mem_zalloc(sizeof(*s->signals));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        uv_signal_t *handle = &s->signals->handles[i];

        (void)uv_signal_init(loop_uv(s->loop), handle);
        handle->data = s->loop;
        (void)uv_signal_start(handle, session_on_signal, numbers[i]);
    }
}

void session_close(struct session *s)
{
    session_forget_kinds(s);
    client_free(s->client);
    for (size_t i = 0; s->signals && i < ARRAY_SIZE(s->signals->handles); i++)
        uv_close((uv_handle_t *)&s->signals->handles[i], NULL);
    loop_free(s->loop);
    free(s->signals);
    kubeconfig_clear(&s->config);
}

struct call {
    struct session *session;
    struct buf *body;
    struct error *err;
    int result;
};

static void call_done(void *arg, int status, struct slice body, const struct error *err)
{
    struct call *call = arg;

    (void)status;
    if (err) {
        call->result = -(int)err->code;
        if (call->err)
            error_copy(call->err, err);
    } else if (call->body) {
        buf_append_slice(call->body, body);
    }
    loop_stop(call->session->loop);
}

int session_call(struct session *s, const struct client_request *request, struct buf *ret_body, struct error *err)
{
    struct call call = {.session = s, .body = ret_body, .err = err};

    (void)client_send(s->client, request, call_done, &call);
    loop_run(s->loop);
    return call.result;
}

struct stream {
    struct session *session;
    struct client_call *call; /* NULL once it is over */
    int (*fn)(void *arg, struct slice data, struct error *err);
    void *arg;
    int status;
    struct buf failure; /* the body of an answer that is not 2xx */
    struct error *err;
    int result;
};

static void stream_head(void *arg, int status, const char *content_type, unsigned retry_after_s)
{
    struct stream *stream = arg;

    (void)content_type;
    (void)retry_after_s;
    stream->status = status;
}

static void stream_data(void *arg, struct slice data)
{
    struct stream *stream = arg;

    if (stream->status < 200 || stream->status >= 300) {
        buf_append_slice(&stream->failure, data);
    } else if (stream->fn(stream->arg, data, stream->err) < 0) {
        stream->result = -(int)stream->err->code;
        client_call_cancel(STEAL(stream->call));
        loop_stop(stream->session->loop);
    }
}

static void stream_end(void *arg, const struct error *err)
{
    struct stream *stream = arg;

    stream->call = NULL;
    if (err)
        error_copy(stream->err, err);
    else if (stream->status < 200 || stream->status >= 300)
        status_read_error(stream->status, buf_slice(&stream->failure), stream->err);
    stream->result = -(int)stream->err->code;
    loop_stop(stream->session->loop);
}

int session_stream(struct session *s, const struct client_request *request,
                   int (*fn)(void *arg, struct slice data, struct error *err), void *arg, struct error *err)
{
    static const struct client_events events = {stream_head, stream_data, stream_end};
    struct stream stream = {.session = s, .fn = fn, .arg = arg, .err = err};

    stream.call = client_stream(s->client, request, &events, &stream);
    loop_run(s->loop);
    if (stream.call) {
        client_call_cancel(stream.call);
        stream.result = error_set(err, ERROR_CANCELLED, "ended by a signal");
    }
    buf_free(&stream.failure);
    return stream.result;
}

int session_watch_failed(struct slice line, struct error *err)
{
    struct slice status = scan_get(line, "object");

    if (!scan_text_is(scan_get(line, "type"), "ERROR"))
        return 0;
    status_read_error((int)scan_int(scan_get(status, "code"), 500), status, err);
    return -(int)err->code;
}

static void stop_loop(void *arg)
{
    loop_stop(arg);
}

void session_sleep(struct session *s, unsigned ms)
{
    struct loop_timer *timer = loop_timer_new(s->loop, stop_loop, s->loop);

    loop_timer_start(timer, ms, 0);
    loop_run(s->loop);
    loop_timer_free(timer);
}

int session_print(struct slice text, struct error *err)
{
    if ((text.len && fwrite(text.data, 1, text.len, stdout) != text.len) || fflush(stdout))
        return error_set_errno(err, errno, "writing to standard output");
    return 0;
}

int session_fail(const struct error *err)
{
    const char *reason = error_reason(err->code);

    if (err->code == ERROR_IO || err->code == ERROR_CANCELLED)
        (void)fprintf(stderr, "error: %s\n", error_text(err));
    else
        (void)fprintf(stderr, "Error from server (%s): %s\n", reason, error_text(err));
    return 1;
}
