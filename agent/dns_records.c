/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name is taken apart into its labels before the cluster's domain; the last of them says what it can be. Nothing is
 * kept between two questions, so an answer is as fresh as the watch.
 */
#include "agent/dns_records.h"

#include <arpa/inet.h>
#include <stdlib.h>

#define VERSION "1.1.0"
#define KEY_MAX 320 /* "ns/name" of what can be an object */

/* One question on its way. */
struct look {
    const struct dns_name *domain;
    const struct dns_source *source;
    unsigned turn;
    struct dns_reply *reply;
    uint16_t type;
    struct dns_name name; /* that is being answered: the question's, or an alias' target */
    struct dns_name *target;
    bool aliased;
};

/* What of a Service is asked for. */
struct part {
    struct slice endpoint;  /* a name below the Service's; empty = all */
    struct in_addr address; /* what that name says when it is an address with dashes */
    struct slice port;      /* without underscore; data NULL = all */
    const char *protocol;
};

static bool wants(const struct look *l, ns_type type)
{
    return l->type == type || l->type == ns_t_any;
}

static bool same(struct slice label, const char *text)
{
    return slice_equal_nocase(label, slice_str(text));
}

/* ---- names of endpoints ---- */

static struct slice endpoint_label(const struct slice_item *slice, size_t i, char dashed[INET_ADDRSTRLEN])
{
    if (slice->host_names && slice->host_names[i])
        return slice_str(slice->host_names[i]);
    (void)inet_ntop(AF_INET, &slice->endpoints[i].ip, dashed, INET_ADDRSTRLEN);
    for (char *c = dashed; *c; c++)
        if (*c == '.')
            *c = '-';
    return slice_str(dashed);
}

static bool dashed_address(struct slice label, struct in_addr *ret_address)
{
    char text[INET_ADDRSTRLEN];

    if (label.len >= sizeof(text))
        return false;
    for (size_t i = 0; i < label.len; i++)
        text[i] = label.data[i] == '-' ? '.' : label.data[i];
    text[label.len] = '\0';
    return !memchr(label.data, '.', label.len) && inet_pton(AF_INET, text, ret_address) == 1;
}

/* LABEL.NAME.NS.svc.DOMAIN; without the label when it is empty. */
static bool service_name(const struct look *l, const struct service_record *r, struct slice label,
                         struct dns_name *ret_name)
{
    const char *slash = strchr(r->key, '/');
    const struct slice labels[] = {label, slice_str(slash + 1), slice_make(r->key, (size_t)(slash - r->key)),
                                   SLICE_LIT("svc")};
    size_t skip = label.len ? 0 : 1;

    return dns_name_join(labels + skip, ARRAY_SIZE(labels) - skip, l->domain, ret_name);
}

static bool port_wanted(const struct part *p, const struct service_port *port)
{
    return !p->port.data || (same(p->port, port->name) && !strcmp(p->protocol, port->protocol));
}

static bool endpoint_wanted(const struct part *p, const struct slice_item *slice, size_t i)
{
    if (!slice->endpoints[i].ready || !p->endpoint.len)
        return slice->endpoints[i].ready;
    if (slice->host_names && slice->host_names[i])
        return same(p->endpoint, slice->host_names[i]);
    return p->address.s_addr && p->address.s_addr == slice->endpoints[i].ip.s_addr;
}

/* ---- endpoints ---- */

static bool slice_wanted(const struct part *p, const struct slice_item *slice)
{
    if (!p->port.data)
        return true;
    for (size_t i = 0; i < slice->port_count; i++)
        if (port_wanted(p, &slice->ports[i]))
            return true;
    return false;
}

static int address_compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct in_addr));
}

/* Each address once; an endpoint with ports in two groups stands in two slices. */
static size_t gather(const struct service_record *r, const struct part *p, struct in_addr addresses[DNS_ANSWERS_MAX])
{
    size_t count = 0;
    size_t kept = 0;

    for (size_t s = 0; s < r->count; s++)
        for (size_t i = 0; slice_wanted(p, r->slices[s]) && i < r->slices[s]->endpoint_count; i++)
            if (count < DNS_ANSWERS_MAX && endpoint_wanted(p, r->slices[s], i))
                addresses[count++] = r->slices[s]->endpoints[i].ip;
    if (count)
        qsort(addresses, count, sizeof(*addresses), address_compare);
    for (size_t i = 0; i < count; i++)
        if (!i || addresses[i].s_addr != addresses[kept - 1].s_addr)
            addresses[kept++] = addresses[i];
    return kept;
}

/* Calls `write` for each endpoint and port that is wanted. */
static void each_port(struct look *l, const struct service_record *r, const struct part *p,
                      void (*write)(struct look *l, const struct dns_name *target, const struct slice_endpoint *e,
                                    const struct service_port *port, size_t total),
                      size_t total)
{
    char dashed[INET_ADDRSTRLEN];
    struct dns_name target;
    size_t seen = 0;

    for (size_t s = 0; s < r->count; s++)
        for (size_t i = 0; i < r->slices[s]->endpoint_count && seen < DNS_ANSWERS_MAX; i++) {
            if (!endpoint_wanted(p, r->slices[s], i) ||
                !service_name(l, r, endpoint_label(r->slices[s], i, dashed), &target))
                continue;
            seen++;
            for (size_t k = 0; k < r->slices[s]->port_count; k++)
                if (port_wanted(p, &r->slices[s]->ports[k]))
                    write(l, &target, &r->slices[s]->endpoints[i], &r->slices[s]->ports[k], total);
        }
}

static uint16_t weight_of(size_t total)
{
    return total && total < 100 ? (uint16_t)(100 / total) : 1;
}

static void write_srv(struct look *l, const struct dns_name *target, const struct slice_endpoint *e,
                      const struct service_port *port, size_t total)
{
    dns_reply_srv(l->reply, &l->name, DNS_RECORD_TTL, weight_of(total), port->port, target);
}

static void write_target(struct look *l, const struct dns_name *target, const struct slice_endpoint *e,
                         const struct service_port *port, size_t total)
{
    dns_reply_address(l->reply, ns_s_ar, target, DNS_RECORD_TTL, e->ip);
}

/* Of a headless Service, or one endpoint of any. */
static int answer_endpoints(struct look *l, const struct service_record *r, const struct part *p)
{
    struct in_addr addresses[DNS_ANSWERS_MAX];
    size_t count = gather(r, p, addresses);

    if (!count)
        return ns_r_nxdomain;
    for (size_t i = 0; wants(l, ns_t_a) && !p->port.data && i < count; i++)
        dns_reply_address(l->reply, ns_s_an, &l->name, DNS_RECORD_TTL, addresses[(l->turn + i) % count]);
    if (wants(l, ns_t_srv)) {
        each_port(l, r, p, write_srv, count);
        each_port(l, r, p, write_target, count);
    }
    return ns_r_noerror;
}

/* ---- Services ---- */

static int answer_address(struct look *l, const struct service_record *r, const struct part *p)
{
    const struct service_item *service = r->service;
    struct dns_name target;
    size_t matching = 0;

    for (size_t i = 0; i < service->port_count; i++)
        matching += port_wanted(p, &service->ports[i]);
    if (p->port.data && !matching)
        return ns_r_nxdomain;
    if (wants(l, ns_t_a) && !p->port.data)
        dns_reply_address(l->reply, ns_s_an, &l->name, DNS_RECORD_TTL, service->address);
    if (!wants(l, ns_t_srv) || !matching || !service_name(l, r, SLICE_NONE, &target))
        return ns_r_noerror;
    for (size_t i = 0; i < service->port_count; i++)
        if (port_wanted(p, &service->ports[i]))
            dns_reply_srv(l->reply, &l->name, DNS_RECORD_TTL, weight_of(matching), service->ports[i].port, &target);
    dns_reply_address(l->reply, ns_s_ar, &target, DNS_RECORD_TTL, service->address);
    return ns_r_noerror;
}

/* An address is no name; it cannot be an alias. */
static int answer_external(struct look *l, const struct service_record *r, const struct part *p)
{
    struct in_addr address;

    if (p->endpoint.len || p->port.data || inet_pton(AF_INET, r->service->external_name, &address) == 1 ||
        !dns_name_read(r->service->external_name, l->target))
        return ns_r_nxdomain;
    dns_reply_name(l->reply, &l->name, ns_t_cname, DNS_RECORD_TTL, l->target);
    l->aliased = l->type != ns_t_cname;
    return ns_r_noerror;
}

static const struct service_record *find(const struct look *l, struct slice ns, struct slice name)
{
    char key[KEY_MAX];

    if (ns.len + name.len + 1 > sizeof(key))
        return NULL;
    memcpy(key, ns.data, ns.len);
    key[ns.len] = '/';
    memcpy(key + ns.len + 1, name.data, name.len);
    return l->source->find(l->source->arg, slice_make(key, ns.len + 1 + name.len));
}

static int answer_service(struct look *l, struct slice ns, struct slice name, const struct part *p)
{
    const struct service_record *r = find(l, ns, name);

    if (!r || !r->service)
        return ns_r_nxdomain;
    if (r->service->external_name)
        return answer_external(l, r, p);
    if (r->service->headless || p->endpoint.len)
        return answer_endpoints(l, r, p);
    return r->service->address.s_addr ? answer_address(l, r, p) : (int)ns_r_nxdomain;
}

static bool is_tag(struct slice label)
{
    return label.len > 1 && label.data[0] == '_';
}

static const char *protocol_of(struct slice label)
{
    static const char *const names[] = {"tcp", "udp", "sctp"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (label.len && same(slice_from(label, 1), names[i]))
            return names[i];
    return NULL;
}

/* ... .svc.DOMAIN; `count` labels before that. */
static int answer_svc(struct look *l, const struct slice *labels, size_t count)
{
    struct part part = {.port = SLICE_NONE};

    switch (count) {
    case 0:
        return ns_r_noerror;
    case 1:
        return l->source->namespace_(l->source->arg, labels[0]) ? ns_r_noerror : ns_r_nxdomain;
    case 2:
        return answer_service(l, labels[1], labels[0], &part);
    case 3:
        /* _tcp.NAME...: nothing stands there, but below it may. */
        if (is_tag(labels[0]))
            return find(l, labels[2], labels[1]) ? ns_r_noerror : ns_r_nxdomain;
        part.endpoint = labels[0];
        (void)dashed_address(labels[0], &part.address);
        return answer_service(l, labels[2], labels[1], &part);
    case 4:
        part.protocol = protocol_of(labels[1]);
        if (!is_tag(labels[0]) || !is_tag(labels[1]) || !part.protocol)
            return ns_r_nxdomain;
        part.port = slice_from(labels[0], 1);
        return answer_service(l, labels[3], labels[2], &part);
    default:
        return ns_r_nxdomain;
    }
}

/* 10-244-0-3.NS.pod.DOMAIN is that address, whoever has it now. */
static int answer_pod(struct look *l, const struct slice *labels, size_t count)
{
    struct in_addr address;

    if (count < 2)
        return ns_r_noerror;
    if (count > 2 || !dashed_address(labels[0], &address))
        return ns_r_nxdomain;
    if (wants(l, ns_t_a))
        dns_reply_address(l->reply, ns_s_an, &l->name, DNS_RECORD_TTL, address);
    return ns_r_noerror;
}

/* ---- the domain itself ---- */

static void master_name(const struct look *l, struct dns_name *ret_name)
{
    const struct slice labels[] = {SLICE_LIT("ns"), SLICE_LIT("dns")};

    if (!dns_name_join(labels, ARRAY_SIZE(labels), l->domain, ret_name))
        *ret_name = *l->domain;
}

static int answer_domain(struct look *l)
{
    struct dns_name master;

    master_name(l, &master);
    if (wants(l, ns_t_soa))
        dns_reply_soa(l->reply, ns_s_an, l->domain, DNS_RECORD_TTL, &master, DNS_RECORD_TTL);
    if (wants(l, ns_t_ns))
        dns_reply_name(l->reply, l->domain, ns_t_ns, DNS_RECORD_TTL, &master);
    return ns_r_noerror;
}

static int answer_dns(struct look *l, const struct slice *labels, size_t count)
{
    const struct service_record *r = l->source->find(l->source->arg, SLICE_LIT(DNS_SERVICE_NAME));

    if (count && (count > 1 || !slice_is(labels[0], "ns")))
        return ns_r_nxdomain;
    if (count && wants(l, ns_t_a) && r && r->service && r->service->address.s_addr)
        dns_reply_address(l->reply, ns_s_an, &l->name, DNS_RECORD_TTL, r->service->address);
    return ns_r_noerror;
}

static int answer_version(struct look *l, const struct slice *labels, size_t count)
{
    if (count)
        return ns_r_nxdomain;
    if (wants(l, ns_t_txt))
        dns_reply_text(l->reply, &l->name, DNS_RECORD_TTL, SLICE_LIT(VERSION));
    return ns_r_noerror;
}

static int answer_cluster(struct look *l, const struct slice *labels, size_t count)
{
    static const struct {
        const char *label;
        int (*answer)(struct look *l, const struct slice *labels, size_t count);
    } kinds[] = {{"svc", answer_svc}, {"pod", answer_pod}, {"dns", answer_dns}, {"dns-version", answer_version}};

    if (!count)
        return answer_domain(l);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (slice_is(labels[count - 1], kinds[i].label))
            return kinds[i].answer(l, labels, count - 1);
    return ns_r_nxdomain;
}

/* ---- addresses ---- */

/* 4.3.2.1.in-addr.arpa */
static bool reverse_address(const struct dns_name *name, struct in_addr *ret_address)
{
    static const struct dns_name arpa = {.wire = "\7in-addr\4arpa", .len = 14};
    struct slice labels[DNS_LABELS_MAX];
    size_t count = 0;
    uint8_t bytes[4];

    if (!dns_name_below(name, &arpa, labels, &count) || count != sizeof(bytes))
        return false;
    for (size_t i = 0; i < count; i++) {
        int64_t number;

        if (!slice_to_int64(labels[i], &number) || number < 0 || number > 255)
            return false;
        bytes[3 - i] = (uint8_t)number;
    }
    memcpy(ret_address, bytes, sizeof(bytes));
    return true;
}

static void write_pointers(struct look *l, const struct service_record *r, struct in_addr address)
{
    struct dns_name target;
    char dashed[INET_ADDRSTRLEN];

    if (!r->service)
        return;
    if (r->service->address.s_addr == address.s_addr) {
        if (service_name(l, r, SLICE_NONE, &target))
            dns_reply_name(l->reply, &l->name, ns_t_ptr, DNS_RECORD_TTL, &target);
        return;
    }
    for (size_t s = 0; s < r->count; s++)
        for (size_t i = 0; i < r->slices[s]->endpoint_count; i++)
            if (r->slices[s]->endpoints[i].ip.s_addr == address.s_addr && r->slices[s]->endpoints[i].ready &&
                service_name(l, r, endpoint_label(r->slices[s], i, dashed), &target)) {
                dns_reply_name(l->reply, &l->name, ns_t_ptr, DNS_RECORD_TTL, &target);
                return;
            }
}

static bool answer_reverse(struct look *l)
{
    const struct service_record *seen[64]; /* more than the source knows of one address */
    const struct service_record *r;
    struct in_addr address;
    size_t count = 0;
    size_t at = 0;

    if (!wants(l, ns_t_ptr) || !reverse_address(&l->name, &address))
        return false;
    while (count < ARRAY_SIZE(seen) && (r = l->source->of_address(l->source->arg, address, &at))) {
        size_t i = 0;

        while (i < count && seen[i] != r)
            i++;
        if (i < count)
            continue;
        seen[count++] = r;
        write_pointers(l, r, address);
    }
    return l->reply->counts[ns_s_an] > 0;
}

/* ---- the question ---- */

static void write_negative(struct look *l)
{
    struct dns_name master;

    master_name(l, &master);
    dns_reply_soa(l->reply, ns_s_ns, l->domain, DNS_RECORD_TTL, &master, DNS_RECORD_TTL);
}

static enum dns_result answer_name(struct look *l, int *ret_code)
{
    struct slice labels[DNS_LABELS_MAX];
    size_t before = l->reply->counts[ns_s_an];
    size_t count = 0;

    if (!dns_name_below(&l->name, l->domain, labels, &count))
        return DNS_ELSEWHERE;
    l->aliased = false;
    *ret_code = answer_cluster(l, labels, count);
    if (l->reply->counts[ns_s_an] == before && !l->reply->truncated)
        write_negative(l);
    return DNS_ANSWERED;
}

enum dns_result dns_records_answer(const struct dns_name *domain, const struct dns_source *source, unsigned turn,
                                   struct dns_reply *reply, int *ret_code, struct dns_name *ret_target)
{
    const struct dns_query *q = reply->query;
    struct look l = {.domain = domain,
                     .source = source,
                     .turn = turn,
                     .reply = reply,
                     .type = q->type,
                     .name = q->name,
                     .target = ret_target};
    enum dns_result result;

    *ret_code = ns_r_noerror;
    if (answer_reverse(&l))
        return DNS_ANSWERED;
    for (size_t i = 0; i < DNS_ALIASES_MAX; i++) {
        result = answer_name(&l, ret_code);
        if (result == DNS_ELSEWHERE)
            return i ? DNS_FOLLOW : DNS_ELSEWHERE;
        if (!l.aliased)
            return DNS_ANSWERED;
        l.name = *ret_target;
    }
    *ret_code = ns_r_servfail; /* they lead in a circle */
    return DNS_ANSWERED;
}
