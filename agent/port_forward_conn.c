/* SPDX-License-Identifier: Apache-2.0 */
/*
 *     DIALLING (a pool thread goes into the namespace, makes the socket, comes back) --> JOINED --> freed
 *         `--free(): ABANDONED, until the job is done
 *
 * A socket belongs to the namespace that it was made in, so only that one step needs the other namespace, and the
 * thread must come back: one that cannot is the end of the program, since every later job would run in a pod's network.
 */
#include "agent/port_forward_conn.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "agent/fs.h"
#include "agent/pipe.h"

struct forward_conn {
    struct agent *agent;
    struct forward_conn_events events;
    void *arg;
    char *network;
    uint16_t port;
    int fd;
    int error; /* errno of the dialling */
    bool job;
    bool abandoned;
    bool paused;
    bool finish;
    struct buf early;
    struct pipe *pipe;
};

/* ---- dialling: pool thread ---- */

static int connect_to(const struct sockaddr *address, socklen_t len, int *ret_error)
{
    int fd CLEANUP_FD = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int on = 1;

    if (fd < 0 || (connect(fd, address, len) && errno != EINPROGRESS)) {
        *ret_error = errno;
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return STEAL_FD(fd);
}

/* "localhost" is either family's. */
static int connect_local(uint16_t port, int *ret_error)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int ignored;
    int fd = connect_to((struct sockaddr *)&v4, sizeof(v4), ret_error);

    return fd >= 0 ? fd : connect_to((struct sockaddr *)&v6, sizeof(v6), &ignored);
}

static void dial_work(void *arg)
{
    struct forward_conn *c = arg;
    int own CLEANUP_FD = -1;
    int other CLEANUP_FD = -1;

    if (!c->network) {
        c->fd = connect_local(c->port, &c->error);
        return;
    }
    own = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    other = open(c->network, O_RDONLY | O_CLOEXEC);
    if (own < 0 || other < 0 || setns(other, CLONE_NEWNET)) {
        c->error = errno;
        return;
    }
    c->fd = connect_local(c->port, &c->error);
    if (setns(own, CLONE_NEWNET))
        abort();
}

/* ---- joined ---- */

static void pipe_on_data(void *arg, struct slice data)
{
    struct forward_conn *c = arg;

    c->events.data(c->arg, data);
}

static void give_end(struct forward_conn *c, int error)
{
    char *why CLEANUP_FREE = NULL;

    if (error)
        why = mem_printf("failed to connect to localhost:%u inside the pod's network: %s", c->port, strerror(error));
    c->events.end(c->arg, why);
}

/* An error of a connection that was there is that connection's end, and no failure to forward. */
static void pipe_on_end(void *arg, int error)
{
    give_end(arg, error == ECONNREFUSED || error == ETIMEDOUT || error == EHOSTUNREACH ? error : 0);
}

static void pipe_on_drained(void *arg)
{
    struct forward_conn *c = arg;

    c->events.drained(c->arg);
}

static void conn_delete(struct forward_conn *c)
{
    pipe_free(c->pipe);
    buf_free(&c->early);
    free(c->network);
    free(c);
}

static void dial_done(void *arg)
{
    static const struct pipe_events events = {pipe_on_data, pipe_on_end, pipe_on_drained};
    struct forward_conn *c = arg;

    c->job = false;
    if (c->abandoned) {
        if (c->fd >= 0)
            (void)close(c->fd);
        conn_delete(c);
        return;
    }
    c->pipe = pipe_open(c->agent->loop, c->fd, !c->paused, &events, c);
    if (!c->pipe) {
        give_end(c, c->error ? c->error : EIO);
        return;
    }
    pipe_write(c->pipe, buf_slice(&c->early));
    buf_free(&c->early);
    if (c->finish)
        pipe_finish(c->pipe);
}

struct forward_conn *forward_conn_open(struct agent *agent, const char *network, uint16_t port,
                                       const struct forward_conn_events *events, void *arg)
{
    struct forward_conn *c = mem_zalloc(sizeof(*c));

    c->agent = agent;
    c->events = *events;
    c->arg = arg;
    c->network = network ? mem_strdup(network) : NULL;
    c->port = port;
    c->fd = -1;
    c->job = true;
    agent_work(agent, dial_work, dial_done, c);
    return c;
}

void forward_conn_write(struct forward_conn *c, struct slice data)
{
    if (c->pipe)
        pipe_write(c->pipe, data);
    else if (c->job)
        buf_append_slice(&c->early, data);
}

void forward_conn_finish(struct forward_conn *c)
{
    c->finish = true;
    if (c->pipe)
        pipe_finish(c->pipe);
}

size_t forward_conn_pending(const struct forward_conn *c)
{
    return c->pipe ? pipe_pending(c->pipe) : c->early.len;
}

void forward_conn_pause(struct forward_conn *c, bool paused)
{
    c->paused = paused;
    if (c->pipe)
        pipe_pause(c->pipe, paused);
}

void forward_conn_free(struct forward_conn *c)
{
    if (!c)
        return;
    c->abandoned = true;
    if (!c->job)
        conn_delete(c);
}
