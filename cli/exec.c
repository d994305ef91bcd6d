/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `knarr exec`: a WebSocket with the channels of v5.channel.k8s.io. The first byte of a message is the channel; channel
 * 255 closes another. The end is a Status on channel 3, which carries the exit code.
 *
 *     ASKING --101--> JOINED --status, closed--> over
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <uv.h>

#include "api/scan.h"
#include "api/status.h"
#include "cli/commands.h"
#include "cli/session.h"
#include "cli/target.h"
#include "lib/encoding.h"
#include "lib/http_tunnel.h"
#include "lib/random.h"
#include "lib/websocket_conn.h"

#define PROTOCOL      "v5.channel.k8s.io"
#define MESSAGE_MAX   (4u << 20)
#define INPUT_CHUNK   16384
#define INPUT_HIGH    (256u << 10)
#define CHANNEL_CLOSE '\xff'

enum { CHANNEL_STDIN, CHANNEL_STDOUT, CHANNEL_STDERR, CHANNEL_ERROR, CHANNEL_RESIZE };

struct exec {
    struct session session;
    const char *kubeconfig;
    const char *namespace_;
    const char *container;
    bool in;
    bool tty;
    const char *pod;
    const char *const *words; /* the pod as it was named, then the command */
    size_t word_count;
    struct http_client *client;
    struct websocket_conn *conn;
    char key[32];
    struct error *err;
    int code; /* -1 = no status came */
    uv_poll_t input;
    uv_signal_t resized;
    bool polls; /* `input` can be polled; else it is a file, and never waits */
    bool reading;
    bool raw;
    struct termios mode;
};

/* ---- input ---- */

static void send_channel(struct exec *e, char channel, struct slice data)
{
    websocket_send(e->conn, WEBSOCKET_BINARY, slice_make(&channel, 1), data);
}

static void input_on_poll(uv_poll_t *poll, int status, int events);

static void input_watch(struct exec *e, bool on)
{
    e->reading = on;
    if (!e->polls)
        return;
    if (on)
        (void)uv_poll_start(&e->input, UV_READABLE, input_on_poll);
    else
        (void)uv_poll_stop(&e->input);
}

/* One piece of it; at its end the channel is closed. */
static void input_read(struct exec *e)
{
    const char closed = CHANNEL_STDIN;
    char chunk[INPUT_CHUNK];
    ssize_t n = read(STDIN_FILENO, chunk, sizeof(chunk));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        send_channel(e, CHANNEL_STDIN, slice_make(chunk, (size_t)n));
        if (websocket_pending(e->conn) > INPUT_HIGH)
            input_watch(e, false);
        return;
    }
    input_watch(e, false);
    e->in = false;
    send_channel(e, CHANNEL_CLOSE, slice_make(&closed, 1));
}

static void input_on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    input_read(poll->data);
}

static void input_start(struct exec *e)
{
    int flags = fcntl(STDIN_FILENO, F_GETFL);

    e->input.data = e;
    e->polls = uv_poll_init(loop_uv(e->session.loop), &e->input, STDIN_FILENO) == 0;
    /* libuv has made it non-blocking, and with it whatever else shares the terminal. */
    (void)fcntl(STDIN_FILENO, F_SETFL, flags);
    input_watch(e, true);
    while (!e->polls && e->in && e->reading)
        input_read(e);
}

static void conn_on_drained(void *arg)
{
    struct exec *e = arg;

    if (!e->in || e->reading)
        return;
    input_watch(e, true);
    while (!e->polls && e->in && e->reading)
        input_read(e);
}

/* ---- the terminal ---- */

static void send_size(struct exec *e)
{
    struct winsize size;
    char json[64];
    int len;

    if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size))
        return;
    len = snprintf(json, sizeof(json), "{\"Width\":%u,\"Height\":%u}\n", size.ws_col, size.ws_row);
    send_channel(e, CHANNEL_RESIZE, slice_make(json, (size_t)len));
}

static void on_resized(uv_signal_t *handle, int number)
{
    (void)number;
    send_size(handle->data);
}

static void terminal_start(struct exec *e)
{
    struct termios raw;

    (void)uv_signal_init(loop_uv(e->session.loop), &e->resized);
    e->resized.data = e;
    (void)uv_signal_start(&e->resized, on_resized, SIGWINCH);
    if (tcgetattr(STDIN_FILENO, &e->mode))
        return;
    raw = e->mode;
    cfmakeraw(&raw);
    session_end_by_signals(&e->session); /* the terminal does not stay raw */
    e->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
    send_size(e);
}

/* ---- output ---- */

static int write_all(int fd, struct slice data, struct error *err)
{
    while (data.len) {
        ssize_t n = write(fd, data.data, data.len);

        /* Who shares the terminal may have made it non-blocking. */
        if (n < 0 && errno == EAGAIN)
            (void)poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
        else if (n < 0 && errno != EINTR)
            return error_set_errno(err, errno, "writing to standard %s", fd == STDOUT_FILENO ? "output" : "error");
        if (n > 0)
            data = slice_from(data, (size_t)n);
    }
    return 0;
}

/* The code among the causes of a failure; 1 when there is none. */
static void take_status(struct exec *e, struct slice status)
{
    struct scan_cursor causes = scan_open(scan_get(status, "details.causes"));
    struct slice cause;
    int64_t code;
    BUF_LOCAL(text);

    if (scan_text_is(scan_get(status, "status"), "Success")) {
        e->code = 0;
        return;
    }
    e->code = 1;
    while (scan_element(&causes, &cause)) {
        BUF_LOCAL(number);

        if (scan_text_is(scan_get(cause, "reason"), "ExitCode") &&
            slice_to_int64(scan_text(scan_get(cause, "message"), &number), &code))
            e->code = (int)code;
    }
    if (scan_text_is(scan_get(status, "reason"), "NonZeroExitCode"))
        return;
    (void)error_set(e->err, ERROR_IO, "%.*s", SLICE_ARGS(scan_text(scan_get(status, "message"), &text)));
}

static void conn_on_message(void *arg, enum websocket_opcode opcode, struct slice data)
{
    struct exec *e = arg;
    struct slice rest = slice_make(data.data + 1, data.len ? data.len - 1 : 0);

    (void)opcode;
    if (!data.len)
        return;
    /* The channels are numbered as the descriptors. Output that nobody reads is the end of the command, as of a pipe.
     */
    if (data.data[0] == CHANNEL_STDOUT || data.data[0] == CHANNEL_STDERR) {
        if (write_all(data.data[0], rest, e->err) < 0)
            websocket_abort(e->conn);
    } else if (data.data[0] == CHANNEL_ERROR) {
        take_status(e, rest);
    }
}

static void conn_on_closed(void *arg, bool clean)
{
    struct exec *e = arg;

    e->conn = NULL;
    if (!clean && e->code < 0 && !e->err->code)
        (void)error_set(e->err, ERROR_IO, "the connection was lost");
    else if (e->code < 0)
        e->code = 0;
    loop_stop(e->session.loop);
}

/* ---- the connection ---- */

static bool accepted(const struct exec *e, const struct http_tunnel_answer *answer)
{
    bool key = false;
    bool protocol = false;
    BUF_LOCAL(want);

    websocket_accept(&want, slice_str(e->key));
    for (size_t i = 0; i < answer->header_count; i++) {
        const struct http_header *h = &answer->headers[i];

        key = key || (!strcmp(h->name, "sec-websocket-accept") && slice_equal(h->value, buf_slice(&want)));
        protocol = protocol || (!strcmp(h->name, "sec-websocket-protocol") && slice_is(h->value, PROTOCOL));
    }
    return key && protocol;
}

static void on_opened(void *arg, const struct http_tunnel_answer *answer)
{
    static const struct websocket_events events = {conn_on_message, conn_on_drained, conn_on_closed};
    struct exec *e = arg;

    if (!answer->socket) {
        if (answer->err)
            error_copy(e->err, answer->err);
        else
            status_read_error(answer->status, answer->body, e->err);
        loop_stop(e->session.loop);
        return;
    }
    e->conn = websocket_conn_new(e->session.loop, answer->socket, MESSAGE_MAX, &events, e);
    if (!accepted(e, answer)) {
        (void)error_set(e->err, ERROR_IO, "the server does not speak " PROTOCOL);
        websocket_abort(e->conn);
        return;
    }
    if (e->tty)
        terminal_start(e);
    if (e->in)
        input_start(e);
}

static char *exec_url(const struct exec *e)
{
    const struct schema_kind *pods = schema_find_kind(SLICE_LIT(""), SLICE_LIT("v1"), SLICE_LIT("Pod"));
    char *path CLEANUP_FREE =
        client_path(pods, e->namespace_ ? e->namespace_ : e->session.config.namespace_, e->pod, "exec");
    BUF_LOCAL(url);

    buf_printf(&url, "%s%s?stdout=true&stderr=%s&stdin=%s&tty=%s", e->session.config.server, path,
               e->tty ? "false" : "true", e->in ? "true" : "false", e->tty ? "true" : "false");
    if (e->container) {
        buf_append_str(&url, "&container=");
        percent_encode(&url, slice_str(e->container));
    }
    for (size_t i = 1; i < e->word_count; i++) {
        buf_append_str(&url, "&command=");
        percent_encode(&url, slice_str(e->words[i]));
    }
    return buf_steal_str(&url);
}

static void make_key(struct exec *e)
{
    unsigned char bytes[WEBSOCKET_KEY_SIZE];
    BUF_LOCAL(text);

    random_bytes(bytes, sizeof(bytes));
    base64_encode(&text, slice_make(bytes, sizeof(bytes)));
    (void)snprintf(e->key, sizeof(e->key), "%s", buf_cstr(&text));
}

static void exec_open(struct exec *e)
{
    const struct kubeconfig *config = &e->session.config;
    const struct http_client_options client = {
        .ca = buf_slice(&config->ca), .certificate = buf_slice(&config->certificate), .key = buf_slice(&config->key)};
    char *bearer CLEANUP_FREE = mem_printf("Bearer %s", config->token ? config->token : "");
    char *url CLEANUP_FREE = exec_url(e);
    const struct http_header headers[] = {
        {"upgrade", SLICE_LIT("websocket")},      {"sec-websocket-version", SLICE_LIT("13")},
        {"sec-websocket-key", slice_str(e->key)}, {"sec-websocket-protocol", SLICE_LIT(PROTOCOL)},
        {"authorization", slice_str(bearer)},
    };
    const struct http_tunnel_options options = {
        .method = "GET", .url = url, .headers = headers, .header_count = ARRAY_SIZE(headers) - (config->token ? 0 : 1)};

    e->client = http_client_new(e->session.loop, &client);
    (void)http_tunnel_open(e->client, &options, on_opened, e);
}

static void exec_close(struct exec *e)
{
    if (e->raw)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &e->mode);
    if (e->polls)
        uv_close((uv_handle_t *)&e->input, NULL);
    if (e->resized.data)
        uv_close((uv_handle_t *)&e->resized, NULL);
    if (e->conn)
        websocket_abort(e->conn);
    http_client_free(e->client);
    session_close(&e->session);
}

int cli_exec(int argc, char **argv)
{
    struct exec e = {.code = -1};
    const struct flag flags[] = {
        SESSION_FLAGS(e.kubeconfig),
        {"namespace", 'n', FLAG_TEXT, &e.namespace_},
        {"container", 'c', FLAG_TEXT, &e.container},
        {"stdin", 'i', FLAG_BOOL, &e.in},
        {"tty", 't', FLAG_BOOL, &e.tty},
        {NULL, 0, FLAG_BOOL, NULL},
    };
    struct arguments arguments;
    ERROR_LOCAL(err);

    if (!flags_parse(flags, argc, argv, &arguments))
        return 2;
    if (arguments.count < 2) {
        (void)fprintf(stderr, "knarr exec: name a pod, and the command after \"--\"\n");
        return 2;
    }
    if (!(e.pod = target_pod("exec", arguments.items[0])))
        return 2;
    if (e.tty && !isatty(STDIN_FILENO)) {
        (void)fprintf(stderr, "knarr exec: the input is no terminal; going on without one\n");
        e.tty = false;
    }
    if (session_open(&e.session, e.kubeconfig, &err) < 0)
        return session_fail(&err);
    e.words = arguments.items;
    e.word_count = arguments.count;
    e.err = &err;
    make_key(&e);
    exec_open(&e);
    loop_run(e.session.loop);
    if (e.conn && !err.code)
        (void)error_set(&err, ERROR_CANCELLED, "ended by a signal");
    exec_close(&e);
    return err.code ? session_fail(&err) : e.code;
}
