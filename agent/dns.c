/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A query that can be answered from memory is answered in the same turn of the loop, without allocation. One that must
 * be asked of others becomes a request, which remembers who asked; when the answer comes, an alias of the cluster
 * (ExternalName) is looked up again and completed with it.
 */
#include "agent/dns_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "agent/fs.h"
#include "agent/services.h"
#include "lib/log.h"
#include "lib/random.h"

#define BIND_TRIES     20
#define PORTS_FIRST    20000 /* below those that the kernel gives to connections */
#define PORTS_COUNT    10000
#define RECEIVE_BUFFER (1 << 20)

struct request {
    struct dns *dns;
    struct dns_origin origin;
    struct dns_query query;
    struct dns_name target; /* of an alias; len 0 = the question itself is forwarded */
};

/* ---- what the cluster knows ---- */

static const struct service_record *source_find(void *arg, struct slice key)
{
    const struct dns *dns = arg;

    return dns->agent->services ? services_find(dns->agent->services, key) : NULL;
}

static bool source_namespace(void *arg, struct slice ns)
{
    const struct dns *dns = arg;

    return dns->agent->services && services_namespace(dns->agent->services, ns);
}

static const struct service_record *source_of_address(void *arg, struct in_addr address, size_t *at)
{
    const struct dns *dns = arg;

    return dns->agent->services ? services_of_address(dns->agent->services, address, at) : NULL;
}

static enum dns_result look_up(struct dns *dns, struct dns_reply *reply, int *ret_code, struct dns_name *ret_target)
{
    const struct dns_source source = {source_find, source_namespace, source_of_address, dns};

    return dns_records_answer(&dns->domain, &source, dns->turn++, reply, ret_code, ret_target);
}

/* A name server of the host that is this one. */
static bool is_own(void *arg, struct in_addr address)
{
    struct dns *dns = arg;
    const struct service_record *r = source_find(dns, SLICE_LIT(SERVICES_DNS));

    return ntohl(address.s_addr) == (dns->net | 1) || (r && r->service && r->service->address.s_addr == address.s_addr);
}

/* ---- answers ---- */

static void respond(struct dns *dns, const struct dns_origin *origin, size_t len)
{
    uv_buf_t buf = uv_buf_init((char *)dns->out, (unsigned)len);

    if (origin->stream)
        dns_stream_answer(origin->stream, dns->out, len);
    else if (len)
        (void)uv_udp_try_send(origin->socket, &buf, 1, (const struct sockaddr *)&origin->from);
}

static void respond_code(struct dns *dns, const struct dns_origin *origin, const struct dns_query *query, int code)
{
    struct dns_reply reply;

    dns_reply_begin(&reply, query, dns->out, dns_query_limit(query));
    respond(dns, origin, dns_reply_end(&reply, code, false));
}

/* The aliases as they are now, and where the last one leads. */
static void respond_followed(struct request *r, struct slice response)
{
    struct dns *dns = r->dns;
    struct dns_reply reply;
    struct dns_name target;
    enum dns_result result;
    int code;

    dns_reply_begin(&reply, &r->query, dns->out, dns_query_limit(&r->query));
    result = look_up(dns, &reply, &code, &target);
    if (result == DNS_FOLLOW) {
        code = ns_r_servfail;
        if (response.len && dns_name_equal(&target, &r->target)) {
            code = dns_response_code(response);
            dns_reply_copy(&reply, response);
        }
    } else if (result == DNS_ELSEWHERE) {
        code = ns_r_servfail;
    }
    respond(dns, &r->origin, dns_reply_end(&reply, code, result == DNS_ANSWERED));
}

/* One client must not take all that can be under way. */
static uint16_t *forwards_of(struct dns *dns, const struct dns_origin *origin)
{
    return &dns->forwards[ntohl(origin->from.sin_addr.s_addr) & 255];
}

static void on_forwarded(void *arg, struct slice response)
{
    struct request *r = arg;
    struct dns *dns = r->dns;

    --*forwards_of(dns, &r->origin);
    if (r->target.len)
        respond_followed(r, response);
    else if (response.len)
        respond(dns, &r->origin, dns_response_adapt(response, &r->query, dns->out));
    else
        respond_code(dns, &r->origin, &r->query, ns_r_servfail);
    free(r);
}

static void forward(struct dns *dns, const struct dns_origin *origin, const struct dns_query *query,
                    const struct dns_name *target)
{
    struct dns_query asked = *query;
    struct request *r;

    if (*forwards_of(dns, origin) >= DNS_FORWARDS_EACH) {
        respond_code(dns, origin, query, ns_r_servfail);
        return;
    }
    ++*forwards_of(dns, origin);
    r = mem_alloc(sizeof(*r));
    *r = (struct request){.dns = dns, .origin = *origin, .query = *query};
    if (target) {
        r->target = *target;
        asked.name = *target;
        asked.asked = *target;
    }
    dns_forward_ask(dns->forward, &asked, on_forwarded, r);
}

static bool is_refused(const struct dns_query *q)
{
    return q->klass != ns_c_in || q->type == ns_t_axfr || q->type == ns_t_ixfr;
}

void dns_handle(struct dns *dns, const struct dns_origin *origin, struct slice message)
{
    struct dns_query query;
    struct dns_reply reply;
    struct dns_name target;
    int code = dns_query_read(message, &query);

    query.stream = origin->stream != NULL;
    if (code == DNS_IGNORE) {
        respond(dns, origin, 0);
        return;
    }
    if (code == ns_r_noerror && is_refused(&query))
        code = ns_r_refused;
    if (code != ns_r_noerror) {
        respond_code(dns, origin, &query, code);
        return;
    }
    dns_reply_begin(&reply, &query, dns->out, dns_query_limit(&query));
    switch (look_up(dns, &reply, &code, &target)) {
    case DNS_ANSWERED:
        respond(dns, origin, dns_reply_end(&reply, code, true));
        break;
    case DNS_FOLLOW:
        forward(dns, origin, &query, &target);
        break;
    default:
        if (query.recursion)
            forward(dns, origin, &query, NULL);
        else
            respond_code(dns, origin, &query, ns_r_refused);
    }
}

/* ---- datagrams ---- */

/* What comes to loopback is the node's own; the kernel takes it from nowhere else. */
bool dns_allows(const struct dns *dns, size_t place, const struct sockaddr_in *from)
{
    return place == 0 || (ntohl(from->sin_addr.s_addr) & dns->mask) == dns->net;
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *ret_buf)
{
    struct dns *dns = handle->data;

    *ret_buf = uv_buf_init((char *)dns->in, sizeof(dns->in));
}

static void on_datagram(uv_udp_t *handle, ssize_t len, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags)
{
    struct dns *dns = handle->data;
    struct dns_origin origin = {.socket = handle};

    if (len <= 0 || !from || from->sa_family != AF_INET || flags & UV_UDP_PARTIAL)
        return;
    memcpy(&origin.from, from, sizeof(origin.from));
    if (dns_allows(dns, (size_t)(handle - dns->udp), &origin.from))
        dns_handle(dns, &origin, slice_make(buf->base, (size_t)len));
}

/* ---- sockets ---- */

/* The bridge's address may not be there yet: the first pod makes it. */
static int socket_bind(uint32_t address, uint16_t port, int type)
{
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    const int on = 1;
    const int buffer = RECEIVE_BUFFER;
    int fd CLEANUP_FD = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on)) ||
        (type == SOCK_STREAM && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on))) ||
        bind(fd, (const struct sockaddr *)&at, sizeof(at)))
        return -errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer));
    return STEAL_FD(fd);
}

static int socket_open(struct dns *dns, size_t place, int type, uint16_t port)
{
    int fd = socket_bind(place ? dns->net | 1 : INADDR_LOOPBACK, port, type);
    int r;

    if (fd < 0)
        return fd;
    r = type == SOCK_DGRAM ? uv_udp_open(&dns->udp[place], fd) : dns_streams_listen(dns, place, fd);
    if (!r && type == SOCK_DGRAM)
        r = uv_udp_recv_start(&dns->udp[place], give_buffer, on_datagram);
    return r;
}

static void on_closed(uv_handle_t *handle)
{
    dns_handle_closed(handle->data);
}

static void handles_open(struct dns *dns)
{
    for (size_t i = 0; i < DNS_PLACES; i++) {
        (void)uv_udp_init(loop_uv(dns->agent->loop), &dns->udp[i]);
        (void)uv_tcp_init(loop_uv(dns->agent->loop), &dns->tcp[i]);
        dns->udp[i].data = dns;
        dns->tcp[i].data = dns;
    }
    dns->handles = 2 * DNS_PLACES;
}

/* Finds a port that is free at all places before anything is opened there. */
static int port_find(struct dns *dns, struct error *err)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    int r = 0;

    for (size_t i = 0; i < BIND_TRIES; i++) {
        dns->port = (uint16_t)(i ? PORTS_FIRST + random_below(PORTS_COUNT) : DNS_PORT_WANTED);
        r = 0;
        for (size_t k = 0; k < 2 * DNS_PLACES && r >= 0; k++) {
            int fd CLEANUP_FD = socket_bind(k & 1 ? dns->net | 1 : INADDR_LOOPBACK, dns->port, types[k >> 1]);

            r = fd < 0 ? fd : 0;
        }
        if (r >= 0)
            return 0;
    }
    return error_set_errno(err, -r, "no port for the cluster's DNS");
}

static int sockets_open(struct dns *dns, struct error *err)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};

    if (port_find(dns, err) < 0)
        return -1;
    for (size_t k = 0; k < 2 * DNS_PLACES; k++) {
        int r = socket_open(dns, k & 1, types[k >> 1], dns->port);

        if (r < 0)
            return error_set_errno(err, -r, "listening on port %u for the cluster's DNS", dns->port);
    }
    return 0;
}

/* ---- life ---- */

static bool read_network(struct dns *dns, const char *cidr)
{
    char text[INET_ADDRSTRLEN] = "";
    const char *slash = strchr(cidr, '/');
    struct in_addr address;
    int64_t bits;

    if (!slash || slash - cidr >= (ptrdiff_t)sizeof(text) || !slice_to_int64(slice_str(slash + 1), &bits) || bits < 1 ||
        bits > 31)
        return false;
    memcpy(text, cidr, (size_t)(slash - cidr));
    if (inet_pton(AF_INET, text, &address) != 1)
        return false;
    dns->mask = UINT32_MAX << (32 - bits);
    dns->net = ntohl(address.s_addr) & dns->mask;
    return true;
}

uint16_t dns_port(const struct dns *dns)
{
    return dns->port;
}

int dns_start(struct agent *agent, struct dns **ret_dns, struct error *err)
{
    struct dns *dns = mem_zalloc(sizeof(*dns));
    int r = 0;

    dns->agent = agent;
    list_init(&dns->streams);
    handles_open(dns);
    dns->forward = dns_forward_new(agent, is_own, dns);
    if (!dns_name_read(agent->config.cluster_domain, &dns->domain))
        r = error_set(err, ERROR_BAD_REQUEST, "'%s' is not a domain", agent->config.cluster_domain);
    else if (!read_network(dns, agent->config.pod_cidr))
        r = error_set(err, ERROR_BAD_REQUEST, "'%s' is not a network", agent->config.pod_cidr);
    else
        r = sockets_open(dns, err);
    if (r < 0)
        dns_free(dns);
    else
        *ret_dns = dns;
    return r;
}

void dns_handle_closed(struct dns *dns)
{
    if (--dns->handles == 0 && dns->closing)
        free(dns);
}

void dns_free(struct dns *dns)
{
    if (!dns)
        return;
    dns->closing = true;
    dns_forward_free(dns->forward);
    dns_streams_close(dns);
    for (size_t i = 0; i < DNS_PLACES; i++) {
        uv_close((uv_handle_t *)&dns->udp[i], on_closed);
        uv_close((uv_handle_t *)&dns->tcp[i], on_closed);
    }
}
