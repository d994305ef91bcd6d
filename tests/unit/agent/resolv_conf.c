/* SPDX-License-Identifier: Apache-2.0 */
/* resolv.conf: what is read, and what pods get. */
#include "tests/unit/test.h"

#include "agent/resolv_conf.h"

static const struct cluster_dns dns = {"10.96.0.10", "cluster.local"};

#define POD(spec) "{\"metadata\":{\"namespace\":\"shop\",\"name\":\"p\"},\"spec\":{" spec "}}"
#define HOST                                                                                                           \
    "# of the host\nnameserver 192.0.2.1\nnameserver 127.0.0.53\n;x\ndomain first\n  search a.example. b.example "     \
    "a.example\noptions ndots:2 edns0\nnameserver\nsortlist 1.2.3.4\n"

static void assert_pod(const char *host_text, const char *pod_json, const struct cluster_dns *cluster,
                       const char *wanted, size_t warning_count)
{
    struct value *pod CLEANUP_VALUE = value_parse(slice_str(pod_json), NULL);
    RESOLV_CONF_LOCAL(host);
    RESOLV_CONF_LOCAL(own);
    STR_LIST_LOCAL(warnings);
    BUF_LOCAL(out);

    resolv_conf_read(slice_str(host_text), &host);
    resolv_conf_of_pod(pod, &host, cluster, &own, &warnings);
    resolv_conf_write(&own, &out);
    assert_string_equal(buf_cstr(&out), wanted);
    assert_int_equal(warnings.count, warning_count);
}

static void each_policy_has_its_file(void **state)
{
    static const struct {
        const char *pod;
        const char *wanted;
    } rows[] = {
        {POD("\"dnsPolicy\":\"ClusterFirst\""),
         "search shop.svc.cluster.local svc.cluster.local cluster.local a.example b.example\nnameserver 10.96.0.10\n"
         "options ndots:5\n"},
        {POD("\"dnsPolicy\":\"ClusterFirstWithHostNet\",\"hostNetwork\":true"),
         "search shop.svc.cluster.local svc.cluster.local cluster.local a.example b.example\nnameserver 10.96.0.10\n"
         "options ndots:5\n"},
        /* On the host's network its loopback is there. */
        {POD("\"dnsPolicy\":\"ClusterFirst\",\"hostNetwork\":true"),
         "search a.example b.example\nnameserver 192.0.2.1\nnameserver 127.0.0.53\noptions ndots:2 edns0\n"},
        {POD("\"dnsPolicy\":\"Default\""),
         "search a.example b.example\nnameserver 192.0.2.1\nnameserver 10.96.0.10\noptions ndots:2 edns0\n"},
        {POD("\"dnsPolicy\":\"None\",\"dnsConfig\":{\"nameservers\":[\"192.0.2.9\"],\"searches\":[\"x.example\"],"
             "\"options\":[{\"name\":\"rotate\"}]}"),
         "search x.example\nnameserver 192.0.2.9\noptions rotate\n"},
        {POD("\"dnsPolicy\":\"ClusterFirst\",\"dnsConfig\":{\"searches\":[\"cluster.local.\",\"x.example\"],"
             "\"options\":[{\"name\":\"ndots\",\"value\":\"1\"},{\"name\":\"edns0\"}]}"),
         "search shop.svc.cluster.local svc.cluster.local cluster.local a.example b.example x.example\n"
         "nameserver 10.96.0.10\noptions ndots:1 edns0\n"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_pod(HOST, rows[i].pod, &dns, rows[i].wanted, 0);
    assert_pod("", POD("\"dnsPolicy\":\"Default\""), &dns, "", 0);
}

static void without_a_dns_the_host_s_is_used(void **state)
{
    const struct cluster_dns none = {NULL, "cluster.local"};

    assert_pod("nameserver 192.0.2.1\n", POD("\"dnsPolicy\":\"ClusterFirst\""), &none, "nameserver 192.0.2.1\n", 1);
}

static void what_is_too_much_is_cut_and_told(void **state)
{
    BUF_LOCAL(host);
    BUF_LOCAL(wanted);

    assert_pod(
        "nameserver 192.0.2.1\nnameserver 192.0.2.2\n",
        POD("\"dnsPolicy\":\"Default\",\"dnsConfig\":{\"nameservers\":[\"192.0.2.2\",\"192.0.2.3\",\"192.0.2.4\"]}"),
        &dns, "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\n", 1);
    buf_append_str(&host, "search");
    buf_append_str(&wanted, "search shop.svc.cluster.local svc.cluster.local cluster.local");
    for (unsigned i = 0; i < 40; i++) {
        buf_printf(&host, " d%u", i);
        if (i < 29)
            buf_printf(&wanted, " d%u", i);
    }
    buf_append_str(&wanted, "\nnameserver 10.96.0.10\noptions ndots:5\n");
    assert_pod(buf_cstr(&host), POD("\"dnsPolicy\":\"ClusterFirst\""), &dns, buf_cstr(&wanted), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_policy_has_its_file),
        cmocka_unit_test(without_a_dns_the_host_s_is_used),
        cmocka_unit_test(what_is_too_much_is_cut_and_told),
    };

    value_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
