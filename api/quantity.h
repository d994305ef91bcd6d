/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities: "100m", "1.5Gi", "1e3". Exact: value x 10^-9 in 128 bits. */
#ifndef KNARR_API_QUANTITY_H
#define KNARR_API_QUANTITY_H

#include "lib/bytes.h"
#include "lib/error.h"

struct quantity {
    __int128 nano; /* value times 10^9 */
    char format;   /* 'd' decimal suffixes, 'b' binary suffixes, 'e' exponent: how it is printed */
};

/* Errors as upstream's: "quantities must match the regular expression ...", "unable to parse quantity's suffix". */
int quantity_parse(struct slice text, struct quantity *ret_quantity, struct error *err);
/* Upstream's canonical text ("1500m", "2Gi"). */
void quantity_write(const struct quantity *q, struct buf *out);
int quantity_compare(const struct quantity *a, const struct quantity *b);
/* Sum and difference, within what a quantity can hold; written as what is not zero of the two was, `to` first. */
void quantity_add(struct quantity *to, const struct quantity *more);
void quantity_subtract(struct quantity *from, const struct quantity *less);
/* Rounded up, as upstream's Value() and MilliValue(); saturates at int64. */
int64_t quantity_value(const struct quantity *q);
int64_t quantity_milli(const struct quantity *q);

#endif
