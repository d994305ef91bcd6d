/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness of every fuzz target: a target defines fuzz_one, which must hold its claims by FUZZ_CHECK and must not
 * crash, leak or hang on anything. `./test fuzz` builds and runs them all, each from what lies in corpus/; an input
 * that finds something is written to the build folder, and goes to corpus/ with what mends it.
 */
#ifndef KNARR_TESTS_FUZZ_FUZZ_H
#define KNARR_TESTS_FUZZ_FUZZ_H

#include <stdlib.h>

#include "lib/bytes.h"

#define FUZZ_CHECK(claim)                                                                                              \
    do {                                                                                                               \
        if (!(claim))                                                                                                  \
            abort();                                                                                                   \
    } while (0)

static void fuzz_one(struct slice input);

/* Takes the part up to the next newline off the input. */
static inline struct slice fuzz_take(struct slice *input)
{
    struct slice part = SLICE_LIT("");

    (void)slice_split(input, '\n', &part);
    return part;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_one(slice_make(size ? (const char *)data : "", size));
    return 0;
}

#endif
