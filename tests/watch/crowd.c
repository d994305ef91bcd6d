/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ten thousand watchers at the real server, who leave in every way: by FIN, by RST, with their link (nothing comes from
 * them any more, not even an end), or by not reading while much is written for them. All descriptors and all memory
 * must come back, within a minute when the server's timeout is its usual one.
 *
 * watch-crowd KNARR [WATCHERS [TIMEOUT [each]]]: TIMEOUT is the server's --client-timeout; `each`: four rounds, all
 * leave the same way, instead of one in which every way is taken at once.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/clock.h"
#include "tests/watch/process.h"
#include "tests/watch/wire.h"

#define HANDSHAKES   128 /* at once */
#define CONNECT_S    120
#define SPARE_FDS    8                                            /* that the server may open for itself meanwhile */
#define LOUD_BYTES   40000                                        /* of one event for those who do not read */
#define LOUD_EVENTS  12                                           /* more than kernels hold for them */
#define SMALL_WINDOW 4096                                         /* bytes that their kernel takes */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) /* they keep what was freed, and a shadow */
#define SPARE_MEMORY SIZE_MAX / 2
#else
#define SPARE_MEMORY ((size_t)48 << 20) /* that a server may keep for the next ones */
#endif
#define SKIPPED 77

enum leave { LEAVE_FIN, LEAVE_RST, LEAVE_LINK, LEAVE_UNREAD, LEAVES };

static const char *const leave_names[] = {"FIN", "RST", "lost link", "not reading"};

struct member {
    struct crowd *crowd;
    struct wire_conn *conn;
    enum leave leave;
    bool up;
    bool ended;
};

struct crowd {
    struct process process;
    struct wire *wires[2]; /* over link 0, and over the one that is lost */
    struct member *members;
    size_t count;
    size_t up;
    size_t ended;
    size_t of[LEAVES];
    long timeout_s;
    size_t base_descriptors;
    size_t base_memory;
    size_t peak_memory;
};

static int64_t now_ns(void)
{
    return clock_monotonic_ns(clock_system());
}

static double since(int64_t begin)
{
    return (double)(now_ns() - begin) / 1e9;
}

static void turn(struct crowd *c)
{
    wire_turn(c->wires[0], 5);
    wire_turn(c->wires[1], 0);
}

/* ---- a member -----------------------------------------------------------------------------------------------------
 */

static void on_head(void *arg, int status)
{
    struct member *m = arg;

    if (status != 200)
        process_die("a watch", "was not answered with 200");
    m->up = true;
    m->crowd->up++;
    if (m->leave == LEAVE_UNREAD)
        wire_pause(m->conn, true);
}

static void on_ended(void *arg, bool clean)
{
    struct member *m = arg;

    if (!m->up || clean)
        process_die("a watch", m->up ? "was ended by the server" : "could not begin");
    m->ended = true;
    m->crowd->ended++;
}

static void member_begin(struct crowd *c, struct member *m, enum leave leave)
{
    static const struct wire_events events = {.head = on_head, .ended = on_ended};
    const struct wire_options options = {.receive_buffer = leave == LEAVE_UNREAD ? SMALL_WINDOW : 0};
    char *path CLEANUP_FREE =
        mem_printf("/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%%3D%s",
                   leave == LEAVE_UNREAD ? "loud" : "quiet");

    *m = (struct member){.crowd = c, .leave = leave};
    m->conn = wire_open(c->wires[leave == LEAVE_LINK], &options, &events, m);
    if (!m->conn)
        process_die("a connection", "could not be opened");
    wire_send(m->conn, "GET", path, NULL, NULL);
    c->of[leave]++;
}

/* ---- a round ------------------------------------------------------------------------------------------------------
 */

static void crowd_gather(struct crowd *c, bool each, enum leave leave)
{
    int64_t begin = now_ns();
    size_t opened = 0;

    c->members = mem_calloc(c->count, sizeof(*c->members));
    c->up = c->ended = 0;
    memset(c->of, 0, sizeof(c->of));
    while (c->up < c->count) {
        while (opened < c->count && wire_connecting(c->wires[0]) + wire_connecting(c->wires[1]) < HANDSHAKES) {
            member_begin(c, &c->members[opened], each ? leave : (enum leave)(opened % LEAVES));
            opened++;
        }
        turn(c);
        if (since(begin) > CONNECT_S)
            process_die("the watches", "did not begin in time");
    }
    c->peak_memory = process_memory(&c->process);
    if (process_descriptors(&c->process) < c->base_descriptors + c->count)
        process_die("the server", "has fewer descriptors than watches");
    (void)printf("%zu watches began in %.1f s; %zu bytes of memory each\n", c->count, since(begin),
                 (c->peak_memory - c->base_memory) / c->count);
}

/* Much is written for those who do not read. */
static void crowd_write(struct crowd *c)
{
    char *pad CLEANUP_FREE = mem_zalloc(LOUD_BYTES + 1);

    memset(pad, 'x', LOUD_BYTES);
    for (int i = 0; i < LOUD_EVENTS; i++) {
        char *patch CLEANUP_FREE = mem_printf("{\"data\":{\"n\":\"%d\",\"pad\":\"%s\"}}", i, pad);

        if (wire_ask(c->wires[0], "PATCH", "/api/v1/namespaces/default/configmaps/loud", "application/merge-patch+json",
                     patch) != 200)
            process_die("a write", "failed");
    }
}

static void crowd_leave(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++) {
        struct member *m = &c->members[i];

        if (m->leave == LEAVE_FIN || m->leave == LEAVE_RST)
            wire_drop(m->conn, m->leave == LEAVE_FIN ? WIRE_FIN : WIRE_RST);
    }
    if (c->of[LEAVE_LINK])
        process_set_link(&c->process, 1, false);
    if (c->of[LEAVE_UNREAD])
        crowd_write(c);
}

/* Until no more descriptors than those are left; the seconds it took. */
static double crowd_wait_descriptors(struct crowd *c, size_t left, int64_t begin, double limit)
{
    for (;;) {
        size_t have = process_descriptors(&c->process), memory = process_memory(&c->process);

        if (memory > c->peak_memory)
            c->peak_memory = memory;
        if (have <= c->base_descriptors + left + SPARE_FDS)
            return since(begin);
        if (since(begin) > limit) {
            (void)printf("%zu descriptors, %zu at first, %zu may be left\n", have, c->base_descriptors, left);
            process_die("descriptors", "did not come back in time");
        }
        turn(c);
    }
}

static double crowd_wait_memory(struct crowd *c, int64_t begin, double limit)
{
    size_t enough = c->base_memory + SPARE_MEMORY;

    while (process_memory(&c->process) > enough) {
        if (since(begin) > limit) {
            (void)printf("%zu MiB, %zu at first, %zu at most\n", process_memory(&c->process) >> 20,
                         c->base_memory >> 20, c->peak_memory >> 20);
            process_die("memory", "did not come back in time");
        }
        turn(c);
    }
    return since(begin);
}

static void crowd_forget(struct crowd *c)
{
    for (size_t i = 0; i < c->count; i++) {
        wire_drop(c->members[i].conn, WIRE_RST);
        wire_conn_free(c->members[i].conn);
    }
    free(c->members);
    c->members = NULL;
}

static void crowd_round(struct crowd *c, bool each, enum leave leave)
{
    double limit = (double)c->timeout_s + 30, gone, all, memory;
    int64_t begin;

    crowd_gather(c, each, leave);
    begin = now_ns();
    crowd_leave(c);
    gone = crowd_wait_descriptors(c, c->of[LEAVE_LINK] + c->of[LEAVE_UNREAD], begin, limit);
    all = crowd_wait_descriptors(c, 0, begin, limit);
    memory = crowd_wait_memory(c, begin, limit);
    (void)printf(
        "left by %s: who said so was forgotten after %.1f s, all after %.1f s (timeout %ld s); memory %zu MiB, "
        "at most %zu, %zu again after %.1f s\n",
        each ? leave_names[leave] : "every way", gone, all, c->timeout_s, c->base_memory >> 20, c->peak_memory >> 20,
        process_memory(&c->process) >> 20, memory);
    crowd_forget(c);
    if (c->of[LEAVE_LINK])
        process_set_link(&c->process, 1, true);
}

static void crowd_prepare(struct crowd *c)
{
    static const char *const names[] = {"quiet", "loud"};
    int64_t begin = now_ns();
    size_t have;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *body CLEANUP_FREE = mem_printf("{\"metadata\":{\"name\":\"%s\"},\"data\":{\"k\":\"v\"}}", names[i]);

        if (wire_ask(c->wires[i], "POST", "/api/v1/namespaces/default/configmaps", "application/json", body) != 201)
            process_die("a configmap", "could not be made");
    }
    /* What it opens at its start it has opened when two looks find the same. */
    do {
        have = process_descriptors(&c->process);
        for (int i = 0; i < 100; i++)
            turn(c);
    } while (have != process_descriptors(&c->process) && since(begin) < 10);
    c->base_descriptors = have;
    c->base_memory = process_memory(&c->process);
}

static void raise_limit(size_t count)
{
    struct rlimit limit = {0};

    (void)getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 2 * count)
        limit.rlim_max = 2 * count;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit))
        process_die("descriptors", "there may not be enough of them");
}

int main(int argc, char **argv)
{
    static struct crowd crowd;
    const char *timeout = argc > 3 ? argv[3] : "6";
    const char *const more[] = {"--client-timeout", timeout, NULL};
    bool each = argc > 4;

    crowd.count = argc > 2 ? strtoull(argv[2], NULL, 10) : 10000;
    if (argc < 2 || !crowd.count || getuid() || !process_leave_network())
        return SKIPPED;
    (void)signal(SIGPIPE, SIG_IGN);
    crowd.timeout_s = strtol(timeout, NULL, 10);
    raise_limit(crowd.count);
    process_start(&crowd.process, argv[1], more);
    crowd.wires[0] = wire_new("10.99.0.1", PROCESS_PORT, PROCESS_TOKEN);
    crowd.wires[1] = wire_new("10.99.1.1", PROCESS_PORT, PROCESS_TOKEN);
    crowd_prepare(&crowd);
    for (int i = 0; i < (each ? LEAVES : 1); i++)
        crowd_round(&crowd, each, (enum leave)i);
    wire_free(crowd.wires[0]);
    wire_free(crowd.wires[1]);
    if (!process_stop(&crowd.process, SIGTERM))
        process_die("the server", "did not end well");
    process_clear(&crowd.process);
    return 0;
}
