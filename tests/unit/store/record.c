/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_record.h"

#include "store/crc32c.h"
#include "store/store_internal.h"
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

static void test_crc32c_goes_on(void **state)
{
    uint32_t crc = crc32c(0, SLICE_LIT("1234567890abc"));

    assert_int_equal(crc32c(crc32c(0, SLICE_LIT("12345")), SLICE_LIT("67890abc")), crc);
    assert_int_equal(crc32c_portable(crc32c_portable(0, SLICE_LIT("1234567890")), SLICE_LIT("abc")), crc);
}

static const struct store_record SAMPLE = {
    .kind = STORE_EVENT_MODIFY,
    .revision = 0x123456789a,
    .create_revision = 7,
    .time_ns = 1700000000000000123,
    .key = {"/a/b", 4},
    .meta = {"me", 2},
    .value = {"value", 5},
};

static void test_record_comes_back(void **state)
{
    char bytes[128];
    size_t size = store_record_size(&SAMPLE);
    struct store_record record;
    ERROR_LOCAL(err);

    assert_int_equal(size, STORE_RECORD_HEADER + 11);
    store_record_write(bytes, &SAMPLE, SLICE_LIT("place"));
    assert_int_equal(store_record_read(slice_make(bytes, size), SLICE_LIT("place"), &record, &err), 0);
    assert_int_equal(record.kind, SAMPLE.kind);
    assert_true(record.revision == SAMPLE.revision && record.create_revision == 7);
    assert_true(record.time_ns == SAMPLE.time_ns);
    assert_slice_equal(record.key, "/a/b");
    assert_slice_equal(record.meta, "me");
    assert_slice_equal(record.value, "value");
}

/* Whatever bit flips, wherever it is cut, and wherever it is moved to: refused, and nothing outside is read. */
static void test_damage_is_found(void **state)
{
    size_t size = store_record_size(&SAMPLE);
    char *bytes CLEANUP_FREE = mem_alloc(size);
    struct store_record record;

    store_record_write(bytes, &SAMPLE, SLICE_LIT("place"));
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(store_record_read(slice_make(bytes, size), SLICE_LIT("place"), &record, NULL), -ERROR_CORRUPT);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    for (size_t len = 0; len < size; len++) {
        char *cut CLEANUP_FREE = mem_dup(bytes, len);

        assert_int_equal(store_record_read(slice_make(cut, len), SLICE_LIT("place"), &record, NULL), -ERROR_CORRUPT);
    }
    assert_int_equal(store_record_read(slice_make(bytes, size), SLICE_LIT("other"), &record, NULL), -ERROR_CORRUPT);
    assert_int_equal(store_record_read(slice_make(bytes, size), SLICE_LIT("place"), &record, NULL), 0);
}

/* Keys of one prefix keep together in `history`, in key order, whatever the revisions are. */
static void test_history_places_sort_by_key_then_revision(void **state)
{
    const struct {
        const char *key;
        uint64_t revision;
    } in_order[] = {{"a", 1},     {"a", 255}, {"a", 256}, {"a", (1ull << 48) - 1},
                    {"a\x01", 3}, {"a/", 2},  {"ab", 1},  {"b", 0}};

    for (size_t i = 1; i < ARRAY_SIZE(in_order); i++) {
        struct store_place a = store_history_place(slice_str(in_order[i - 1].key), in_order[i - 1].revision);
        struct store_place b = store_history_place(slice_str(in_order[i].key), in_order[i].revision);
        struct slice key;
        uint64_t revision;

        assert_true(slice_compare(slice_make(a.bytes, a.len), slice_make(b.bytes, b.len)) < 0);
        assert_true(store_history_place_read(slice_make(b.bytes, b.len), &key, &revision));
        assert_slice_equal(key, in_order[i].key);
        assert_true(revision == in_order[i].revision);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_known_values),
        cmocka_unit_test(test_crc32c_goes_on),
        cmocka_unit_test(test_record_comes_back),
        cmocka_unit_test(test_damage_is_found),
        cmocka_unit_test(test_history_places_sort_by_key_then_revision),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
