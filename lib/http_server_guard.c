/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is let in, and who has to go: places by address for those who are not known (lib/http_guests.h), and a sweep that
 * cuts peers that take nothing or bring too much.
 */
#include "lib/http_server_internal.h"

#include <sys/socket.h>

#include "lib/log.h"
#include "lib/map.h"
#include "lib/metrics.h"

/* New connections of one address that do not show who it is. */
#define GUESTS_MAX        1024
#define GUESTS_BURST      1024
#define GUESTS_PER_SECOND 100
#define REFUSAL_TELL_S    10  /* one line in the log for so long */
#define CROWD_MIN         256 /* connections; when half of so many have gone, their memory goes back to the system */

void server_make_guests(struct http_listener *listener, size_t per_address)
{
    size_t quarter = listener->connections_max / 4 ? listener->connections_max / 4 : 1;

    listener->guests = http_guests_new(&(struct http_guests_limits){
        .per_address = per_address            ? per_address
                       : quarter < GUESTS_MAX ? quarter
                                              : GUESTS_MAX,
        .all = listener->connections_max / 2 ? listener->connections_max / 2 : 1,
        .burst = GUESTS_BURST,
        .per_second = GUESTS_PER_SECOND,
    });
}

void server_conn_know(struct server_conn *conn)
{
    http_guests_know(conn->server->listener->guests, &conn->guest);
}

static void conn_read_address(struct server_conn *conn, const struct sockaddr_storage *at)
{
    char *text = conn->address;

    if (at->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)at;

        (void)uv_ip4_name(v4, text, sizeof(conn->address));
        conn->peer.port = ntohs(v4->sin_port);
    } else if (at->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)at;

        (void)uv_ip6_name(v6, text, sizeof(conn->address));
        conn->peer.port = ntohs(v6->sin6_port);
    }
    conn->peer.address = strncmp(text, "::ffff:", 7) != 0 || !strchr(text, '.') ? text : text + 7;
}

static const char *const refusal_labels[] = {"reason", NULL};
static struct metric refusals = {.name = "knarr_http_connections_refused_total",
                                 .help = "Connections that were closed before anything was read.",
                                 .type = METRIC_COUNTER,
                                 .labels = refusal_labels};

static void conn_refused(struct server_conn *conn, const char *reason)
{
    struct http_listener *listener = conn->server->listener;
    int64_t now = clock_monotonic_ns(loop_clock(conn->server->loop));
    int64_t told = __atomic_load_n(&listener->refusal_told_ns, __ATOMIC_RELAXED);

    metric_add(metric_with(&refusals, reason), 1);
    if ((told && now - told < REFUSAL_TELL_S * NS_PER_S) ||
        !__atomic_compare_exchange_n(&listener->refusal_told_ns, &told, now, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    log_warning("http", "a connection from %s was closed: %s", conn->peer.address, reason);
}

bool server_conn_admit(struct server_conn *conn, size_t count)
{
    static const char *const reasons[] = {
        [HTTP_GUESTS_ADDRESS_FULL] = "too many of its address that have not shown who they are",
        [HTTP_GUESTS_ADDRESS_FAST] = "too many new ones of its address that do not show who they are",
        [HTTP_GUESTS_ALL_FULL] = "too many of all addresses that have not shown who they are",
    };
    struct http_listener *listener = conn->server->listener;
    struct sockaddr_storage at = {0};
    enum http_guests_verdict verdict;
    int len = sizeof(at);

    if (uv_tcp_getpeername(&conn->tcp, (struct sockaddr *)&at, &len))
        return false; /* gone already */
    conn_read_address(conn, &at);
    http_guests_address((struct sockaddr *)&at, conn->origin);
    if (count > listener->connections_max) {
        conn_refused(conn, "too many connections");
        return false;
    }
    verdict = http_guests_enter(listener->guests, (struct sockaddr *)&at,
                                clock_monotonic_ns(loop_clock(conn->server->loop)), &conn->guest);
    if (verdict != HTTP_GUESTS_WELCOME)
        conn_refused(conn, reasons[verdict]);
    return verdict == HTTP_GUESTS_WELCOME;
}

static void server_give_back(void *arg)
{
    (void)arg;
    mem_give_back();
}

static void server_gave_back(void *arg)
{
    struct http_server *server = arg;

    server->giving_back = false;
    server_finish(server);
}

/* Memory of many connections lies between that of those who stay, and the allocator would keep it. */
static void server_look_at_memory(struct http_server *server)
{
    if (server->conn_count > server->crowd)
        server->crowd = server->conn_count;
    if (server->giving_back || server->crowd < CROWD_MIN || server->conn_count > server->crowd / 2)
        return;
    server->crowd = server->conn_count;
    server->giving_back = true;
    loop_work(server->loop, server_give_back, server_gave_back, server);
}

/* What libh2o holds of a request that has not reached the handler. */
static size_t conn_reading(const struct server_conn *conn)
{
    return conn->sock && !conn->exchange && !conn->socket ? conn->sock->input->size : 0;
}

/* Adds up by address what is unfinished; ret_worst is the one that brings most. The sum of each is
 * kept in its first connection. */
static size_t shed_worst(struct http_server *server, unsigned char ret_worst[HTTP_GUESTS_ADDRESS])
{
    struct map sums = {0};
    size_t worst = 0;

    list_for_each (it, &server->conns) {
        struct server_conn *conn = container_of(it, struct server_conn, link);
        struct slice origin = slice_make(conn->origin, sizeof(conn->origin));
        struct server_conn *first = map_get(&sums, origin);

        conn->origin_reading = 0;
        if (conn->shed || !conn_reading(conn))
            continue;
        if (!first)
            (void)map_put(&sums, origin, first = conn);
        first->origin_reading += conn_reading(conn);
        if (first->origin_reading > worst) {
            worst = first->origin_reading;
            memcpy(ret_worst, conn->origin, HTTP_GUESTS_ADDRESS);
        }
    }
    map_clear(&sums, NULL);
    return worst;
}

/* Too much of unfinished requests has gathered: the address that brings most pays for it, with what came last. */
static void server_shed(struct http_server *server, size_t reading)
{
    unsigned char worst[HTTP_GUESTS_ADDRESS] = {0};

    while (reading > server->listener->reading_max && shed_worst(server, worst))
        for (struct list *it = server->conns.prev; it != &server->conns && reading > server->listener->reading_max;
             it = it->prev) {
            struct server_conn *conn = container_of(it, struct server_conn, link);

            if (conn->shed || !conn_reading(conn) || memcmp(conn->origin, worst, sizeof(worst)) != 0)
                continue;
            reading -= conn_reading(conn);
            conn->shed = true;
            server_conn_cut(conn);
        }
}

void server_sweep(void *arg)
{
    struct http_server *server = arg;
    uint64_t now = loop_now_ms(server->loop);
    size_t reading = 0;

    server_look_at_memory(server);
    list_for_each_safe (it, next, &server->conns) {
        struct server_conn *conn = container_of(it, struct server_conn, link);
        size_t queue = conn->sock ? uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp) : 0;

        reading += conn->shed ? 0 : conn_reading(conn);
        if (!queue || queue != conn->write_queue || conn->patient) {
            conn->write_queue = queue;
            conn->progress_ms = now;
        } else if (now - conn->progress_ms >= server->listener->write_timeout_s * UINT64_C(1000)) {
            server_conn_cut(conn);
        }
    }
    server_shed(server, reading);
}
