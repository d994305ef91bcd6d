/* SPDX-License-Identifier: Apache-2.0 */
/* What the sockets of the DNS server share: dns.c has the datagrams and the answers, dns_stream.c the TCP connections.
 */
#ifndef KNARR_AGENT_DNS_INTERNAL_H
#define KNARR_AGENT_DNS_INTERNAL_H

#include <uv.h>

#include "agent/dns.h"
#include "agent/dns_forward.h"
#include "agent/dns_records.h"

/* Loopback, and the bridge. */
#define DNS_PLACES 2

struct dns_stream;

struct dns {
    struct agent *agent;
    struct dns_name domain;
    struct dns_forward *forward;
    uint32_t net; /* of the pods of this node, host byte order */
    uint32_t mask;
    uint16_t port;
    uv_udp_t udp[DNS_PLACES];
    uv_tcp_t tcp[DNS_PLACES];
    size_t handles; /* open: the four, and those of streams */
    struct list streams;
    size_t stream_count;
    unsigned turn;
    uint16_t forwards[256]; /* under way, by the last byte of the client's address: one pod each in a network of 256 */
    bool closing;
    uint8_t in[DNS_QUERY_MAX + 1];
    uint8_t out[DNS_MESSAGE_MAX];
};

/* Where a query came from. */
struct dns_origin {
    struct dns_stream *stream; /* NULL = by UDP, and then: */
    uv_udp_t *socket;
    struct sockaddr_in from; /* of a stream too */
};

/* Answers one message, now or later. */
void dns_handle(struct dns *dns, const struct dns_origin *origin, struct slice message);
/* May an address ask at this place? */
bool dns_allows(const struct dns *dns, size_t place, const struct sockaddr_in *from);
/* After each handle that was closed: frees the server when it is closing and this was the last. */
void dns_handle_closed(struct dns *dns);

int dns_streams_listen(struct dns *dns, size_t place, int fd);
void dns_streams_close(struct dns *dns);
/* A query of this connection is under way, until dns_stream_answer. */
void dns_stream_hold(struct dns_stream *stream);
/* len 0 = no answer. Nothing is sent on a connection that is closed. */
void dns_stream_answer(struct dns_stream *stream, const uint8_t *data, size_t len);

#endif
