/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     CONNECTING --> SHAKING --> OPEN --> OVER
 *
 * and inside OPEN the answer: HEAD --> LENGTH --> HEAD ...
 *                               `----> SIZE --> DATA --> CRLF --> SIZE ... --size 0--> TAIL: OVER
 */
#include "tests/watch/wire.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS    512
#define READ_SIZE 65536
#define READS_MAX 16 /* of one connection in a turn */

enum conn_state { CONN_CONNECTING, CONN_SHAKING, CONN_OPEN, CONN_OVER };
enum body_state { BODY_HEAD, BODY_LENGTH, BODY_SIZE, BODY_DATA, BODY_CRLF };

struct wire {
    int epoll;
    SSL_CTX *tls;
    struct sockaddr_in to;
    char *token;
    size_t connecting;
    char room[READ_SIZE];
};

struct wire_conn {
    struct wire *wire;
    int fd;
    SSL *ssl;
    enum conn_state state;
    enum body_state reading;
    struct wire_events events;
    void *arg;
    struct buf out;
    struct buf text; /* a head, a line or a body that is not whole */
    size_t left;     /* of a body or chunk */
    int status;
    bool paused;
    uint32_t interest;
};

struct wire *wire_new(const char *address, uint16_t port, const char *token)
{
    struct wire *wire = mem_zalloc(sizeof(*wire));

    wire->epoll = epoll_create1(EPOLL_CLOEXEC);
    wire->tls = SSL_CTX_new(TLS_client_method());
    wire->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
    wire->token = mem_strdup(token);
    if (wire->epoll < 0 || !wire->tls || inet_pton(AF_INET, address, &wire->to.sin_addr) != 1)
        mem_die(0);
    (void)SSL_CTX_set_mode(wire->tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return wire;
}

void wire_free(struct wire *wire)
{
    (void)close(wire->epoll);
    SSL_CTX_free(wire->tls);
    free(wire->token);
    free(wire);
}

size_t wire_connecting(const struct wire *wire)
{
    return wire->connecting;
}

static void conn_want(struct wire_conn *c, uint32_t interest)
{
    struct epoll_event event = {.events = interest, .data.ptr = c};

    if (c->interest == interest)
        return;
    c->interest = interest;
    (void)epoll_ctl(c->wire->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void conn_close(struct wire_conn *c)
{
    if (c->state < CONN_OPEN)
        c->wire->connecting--;
    c->state = CONN_OVER;
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    SSL_free(c->ssl);
    c->ssl = NULL;
    buf_free(&c->out);
    buf_free(&c->text);
}

static void conn_end(struct wire_conn *c, bool clean)
{
    if (c->state == CONN_OVER)
        return;
    conn_close(c);
    if (c->events.ended)
        c->events.ended(c->arg, clean);
}

/* ---- what comes ---------------------------------------------------------------------------------------------------
 */

/* The number behind a header's name, in that base; false when it is not there. */
static bool head_number(struct slice head, struct slice name, int base, size_t *ret_number)
{
    ptrdiff_t at = slice_find_text(head, name);

    if (at < 0)
        return false;
    *ret_number = strtoull(head.data + at + name.len, NULL, base);
    return true;
}

/* Takes bytes until the head is whole; how many. */
static size_t conn_take_head(struct wire_conn *c, struct slice data)
{
    size_t had = c->text.len, number = 0;
    ptrdiff_t end;

    buf_append_slice(&c->text, data);
    end = slice_find_text(buf_slice(&c->text), SLICE_LIT("\r\n\r\n"));
    if (end < 0)
        return data.len;
    c->text.len = (size_t)end + 4;
    (void)buf_cstr(&c->text);
    for (size_t i = 0; i < c->text.len; i++)
        c->text.data[i] = (char)tolower((unsigned char)c->text.data[i]);
    (void)head_number(buf_slice(&c->text), SLICE_LIT("http/1.1 "), 10, &number);
    c->status = (int)number;
    c->left = 0;
    c->reading = head_number(buf_slice(&c->text), SLICE_LIT("content-length: "), 10, &c->left) ? BODY_LENGTH
                                                                                               : BODY_SIZE;
    buf_free(&c->text);
    if (c->events.head)
        c->events.head(c->arg, c->status);
    return (size_t)end + 4 - had;
}

static size_t conn_take_length(struct wire_conn *c, struct slice data)
{
    size_t take = data.len < c->left ? data.len : c->left;
    struct buf body;

    buf_append(&c->text, data.data, take);
    c->left -= take;
    if (c->left)
        return take;
    body = c->text;
    c->text = (struct buf){0};
    c->reading = BODY_HEAD;
    if (c->events.body)
        c->events.body(c->arg, c->status, buf_slice(&body));
    buf_free(&body);
    return take;
}

static void conn_take_lines(struct wire_conn *c, struct slice data)
{
    while (data.len && c->state == CONN_OPEN) {
        ptrdiff_t end = slice_find(data, '\n');

        buf_append(&c->text, data.data, end < 0 ? data.len : (size_t)end);
        if (end < 0)
            return;
        if (c->events.line)
            c->events.line(c->arg, buf_slice(&c->text));
        buf_reset(&c->text);
        data = slice_from(data, (size_t)end + 1);
    }
}

/* A digit of a chunk's size, or the line's end behind it. */
static void conn_take_size(struct wire_conn *c, char digit)
{
    if (digit == '\n') {
        c->reading = BODY_DATA;
        if (!c->left)
            conn_end(c, true);
    } else if (digit != '\r') {
        c->left = c->left * 16 + (size_t)(digit <= '9' ? digit - '0' : (digit | 0x20) - 'a' + 10);
    }
}

static void conn_take(struct wire_conn *c, struct slice data)
{
    while (data.len && c->state == CONN_OPEN) {
        size_t taken = 1;

        switch (c->reading) {
        case BODY_HEAD:
            taken = conn_take_head(c, data);
            if (c->state == CONN_OPEN && c->reading == BODY_LENGTH && !c->left)
                (void)conn_take_length(c, SLICE_NONE);
            break;
        case BODY_LENGTH:
            taken = conn_take_length(c, data);
            break;
        case BODY_SIZE:
            conn_take_size(c, *data.data);
            break;
        case BODY_DATA:
            taken = data.len < c->left ? data.len : c->left;
            c->left -= taken;
            if (!c->left)
                c->reading = BODY_CRLF;
            conn_take_lines(c, slice_make(data.data, taken));
            break;
        case BODY_CRLF:
            if (*data.data == '\n')
                c->reading = BODY_SIZE;
        }
        data = slice_from(data, taken);
    }
}

static void conn_read(struct wire_conn *c)
{
    for (int i = 0; i < READS_MAX && c->state == CONN_OPEN && !c->paused; i++) {
        int n = SSL_read(c->ssl, c->wire->room, READ_SIZE);

        if (n > 0) {
            conn_take(c, slice_make(c->wire->room, (size_t)n));
            continue;
        }
        if (SSL_get_error(c->ssl, n) != SSL_ERROR_WANT_READ)
            conn_end(c, false);
        return;
    }
}

/* ---- what goes ----------------------------------------------------------------------------------------------------
 */

static void conn_interest(struct wire_conn *c)
{
    if (c->state == CONN_OPEN)
        conn_want(c, (c->paused ? 0 : EPOLLIN) | (c->out.len ? EPOLLOUT : 0));
}

static void conn_write(struct wire_conn *c)
{
    while (c->state == CONN_OPEN && c->out.len) {
        int n = SSL_write(c->ssl, c->out.data, (int)c->out.len);

        if (n <= 0) {
            int why = SSL_get_error(c->ssl, n);

            if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ)
                conn_end(c, false);
            break;
        }
        buf_consume(&c->out, (size_t)n);
    }
    if (c->state == CONN_OPEN && !c->out.len)
        buf_free(&c->out);
    conn_interest(c);
}

static void conn_shake(struct wire_conn *c)
{
    int n;

    if (c->state == CONN_CONNECTING) {
        int failed = 0;
        socklen_t len = sizeof(failed);

        (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &len);
        if (failed) {
            conn_end(c, false);
            return;
        }
        c->state = CONN_SHAKING;
        c->ssl = SSL_new(c->wire->tls);
        if (!c->ssl || !SSL_set_fd(c->ssl, c->fd))
            mem_die(0);
    }
    n = SSL_connect(c->ssl);
    if (n == 1) {
        c->state = CONN_OPEN;
        c->wire->connecting--;
        conn_write(c);
        return;
    }
    n = SSL_get_error(c->ssl, n);
    if (n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE)
        conn_want(c, n == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT);
    else
        conn_end(c, false);
}

void wire_turn(struct wire *wire, int ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(wire->epoll, events, EVENTS, ms);

    for (int i = 0; i < count; i++) {
        struct wire_conn *c = events[i].data.ptr;

        if (c->state < CONN_OPEN) {
            conn_shake(c);
            continue;
        }
        if (c->state == CONN_OPEN && (events[i].events & EPOLLOUT))
            conn_write(c);
        if (c->state == CONN_OPEN && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            conn_read(c);
        if (c->state == CONN_OPEN && c->paused && (events[i].events & (EPOLLHUP | EPOLLERR)))
            conn_end(c, false);
    }
}

struct wire_conn *wire_open(struct wire *wire, const struct wire_options *options, const struct wire_events *events,
                            void *arg)
{
    struct wire_conn *c;
    struct sockaddr_in from = {.sin_family = AF_INET};
    struct epoll_event event = {.events = EPOLLOUT};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return NULL;
    if (options && options->receive_buffer)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &options->receive_buffer, sizeof(options->receive_buffer));
    if (options && options->source &&
        (inet_pton(AF_INET, options->source, &from.sin_addr) != 1 || bind(fd, (void *)&from, sizeof(from)))) {
        (void)close(fd);
        return NULL;
    }
    (void)connect(fd, (const void *)&wire->to, sizeof(wire->to)); /* epoll tells how it went */
    c = mem_zalloc(sizeof(*c));
    c->wire = wire;
    c->fd = fd;
    c->events = *events;
    c->arg = arg;
    c->interest = EPOLLOUT;
    event.data.ptr = c;
    (void)epoll_ctl(wire->epoll, EPOLL_CTL_ADD, fd, &event);
    wire->connecting++;
    return c;
}

void wire_send(struct wire_conn *c, const char *method, const char *path, const char *content_type, const char *body)
{
    size_t len = body ? strlen(body) : 0;

    if (c->state == CONN_OVER)
        return;
    buf_printf(&c->out, "%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n", method,
               path, c->wire->token);
    if (body)
        buf_printf(&c->out, "Content-Type: %s\r\nContent-Length: %zu\r\n\r\n", content_type, len);
    else
        buf_append_str(&c->out, "\r\n");
    buf_append(&c->out, body, len);
    if (c->state == CONN_OPEN)
        conn_write(c);
}

void wire_pause(struct wire_conn *c, bool paused)
{
    c->paused = paused;
    conn_interest(c);
    /* What OpenSSL has already is no news to epoll. */
    if (c->state == CONN_OPEN && !paused && SSL_pending(c->ssl))
        conn_read(c);
}

void wire_drop(struct wire_conn *c, enum wire_drop how)
{
    const struct linger now = {.l_onoff = 1};

    if (c->state == CONN_OVER)
        return;
    if (how == WIRE_RST)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    conn_close(c);
}

struct asked {
    struct wire_conn *conn;
    int status;
    bool over;
};

static void asked_body(void *arg, int status, struct slice body)
{
    struct asked *a = arg;

    (void)body;
    a->status = status;
    a->over = true;
}

static void asked_ended(void *arg, bool clean)
{
    (void)clean;
    ((struct asked *)arg)->over = true;
}

int wire_ask(struct wire *wire, const char *method, const char *path, const char *content_type, const char *body)
{
    static const struct wire_events events = {.body = asked_body, .ended = asked_ended};
    struct asked asked = {0};

    asked.conn = wire_open(wire, NULL, &events, &asked);
    if (!asked.conn)
        return 0;
    wire_send(asked.conn, method, path, content_type, body);
    while (!asked.over)
        wire_turn(wire, 100);
    wire_drop(asked.conn, WIRE_FIN);
    wire_conn_free(asked.conn);
    return asked.status;
}

void wire_conn_free(struct wire_conn *c)
{
    free(c);
}
