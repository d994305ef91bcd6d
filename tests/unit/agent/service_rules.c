/* SPDX-License-Identifier: Apache-2.0 */
/* What Services and slices become: fronts, and the rules' text. */
#include "tests/unit/test.h"

#include "agent/service_rules.h"

#define SERVICE(more)                                                                                                  \
    "{\"spec\":{\"type\":\"NodePort\",\"clusterIP\":\"10.96.0.9\",\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\"," \
    "\"port\":80,\"nodePort\":30080}]" more "}}"
#define SLICE(endpoints)                                                                                               \
    "{\"metadata\":{\"namespace\":\"a\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},\"addressType\":"         \
    "\"IPv4\",\"ports\":[{\"name\":\"http\",\"protocol\":\"TCP\",\"port\":8080},{\"name\":\"dns\",\"protocol\":"       \
    "\"UDP\",\"port\":53}],\"endpoints\":[" endpoints "]}"
#define ENDPOINT(ip, node, conditions)                                                                                 \
    "{\"addresses\":[\"" ip "\"],\"nodeName\":\"" node "\",\"conditions\":{" conditions "}}"
#define READY  "\"ready\":true,\"serving\":true,\"terminating\":false"
#define ENDING "\"ready\":false,\"serving\":true,\"terminating\":true"
#define DOWN   "\"ready\":false,\"serving\":false,\"terminating\":false"

static const struct service_table table = {"kn0", "10.244.1.0/24"};

static struct service_fronts fronts_of(const char *service_json, const char *slice_json)
{
    struct service_item *service = service_item_read(slice_str(service_json));
    struct slice_item *slice = slice_json ? slice_item_read(slice_str(slice_json), "n1") : NULL;
    const struct slice_item *slices[] = {slice};
    const struct service_record record = {.service = service, .slices = slices, .count = slice ? 1 : 0};
    struct service_fronts fronts = {0};

    service_fronts_of(&record, 0, &fronts);
    service_item_free(service);
    if (slice)
        slice_item_free(slice);
    return fronts;
}

static void assert_change(const struct service_fronts *before, const struct service_fronts *now, const char *removals,
                          const char *additions)
{
    BUF_LOCAL(out_removals);
    BUF_LOCAL(out_additions);

    service_rules_change(&table, before, now, &out_removals, &out_additions);
    assert_string_equal(buf_cstr(&out_removals), removals);
    assert_string_equal(buf_cstr(&out_additions), additions);
}

static void the_node_s_own_server_stands_in(void **state)
{
    struct service_item *service =
        service_item_read(SLICE_LIT("{\"spec\":{\"clusterIP\":\"10.96.0.10\",\"ports\":[{\"name\":\"dns\",\"protocol\":"
                                    "\"UDP\",\"port\":53,\"nodePort\":30053}]}}"));
    struct slice_item *slice = slice_item_read(SLICE_LIT(SLICE(ENDPOINT("10.244.1.3", "n1", READY))), "n1");
    const struct slice_item *slices[] = {slice};
    struct service_record record = {.service = service, .slices = slices};
    struct service_fronts none = {0};
    struct service_fronts fronts = {0};

    service_fronts_of(&record, 10053, &fronts);
    assert_null(fronts.items[1].target);
    service_fronts_drop(&fronts, 1); /* the node port stays closed */
    assert_change(
        &none, &fronts, "",
        "add chain ip knarr-services-kn0 address-10.96.0.10-udp-53\n"
        "add rule ip knarr-services-kn0 address-10.96.0.10-udp-53 meta l4proto udp redirect to :10053\n"
        "add element ip knarr-services-kn0 addresses { 10.96.0.10 . udp . 53 : goto address-10.96.0.10-udp-53 }\n");
    service_fronts_clear(&fronts);
    /* Somebody's own has the word. */
    record.count = 1;
    service_fronts_of(&record, 10053, &fronts);
    assert_string_equal(fronts.items[0].target, "meta l4proto udp dnat ip to 10.244.1.3:53");
    service_fronts_clear(&fronts);
    service_item_free(service);
    slice_item_free(slice);
}

static void a_service_comes_changes_and_goes(void **state)
{
    struct service_fronts none = {0};
    struct service_fronts two =
        fronts_of(SERVICE(""), SLICE(ENDPOINT("10.244.1.4", "n1", READY) "," ENDPOINT("10.244.1.3", "n1", READY)));
    struct service_fronts one = fronts_of(SERVICE(""), SLICE(ENDPOINT("10.244.1.3", "n1", READY)));
    struct service_fronts refused = fronts_of(SERVICE(""), NULL);

    assert_change(
        &none, &two, "",
        "add chain ip knarr-services-kn0 address-10.96.0.9-tcp-80\n"
        "add rule ip knarr-services-kn0 address-10.96.0.9-tcp-80 meta mark set meta mark | 0x4000\n"
        "add rule ip knarr-services-kn0 address-10.96.0.9-tcp-80 meta l4proto tcp dnat ip to numgen random mod 2 map "
        "{ 0 : 10.244.1.3 . 8080, 1 : 10.244.1.4 . 8080 }\n"
        "add element ip knarr-services-kn0 addresses { 10.96.0.9 . tcp . 80 : goto address-10.96.0.9-tcp-80 }\n"
        "add chain ip knarr-services-kn0 port-tcp-30080\n"
        "add rule ip knarr-services-kn0 port-tcp-30080 meta mark set meta mark | 0x4000\n"
        "add rule ip knarr-services-kn0 port-tcp-30080 meta l4proto tcp dnat ip to numgen random mod 2 map "
        "{ 0 : 10.244.1.3 . 8080, 1 : 10.244.1.4 . 8080 }\n"
        "add element ip knarr-services-kn0 ports { tcp . 30080 : goto port-tcp-30080 }\n");
    assert_change(&two, &two, "", "");
    assert_change(
        &two, &one, "",
        "flush chain ip knarr-services-kn0 address-10.96.0.9-tcp-80\n"
        "add rule ip knarr-services-kn0 address-10.96.0.9-tcp-80 meta mark set meta mark | 0x4000\n"
        "add rule ip knarr-services-kn0 address-10.96.0.9-tcp-80 meta l4proto tcp dnat ip to 10.244.1.3:8080\n"
        "flush chain ip knarr-services-kn0 port-tcp-30080\n"
        "add rule ip knarr-services-kn0 port-tcp-30080 meta mark set meta mark | 0x4000\n"
        "add rule ip knarr-services-kn0 port-tcp-30080 meta l4proto tcp dnat ip to 10.244.1.3:8080\n");
    assert_change(&one, &refused,
                  "delete element ip knarr-services-kn0 addresses { 10.96.0.9 . tcp . 80 }\n"
                  "flush chain ip knarr-services-kn0 address-10.96.0.9-tcp-80\n"
                  "delete chain ip knarr-services-kn0 address-10.96.0.9-tcp-80\n"
                  "delete element ip knarr-services-kn0 ports { tcp . 30080 }\n"
                  "flush chain ip knarr-services-kn0 port-tcp-30080\n"
                  "delete chain ip knarr-services-kn0 port-tcp-30080\n",
                  "add element ip knarr-services-kn0 addresses_refused { 10.96.0.9 . tcp . 80 }\n"
                  "add element ip knarr-services-kn0 ports_refused { tcp . 30080 }\n");
    assert_change(&refused, &none,
                  "delete element ip knarr-services-kn0 addresses_refused { 10.96.0.9 . tcp . 80 }\n"
                  "delete element ip knarr-services-kn0 ports_refused { tcp . 30080 }\n",
                  "");
    service_fronts_clear(&two);
    service_fronts_clear(&one);
    service_fronts_clear(&refused);
}

static void endpoints_are_chosen_by_readiness_and_policy(void **state)
{
#define TO(target) "meta l4proto tcp dnat ip to " target
    static const struct {
        const char *service;
        const char *slice;
        const char *address; /* the target of the cluster address, NULL = refused */
        const char *port;    /* of the node port */
    } rows[] = {
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.1", "n1", READY) "," ENDPOINT("10.0.0.2", "n2", DOWN)),
         TO("10.0.0.1:8080"), TO("10.0.0.1:8080")},
        /* Those that end serve only where nothing else does. */
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.1", "n1", ENDING) "," ENDPOINT("10.0.0.2", "n2", READY)),
         TO("10.0.0.2:8080"), TO("10.0.0.2:8080")},
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.1", "n1", ENDING) "," ENDPOINT("10.0.0.2", "n2", DOWN)),
         TO("10.0.0.1:8080"), TO("10.0.0.1:8080")},
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.2", "n2", DOWN)), NULL, NULL},
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.2", "n2", "")), TO("10.0.0.2:8080"), TO("10.0.0.2:8080")},
        /* The same address twice is one backend. */
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.1", "n1", READY) "," ENDPOINT("10.0.0.1", "n1", READY)),
         TO("10.0.0.1:8080"), TO("10.0.0.1:8080")},
        {SERVICE(",\"externalTrafficPolicy\":\"Local\""), SLICE(ENDPOINT("10.0.0.2", "n2", READY)), TO("10.0.0.2:8080"),
         NULL},
        {SERVICE(",\"internalTrafficPolicy\":\"Local\""), SLICE(ENDPOINT("10.0.0.2", "n2", READY)), NULL,
         TO("10.0.0.2:8080")},
        /* What is no address does not reach the rules. */
        {SERVICE(""), SLICE(ENDPOINT("10.0.0.1; flush ruleset", "n1", READY)), NULL, NULL},
        {SERVICE(""), SLICE(ENDPOINT("fd00::1", "n1", READY)), NULL, NULL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct service_fronts fronts = fronts_of(rows[i].service, rows[i].slice);

        assert_int_equal(fronts.count, 2);
        for (size_t k = 0; k < 2; k++) {
            const char *wanted = k ? rows[i].port : rows[i].address;

            assert_int_equal(fronts.items[k].of_node, k);
            if (wanted)
                assert_string_equal(fronts.items[k].target, wanted);
            else
                assert_null(fronts.items[k].target);
        }
        service_fronts_clear(&fronts);
    }
}

static void a_local_node_port_keeps_the_source(void **state)
{
    struct service_fronts none = {0};
    struct service_fronts cluster = fronts_of(SERVICE(""), SLICE(ENDPOINT("10.244.1.3", "n1", READY)));
    struct service_fronts local =
        fronts_of(SERVICE(",\"externalTrafficPolicy\":\"Local\""), SLICE(ENDPOINT("10.244.1.3", "n1", READY)));

    /* Pods of the node are still masqueraded: they share the bridge. */
    assert_change(&cluster, &local, "",
                  "flush chain ip knarr-services-kn0 port-tcp-30080\n"
                  "add rule ip knarr-services-kn0 port-tcp-30080 ip saddr 10.244.1.0/24 meta mark set meta mark | "
                  "0x4000\n"
                  "add rule ip knarr-services-kn0 port-tcp-30080 meta l4proto tcp dnat ip to 10.244.1.3:8080\n");
    assert_change(&none, &none, "", "");
    service_fronts_clear(&cluster);
    service_fronts_clear(&local);
}

/* The backend of a bucket: what follows "N : " in the target. */
static void bucket_text(const char *target, unsigned bucket, char out[24])
{
    char *mark CLEANUP_FREE = mem_printf(" %u : ", bucket);
    const char *at = strstr(target, mark);

    assert_non_null(at);
    at += strlen(mark);
    memcpy(out, at, strcspn(at, ",}"));
    out[strcspn(at, ",}")] = '\0';
}

static void clients_keep_their_pod(void **state)
{
#define AFFINE SERVICE(",\"sessionAffinity\":\"ClientIP\"")
    struct service_fronts three =
        fronts_of(AFFINE, SLICE(ENDPOINT("10.0.0.1", "n1", READY) "," ENDPOINT("10.0.0.2", "n1", READY) "," ENDPOINT(
                              "10.0.0.3", "n1", READY)));
    struct service_fronts two =
        fronts_of(AFFINE, SLICE(ENDPOINT("10.0.0.1", "n1", READY) "," ENDPOINT("10.0.0.3", "n1", READY)));
    unsigned of[4] = {0};

    assert_non_null(strstr(three.items[0].target, "dnat ip to jhash ip saddr mod 256 seed 1 map { 0 : "));
    for (unsigned i = 0; i < SERVICE_BUCKETS; i++) {
        char before[24];
        char after[24];

        bucket_text(three.items[0].target, i, before);
        bucket_text(two.items[0].target, i, after);
        of[before[7] - '0']++;
        /* Only the clients of the one that went have another. */
        if (before[7] != '2')
            assert_string_equal(after, before);
    }
    for (unsigned i = 1; i < 4; i++)
        assert_in_range(of[i], 60, 110);
    service_fronts_clear(&three);
    service_fronts_clear(&two);
}

static void ports_go_by_name_and_protocol(void **state)
{
    struct service_fronts fronts = fronts_of(
        "{\"spec\":{\"clusterIP\":\"10.96.0.9\",\"ports\":[{\"name\":\"dns\",\"protocol\":\"UDP\",\"port\":53},"
        "{\"name\":\"dns\",\"protocol\":\"TCP\",\"port\":53},{\"name\":\"x\",\"port\":70000}]}}",
        SLICE(ENDPOINT("10.0.0.1", "n1", READY)));

    assert_int_equal(fronts.count, 2);
    assert_string_equal(fronts.items[0].element, "10.96.0.9 . udp . 53");
    assert_string_equal(fronts.items[0].target, "meta l4proto udp dnat ip to 10.0.0.1:53");
    assert_string_equal(fronts.items[1].element, "10.96.0.9 . tcp . 53");
    assert_null(fronts.items[1].target);
    service_fronts_clear(&fronts);
}

static void services_without_an_address_have_no_front(void **state)
{
    static const char *const services[] = {
        "{\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}",
        "{\"spec\":{\"type\":\"ExternalName\",\"clusterIP\":\"10.96.0.9\",\"ports\":[{\"port\":80}]}}",
        "{\"spec\":{\"clusterIP\":\"10.96.0.9\"}}",
        "{}",
    };

    for (size_t i = 0; i < ARRAY_SIZE(services); i++) {
        struct service_fronts fronts = fronts_of(services[i], NULL);

        assert_int_equal(fronts.count, 0);
        service_fronts_clear(&fronts);
    }
}

static void slices_of_no_service_or_family_are_left_out(void **state)
{
    static const char *const slices[] = {
        "{\"metadata\":{\"namespace\":\"a\"},\"addressType\":\"IPv4\"}",
        "{\"metadata\":{\"namespace\":\"a\",\"labels\":{\"kubernetes.io/service-name\":\"w\"}},\"addressType\":"
        "\"IPv6\"}",
    };
    struct slice_item *slice = slice_item_read(SLICE_LIT(SLICE("")), "n1");

    for (size_t i = 0; i < ARRAY_SIZE(slices); i++)
        assert_null(slice_item_read(slice_str(slices[i]), "n1"));
    assert_string_equal(slice->service, "a/web");
    slice_item_free(slice);
}

static void too_many_backends_are_cut(void **state)
{
    struct service_fronts fronts;
    BUF_LOCAL(json);

    buf_append_str(&json, "{\"metadata\":{\"namespace\":\"a\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},"
                          "\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":1}],\"endpoints\":[");
    for (unsigned i = 0; i < SERVICE_BACKENDS_MAX + 500; i++)
        buf_printf(&json, "%s{\"addresses\":[\"10.0.%u.%u\"]}", i ? "," : "", 1 + i / 200, 1 + i % 200);
    buf_append_str(&json, "]}");
    fronts = fronts_of(SERVICE(""), buf_cstr(&json));
    assert_non_null(strstr(fronts.items[0].target, "mod 1000 "));
    service_fronts_clear(&fronts);
}

#define POD(spec, status)                                                                                              \
    "{\"spec\":{" spec "\"containers\":[{\"ports\":[{\"containerPort\":80,\"hostPort\":8080},{\"containerPort\":1}]}," \
    "{\"name\":\"none\"},{\"ports\":[{\"containerPort\":53,\"hostPort\":53,\"protocol\":\"UDP\",\"hostIP\":"           \
    "\"192.0.2.1\"},{\"containerPort\":54,\"hostPort\":54,\"hostIP\":\"::1\"}]}]},\"status\":{" status "}}"

static void host_ports_lead_to_the_pod(void **state)
{
    static const char *const without[] = {
        POD("", "\"phase\":\"Pending\""),
        POD("", "\"phase\":\"Failed\",\"podIP\":\"10.244.1.3\""),
        POD("\"hostNetwork\":true,", "\"phase\":\"Running\",\"podIP\":\"192.0.2.1\""),
    };
    struct service_fronts none = {0};
    struct service_fronts fronts = {0};

    for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
        service_fronts_of_pod(slice_str(without[i]), &none);
        assert_int_equal(none.count, 0);
    }
    service_fronts_of_pod(SLICE_LIT(POD("", "\"phase\":\"Running\",\"podIP\":\"10.244.1.3\"")), &fronts);
    assert_int_equal(fronts.count, 2);
    assert_string_equal(fronts.items[1].element, "192.0.2.1 . udp . 53");
    service_fronts_drop(&fronts, 1);
    assert_change(
        &none, &fronts, "",
        "add chain ip knarr-services-kn0 port-tcp-8080\n"
        "add rule ip knarr-services-kn0 port-tcp-8080 ip saddr 10.244.1.0/24 meta mark set meta mark | 0x4000\n"
        "add rule ip knarr-services-kn0 port-tcp-8080 meta l4proto tcp dnat ip to 10.244.1.3:80\n"
        "add element ip knarr-services-kn0 ports { tcp . 8080 : goto port-tcp-8080 }\n");
    service_fronts_clear(&fronts);
}

static void the_table_is_replaced_whole(void **state)
{
    BUF_LOCAL(out);

    service_rules_empty(&table, &out);
    assert_non_null(strstr(buf_cstr(&out), "table ip knarr-services-kn0 {}\ndelete table ip knarr-services-kn0\n"
                                           "table ip knarr-services-kn0 {\n"));
    assert_non_null(strstr(buf_cstr(&out), "    ip saddr != 10.244.1.0/24 masquerade\n"
                                           "    ip daddr 10.244.1.0/24 masquerade\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_comes_changes_and_goes),
        cmocka_unit_test(the_node_s_own_server_stands_in),
        cmocka_unit_test(endpoints_are_chosen_by_readiness_and_policy),
        cmocka_unit_test(a_local_node_port_keeps_the_source),
        cmocka_unit_test(clients_keep_their_pod),
        cmocka_unit_test(ports_go_by_name_and_protocol),
        cmocka_unit_test(services_without_an_address_have_no_front),
        cmocka_unit_test(slices_of_no_service_or_family_are_left_out),
        cmocka_unit_test(too_many_backends_are_cut),
        cmocka_unit_test(host_ports_lead_to_the_pod),
        cmocka_unit_test(the_table_is_replaced_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
