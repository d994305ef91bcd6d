/* SPDX-License-Identifier: Apache-2.0 */
/* Which built-in kind an input is about: by its name, as seeds say it, or by any number, which a fuzzer finds. */
#ifndef KNARR_TESTS_FUZZ_KIND_H
#define KNARR_TESTS_FUZZ_KIND_H

#include "api/schema.h"

static inline const struct schema_kind *fuzz_kind(struct slice text)
{
    size_t count;
    const struct schema_kind *const *kinds = schema_kinds(&count);
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        if (slice_is(text, kinds[i]->kind))
            return kinds[i];
    for (size_t i = 0; i < text.len; i++)
        n = n * 31 + (unsigned char)text.data[i];
    return kinds[n % count];
}

#endif
