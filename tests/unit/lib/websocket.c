/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/websocket.h"

#include "tests/unit/test.h"

static const unsigned char mask[WEBSOCKET_MASK_SIZE] = {0x37, 0xfa, 0x21, 0x3d};

/* Reads all of `bytes`, `step` at a time, into one text: "opcode:payload;" per message, "!" and the code at an error.
 */
static void read_all(struct slice bytes, bool masked, size_t step, struct buf *out)
{
    struct websocket_reader r = {.masked = masked, .message_max = 70000};
    struct websocket_message m;
    ERROR_LOCAL(err);
    int e = 0;

    while (bytes.len && e >= 0) {
        struct slice piece = slice_make(bytes.data, bytes.len < step ? bytes.len : step);

        bytes = slice_from(bytes, piece.len);
        while ((e = websocket_read(&r, &piece, &m, &err)) > 0)
            buf_printf(out, "%d:%.*s;", m.opcode, SLICE_ARGS(m.data));
    }
    if (e < 0)
        buf_printf(out, "!%u", websocket_reader_code(&r));
    websocket_reader_clear(&r);
}

static void test_examples_of_the_standard(void **state)
{
    /* RFC 6455, section 5.7. */
    static const struct {
        const char *bytes;
        size_t len;
        bool masked;
        const char *seen;
    } rows[] = {
        {"\x81\x05Hello", 7, false, "1:Hello;"},
        {"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 11, true, "1:Hello;"},
        {"\x01\x03Hel\x80\x02lo", 9, false, "1:Hello;"},
        {"\x01\x03Hel\x89\x00\x80\x02lo", 11, false, "9:;1:Hello;"},
        {"\x88\x02\x03\xe8\x82\x00", 6, false, "8:\x03\xe8;2:;"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (size_t step = 1; step < 4; step++) {
            BUF_LOCAL(out);

            read_all(slice_make(rows[i].bytes, rows[i].len), rows[i].masked, step, &out);
            assert_string_equal(buf_cstr(&out), rows[i].seen);
        }
}

static void test_bad_frames(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *seen;
    } rows[] = {
        {"\xc1\x00", 2, "!1002"},                                  /* extension bit */
        {"\x81\x80\x00\x00\x00\x00", 6, "!1002"},                  /* masked by a server */
        {"\x83\x00", 2, "!1002"},                                  /* unknown opcode */
        {"\x09\x00", 2, "!1002"},                                  /* ping in pieces */
        {"\x89\x7e\x00\x7e", 4, "!1002"},                          /* long ping */
        {"\x80\x00", 2, "!1002"},                                  /* continues nothing */
        {"\x01\x00\x01\x00", 4, "!1002"},                          /* a message in a message */
        {"\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 10, "!1009"}, /* too large */
        {"\x02\x7e\xff\xff", 4, ""},                               /* not yet */
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        BUF_LOCAL(out);

        read_all(slice_make(rows[i].bytes, rows[i].len), false, 1, &out);
        assert_string_equal(buf_cstr(&out), rows[i].seen);
    }
}

static void test_fragments_are_bounded_together(void **state)
{
    BUF_LOCAL(bytes);
    BUF_LOCAL(out);
    char *block CLEANUP_FREE = mem_zalloc(65535);

    (void)state;
    buf_append(&bytes, "\x02\x7e\xff\xff", 4);
    buf_append(&bytes, block, 65535);
    buf_append(&bytes, "\x80\x7e\xff\xff", 4);
    read_all(buf_slice(&bytes), false, 4096, &out);
    assert_string_equal(buf_cstr(&out), "!1009");
}

static void test_written_frames_are_read_again(void **state)
{
    static const size_t sizes[] = {0, 1, 125, 126, 65535, 65536, 69999};

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        for (int masked = 0; masked < 2; masked++) {
            struct websocket_reader r = {.masked = masked, .message_max = 70000};
            char *block CLEANUP_FREE = mem_alloc(sizes[i] + 1);
            struct websocket_message m;
            struct slice rest;
            BUF_LOCAL(bytes);

            memset(block, 'x', sizes[i]);
            websocket_write(&bytes, WEBSOCKET_BINARY, SLICE_LIT("\x01"), slice_make(block, sizes[i]),
                            masked ? mask : NULL);
            rest = buf_slice(&bytes);
            if (sizes[i] + 1 > 70000) {
                assert_true(websocket_read(&r, &rest, &m, NULL) < 0);
            } else {
                assert_int_equal(websocket_read(&r, &rest, &m, NULL), 1);
                assert_int_equal(m.opcode, WEBSOCKET_BINARY);
                assert_int_equal(m.data.len, sizes[i] + 1);
                assert_int_equal(m.data.data[0], 1);
                assert_memory_equal(m.data.data + 1, block, sizes[i]);
                assert_int_equal(rest.len, 0);
            }
            websocket_reader_clear(&r);
        }
}

static void test_handshake(void **state)
{
    BUF_LOCAL(accept);

    (void)state;
    /* RFC 6455, section 1.3. */
    websocket_accept(&accept, SLICE_LIT("dGhlIHNhbXBsZSBub25jZQ=="));
    assert_string_equal(buf_cstr(&accept), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_true(websocket_key_valid(SLICE_LIT("dGhlIHNhbXBsZSBub25jZQ==")));
    assert_false(websocket_key_valid(SLICE_LIT("dGhlIHNhbXBsZQ==")));
    assert_false(websocket_key_valid(SLICE_NONE));
    assert_int_equal(websocket_close_code(SLICE_LIT("\x03\xe9why")), WEBSOCKET_CODE_AWAY);
    assert_int_equal(websocket_close_code(SLICE_LIT("\x03")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_of_the_standard),
        cmocka_unit_test(test_bad_frames),
        cmocka_unit_test(test_fragments_are_bounded_together),
        cmocka_unit_test(test_written_frames_are_read_again),
        cmocka_unit_test(test_handshake),
    };

    return cmocka_run_group_tests_name("websocket", tests, NULL, NULL);
}
