/* SPDX-License-Identifier: Apache-2.0 */
/* The block of addresses that Services get. */
#ifndef KNARR_APISERVER_SERVICE_RANGE_H
#define KNARR_APISERVER_SERVICE_RANGE_H

#include "lib/bytes.h"
#include "lib/error.h"

struct service_range {
    uint32_t base;  /* network address, host byte order */
    uint32_t count; /* addresses, network and broadcast included */
    char text[20];  /* "10.96.0.0/16" */
};

#define SERVICE_ADDRESS_MAX 16

/* IPv4 only; /8 to /28. ERROR_BAD_REQUEST. */
int service_range_parse(const char *cidr, struct service_range *ret_range, struct error *err);
/* The n-th address; 1 is that of the `kubernetes` Service. */
void service_range_address(const struct service_range *range, uint32_t n, char ret_text[SERVICE_ADDRESS_MAX]);
/* The place of an address in the range, or -1 when it is not one that a Service may have. */
int64_t service_range_index(const struct service_range *range, const char *address);

#endif
