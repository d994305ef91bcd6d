/* SPDX-License-Identifier: Apache-2.0 */
#include "apiserver/service_range.h"

#include <arpa/inet.h>
#include <stdio.h>

int service_range_parse(const char *cidr, struct service_range *ret_range, struct error *err)
{
    struct slice text = slice_str(cidr);
    ptrdiff_t at = slice_find(text, '/');
    char address[SERVICE_ADDRESS_MAX];
    struct in_addr in;
    int64_t bits;

    if (at < 0 || at >= (ptrdiff_t)sizeof(address) || !slice_to_int64(slice_from(text, (size_t)at + 1), &bits) ||
        bits < 8 || bits > 28)
        return error_set(err, ERROR_BAD_REQUEST, "\"%s\" is not an IPv4 block between /8 and /28", cidr);
    memcpy(address, text.data, (size_t)at);
    address[at] = 0;
    if (inet_pton(AF_INET, address, &in) != 1)
        return error_set(err, ERROR_BAD_REQUEST, "\"%s\" is not an IPv4 block between /8 and /28", cidr);
    ret_range->count = 1u << (32 - bits);
    ret_range->base = ntohl(in.s_addr) & ~(ret_range->count - 1);
    service_range_address(ret_range, 0, address);
    (void)snprintf(ret_range->text, sizeof(ret_range->text), "%s/%d", address, (int)bits);
    return 0;
}

void service_range_address(const struct service_range *range, uint32_t n, char ret_text[SERVICE_ADDRESS_MAX])
{
    uint32_t a = range->base + n;

    (void)snprintf(ret_text, SERVICE_ADDRESS_MAX, "%u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
}

int64_t service_range_index(const struct service_range *range, const char *address)
{
    struct in_addr in;
    uint32_t a;

    if (inet_pton(AF_INET, address, &in) != 1)
        return -1;
    a = ntohl(in.s_addr);
    if (a <= range->base || a - range->base >= range->count - 1)
        return -1;
    return a - range->base;
}
