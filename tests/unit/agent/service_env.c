/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/test.h"

#include "agent/service_env.h"

static void write_env(const char *name, const char *json, struct buf *out)
{
    struct service_item *item = service_item_read(slice_str(json));
    STR_LIST_LOCAL(list);

    service_env_write(name, item, &list);
    for (size_t i = 0; i < list.count; i++)
        buf_printf(out, "%s\n", list.items[i]);
    service_item_free(item);
}

static void variables_are_upstreams(void **state)
{
    BUF_LOCAL(text);

    write_env("web-front",
              "{\"spec\":{\"clusterIP\":\"10.96.0.7\",\"ports\":[{\"name\":\"http\",\"port\":80},{\"name\":\"dns-q\","
              "\"port\":53,\"protocol\":\"UDP\"}]}}",
              &text);
    assert_string_equal(buf_cstr(&text), "WEB_FRONT_SERVICE_HOST=10.96.0.7\n"
                                         "WEB_FRONT_SERVICE_PORT=80\n"
                                         "WEB_FRONT_SERVICE_PORT_HTTP=80\n"
                                         "WEB_FRONT_SERVICE_PORT_DNS_Q=53\n"
                                         "WEB_FRONT_PORT=tcp://10.96.0.7:80\n"
                                         "WEB_FRONT_PORT_80_TCP=tcp://10.96.0.7:80\n"
                                         "WEB_FRONT_PORT_80_TCP_PROTO=tcp\n"
                                         "WEB_FRONT_PORT_80_TCP_PORT=80\n"
                                         "WEB_FRONT_PORT_80_TCP_ADDR=10.96.0.7\n"
                                         "WEB_FRONT_PORT_53_UDP=udp://10.96.0.7:53\n"
                                         "WEB_FRONT_PORT_53_UDP_PROTO=udp\n"
                                         "WEB_FRONT_PORT_53_UDP_PORT=53\n"
                                         "WEB_FRONT_PORT_53_UDP_ADDR=10.96.0.7\n");
}

static void what_has_no_address_is_not_told(void **state)
{
    BUF_LOCAL(text);

    write_env("a", "{\"spec\":{\"clusterIP\":\"None\",\"ports\":[{\"port\":80}]}}", &text);
    write_env("b", "{\"spec\":{\"type\":\"ExternalName\",\"externalName\":\"x\"}}", &text);
    assert_int_equal(text.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(variables_are_upstreams),
        cmocka_unit_test(what_has_no_address_is_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
