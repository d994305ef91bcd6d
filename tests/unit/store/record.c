/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_record.h"

#include "lib/encoding.h"
#include "store/crc32c.h"
#include "tests/unit/test.h"

/* The check value of the catalogue of CRCs, and RFC 3720's 32 zero bytes. */
static void test_crc32c_known_values(void **state)
{
    char zeros[32] = {0};

    assert_int_equal(crc32c(0, SLICE_LIT("123456789")), 0xe3069283);
    assert_int_equal(crc32c_portable(0, SLICE_LIT("123456789")), 0xe3069283);
    assert_int_equal(crc32c(0, slice_make(zeros, sizeof(zeros))), 0x8a9136aa);
    assert_int_equal(crc32c_portable(0, slice_make(zeros, sizeof(zeros))), 0x8a9136aa);
}

/* The two ways agree at every length and place. */
static void test_crc32c_both_ways(void **state)
{
    char bytes[2048];
    uint32_t seed = 1;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)((seed = seed * 1664525u + 1013904223u) >> 24);
    for (size_t len = 0; len <= 1200; len++)
        assert_int_equal(crc32c(7, slice_make(bytes + len % 13, len)),
                         crc32c_portable(7, slice_make(bytes + len % 13, len)));
}

static void test_crc32c_goes_on(void **state)
{
    uint32_t crc = crc32c(0, SLICE_LIT("1234567890abc"));

    assert_int_equal(crc32c(crc32c(0, SLICE_LIT("12345")), SLICE_LIT("67890abc")), crc);
    assert_int_equal(crc32c_portable(crc32c_portable(0, SLICE_LIT("1234567890")), SLICE_LIT("abc")), crc);
}

static const struct store_record SAMPLE = {
    .kind = STORE_EVENT_MODIFY,
    .class = STORE_HISTORY_WINDOW,
    .verb = 7,
    .revision = 0x123456789a,
    .create_revision = 7,
    .prev_revision = 0x1234567899,
    .time_ns = 1700000000000000123,
    .index = 2,
    .count = 3,
    .prev_index = 1,
    .prev = {0xabcdef01, 0x10203040},
    .audit = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16},
    .key = {"/a/b", 4},
    .user = {"joe", 3},
    .meta = {"me", 2},
    .value = {"value", 5},
};

static void test_record_comes_back(void **state)
{
    char bytes[128];
    size_t size = store_record_size(&SAMPLE);
    struct store_record record;
    ERROR_LOCAL(err);

    assert_int_equal(size, STORE_RECORD_HEADER + 14);
    assert_int_equal(store_record_padded(size), STORE_RECORD_HEADER + 16);
    store_record_write(bytes, &SAMPLE);
    assert_int_equal(store_record_read(slice_make(bytes, sizeof(bytes)), &record, &err), 0);
    assert_int_equal(record.kind, SAMPLE.kind);
    assert_int_equal(record.class, STORE_HISTORY_WINDOW);
    assert_int_equal(record.verb, 7);
    assert_true(record.revision == SAMPLE.revision && record.create_revision == 7);
    assert_true(record.prev_revision == SAMPLE.prev_revision);
    assert_true(record.time_ns == SAMPLE.time_ns);
    assert_true(record.index == 2 && record.count == 3 && record.prev_index == 1);
    assert_true(record.prev.segment == 0xabcdef01 && record.prev.offset == 0x10203040);
    assert_memory_equal(record.audit, SAMPLE.audit, sizeof(record.audit));
    assert_slice_equal(record.key, "/a/b");
    assert_slice_equal(record.user, "joe");
    assert_slice_equal(record.meta, "me");
    assert_slice_equal(record.value, "value");
}

/* Whatever bit flips, and wherever it is cut: refused, and nothing outside is read. */
static void test_damage_is_found(void **state)
{
    size_t size = store_record_size(&SAMPLE);
    char *bytes CLEANUP_FREE = mem_alloc(store_record_padded(size));
    struct store_record record;

    store_record_write(bytes, &SAMPLE);
    for (size_t bit = 0; bit < size * 8; bit++) {
        char *copy CLEANUP_FREE = mem_dup(bytes, size);

        copy[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(store_record_read(slice_make(copy, size), &record, NULL), -ERROR_CORRUPT);
    }
    for (size_t len = 0; len < size; len++) {
        char *cut CLEANUP_FREE = mem_dup(bytes, len);

        assert_int_equal(store_record_read(slice_make(cut, len), &record, NULL), -ERROR_CORRUPT);
    }
    assert_int_equal(store_record_read(slice_make(bytes, size), &record, NULL), 0);
}

/* The layout is for ever: these bytes were written by the first release that had it. */
static void test_layout_is_fixed(void **state)
{
    char bytes[128];
    BUF_LOCAL(hex);

    store_record_write(bytes, &SAMPLE);
    hex_encode(&hex, slice_make(bytes + 4, 116));
    assert_string_equal(buf_cstr(&hex), "76000000020100"
                                        "0d"
                                        "0107"
                                        "0400"
                                        "9a78563412000000"
                                        "0700000000000000"
                                        "9978563412000000"
                                        "7b002a36fe9c9717"
                                        "0200"
                                        "0300"
                                        "0100"
                                        "0300"
                                        "01efcdab"
                                        "40302010"
                                        "02000000"
                                        "05000000"
                                        "00000000"
                                        "00000000"
                                        "0102030405060708090a0b0c0d0e0f10"
                                        "0000000000000000"
                                        "2f612f62"
                                        "6a6f65"
                                        "6d65"
                                        "76616c7565"
                                        "0000");
}

static void test_frames(void **state)
{
    struct store_frame frame = {.length = 96, .segment = 9, .count = 2, .first_revision = 5, .last_revision = 6};
    struct store_frame read;
    char bytes[STORE_FRAME_SIZE + 96] = {0};

    frame.before = 0xfeedbeef;
    store_frame_write(bytes, &frame);
    assert_true(store_frame_read(slice_make(bytes, STORE_FRAME_SIZE), &read));
    assert_true(read.length == 96 && read.segment == 9 && read.count == 2 && read.first_revision == 5 &&
                read.last_revision == 6 && read.before == 0xfeedbeef && read.crc == frame.crc &&
                read.sum == crc32c(0, slice_make(bytes + STORE_FRAME_SIZE, 96)));
    for (size_t bit = 0; bit < STORE_FRAME_SIZE * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_false(store_frame_read(slice_make(bytes, sizeof(bytes)), &read));
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_false(store_frame_read(slice_make(bytes, STORE_FRAME_SIZE - 1), &read));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_known_values),
        cmocka_unit_test(test_crc32c_both_ways),
        cmocka_unit_test(test_crc32c_goes_on),
        cmocka_unit_test(test_record_comes_back),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_layout_is_fixed),
        cmocka_unit_test(test_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
