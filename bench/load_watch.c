/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: watchers on a connection each, then EVENTS writes in a row on connections beside them. The clock runs from
 * the first write to the last event at the last watcher.
 */
#include "bench/load.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WATCH_WRITERS 8
#define EVENTS_MAX    128

struct delivery {
    struct load *load;
    int epoll;
    struct connection *watchers;
    size_t watcher_count;
    size_t begun;
    size_t complete;
    uint64_t wanted; /* events for each watcher */
    struct connection writers[WATCH_WRITERS];
    struct bench_work work;
    struct buf request;
};

static bool is_writer(const struct delivery *d, const struct connection *c)
{
    return c >= d->writers && c < d->writers + WATCH_WRITERS;
}

/* An event is a line that ends in "}\n"; chunk heads end in "\r\n". */
static void count_lines(struct connection *c, struct slice text)
{
    const char *at = text.data, *end = text.data + text.len;

    while (at < end && (at = memchr(at, '\n', (size_t)(end - at)))) {
        c->events += (at > text.data ? at[-1] : c->last) == '}';
        at++;
    }
    if (text.len)
        c->last = text.data[text.len - 1];
}

static void watcher_read(struct delivery *d, struct connection *c)
{
    uint64_t before = c->events;
    struct slice text;

    connection_read(c);
    text = buf_slice(&c->in);
    if (!c->begun) {
        if (!connection_answer(c, &text) && !text.data)
            return;
        c->begun = true;
        d->begun++;
    }
    count_lines(c, text);
    buf_reset(&c->in);
    d->complete += before < d->wanted && c->events >= d->wanted;
}

static void write_one(struct delivery *d, struct connection *c)
{
    uint64_t number;

    if (d->work.issued >= d->wanted || !bench_work_next(&d->work, &number))
        return;
    request_write(d->load, &d->request, &d->work, number);
    connection_send(c, buf_slice(&d->request));
}

static void turn(struct delivery *d)
{
    struct epoll_event events[EVENTS_MAX];
    int ready = epoll_wait(d->epoll, events, EVENTS_MAX, -1);

    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        struct slice body;

        if (!is_writer(d, c)) {
            watcher_read(d, c);
            continue;
        }
        connection_read(c);
        if (connection_answer(c, &body))
            write_one(d, c);
    }
}

/* The newest revision, by a list. */
static unsigned long long now_revision(struct delivery *d, const char *namespace_)
{
    static const char name[] = "\"resourceVersion\":\"";
    char path[128];
    struct slice list;
    const char *at;

    (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps?limit=1", namespace_);
    request_get(&d->request, path);
    list = connection_ask(&d->writers[0], buf_slice(&d->request));
    at = memmem(list.data, list.len, name, sizeof(name) - 1);
    if (at)
        return strtoull(at + sizeof(name) - 1, NULL, 10);
    bench_fail("a list without a revision");
}

/* Watches from now on: without a revision there would be the state first. */
static void open_all(struct delivery *d, const char *namespace_)
{
    char path[128];

    for (size_t i = 0; i < WATCH_WRITERS; i++)
        connection_open(d->load, &d->writers[i], d->epoll);
    (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps?watch=true&resourceVersion=%llu", namespace_,
                   now_revision(d, namespace_));
    request_get(&d->request, path);
    for (size_t i = 0; i < d->watcher_count; i++) {
        connection_open(d->load, &d->watchers[i], d->epoll);
        connection_send(&d->watchers[i], buf_slice(&d->request));
    }
    while (d->begun < d->watcher_count)
        turn(d);
}

void load_watch(struct load *load, const struct bench_command *command)
{
    static struct bench_command update = {.words = {"update", "", "64", "1", "1024", "pod", "0"}, .count = 7};
    struct delivery d = {.load = load,
                         .epoll = epoll_create1(EPOLL_CLOEXEC),
                         .watcher_count = bench_number(command, 2),
                         .wanted = bench_number(command, 3)};
    int64_t begin;

    update.words[1] = bench_word(command, 1);
    d.watchers = mem_calloc(d.watcher_count, sizeof(*d.watchers));
    bench_work_begin(&d.work, &update);
    open_all(&d, bench_word(command, 1));
    begin = bench_now_ns();
    for (size_t i = 0; i < WATCH_WRITERS; i++)
        write_one(&d, &d.writers[i]);
    while (d.complete < d.watcher_count)
        turn(&d);
    bench_answer("\"events\":%llu,\"seconds\":%.6f", (unsigned long long)d.wanted * d.watcher_count,
                 (double)(bench_now_ns() - begin) / 1e9);
    for (size_t i = 0; i < d.watcher_count; i++)
        connection_close(&d.watchers[i]);
    for (size_t i = 0; i < WATCH_WRITERS; i++)
        connection_close(&d.writers[i]);
    free(d.watchers);
    buf_free(&d.request);
    (void)close(d.epoll);
}
