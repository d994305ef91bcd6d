/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DNS messages (RFC 1035, EDNS of RFC 6891) as far as a resolver on the way needs them: read a question, write an
 * answer, judge and adapt what an upstream answered. Stands on the C library's <arpa/nameser.h>, which checks every
 * length and pointer of a message before anything of it is read. Nothing here allocates. Pure.
 */
#ifndef KNARR_AGENT_DNS_WIRE_H
#define KNARR_AGENT_DNS_WIRE_H

#include <arpa/nameser.h>
#include <netinet/in.h>

#include "lib/bytes.h"

#define DNS_NAME_MAX    255
#define DNS_MESSAGE_MAX 65535
#define DNS_UDP_PLAIN   512  /* without EDNS */
#define DNS_UDP_MAX     1232 /* passes any network unfragmented */
#define DNS_QUERY_MAX   4096
#define DNS_LABELS_MAX  128

/* In wire form: labels with their lengths, the last one empty. */
struct dns_name {
    uint8_t wire[DNS_NAME_MAX];
    uint8_t len; /* with the last byte; 0 = none */
};

/* From text, lower case. False when it is not a name. */
bool dns_name_read(const char *text, struct dns_name *ret_name);
/* `labels` before `tail`, lower case; false when that is too long or a label is empty. tail NULL = the root. */
bool dns_name_join(const struct slice *labels, size_t count, const struct dns_name *tail, struct dns_name *ret_name);
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);
/* Is it `zone` or below it (both lower case)? Gives the labels before the zone, the leftmost first. */
bool dns_name_below(const struct dns_name *name, const struct dns_name *zone, struct slice labels[DNS_LABELS_MAX],
                    size_t *ret_count);

struct dns_query {
    uint16_t id;
    uint16_t type;
    uint16_t klass;
    struct dns_name asked; /* as it was written; len 0 = the message had none that could be read */
    struct dns_name name;  /* lower case */
    bool recursion;
    bool no_checking; /* CD */
    bool edns;
    bool dnssec; /* DO */
    bool stream; /* came by TCP */
    uint16_t udp_size;
};

#define DNS_IGNORE   (-1)
#define DNS_BAD_VERS 16 /* an extended response code */

/* A message from a client. Gives ns_r_noerror, the code of a refusal (*ret_query is good for an answer), or DNS_IGNORE
 * for what must not be answered at all. */
int dns_query_read(struct slice packet, struct dns_query *ret_query);
/* How long an answer may be. */
size_t dns_query_limit(const struct dns_query *query);
/* The message that asks an upstream the same; `out` has DNS_UDP_PLAIN bytes. Returns its length. */
size_t dns_query_write(const struct dns_query *query, uint16_t id, uint8_t *out);

/* ---- an answer of our own ---- */

#define DNS_COMPRESSED_MAX 32

struct dns_reply {
    const struct dns_query *query;
    uint8_t *data;
    size_t len;
    size_t limit;
    uint16_t counts[ns_s_max];
    bool truncated;
    const uint8_t *names[DNS_COMPRESSED_MAX]; /* what can be pointed at */
};

/* `data` is borrowed and has at least `limit` bytes, DNS_UDP_PLAIN or more. */
void dns_reply_begin(struct dns_reply *r, const struct dns_query *query, uint8_t *data, size_t limit);
/* One record each; the sections in their order. What does not fit into the answer section truncates the answer, what
 * does not fit elsewhere is left out. */
void dns_reply_address(struct dns_reply *r, ns_sect section, const struct dns_name *owner, uint32_t ttl,
                       struct in_addr address);
/* NS, CNAME, PTR. */
void dns_reply_name(struct dns_reply *r, const struct dns_name *owner, ns_type type, uint32_t ttl,
                    const struct dns_name *target);
void dns_reply_srv(struct dns_reply *r, const struct dns_name *owner, uint32_t ttl, uint16_t weight, uint16_t port,
                   const struct dns_name *target);
/* At most 255 bytes. */
void dns_reply_text(struct dns_reply *r, const struct dns_name *owner, uint32_t ttl, struct slice text);
/* `master` also gives the mailbox; `minimum` is how long a negative answer may be kept. */
void dns_reply_soa(struct dns_reply *r, ns_sect section, const struct dns_name *zone, uint32_t ttl,
                   const struct dns_name *master, uint32_t minimum);
/* The addresses and aliases among the answers of another message, which must have passed dns_response_matches. */
void dns_reply_copy(struct dns_reply *r, struct slice response);
/* Returns the length of the message. */
size_t dns_reply_end(struct dns_reply *r, int code, bool authoritative);

/* ---- what an upstream answered ---- */

/* Is it a well-formed answer to this question, asked under `id`? */
bool dns_response_matches(struct slice response, const struct dns_query *query, uint16_t id);
int dns_response_code(struct slice response);
bool dns_response_truncated(struct slice response);
/* How many seconds it may be kept, at most `most`; 0 = not at all. */
uint32_t dns_response_life(struct slice response, uint32_t most);
/* Takes `age` seconds off its times to live, which afterwards are at most `most`. */
void dns_response_age(uint8_t *data, size_t len, uint32_t age, uint32_t most);
/* The same answer for this client, cut to what it takes; `out` has dns_query_limit bytes. Returns its length. */
size_t dns_response_adapt(struct slice response, const struct dns_query *query, uint8_t *out);

#endif
