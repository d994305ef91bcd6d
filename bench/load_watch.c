/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivery: watchers on a connection each, then EVENTS writes in a row on connections beside them. The clock runs from
 * the first write to the last event at the last watcher. With a RATE the writes have their times (an open loop), and
 * each is timed from when it was due to each watcher that sees it. And memory: watches that see nothing.
 */
#include "bench/load.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WATCH_WRITERS 8
#define PACED_WRITERS 64
#define PACED_NAMES   1000 /* a name's turn comes again when its last event has long been seen */
#define EVENTS_MAX    128

struct delivery {
    struct load *load;
    int epoll;
    struct connection *watchers;
    size_t watcher_count;
    size_t begun;
    size_t complete;
    uint64_t wanted; /* events for each watcher */
    struct connection writers[PACED_WRITERS];
    size_t writer_count;
    struct bench_work work;
    uint64_t rate; /* writes per second; 0 = one after the other */
    int64_t begin_ns;
    bool idle[PACED_WRITERS];
    int64_t due_ns[PACED_NAMES];
    struct buf request;
};

static bool is_writer(const struct delivery *d, const struct connection *c)
{
    return c >= d->writers && c < d->writers + d->writer_count;
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

/* Times the events of all whole lines and keeps what is behind them. */
static void time_lines(struct delivery *d, struct connection *c)
{
    static const char name[] = "\"name\":\"c";
    const char *at = c->in.data, *end = at + c->in.len, *stop;

    while (at < end && (stop = memchr(at, '\n', (size_t)(end - at)))) {
        const char *found = memmem(at, (size_t)(stop - at), name, sizeof(name) - 1);

        if (found) {
            c->events++;
            bench_times_add(&d->load->times,
                            bench_now_ns() - d->due_ns[strtoul(found + sizeof(name) - 1, NULL, 10) % PACED_NAMES]);
        }
        at = stop + 1;
    }
    if (at < end)
        memmove(c->in.data, at, (size_t)(end - at));
    c->in.len = (size_t)(end - at);
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
    if (d->rate) {
        time_lines(d, c);
    } else {
        count_lines(c, text);
        buf_reset(&c->in);
    }
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

/* Sends what is due and who is free for; returns the time until the next is. */
static struct timespec pace(struct delivery *d)
{
    int64_t rest = 1000000;

    for (size_t i = 0; i < d->writer_count && d->work.issued < d->wanted; i++) {
        uint64_t number = d->work.issued % PACED_NAMES;
        int64_t due = d->begin_ns + (int64_t)(d->work.issued * 1000000000u / d->rate);

        if (!d->idle[i])
            continue;
        rest = due - bench_now_ns();
        if (rest > 0)
            break;
        d->due_ns[number] = due;
        d->work.issued++;
        d->idle[i] = false;
        request_write(d->load, &d->request, &d->work, number);
        connection_send(&d->writers[i], buf_slice(&d->request));
    }
    return (struct timespec){.tv_nsec = rest < 0 ? 0 : rest > 1000000 ? 1000000 : rest};
}

static void turn(struct delivery *d)
{
    struct epoll_event events[EVENTS_MAX];
    bool paced = d->rate && d->begin_ns;
    struct timespec wait = {0};
    int ready;

    if (paced)
        wait = pace(d);
    ready = epoll_pwait2(d->epoll, events, EVENTS_MAX, paced ? &wait : NULL, NULL);

    for (int i = 0; i < ready; i++) {
        struct connection *c = events[i].data.ptr;
        struct slice body;

        if (!is_writer(d, c)) {
            watcher_read(d, c);
            continue;
        }
        connection_read(c);
        if (!connection_answer(c, &body))
            continue;
        if (paced)
            d->idle[c - d->writers] = true;
        else
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
    request_get(&d->request, path, BENCH_JSON, false);
    list = connection_ask(&d->writers[0], buf_slice(&d->request));
    at = memmem(list.data, list.len, name, sizeof(name) - 1);
    if (at)
        return strtoull(at + sizeof(name) - 1, NULL, 10);
    bench_fail("a list without a revision");
}

static void open_watchers(struct delivery *d, const char *path)
{
    request_get(&d->request, path, BENCH_JSON, false);
    for (size_t i = 0; i < d->watcher_count; i++) {
        connection_open(d->load, &d->watchers[i], d->epoll);
        connection_send(&d->watchers[i], buf_slice(&d->request));
    }
    while (d->begun < d->watcher_count)
        turn(d);
}

/* Watches from now on: without a revision there would be the state first. */
static void open_all(struct delivery *d, const char *namespace_)
{
    char path[128];

    for (size_t i = 0; i < d->writer_count; i++)
        connection_open(d->load, &d->writers[i], d->epoll);
    (void)snprintf(path, sizeof(path), "/api/v1/namespaces/%s/configmaps?watch=true&resourceVersion=%llu", namespace_,
                   now_revision(d, namespace_));
    open_watchers(d, path);
}

static void close_all(struct delivery *d)
{
    for (size_t i = 0; i < d->watcher_count; i++)
        connection_close(&d->watchers[i]);
    for (size_t i = 0; i < d->writer_count; i++)
        connection_close(&d->writers[i]);
    free(d->watchers);
    buf_free(&d->request);
    (void)close(d->epoll);
}

static void deliver(struct delivery *d)
{
    d->begin_ns = bench_now_ns();
    for (size_t i = 0; i < d->writer_count; i++) {
        if (d->rate)
            d->idle[i] = true;
        else
            write_one(d, &d->writers[i]);
    }
    while (d->complete < d->watcher_count)
        turn(d);
    if (d->rate)
        bench_times_answer(&d->load->times, d->begin_ns, "");
    else
        bench_answer("\"events\":%llu,\"seconds\":%.6f", (unsigned long long)d->wanted * d->watcher_count,
                     (double)(bench_now_ns() - d->begin_ns) / 1e9);
}

void load_watch(struct load *load, const struct bench_command *command)
{
    static struct bench_command update = {.words = {"update", "", "64", "1", "1024", "pod", "0"}, .count = 7};
    uint64_t rate = command->count > 4 ? bench_number(command, 4) : 0;
    struct delivery d = {.load = load,
                         .epoll = epoll_create1(EPOLL_CLOEXEC),
                         .watcher_count = bench_number(command, 2),
                         .wanted = bench_number(command, 3),
                         .writer_count = rate ? PACED_WRITERS : WATCH_WRITERS,
                         .rate = rate};

    update.words[1] = bench_word(command, 1);
    d.watchers = mem_calloc(d.watcher_count, sizeof(*d.watchers));
    bench_work_begin(&d.work, &update);
    open_all(&d, bench_word(command, 1));
    deliver(&d);
    close_all(&d);
}

void load_hold(struct load *load, const struct bench_command *command)
{
    struct delivery d = {
        .load = load, .epoll = epoll_create1(EPOLL_CLOEXEC), .watcher_count = bench_number(command, 2)};
    struct bench_command release;

    d.watchers = mem_calloc(d.watcher_count, sizeof(*d.watchers));
    open_watchers(&d, bench_word(command, 1));
    bench_answer("\"held\":%zu", d.watcher_count);
    (void)bench_read(&release);
    close_all(&d);
    bench_answer("\"held\":0");
}
