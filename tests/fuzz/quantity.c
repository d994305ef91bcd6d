/* SPDX-License-Identifier: Apache-2.0 */
/* Quantities: printing and reading back keeps the value, and prints the same from then on. */
#include "tests/fuzz/fuzz.h"

#include "api/quantity.h"

static void fuzz_one(struct slice input)
{
    BUF_LOCAL(once);
    BUF_LOCAL(twice);
    struct quantity q, back;

    if (quantity_parse(input, &q, NULL) < 0)
        return;
    quantity_write(&q, &once);
    FUZZ_CHECK(quantity_parse(buf_slice(&once), &back, NULL) == 0);
    FUZZ_CHECK(back.nano == q.nano);
    FUZZ_CHECK(quantity_compare(&q, &back) == 0);
    quantity_write(&back, &twice);
    FUZZ_CHECK(q.format == 'b' || slice_equal(buf_slice(&once), buf_slice(&twice)));
    (void)quantity_value(&q);
    (void)quantity_milli(&q);
}
