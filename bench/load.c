/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The API server as its clients see it: TLS, HTTP/1.1, kept-alive connections, JSON.
 *
 *     bench-load ADDRESS PORT CA CERTIFICATE KEY
 *
 * Commands: those of bench/common.h, and
 *     namespace NAME                                           makes it
 *     send METHOD PATH MEDIA BODY FIRST COUNT CONNECTIONS MS   BODY is a file, or "-"; see load_send.c
 *     fetch PATH PAGE RUNS ACCEPT GZIP                         PAGE 0 = whole, GZIP 0 or 1
 *     wire BYTES                                               TLS alone, without the server
 *     watch NAMESPACE WATCHERS EVENTS RATE                     RATE writes per second, each timed until it is seen
 *     hold PATH WATCHERS                                       idle watches, until the next line of input
 */
#include "bench/load.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 128

static bool ask_next(struct load *load, struct connection *c, load_next *next, void *arg, struct buf *request)
{
    if (!next(load, arg, request))
        return false;
    connection_send(c, buf_slice(request));
    return true;
}

/* Each connection asks, and asks again when it has its answer. */
void load_run(struct load *load, size_t count, load_next *next, void *arg)
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

bool load_timed_over(struct load_timed *t)
{
    int64_t now = bench_now_ns();

    if (!t->end_ns)
        t->end_ns = now + t->ms * 1000000;
    return now >= t->end_ns;
}

struct writing {
    struct bench_work work;
    struct load_timed timed;
};

static bool next_write(struct load *load, void *arg, struct buf *request)
{
    struct writing *w = arg;
    uint64_t number;

    if ((w->timed.ms && load_timed_over(&w->timed)) || !bench_work_next(&w->work, &number))
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
    struct load_timed timed;
};

static bool next_get(struct load *load, void *arg, struct buf *request)
{
    struct getting *g = arg;
    char path[128];

    if (load_timed_over(&g->timed))
        return false;
    (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps/c%06llu", g->namespace_,
                   (unsigned long long)(bench_draw(&g->seed) % g->count));
    request_get(request, path, BENCH_JSON, false);
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

static const struct {
    const char *name;
    load_command *run;
} COMMANDS[] = {
    {"insert", load_write}, {"update", load_write},        {"get", load_get},   {"list", load_list},
    {"fetch", load_list},   {"wire", load_wire},           {"send", load_send}, {"watch", load_watch},
    {"hold", load_hold},    {"namespace", load_namespace},
};

static load_command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++)
        if (!strcmp(COMMANDS[i].name, name))
            return COMMANDS[i].run;
    bench_fail("no command: %s", name);
}

int main(int argc, char **argv)
{
    struct load load = {0};
    struct bench_command command;

    (void)signal(SIGPIPE, SIG_IGN);
    load_begin(&load, argc, argv);
    bench_answer("\"ready\":true");
    while (bench_read(&command))
        find_command(bench_word(&command, 0))(&load, &command);
    SSL_CTX_free(load.tls);
    free(load.times.us10);
    return 0;
}
