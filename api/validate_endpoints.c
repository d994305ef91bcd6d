/* SPDX-License-Identifier: Apache-2.0 */
/* What stands behind Services: EndpointSlices, and Endpoints as the older form. */
#include "api/validate_internal.h"

#include <arpa/inet.h>
#include <string.h>

#define ENDPOINTS_MAX          1000
#define ENDPOINT_ADDRESSES_MAX 100
#define SLICE_PORTS_MAX        100
#define SUBSET_ADDRESSES_MAX   10000

static bool address_parse(int family, struct slice text, unsigned char ret_address[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (!text.len || text.len >= sizeof(copy))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    return inet_pton(family, copy, ret_address) == 1;
}

void check_usable_ip(struct validator *v, const struct vpath *at, struct slice text)
{
    static const struct {
        int family;
        unsigned char prefix[16];
        int bits;
        const char *why;
    } unusable[] = {
        {AF_INET, {0}, 32, "may not be unspecified (0.0.0.0 or ::)"},
        {AF_INET6, {0}, 128, "may not be unspecified (0.0.0.0 or ::)"},
        {AF_INET, {127}, 8, "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
        {AF_INET6, {[15] = 1}, 128, "may not be in the loopback range (127.0.0.0/8, ::1/128)"},
        {AF_INET, {169, 254}, 16, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
        {AF_INET6, {0xfe, 0x80}, 10, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"},
        {AF_INET, {224}, 24, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
        {AF_INET6, {0xff, 0x02}, 16, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"},
    };
    unsigned char address[16];

    for (size_t i = 0; i < ARRAY_SIZE(unusable); i++) {
        int whole = unusable[i].bits / 8;
        unsigned mask = 0xff00U >> (unusable[i].bits % 8) & 0xff;

        if (address_parse(unusable[i].family, text, address) && !memcmp(address, unusable[i].prefix, (size_t)whole) &&
            (!mask || (address[whole] & mask) == unusable[i].prefix[whole]))
            report_invalid_text(v, at, text, unusable[i].why);
    }
}

static void check_slice_address(struct validator *v, const struct vpath *at, struct slice type, struct slice address)
{
    unsigned char bytes[16];

    if (slice_is(type, "FQDN")) {
        (void)check_name(v, at, address, validate_dns1123_subdomain);
        return;
    }
    if (!slice_is(type, "IPv4") && !slice_is(type, "IPv6"))
        return;
    if (slice_is(type, "IPv4") && !address_parse(AF_INET, address, bytes))
        report_invalid_text(v, at, address, "must be a valid IPv4 address");
    if (slice_is(type, "IPv6") && !address_parse(AF_INET6, address, bytes))
        report_invalid_text(v, at, address, "must be a valid IPv6 address");
    check_usable_ip(v, at, address);
}

static void check_endpoint(struct validator *v, const struct vpath *at, const struct value *endpoint, struct slice type)
{
    const struct value *addresses = value_get(endpoint, "addresses");
    struct slice hostname = value_string(value_get(endpoint, "hostname"));

    if (!value_count(addresses))
        report_required(v, VFIELD(at, "addresses"), "must contain at least 1 address");
    else if (value_count(addresses) > ENDPOINT_ADDRESSES_MAX)
        report_too_many(v, VFIELD(at, "addresses"), value_count(addresses), ENDPOINT_ADDRESSES_MAX);
    for (size_t i = 0; i < value_count(addresses) && i < ENDPOINT_ADDRESSES_MAX; i++)
        check_slice_address(v, VINDEX(VFIELD(at, "addresses"), i), type, value_string(value_at(addresses, i)));
    if (hostname.len)
        (void)check_name(v, VFIELD(at, "hostname"), hostname, validate_dns1123_label);
}

static void check_slice_ports(struct validator *v, const struct value *ports)
{
    const struct vpath *at = VFIELD(NULL, "ports");

    if (value_count(ports) > SLICE_PORTS_MAX)
        report_too_many(v, at, value_count(ports), SLICE_PORTS_MAX);
    for (size_t i = 0; i < value_count(ports) && i < SLICE_PORTS_MAX; i++) {
        struct slice name = value_string(value_get(value_at(ports, i), "name"));

        if (name.len)
            (void)check_name(v, VFIELD(VINDEX(at, i), "name"), name, validate_dns1123_label);
        for (size_t j = 0; j < i; j++)
            if (slice_equal(value_string(value_get(value_at(ports, j), "name")), name)) {
                report_duplicate_text(v, VFIELD(VINDEX(at, i), "name"), name);
                break;
            }
        (void)check_range(v, VFIELD(VINDEX(at, i), "port"), value_get(value_at(ports, i), "port"), 1, 65535);
    }
}

static void check_endpoint_slice(const struct rule_site *s)
{
    const struct value *type = value_get(s->object, "addressType");
    const struct value *endpoints = value_get(s->object, "endpoints");

    if (!value_string(type).len)
        report_required(s->v, VFIELD(NULL, "addressType"), NULL);
    if (value_count(endpoints) > ENDPOINTS_MAX)
        report_too_many(s->v, VFIELD(NULL, "endpoints"), value_count(endpoints), ENDPOINTS_MAX);
    for (size_t i = 0; i < value_count(endpoints) && i < ENDPOINTS_MAX; i++)
        check_endpoint(s->v, VINDEX(VFIELD(NULL, "endpoints"), i), value_at(endpoints, i), value_string(type));
    check_slice_ports(s->v, value_get(s->object, "ports"));
}

static void check_subset_addresses(struct validator *v, const struct vpath *at, const struct value *addresses)
{
    if (value_count(addresses) > SUBSET_ADDRESSES_MAX)
        report_too_many(v, at, value_count(addresses), SUBSET_ADDRESSES_MAX);
    for (size_t i = 0; i < value_count(addresses) && i < SUBSET_ADDRESSES_MAX; i++) {
        const struct vpath *place = VINDEX(at, i);
        struct slice ip = value_string(value_get(value_at(addresses, i), "ip"));
        struct slice hostname = value_string(value_get(value_at(addresses, i), "hostname"));
        const struct value *node = value_get(value_at(addresses, i), "nodeName");

        bool good = check_ip(v, VFIELD(place, "ip"), ip);
        if (hostname.len)
            good &= check_name(v, VFIELD(place, "hostname"), hostname, validate_dns1123_label);
        if (node)
            good &= check_name(v, VFIELD(place, "nodeName"), value_string(node), validate_dns1123_subdomain);
        if (good)
            check_usable_ip(v, VFIELD(place, "ip"), ip);
    }
}

/* Ports are told apart by their names where there are several. */
static void check_subset_ports(struct validator *v, const struct vpath *at, const struct value *ports)
{
    for (size_t i = 0; i < value_count(ports); i++) {
        const struct vpath *place = VINDEX(at, i);
        const struct value *port = value_get(value_at(ports, i), "port");
        struct slice name = value_string(value_get(value_at(ports, i), "name"));
        struct value *zero CLEANUP_VALUE = value_new_int(0);

        if (name.len)
            (void)check_name(v, VFIELD(place, "name"), name, validate_dns1123_label);
        else if (value_count(ports) > 1)
            report_required(v, VFIELD(place, "name"), NULL);
        (void)check_range(v, VFIELD(place, "port"), port ? port : zero, 1, 65535);
    }
}

static void check_subset(const struct rule_site *s)
{
    const struct value *ready = value_get(s->object, "addresses");
    const struct value *others = value_get(s->object, "notReadyAddresses");

    if (!value_count(ready) && !value_count(others))
        report_required(s->v, s->at, "must specify `addresses` or `notReadyAddresses`");
    check_subset_addresses(s->v, VFIELD(s->at, "addresses"), ready);
    check_subset_addresses(s->v, VFIELD(s->at, "notReadyAddresses"), others);
    check_subset_ports(s->v, VFIELD(s->at, "ports"), value_get(s->object, "ports"));
}

static const struct rule rules[] = {
    {"EndpointSlice", NULL, check_endpoint_slice},
    {"EndpointSubset", NULL, check_subset},
};
const struct rule_set validate_rules_endpoints = {rules, ARRAY_SIZE(rules)};
