/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Large answers, taken in and dropped piece by piece, so that the client's own copying is no part of the figure; and
 * beside them what TLS alone moves between two threads of this machine, with the cipher that the server chose.
 */
#include "bench/load.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define TAIL_BYTES 7 /* the end of a chunked body */

/* Waits for the answer and keeps none of it; returns the bytes of its body, chunk heads among them. */
static uint64_t connection_drain(struct connection *c, struct slice request)
{
    uint64_t bytes = 0, wanted = UINT64_MAX;
    struct slice body = SLICE_NONE;
    bool begun = false;

    connection_send(c, request);
    for (;;) {
        size_t kept = c->in.len;

        connection_wait(c);
        connection_read(c);
        if (begun) {
            body = buf_slice(&c->in);
            bytes += c->in.len - kept;
        } else if (connection_head(c, &body, &wanted)) {
            bytes += body.len;
            begun = true;
        } else {
            continue;
        }
        if (bytes >= wanted || (wanted == UINT64_MAX && connection_chunks_end(body)))
            return bytes;
        if (body.len > TAIL_BYTES)
            body = slice_make(body.data + body.len - TAIL_BYTES, TAIL_BYTES);
        memmove(c->in.data, body.data, body.len);
        c->in.len = body.len;
    }
}

/* Up to where the next page begins; false at the end. */
static bool next_page(struct slice body, char *token, size_t size)
{
    static const char name[] = "\"continue\":\"";
    const char *at = memmem(body.data, body.len < 512 ? body.len : 512, name, sizeof(name) - 1);

    if (!at)
        return false;
    at += sizeof(name) - 1;
    (void)snprintf(token, size, "&continue=%.*s", (int)strcspn(at, "\""), at);
    return true;
}

/* Once through the collection, page by page (0 = whole). */
static uint64_t list_once(struct connection *c, const char *path, uint64_t page, const char *accept, bool gzip)
{
    char token[1024] = "", target[1400];
    uint64_t bytes = 0;
    struct slice body;
    BUF_LOCAL(request);

    do {
        (void)snprintf(target, sizeof(target), "%s?limit=%llu%s", path, (unsigned long long)page, token);
        request_get(&request, target, accept, gzip);
        if (!page)
            return connection_drain(c, buf_slice(&request));
        body = connection_ask(c, buf_slice(&request));
        bytes += body.len;
    } while (next_page(body, token, sizeof(token)));
    return bytes;
}

void load_list(struct load *load, const struct bench_command *command)
{
    bool named = !strcmp(bench_word(command, 0), "fetch"); /* fetch PATH PAGE RUNS ACCEPT GZIP */
    size_t runs = bench_number(command, 3);
    double *ms CLEANUP_FREE = mem_calloc(runs, sizeof(*ms));
    uint64_t bytes = 0;
    char path[256];
    struct connection c;

    if (named)
        (void)snprintf(path, sizeof(path), "%s", bench_word(command, 1));
    else
        (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps", bench_word(command, 1));
    connection_open(load, &c, -1);
    for (size_t i = 0; i < runs; i++) {
        int64_t begin = bench_now_ns();

        bytes = list_once(&c, path, bench_number(command, 2), named ? bench_word(command, 4) : BENCH_JSON,
                          named && bench_number(command, 5));
        ms[i] = (double)(bench_now_ns() - begin) / 1e6;
    }
    connection_close(&c);
    bench_answer("\"bytes\":%llu,\"ms\":%.3f", (unsigned long long)bytes, bench_median(ms, runs));
}

/* ---- the wire alone -------------------------------------------------------------------------------------------------
 */

struct wire {
    SSL_CTX *tls;
    int listener;
    uint64_t bytes;
};

/* The other end: one connection, an answer's head for whatever comes, then as many bytes. */
static void *wire_serve(void *arg)
{
    static char piece[65536];
    struct wire *w = arg;
    int fd = accept(w->listener, NULL, NULL);
    SSL *ssl = SSL_new(w->tls);
    size_t done;
    char head[128];
    int length;

    if (fd < 0 || SSL_set_fd(ssl, fd) != 1 || SSL_accept(ssl) != 1 ||
        SSL_read_ex(ssl, piece, sizeof(piece), &done) != 1)
        bench_fail("the wire's other end failed");
    length =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n", (unsigned long long)w->bytes);
    if (SSL_write_ex(ssl, head, (size_t)length, &done) != 1)
        bench_fail("the wire's other end failed");
    for (uint64_t sent = 0; sent < w->bytes; sent += done) {
        uint64_t rest = w->bytes - sent;

        if (SSL_write_ex(ssl, piece, rest < sizeof(piece) ? (size_t)rest : sizeof(piece), &done) != 1)
            bench_fail("the wire's other end failed");
    }
    SSL_free(ssl);
    (void)close(fd);
    return NULL;
}

static uint16_t wire_listen(struct wire *w)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(at);

    w->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(w->listener, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(w->listener, 1) < 0 ||
        getsockname(w->listener, (struct sockaddr *)&at, &size) < 0)
        bench_fail("listening failed");
    return ntohs(at.sin_port);
}

/* wire BYTES */
void load_wire(struct load *load, const struct bench_command *command)
{
    struct load other = *load;
    struct wire w = {.tls = SSL_CTX_new(TLS_server_method()), .bytes = bench_number(command, 1)};
    struct connection c;
    pthread_t thread;
    int64_t begin;
    BUF_LOCAL(request);

    connection_open(load, &c, -1);
    if (SSL_CTX_use_certificate_file(w.tls, load->certificate, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(w.tls, load->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_set_ciphersuites(w.tls, SSL_get_cipher_name(c.ssl)) != 1)
        bench_fail("the wire's other end failed");
    connection_close(&c);
    other.port = wire_listen(&w);
    other.unverified = true;
    if (pthread_create(&thread, NULL, wire_serve, &w) != 0)
        bench_fail("no thread");
    connection_open(&other, &c, -1);
    request_get(&request, "/", BENCH_JSON, false);
    begin = bench_now_ns();
    (void)connection_drain(&c, buf_slice(&request));
    bench_answer("\"bytes\":%llu,\"ms\":%.3f", (unsigned long long)w.bytes, (double)(bench_now_ns() - begin) / 1e6);
    (void)pthread_join(thread, NULL);
    connection_close(&c);
    (void)close(w.listener);
    SSL_CTX_free(w.tls);
}
