/* SPDX-License-Identifier: Apache-2.0 */
/* The C library walks and checks a message as a whole (ns_initparse) before the first record is looked at. */
#include "agent/dns_wire.h"

#include <ctype.h>
#include <resolv.h>

#define FLAG_RESPONSE      0x80 /* byte 2 */
#define FLAG_AUTHORITATIVE 0x04
#define FLAG_TRUNCATED     0x02
#define FLAG_RECURSION     0x01
#define FLAG_AVAILABLE     0x80 /* byte 3 */
#define FLAG_NO_CHECKING   0x10
#define EDNS_DO            0x8000u
#define OPT_SIZE           11
#define EXTRAS_MAX         8 /* additional records of a query */
#define REFRESH_S          7200
#define RETRY_S            1800
#define EXPIRE_S           86400

/* ---- names ---- */

/* Lengths are below 64, so they are not letters. */
static void lower(struct dns_name *name)
{
    for (size_t i = 0; i < name->len; i++)
        name->wire[i] = (uint8_t)tolower(name->wire[i]);
}

bool dns_name_read(const char *text, struct dns_name *ret_name)
{
    uint8_t wire[NS_MAXCDNAME];
    size_t len = 0;

    if (!*text || ns_name_pton(text, wire, sizeof(wire)) < 0)
        return false;
    while (wire[len])
        len += wire[len] + 1u;
    if (len + 1 > DNS_NAME_MAX)
        return false;
    *ret_name = (struct dns_name){.len = (uint8_t)(len + 1)};
    memcpy(ret_name->wire, wire, ret_name->len);
    lower(ret_name);
    return true;
}

bool dns_name_join(const struct slice *labels, size_t count, const struct dns_name *tail, struct dns_name *ret_name)
{
    static const struct dns_name root = {.len = 1};
    size_t len = 0;

    if (!tail)
        tail = &root;
    for (size_t i = 0; i < count; i++) {
        if (!labels[i].len || labels[i].len > NS_MAXLABEL || len + 1 + labels[i].len + tail->len > DNS_NAME_MAX)
            return false;
        ret_name->wire[len++] = (uint8_t)labels[i].len;
        memcpy(ret_name->wire + len, labels[i].data, labels[i].len);
        len += labels[i].len;
    }
    memcpy(ret_name->wire + len, tail->wire, tail->len);
    ret_name->len = (uint8_t)(len + tail->len);
    lower(ret_name);
    return true;
}

bool dns_name_equal(const struct dns_name *a, const struct dns_name *b)
{
    return a->len == b->len && !memcmp(a->wire, b->wire, a->len);
}

bool dns_name_below(const struct dns_name *name, const struct dns_name *zone, struct slice labels[DNS_LABELS_MAX],
                    size_t *ret_count)
{
    size_t count = 0;
    size_t at = 0;

    while (name->len - at > zone->len && count < DNS_LABELS_MAX) {
        labels[count++] = slice_make(name->wire + at + 1, name->wire[at]);
        at += name->wire[at] + 1u;
    }
    *ret_count = count;
    return name->len - at == zone->len && !memcmp(name->wire + at, zone->wire, zone->len);
}

/* ---- queries ---- */

static bool read_edns(const ns_rr *rr, struct dns_query *q)
{
    if (q->edns)
        return false;
    q->edns = true;
    q->dnssec = (ns_rr_ttl(*rr) & EDNS_DO) != 0;
    q->udp_size = (uint16_t)ns_rr_class(*rr);
    return true;
}

static int read_extras(ns_msg *msg, struct dns_query *q)
{
    ns_rr rr;
    int code = ns_r_noerror;

    if (ns_msg_count(*msg, ns_s_ar) > EXTRAS_MAX)
        return ns_r_formerr;
    for (int i = 0; i < ns_msg_count(*msg, ns_s_ar); i++) {
        if (ns_parserr(msg, ns_s_ar, i, &rr) < 0)
            return ns_r_formerr;
        if (ns_rr_type(rr) != ns_t_opt)
            continue;
        if (!read_edns(&rr, q))
            return ns_r_formerr;
        if ((ns_rr_ttl(rr) >> 16 & 0xff) != 0)
            code = DNS_BAD_VERS;
    }
    return code;
}

/* The question stands first, so its name has nothing to point at. */
static bool read_question(const uint8_t *data, size_t len, struct dns_query *q)
{
    const uint8_t *at = data + NS_HFIXEDSZ;
    uint8_t wire[NS_MAXCDNAME];
    int used = ns_name_unpack(data, data + len, at, wire, sizeof(wire));
    size_t own = 0;

    if (used <= 0 || used > DNS_NAME_MAX || data + len - at < used + 4)
        return false;
    while (wire[own])
        own += wire[own] + 1u;
    if (own + 1 != (size_t)used)
        return false;
    q->asked.len = (uint8_t)used;
    memcpy(q->asked.wire, wire, (size_t)used);
    q->name = q->asked;
    lower(&q->name);
    q->type = (uint16_t)ns_get16(at + used);
    q->klass = (uint16_t)ns_get16(at + used + 2);
    return true;
}

int dns_query_read(struct slice packet, struct dns_query *q)
{
    const uint8_t *data = (const uint8_t *)packet.data;
    ns_msg msg;

    *q = (struct dns_query){.udp_size = DNS_UDP_PLAIN};
    if (packet.len < NS_HFIXEDSZ || packet.len > DNS_MESSAGE_MAX || data[2] & FLAG_RESPONSE)
        return DNS_IGNORE;
    q->id = (uint16_t)ns_get16(data);
    q->recursion = data[2] & FLAG_RECURSION;
    q->no_checking = data[3] & FLAG_NO_CHECKING;
    if ((data[2] >> 3 & 15) != ns_o_query)
        return ns_r_notimpl;
    if (packet.len > DNS_QUERY_MAX || ns_initparse(data, (int)packet.len, &msg) < 0 ||
        ns_msg_count(msg, ns_s_qd) != 1 || ns_msg_count(msg, ns_s_an) || ns_msg_count(msg, ns_s_ns) ||
        !read_question(data, packet.len, q))
        return ns_r_formerr;
    return read_extras(&msg, q);
}

size_t dns_query_limit(const struct dns_query *q)
{
    if (q->stream)
        return DNS_MESSAGE_MAX;
    if (q->udp_size <= DNS_UDP_PLAIN)
        return DNS_UDP_PLAIN;
    return q->udp_size < DNS_UDP_MAX ? q->udp_size : DNS_UDP_MAX;
}

static size_t write_opt(uint8_t *out, uint32_t flags)
{
    out[0] = 0;
    ns_put16(ns_t_opt, out + 1);
    ns_put16(DNS_UDP_MAX, out + 3);
    ns_put32(flags, out + 5);
    ns_put16(0, out + 9);
    return OPT_SIZE;
}

size_t dns_query_write(const struct dns_query *q, uint16_t id, uint8_t *out)
{
    size_t len = NS_HFIXEDSZ;

    memset(out, 0, NS_HFIXEDSZ);
    ns_put16(id, out);
    out[2] = FLAG_RECURSION;
    out[3] = q->no_checking ? FLAG_NO_CHECKING : 0;
    out[5] = 1;
    out[11] = q->edns;
    memcpy(out + len, q->name.wire, q->name.len);
    len += q->name.len;
    ns_put16(q->type, out + len);
    ns_put16(q->klass, out + len + 2);
    len += 4;
    return q->edns ? len + write_opt(out + len, q->dnssec ? EDNS_DO : 0) : len;
}

/* ---- replies ---- */

static void put_question(const struct dns_query *q, uint8_t *data, size_t *len)
{
    memcpy(data + *len, q->asked.wire, q->asked.len);
    *len += q->asked.len;
    ns_put16(q->type, data + *len);
    ns_put16(q->klass, data + *len + 2);
    *len += 4;
}

void dns_reply_begin(struct dns_reply *r, const struct dns_query *q, uint8_t *data, size_t limit)
{
    *r = (struct dns_reply){
        .query = q, .data = data, .len = NS_HFIXEDSZ, .limit = q->edns ? limit - OPT_SIZE : limit, .names = {data}};
    memset(data, 0, NS_HFIXEDSZ);
    if (!q->asked.len)
        return;
    /* Packed, so that records can point at it; alone it is not changed by that. */
    (void)ns_name_pack(q->asked.wire, data + r->len, (int)(limit - r->len), r->names, r->names + DNS_COMPRESSED_MAX);
    put_question(q, data, &r->len);
    r->counts[ns_s_qd] = 1;
}

static bool put_name(struct dns_reply *r, const struct dns_name *name, bool pack)
{
    int used = ns_name_pack(name->wire, r->data + r->len, (int)(r->limit - r->len), pack ? r->names : NULL,
                            pack ? r->names + DNS_COMPRESSED_MAX : NULL);

    if (used < 0)
        return false;
    r->len += (size_t)used;
    return true;
}

static bool put_bytes(struct dns_reply *r, const void *data, size_t len)
{
    if (r->limit - r->len < len)
        return false;
    memcpy(r->data + r->len, data, len);
    r->len += len;
    return true;
}

static bool put_16(struct dns_reply *r, uint16_t value)
{
    uint8_t bytes[2];

    ns_put16(value, bytes);
    return put_bytes(r, bytes, sizeof(bytes));
}

static bool put_32(struct dns_reply *r, uint32_t value)
{
    uint8_t bytes[4];

    ns_put32(value, bytes);
    return put_bytes(r, bytes, sizeof(bytes));
}

struct record {
    ns_sect section;
    size_t start;
    size_t data; /* where its data begins; 0 = it did not fit */
};

static struct record record_begin(struct dns_reply *r, ns_sect section, const struct dns_name *owner, uint16_t type,
                                  uint32_t ttl)
{
    struct record record = {.section = section, .start = r->len};

    if (!r->truncated && put_name(r, owner, true) && put_16(r, type) && put_16(r, ns_c_in) && put_32(r, ttl) &&
        put_16(r, 0))
        record.data = r->len;
    return record;
}

/* `whole`: the data fitted too. */
static void record_end(struct dns_reply *r, const struct record *record, bool whole)
{
    if (record->data && whole) {
        ns_put16((uint32_t)(r->len - record->data), r->data + record->data - 2);
        r->counts[record->section]++;
        return;
    }
    ns_name_rollback(r->data + record->start, r->names, r->names + DNS_COMPRESSED_MAX);
    r->len = record->start;
    r->truncated = r->truncated || record->section == ns_s_an;
}

void dns_reply_address(struct dns_reply *r, ns_sect section, const struct dns_name *owner, uint32_t ttl,
                       struct in_addr address)
{
    struct record record = record_begin(r, section, owner, ns_t_a, ttl);

    record_end(r, &record, record.data && put_bytes(r, &address, sizeof(address)));
}

void dns_reply_name(struct dns_reply *r, const struct dns_name *owner, ns_type type, uint32_t ttl,
                    const struct dns_name *target)
{
    struct record record = record_begin(r, ns_s_an, owner, (uint16_t)type, ttl);

    record_end(r, &record, record.data && put_name(r, target, true));
}

/* The target is not packed (RFC 2782). */
void dns_reply_srv(struct dns_reply *r, const struct dns_name *owner, uint32_t ttl, uint16_t weight, uint16_t port,
                   const struct dns_name *target)
{
    struct record record = record_begin(r, ns_s_an, owner, ns_t_srv, ttl);

    record_end(r, &record,
               record.data && put_16(r, 0) && put_16(r, weight) && put_16(r, port) && put_name(r, target, false));
}

void dns_reply_text(struct dns_reply *r, const struct dns_name *owner, uint32_t ttl, struct slice text)
{
    struct record record = record_begin(r, ns_s_an, owner, ns_t_txt, ttl);
    uint8_t len = (uint8_t)text.len;

    record_end(r, &record, record.data && put_bytes(r, &len, 1) && put_bytes(r, text.data, len));
}

void dns_reply_soa(struct dns_reply *r, ns_sect section, const struct dns_name *zone, uint32_t ttl,
                   const struct dns_name *master, uint32_t minimum)
{
    struct slice label = SLICE_LIT("hostmaster");
    struct dns_name mailbox;
    struct record record = record_begin(r, section, zone, ns_t_soa, ttl);
    bool fits = record.data && dns_name_join(&label, 1, zone, &mailbox);

    record_end(r, &record,
               fits && put_name(r, master, true) && put_name(r, &mailbox, true) && put_32(r, 1) &&
                   put_32(r, REFRESH_S) && put_32(r, RETRY_S) && put_32(r, EXPIRE_S) && put_32(r, minimum));
}

static void copy_record(struct dns_reply *r, ns_msg *msg, const ns_rr *rr)
{
    struct dns_name owner;
    struct dns_name target;
    uint8_t wire[NS_MAXCDNAME];
    char text[NS_MAXDNAME];
    struct record record;

    /* The root is written as nothing. */
    if (!dns_name_read(*ns_rr_name(*rr) ? ns_rr_name(*rr) : ".", &owner))
        return;
    if (ns_rr_type(*rr) == ns_t_cname) {
        if (ns_name_unpack(ns_msg_base(*msg), ns_msg_end(*msg), ns_rr_rdata(*rr), wire, sizeof(wire)) > 0 &&
            ns_name_ntop(wire, text, sizeof(text)) > 0 && dns_name_read(text, &target))
            dns_reply_name(r, &owner, ns_t_cname, ns_rr_ttl(*rr), &target);
        return;
    }
    if (ns_rr_type(*rr) != ns_t_a && ns_rr_type(*rr) != ns_t_aaaa)
        return;
    record = record_begin(r, ns_s_an, &owner, (uint16_t)ns_rr_type(*rr), ns_rr_ttl(*rr));
    record_end(r, &record, record.data && put_bytes(r, ns_rr_rdata(*rr), ns_rr_rdlen(*rr)));
}

void dns_reply_copy(struct dns_reply *r, struct slice response)
{
    ns_msg msg;
    ns_rr rr;

    if (ns_initparse((const uint8_t *)response.data, (int)response.len, &msg) < 0)
        return;
    for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++)
        if (ns_parserr(&msg, ns_s_an, i, &rr) == 0)
            copy_record(r, &msg, &rr);
}

size_t dns_reply_end(struct dns_reply *r, int code, bool authoritative)
{
    const struct dns_query *q = r->query;

    ns_put16(q->id, r->data);
    r->data[2] = (uint8_t)(FLAG_RESPONSE | (authoritative ? FLAG_AUTHORITATIVE : 0) |
                           (r->truncated ? FLAG_TRUNCATED : 0) | (q->recursion ? FLAG_RECURSION : 0));
    r->data[3] = (uint8_t)(FLAG_AVAILABLE | (q->no_checking ? FLAG_NO_CHECKING : 0) | (code & 15));
    if (q->edns) {
        r->len += write_opt(r->data + r->len, (uint32_t)(code >> 4) << 24 | (q->dnssec ? EDNS_DO : 0));
        r->counts[ns_s_ar]++;
    }
    for (int i = 0; i < ns_s_max; i++)
        ns_put16(r->counts[i], r->data + 4 + 2 * (size_t)i);
    return r->len;
}

/* ---- responses ---- */

bool dns_response_matches(struct slice response, const struct dns_query *query, uint16_t id)
{
    const uint8_t *data = (const uint8_t *)response.data;
    struct dns_query echoed = {0};
    ns_msg msg;

    return response.len >= NS_HFIXEDSZ && response.len <= DNS_MESSAGE_MAX && data[2] & FLAG_RESPONSE &&
           (data[2] >> 3 & 15) == ns_o_query && ns_get16(data) == id &&
           ns_initparse(data, (int)response.len, &msg) == 0 && ns_msg_count(msg, ns_s_qd) == 1 &&
           read_question(data, response.len, &echoed) && echoed.type == query->type && echoed.klass == query->klass &&
           dns_name_equal(&echoed.name, &query->name);
}

int dns_response_code(struct slice response)
{
    return response.data[3] & 15;
}

bool dns_response_truncated(struct slice response)
{
    return response.data[2] & FLAG_TRUNCATED;
}

/* The last four bytes of a SOA's data: how long a negative answer may be kept (RFC 2308). */
static uint32_t negative_life(ns_msg *msg)
{
    ns_rr rr;

    for (int i = 0; i < ns_msg_count(*msg, ns_s_ns); i++)
        if (ns_parserr(msg, ns_s_ns, i, &rr) == 0 && ns_rr_type(rr) == ns_t_soa && ns_rr_rdlen(rr) >= 22) {
            uint32_t minimum = (uint32_t)ns_get32(ns_rr_rdata(rr) + ns_rr_rdlen(rr) - 4);

            return ns_rr_ttl(rr) < minimum ? ns_rr_ttl(rr) : minimum;
        }
    return 0;
}

uint32_t dns_response_life(struct slice response, uint32_t most)
{
    int code = dns_response_code(response);
    uint32_t life = most;
    ns_msg msg;
    ns_rr rr;

    if ((code != ns_r_noerror && code != ns_r_nxdomain) || dns_response_truncated(response) ||
        ns_initparse((const uint8_t *)response.data, (int)response.len, &msg) < 0)
        return 0;
    if (code == ns_r_nxdomain || !ns_msg_count(msg, ns_s_an)) {
        uint32_t negative = negative_life(&msg);

        life = negative < life ? negative : life;
    }
    for (int i = 0; i < ns_msg_count(msg, ns_s_an); i++) {
        if (ns_parserr(&msg, ns_s_an, i, &rr) < 0)
            return 0;
        life = ns_rr_ttl(rr) < life ? ns_rr_ttl(rr) : life;
    }
    return life;
}

void dns_response_age(uint8_t *data, size_t len, uint32_t age, uint32_t most)
{
    ns_msg msg;
    ns_rr rr;

    if (ns_initparse(data, (int)len, &msg) < 0)
        return;
    for (int section = ns_s_an; section <= ns_s_ar; section++)
        for (int i = 0; i < ns_msg_count(msg, (ns_sect)section); i++) {
            uint32_t ttl;

            if (ns_parserr(&msg, (ns_sect)section, i, &rr) < 0)
                return;
            if (ns_rr_type(rr) == ns_t_opt)
                continue; /* its field is no time */
            ttl = ns_rr_ttl(rr) < most ? ns_rr_ttl(rr) : most;
            ns_put32(ttl > age ? ttl - age : 0, data + (ns_rr_rdata(rr) - data) - 6);
        }
}

size_t dns_response_adapt(struct slice response, const struct dns_query *q, uint8_t *out)
{
    size_t len = NS_HFIXEDSZ;

    if (response.len > dns_query_limit(q)) {
        struct dns_reply r;

        dns_reply_begin(&r, q, out, dns_query_limit(q));
        r.truncated = true;
        return dns_reply_end(&r, dns_response_code(response), false);
    }
    memcpy(out, response.data, response.len);
    ns_put16(q->id, out);
    out[2] = (uint8_t)((out[2] & ~(FLAG_RECURSION | FLAG_AUTHORITATIVE)) | (q->recursion ? FLAG_RECURSION : 0));
    out[3] |= FLAG_AVAILABLE;
    put_question(q, out, &len); /* in the client's own spelling */
    return response.len;
}
