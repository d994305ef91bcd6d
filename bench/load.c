/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server as its clients see it: TLS, HTTP/1.1, kept-alive connections, JSON.
 *
 *     bench-load ADDRESS PORT CA CERTIFICATE KEY      (commands: bench/common.h, and `namespace NAME`)
 */
#include "bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 128

/* Fills `request`; false when there is nothing more to ask. */
typedef bool load_next(struct load *load, void *arg, struct buf *request);

static bool ask_next(struct load *load, struct connection *c, load_next *next, void *arg, struct buf *request)
{
    if (!next(load, arg, request))
        return false;
    connection_send(c, buf_slice(request));
    return true;
}

/* Each connection asks, and asks again when it has its answer. */
static void load_run(struct load *load, size_t count, load_next *next, void *arg)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections CLEANUP_FREE = mem_calloc(count, sizeof(*connections));
    struct epoll_event events[EVENTS_MAX];
    size_t under_way = 0;
    int64_t begin;
    struct slice body;
    BUF_LOCAL(request);

    for (size_t i = 0; i < count; i++)
        connection_open(load, &connections[i], epoll);
    begin = bench_now_ns();
    for (size_t i = 0; i < count; i++)
        under_way += ask_next(load, &connections[i], next, arg, &request);
    while (under_way) {
        int ready = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;

            connection_read(c);
            if (!connection_answer(c, &body))
                continue;
            bench_times_add(&load->times, bench_now_ns() - c->since_ns);
            under_way -= !ask_next(load, c, next, arg, &request);
        }
    }
    bench_times_answer(&load->times, begin, "");
    for (size_t i = 0; i < count; i++)
        connection_close(&connections[i]);
    (void)close(epoll);
}

/* The clock of a command begins when its connections are there. */
struct timed {
    int64_t ms;
    int64_t end_ns;
};

static bool timed_over(struct timed *t)
{
    int64_t now = bench_now_ns();

    if (!t->end_ns)
        t->end_ns = now + t->ms * 1000000;
    return now >= t->end_ns;
}

struct writing {
    struct bench_work work;
    struct timed timed;
};

static bool next_write(struct load *load, void *arg, struct buf *request)
{
    struct writing *w = arg;
    uint64_t number;

    if ((w->timed.ms && timed_over(&w->timed)) || !bench_work_next(&w->work, &number))
        return false;
    request_write(load, request, &w->work, number);
    return true;
}

static void load_write(struct load *load, const struct bench_command *command)
{
    struct writing w = {.timed.ms = (int64_t)bench_number(command, command->count - 1)};

    bench_work_begin(&w.work, command);
    w.work.end_ns = INT64_MAX;
    load_run(load, w.work.writers, next_write, &w);
}

struct getting {
    const char *namespace_;
    uint64_t count;
    uint64_t seed;
    struct timed timed;
};

static bool next_get(struct load *load, void *arg, struct buf *request)
{
    struct getting *g = arg;
    char path[128];

    if (timed_over(&g->timed))
        return false;
    (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps/c%06llu", g->namespace_,
                   (unsigned long long)(bench_draw(&g->seed) % g->count));
    request_get(request, path);
    return true;
}

static void load_get(struct load *load, const struct bench_command *command)
{
    struct getting g = {.namespace_ = bench_word(command, 1),
                        .count = bench_number(command, 2),
                        .seed = (uint64_t)bench_now_ns() | 1,
                        .timed.ms = (int64_t)bench_number(command, 4)};

    load_run(load, bench_number(command, 3), next_get, &g);
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

static void load_list(struct load *load, const struct bench_command *command)
{
    size_t runs = bench_number(command, 3), bytes = 0;
    double *ms CLEANUP_FREE = mem_calloc(runs, sizeof(*ms));
    struct connection c;
    BUF_LOCAL(request);

    connection_open(load, &c, -1);
    for (size_t i = 0; i < runs; i++) {
        int64_t begin = bench_now_ns();
        char token[1024] = "", path[1200];
        struct slice body;

        bytes = 0;
        do {
            (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps?limit=%s%s", bench_word(command, 1),
                           bench_word(command, 2), token);
            request_get(&request, path);
            body = connection_ask(&c, buf_slice(&request));
            bytes += body.len;
        } while (next_page(body, token, sizeof(token)));
        ms[i] = (double)(bench_now_ns() - begin) / 1e6;
    }
    connection_close(&c);
    bench_answer("\"bytes\":%zu,\"ms\":%.3f", bytes, bench_median(ms, runs));
}

static void load_namespace(struct load *load, const struct bench_command *command)
{
    char *body CLEANUP_FREE = mem_printf(
        "{\"kind\":\"Namespace\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\"}}", bench_word(command, 1));
    struct connection c;
    BUF_LOCAL(request);

    buf_printf(&request,
               "POST /api/v1/namespaces HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: "
               "%zu\r\n\r\n%s",
               strlen(body), body);
    connection_open(load, &c, -1);
    (void)connection_ask(&c, buf_slice(&request));
    connection_close(&c);
    bench_answer("\"ops\":1");
}

int main(int argc, char **argv)
{
    struct load load = {0};
    struct bench_command command;

    (void)signal(SIGPIPE, SIG_IGN);
    load_begin(&load, argc, argv);
    bench_answer("\"ready\":true");
    while (bench_read(&command)) {
        const char *name = bench_word(&command, 0);

        if (!strcmp(name, "insert") || !strcmp(name, "update"))
            load_write(&load, &command);
        else if (!strcmp(name, "get"))
            load_get(&load, &command);
        else if (!strcmp(name, "list"))
            load_list(&load, &command);
        else if (!strcmp(name, "watch"))
            load_watch(&load, &command);
        else if (!strcmp(name, "namespace"))
            load_namespace(&load, &command);
        else
            bench_fail("no command: %s", name);
    }
    SSL_CTX_free(load.tls);
    free(load.times.us10);
    return 0;
}
