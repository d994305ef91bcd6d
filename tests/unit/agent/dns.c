/* SPDX-License-Identifier: Apache-2.0 */
/* Names of the cluster, messages and the cache, as text: what dig would show. */
#include "tests/unit/test.h"

#include <resolv.h>

#include "agent/dns_cache.h"
#include "agent/dns_records.h"

/* ---- a small cluster ---- */

#define SERVICE(spec) "{\"spec\":{" spec "}}"
#define PORTS         "\"ports\":[{\"name\":\"http\",\"port\":80},{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53}]"
#define SLICE(name, endpoints)                                                                                         \
    "{\"metadata\":{\"namespace\":\"shop\",\"labels\":{\"kubernetes.io/service-name\":\"" name "\"}},"                 \
    "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":8080}],\"endpoints\":[" endpoints "]}"

static const struct {
    const char *key;
    const char *service;
    const char *slice;
} cluster[] = {
    {"kube-system/kube-dns", SERVICE("\"clusterIP\":\"10.96.0.10\"," PORTS), NULL},
    {"shop/web", SERVICE("\"clusterIP\":\"10.96.0.7\"," PORTS),
     SLICE("web",
           "{\"addresses\":[\"10.244.0.3\"]},{\"addresses\":[\"10.244.0.4\"],\"conditions\":{\"ready\":false}}")},
    {"shop/bare", SERVICE("\"clusterIP\":\"None\"," PORTS),
     SLICE("bare", "{\"addresses\":[\"10.244.0.5\"],\"hostname\":\"one\"},{\"addresses\":[\"10.244.1.6\"]},"
                   "{\"addresses\":[\"10.244.1.7\"],\"hostname\":\"late\",\"conditions\":{\"ready\":false}}")},
    {"shop/none", SERVICE("\"clusterIP\":\"None\""), SLICE("none", "")},
    {"shop/out", SERVICE("\"type\":\"ExternalName\",\"externalName\":\"www.example.com\""), NULL},
    {"shop/in", SERVICE("\"type\":\"ExternalName\",\"externalName\":\"web.shop.svc.cluster.local\""), NULL},
    {"shop/circle", SERVICE("\"type\":\"ExternalName\",\"externalName\":\"circle.shop.svc.cluster.local\""), NULL},
    {"shop/number", SERVICE("\"type\":\"ExternalName\",\"externalName\":\"192.0.2.1\""), NULL},
};

struct fixture {
    struct service_record records[ARRAY_SIZE(cluster)];
    struct service_item *services[ARRAY_SIZE(cluster)];
    struct slice_item *slices[ARRAY_SIZE(cluster)];
    const struct slice_item *lists[ARRAY_SIZE(cluster)];
};

static int fixture_make(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    for (size_t i = 0; i < ARRAY_SIZE(cluster); i++) {
        f->services[i] = service_item_read(slice_str(cluster[i].service));
        f->slices[i] = cluster[i].slice ? slice_item_read(slice_str(cluster[i].slice), "n1") : NULL;
        f->lists[i] = f->slices[i];
        f->records[i] = (struct service_record){.key = (char *)cluster[i].key,
                                                .service = f->services[i],
                                                .slices = &f->lists[i],
                                                .count = f->slices[i] ? 1 : 0};
    }
    *state = f;
    return 0;
}

static int fixture_free(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < ARRAY_SIZE(cluster); i++) {
        service_item_free(f->services[i]);
        if (f->slices[i])
            slice_item_free(f->slices[i]);
    }
    free(f);
    return 0;
}

static const struct service_record *find(void *arg, struct slice key)
{
    struct fixture *f = arg;

    for (size_t i = 0; i < ARRAY_SIZE(cluster); i++)
        if (slice_is(key, cluster[i].key))
            return &f->records[i];
    return NULL;
}

static bool has_namespace(void *arg, struct slice ns)
{
    return slice_is(ns, "shop") || slice_is(ns, "kube-system");
}

static const struct service_record *of_address(void *arg, struct in_addr address, size_t *at)
{
    struct fixture *f = arg;

    for (; *at < ARRAY_SIZE(cluster); ++*at) {
        const struct service_record *r = &f->records[*at];
        bool found = r->service->address.s_addr == address.s_addr;

        for (size_t i = 0; r->count && i < r->slices[0]->endpoint_count; i++)
            found = found || r->slices[0]->endpoints[i].ip.s_addr == address.s_addr;
        if (found)
            return &f->records[(*at)++];
    }
    return NULL;
}

/* ---- text ---- */

/* The C library would rather not have its printer used by programs; a test may. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* The code and the records of a message, a line each. */
static void describe(struct slice message, struct buf *out)
{
    static const char *const codes[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"};
    ns_msg msg;
    ns_rr rr;

    assert_int_equal(ns_initparse((const uint8_t *)message.data, (int)message.len, &msg), 0);
    buf_printf(out, "%s%s\n", codes[dns_response_code(message)], dns_response_truncated(message) ? " TC" : "");
    for (int section = ns_s_an; section <= ns_s_ar; section++)
        for (int i = 0; i < ns_msg_count(msg, (ns_sect)section); i++) {
            char text[1024];

            assert_int_equal(ns_parserr(&msg, (ns_sect)section, i, &rr), 0);
            if (ns_rr_type(rr) == ns_t_opt)
                continue;
            assert_true(ns_sprintrr(&msg, &rr, NULL, NULL, text, sizeof(text)) > 0);
            for (char *c = text; *c; c++)
                if (*c == '\t' || *c == '\n')
                    *c = ' ';
            while (strstr(text, "  "))
                memmove(strstr(text, "  "), strstr(text, "  ") + 1, strlen(strstr(text, "  ")));
            buf_printf(out, "%s%s\n", section == ns_s_an ? "" : section == ns_s_ns ? "ns " : "more ", text);
        }
}

static struct dns_query query_of(const char *name, ns_type type)
{
    struct dns_query q = {.id = 77, .type = (uint16_t)type, .klass = ns_c_in, .recursion = true, .udp_size = 512};

    assert_true(dns_name_read(name, &q.name));
    q.asked = q.name;
    return q;
}

static void assert_answer(struct fixture *f, const char *name, ns_type type, const char *wanted)
{
    const struct dns_source source = {find, has_namespace, of_address, f};
    struct dns_query q = query_of(name, type);
    struct dns_name domain;
    struct dns_name target = {.len = 0};
    struct dns_reply reply;
    uint8_t data[DNS_UDP_PLAIN];
    enum dns_result result;
    int code;
    BUF_LOCAL(text);

    assert_true(dns_name_read("cluster.local", &domain));
    dns_reply_begin(&reply, &q, data, sizeof(data));
    result = dns_records_answer(&domain, &source, 0, &reply, &code, &target);
    if (result == DNS_ELSEWHERE)
        buf_append_str(&text, "elsewhere\n");
    else
        describe(slice_make(data, dns_reply_end(&reply, code, true)), &text);
    if (result == DNS_FOLLOW)
        buf_append_str(&text, "follow\n");
    assert_string_equal(buf_cstr(&text), wanted);
}

#define NEGATIVE                                                                                                       \
    "ns cluster.local. 5S IN SOA ns.dns.cluster.local. hostmaster.cluster.local. ( 1 ; serial 2H ; refresh 30M ; "     \
    "retry 1D ; expiry 5S ) ; minimum \n"

static void names_of_services(void **state)
{
    static const struct {
        const char *name;
        ns_type type;
        const char *wanted;
    } rows[] = {
        {"web.shop.svc.cluster.local", ns_t_a, "NOERROR\nweb.shop.svc.cluster.local. 5S IN A 10.96.0.7\n"},
        {"web.shop.svc.cluster.local", ns_t_aaaa, "NOERROR\n" NEGATIVE},
        {"web.shop.svc.cluster.local", ns_t_mx, "NOERROR\n" NEGATIVE},
        {"_http._tcp.web.shop.svc.cluster.local", ns_t_srv,
         "NOERROR\n_http._tcp.web.shop.svc.cluster.local. 5S IN SRV 0 100 80 web.shop.svc.cluster.local.\n"
         "more web.shop.svc.cluster.local. 5S IN A 10.96.0.7\n"},
        {"_dns._udp.web.shop.svc.cluster.local", ns_t_a, "NOERROR\n" NEGATIVE},
        {"_dns._tcp.web.shop.svc.cluster.local", ns_t_srv, "NXDOMAIN\n" NEGATIVE},
        {"_tcp.web.shop.svc.cluster.local", ns_t_a, "NOERROR\n" NEGATIVE},
        {"http.tcp.web.shop.svc.cluster.local", ns_t_srv, "NXDOMAIN\n" NEGATIVE},
        {"*.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"nobody.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"shop.svc.cluster.local", ns_t_a, "NOERROR\n" NEGATIVE},
        {"empty.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"svc.cluster.local", ns_t_a, "NOERROR\n" NEGATIVE},
        {"other.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"x.y.z.web.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"cluster.local", ns_t_ns, "NOERROR\ncluster.local. 5S IN NS ns.dns.cluster.local.\n"},
        {"ns.dns.cluster.local", ns_t_a, "NOERROR\nns.dns.cluster.local. 5S IN A 10.96.0.10\n"},
        {"dns-version.cluster.local", ns_t_txt, "NOERROR\ndns-version.cluster.local. 5S IN TXT \"1.1.0\"\n"},
        {"xcluster.local", ns_t_a, "elsewhere\n"},
        {"local", ns_t_a, "elsewhere\n"},
        {".", ns_t_ns, "elsewhere\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_answer(*state, rows[i].name, rows[i].type, rows[i].wanted);
}

static void names_of_endpoints(void **state)
{
    static const struct {
        const char *name;
        ns_type type;
        const char *wanted;
    } rows[] = {
        {"bare.shop.svc.cluster.local", ns_t_a,
         "NOERROR\nbare.shop.svc.cluster.local. 5S IN A 10.244.0.5\nbare.shop.svc.cluster.local. 5S IN A 10.244.1.6\n"},
        {"one.bare.shop.svc.cluster.local", ns_t_a, "NOERROR\none.bare.shop.svc.cluster.local. 5S IN A 10.244.0.5\n"},
        {"10-244-1-6.bare.shop.svc.cluster.local", ns_t_a,
         "NOERROR\n10-244-1-6.bare.shop.svc.cluster.local. 5S IN A 10.244.1.6\n"},
        /* It has another name; it is not ready; it is none. */
        {"10-244-0-5.bare.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"late.bare.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"1-2-3.bare.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"10-244-0-3.web.shop.svc.cluster.local", ns_t_a,
         "NOERROR\n10-244-0-3.web.shop.svc.cluster.local. 5S IN A 10.244.0.3\n"},
        {"none.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"_http._tcp.bare.shop.svc.cluster.local", ns_t_srv,
         "NOERROR\n_http._tcp.bare.shop.svc.cluster.local. 5S IN SRV 0 50 8080 one.bare.shop.svc.cluster.local.\n"
         "_http._tcp.bare.shop.svc.cluster.local. 5S IN SRV 0 50 8080 10-244-1-6.bare.shop.svc.cluster.local.\n"
         "more one.bare.shop.svc.cluster.local. 5S IN A 10.244.0.5\n"
         "more 10-244-1-6.bare.shop.svc.cluster.local. 5S IN A 10.244.1.6\n"},
        {"_dns._udp.bare.shop.svc.cluster.local", ns_t_srv, "NXDOMAIN\n" NEGATIVE},
        {"1-2-3-4.any.pod.cluster.local", ns_t_a, "NOERROR\n1-2-3-4.any.pod.cluster.local. 5S IN A 1.2.3.4\n"},
        {"1-2-3-4-5.any.pod.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE},
        {"any.pod.cluster.local", ns_t_a, "NOERROR\n" NEGATIVE},
        {"7.0.96.10.in-addr.arpa", ns_t_ptr,
         "NOERROR\n7.0.96.10.in-addr.arpa. 5S IN PTR web.shop.svc.cluster.local.\n"},
        {"5.0.244.10.in-addr.arpa", ns_t_ptr,
         "NOERROR\n5.0.244.10.in-addr.arpa. 5S IN PTR one.bare.shop.svc.cluster.local.\n"},
        {"4.0.244.10.in-addr.arpa", ns_t_ptr, "elsewhere\n"},
        {"999.0.244.10.in-addr.arpa", ns_t_ptr, "elsewhere\n"},
        {"0.244.10.in-addr.arpa", ns_t_ptr, "elsewhere\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_answer(*state, rows[i].name, rows[i].type, rows[i].wanted);
}

static void aliases(void **state)
{
    assert_answer(*state, "out.shop.svc.cluster.local", ns_t_a,
                  "NOERROR\nout.shop.svc.cluster.local. 5S IN CNAME www.example.com.\nfollow\n");
    assert_answer(*state, "out.shop.svc.cluster.local", ns_t_cname,
                  "NOERROR\nout.shop.svc.cluster.local. 5S IN CNAME www.example.com.\n");
    assert_answer(*state, "in.shop.svc.cluster.local", ns_t_a,
                  "NOERROR\nin.shop.svc.cluster.local. 5S IN CNAME web.shop.svc.cluster.local.\n"
                  "web.shop.svc.cluster.local. 5S IN A 10.96.0.7\n");
    assert_answer(*state, "number.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE);
    assert_answer(*state, "x.out.shop.svc.cluster.local", ns_t_a, "NXDOMAIN\n" NEGATIVE);
    {
        const struct dns_source source = {find, has_namespace, of_address, *state};
        struct dns_query q = query_of("circle.shop.svc.cluster.local", ns_t_a);
        struct dns_name domain;
        struct dns_name target;
        struct dns_reply reply;
        uint8_t data[DNS_UDP_PLAIN];
        int code;

        assert_true(dns_name_read("cluster.local", &domain));
        dns_reply_begin(&reply, &q, data, sizeof(data));
        assert_int_equal(dns_records_answer(&domain, &source, 0, &reply, &code, &target), DNS_ANSWERED);
        assert_int_equal(code, ns_r_servfail);
    }
}

/* ---- messages ---- */

static void what_does_not_fit_is_truncated(void **state)
{
    struct dns_query q = query_of("many.example", ns_t_a);
    struct dns_reply reply;
    uint8_t data[DNS_UDP_PLAIN];
    size_t len;

    q.edns = true;
    dns_reply_begin(&reply, &q, data, sizeof(data));
    for (uint32_t i = 0; i < 100; i++)
        dns_reply_address(&reply, ns_s_an, &q.name, 5, (struct in_addr){i});
    len = dns_reply_end(&reply, ns_r_noerror, true);
    assert_true(len <= sizeof(data) && len > sizeof(data) - 20);
    assert_true(dns_response_truncated(slice_make(data, len)));
    assert_true(dns_response_matches(slice_make(data, len), &q, 77));
}

static void queries_are_judged(void **state)
{
    struct dns_query q = query_of("www.example", ns_t_a);
    struct dns_query read;
    uint8_t data[DNS_UDP_PLAIN];
    size_t len;

    q.edns = true;
    q.dnssec = true;
    len = dns_query_write(&q, 9, data);
    assert_int_equal(dns_query_read(slice_make(data, len), &read), ns_r_noerror);
    assert_true(read.id == 9 && read.edns && read.dnssec && read.recursion && read.type == ns_t_a);
    assert_true(dns_name_equal(&read.name, &q.name));
    assert_int_equal(dns_query_limit(&read), DNS_UDP_MAX);
    for (size_t i = 0; i < len; i++) {
        int code = dns_query_read(slice_make(data, i), &read);

        assert_int_equal(code, i < NS_HFIXEDSZ ? DNS_IGNORE : (int)ns_r_formerr);
    }
    data[len - 6] = 0; /* the version is before the flags */
    data[len - 5] = 1;
    assert_int_equal(dns_query_read(slice_make(data, len), &read), DNS_BAD_VERS);
    data[2] |= 0x80;
    assert_int_equal(dns_query_read(slice_make(data, len), &read), DNS_IGNORE);
    data[2] = 5 << 3;
    assert_int_equal(dns_query_read(slice_make(data, len), &read), ns_r_notimpl);
}

static size_t answer_of(const struct dns_query *q, uint32_t ttl, uint8_t data[DNS_UDP_PLAIN])
{
    struct dns_reply reply;
    struct dns_name alias;

    assert_true(dns_name_read("alias.example", &alias));
    dns_reply_begin(&reply, q, data, DNS_UDP_PLAIN);
    dns_reply_name(&reply, &q->name, ns_t_cname, ttl, &alias);
    dns_reply_address(&reply, ns_s_an, &alias, ttl + 10, (struct in_addr){htonl(0xc0000207)});
    return dns_reply_end(&reply, ns_r_noerror, false);
}

static void answers_of_others_are_judged_and_adapted(void **state)
{
    struct dns_query q = query_of("www.example", ns_t_a);
    struct dns_query other = query_of("www.example", ns_t_aaaa);
    struct dns_query mine = query_of("www.example", ns_t_a);
    struct dns_reply reply;
    uint8_t data[DNS_UDP_PLAIN];
    uint8_t out[DNS_UDP_PLAIN];
    struct slice response = slice_make(data, answer_of(&q, 20, data));
    BUF_LOCAL(text);

    assert_true(dns_response_matches(response, &q, 77));
    assert_false(dns_response_matches(response, &q, 78));
    assert_false(dns_response_matches(response, &other, 77));
    for (size_t i = 0; i < response.len; i++)
        assert_false(dns_response_matches(slice_make(data, i), &q, 77));
    assert_int_equal(dns_response_life(response, 30), 20);
    assert_int_equal(dns_response_life(response, 15), 15);
    /* The client's id and spelling. */
    mine.id = 5;
    mine.asked.wire[1] = 'W';
    describe(slice_make(out, dns_response_adapt(response, &mine, out)), &text);
    assert_string_equal(buf_cstr(&text),
                        "NOERROR\nWww.example. 20S IN CNAME alias.example.\nalias.example. 30S IN A 192.0.2.7\n");
    assert_int_equal(out[1], 5);
    /* Below an alias of the cluster. */
    buf_reset(&text);
    mine = query_of("out.shop.svc.cluster.local", ns_t_a);
    dns_reply_begin(&reply, &mine, out, sizeof(out));
    dns_reply_name(&reply, &mine.name, ns_t_cname, 5, &q.name);
    dns_reply_copy(&reply, response);
    describe(slice_make(out, dns_reply_end(&reply, ns_r_noerror, false)), &text);
    assert_string_equal(buf_cstr(&text),
                        "NOERROR\nout.shop.svc.cluster.local. 5S IN CNAME www.example.\n"
                        "www.example. 20S IN CNAME alias.example.\nalias.example. 30S IN A 192.0.2.7\n");
}

/* ---- the cache ---- */

static void answers_are_kept_as_long_as_they_say(void **state)
{
    struct dns_query q = query_of("www.example", ns_t_a);
    struct dns_cache c;
    uint8_t key[DNS_KEY_MAX];
    struct slice key_slice = slice_make(key, dns_query_key(&q, key));
    uint8_t data[DNS_UDP_PLAIN];
    uint8_t out[DNS_CACHE_MESSAGE_MAX];
    struct slice response = slice_make(data, answer_of(&q, 20, data));
    size_t len;

    dns_cache_init(&c);
    assert_int_equal(dns_cache_get(&c, key_slice, 1000, out), 0);
    dns_cache_put(&c, key_slice, 1000, response);
    len = dns_cache_get(&c, key_slice, 13500, out);
    assert_int_equal(dns_response_life(slice_make(out, len), 30), 8);
    assert_int_equal(dns_cache_get(&c, key_slice, 21000, out), 0);
    assert_int_equal(c.entries.count, 0);
    /* What may not be kept. */
    dns_cache_put(&c, key_slice, 1000, slice_make(data, answer_of(&q, 0, data)));
    assert_int_equal(c.entries.count, 0);
    dns_cache_clear(&c);
}

static void the_cache_is_bounded(void **state)
{
    struct dns_query q = query_of("www.example", ns_t_a);
    struct dns_cache c;
    uint8_t key[DNS_KEY_MAX];
    uint8_t data[DNS_UDP_PLAIN];
    uint8_t out[DNS_CACHE_MESSAGE_MAX];
    struct slice response = slice_make(data, answer_of(&q, 20, data));

    dns_cache_init(&c);
    for (unsigned i = 0; i < DNS_CACHE_ENTRIES_MAX + 10; i++) {
        q.type = (uint16_t)(i + 1);
        dns_cache_put(&c, slice_make(key, dns_query_key(&q, key)), 1000, response);
    }
    assert_int_equal(c.entries.count, DNS_CACHE_ENTRIES_MAX);
    q.type = 1;
    assert_int_equal(dns_cache_get(&c, slice_make(key, dns_query_key(&q, key)), 1000, out), 0);
    assert_true(c.bytes <= DNS_CACHE_BYTES_MAX);
    dns_cache_clear(&c);
    assert_int_equal(c.bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_of_services, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(names_of_endpoints, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(aliases, fixture_make, fixture_free),
        cmocka_unit_test(what_does_not_fit_is_truncated),
        cmocka_unit_test(queries_are_judged),
        cmocka_unit_test(answers_of_others_are_judged_and_adapted),
        cmocka_unit_test(answers_are_kept_as_long_as_they_say),
        cmocka_unit_test(the_cache_is_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
