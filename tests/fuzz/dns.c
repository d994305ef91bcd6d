/* SPDX-License-Identifier: Apache-2.0 */
/* DNS messages: whatever comes, a query is answered within its limit, and what is accepted of others stays well-formed.
 */
#include "tests/fuzz/fuzz.h"

#include "agent/dns_cache.h"
#include "agent/dns_records.h"

static const struct service_record *find(void *arg, struct slice key)
{
    return slice_is(key, "a/b") ? arg : NULL;
}

static bool has_namespace(void *arg, struct slice ns)
{
    return ns.len % 2;
}

static const struct service_record *of_address(void *arg, struct in_addr address, size_t *at)
{
    return (*at)++ ? NULL : arg;
}

static void check_well_formed(const uint8_t *data, size_t len)
{
    ns_msg msg;

    FUZZ_CHECK(ns_initparse(data, (int)len, &msg) == 0);
}

/* Service a/b: headless with one endpoint, or an alias, by the first byte. */
static void check_query(struct slice message, bool alias)
{
    struct slice_endpoint endpoint = {.ip = {0x0300f40a}, .ready = true};
    struct service_port port = {.name = (char *)"p", .protocol = "tcp", .port = 80};
    struct slice_item slice = {.ports = &port, .port_count = 1, .endpoints = &endpoint, .endpoint_count = 1};
    struct service_item item = {.headless = !alias, .external_name = alias ? (char *)"b.a.svc.cluster.local" : NULL};
    const struct slice_item *slices[] = {&slice};
    struct service_record record = {.key = (char *)"a/b", .service = &item, .slices = slices, .count = 1};
    const struct dns_source source = {find, has_namespace, of_address, &record};
    static uint8_t out[DNS_MESSAGE_MAX];
    struct dns_query q;
    struct dns_reply reply;
    struct dns_name domain;
    struct dns_name target;
    int code = dns_query_read(message, &q);

    if (code == DNS_IGNORE)
        return;
    FUZZ_CHECK(dns_name_read("cluster.local", &domain));
    dns_reply_begin(&reply, &q, out, dns_query_limit(&q));
    if (code == ns_r_noerror)
        (void)dns_records_answer(&domain, &source, 0, &reply, &code, &target);
    FUZZ_CHECK(dns_reply_end(&reply, code, true) <= dns_query_limit(&q));
    check_well_formed(out, reply.len);
    FUZZ_CHECK(!q.asked.len || dns_query_write(&q, 1, out) <= DNS_UDP_PLAIN);
}

/* The message as the answer to the question it repeats. */
static void check_response(struct slice message)
{
    static uint8_t copy[DNS_MESSAGE_MAX];
    static uint8_t out[DNS_MESSAGE_MAX];
    struct dns_query q;
    struct dns_reply reply;

    if (message.len < NS_HFIXEDSZ || message.len > sizeof(copy))
        return;
    memcpy(copy, message.data, message.len);
    copy[2] &= 0x7f;
    memset(copy + 6, 0, 6);
    if (dns_query_read(slice_make(copy, message.len), &q) == DNS_IGNORE || !q.asked.len)
        return;
    q.id = (uint16_t)ns_get16((const uint8_t *)message.data);
    if (!dns_response_matches(message, &q, q.id))
        return;
    memcpy(copy, message.data, message.len);
    FUZZ_CHECK(dns_response_life(message, 30) <= 30);
    dns_response_age(copy, message.len, 7, 30);
    FUZZ_CHECK(dns_response_matches(slice_make(copy, message.len), &q, q.id));
    FUZZ_CHECK(dns_response_adapt(message, &q, out) <= dns_query_limit(&q));
    dns_reply_begin(&reply, &q, out, dns_query_limit(&q));
    dns_reply_copy(&reply, message);
    check_well_formed(out, dns_reply_end(&reply, ns_r_noerror, false));
}

static void fuzz_one(struct slice input)
{
    bool alias = input.len && input.data[0] & 1;

    if (!input.len)
        return;
    input = slice_from(input, 1);
    check_query(input, alias);
    check_response(input);
}
