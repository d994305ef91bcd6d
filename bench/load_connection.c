/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536

void load_begin(struct load *load, int argc, char **argv)
{
    if (argc != 6)
        bench_fail("usage: bench-load ADDRESS PORT CA CERTIFICATE KEY");
    load->address = argv[1];
    load->port = (uint16_t)strtoul(argv[2], NULL, 10);
    load->certificate = argv[4];
    load->key = argv[5];
    load->tls = SSL_CTX_new(TLS_client_method());
    if (!load->tls || SSL_CTX_load_verify_file(load->tls, argv[3]) != 1 ||
        SSL_CTX_use_certificate_file(load->tls, argv[4], SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(load->tls, argv[5], SSL_FILETYPE_PEM) != 1)
        bench_fail("the client's certificate is of no use");
    SSL_CTX_set_verify(load->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_read_ahead(load->tls, 1);
    SSL_CTX_set_default_read_buffer_len(load->tls, READ_BYTES);
}

void connection_open(struct load *load, struct connection *c, int epoll)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(load->port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    int on = 1;

    *c = (struct connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (c->fd < 0 || inet_pton(AF_INET, load->address, &to.sin_addr) != 1 ||
        connect(c->fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        bench_fail("connecting: %s", strerror(errno));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->ssl = SSL_new(load->tls);
    if (load->unverified)
        SSL_set_verify(c->ssl, SSL_VERIFY_NONE, NULL);
    if (SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
        bench_fail("the TLS handshake failed");
    if (fcntl(c->fd, F_SETFL, O_NONBLOCK) < 0 || (epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event) < 0))
        bench_fail("connecting: %s", strerror(errno));
}

void connection_close(struct connection *c)
{
    SSL_free(c->ssl);
    (void)close(c->fd);
    buf_free(&c->in);
}

static void wait_for(const struct connection *c, short events)
{
    struct pollfd one = {.fd = c->fd, .events = events};

    (void)poll(&one, 1, -1);
}

void connection_send(struct connection *c, struct slice request)
{
    size_t done;

    buf_reset(&c->in);
    c->seen = 0;
    c->since_ns = bench_now_ns();
    while (SSL_write_ex(c->ssl, request.data, request.len, &done) != 1) {
        if (SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_WRITE)
            bench_fail("the server closed a connection");
        wait_for(c, POLLOUT);
    }
}

void connection_read(struct connection *c)
{
    size_t got;

    while (SSL_read_ex(c->ssl, buf_reserve(&c->in, READ_BYTES), READ_BYTES, &got) == 1) {
        c->in.len += got;
        if (!SSL_has_pending(c->ssl))
            return;
    }
    if (SSL_get_error(c->ssl, 0) != SSL_ERROR_WANT_READ)
        bench_fail("the server closed a connection");
}

/* The head's field, written as the server does; NULL when it has none. */
static const char *head_field(struct slice head, const char *name)
{
    const char *at = memmem(head.data, head.len, name, strlen(name));

    return at ? at + strlen(name) : NULL;
}

void connection_wait(const struct connection *c)
{
    wait_for(c, POLLIN);
}

bool connection_chunks_end(struct slice body)
{
    return slice_ends(body, SLICE_LIT("\r\n0\r\n\r\n"));
}

bool connection_head(struct connection *c, struct slice *ret_body, uint64_t *ret_length)
{
    const char *stop = c->in.len ? memmem(c->in.data, c->in.len < 4096 ? c->in.len : 4096, "\r\n\r\n", 4) : NULL;
    struct slice head;
    const char *length;

    *ret_body = SLICE_NONE;
    if (!stop)
        return false;
    head = slice_make(c->in.data, (size_t)(stop + 4 - c->in.data));
    *ret_body = slice_make(stop + 4, c->in.len - head.len);
    if (head.len < 12 || head.data[9] != '2')
        bench_fail("the server said: %.*s", (int)c->in.len, c->in.data);
    length = head_field(head, "\r\nContent-Length: ");
    *ret_length = length ? strtoull(length, NULL, 10) : UINT64_MAX;
    return true;
}

bool connection_answer(struct connection *c, struct slice *ret_body)
{
    uint64_t length;

    if (!connection_head(c, ret_body, &length))
        return false;
    return length == UINT64_MAX ? connection_chunks_end(*ret_body) : ret_body->len >= length;
}

struct slice connection_ask(struct connection *c, struct slice request)
{
    struct slice body;

    connection_send(c, request);
    do {
        connection_wait(c);
        connection_read(c);
    } while (!connection_answer(c, &body));
    return body;
}

void request_get(struct buf *to, const char *path, const char *accept, bool gzip)
{
    buf_reset(to);
    buf_printf(to, "GET %s HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: %s\r\n%s\r\n", path, accept,
               gzip ? "accept-encoding: gzip\r\n" : "");
}

void request_write(struct load *load, struct buf *to, struct bench_work *work, uint64_t number)
{
    char head[256], name[16] = "";
    int length =
        snprintf(head, sizeof(head),
                 "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"c%06llu\",\"namespace\":"
                 "\"%s\"},\"data\":{\"value\":\"",
                 (unsigned long long)number, work->namespace_);
    size_t size = work->size > (size_t)length + 3 ? work->size - (size_t)length - 3 : 0;

    if (work->update)
        (void)snprintf(name, sizeof(name), "/c%06llu", (unsigned long long)number);
    bench_value(load->value, size, work->random, &work->seed);
    buf_reset(to);
    buf_printf(to,
               "%s /api/v1/namespaces/%s/configmaps%s HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\ncontent-type: "
               "application/json\r\naccept: application/json\r\ncontent-length: %zu\r\n\r\n",
               work->update ? "PUT" : "POST", work->namespace_, name, (size_t)length + size + 3);
    buf_append(to, head, (size_t)length);
    buf_append(to, load->value, size);
    buf_append(to, "\"}}", 3);
}
