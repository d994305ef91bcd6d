/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with what it needs before it, and asserts that print both values. */
#ifndef KNARR_TESTS_UNIT_TEST_H
#define KNARR_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <unistd.h>

#include "lib/bytes.h"

#define assert_slice_equal(slice, text)                                                                                \
    do {                                                                                                               \
        char *slice_text_ = slice_dup(slice);                                                                          \
        assert_string_equal(slice_text_, text);                                                                        \
        free(slice_text_);                                                                                             \
    } while (0)

/* A folder that a test made, with what lies in it. */
static inline void test_remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;

    while (folder && (entry = readdir(folder))) {
        char *inner CLEANUP_FREE = mem_printf("%s/%s", path, entry->d_name);

        if (slice_is(slice_str(entry->d_name), ".") || slice_is(slice_str(entry->d_name), ".."))
            continue;
        if (unlink(inner) < 0)
            test_remove_folder(inner);
    }
    if (folder)
        (void)closedir(folder);
    (void)rmdir(path);
}

#endif
