/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with what it needs before it, and asserts that print both values. */
#ifndef KNARR_TESTS_UNIT_TEST_H
#define KNARR_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "lib/bytes.h"

#define assert_slice_equal(slice, text)                                                                                \
    do {                                                                                                               \
        char *slice_text_ = slice_dup(slice);                                                                          \
        assert_string_equal(slice_text_, text);                                                                        \
        free(slice_text_);                                                                                             \
    } while (0)

#endif
